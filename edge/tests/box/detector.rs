//! What a detector says, and what it refuses to open.

use counterfoil_edge::Detector;
use counterfoil_models::{Error as ContractError, Frame, Verdict};

use super::bundle::{Fixture, png};

fn refusal(alter: impl FnOnce(&mut counterfoil_models::Manifest)) -> String {
    let fixture = Fixture::new();
    let moved = fixture.write_bundle("moved", "Identity", alter);
    Detector::open(&moved).unwrap_err().to_string()
}

#[test]
fn a_picture_is_judged_by_the_bundle_it_is_shown_to() {
    let detector = Detector::open(&Fixture::new().bundle()).unwrap();
    assert!(detector.deviation() < 1e-6);
    let judge = |shade| detector.judge(&Frame::decode(&png(shade)).unwrap()).unwrap();
    assert!((judge(51).score().get() - 0.2).abs() < 1e-6);
    let verdicts = [230, 52, 40].map(|shade| judge(shade).verdict());
    assert_eq!(verdicts, [Verdict::Genuine, Verdict::Unsure, Verdict::Counterfeit]);
    assert_eq!(judge(0).p_value(), 1.0 / 200.0);
}

#[test]
fn a_bundle_whose_golden_picture_moved_is_refused() {
    let score = refusal(|manifest| manifest.golden[0].rows[0] += 0.01);
    assert!(score.contains("self test") && score.contains("bundle says 0.81") && score.contains("moved"), "{score}");
    let plane = refusal(|manifest| manifest.golden[0].plane_sha256 = "0".repeat(64));
    assert!(plane.contains("other pixels"), "{plane}");
    let verdict = refusal(|manifest| manifest.golden[0].verdict = Verdict::Unsure);
    assert!(verdict.contains("judged genuine"), "{verdict}");
    let embedding = refusal(|manifest| manifest.golden[0].embedding[3] += 0.01);
    assert!(embedding.contains("another embedding"), "{embedding}");
    let file = refusal(|manifest| manifest.golden[0].file = "golden/other.png".into());
    assert!(file.contains("other.png"), "{file}");
}

#[test]
fn a_bundle_that_cannot_test_itself_is_refused() {
    assert!(refusal(|manifest| manifest.golden.clear()).contains("no golden pictures"));
}

#[test]
fn a_network_of_another_shape_than_the_manifest_says_is_refused() {
    let error = refusal(|manifest| manifest.input.width = 20);
    assert!(error.contains("discriminator.onnx") && error.contains("20"), "{error}");
}

#[test]
fn a_score_that_is_no_number_is_a_fault_and_no_verdict() {
    let fixture = Fixture::new();
    // The logarithm of black is minus infinity; the golden picture is bright.
    let detector = Detector::open(&fixture.write_bundle("log", "Log", |_| {})).unwrap();
    let error = detector.judge(&Frame::decode(&png(0)).unwrap()).unwrap_err();
    assert!(matches!(error, counterfoil_edge::Error::Contract(ContractError::NotFinite(_))), "{error}");
}

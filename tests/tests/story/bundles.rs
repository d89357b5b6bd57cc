//! Bundles that are incomplete, changed, too new, or built to do harm. A box refuses each one and says why.

use std::fs;
use std::path::Path;

use counterfoil_models::sha256_hex;
use counterfoil_tests::{Stage, counterfoil, edge, edge_on_aarch64, root};
use serde_json::Value;

fn refused(bundle: &Path, because: &str) {
    edge(["selftest".as_ref(), "--bundle".as_ref(), bundle.as_os_str()]).says(because).code(2);
}

/// Changes the network and adapts the manifest to it, as an attacker would.
fn forge(bundle: &Path, change: impl Fn(&mut Vec<u8>)) {
    let (onnx, manifest) = (bundle.join("discriminator.onnx"), bundle.join("manifest.json"));
    let mut bytes = fs::read(&onnx).unwrap();
    change(&mut bytes);
    fs::write(&onnx, &bytes).unwrap();
    edit(&manifest, |value| {
        let entry = &mut value["files"]["discriminator.onnx"];
        entry["sha256"] = sha256_hex(&bytes).into();
        entry["bytes"] = bytes.len().into();
    });
}

fn edit(manifest: &Path, change: impl Fn(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    change(&mut value);
    fs::write(manifest, serde_json::to_vec(&value).unwrap()).unwrap();
}

#[test]
fn a_bundle_that_is_not_whole_is_refused_by_name() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let copy = || stage.copy("gan", dir.path());

    let bundle = copy();
    fs::remove_file(bundle.join("discriminator.onnx")).unwrap();
    refused(&bundle, "discriminator.onnx is missing");

    let bundle = copy();
    let mut bytes = fs::read(bundle.join("discriminator.onnx")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(bundle.join("discriminator.onnx"), bytes).unwrap();
    refused(&bundle, "discriminator.onnx is not the file that was exported");

    let bundle = copy();
    edit(&bundle.join("manifest.json"), |value| value["schema"] = 99.into());
    refused(&bundle, "schema 99");

    let bundle = copy();
    fs::remove_file(bundle.join("manifest.json")).unwrap();
    refused(&bundle, "no bundle");
    refused(&dir.path().join("nowhere"), "no bundle");
}

#[test]
fn a_network_that_was_tampered_with_is_refused_even_with_matching_hashes() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();

    // Many weights become NaN, because a single one may have no effect on a score.
    let bundle = stage.copy("gan", dir.path());
    forge(&bundle, |bytes| {
        for place in 4..15 {
            let start = bytes.len() / 16 * place;
            for at in (start..start + 256).step_by(4) {
                bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
            }
        }
    });
    edge(["selftest".as_ref(), "--bundle".as_ref(), bundle.as_os_str()]).code(2);

    let bundle = stage.copy("gan", dir.path());
    let generator = fs::read(bundle.join("generator.onnx")).unwrap();
    forge(&bundle, |bytes| bytes.clone_from(&generator));
    refused(&bundle, "image");

    let bundle = stage.copy("gan", dir.path());
    forge(&bundle, |bytes| bytes.truncate(100));
    edge(["selftest".as_ref(), "--bundle".as_ref(), bundle.as_os_str()]).code(2);

    let bundle = stage.copy("gan", dir.path());
    edit(&bundle.join("manifest.json"), |value| value["golden"][0]["score"] = 1e3.into());
    refused(&bundle, "the self test failed");
}

#[test]
fn the_pretrained_bundles_are_small_and_pass_their_own_test() {
    for name in ["specimen-note", "specimen-note-statistics"] {
        let bundle = root().join("models/pretrained").join(name);
        edge(["selftest".as_ref(), "--bundle".as_ref(), bundle.as_os_str()]).ok();
        if let Some(emulated) = edge_on_aarch64(["selftest".as_ref(), "--bundle".as_ref(), bundle.as_os_str()]) {
            emulated.ok();
        }
        let manifest: Value = serde_json::from_slice(&fs::read(bundle.join("manifest.json")).unwrap()).unwrap();
        let bytes: u64 =
            manifest["files"].as_object().unwrap().values().map(|file| file["bytes"].as_u64().unwrap()).sum();
        assert!(bytes < 2_000_000, "{name} has {bytes} bytes");
        assert!(manifest["training"]["metrics"]["auroc"]["low"].is_number(), "{name} states what it measured");
    }
}

#[test]
fn an_existing_bundle_stays_unless_forced() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let bundle = stage.copy("gan", dir.path()).display().to_string();
    let run = stage.path("run").display().to_string();
    let export = |more: &[&str]| counterfoil([&["export", &run, "--out", &bundle, "--alpha", "0.05"], more].concat());
    export(&[]).code(2).says("--force");
    export(&["--force"]).ok();
    let manifest: Value = serde_json::from_slice(&fs::read(Path::new(&bundle).join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["counter"], 2, "a replacement counts on");
}

#[test]
fn an_export_says_which_false_alarm_rate_the_pictures_support() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let (run, out) = (stage.path("run").display().to_string(), dir.path().join("bundle").display().to_string());
    counterfoil(["export", &run, "--out", &out]).code(2).says("needs at least 99").says("--alpha");
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_bundle_without_its_flag_is_explained() {
    edge(["detect", "picture.png"]).code(2).says("--bundle");
}

/// The network of a bundle that comes with the source, taken for another program's: the same scores, judged by a
/// threshold of these pictures.
#[test]
fn another_programs_network_becomes_a_bundle_that_judges_as_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let theirs = root().join("models/pretrained/specimen-note-statistics");
    counterfoil(["dataset", "specimen", "--out", &at("notes"), "--real", "40", "--fakes", "1", "--seed", "5"]).ok();
    let network = theirs.join("discriminator.onnx");
    let import = |more: &[&str]| {
        let genuine = format!("{}/real", at("notes"));
        let given = ["import", network.to_str().unwrap(), "--genuine", &genuine, "--out", &at("theirs")];
        counterfoil(given.iter().chain(more).copied().collect::<Vec<_>>())
    };
    import(&[]).says("--scale: 0..1, -1..1, 0..255 or imagenet").code(2);
    import(&["--scale", "0..1"]).says("--higher-is genuine").code(2);
    import(&["--scale", "0..1", "--higher-is", "genuine"]).says("theirs is ready: false-alarm rate 2.").ok();
    let scores = |bundle: &Path| -> Vec<f64> {
        let fakes = format!("{}/fake", at("notes"));
        let ran = edge(["detect", "--json", "--bundle", bundle.to_str().unwrap(), &fakes]);
        ran.lines().iter().map(|line| line["score"].as_f64().unwrap()).collect()
    };
    let (before, after) = (scores(&theirs), scores(Path::new(&at("theirs"))));
    assert!(before.len() > 5 && before.len() == after.len());
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs().max(1.0)), "{before:?} {after:?}");
}

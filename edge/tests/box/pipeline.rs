//! Many pictures: in order, whatever is wrong with some of them.

use std::fs;
use std::num::NonZero;
use std::ops::ControlFlow;

use counterfoil_edge::Detector;
use counterfoil_edge::detector::pipeline::{PictureResult, judge_all};
use counterfoil_edge::detector::source::{Source, pictures};

use super::bundle::Fixture;

fn judge(fixture: &Fixture, sources: impl Iterator<Item = Source> + Send) -> Vec<PictureResult> {
    let detector = Detector::open(&fixture.bundle()).unwrap();
    let mut all = Vec::new();
    judge_all(&detector, sources, NonZero::new(4).unwrap(), |judged| {
        all.push(judged);
        ControlFlow::Continue(())
    });
    all
}

#[test]
fn a_broken_picture_among_good_ones_is_told_of_in_its_place() {
    let fixture = Fixture::new();
    for i in 0..60u8 {
        fixture.picture(format!("in/{i:02}.png"), 100 + i);
    }
    let whole = fs::read(fixture.path("in/30.png")).unwrap();
    fs::write(fixture.path("in/30.png"), &whole[..whole.len() / 2]).unwrap();

    let judged = judge(&fixture, pictures(vec![fixture.path("in")]));
    assert_eq!(judged.len(), 60);
    for (i, one) in judged.iter().enumerate() {
        assert_eq!(one.path, fixture.path(&format!("in/{i:02}.png")));
        match &one.outcome {
            Ok(judgement) => assert!((judgement.score().get() - (100 + i) as f32 / 255.0).abs() < 1e-5),
            Err(error) => assert!(i == 30 && error.to_string().contains("cut short"), "{i}: {error}"),
        }
    }
    assert!(judged[30].outcome.is_err());
}

#[test]
fn a_file_that_vanishes_after_it_was_listed_is_told_of() {
    let fixture = Fixture::new();
    let path = fixture.picture("in/a.png", 200);
    fixture.picture("in/b.png", 200);
    let listed: Vec<Source> = pictures(vec![fixture.path("in")]).collect();
    fs::remove_file(path).unwrap();
    let judged = judge(&fixture, listed.into_iter());
    assert!(judged[0].outcome.as_ref().unwrap_err().to_string().contains("no such file"));
    assert!(judged[1].outcome.is_ok());
}

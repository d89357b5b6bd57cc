//! What a box learns on site: references of one item, and its own camera's calibration.

use std::ffi::OsStr;
use std::fs;
use std::process::Output;

use counterfoil_models::{
    Bundle, Calibration, Distance, EmbeddingPart, Enrolment, Manifest, Overlay, ReferenceLevel, Scale,
};
use serde_json::Value;

use super::bundle::Fixture;
use super::cli::{edge, lines, stderr};

/// The embedding is the picture itself, 16 x 16. Two pictures of one item are ten shades apart: from one reference that is a distance of 0.
pub(super) fn knows_items(manifest: &mut Manifest) {
    manifest.enrolment = Some(Enrolment {
        distance: Distance { parts: vec![EmbeddingPart { length: 256, variance: 0.5 * (10f64 / 255.0).powi(2) }] },
        weight_distance: 1.0,
        weight_general: 0.01,
        general: Scale { mean: 0.8, deviation: 0.1 },
        levels: [1, 4]
            .map(|references| ReferenceLevel {
                references,
                distance: Scale { mean: 0.0, deviation: 1.0 },
                groups: 9,
                effective: 40.0,
                calibration: Calibration::new(0.01, (0..99).map(|i| -0.01 * i as f32).collect()).unwrap(),
            })
            .into(),
    });
}

/// A bundle that knows items, and a state folder beside it that is not there yet.
struct Site {
    fixture: Fixture,
}

impl Site {
    fn new() -> Self {
        let fixture = Fixture::new();
        fixture.write_bundle("signatures", "Identity", knows_items);
        Self { fixture }
    }

    fn run(&self, bundle: &str, arguments: &[&str]) -> Output {
        let (verb, rest) = arguments.split_first().unwrap();
        let bundle = self.fixture.path(bundle);
        let state = self.fixture.path("state");
        let options: [&OsStr; 4] = ["--bundle".as_ref(), bundle.as_ref(), "--state".as_ref(), state.as_ref()];
        edge().arg(verb).args(options).args(rest).current_dir(self.fixture.path("")).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        lines(&self.run("signatures", &[arguments, &["--json"]].concat()))
    }

    fn refused(&self, bundle: &str, arguments: &[&str]) -> String {
        let output = self.run(bundle, arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{}", stderr(&output));
        stderr(&output)
    }
}

#[test]
fn a_picture_far_from_the_references_is_caught_however_genuine_it_looks_in_general() {
    let site = Site::new();
    for (name, shade) in [("own.png", 200), ("near.png", 205), ("far.png", 230)] {
        site.fixture.picture(name, shade);
    }
    let enrolled = &site.json(&["enroll", "--name", "ada", "own.png"])[0];
    assert_eq!(
        (&enrolled["references"], &enrolled["pictures"], &enrolled["groups"]),
        (&1.into(), &99.into(), &9.into())
    );

    let general = site.json(&["detect", "near.png", "far.png"]);
    assert!(general.iter().all(|line| line["verdict"] == "genuine" && line["calibration"] == "bundle"), "{general:?}");
    let held = site.json(&["detect", "--as", "ada", "near.png", "far.png"]);
    assert_eq!([&held[0]["verdict"], &held[1]["verdict"]], ["genuine", "counterfeit"]);
    // Half as far as is usual, squared, and its brightness is near the mean.
    let expected = 4f64.ln() + 0.01 * (205.0 / 255.0 - 0.8) / 0.1;
    assert!((held[0]["score"].as_f64().unwrap() - expected).abs() < 1e-5, "{}", held[0]);
    assert_eq!((&held[0]["calibration"], &held[0]["name"]), (&"enrolled".into(), &"ada".into()));
}

#[test]
fn between_two_calibrated_numbers_the_lower_is_used_and_said() {
    let site = Site::new();
    for i in 0..5 {
        site.fixture.picture(format!("refs/{i}.png"), 190 + 5 * i);
    }
    site.fixture.picture("a.png", 200);
    let enrolled = &site.json(&["enroll", "--name", "five", "refs"])[0];
    assert_eq!((&enrolled["references"], &enrolled["calibrated_for"]), (&5.into(), &4.into()));
    let line = &site.json(&["detect", "--as", "five", "a.png"])[0];
    assert_eq!(
        (&line["references"], &line["calibrated_for"], &line["verdict"]),
        (&5.into(), &4.into(), &"genuine".into())
    );
}

#[test]
fn names_are_listed_removed_and_taken_once() {
    let site = Site::new();
    site.fixture.picture("a.png", 200);
    let enroll = |name: &str| site.run("signatures", &["enroll", "--name", name, "a.png"]).status.code();
    assert_eq!([enroll("bob"), enroll("ada"), enroll("../eve")], [Some(0), Some(0), Some(2)]);
    assert!(site.refused("signatures", &["enroll", "--name", "ada", "a.png"]).contains("enrolled already"));
    let names: Vec<Value> = site.json(&["enroll", "--list"]).iter().map(|line| line["name"].clone()).collect();
    assert_eq!(names, ["ada", "bob"]);
    assert_eq!(site.run("signatures", &["enroll", "--name", "ada", "--remove"]).status.code(), Some(0));
    let error = site.refused("signatures", &["detect", "--as", "ada", "--json", "a.png"]);
    assert!(error.contains("not enrolled") && error.contains("bob"), "{error}");
}

#[test]
fn what_cannot_be_enrolled_is_refused_and_leaves_nothing() {
    let site = Site::new();
    let twice = site.fixture.picture("a.png", 200);
    fs::copy(twice, site.fixture.path("b.png")).unwrap();
    fs::write(site.fixture.path("broken.png"), "no picture").unwrap();
    for i in 0..25 {
        site.fixture.picture(format!("many/{i:02}.png"), 100 + i);
    }
    let enroll = |paths: &[&str]| site.refused("signatures", &[&["enroll", "--name", "x"], paths].concat());
    assert!(enroll(&["a.png", "b.png"]).contains("are the same to the network"));
    assert!(enroll(&["a.png", "broken.png"]).contains("broken.png: "));
    assert!(enroll(&["many"]).contains("1 to 20"));
    assert!(enroll(&["a.png", "lost.png"]).contains("lost.png: there is no such file"));
    let general = site.refused("bundle", &["enroll", "--name", "x", "a.png"]);
    assert!(general.contains("cannot enrol") && general.contains("--group"), "{general}");
    assert!(!site.fixture.path("state").exists());
}

#[test]
fn the_sites_own_calibration_takes_the_place_of_the_bundles_and_of_no_other() {
    let site = Site::new();
    site.fixture.picture("a.png", 230);
    let bundle = Bundle::open(&site.fixture.path("bundle")).unwrap();
    let brighter = Calibration::new(0.01, (0..99).map(|i| 0.92 + 0.0005 * i as f32).collect()).unwrap();
    Overlay::of(&site.fixture.path("state"), &bundle).calibrate(&brighter).unwrap();
    let here = site.run("bundle", &["detect", "a.png", "--json"]);
    assert_eq!(here.status.code(), Some(1), "{}", stderr(&here));
    let line = &lines(&here)[0];
    assert_eq!((&line["calibration"], &line["pictures"]), (&"site".into(), &99.into()));
    let other = site.run("signatures", &["detect", "a.png"]);
    assert_eq!(other.status.code(), Some(0));
    assert!(stderr(&other).contains("holds no calibration for this bundle"), "{}", stderr(&other));

    let file = site.fixture.path("state").join(bundle.id()).join("calibration.json");
    fs::write(file, "{").unwrap();
    assert!(site.refused("bundle", &["detect", "a.png", "--json"]).contains("damaged"));
}

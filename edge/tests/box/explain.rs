//! Where it looks: a stain on a bright picture is what speaks against it.

use std::fs;
use std::num::NonZero;

use counterfoil_edge::Detector;
use counterfoil_edge::detector::explain::{Explanation, Patch};
use counterfoil_models::{Calibration, Frame, Join, JoinRule, Region, Score, Verdict, sha256_hex, sketch};
use image::{GrayImage, Luma};

use super::bundle::{COUPLED, Fixture, png};
use super::cli::{edge, lines, stderr};

/// Bright but for a black stain at the lower right.
fn stained() -> GrayImage {
    GrayImage::from_fn(80, 60, |x, y| Luma([if x > 60 && y > 45 { 0 } else { 220 }]))
}

#[test]
fn the_stain_is_found_and_drawn_red_where_it_is() {
    let detector = Detector::open(&Fixture::new().bundle()).unwrap();
    let frame = Frame::Grey(stained());
    let explanation = Explanation::of(&detector, &frame, NonZero::new(2).unwrap()).unwrap();
    assert_eq!(explanation.judgement, detector.judge(&frame).unwrap());
    let Region { x, y, width, height } = explanation.strongest().unwrap().place;
    assert!(x + width / 2.0 > 0.7 && y + height / 2.0 > 0.7, "{explanation:?}");
    let map = explanation.draw(&frame).unwrap();
    assert_eq!(map.dimensions(), (512, 384), "the picture's own proportions");
    let redness = |x, y| {
        let p = map.get_pixel(x, y).0;
        i32::from(p[0]) - i32::from(p[1])
    };
    assert!(redness(480, 360) > 60 && redness(60, 60) < 5, "{} {}", redness(480, 360), redness(60, 60));
}

#[test]
fn nothing_is_red_where_nothing_speaks_against_it() {
    let detector = Detector::open(&Fixture::new().bundle()).unwrap();
    let frame = Frame::decode(&png(230)).unwrap();
    let explanation = Explanation::of(&detector, &frame, NonZero::new(1).unwrap()).unwrap();
    assert_eq!(explanation.judgement.verdict(), Verdict::Genuine);
    let map = explanation.draw(&frame).unwrap();
    assert!(map.pixels().all(|p| p.0 == [230; 3]), "a rounding is no stain");
}

#[test]
fn a_place_speaks_for_itself_where_regions_are_scored_together() {
    let fixture = Fixture::new();
    let bundle = fixture.write_bundle("coupled", COUPLED, |manifest| {
        manifest.input.regions = [[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 0.5, 1.0]].map(Region::from).to_vec();
        manifest.join = Join::fit(JoinRule::Mean, &[vec![1.0; 2], vec![2.0; 2]]).unwrap();
        manifest.calibration = Calibration::new(0.05, (0..99).map(|i| 0.01 * i as f32).collect()).unwrap();
        let golden = &mut manifest.golden[0];
        golden.rows = vec![2.0 * golden.score; 2];
        golden.score = manifest.join.join(&golden.rows).unwrap().get();
        golden.verdict = manifest.calibration.judge(Score::new(golden.score).unwrap()).verdict();
        golden.plane_sha256 = sha256_hex(&[204; 2 * 16 * 16]);
        golden.embedding = sketch(&[204.0 / 255.0; 2 * 16 * 16]);
    });
    let detector = Detector::open(&bundle).unwrap();
    // The left region alone has a stain.
    let stained = GrayImage::from_fn(80, 60, |x, y| Luma([if x < 15 && y > 40 { 0 } else { 220 }]));
    let explanation = Explanation::of(&detector, &Frame::Grey(stained), NonZero::new(2).unwrap()).unwrap();
    let (left, right): (Vec<&Patch>, Vec<&Patch>) = explanation.patches.iter().partition(|patch| patch.place.x < 0.5);
    assert_eq!(left.len(), right.len());
    assert!(left.iter().any(|patch| patch.rise > 0.05), "{left:?}");
    assert!(right.iter().all(|patch| patch.rise.abs() < 1e-4), "{right:?}");
}

#[test]
fn detect_explains_one_picture_in_a_file_and_several_in_a_folder() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("in")).unwrap();
    stained().save(fixture.path("in/a.png")).unwrap();
    fixture.picture("in/b.png", 10);
    let explain = |out: &str, path: &str| {
        let detect = edge()
            .args(["detect", "--json", path, "--explain", out, "--bundle"])
            .arg(fixture.bundle())
            .current_dir(fixture.path(""))
            .output();
        detect.unwrap()
    };
    let one = explain("map.png", "in/a.png");
    assert_eq!((one.status.code(), lines(&one).len()), (Some(0), 1), "{}", stderr(&one));
    assert!(stderr(&one).contains("lower right speaks most for counterfeit"), "{}", stderr(&one));
    assert!(image::open(fixture.path("map.png")).unwrap().width() == 512);

    fs::write(fixture.path("in/broken.png"), "").unwrap();
    let many = explain("maps", "in");
    assert_eq!((many.status.code(), lines(&many).len()), (Some(2), 3), "{}", stderr(&many));
    let mut maps: Vec<_> = fs::read_dir(fixture.path("maps")).unwrap().map(|e| e.unwrap().file_name()).collect();
    maps.sort();
    assert_eq!(maps, ["0001-a.png", "0002-b.png"]);

    let inside = explain("in/maps", "in");
    assert!(inside.status.code() == Some(2) && stderr(&inside).contains("among the pictures"), "{}", stderr(&inside));
    let nowhere = explain("none/map.png", "in/a.png");
    assert!(
        nowhere.status.code() == Some(2) && lines(&nowhere)[0]["error"].as_str().unwrap().contains("cannot be written")
    );
}

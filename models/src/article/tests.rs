//! Tests of finding and straightening, on a few hundred drawn scenes whose corners are known.
//!
//! A file of its own because the scenes must reach strict rates: a wrong outline is worse than none.

use image::imageops::{FilterType, resize};
use image::{GrayImage, Luma, Rgb, RgbImage};
use proptest::prelude::*;

use super::scenes::{Dice, Scene, Sheet, Table, article, draw, empty_table, pose};
use super::{NotFound, Outline, distance};
use crate::{Frame, sha256_hex};

const SIZE: (u32, u32) = (640, 480);

/// The largest distance of a found corner from the true one, in pixels.
fn error(outline: &Outline, corners: [(f64, f64); 4]) -> f64 {
    // At a rotation of 45 degrees, either neighbour may be taken for the upper side.
    let turned = |by: usize| (0..4).map(move |at| (at, (at + by) % 4));
    let farthest = |by| turned(by).map(|(a, b)| distance(outline.corners()[a], corners[b])).fold(0.0, f64::max);
    [0, 1, 3].map(farthest).into_iter().fold(f64::MAX, f64::min)
}

/// Errors of the outlines found, in ascending order, and the reasons where none was found.
fn look(scenes: impl Iterator<Item = Scene>) -> (Vec<f64>, Vec<NotFound>) {
    let (mut errors, mut refused) = (Vec::new(), Vec::new());
    for scene in scenes {
        match Outline::find(&scene.frame) {
            Ok(outline) => errors.push(error(&outline, scene.corners)),
            Err(reason) => refused.push(reason),
        }
    }
    errors.sort_by(f64::total_cmp);
    (errors, refused)
}

#[test]
fn articles_are_found_to_a_fraction_of_a_pixel() {
    let (errors, refused) = look((2000..2200).map(|seed| Scene::with_article(seed, SIZE, 40.0)));
    let wrong = errors.iter().filter(|error| **error > 4.0).count();
    let median = errors[errors.len() / 2];
    assert!(median <= 0.2 && errors[errors.len() * 9 / 10] <= 1.5, "{errors:.2?}");
    assert!(wrong <= 1 && refused.len() <= 2, "{errors:.2?} {refused:?}");
}

#[test]
fn a_bare_table_has_no_outline() {
    let found: Vec<u64> = (0..200).filter(|seed| Outline::find(&empty_table(*seed, SIZE)).is_ok()).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn what_is_cut_off_is_refused() {
    let (errors, refused) = look((0..80).map(|seed| Scene::cut(seed, SIZE)));
    let named = refused.iter().filter(|reason| **reason == NotFound::CutOff).count();
    assert!(errors.is_empty() && named >= 76, "{errors:.1?} {refused:?}");
}

#[test]
fn a_finger_on_a_corner_is_looked_past_or_refused() {
    let (errors, refused) = look((0..80).map(|seed| Scene::held(seed, SIZE)));
    assert!(errors.iter().all(|error| *error <= 4.0) && refused.len() <= 6, "{errors:.2?} {refused:?}");
}

#[test]
fn of_two_the_larger_is_found() {
    let (errors, refused) = look((0..80).map(|seed| Scene::with_two(seed, SIZE)));
    assert!(errors.iter().all(|error| *error <= 4.0) && refused.len() <= 3, "{errors:.2?} {refused:?}");
}

/// A dark card with rounded corners on a light table, in grey.
fn card() -> Frame {
    Frame::Grey(GrayImage::from_fn(400, 300, |x, y| {
        let (x, y) = ((i64::from(x) - 200).abs(), (i64::from(y) - 150).abs());
        let (over_x, over_y) = ((x - 120).max(0), (y - 70).max(0));
        let inside = over_x * over_x + over_y * over_y < 64;
        Luma([if inside { 40 + ((x * y / 16) % 60) as u8 } else { 180 }])
    }))
}

#[test]
fn rounded_corners_are_met_by_the_sides() {
    let outline = Outline::find(&card()).unwrap();
    let off = error(&outline, [(73.0, 73.0), (328.0, 73.0), (328.0, 228.0), (73.0, 228.0)]);
    assert!(off <= 0.5, "{outline:?}");
    assert_eq!(outline.size(), (255, 155));
}

#[test]
fn reasons_say_what_to_do() {
    let square = |side: u32| {
        Frame::Grey(GrayImage::from_fn(320, 240, |x, y| {
            let inside = (100..100 + side).contains(&x) && (60..60 + side).contains(&y);
            Luma([if inside { 220 } else { 60 }])
        }))
    };
    assert!(Outline::find(&square(120)).is_ok());
    let reason = |frame: &Frame| Outline::find(frame).unwrap_err();
    assert_eq!(reason(&square(60)), NotFound::TooSmall);
    assert_eq!(reason(&square(200)), NotFound::CutOff);
    assert_eq!(reason(&square(0)), NotFound::NothingStandsOut);
    let disc = GrayImage::from_fn(320, 240, |x, y| {
        let (x, y) = (i64::from(x) - 160, i64::from(y) - 120);
        Luma([if x * x + y * y < 6400 { 220 } else { 60 }])
    });
    assert_eq!(reason(&Frame::Grey(disc)), NotFound::NotFourSided);
    assert!(NotFound::TooSmall.to_string().contains("move closer"));
}

#[test]
fn what_is_straightened_is_the_article_as_printed() {
    for seed in 0..12 {
        let mut dice = Dice::new(seed);
        let table = Table::plain();
        let flat = article(&mut dice, table.color, 60.0);
        let aspect = f64::from(flat.width()) / f64::from(flat.height());
        let corners = (0..100).find_map(|_| pose(&mut dice, aspect, (640.0, 480.0), 44.0, 12.0, 0.3)).unwrap();
        let frame = draw(&mut dice, SIZE, &table, &[Sheet { corners, print: &flat }]);
        let Frame::Rgb(straight) = Outline::find(&frame).unwrap().straighten(&frame) else { panic!("it was RGB") };
        // At the size at which it is seen, so that both have lost the same detail.
        let flat = resize(&flat, straight.width(), straight.height(), FilterType::Triangle);
        let apart = |turned: &RgbImage| {
            let sum: u64 = turned.as_raw().iter().zip(flat.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            sum as f64 / flat.as_raw().len() as f64
        };
        assert!(apart(&straight) < 12.0, "seed {seed}: {}", apart(&straight));
        assert!(apart(&image::imageops::rotate180(&straight)) > 2.0 * apart(&straight), "seed {seed} is upright");
    }
}

#[test]
fn every_machine_straightens_to_the_same_bytes() {
    let picture = RgbImage::from_fn(330, 260, |x, y| {
        // A parallelogram with a printed pattern, computed in whole numbers only.
        let (u, v) = (5 * x + y, 7 * y + 600 - x);
        let inside = (400..1400).contains(&u) && (900..2100).contains(&v);
        if inside { Rgb([30, ((u * u + v * v) / 30_000 % 110) as u8, (u / 90) as u8]) } else { Rgb([150, 160, 200]) }
    });
    let frame = Frame::Rgb(picture);
    let outline = Outline::find(&frame).unwrap();
    let Frame::Rgb(straight) = outline.straighten(&frame) else { panic!("it was RGB") };
    let bits = outline.corners().map(|(x, y)| [x.to_bits(), y.to_bits()].map(u64::to_be_bytes)).concat().concat();
    let hash = |bytes: &[u8]| sha256_hex(bytes)[..16].to_owned();
    // Recorded on x86-64; the crate's tests run on aarch64 too.
    assert_eq!([hash(&bits), hash(straight.as_raw())], ["01746724d09941ef", "04a55be89eae98cb"]);
}

proptest! {
    #[test]
    fn no_frame_breaks_it(w in 8u32..400, h in 8u32..300, seed: u64, cell in 1u32..60, rgb: bool) {
        let level = |x: u32, y: u32| (u64::from(x / cell * 31 + y / cell * 17).wrapping_mul(seed | 1) >> 40) as u8;
        let grey = GrayImage::from_fn(w, h, |x, y| Luma([level(x, y)]));
        let frame = if rgb { Frame::Rgb(Frame::Grey(grey).to_rgb().into_owned()) } else { Frame::Grey(grey) };
        if let Ok(outline) = Outline::find(&frame) {
            let straight = outline.straighten(&frame);
            prop_assert_eq!((straight.width(), straight.height()), outline.size());
        }
    }
}

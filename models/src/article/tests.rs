//! Drawn scenes whose corners are known: a busy article on a table with grain, uneven light and a shadow, turned and tilted.

use super::scenes::{Scene, empty_table};
use super::*;

const SIZE: (u32, u32) = (640, 480);
/// Scenes of each kind.
const SCENES: u64 = 60;
/// An outline further off than this at a corner, in pixels, is another thing's.
const WRONG: f64 = 4.0;

/// How far the corner that is furthest off lies from where it should.
fn error(found: [(f64, f64); 4], truth: [(f64, f64); 4]) -> f64 {
    let turned = |by: usize| (0..4).map(|i| distance(found[i], truth[(i + by) % 4])).fold(0.0, f64::max);
    (0..4).map(turned).fold(f64::MAX, f64::min)
}

/// Errors of those that were found, ascending; how many were refused.
fn found(scenes: impl Iterator<Item = Scene>) -> (Vec<f64>, usize) {
    let (mut errors, mut refused) = (Vec::new(), 0);
    for scene in scenes {
        match Outline::find(&scene.frame) {
            Ok(outline) => errors.push(error(outline.corners(), scene.corners)),
            Err(_) => refused += 1,
        }
    }
    errors.sort_by(f64::total_cmp);
    (errors, refused)
}

#[test]
fn an_article_is_found_whatever_its_pose_and_print() {
    let (errors, refused) = found((0..SCENES).map(|seed| Scene::with_article(1000 + seed, SIZE, 40.0)));
    assert_eq!(refused, 0);
    assert!(errors[errors.len() / 2] < 0.3, "median {}", errors[errors.len() / 2]);
    let wrong = errors.iter().filter(|error| **error > WRONG).count();
    assert!(wrong <= 1, "{wrong} wrong, the worst by {:?}", errors.last());
}

#[test]
fn an_empty_table_has_no_article() {
    let finds = (0..SCENES).filter(|seed| Outline::find(&empty_table(*seed, SIZE)).is_ok()).count();
    assert_eq!(finds, 0);
}

#[test]
fn one_that_is_cut_off_is_refused_and_a_hidden_corner_is_never_guessed_wrong() {
    let (errors, _) = found((0..SCENES).map(|seed| Scene::cut(seed, SIZE)));
    assert!(errors.len() <= 2, "{} of {SCENES} were believed though they are cut off", errors.len());
    let (errors, refused) = found((0..SCENES).map(|seed| Scene::held(seed, SIZE)));
    assert!(
        refused <= 4 && errors.iter().filter(|error| **error > WRONG).count() <= 1,
        "{refused} refused, {errors:.1?}"
    );
}

#[test]
fn of_two_articles_the_larger_is_found() {
    let (errors, refused) = found((0..SCENES).map(|seed| Scene::with_two(seed, SIZE)));
    assert!(
        refused <= 2 && errors.iter().filter(|error| **error > WRONG).count() <= 1,
        "{refused} refused, {errors:.1?}"
    );
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let plain = Frame::Grey(image::GrayImage::from_pixel(320, 240, image::Luma([128])));
    assert_eq!(Outline::find(&plain), Err(NotFound::NothingStandsOut));
    assert!(
        NotFound::CutOff.to_string().contains("move back") && NotFound::TooSmall.to_string().contains("move closer")
    );
}

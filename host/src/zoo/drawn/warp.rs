//! Forgers with the right ink in the wrong place: the plate leans, slips, swells or lies crosswise.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::specimen::Field;
use crate::zoo::picture::Picture;

/// Leant or turned further than the genuine article ever is.
pub(in crate::zoo) fn shear(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let amount = rng.random_range(0.5..0.9_f32) * if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let [cx, cy] = original.middle();
    if rng.random_bool(0.5) {
        return original.warped(|x, y| [x + amount * (y - cy), y]);
    }
    let (sine, cosine) = amount.sin_cos();
    original.warped(|x, y| {
        let (dx, dy) = (x - cx, y - cy);
        [cx + cosine * dx - sine * dy, cy + sine * dx + cosine * dy]
    })
}

/// Printed from a plate of rubber: pulled this way here and that way there.
pub(in crate::zoo) fn elastic(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let (width, height) = (original.width as f32, original.height as f32);
    let (cell, reach) = (rng.random_range(3.5..7.0), rng.random_range(1.5..3.0));
    let [across, down] = [(); 2].map(|()| Field::new(rng, width, height, cell));
    original.warped(|x, y| [x + reach * across.at(x, y), y + reach * down.at(x, y)])
}

/// A roller that slipped: rows, or columns, move to and fro.
pub(in crate::zoo) fn wave(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let (period, reach) = (rng.random_range(4.0..10.0), rng.random_range(0.7..1.8));
    let phase = rng.random_range(0.0..std::f32::consts::TAU);
    let slip = |v: f32| reach * (std::f32::consts::TAU * v / period + phase).sin();
    if rng.random_bool(0.5) {
        original.warped(|x, y| [x + slip(y), y])
    } else {
        original.warped(|x, y| [x, y + slip(x)])
    }
}

/// The plate lay crosswise: a quarter turn to the left or to the right. A mirror image would not do: that of a 0 or an 8 is no forgery.
pub(in crate::zoo) fn turned(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let way = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let [cx, cy] = original.middle();
    original.warped(|x, y| [cx + way * (y - cy), cy - way * (x - cx)])
}

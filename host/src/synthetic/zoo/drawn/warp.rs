//! Warp families: the right ink in the wrong place. The picture is sheared, rotated, distorted or turned.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::synthetic::specimen::Field;
use crate::synthetic::zoo::picture::Picture;

/// Shears or rotates the picture further than genuine pictures vary.
pub(in crate::synthetic::zoo) fn shear(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
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

/// Distorts the picture with a smooth random displacement field, like a print from a rubber plate.
pub(in crate::synthetic::zoo) fn elastic(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let (width, height) = (original.width as f32, original.height as f32);
    let (cell, reach) = (rng.random_range(3.5..7.0), rng.random_range(1.5..3.0));
    let [across, down] = [(); 2].map(|()| Field::new(rng, width, height, cell));
    original.warped(|x, y| [x + reach * across.at(x, y), y + reach * down.at(x, y)])
}

/// Shifts rows or columns to and fro in a wave, like a roller that slipped.
pub(in crate::synthetic::zoo) fn wave(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let (period, reach) = (rng.random_range(4.0..10.0), rng.random_range(0.7..1.8));
    let phase = rng.random_range(0.0..std::f32::consts::TAU);
    let slip = |v: f32| reach * (std::f32::consts::TAU * v / period + phase).sin();
    if rng.random_bool(0.5) {
        original.warped(|x, y| [x + slip(y), y])
    } else {
        original.warped(|x, y| [x, y + slip(x)])
    }
}

/// Turns the picture by 90 degrees to the left or to the right. Mirroring would not work: the mirror image of a 0 or
/// an 8 is not a forgery.
pub(in crate::synthetic::zoo) fn turned(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let way = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let [cx, cy] = original.middle();
    original.warped(|x, y| [cx + way * (y - cy), cy - way * (x - cx)])
}

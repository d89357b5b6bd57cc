//! Forgers with the right lines and the wrong tones: every pixel by itself, but for a sharpening before the threshold.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::zoo::picture::Picture;

/// Ink mixed by eye: another gamma, a faded top, a ground that is not clean.
pub(in crate::zoo) fn contrast(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let gamma = rng.random_range(0.35..0.9_f32).exp2();
    let gamma = if rng.random_bool(0.5) { gamma } else { 1.0 / gamma };
    let (ground, top) = (rng.random_range(0.0..0.06), rng.random_range(0.65..0.95));
    original.toned(|v| ground + (top - ground) * v.powf(gamma))
}

/// A press with few inks.
pub(in crate::zoo) fn posterise(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let steps = rng.random_range(2..=4_u8);
    original.toned(|v| (v * f32::from(steps)).round() / f32::from(steps))
}

/// A copier at its hardest setting: sharpened, then all but black and white.
pub(in crate::zoo) fn threshold(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let (amount, slope, edge) =
        (rng.random_range(0.5..2.0), rng.random_range(3.0..16.0_f32), rng.random_range(0.35..0.6));
    let soft = original.blurred(1.0);
    original.drawn(|x, y| {
        let (v, s) = (original.at(x as isize, y as isize), soft.at(x as isize, y as isize));
        ((v + amount * (v - s) - edge) * slope + 0.5).clamp(0.0, 1.0)
    })
}

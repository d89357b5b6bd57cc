//! Tone families: correct lines with wrong tones. Only the threshold family also uses a pixel's neighbours, to
//! sharpen.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::synthetic::zoo::picture::Picture;

/// Changes the tone curve: another gamma, faded ink, and a ground that is not clean.
pub(in crate::synthetic::zoo) fn contrast(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let gamma = rng.random_range(0.35..0.9_f32).exp2();
    let gamma = if rng.random_bool(0.5) { gamma } else { 1.0 / gamma };
    let (ground, top) = (rng.random_range(0.0..0.06), rng.random_range(0.65..0.95));
    original.toned(|v| ground + (top - ground) * v.powf(gamma))
}

/// Reduces the ink to three to five levels.
pub(in crate::synthetic::zoo) fn posterise(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let steps = rng.random_range(2..=4_u8);
    original.toned(|v| (v * f32::from(steps)).round() / f32::from(steps))
}

/// Sharpens and then thresholds to almost black and white, like a copier at its hardest setting.
pub(in crate::synthetic::zoo) fn threshold(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let (amount, slope, edge) =
        (rng.random_range(0.5..2.0), rng.random_range(3.0..16.0_f32), rng.random_range(0.35..0.6));
    let soft = original.blurred(1.0);
    original.drawn(|x, y| {
        let (v, s) = (original.at(x as isize, y as isize), soft.at(x as isize, y as isize));
        ((v + amount * (v - s) - edge) * slope + 0.5).clamp(0.0, 1.0)
    })
}

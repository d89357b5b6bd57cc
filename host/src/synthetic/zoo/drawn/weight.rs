//! Line-weight families: every line is thicker or thinner than in the original.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::synthetic::zoo::picture::Picture;

/// Number of directions in which the neighbourhood of a pixel is sampled.
const DIRECTIONS: usize = 12;

/// Dilates the ink: lines become thicker.
pub(in crate::synthetic::zoo) fn thick(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    extreme(original, rng.random_range(0.8..1.8), f32::max)
}

/// Erodes the ink: lines become thinner.
pub(in crate::synthetic::zoo) fn thin(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    extreme(original, rng.random_range(0.5..1.1), f32::min)
}

/// Grey dilation or erosion by a disk: the maximum or minimum within `radius` pixels.
fn extreme(original: &Picture, radius: f32, most: fn(f32, f32) -> f32) -> Picture {
    let around: Vec<[f32; 2]> = (0..DIRECTIONS)
        .map(|k| (std::f32::consts::TAU * k as f32 / DIRECTIONS as f32).sin_cos())
        .flat_map(|(sine, cosine)| [0.5, 1.0].map(|share| [radius * share * cosine, radius * share * sine]))
        .collect();
    original.drawn(|x, y| {
        let (x, y) = (x as f32, y as f32);
        around.iter().fold(original.between(x, y), |v, [dx, dy]| most(v, original.between(x + dx, y + dy)))
    })
}

//! Stroke families: the lines of the picture are found and redrawn, interrupted, or replaced with a printed figure.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::skeleton::{Path, paths, simplified, smoothed};
use crate::synthetic::specimen::{Canvas, Typeface, centred};
use crate::synthetic::zoo::picture::Picture;

/// Traces the lines with a round pen of constant width.
pub(in crate::synthetic::zoo) fn pen(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let lines: Vec<Path> = paths(original).iter().map(|path| smoothed(path)).collect();
    inked(original, &lines, rng)
}

/// Traces the lines with a ruler: curves become corners.
pub(in crate::synthetic::zoo) fn polygon(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let slack = rng.random_range(1.2..2.5);
    let lines: Vec<Path> = paths(original).iter().map(|path| simplified(path, slack)).collect();
    inked(original, &lines, rng)
}

/// Makes gaps in the lines, like a worn plate.
pub(in crate::synthetic::zoo) fn broken(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let line: Path = paths(original).concat();
    let gaps: Vec<([f32; 2], f32)> =
        (0..rng.random_range(1..=4)).filter_map(|_| Some((*line.choose(rng)?, rng.random_range(1.2..2.4)))).collect();
    original.drawn(|x, y| {
        let left = |([gx, gy], radius): &([f32; 2], f32)| {
            ((x as f32 - gx).hypot(y as f32 - gy) - radius + 0.5).clamp(0.0, 1.0)
        };
        gaps.iter().map(left).product::<f32>() * original.at(x as isize, y as isize)
    })
}

/// Sets a random printed figure in place of the ink, as high as the ink.
pub(in crate::synthetic::zoo) fn typeface(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let stem = rng.random_range(0.05..0.12);
    let face = Typeface {
        stem,
        hair: stem * rng.random_range(0.4..1.0),
        serif: if rng.random_bool(0.5) { rng.random_range(0.1..0.16) } else { 0.0 },
        slant: rng.random_range(0.0..0.25),
        stretch: rng.random_range(0.8..1.1),
        track: 0.3,
    };
    let inked: Vec<usize> = (0..original.ink.len()).filter(|i| original.ink[*i] > 0.3).collect();
    let span = |place: fn(usize, usize) -> usize| {
        let places = inked.iter().map(|i| place(*i, original.width));
        let (low, high) = places.fold((usize::MAX, 0), |(low, high), v| (low.min(v), high.max(v)));
        if low > high { (0.0, 0.0) } else { (low as f32, high as f32 + 1.0) }
    };
    let ((left, right), (top, bottom)) = (span(|i, width| i % width), span(|i, width| i / width));
    // The lines of the figure extend half a stem beyond its height.
    let cap = (bottom - top) / (1.0 + 2.0 * stem);
    let digit = rng.random_range(0..10_u8).to_string();
    let mut canvas = Canvas::over([0.0, 0.0], [original.width, original.height], 1.0);
    let middle = 0.5 * (left + right) - 0.5 * face.slant * cap;
    centred(&mut canvas, &digit, &face, [middle, bottom - stem * cap], cap);
    Picture { ink: canvas.coverage(), ..*original }
}

/// Draws lines with a round brush about as wide as a pen of handwriting.
fn inked(original: &Picture, lines: &[Path], rng: &mut ChaCha8Rng) -> Picture {
    // Relative to the shorter side of the picture: the strokes of MNIST's digits are 2 to 4 of 28 pixels wide.
    let half = rng.random_range(0.03..0.07) * original.width.min(original.height) as f32;
    let mut canvas = Canvas::over([0.0, 0.0], [original.width, original.height], 1.0);
    for line in lines {
        // A canvas counts from the corner of a pixel, a picture from its centre.
        let points: Vec<[f32; 2]> = line.iter().map(|p| p.map(|v| v + 0.5)).collect();
        canvas.stroke(&points, half);
    }
    Picture { ink: canvas.coverage(), ..*original }
}

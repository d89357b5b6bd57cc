//! Collage families: parts of genuine pictures, joined into a picture that never existed.

use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::synthetic::zoo::picture::Picture;

/// Number of pictures that are searched for one that resembles the original.
const LOOKED_AT: usize = 100;

/// Cuts the original into tiles and exchanges a few of them.
pub(in crate::synthetic::zoo) fn jigsaw(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let across = rng.random_range(2..=4_usize);
    let mut places: Vec<usize> = (0..across * across).collect();
    // Of many tiles, only a few change places.
    let mut moved = places.clone();
    moved.shuffle(rng);
    moved.truncate(rng.random_range(2..=4));
    for pair in moved.windows(2) {
        places.swap(pair[0], pair[1]);
    }
    let (width, height) = ((original.width / across).max(1), (original.height / across).max(1));
    original.drawn(|x, y| {
        let (column, row) = (x / width, y / height);
        if column >= across || row >= across {
            return original.at(x as isize, y as isize);
        }
        let from = places[row * across + column];
        original.at((from % across * width + x % width) as isize, (from / across * height + y % height) as isize)
    })
}

/// Joins one part of the original with the other part of another picture, along a straight cut at a random angle.
pub(in crate::synthetic::zoo) fn stitched(original: &Picture, pool: &[Picture], rng: &mut ChaCha8Rng) -> Picture {
    let other = any(original, pool, rng);
    let (sine, cosine) = rng.random_range(0.0..std::f32::consts::TAU).sin_cos();
    let [cx, cy] = original.middle();
    let at = rng.random_range(-0.1..0.1) * original.width as f32;
    original.drawn(|x, y| {
        let side = cosine * (x as f32 - cx) + sine * (y as f32 - cy) - at;
        let from = if side > 0.0 { other } else { original };
        from.at(x as isize, y as isize)
    })
}

/// Blends the original with a picture that resembles it.
pub(in crate::synthetic::zoo) fn crossfade(original: &Picture, pool: &[Picture], rng: &mut ChaCha8Rng) -> Picture {
    let candidates: Vec<&Picture> = (0..LOOKED_AT).map(|_| any(original, pool, rng)).collect();
    let near = |a: &&&Picture, b: &&&Picture| original.distance(a).total_cmp(&original.distance(b));
    let other = candidates.iter().filter(|other| **other != original).min_by(near).copied().unwrap_or(original);
    let share = rng.random_range(0.35..0.65);
    original.drawn(|x, y| {
        let at = y * original.width + x;
        original.ink[at] * (1.0 - share) + other.ink[at] * share
    })
}

/// Covers the area around the middle with a patch of another picture.
pub(in crate::synthetic::zoo) fn patch(original: &Picture, pool: &[Picture], rng: &mut ChaCha8Rng) -> Picture {
    let other = any(original, pool, rng);
    let middle = original.middle();
    let half = [original.width, original.height].map(|side| rng.random_range(0.12..0.24) * side as f32);
    let centre = [0, 1].map(|k| middle[k] + rng.random_range(-0.15..0.15) * 2.0 * middle[k]);
    original.drawn(|x, y| {
        let inside = (x as f32 - centre[0]).abs() < half[0] && (y as f32 - centre[1]).abs() < half[1];
        let from = if inside { other } else { original };
        from.at(x as isize, y as isize)
    })
}

/// A random picture of the pool.
fn any<'a>(original: &'a Picture, pool: &'a [Picture], rng: &mut ChaCha8Rng) -> &'a Picture {
    pool.choose(rng).unwrap_or(original)
}

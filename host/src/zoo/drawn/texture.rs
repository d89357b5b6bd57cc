//! Forgers betrayed by what they printed with: grain, dots and dirt over lines that are right.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::math::random::normal;
use crate::zoo::picture::Picture;

/// A grainy sensor: noise over ink and ground, finer or coarser.
pub(in crate::zoo) fn noise(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let sigma = rng.random_range(0.05..0.2);
    let draws = normal(rng, original.ink.len());
    let grain = Picture { ink: draws, ..*original };
    // A blur of deviation 0.6 leaves about a half of the noise's spread.
    let grain = if rng.random_bool(0.5) { grain } else { grain.blurred(0.6).toned(|v| 2.0 * v) };
    original.drawn(|x, y| {
        let at = y * original.width + x;
        original.ink[at] + sigma * grain.ink[at]
    })
}

/// A newspaper's dot screen: round dots whose size is the tone.
pub(in crate::zoo) fn halftone(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    /// Samples a pixel side.
    const FINE: usize = 4;
    let period = rng.random_range(1.8..3.2_f32);
    let (sine, cosine) = rng.random_range(0.3..1.2_f32).sin_cos();
    let phase = [rng.random_range(0.0..period), rng.random_range(0.0..period)];
    let printed = |x: f32, y: f32| {
        let (u, v) = ((cosine * x - sine * y + phase[0]) / period, (sine * x + cosine * y + phase[1]) / period);
        // -1 between the dots to 1 in their middle: the share of the plane above a level falls with it almost evenly.
        let screen = 0.5 * ((std::f32::consts::TAU * u).cos() + (std::f32::consts::TAU * v).cos());
        f32::from(u8::from(0.5 * (1.0 - screen) < original.between(x, y)))
    };
    original.drawn(|x, y| {
        let place = |i: usize, k: usize| i as f32 + (k as f32 + 0.5) / FINE as f32 - 0.5;
        let sum: f32 = (0..FINE * FINE).map(|k| printed(place(x, k % FINE), place(y, k / FINE))).sum();
        sum / (FINE * FINE) as f32
    })
}

/// Dirt on the plate: specks of ink on the ground, and specks where ink is missing.
pub(in crate::zoo) fn specks(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let specks: Vec<[f32; 4]> = (0..rng.random_range(4..=16))
        .map(|_| {
            let [x, y] = [original.width, original.height].map(|side| rng.random_range(0.0..side as f32));
            [x, y, rng.random_range(0.4..1.1), rng.random_range(0.3..1.0)]
        })
        .collect();
    original.drawn(|x, y| {
        let old = original.at(x as isize, y as isize);
        specks.iter().fold(old, |v, [sx, sy, radius, ink]| {
            let cover = (radius + 0.5 - (x as f32 - sx).hypot(y as f32 - sy)).clamp(0.0, 1.0) * ink;
            if original.between(*sx, *sy) > 0.5 { v * (1.0 - cover) } else { v.max(cover) }
        })
    })
}

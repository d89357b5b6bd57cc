//! Texture families: grain, dots and dirt over correct lines.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::math::random::normal;
use crate::synthetic::zoo::picture::Picture;

/// Adds noise over ink and ground, fine or coarse, like a grainy sensor.
pub(in crate::synthetic::zoo) fn noise(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    let sigma = rng.random_range(0.05..0.2);
    let draws = normal(rng, original.ink.len());
    let grain = Picture { ink: draws, ..*original };
    // A blur with standard deviation 0.6 leaves about half of the noise's standard deviation.
    let grain = if rng.random_bool(0.5) { grain } else { grain.blurred(0.6).toned(|v| 2.0 * v) };
    original.drawn(|x, y| {
        let at = y * original.width + x;
        original.ink[at] + sigma * grain.ink[at]
    })
}

/// Prints the picture as a halftone: round dots whose size depends on the tone.
pub(in crate::synthetic::zoo) fn halftone(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
    /// Samples per pixel along each axis.
    const FINE: usize = 4;
    let period = rng.random_range(1.8..3.2_f32);
    let (sine, cosine) = rng.random_range(0.3..1.2_f32).sin_cos();
    let phase = [rng.random_range(0.0..period), rng.random_range(0.0..period)];
    let printed = |x: f32, y: f32| {
        let (u, v) = ((cosine * x - sine * y + phase[0]) / period, (sine * x + cosine * y + phase[1]) / period);
        // From -1 between the dots to 1 at their centres. The share of the area above a level falls almost linearly
        // with the level.
        let screen = 0.5 * ((std::f32::consts::TAU * u).cos() + (std::f32::consts::TAU * v).cos());
        f32::from(u8::from(0.5 * (1.0 - screen) < original.between(x, y)))
    };
    original.drawn(|x, y| {
        let place = |i: usize, k: usize| i as f32 + (k as f32 + 0.5) / FINE as f32 - 0.5;
        let sum: f32 = (0..FINE * FINE).map(|k| printed(place(x, k % FINE), place(y, k / FINE))).sum();
        sum / (FINE * FINE) as f32
    })
}

/// Adds dirt: specks of ink on the ground, and specks where ink is missing.
pub(in crate::synthetic::zoo) fn specks(original: &Picture, rng: &mut ChaCha8Rng) -> Picture {
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

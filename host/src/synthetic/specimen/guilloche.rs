//! Engine-turned lines: rosettes, braids and the fine-line ground, from periods and strand counts.
//!
//! A guilloche is the pattern of a geometric lathe: a few strands of one wave, each shifted in phase. The eye sees
//! the whole figure. A copyist who sets the lathe to another period gets a figure that is almost the same.

use std::f32::consts::TAU;

use super::canvas::Canvas;

/// One ring of a rosette: `strands` waves of `lobes` periods between two radii, drawn with half width `half`. Lengths
/// are in pixels.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    pub(super) radii: [f32; 2],
    pub(super) lobes: f32,
    pub(super) strands: u16,
    pub(super) half: f32,
    /// Amplitude of a wave of three times the frequency, relative to the first wave.
    pub(super) overtone: f32,
}

/// Draws a ring around `centre`. Its radii are multiplied by `stretch` along x and y.
pub(super) fn ring(canvas: &mut Canvas, centre: [f32; 2], stretch: [f32; 2], ring: &Ring) {
    let middle = 0.5 * (ring.radii[0] + ring.radii[1]);
    let swing = 0.5 * (ring.radii[1] - ring.radii[0]) / (1.0 + ring.overtone);
    // One point per two thirds of a pixel, but at least sixteen per wave.
    let points = (TAU * ring.radii[1] * 1.5).max(16.0 * ring.lobes) as u16;
    for strand in 0..ring.strands {
        let phase = TAU * f32::from(strand) / f32::from(ring.strands);
        let line: Vec<[f32; 2]> = (0..=points)
            .map(|i| {
                let angle = TAU * f32::from(i) / f32::from(points);
                let wave = ring.lobes * angle + phase;
                let radius = middle + swing * (wave.cos() + ring.overtone * (3.0 * wave).cos());
                [centre[0] + stretch[0] * radius * angle.cos(), centre[1] + stretch[1] * radius * angle.sin()]
            })
            .collect();
        canvas.stroke(&line, ring.half);
    }
}

/// Draws a braid of `strands` waves from `from` to `to`, with an amplitude of `swing` pixels and a whole number of
/// periods, each about `period` pixels long.
pub(super) fn braid(canvas: &mut Canvas, from: [f32; 2], to: [f32; 2], swing: f32, period: f32, strands: u16) {
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = (dx * dx + dy * dy).sqrt();
    let waves = (length / period).round().max(1.0);
    let points = (length * 1.5) as u16;
    for strand in 0..strands {
        let phase = TAU * f32::from(strand) / f32::from(strands);
        let line: Vec<[f32; 2]> = (0..=points)
            .map(|i| {
                let t = f32::from(i) / f32::from(points);
                let off = swing * (TAU * waves * t + phase).sin() / length;
                [from[0] + t * dx - off * dy, from[1] + t * dy + off * dx]
            })
            .collect();
        canvas.stroke(&line, 0.3);
    }
}

/// Draws the fine-line ground between two corners: level lines `pitch` pixels apart that bend and swell together, so
/// that they look like a relief of waves.
pub(super) fn ground(canvas: &mut Canvas, corners: [[f32; 2]; 2], pitch: f32) {
    let [[left, top], [right, bottom]] = corners;
    let lines = ((bottom - top + 12.0) / pitch) as u16;
    for line in 0..=lines {
        let level = top - 6.0 + f32::from(line) * pitch;
        let points: Vec<[f32; 3]> = (0..=((right - left) as u16))
            .map(|i| {
                let x = left + f32::from(i);
                let slow = (TAU * x / 118.0 + 0.052 * level).sin();
                let quick = (TAU * x / 43.0 - 0.078 * level + 1.3 * slow).sin();
                [x, level + 2.6 * slow + 1.5 * quick, 0.31 + 0.13 * quick]
            })
            .collect();
        canvas.swelling(&points);
    }
    canvas.clip(|x, y| (x - left).min(right - x).min(y - top).min(bottom - y));
}

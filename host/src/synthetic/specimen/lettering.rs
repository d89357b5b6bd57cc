//! Draws text on a canvas, in the note's own alphabet with a broad nib.
//!
//! There is no font file. A letter is a skeleton (`glyphs`). A typeface is the pen that follows the skeleton: the
//! width of its stems and hairlines, its serifs, its slant. So a forger's wrong typeface is the same skeleton drawn
//! with another pen.

use super::canvas::Canvas;
use super::glyphs::{Path, glyph};

/// The pen that draws a text. Lengths are in cap heights.
#[derive(Clone, Copy)]
pub(crate) struct Typeface {
    /// Half width of a vertical stroke.
    pub(crate) stem: f32,
    /// Half width of a horizontal stroke.
    pub(crate) hair: f32,
    /// Half length of a serif; 0 for none.
    pub(crate) serif: f32,
    /// Shift of the top to the right.
    pub(crate) slant: f32,
    /// Width of a letter relative to its skeleton.
    pub(crate) stretch: f32,
    /// Gap between letters.
    pub(crate) track: f32,
}

/// The engraver's Roman, for the titles.
pub(super) const ROMAN: Typeface =
    Typeface { stem: 0.085, hair: 0.03, serif: 0.12, slant: 0.0, stretch: 0.92, track: 0.34 };
/// The heavy Roman, for the large numerals.
pub(super) const NUMERAL: Typeface =
    Typeface { stem: 0.125, hair: 0.045, serif: 0.17, slant: 0.0, stretch: 0.98, track: 0.34 };
/// A plain, even typeface for the small lines and the microprint.
pub(super) const PLAIN: Typeface =
    Typeface { stem: 0.075, hair: 0.07, serif: 0.0, slant: 0.0, stretch: 0.9, track: 0.32 };
/// The typeface of the numbering machine: upright figures with slab serifs.
pub(super) const NUMBERING: Typeface =
    Typeface { stem: 0.085, hair: 0.05, serif: 0.13, slant: 0.0, stretch: 1.0, track: 0.36 };
/// The typeface in which a forger without a numbering machine sets a serial number.
pub(super) const WRONG_NUMBERING: Typeface =
    Typeface { stem: 0.105, hair: 0.1, serif: 0.0, slant: 0.22, stretch: 0.88, track: 0.55 };

/// The width of `text` at cap height `cap`, both in pixels.
pub(super) fn width(text: &str, face: &Typeface, cap: f32) -> f32 {
    let advance: f32 = text.chars().map(|c| glyph(c).0 * face.stretch + face.track).sum();
    (advance - face.track) * cap
}

/// Draws `text` with the left edge of its first letter and its baseline at `at`. Capitals are `cap` pixels high.
pub(super) fn write(canvas: &mut Canvas, text: &str, face: &Typeface, at: [f32; 2], cap: f32) {
    let mut x = at[0];
    for c in text.chars() {
        let (advance, paths) = glyph(c);
        let put =
            |p: [f32; 2]| [x + (p[0] * face.stretch + face.slant * (1.0 - p[1])) * cap, at[1] - (1.0 - p[1]) * cap];
        for path in &paths {
            pen(canvas, path, face, cap, &put);
        }
        x += (advance * face.stretch + face.track) * cap;
    }
}

/// Draws `text` centred on the x of `middle`, with its baseline at the y of `middle`.
pub(crate) fn centred(canvas: &mut Canvas, text: &str, face: &Typeface, middle: [f32; 2], cap: f32) {
    let left = middle[0] - 0.5 * width(text, face, cap);
    write(canvas, text, face, [left, middle[1]], cap);
}

fn pen(canvas: &mut Canvas, path: &Path, face: &Typeface, cap: f32, put: &impl Fn([f32; 2]) -> [f32; 2]) {
    for pair in path.windows(2) {
        let (dx, dy) = (pair[1][0] - pair[0][0], pair[1][1] - pair[0][1]);
        // The nib is held at 15 degrees to the horizontal: vertical strokes are thick, horizontal ones thin, and '\'
        // is thicker than '/'.
        let across = (0.966 * dy + 0.259 * dx).abs() / (dx * dx + dy * dy).sqrt().max(1e-6);
        let half = (face.hair + (face.stem - face.hair) * across.min(1.0)) * cap;
        canvas.segment(put(pair[0]), put(pair[1]), half, half);
    }
    if face.serif > 0.0 && path.len() >= 2 {
        let last = path.len() - 1;
        for (end, next) in [(path[0], path[1]), (path[last], path[last - 1])] {
            serif(canvas, end, next, face, cap, put);
        }
    }
}

/// A horizontal foot where a vertical stroke ends on the cap line or the baseline, or a short beak where a horizontal
/// stroke ends.
fn serif(
    canvas: &mut Canvas,
    end: [f32; 2],
    next: [f32; 2],
    face: &Typeface,
    cap: f32,
    put: &impl Fn([f32; 2]) -> [f32; 2],
) {
    let upright = (end[1] - next[1]).abs() > (end[0] - next[0]).abs();
    let half = face.hair * cap;
    let edge = end[1] <= 0.01 || end[1] >= 0.99;
    if upright && edge {
        let reach = face.serif / face.stretch;
        canvas.segment(put([end[0] - reach, end[1]]), put([end[0] + reach, end[1]]), half, half);
    } else if !upright && edge {
        let down = if end[1] < 0.5 { 1.0 } else { -1.0 };
        canvas.segment(put(end), put([end[0], end[1] + 1.3 * down * face.serif]), 1.4 * half, half);
    }
}

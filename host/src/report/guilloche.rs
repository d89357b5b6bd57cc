//! The band over the report's title: a guilloche, the interlaced fine lines of a banknote.

use std::f64::consts::TAU;
use std::fmt::Write;

/// Number of lines in the band.
const LINES: u32 = 14;
/// Width and height of the drawing, in SVG units.
pub(super) const SIZE: (u32, u32) = (1200, 72);

/// One SVG path of sine waves, with a phase that advances from line to line and an amplitude that varies along the
/// band.
pub(super) fn band() -> String {
    let (width, height) = (f64::from(SIZE.0), f64::from(SIZE.1));
    let mut path = String::new();
    for line in 0..LINES {
        let shift = f64::from(line) / f64::from(LINES);
        for x in (0..=SIZE.0).step_by(6) {
            let turn = f64::from(x) / width;
            let envelope = 0.30 + 0.17 * (TAU * 6.0 * turn).cos();
            let y = height * (0.5 + envelope * (TAU * (9.0 * turn + shift)).sin() * (0.6 + 0.4 * (TAU * shift).cos()));
            // Writing into a String cannot fail.
            let _ = write!(path, "{}{x} {y:.1}", if x == 0 { "M" } else { "L" });
        }
    }
    path
}

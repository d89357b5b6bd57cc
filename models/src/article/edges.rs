//! A frame enters; the edge pixels of its reduced picture leave, each with its place, strength and direction.
//!
//! A file of its own because it alone decides what counts as an edge: the colour channel, and how much stronger than
//! the table's own grain a step must be.

use super::reduced::{RING, Reduced, in_ring};
use crate::Frame;

/// Number of directions in a half turn.
pub(super) const DIRECTIONS: usize = 128;
/// Marks a pixel that is not an edge.
const NONE: u8 = u8::MAX;
/// A step of fewer levels (of 255, across two pixels) is noise or a JPEG block's border on any table.
const FAINTEST: i32 = 6;
/// A step of more levels is an edge on any background.
const PLAIN: i32 = 36;
/// Share of the ring's steps that are weaker than the threshold of an edge.
const RING_SHARE: f64 = 0.92;

/// The edge pixels of a reduced picture.
pub(super) struct Edges {
    /// Width of the reduced picture.
    pub(super) width: usize,
    /// Height of the reduced picture.
    pub(super) height: usize,
    /// Pixels of the frame per pixel of the reduced picture, across and down.
    pub(super) scale: (f64, f64),
    /// Smallest step of an edge, in levels.
    pub(super) threshold: i32,
    /// The edge pixels.
    pub(super) points: Vec<Point>,
    /// `[height, width]`: the direction at an edge pixel, otherwise [`NONE`].
    directions: Vec<u8>,
}

/// An edge pixel of the reduced picture.
#[derive(Clone, Copy)]
pub(super) struct Point {
    /// Its centre, in pixels from the left edge.
    pub(super) x: f64,
    /// Its centre, in pixels from the upper edge.
    pub(super) y: f64,
    /// The direction of its normal, below [`DIRECTIONS`].
    pub(super) direction: usize,
    /// Its step in multiples of the threshold, 1 to 3.
    pub(super) weight: u32,
}

impl Edges {
    /// Reduces the frame and finds its edges.
    pub(super) fn of(frame: &Frame) -> Self {
        let Reduced { pixels, channels, width, height, scale } = Reduced::of(frame);
        let steps = steps(&pixels, channels, width, height);
        let threshold = threshold(&steps, width, height);
        let mut edges =
            Self { width, height, scale, threshold, points: Vec::new(), directions: vec![NONE; width * height] };
        edges.thin(&steps);
        edges
    }

    /// Whether an edge runs through a place in this direction, with a `tolerance` in units of [`DIRECTIONS`].
    pub(super) fn runs(&self, (x, y): (f64, f64), direction: usize, tolerance: usize) -> bool {
        let (x, y) = (x.floor(), y.floor());
        if x < 0.0 || y < 0.0 || x >= self.width as f64 || y >= self.height as f64 {
            return false;
        }
        let found = self.directions[y as usize * self.width + x as usize];
        found != NONE && apart(usize::from(found), direction) <= tolerance
    }

    /// Whether edges are more than three times as dense in the middle of the picture as in the ring around it.
    pub(super) fn stand_out(&self) -> bool {
        let within = |side: usize, at: f64| (at - side as f64 / 2.0).abs() < 0.5 * (1.0 - 2.0 * RING) * side as f64;
        let inner =
            self.points.iter().filter(|point| within(self.width, point.x) && within(self.height, point.y)).count();
        let share = (1.0 - 2.0 * RING) * (1.0 - 2.0 * RING);
        inner as f64 / share > 3.0 * (self.points.len() - inner) as f64 / (1.0 - share)
    }

    /// Keeps only the crest of each edge, one pixel wide.
    fn thin(&mut self, steps: &[Step]) {
        for y in 1..self.height.saturating_sub(1) {
            for x in 1..self.width.saturating_sub(1) {
                let step = steps[y * self.width + x];
                if step.squared < self.threshold * self.threshold * 16 {
                    continue;
                }
                let direction = direction(step.across, step.down);
                // The two neighbours along the normal, on the nearest of four axes.
                let (dx, dy) = match (direction + DIRECTIONS / 8) % DIRECTIONS / (DIRECTIONS / 4) {
                    0 => (1, 0),
                    1 => (1, 1),
                    2 => (0, 1),
                    _ => (-1, 1),
                };
                let at = |sign: isize| {
                    let (x, y) = (x as isize + sign * dx, y as isize + sign * dy);
                    steps[y as usize * self.width + x as usize].squared
                };
                if step.squared < at(-1) || step.squared <= at(1) {
                    continue;
                }
                let weight = (1..3).filter(|times| step.squared >= 16 * (self.threshold * (times + 1)).pow(2)).count();
                self.directions[y * self.width + x] = direction as u8;
                let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
                self.points.push(Point { x, y, direction, weight: 1 + weight as u32 });
            }
        }
    }
}

/// Difference of two directions, in units of [`DIRECTIONS`] to a half turn.
pub(super) fn apart(a: usize, b: usize) -> usize {
    let apart = a.abs_diff(b);
    apart.min(DIRECTIONS - apart)
}

/// Direction of a vector without its sign: `(1 - across / (|across| + down)) * DIRECTIONS / 2`, with `down` made
/// positive.
///
/// It grows with the angle and needs no arc tangent.
pub(super) fn direction(across: i32, down: i32) -> usize {
    let (across, down) = if down < 0 || (down == 0 && across < 0) { (-across, -down) } else { (across, down) };
    let length = across.abs() + down;
    if length == 0 { 0 } else { (((length - across) * (DIRECTIONS as i32 / 2) / length) as usize).min(DIRECTIONS - 1) }
}

/// Unit vector in the middle of a direction.
pub(super) fn unit_vector(direction: usize) -> (f64, f64) {
    let x = 1.0 - (direction as f64 + 0.5) / (DIRECTIONS as f64 / 2.0);
    let y = 1.0 - x.abs();
    let length = (x * x + y * y).sqrt();
    (x / length, y / length)
}

/// Sobel response of the channel that changes most.
#[derive(Clone, Copy, Default)]
struct Step {
    across: i32,
    down: i32,
    /// Its squared length: 16 times the square of the step in levels across two pixels.
    squared: i32,
}

fn steps(pixels: &[u8], channels: usize, width: usize, height: usize) -> Vec<Step> {
    let mut steps = vec![Step::default(); width * height];
    let at = |x: usize, y: usize, channel: usize| i32::from(pixels[(y * width + x) * channels + channel]);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let step = &mut steps[y * width + x];
            for c in 0..channels {
                let (nw, n, ne) = (at(x - 1, y - 1, c), at(x, y - 1, c), at(x + 1, y - 1, c));
                let (w, e) = (at(x - 1, y, c), at(x + 1, y, c));
                let (sw, s, se) = (at(x - 1, y + 1, c), at(x, y + 1, c), at(x + 1, y + 1, c));
                let (across, down) = (ne + 2 * e + se - nw - 2 * w - sw, sw + 2 * s + se - nw - 2 * n - ne);
                let squared = across * across + down * down;
                if squared > step.squared {
                    *step = Step { across, down, squared };
                }
            }
        }
    }
    steps
}

/// The threshold of an edge, in levels: larger than most steps of the ring, which are the table's grain.
fn threshold(steps: &[Step], width: usize, height: usize) -> i32 {
    let in_ring = in_ring(width, height);
    let mut around: Vec<i32> =
        steps.iter().enumerate().filter(|(at, _)| in_ring(*at)).map(|(_, step)| step.squared).collect();
    let rank = (around.len() as f64 * RING_SHARE) as usize;
    let (_, usual, _) = around.select_nth_unstable(rank);
    (f64::from(*usual).sqrt() / 4.0).ceil().clamp(f64::from(FAINTEST), f64::from(PLAIN)) as i32
}

//! The drawing surface for the note's art: takes strokes and shapes, returns a plate.
//!
//! A canvas stores, for every cell, the signed distance to the edge of the nearest line (positive inside). So a
//! finished plate can still be printed with thinner or thicker lines, and an engraved line can be darker where it is
//! deep. A press varies both, and an ordinary bitmap would have lost them.

use super::{HEIGHT, WIDTH};

/// Plate cells per picture pixel, along each axis.
pub(super) const SCALE: usize = 3;
/// Width and height of a plate, in cells.
pub(super) const PLATE: [usize; 2] = [WIDTH as usize * SCALE, HEIGHT as usize * SCALE];
/// Plate levels per cell of distance: the byte of a plate is `EDGE + LEVELS * distance`, which covers -2 to +6 cells.
pub(super) const LEVELS: f32 = 32.0;
/// The plate byte at the edge of a line.
pub(super) const EDGE: f32 = 64.0;

/// Distance of a cell with no line near it, in cells.
const FAR: f32 = -1e3;

/// A signed distance field in cells. Coordinates are picture pixels; cell 0 starts at `origin`.
#[derive(Clone)]
pub(crate) struct Canvas {
    origin: [f32; 2],
    pub(super) size: [usize; 2],
    scale: f32,
    reach: f32,
    distance: Vec<f32>,
}

impl Canvas {
    /// An empty canvas over the whole note.
    pub(super) fn new() -> Self {
        Self::over([0.0, 0.0], PLATE, SCALE as f32)
    }

    /// An empty canvas of `size` cells, starting at `origin` (picture pixels), with `scale` cells per pixel.
    pub(crate) fn over(origin: [f32; 2], size: [usize; 2], scale: f32) -> Self {
        Self { origin, size, scale, reach: 2.5, distance: vec![FAR; size[0] * size[1]] }
    }

    /// Sets how far outside an edge distances are correct, in cells. Cutting out with a margin needs more than
    /// printing.
    pub(super) fn reaching(mut self, cells: f32) -> Self {
        self.reach = cells;
        self
    }

    /// Draws a polyline of constant half width, in pixels.
    pub(crate) fn stroke(&mut self, points: &[[f32; 2]], half: f32) {
        for pair in points.windows(2) {
            self.segment(pair[0], pair[1], half, half);
        }
    }

    /// Draws a polyline whose points are [x, y, half width], in pixels.
    pub(super) fn swelling(&mut self, points: &[[f32; 3]]) {
        for pair in points.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            self.segment([a[0], a[1]], [b[0], b[1]], a[2], b[2]);
        }
    }

    /// Draws one segment. Its half width changes linearly from `half_a` to `half_b`, in pixels.
    pub(super) fn segment(&mut self, a: [f32; 2], b: [f32; 2], half_a: f32, half_b: f32) {
        let s = self.scale;
        let at = |p: [f32; 2]| [(p[0] - self.origin[0]) * s - 0.5, (p[1] - self.origin[1]) * s - 0.5];
        let ([ax, ay], [bx, by]) = (at(a), at(b));
        let (ha, hb) = (half_a * s, half_b * s);
        let margin = ha.max(hb) + self.reach;
        let span = |lo: f32, hi: f32, n: usize| {
            let from = (lo - margin).ceil().clamp(0.0, n as f32) as usize;
            let to = ((hi + margin).floor() + 1.0).clamp(0.0, n as f32) as usize;
            from..to
        };
        let (dx, dy) = (bx - ax, by - ay);
        let inverse = 1.0 / (dx * dx + dy * dy).max(1e-9);
        for y in span(ay.min(by), ay.max(by), self.size[1]) {
            let row = y * self.size[0];
            for x in span(ax.min(bx), ax.max(bx), self.size[0]) {
                let (px, py) = (x as f32 - ax, y as f32 - ay);
                let t = ((px * dx + py * dy) * inverse).clamp(0.0, 1.0);
                let (ex, ey) = (px - t * dx, py - t * dy);
                let inside = ha + t * (hb - ha) - (ex * ex + ey * ey).sqrt();
                let cell = &mut self.distance[row + x];
                *cell = cell.max(inside);
            }
        }
    }

    /// Adds a shape to the canvas. `inside` gives the distance inside the shape at a point, both in pixels.
    pub(super) fn shape(&mut self, inside: impl Fn(f32, f32) -> f32) {
        for y in 0..self.size[1] {
            for x in 0..self.size[0] {
                let [px, py] = self.place(x, y);
                let cell = &mut self.distance[y * self.size[0] + x];
                *cell = cell.max(inside(px, py) * self.scale);
            }
        }
    }

    /// Removes everything outside a shape, which is given as for [`Canvas::shape`].
    pub(super) fn clip(&mut self, inside: impl Fn(f32, f32) -> f32) {
        for y in 0..self.size[1] {
            for x in 0..self.size[0] {
                let [px, py] = self.place(x, y);
                let cell = &mut self.distance[y * self.size[0] + x];
                *cell = cell.min(inside(px, py) * self.scale);
            }
        }
    }

    /// Adds another canvas of the same size.
    pub(super) fn add(&mut self, other: &Self) {
        self.combine(other, f32::max);
    }

    /// Removes another canvas and `margin` pixels around it.
    pub(super) fn cut(&mut self, other: &Self, margin: f32) {
        let margin = margin * self.scale;
        self.combine(other, |mine, theirs| mine.min(-theirs - margin));
    }

    /// Keeps only what is also inside another canvas, at least `inset` pixels from its edge.
    pub(super) fn within(&mut self, other: &Self, inset: f32) {
        let inset = inset * self.scale;
        self.combine(other, |mine, theirs| mine.min(theirs - inset));
    }

    /// The outline of the drawing: a line with half width `half`, in pixels, along every edge.
    pub(super) fn outline(&self, half: f32) -> Self {
        let mut line = self.clone();
        for cell in &mut line.distance {
            *cell = half * self.scale - cell.abs();
        }
        line
    }

    /// The drawn share of each cell, 0 to 1, row by row. The edge of a line is one cell soft.
    pub(crate) fn coverage(&self) -> Vec<f32> {
        self.distance.iter().map(|d| (d + 0.5).clamp(0.0, 1.0)).collect()
    }

    /// The canvas as plate bytes, row by row.
    pub(super) fn plate(&self) -> Vec<u8> {
        self.distance.iter().map(|d| (EDGE + LEVELS * d).clamp(0.0, 255.0).round() as u8).collect()
    }

    fn combine(&mut self, other: &Self, rule: impl Fn(f32, f32) -> f32) {
        for (mine, theirs) in self.distance.iter_mut().zip(&other.distance) {
            *mine = rule(*mine, *theirs);
        }
    }

    fn place(&self, x: usize, y: usize) -> [f32; 2] {
        [(x as f32 + 0.5) / self.scale + self.origin[0], (y as f32 + 0.5) / self.scale + self.origin[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stroke_is_positive_inside_and_negative_outside() {
        let mut canvas = Canvas::over([0.0, 0.0], [30, 30], 3.0);
        canvas.stroke(&[[1.0, 5.0], [9.0, 5.0]], 1.0);
        let plate = canvas.plate();
        let at = |x: usize, y: usize| f32::from(plate[y * 30 + x]);
        assert!(at(15, 15) > EDGE + 2.0 * LEVELS);
        assert!(at(15, 19) < EDGE);
        assert!(at(15, 25) < 1.0);
    }

    #[test]
    fn a_cut_leaves_a_margin() {
        let mut ground = Canvas::over([0.0, 0.0], [30, 30], 3.0);
        ground.shape(|_, _| 5.0);
        let mut line = Canvas::over([0.0, 0.0], [30, 30], 3.0).reaching(8.0);
        line.stroke(&[[0.0, 5.0], [10.0, 5.0]], 0.5);
        ground.cut(&line, 1.0);
        let plate = ground.plate();
        assert!(f32::from(plate[15 * 30 + 15]) < EDGE);
        assert!(f32::from(plate[18 * 30 + 15]) < EDGE);
        assert!(f32::from(plate[24 * 30 + 15]) > EDGE);
    }
}

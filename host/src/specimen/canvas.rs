//! Strokes enter, a plate leaves: the drawing surface that the note's art is engraved on.
//!
//! A canvas holds, for every cell, the signed distance to the edge of the nearest line (inside is positive), so that a finished
//! plate can still be printed with a finer or a fatter line, and an engraved line can be darker where it is deep. That is what a
//! press varies, and what an ordinary bitmap could not give back.

use super::{HEIGHT, WIDTH};

/// Cells a picture pixel is drawn with, along each axis.
pub(super) const SCALE: usize = 3;
/// Cells across and down a plate.
pub(super) const PLATE: [usize; 2] = [WIDTH as usize * SCALE, HEIGHT as usize * SCALE];
/// Plate levels a cell of distance takes: a plate's byte is `EDGE + LEVELS * distance`, which spans -2 to +6 cells.
pub(super) const LEVELS: f32 = 32.0;
/// The plate's byte at which a line has its edge.
pub(super) const EDGE: f32 = 64.0;

/// The distance of a cell that no line comes near.
const FAR: f32 = -1e3;

/// A signed distance field in cells; coordinates are picture pixels from `origin`.
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

    /// An empty canvas of `size` cells from `origin` (picture pixels), `scale` cells a pixel.
    pub(crate) fn over(origin: [f32; 2], size: [usize; 2], scale: f32) -> Self {
        Self { origin, size, scale, reach: 2.5, distance: vec![FAR; size[0] * size[1]] }
    }

    /// Keeps distances correct out to `cells` beyond an edge: what is cut out with a margin needs more than what is printed.
    pub(super) fn reaching(mut self, cells: f32) -> Self {
        self.reach = cells;
        self
    }

    /// Draws a polyline of constant half width.
    pub(crate) fn stroke(&mut self, points: &[[f32; 2]], half: f32) {
        for pair in points.windows(2) {
            self.segment(pair[0], pair[1], half, half);
        }
    }

    /// Draws a polyline whose points carry x, y and their own half width.
    pub(super) fn swelling(&mut self, points: &[[f32; 3]]) {
        for pair in points.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            self.segment([a[0], a[1]], [b[0], b[1]], a[2], b[2]);
        }
    }

    /// Draws one segment, its half width going from `half_a` to `half_b`.
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

    /// Unites the canvas with a shape given as inside-distance in pixels at a place in pixels.
    pub(super) fn shape(&mut self, inside: impl Fn(f32, f32) -> f32) {
        for y in 0..self.size[1] {
            for x in 0..self.size[0] {
                let [px, py] = self.place(x, y);
                let cell = &mut self.distance[y * self.size[0] + x];
                *cell = cell.max(inside(px, py) * self.scale);
            }
        }
    }

    /// Keeps only what lies inside a shape given as for [`Canvas::shape`].
    pub(super) fn clip(&mut self, inside: impl Fn(f32, f32) -> f32) {
        for y in 0..self.size[1] {
            for x in 0..self.size[0] {
                let [px, py] = self.place(x, y);
                let cell = &mut self.distance[y * self.size[0] + x];
                *cell = cell.min(inside(px, py) * self.scale);
            }
        }
    }

    /// Unites the canvas with another of the same size.
    pub(super) fn add(&mut self, other: &Self) {
        self.combine(other, f32::max);
    }

    /// Removes another canvas and `margin` pixels around it.
    pub(super) fn cut(&mut self, other: &Self, margin: f32) {
        let margin = margin * self.scale;
        self.combine(other, |mine, theirs| mine.min(-theirs - margin));
    }

    /// Keeps what also lies inside another canvas, `inset` pixels from its edge.
    pub(super) fn within(&mut self, other: &Self, inset: f32) {
        let inset = inset * self.scale;
        self.combine(other, |mine, theirs| mine.min(theirs - inset));
    }

    /// The outline of what is drawn: a line of `half` width along every edge.
    pub(super) fn outline(&self, half: f32) -> Self {
        let mut line = self.clone();
        for cell in &mut line.distance {
            *cell = half * self.scale - cell.abs();
        }
        line
    }

    /// The share of each cell that is drawn on, 0 to 1, row by row: a line's edge is one cell soft.
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

//! The strokes of a picture: their centre lines, one pixel wide, and their mean breadth.

use crate::detector::plane::Plane;
use crate::math::thinning::thin;

/// The strokes of a picture.
pub(super) struct Lines {
    /// Pixels on the centre lines of the strokes, as (x, y).
    middles: Vec<(f32, f32)>,
    /// Number of pixels in all strokes.
    ink: usize,
}

impl Lines {
    /// Finds the strokes in the mean of the channels. A pixel belongs to a stroke if it is more than `level` (0..1)
    /// of the way from the darkest to the brightest value, or from the brightest to the darkest if `bright` is false.
    pub(super) fn of(plane: &Plane, level: f32, bright: bool) -> Self {
        let w = plane.width;
        let grey = plane.grey();
        let (low, high) = grey.iter().fold((1.0f32, 0.0f32), |(low, high), x| (low.min(*x), high.max(*x)));
        let share = |x: f32| if bright { x - low } else { high - x };
        let mut is_ink: Vec<bool> = grey.iter().map(|x| share(*x) > level * (high - low).max(0.02)).collect();
        let ink = is_ink.iter().filter(|ink| **ink).count();
        thin(&mut is_ink, w);
        let middles = is_ink.iter().enumerate().filter(|(_, ink)| **ink);
        let middles = middles.map(|(pixel, _)| ((pixel % w) as f32, (pixel / w) as f32)).collect();
        Self { middles, ink }
    }

    /// Mean breadth of the strokes in pixels, clamped to 1..12.
    pub(super) fn mean_breadth(&self) -> f32 {
        (self.ink as f32 / self.middles.len().max(1) as f32).clamp(1.0, 12.0)
    }

    /// Distance in pixels from a position to the nearest pixel of a centre line.
    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        let square = |(a, b): &(f32, f32)| (a - x) * (a - x) + (b - y) * (b - y);
        self.middles.iter().map(square).fold(f32::INFINITY, f32::min).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_middle_and_its_breadth() {
        // A bar three pixels broad: rows 4 to 6, columns 2 to 17.
        let row: Vec<u8> = (0..200)
            .map(|i| if (4..7).contains(&(i / 20)) && (2..18).contains(&(i % 20)) { 220 } else { 10 })
            .collect();
        let lines = Lines::of(&Plane::of(&row, (1, 10, 20)), 0.5, true);
        assert!(lines.middles.iter().all(|(_, y)| (y - 5.0).abs() < 0.1), "{:?}", lines.middles);
        assert!((3.0..4.5).contains(&lines.mean_breadth()), "{}", lines.mean_breadth());
        assert!((lines.distance(10.0, 8.0) - 3.0).abs() < 0.1);
    }
}

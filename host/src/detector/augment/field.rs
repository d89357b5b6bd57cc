//! Random fields over a picture's pixels: smooth surfaces and soft masks, from a size and a random stream.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::detector::plane::{Plane, between};

/// Squared distance in pixels of position `index` from the centre of a square window of side 2 * `radius` + 1.
pub(super) fn square_distance(index: usize, radius: usize) -> f32 {
    let side = 2 * radius + 1;
    let (x, y) = ((index % side) as f32 - radius as f32, (index / side) as f32 - radius as f32);
    x * x + y * y
}

/// A 5x5 Gaussian kernel with standard deviation `spread` in pixels. Its entries sum to 1.
pub(super) fn gaussian(spread: f32) -> Vec<f32> {
    let bell: Vec<f32> = (0..25).map(|i| (-square_distance(i, 2) / (2.0 * spread * spread)).exp()).collect();
    let total: f32 = bell.iter().sum();
    bell.iter().map(|x| x / total).collect()
}

/// A smooth random surface of about unit standard deviation, one number per pixel, with `cells` bumps along the
/// longer side.
pub(super) fn smooth(plane: &Plane, cells: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let (w, h) = (plane.width, plane.height);
    let step = cells / w.max(h) as f32;
    let side = |length: usize| (length as f32 * step) as usize + 3;
    let (cols, rows) = (side(w), side(h));
    let knots: Vec<f32> = (0..cols * rows).map(|_| rng.sample::<f32, _>(StandardNormal)).collect();
    let (shift_x, shift_y): (f32, f32) = (rng.random(), rng.random());
    let eased = |t: f32| t.floor() + t.fract() * t.fract() * (3.0 - 2.0 * t.fract());
    (0..w * h)
        .map(|pixel| {
            let (x, y) = ((pixel % w) as f32 * step + shift_x, (pixel / w) as f32 * step + shift_y);
            // Between knots, values vary less than at the knots; 1.4 roughly compensates for that. A position just
            // before a knot may be rounded onto it. Beyond the last knot, the last knot is read, with weight 0.
            1.4 * between(|x, y| knots[y.min(rows - 1) * cols + x.min(cols - 1)], eased(x), eased(y))
        })
        .collect()
}

/// A random mask with soft or hard edges, one number in 0..1 per pixel. It covers at least a twentieth of the picture.
pub(super) fn blob(plane: &Plane, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let surface = smooth(plane, rng.random_range(1.5..4.0), rng);
    let share = rng.random_range(0.05..0.6);
    let mut sorted = surface.clone();
    sorted.sort_by(f32::total_cmp);
    let level = sorted[((1.0 - share) * (sorted.len() - 1) as f32) as usize];
    let hardness = rng.random_range(1.0f32..4.0).exp();
    surface.iter().map(|x| 1.0 / (1.0 + (-(x - level) * hardness).exp())).collect()
}

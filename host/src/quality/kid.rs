//! A kernel distance similar to KID (Binkowski et al., 1801.01401) on random features: the unbiased squared maximum
//! mean discrepancy under k(x, y) = (x.y / d + 1)^3.
//!
//! KID takes its features from an Inception network. Here they come from one layer of fixed random filters,
//! averaged over parts of the picture. So the distance ranks the checkpoints of one run, but cannot be compared
//! across data sets, sizes or papers. It is a function of the pictures alone.

use rayon::prelude::*;

use super::Metric;
use crate::data::{DataError, Samples};
use crate::math::random::{normal, stream};

/// Number of random filters.
const FILTERS: usize = 16;
/// Side of a filter in pixels, for strokes and edges of a picture of 28 to 64 pixels.
const SIDE: usize = 5;
/// Stride of the filters in pixels.
const STRIDE: usize = 2;
/// Parts per side over which the filters' responses are averaged.
const PARTS: usize = 4;
/// Number of features of a picture.
const FEATURES: usize = PARTS * PARTS * FILTERS;

type Features = [f32; FEATURES];

/// The kernel distance of generated pictures to up to [`PICTURES`](super::PICTURES) genuine ones; smaller is better.
pub struct RandomFeatureKid {
    filters: Filters,
    genuine: Vec<Features>,
}

impl RandomFeatureKid {
    /// Computes the features of genuine rows that are evenly spread over the samples.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn new(samples: &Samples) -> Result<Self, DataError> {
        let filters = Filters::new(samples.shape());
        let count = samples.len().min(super::PICTURES);
        let genuine = (0..count).into_par_iter().map(|i| {
            let row = samples.row(i * samples.len() / count)?;
            Ok(filters.features(&row.iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect::<Vec<_>>()))
        });
        Ok(Self { genuine: genuine.collect::<Result<_, DataError>>()?, filters })
    }
}

impl Metric for RandomFeatureKid {
    fn measure(&self, generated: &[Vec<f32>]) -> f64 {
        let generated: Vec<Features> = generated.par_iter().map(|picture| self.filters.features(picture)).collect();
        discrepancy(&self.genuine, &generated)
    }
}

/// One fixed layer: random filters with zero padding around the picture, rectified, averaged over a grid of parts.
struct Filters {
    /// Channels, height and width of the pictures.
    shape: (usize, usize, usize),
    /// `[C, SIDE, SIDE]` rows with one number per filter.
    weights: Vec<[f32; FILTERS]>,
}

impl Filters {
    fn new(shape: (usize, usize, usize)) -> Self {
        let taps = shape.0 * SIDE * SIDE;
        // The stream depends on nothing, so every run has the same filters. The scale keeps responses near the size
        // of the pixels.
        let draws = normal(&mut stream(0, "distance filters", 0), taps * FILTERS);
        let scale = (taps as f32).sqrt().recip();
        let weights = draws.chunks_exact(FILTERS).map(|tap| std::array::from_fn(|filter| tap[filter] * scale));
        Self { shape, weights: weights.collect() }
    }

    /// The features of a picture `[C, H, W]` in -1..1.
    fn features(&self, picture: &[f32]) -> Features {
        let (_, height, width) = self.shape;
        let mut sums = [0.0; FEATURES];
        let mut counts = [0.0f32; PARTS * PARTS];
        for y in (0..height).step_by(STRIDE) {
            for x in (0..width).step_by(STRIDE) {
                let mut responses = [0.0f32; FILTERS];
                for (tap, weights) in self.weights.iter().enumerate() {
                    let (channel, dy, dx) = (tap / (SIDE * SIDE), tap / SIDE % SIDE, tap % SIDE);
                    // Half a filter up and left of the centre. A coordinate that wraps below zero is
                    // outside, like one that is too large.
                    let (y, x) = ((y + dy).wrapping_sub(SIDE / 2), (x + dx).wrapping_sub(SIDE / 2));
                    if y < height && x < width {
                        let pixel = picture[(channel * height + y) * width + x];
                        responses.iter_mut().zip(weights).for_each(|(response, weight)| *response += pixel * weight);
                    }
                }
                let part = y * PARTS / height * PARTS + x * PARTS / width;
                counts[part] += 1.0;
                let sums = &mut sums[part * FILTERS..(part + 1) * FILTERS];
                sums.iter_mut().zip(responses).for_each(|(sum, response)| *sum += response.max(0.0));
            }
        }
        std::array::from_fn(|i| sums[i] / counts[i / FILTERS].max(1.0))
    }
}

/// The unbiased squared maximum mean discrepancy of two sets (equation 4 of 1801.01401). It can be a little below
/// zero.
fn discrepancy<const D: usize>(a: &[[f32; D]], b: &[[f32; D]]) -> f64 {
    within(a) + within(b) - 2.0 * mean(a, |_| b)
}

/// The mean kernel over all pairs of different members of a set; 0 for a set without pairs.
fn within<const D: usize>(set: &[[f32; D]]) -> f64 {
    mean(set, |i| &set[..i])
}

/// The mean kernel between each member of a set and those that `others` gives for its index.
fn mean<'a, const D: usize>(set: &[[f32; D]], others: impl Fn(usize) -> &'a [[f32; D]] + Sync) -> f64 {
    let rows: Vec<(f64, usize)> = set
        .par_iter()
        .enumerate()
        .map(|(i, x)| (others(i).iter().map(|y| kernel(x, y)).sum::<f64>(), others(i).len()))
        .collect();
    // The sum is taken in order, whichever thread was first: it is written into the checkpoint's bytes.
    let (sum, pairs) = rows.iter().fold((0.0, 0), |(sum, pairs), row| (sum + row.0, pairs + row.1));
    sum / pairs.max(1) as f64
}

fn kernel<const D: usize>(x: &[f32; D], y: &[f32; D]) -> f64 {
    let product: f32 = x.iter().zip(y).map(|(x, y)| x * y).sum();
    (f64::from(product) / D as f64 + 1.0).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn the_discrepancy_is_the_one_worked_out_by_hand() {
        // d = 1: k(0, 2) = 1, k(1, 3) = 64, and (1 + 1 + 27 + 343) / 4 = 93 across.
        assert!((discrepancy(&[[0.0], [2.0]], &[[1.0], [3.0]]) - (1.0 + 64.0 - 2.0 * 93.0)).abs() < 1e-9);
        // A set of one has no pairs; this must not cause a division by zero.
        assert!((discrepancy(&[[0.0]], &[[1.0]]) + 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_same_kind_is_nearest_then_a_blur_of_it_then_noise() {
        const SHAPE: (usize, usize, usize) = (1, 28, 28);
        let mut rng = stream(3, "test", 0);
        // Bars at random positions, as pictures in -1..1.
        let mut bars = |soft: f32| -> Vec<Vec<f32>> {
            let mut bar = || {
                let at = rng.random_range(4.0..24.0);
                (0..28 * 28).map(|i| 1.0 - 2.0 * (((i % 28) as f32 - at).abs() / soft).min(1.0)).collect()
            };
            (0..200).map(|_| bar()).collect()
        };
        let (bars, more, blurred) = (bars(2.0), bars(2.0), bars(6.0));
        let noise: Vec<Vec<f32>> = (0..200).map(|_| normal(&mut rng, 28 * 28)).collect();
        let filters = Filters::new(SHAPE);
        let seen = |pictures: &[Vec<f32>]| pictures.iter().map(|x| filters.features(x)).collect::<Vec<_>>();
        let genuine = seen(&bars);
        let [same, blurred, noise] = [more, blurred, noise].map(|other| discrepancy(&genuine, &seen(&other)));
        assert!(same.abs() * 10.0 < blurred && blurred < noise, "{same} {blurred} {noise}");
    }
}

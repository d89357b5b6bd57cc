//! From a distance to a level of surprise, -ln p, where p is the share of genuine pictures that are at least as far.
//! Levels of several detectors have one scale, so that they can be added (Fisher's method, 1932).

/// Share of the genuine distances above which the tail begins.
const TAIL: f64 = 0.2;
/// Least scale, as a part of the location (or of 0.1, if that is larger), so that a rounding is no surprise.
const MIN_SCALE: f64 = 1e-2;

/// A logistic distribution of distances with an exponential tail: `-ln p = ln(1 + exp((distance - location) / scale))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tail {
    /// The distance at which p is one half.
    pub(crate) location: f32,
    /// The distance over which p falls by a factor of e in the tail.
    pub(crate) scale: f32,
}

impl Tail {
    /// Fits to genuine distances, at least one: the scale is the mean excess over the quantile 1 - [`TAIL`], and the
    /// location gives that quantile its p.
    pub(crate) fn fit(mut distances: Vec<f32>) -> Self {
        distances.sort_unstable_by(f32::total_cmp);
        let count = ((distances.len() as f64 * TAIL).ceil() as usize).clamp(1, distances.len());
        let tail = &distances[distances.len() - count..];
        let from = f64::from(tail[0]);
        let excess = tail.iter().map(|distance| f64::from(*distance) - from).sum::<f64>() / count as f64;
        let scale = excess.max(MIN_SCALE * from.abs().max(0.1));
        // ln(1 + exp(x)) = -ln TAIL
        let location = from - scale * (1.0 / TAIL - 1.0).ln();
        Self { location: location as f32, scale: scale as f32 }
    }

    /// The level of a distance.
    #[cfg(test)]
    pub(crate) fn level(self, distance: f32) -> f32 {
        let x = (distance - self.location) / self.scale;
        x.max(0.0) + (-x.abs()).exp().ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_minus_the_logarithm_of_the_tails_share() {
        // Exponential distances with mean 2: p = exp(-d / 2).
        let distances: Vec<f32> = (0..10_000).map(|i| -2.0 * ((i as f32 + 0.5) / 10_000.0).ln()).collect();
        let tail = Tail::fit(distances.clone());
        for p in [0.2f32, 0.05, 0.01, 0.001] {
            let level = tail.level(-2.0 * p.ln());
            assert!((level + p.ln()).abs() < 0.25, "{level} at p = {p}");
        }
        let mean = distances.iter().map(|d| tail.level(*d)).sum::<f32>() / 10_000.0;
        assert!(
            (0.8..1.4).contains(&mean),
            "{mean}: the mean of -ln p is 1, and the body of these distances is not logistic"
        );
    }

    #[test]
    fn equal_distances_have_a_scale() {
        let tail = Tail::fit(vec![3.0; 9]);
        assert!(tail.scale > 0.0 && tail.level(3.0) < 2.0 && tail.level(4.0) > 20.0);
    }
}

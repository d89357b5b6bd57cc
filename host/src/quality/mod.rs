//! How good a generator is, by its pictures beside genuine ones. A new metric is a file here and a line in [`all`]; by its name it is then in
//! metrics.jsonl, in the headers of checkpoints and in `--checkpoint best:NAME`. Knows no network and no run.

mod kid;

pub use kid::RandomFeatureKid;

use crate::data::{DataError, Samples};

/// Generated pictures that a metric gets, and at most as many genuine ones: enough that the order of checkpoints stands above the draw of
/// the latents.
pub const PICTURES: usize = 256;

/// Name of the metric by which the best checkpoint is chosen where nobody says.
pub const DISTANCE: &str = "distance";

/// Names of all metrics and which end of each is the good one.
pub const NAMES: [(&str, Better); 1] = [(DISTANCE, Better::Less)];

/// Which end of a metric is the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Smaller values.
    Less,
    /// Larger values.
    More,
}

impl Better {
    /// Whether `a` is better than `b`.
    #[must_use]
    pub fn is_better(self, a: f64, b: f64) -> bool {
        match self {
            Self::Less => a < b,
            Self::More => a > b,
        }
    }
}

/// A quality metric of a generator.
pub trait Metric {
    /// Its name wherever it is written.
    fn name(&self) -> &'static str;

    /// Which end is the good one.
    fn better(&self) -> Better;

    /// Its value for generated pictures [C, H, W] in -1..1.
    fn measure(&self, generated: &[Vec<f32>]) -> f64;
}

/// Every metric, beside the genuine `samples`.
///
/// # Errors
/// When a row cannot be read.
pub fn all(samples: &Samples) -> Result<Vec<Box<dyn Metric>>, DataError> {
    Ok(vec![Box::new(RandomFeatureKid::new(samples)?)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_names_is_that_of_the_metrics() {
        let samples = Samples::new(1, 8, 8, vec![7; 640]).unwrap();
        let metrics = all(&samples).unwrap();
        assert_eq!(metrics.iter().map(|metric| (metric.name(), metric.better())).collect::<Vec<_>>(), NAMES);
    }
}

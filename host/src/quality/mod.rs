//! How good a generator is, by its pictures beside genuine ones. A new metric is a file here and a line in
//! [`METRICS`]; by its name it is then in metrics.jsonl, in the headers of checkpoints and in `--checkpoint
//! best:NAME`. Knows no network and no run.

mod kid;

pub use kid::RandomFeatureKid;

use crate::data::{DataError, Samples};

/// Generated pictures that a metric gets, and at most as many genuine ones: enough that the order of checkpoints
/// stands above the draw of the latents.
pub const PICTURES: usize = 256;

/// Name of the metric by which the best checkpoint is chosen by default.
pub const DISTANCE: &str = "distance";

/// Every metric.
pub const METRICS: [Definition; 1] = [Definition {
    name: DISTANCE,
    better: Better::Less,
    open: |samples| Ok(Box::new(RandomFeatureKid::new(samples)?)),
}];

/// A metric as it is listed.
pub struct Definition {
    /// Its name wherever it is written.
    pub name: &'static str,
    /// Which end of it is the good one.
    pub better: Better,
    open: fn(&Samples) -> Result<Box<dyn Metric>, DataError>,
}

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
    /// Its value for generated pictures [C, H, W] in -1..1.
    fn measure(&self, generated: &[Vec<f32>]) -> f64;
}

/// The metric of a name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Definition> {
    const LIST: &[Definition] = &METRICS;
    LIST.iter().find(|metric| metric.name == name)
}

/// A metric with its name.
pub type Named = (&'static str, Box<dyn Metric>);

/// Every metric by its name, beside the genuine `samples`.
///
/// # Errors
/// When a row cannot be read.
pub fn all(samples: &Samples) -> Result<Vec<Named>, DataError> {
    METRICS.iter().map(|metric| Ok((metric.name, (metric.open)(samples)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_names_is_that_of_the_metrics() {
        let samples = Samples::new(1, 8, 8, vec![7; 640]).unwrap();
        let metrics = all(&samples).unwrap();
        let known = |name| named(name).map(|metric| (metric.name, metric.better));
        let found: Vec<_> = metrics.iter().map(|(name, _)| known(name).unwrap()).collect();
        assert_eq!(found, METRICS.map(|metric| (metric.name, metric.better)));
        assert_eq!(found[0], (DISTANCE, Better::Less));
        assert!(named("beauty").is_none());
    }
}

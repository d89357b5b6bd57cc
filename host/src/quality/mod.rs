//! Quality metrics of generators: comparisons of their pictures with genuine ones.
//!
//! To add a metric: write a file here and add it to [`METRICS`]. Its name is then in metrics.jsonl, in the headers
//! of checkpoints and in `--checkpoint best:NAME`. This module does not depend on networks or runs.

mod kid;

pub use kid::RandomFeatureKid;

use crate::data::{DataError, Samples};

/// Number of generated pictures for a metric, and of genuine ones at most: enough that checkpoints differ by
/// more than draws of the latents do.
pub const PICTURES: usize = 256;

/// Name of the metric by which the best checkpoint is chosen by default.
pub const DISTANCE: &str = "distance";

/// All quality metrics.
pub const METRICS: [Definition; 1] = [Definition {
    name: DISTANCE,
    better: Better::Less,
    open: |samples| Ok(Box::new(RandomFeatureKid::new(samples)?)),
}];

/// A metric in the list [`METRICS`].
pub struct Definition {
    /// The metric's name in files and on the command line.
    pub name: &'static str,
    /// Whether smaller or larger values are better.
    pub better: Better,
    open: fn(&Samples) -> Result<Box<dyn Metric>, DataError>,
}

/// Which values of a metric are better.
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
    /// The metric's value for generated pictures `[C, H, W]` in -1..1.
    fn measure(&self, generated: &[Vec<f32>]) -> f64;
}

/// The metric with this name; `None` if there is none.
#[must_use]
pub fn named(name: &str) -> Option<&'static Definition> {
    const LIST: &[Definition] = &METRICS;
    LIST.iter().find(|metric| metric.name == name)
}

/// A metric, prepared for a data set, with its name.
pub type NamedMetric = (&'static str, Box<dyn Metric>);

/// All metrics with their names, prepared for the genuine `samples`.
///
/// # Errors
/// When a row cannot be read.
pub fn all(samples: &Samples) -> Result<Vec<NamedMetric>, DataError> {
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

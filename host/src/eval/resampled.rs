//! A statistic of a sample and of each of its resamples. Such values can be averaged over families and compared with
//! another detector's before they become an [`Estimate`].
//!
//! Two samples of the same pictures in the same order use the same draws, so the difference of two detectors is a
//! paired one: errors that both detectors share cancel out (Efron & Tibshirani 1993, ch. 8).

use super::Estimate;

/// A value with its resampled values, in the order of the resamples.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    value: f64,
    resamples: Vec<f64>,
}

impl Resampled {
    /// The result when nothing was measured.
    pub const UNKNOWN: Self = Self { value: f64::NAN, resamples: Vec::new() };

    pub(super) fn new(value: f64, resamples: Vec<f64>) -> Self {
        Self { value, resamples }
    }

    /// The value with its 95 % interval.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate::percentile(self.value, &mut self.resamples.clone())
    }

    /// Subtracts another value. The difference is meaningful only between two values on the same pictures.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self::joined(&[self, other], |both| both[0] - both[1])
    }

    /// Averages several values, such as a detector's AUROC against each family. Unknown for an empty list.
    #[must_use]
    pub fn mean(several: &[&Self]) -> Self {
        Self::joined(several, |values| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// Takes the minimum of several values, for each resample. The minimum of noisy numbers is biased low, so its
    /// interval may extend further below the value than above it. Unknown for an empty list.
    #[must_use]
    pub fn least(several: &[&Self]) -> Self {
        Self::joined(several, |values| values.iter().copied().fold(f64::INFINITY, f64::min))
    }

    /// Combines several values into one, on the whole sample and on each resample. Unknown if one of them is unknown
    /// or if they have different numbers of resamples.
    fn joined(several: &[&Self], join: impl Fn(&[f64]) -> f64) -> Self {
        let resamples = several.first().map_or(0, |first| first.resamples.len());
        if several.iter().any(|one| !one.value.is_finite() || one.resamples.len() != resamples) || several.is_empty() {
            return Self::UNKNOWN;
        }
        let read = |of: &dyn Fn(&Self) -> f64| join(&several.iter().map(|one| of(one)).collect::<Vec<_>>());
        Self {
            value: read(&|one| one.value),
            resamples: (0..resamples).map(|index| read(&|one| one.resamples[index])).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(value: f64, resamples: &[f64]) -> Resampled {
        Resampled::new(value, resamples.to_vec())
    }

    #[test]
    fn joins_resample_by_resample() {
        let (a, b) = (resampled(0.9, &[0.8, 1.0]), resampled(0.5, &[0.6, 0.4]));
        assert_eq!(Resampled::mean(&[&a, &b]), resampled(0.7, &[0.7, 0.7]));
        assert_eq!(Resampled::least(&[&a, &b]), resampled(0.5, &[0.6, 0.4]));
        assert!((a.minus(&b).estimate().low - (0.2 + 0.025 * 0.4)).abs() < 1e-12);
    }

    #[test]
    fn what_is_unknown_stays_unknown() {
        let known = resampled(0.9, &[0.8, 1.0]);
        for other in [Resampled::UNKNOWN, resampled(0.9, &[0.8])] {
            assert!(!known.minus(&other).estimate().is_known());
        }
        assert!(!Resampled::mean(&[]).estimate().is_known());
    }
}

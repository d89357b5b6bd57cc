//! A statistic of a sample and of each of its resamples: what can be averaged over families and compared with another
//! detector's before it becomes an [`Estimate`].
//!
//! Two samples made of the same pictures in the same order are resampled alike, so the difference of two detectors is taken
//! picture by picture: what both find hard drops out of it (Efron & Tibshirani 1993, ch. 8).

use super::Estimate;

/// A value with its resamples, in the order of the resamples.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampled {
    value: f64,
    resamples: Vec<f64>,
}

impl Resampled {
    /// Nothing was measured.
    pub const UNKNOWN: Self = Self { value: f64::NAN, resamples: Vec::new() };

    pub(super) fn new(value: f64, resamples: Vec<f64>) -> Self {
        Self { value, resamples }
    }

    /// The value with its 95 % interval.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        Estimate::percentile(self.value, &mut self.resamples.clone())
    }

    /// How far this lies above another. Only the difference of two readings of the same pictures means anything.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self::joined(&[self, other], |both| both[0] - both[1])
    }

    /// The mean of several, such as a detector's AUROC against each family. Unknown of nothing.
    #[must_use]
    pub fn mean(several: &[&Self]) -> Self {
        Self::joined(several, |values| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The least of several, resample by resample. The least of noisy numbers lies low, so its interval may reach further
    /// down than up. Unknown of nothing.
    #[must_use]
    pub fn least(several: &[&Self]) -> Self {
        Self::joined(several, |values| values.iter().copied().fold(f64::INFINITY, f64::min))
    }

    /// One number from several, on the whole sample and on each resample. Unknown where one of them is, and when they were not
    /// resampled equally often.
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

//! A measured value with its interval: the form in which every statistic leaves this module.

use counterfoil_models::game::wilson;

/// A value with its 95 % interval. All three are NaN when there was nothing to measure; JSON shows NaN as `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value on all pictures.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// The estimate when nothing was measured.
    pub const UNKNOWN: Self = Self { value: f64::NAN, low: f64::NAN, high: f64::NAN };

    /// Combines the value with the percentile interval of its `resamples`, which are sorted in place (Efron &
    /// Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 13). The estimate is unknown when the value is not
    /// finite or there are no resamples.
    #[must_use]
    pub fn percentile(value: f64, resamples: &mut [f64]) -> Self {
        if !value.is_finite() || resamples.is_empty() {
            return Self::UNKNOWN;
        }
        resamples.sort_by(f64::total_cmp);
        Self { value, low: quantile(resamples, 0.025), high: quantile(resamples, 0.975) }
    }

    /// The same estimate of a share among `units`. Every resample of none of them, or of all, gives the same share; then
    /// the interval is Wilson's (1927) instead of one without width.
    #[must_use]
    pub fn of_share(self, units: u64) -> Self {
        let all = if self.value == 1.0 { units } else { 0 };
        if self.value != 0.0 && self.value != 1.0 {
            return self;
        }
        let (low, high) = wilson(all, units);
        Self { low, high, ..self }
    }

    /// Whether there is a value.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.value.is_finite()
    }
}

/// Quantile by linear interpolation between order statistics (Hyndman & Fan 1996, type 7: numpy's default).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_none_or_all_has_wilsons_interval() {
        let none = Estimate::percentile(0.0, &mut [0.0; 9]).of_share(200);
        assert!(none.low == 0.0 && (0.018..0.019).contains(&none.high), "{none:?}");
        let all = Estimate::percentile(1.0, &mut [1.0; 9]).of_share(10);
        assert!((0.72..0.73).contains(&all.low) && all.high > 0.999_999, "{all:?}");
        let some = Estimate { value: 0.5, low: 0.4, high: 0.6 };
        assert_eq!(some.of_share(10), some);
        assert!(!Estimate::UNKNOWN.of_share(0).is_known());
    }

    #[test]
    fn percentiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8, 16], [2.5, 97.5]) -> 1.1, 15.2
        let estimate = Estimate::percentile(4.0, &mut [16.0, 1.0, 8.0, 2.0, 4.0]);
        assert!((estimate.low - 1.1).abs() < 1e-12);
        assert!((estimate.high - 15.2).abs() < 1e-12);
    }

    #[test]
    fn nothing_measured_is_unknown() {
        assert!(!Estimate::percentile(f64::NAN, &mut [1.0]).is_known());
        assert!(!Estimate::percentile(1.0, &mut []).is_known());
    }
}

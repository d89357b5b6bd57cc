//! The number of false alarms that a correct calibration gives.
//!
//! Split conformal prediction promises the rate alpha on average over calibration samples. The one sample of a user
//! gives its own rate, and counting alarms on a test set adds noise. The distributions of both are known exactly, so
//! a report can tell chance from a wrong calibration.

use serde::Serialize;

/// The central 95 % interval of the number of false alarms among `pictures` genuine pictures, for a detector
/// calibrated on other genuine pictures from the same source.
///
/// A picture is called counterfeit when p = (1 + #{calibration scores <= s}) / (n + 1) <= alpha, that is, when it
/// scores below the k-th lowest of n calibration scores, k = floor(alpha (n + 1)). The share of genuine pictures
/// there is Beta(k, n + 1 - k) (Vovk 2012, *Conditional validity of inductive conformal predictors*, prop. 2a), and
/// the count among m new ones is therefore beta-binomial. Ties only make it smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AlarmInterval {
    /// Number of genuine pictures tested.
    pub pictures: u64,
    /// Smallest number of false alarms in the interval.
    pub low: u64,
    /// Largest number of false alarms in the interval.
    pub high: u64,
}

impl AlarmInterval {
    /// Computes the interval for `calibration` calibration scores and the stated rate `alpha` in 0..=1.
    #[must_use]
    pub fn interval(calibration: u64, alpha: f64, pictures: u64) -> Self {
        // Scaled up slightly, so that 0.01 * 300 is 3 and not 2.9999999999999996.
        let k = (alpha * (calibration + 1) as f64 * (1.0 + 1e-12)).floor() as u64;
        let always = |count| Self { pictures, low: count, high: count };
        if k == 0 {
            return always(0); // too few calibration scores for this alpha: no picture is ever called counterfeit
        }
        if k > calibration {
            return always(pictures); // alpha = 1: every picture is
        }
        let (a, b) = (k as f64, (calibration + 1 - k) as f64);
        let m = pictures as f64;
        // ln P(0) = ln B(a, b + m) / B(a, b), which is a sum of m logarithms, because m is a whole number.
        let mut log_p: f64 = (0..pictures).map(|i| ((b + i as f64) / (a + b + i as f64)).ln()).sum();
        let (mut low, mut cumulative) = (None, 0.0);
        for count in 0..pictures {
            cumulative += log_p.exp();
            if cumulative >= 0.025 {
                low.get_or_insert(count);
            }
            if cumulative >= 0.975 {
                return Self { pictures, low: low.unwrap_or(count), high: count };
            }
            // P(j + 1) / P(j) = (m - j) / (j + 1) * (a + j) / (b + m - j - 1)
            let j = count as f64;
            log_p += ((m - j) / (j + 1.0) * (a + j) / (b + m - j - 1.0)).ln();
        }
        Self { pictures, low: low.unwrap_or(pictures), high: pictures }
    }

    /// Whether a correct calibration gives this number of false alarms, that is, whether it is in the interval.
    #[must_use]
    pub fn allows(self, false_alarms: u64) -> bool {
        (self.low..=self.high).contains(&false_alarms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values, computed with Python's standard library:
    //
    //   from fractions import Fraction as F
    //   from math import comb, factorial as f
    //   B = lambda a, b: F(f(a - 1) * f(b - 1), f(a + b - 1))
    //   def interval(n, k, m):
    //       a, b, low, cdf = k, n + 1 - k, None, F(0)
    //       for j in range(m + 1):
    //           cdf += comb(m, j) * B(a + j, b + m - j) / B(a, b)
    //           if low is None and cdf >= F(25, 1000): low = j
    //           if cdf >= F(975, 1000): return low, j
    //   for n, k, m in [(299, 3, 300), (199, 2, 1000), (99, 1, 100), (999, 50, 400), (9, 5, 3)]:
    //       print(n, k, m, interval(n, k, m))
    #[test]
    fn is_the_exact_beta_binomial() {
        for (n, alpha, m, low, high) in ORACLE {
            let found = AlarmInterval::interval(n, alpha, m);
            assert_eq!((found.low, found.high), (low, high), "n {n}, alpha {alpha}, m {m}");
        }
    }
    const ORACLE: [(u64, f64, u64, u64, u64); 5] = [
        (299, 0.01, 300, 0, 9),
        (199, 0.01, 1000, 0, 29),
        (99, 0.01, 100, 0, 5),
        (999, 0.05, 400, 11, 31),
        (9, 0.5, 3, 0, 3),
    ];

    #[test]
    fn degenerate_alphas_leave_no_doubt() {
        assert_eq!(AlarmInterval::interval(50, 0.01, 200).high, 0);
        assert_eq!(AlarmInterval::interval(50, 1.0, 200).low, 200);
        assert_eq!(AlarmInterval::interval(200, 0.01, 0).high, 0);
        assert!(AlarmInterval::interval(299, 0.01, 300).allows(3));
    }
}

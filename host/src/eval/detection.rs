//! Detection rate: the share of counterfeits that the detector calls counterfeit at its calibrated threshold.

use super::Step;

/// Computes the share of counterfeits that were judged counterfeit, 0..=1. The verdict *unsure* does not count as a
/// detection. NaN without counterfeits.
#[must_use]
pub fn detection_rate(steps: &[Step]) -> f64 {
    let total = Step::total(steps);
    total.detections as f64 / total.fakes as f64
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn counts_the_fakes_only() {
        assert!((detection_rate(&sample(&[0.0, 9.0], &[0.0, 1.0, 2.0], 0.5).steps()) - 1.0 / 3.0).abs() < 1e-12);
        assert!(detection_rate(&sample(&[0.0], &[], 0.5).steps()).is_nan());
    }
}

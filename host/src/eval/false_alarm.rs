//! False-alarm rate: the share of genuine pictures that the detector calls counterfeit at its calibrated threshold.

use super::Step;

/// Computes the share of genuine pictures that were judged counterfeit, 0..=1. The verdict *unsure* does not count as
/// an alarm.
///
/// See [`AlarmInterval`](super::AlarmInterval) for what a correct calibration allows.
#[must_use]
pub fn false_alarm_rate(steps: &[Step]) -> f64 {
    let total = Step::total(steps);
    total.false_alarms as f64 / total.genuine as f64
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    #[test]
    fn counts_the_genuine_only() {
        let steps = sample(&[0.0, 1.0, 2.0, 3.0], &[0.0, 0.0], 0.5).steps();
        assert!((false_alarm_rate(&steps) - 0.25).abs() < 1e-12);
    }
}

//! False-alarm rate: the share of genuine pictures that the detector accused at its own calibrated threshold.

use super::Step;

/// Genuine pictures judged counterfeit over genuine pictures; unsure is no alarm. Its bootstrap interval has no width
/// when no alarm was seen: [`Realised`](super::Realised) says what a correct calibration allows for.
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

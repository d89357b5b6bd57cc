//! Compares the false-alarm rate that a calibration promises with the alarms on other genuine pictures.

use serde::Serialize;

use super::{AlarmInterval, Scored};

/// Rates at which every calibration is checked, besides its own: the default rate, and the default upper limit of
/// *unsure*.
const ALPHAS: [f64; 2] = [0.01, 0.05];

/// A stated false-alarm rate and the alarms that occurred.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CalibrationCheck {
    /// The stated false-alarm rate, 0..=1.
    pub alpha: f64,
    /// Number of genuine pictures in the calibration.
    pub calibration: u64,
    /// Number of genuine pictures judged whose p-value is at most `alpha`.
    pub alarms: u64,
    /// The interval of the number of alarms for a correct calibration.
    #[serde(flatten)]
    pub realised: AlarmInterval,
    /// Whether the number of alarms is in that interval.
    pub kept: bool,
}

impl CalibrationCheck {
    /// Checks a calibration at 1 %, at 5 % and at its own rate `alpha`, in ascending order, on the genuine pictures
    /// of `scored`.
    #[must_use]
    pub fn all(alpha: f64, calibration: u64, scored: &[Scored]) -> Vec<Self> {
        let p_values: Vec<f64> = scored.iter().filter(|one| one.family.is_none()).map(|one| one.p_value).collect();
        let mut alphas = [&ALPHAS[..], &[alpha]].concat();
        alphas.sort_by(f64::total_cmp);
        alphas.dedup();
        let promise = |alpha: f64| {
            // The tolerance for rounding is that of `Calibration::judge`.
            let alarms = p_values.iter().filter(|p| **p <= alpha * (1.0 + 1e-12)).count() as u64;
            let realised = AlarmInterval::interval(calibration, alpha, p_values.len() as u64);
            Self { alpha, calibration, alarms, realised, kept: realised.allows(alarms) }
        };
        alphas.into_iter().map(promise).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::Verdict;

    #[test]
    fn counts_genuine_p_values_at_each_rate() {
        let one = |index: u32, family: Option<&str>| Scored {
            path: String::new(),
            family: family.map(str::to_owned),
            group: None,
            score: 0.0,
            p_value: f64::from(index) / 100.0,
            verdict: Verdict::Unsure,
        };
        let scored: Vec<Scored> = (1..=100).map(|index| one(index, None)).chain([one(1, Some("f"))]).collect();
        let found = CalibrationCheck::all(0.02, 99, &scored);
        let counted: Vec<(f64, u64)> = found.iter().map(|promise| (promise.alpha, promise.alarms)).collect();
        assert_eq!(counted, [(0.01, 1), (0.02, 2), (0.05, 5)]);
        assert!(found.iter().all(|promise| promise.kept && promise.realised.pictures == 100));
        assert_eq!(CalibrationCheck::all(0.01, 99, &scored).len(), 2);
        let broken: Vec<Scored> = (0..100).map(|_| one(1, None)).collect();
        assert!(CalibrationCheck::all(0.01, 99, &broken).iter().all(|promise| !promise.kept));
    }
}

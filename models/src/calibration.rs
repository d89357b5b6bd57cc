//! Conformal calibration: a [`Score`] becomes a p-value among held-out genuine pictures, and the p-value a verdict.
//!
//! `p = (1 + #{calibration scores <= s}) / (n + 1)` (Vovk, Gammerman, Shafer 2005; Angelopoulos, Bates 2107.07511).
//! If the picture is genuine and drawn like the calibration pictures, `P(p <= alpha) <= alpha` for every network.

use serde::{Deserialize, Serialize};

use crate::{Error, Judgement, Result, Score, Verdict};

/// A picture is unsure up to this many times the false-alarm rate.
const UNSURE_FACTOR: f64 = 5.0;
/// The largest false-alarm rate that earlier versions wrote; at that rate no picture is called genuine.
const MAX_STORED_ALPHA: f64 = 0.2;
/// Relative tolerance when a p-value is compared with a rate, so that a rounding of the quotient does not decide (99
/// pictures for 1 %).
const ROUNDING: f64 = 1e-12;

/// Scores of held-out genuine pictures, and the false-alarm rate at which they are used.
///
/// ```
/// use counterfoil_models::{Calibration, Score, Verdict};
///
/// // 99 genuine pictures support a false-alarm rate of 1 %.
/// let calibration = Calibration::new(0.01, (0..99).map(|score| score as f32).collect())?;
/// let judgement = calibration.judge(Score::new(-1.0)?); // below all of them: p = 1 / 100
/// assert_eq!((judgement.p_value(), judgement.verdict()), (0.01, Verdict::Counterfeit));
/// assert_eq!(calibration.judge(Score::new(50.0)?).verdict(), Verdict::Genuine);
/// # Ok::<(), counterfoil_models::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Calibration {
    alpha: f64,
    /// Ascending.
    scores: Vec<f32>,
}

/// A calibration as stored in a manifest, not yet validated.
#[derive(Deserialize)]
struct Stored {
    alpha: f64,
    scores: Vec<f32>,
}

impl TryFrom<Stored> for Calibration {
    type Error = Error;
    fn try_from(stored: Stored) -> Result<Self> {
        Self::up_to(MAX_STORED_ALPHA, "a false-alarm rate above 0 and at most 0.2", stored.alpha, stored.scores)
    }
}

impl Calibration {
    /// The default false-alarm rate.
    pub const DEFAULT_ALPHA: f64 = 0.01;
    /// The largest false-alarm rate that can be asked for. *Unsure* reaches up to five times the rate: here, to one
    /// half of the genuine pictures.
    pub const MAX_ALPHA: f64 = 0.1;
    /// Smallest number of genuine pictures that supports any false-alarm rate.
    pub const FEWEST: usize = 9;

    /// Calibrates on the scores of genuine pictures that were held out from training, in any order.
    ///
    /// # Errors
    /// [`Error::Setting`] when alpha is not above 0 and at most [`Self::MAX_ALPHA`], [`Error::NotFinite`] for a
    /// score that is NaN or infinite, [`Error::TooFewForAlpha`] when there are too few scores for any picture
    /// to reach `p <= alpha`.
    pub fn new(alpha: f64, scores: Vec<f32>) -> Result<Self> {
        let expected = "a false-alarm rate above 0 and at most 0.1, since *unsure* reaches up to five times the rate";
        Self::up_to(Self::MAX_ALPHA, expected, alpha, scores)
    }

    fn up_to(most: f64, expected: &'static str, alpha: f64, mut scores: Vec<f32>) -> Result<Self> {
        if !(alpha > 0.0 && alpha <= most) {
            return Err(Error::Setting { field: "alpha", found: alpha.to_string(), expected });
        }
        if let Some(bad) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::NotFinite(*bad));
        }
        if least_p_value(scores.len()) > alpha * (1.0 + ROUNDING) {
            let needed = (1.0 / alpha - 1.0 - 1e-9).ceil() as usize;
            let found = scores.len();
            return Err(Error::TooFewForAlpha { alpha, needed, found, remedy: enough(found) });
        }
        scores.sort_by(f32::total_cmp);
        Ok(Self { alpha, scores })
    }

    /// The smallest false-alarm rate that `n` genuine pictures support: `1 / (n + 1)`, rounded up to three digits.
    ///
    /// The number is accepted when it is typed in as it is printed. `None` when it is above [`Self::MAX_ALPHA`].
    #[must_use]
    pub fn supported_alpha(n: usize) -> Option<f64> {
        let least = least_p_value(n);
        let digits = 2 - least.log10().floor() as i32;
        let unit = 10f64.powi(digits);
        // A whole number divided by a power of ten is the `f64` that its decimal fraction parses to.
        let rounded = (least * unit * (1.0 - ROUNDING)).ceil() / unit;
        (rounded <= Self::MAX_ALPHA).then_some(rounded)
    }

    /// The false-alarm rate, as the user stated it.
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// The p-value up to which a picture is *unsure*; above it, the picture is genuine.
    #[must_use]
    pub fn unsure_up_to(&self) -> f64 {
        UNSURE_FACTOR * self.alpha
    }

    /// The calibration scores, ascending.
    #[must_use]
    pub fn scores(&self) -> &[f32] {
        &self.scores
    }

    /// The p-value of a score, in `1/(n+1) ..= 1`: the share of genuine pictures, this one included, that
    /// score as low or lower.
    #[must_use]
    pub fn p_value(&self, score: Score) -> f64 {
        let as_low = self.scores.partition_point(|s| *s <= score.get());
        (1 + as_low) as f64 / (self.scores.len() + 1) as f64
    }

    /// Judges a score. This is the only way from a score to a verdict.
    #[must_use]
    pub fn judge(&self, score: Score) -> Judgement {
        let p = self.p_value(score);
        let reaches = |bound: f64| p <= bound * (1.0 + ROUNDING);
        let verdict = if reaches(self.alpha) {
            Verdict::Counterfeit
        } else if reaches(self.unsure_up_to()) {
            Verdict::Unsure
        } else {
            Verdict::Genuine
        };
        Judgement::new(score, p, verdict)
    }
}

/// The advice when `found` genuine pictures do not support a false-alarm rate.
fn enough(found: usize) -> String {
    match Calibration::supported_alpha(found) {
        Some(supported) => format!("add pictures, or ask for the rate that these support with --alpha {supported}"),
        None => format!("add pictures: no rate is supported by fewer than {}", Calibration::FEWEST),
    }
}

/// The p-value of a picture that scores below all of `n` genuine ones.
fn least_p_value(n: usize) -> f64 {
    1.0 / (n as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hundred() -> Calibration {
        Calibration::new(0.01, (1..=99).rev().map(|i| i as f32).collect()).unwrap()
    }

    #[test]
    fn p_values_count_the_genuine_that_score_as_low() {
        let p = |s| hundred().p_value(Score::new(s).unwrap());
        assert_eq!([p(0.0), p(1.0), p(50.5), p(99.0), p(1e30)], [0.01, 0.02, 0.51, 1.0, 1.0]);
    }

    #[test]
    fn verdicts_fall_at_alpha_and_five_alpha() {
        let verdict = |s| hundred().judge(Score::new(s).unwrap()).verdict();
        assert_eq!(verdict(0.5), Verdict::Counterfeit);
        assert_eq!([verdict(1.0), verdict(4.9)], [Verdict::Unsure; 2]);
        assert_eq!(verdict(5.0), Verdict::Genuine);
    }

    #[test]
    fn too_few_pictures_are_refused_with_the_rate_they_support() {
        let error = Calibration::new(0.01, vec![0.0; 98]).unwrap_err().to_string();
        assert!(error.contains("at least 99") && error.contains("--alpha 0.0102"), "{error}");
        let error = Calibration::new(0.01, vec![0.0; 8]).unwrap_err().to_string();
        assert!(error.contains("fewer than 9") && !error.contains("--alpha"), "{error}");
        assert!(Calibration::new(0.0, vec![0.0; 98]).is_err());
        assert!(Calibration::new(f64::NAN, vec![0.0; 98]).is_err());
        assert!(Calibration::new(0.01, vec![f32::NAN; 100]).is_err());
    }

    #[test]
    fn the_rate_that_is_advised_is_accepted_as_it_is_printed() {
        for n in (Calibration::FEWEST..600).chain((600..5_000).step_by(97)) {
            let advised = Calibration::supported_alpha(n).unwrap();
            assert!(advised >= 1.0 / (n as f64 + 1.0) - 1e-15 && advised < 1.01 / (n as f64 + 1.0), "{n}: {advised}");
            let typed: f64 = advised.to_string().parse().unwrap();
            assert!(advised.to_string().len() <= 8, "{advised}");
            Calibration::new(typed, vec![0.0; n]).unwrap();
        }
        assert_eq!(Calibration::supported_alpha(99), Some(0.01));
        assert_eq!(Calibration::supported_alpha(Calibration::FEWEST - 1), None);
    }

    #[test]
    fn some_genuine_pictures_are_called_genuine_at_every_rate() {
        let best = |calibration: &Calibration| calibration.judge(Score::new(1e9).unwrap()).verdict();
        let ranks = || (0..99).map(|i| i as f32).collect::<Vec<_>>();
        let most = Calibration::new(Calibration::MAX_ALPHA, ranks()).unwrap();
        assert_eq!(best(&most), Verdict::Genuine);
        assert_eq!(most.judge(Score::new(49.5).unwrap()).verdict(), Verdict::Genuine);
        assert!(Calibration::new(0.101, ranks()).unwrap_err().to_string().contains("at most 0.1"));
        // A calibration that an earlier version wrote still opens, and judges as it did.
        let old = serde_json::json!({ "alpha": 0.2, "scores": ranks() });
        assert_eq!(best(&serde_json::from_value(old).unwrap()), Verdict::Unsure);
    }

    #[test]
    fn a_manifest_with_bad_scores_does_not_open() {
        let text = serde_json::to_string(&hundred()).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), hundred());
        assert!(serde_json::from_str::<Calibration>(r#"{"alpha":0.01,"scores":[1.0]}"#).is_err());
    }

    proptest! {
        #[test]
        fn a_higher_score_is_never_less_genuine(mut scores in prop::collection::vec(-1e6f32..1e6, 99..300), a in -2e6f32..2e6, b in -2e6f32..2e6) {
            let calibration = Calibration::new(0.01, std::mem::take(&mut scores)).unwrap();
            let (low, high) = (Score::new(a.min(b)).unwrap(), Score::new(a.max(b)).unwrap());
            prop_assert!(calibration.p_value(low) <= calibration.p_value(high));
        }

        #[test]
        fn exchangeable_genuine_pictures_are_refused_at_most_at_alpha(seed in 0u64..1000) {
            // Leave-one-out over 200 exchangeable numbers: at most floor(alpha * 200) reach alpha.
            let numbers: Vec<f32> = (0..200u64).map(|i| ((i * 7919 + seed * 104_729) % 10_007) as f32).collect();
            let refused = (0..200).filter(|i| {
                let rest = numbers.iter().enumerate().filter(|(j, _)| j != i).map(|(_, s)| *s).collect();
                let calibration = Calibration::new(0.05, rest).unwrap();
                calibration.judge(Score::new(numbers[*i]).unwrap()).verdict() == Verdict::Counterfeit
            }).count();
            prop_assert!(refused <= 10);
        }
    }
}

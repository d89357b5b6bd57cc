//! Evaluates judged pictures: a detector against all counterfeits together and against each family.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_models::Verdict;
use serde::Serialize;

use super::{Bootstrap, EvalError, Metrics, Observation, Ranking, Resampled, Sample, Scored};

/// The evaluation of one detector on one set of pictures. Serialises to the one object that `counterfoil eval --json`
/// prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Metrics against all counterfeits together.
    #[serde(flatten)]
    pub overall: Metrics,
    /// The ranking metrics against all counterfeits, for each resample.
    #[serde(skip)]
    pub ranking: Ranking,
    /// Number of genuine pictures.
    pub genuine: usize,
    /// Number of counterfeits.
    pub fake: usize,
    /// Results for each family of counterfeits.
    pub families: BTreeMap<String, Family>,
}

/// The evaluation of a detector against one family of counterfeits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Family {
    /// Metrics on all genuine pictures and this family.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The ranking metrics, for each resample.
    #[serde(skip)]
    pub ranking: Ranking,
    /// Number of counterfeits of this family.
    pub fake: usize,
}

impl Evaluation {
    /// The AUROC against all counterfeits minus that of another detector on the same pictures, for each resample.
    /// Unknown when the two did not judge the same numbers of genuine pictures and of each family.
    #[must_use]
    pub fn ahead_of(&self, other: &Self) -> Resampled {
        let judged = |one: &Self| {
            let families: Vec<usize> = one.families.values().map(|family| family.fake).collect();
            (one.genuine, families)
        };
        if judged(self) == judged(other) { self.ranking.auroc.minus(&other.ranking.auroc) } else { Resampled::UNKNOWN }
    }
}

/// The evaluation of a simpler detector on the same pictures, for comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// Name of the baseline, such as `hand statistics` or `best single number`.
    pub name: String,
    /// The baseline's evaluation.
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// The baseline's scores, if it has one for each picture.
    #[serde(skip)]
    pub scored: Vec<Scored>,
}

impl Baseline {
    /// Evaluates a baseline that gives scores but no verdicts.
    ///
    /// # Errors
    /// When no picture is genuine, or a score is not finite.
    pub fn ranked(name: &str, scored: Vec<Scored>) -> Result<Self, EvalError> {
        let evaluation = evaluate_by(&scored, |sample| Metrics::ranked(sample, Bootstrap::default()))?;
        Ok(Self { name: name.to_owned(), evaluation, scored })
    }
}

/// Evaluates judged pictures. Without counterfeits the false-alarm rate is still measured.
///
/// # Errors
/// When no picture is genuine, or a score is not finite.
pub fn evaluate(scored: &[Scored], bootstrap: Bootstrap) -> Result<Evaluation, EvalError> {
    evaluate_by(scored, |sample| Metrics::judged(sample, bootstrap))
}

fn evaluate_by(scored: &[Scored], measure: impl Fn(&Sample) -> (Metrics, Ranking)) -> Result<Evaluation, EvalError> {
    let measure = |keep: &dyn Fn(&str) -> bool| {
        let kept = scored.iter().filter(|one| one.family.as_deref().is_none_or(keep));
        Sample::new(&kept.map(observe).collect::<Vec<_>>()).map(|sample| measure(&sample))
    };
    let fakes: Vec<&str> = scored.iter().filter_map(|one| one.family.as_deref()).collect();
    let names: BTreeSet<&str> = fakes.iter().copied().collect();
    let families = names.into_iter().map(|name| {
        let (metrics, ranking) = measure(&|other| other == name)?;
        let family = Family { metrics, ranking, fake: fakes.iter().filter(|other| **other == name).count() };
        Ok((name.to_owned(), family))
    });
    let (overall, ranking) = measure(&|_| true)?;
    Ok(Evaluation {
        overall,
        ranking,
        genuine: scored.len() - fakes.len(),
        fake: fakes.len(),
        families: families.collect::<Result<_, EvalError>>()?,
    })
}

fn observe(one: &Scored) -> Observation<'_> {
    Observation {
        path: &one.path,
        family: one.family.as_deref(),
        group: one.group.as_deref(),
        score: f64::from(one.score),
        called_counterfeit: one.verdict == Verdict::Counterfeit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(count: usize, families: &[(&str, f32)]) -> Vec<Scored> {
        let one = |index: usize, family: Option<&str>, shift: f32| {
            // A low-discrepancy sequence in 0..1 in place of noise.
            let score = (index as f32 * 0.618_034).fract() - shift;
            Scored {
                path: format!("{}/{index}.png", family.unwrap_or("real")),
                family: family.map(str::to_owned),
                group: None,
                score,
                p_value: f64::from(score.clamp(0.001, 1.0)),
                verdict: if score < 0.01 { Verdict::Counterfeit } else { Verdict::Genuine },
            }
        };
        let mut all: Vec<Scored> = (0..count).map(|index| one(index, None, 0.0)).collect();
        for &(family, shift) in families {
            all.extend((0..count / families.len()).map(|index| one(index, Some(family), shift)));
        }
        all
    }

    #[test]
    fn families_are_measured_one_by_one() {
        let evaluation = evaluate(&scored(200, &[("far", 2.0), ("near", 0.25)]), Bootstrap::default()).unwrap();
        assert_eq!((evaluation.genuine, evaluation.fake), (200, 200));
        let (far, near) = (&evaluation.families["far"].metrics, &evaluation.families["near"].metrics);
        assert!((far.auroc.value - 1.0).abs() < 1e-12 && (far.detection_rate.value - 1.0).abs() < 1e-12);
        // For two uniform distributions of width 1 shifted by d: 1 - (1 - d)^2 / 2 = 0.71875.
        assert!((near.auroc.value - 0.718_75).abs() < 0.01, "{near:?}");
        assert!(near.auroc.low < near.auroc.value && near.auroc.value < near.auroc.high);
        let between = f64::midpoint(far.auroc.value, near.auroc.value);
        assert!((evaluation.overall.auroc.value - between).abs() < 1e-12);
    }

    #[test]
    fn a_lead_is_measured_picture_by_picture() {
        let (near, far) = (scored(200, &[("a", 0.25)]), scored(200, &[("a", 0.3)]));
        let [near, far] = [near, far].map(|scored| evaluate(&scored, Bootstrap::default()).unwrap());
        let ahead = far.ahead_of(&near).estimate();
        assert!(ahead.low > 0.0 && ahead.high < 0.1, "{ahead:?}");
        assert!(far.overall.auroc.low < near.overall.auroc.high, "the intervals themselves overlap");
        let other = evaluate(&scored(100, &[("a", 0.25)]), Bootstrap::default()).unwrap();
        assert!(!far.ahead_of(&other).estimate().is_known());
    }

    #[test]
    fn a_baseline_without_verdicts_has_no_rates_of_them() {
        let row = Baseline::ranked("ranks", scored(100, &[("far", 2.0)])).unwrap();
        assert!(row.evaluation.overall.auroc.is_known() && !row.evaluation.overall.false_alarm_rate.is_known());
        assert!(!row.evaluation.families["far"].metrics.detection_rate.is_known());
    }

    #[test]
    fn json_is_one_flat_object() {
        let evaluation = evaluate(&scored(50, &[("far", 2.0)]), Bootstrap::default()).unwrap();
        let json = serde_json::to_value(&evaluation).unwrap();
        for key in ["auroc", "eer", "tpr_at_fpr01", "false_alarm_rate", "detection_rate"] {
            for suffix in ["", "_low", "_high"] {
                assert!(json[format!("{key}{suffix}")].is_f64(), "{key}{suffix} in {json}");
                assert!(json["families"]["far"][format!("{key}{suffix}")].is_f64());
            }
        }
        assert_eq!((json["genuine"].as_u64(), json["families"]["far"]["fake"].as_u64()), (Some(50), Some(50)));
    }

    #[test]
    fn without_counterfeits_the_false_alarms_remain() {
        let evaluation = evaluate(&scored(100, &[]), Bootstrap::default()).unwrap();
        assert!(!evaluation.overall.auroc.is_known());
        assert!(evaluation.overall.false_alarm_rate.is_known());
        assert!(serde_json::to_value(&evaluation).unwrap()["auroc"].is_null());
        assert!(matches!(evaluate(&[], Bootstrap::default()), Err(EvalError::NoGenuine)));
    }
}

//! Judged pictures become an evaluation: the detector against all counterfeits together and against each family alone.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_models::Verdict;
use serde::Serialize;

use super::{Bootstrap, EvalError, Metrics, Observation, Sample, Scored};

/// What one detector did on one set of pictures. Serialises to the one object that `counterfoil eval --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Against all counterfeits together.
    #[serde(flatten)]
    pub overall: Metrics,
    /// Genuine pictures judged.
    pub genuine: usize,
    /// Counterfeits judged.
    pub fake: usize,
    /// Against each family alone.
    pub families: BTreeMap<String, Family>,
}

/// A detector against one family of counterfeits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Family {
    /// Measured against all genuine pictures and this family.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Counterfeits of this family.
    pub fake: usize,
}

/// A simpler detector's evaluation on the same pictures, to stand beside ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// What it is called, such as `statistics` or `best single number`.
    pub name: String,
    /// What it did.
    #[serde(flatten)]
    pub evaluation: Evaluation,
}

/// Evaluates judged pictures. Fails when none is genuine or a score is not finite. Without counterfeits the false-alarm
/// rate is still measured.
pub fn evaluate(scored: &[Scored], bootstrap: Bootstrap) -> Result<Evaluation, EvalError> {
    let metrics = |keep: &dyn Fn(&str) -> bool| {
        let kept = scored.iter().filter(|one| one.family.as_deref().is_none_or(keep));
        Sample::new(kept.map(observe).collect()).map(|sample| Metrics::judged(&sample, bootstrap))
    };
    let fakes: Vec<&str> = scored.iter().filter_map(|one| one.family.as_deref()).collect();
    let names: BTreeSet<&str> = fakes.iter().copied().collect();
    let families = names.into_iter().map(|name| {
        let family = Family {
            metrics: metrics(&|other| other == name)?,
            fake: fakes.iter().filter(|other| **other == name).count(),
        };
        Ok((name.to_owned(), family))
    });
    Ok(Evaluation {
        overall: metrics(&|_| true)?,
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
        accused: one.verdict == Verdict::Counterfeit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(count: usize, families: &[(&str, f32)]) -> Vec<Scored> {
        let one = |index: usize, family: Option<&str>, shift: f32| {
            // A low-discrepancy sequence in 0..1 stands in for noise.
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
        let (far, near) = (evaluation.families["far"].metrics, evaluation.families["near"].metrics);
        assert!((far.auroc.value - 1.0).abs() < 1e-12 && (far.detection_rate.value - 1.0).abs() < 1e-12);
        // For two uniforms of width 1 shifted by d: 1 - (1 - d)^2 / 2 = 0.71875.
        assert!((near.auroc.value - 0.718_75).abs() < 0.01, "{near:?}");
        assert!(near.auroc.low < near.auroc.value && near.auroc.value < near.auroc.high);
        let between = f64::midpoint(far.auroc.value, near.auroc.value);
        assert!((evaluation.overall.auroc.value - between).abs() < 1e-12);
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

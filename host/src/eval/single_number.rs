//! The baseline without a detector: the one number (brightness, sharpness, file size, ...) that best separates
//! genuine pictures from counterfeits, chosen with hindsight for each family.
//!
//! A detector that does not beat this baseline has learnt at most a shortcut. A data set on which the baseline is
//! near 1 leaks.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Baseline, Bootstrap, EvalError, Evaluation, Family, Metrics, Observation, Ranking, Sample, auroc};

/// Named statistics of several pictures.
#[derive(Debug, Clone, Default)]
pub struct StatisticTable {
    /// Names of the statistics, in the order of every picture's values.
    pub names: Vec<String>,
    /// The pictures, in the order in which the detectors judge them.
    pub pictures: Vec<Measured>,
}

/// The statistics of one picture.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Name of the picture in messages.
    pub path: String,
    /// The family of a counterfeit; `None` for a genuine picture.
    pub family: Option<String>,
    /// Group of the picture, as in [`Scored`](super::Scored).
    pub group: Option<String>,
    /// The values, one for each name.
    pub values: Vec<f64>,
}

/// Which values of a statistic indicate a counterfeit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Low values.
    Low,
    /// High values.
    High,
    /// Values far from the median of the genuine pictures, in either direction.
    Far,
}

/// The statistic that separates best, with its metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestStatistic {
    /// Name of the statistic.
    pub cue: String,
    /// Which values indicate a counterfeit.
    pub side: Side,
    /// The ranking metrics. A plain number has no calibrated threshold, so the calibrated metrics are unknown.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The ranking metrics, for each resample.
    #[serde(skip)]
    pub ranking: Ranking,
}

impl fmt::Display for BestStatistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Low => "low",
            Side::High => "high",
            Side::Far => "far from usual",
        };
        write!(f, "{}, {side}", self.cue)
    }
}

/// The best statistic against all counterfeits together, and against each family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SingleNumbers {
    /// The best statistic against all counterfeits.
    pub overall: BestStatistic,
    /// The best statistic against each family.
    pub families: BTreeMap<String, BestStatistic>,
    genuine: usize,
    fakes: BTreeMap<String, usize>,
}

impl SingleNumbers {
    /// The result as a baseline, to compare with detectors.
    #[must_use]
    pub fn baseline(&self) -> Baseline {
        let family = |(name, best): (&String, &BestStatistic)| {
            let family = Family { metrics: best.metrics, ranking: best.ranking.clone(), fake: self.fakes[name] };
            (name.clone(), family)
        };
        Baseline {
            name: "best single number".to_owned(),
            evaluation: Evaluation {
                overall: self.overall.metrics,
                ranking: self.overall.ranking.clone(),
                genuine: self.genuine,
                fake: self.fakes.values().sum(),
                families: self.families.iter().map(family).collect(),
            },
            scored: Vec::new(),
        }
    }
}

/// Finds the best statistic: each one is tried with low values, high values and values far from the genuine pictures'
/// median as counterfeit, and the choice with the greatest AUROC wins.
///
/// The choice uses the test pictures and so favours the baseline, as intended. The interval does not include the
/// uncertainty of the choice.
///
/// # Errors
/// When there are no names or no genuine pictures, when a picture has a different number of values, or when a value
/// is not finite.
pub fn best_single_number(table: &StatisticTable, bootstrap: Bootstrap) -> Result<SingleNumbers, EvalError> {
    if let Some(odd) = table.pictures.iter().find(|one| one.values.len() != table.names.len()) {
        return Err(EvalError::CueCount {
            path: odd.path.clone(),
            found: odd.values.len(),
            expected: table.names.len(),
        });
    }
    let best = |keep: &dyn Fn(&str) -> bool| -> Result<BestStatistic, EvalError> {
        let kept: Vec<&Measured> = table.pictures.iter().filter(|one| one.family.as_deref().is_none_or(keep)).collect();
        let mut best: Option<(f64, usize, Side, Sample)> = None;
        for column in 0..table.names.len() {
            for side in [Side::Low, Side::High, Side::Far] {
                let sample = sample(&kept, column, side)?;
                let area = auroc(&sample.steps());
                // The first choice is kept when there are no counterfeits and every area is NaN.
                if best.as_ref().is_none_or(|(greatest, ..)| area > *greatest) {
                    best = Some((area, column, side, sample));
                }
            }
        }
        let (_, column, side, sample) = best.ok_or(EvalError::NoGenuine)?;
        let (metrics, ranking) = Metrics::ranked(&sample, bootstrap);
        Ok(BestStatistic { cue: table.names[column].clone(), side, metrics, ranking })
    };
    let mut fakes: BTreeMap<String, usize> = BTreeMap::new();
    for family in table.pictures.iter().filter_map(|one| one.family.clone()) {
        *fakes.entry(family).or_default() += 1;
    }
    let families = fakes.keys().map(|name| Ok((name.clone(), best(&|other| other == name)?)));
    Ok(SingleNumbers {
        overall: best(&|_| true)?,
        families: families.collect::<Result<_, EvalError>>()?,
        genuine: table.pictures.len() - fakes.values().sum::<usize>(),
        fakes,
    })
}

/// One statistic read on one side, as scores: higher is more genuine.
fn sample(pictures: &[&Measured], column: usize, side: Side) -> Result<Sample, EvalError> {
    let genuine = pictures.iter().filter(|one| one.family.is_none());
    let usual = median(genuine.map(|one| one.values[column]).collect());
    let score = |value: f64| match side {
        Side::Low => value,
        Side::High => -value,
        Side::Far => -(value - usual).abs(),
    };
    let observations = pictures.iter().map(|one| Observation {
        path: &one.path,
        family: one.family.as_deref(),
        group: one.group.as_deref(),
        score: score(one.values[column]),
        called_counterfeit: false,
    });
    Sample::new(&observations.collect::<Vec<_>>())
}

/// The median; 0 for an empty list.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cue 0 is noise; cue 1 is low for one family and spread out for the other.
    fn table() -> StatisticTable {
        let noise = |index: usize| (index as f64 * 0.618_034).fract();
        let one = |family: Option<&str>, values: Vec<f64>| Measured {
            path: family.unwrap_or("real").to_owned(),
            family: family.map(str::to_owned),
            group: None,
            values,
        };
        let genuine = (0..100).map(|i| one(None, vec![noise(i), 5.0 + noise(i * 3)]));
        let dark = (0..50).map(|i| one(Some("dark"), vec![noise(i + 9), 4.0 + noise(i)]));
        let wild = (0..50).map(|i| one(Some("wild"), vec![noise(i + 5), if i % 2 == 0 { 2.0 } else { 9.0 }]));
        StatisticTable {
            names: vec!["noise".to_owned(), "mean".to_owned()],
            pictures: genuine.chain(dark).chain(wild).collect(),
        }
    }

    #[test]
    fn finds_the_cue_and_its_side() {
        let found = best_single_number(&table(), Bootstrap::default()).unwrap();
        let (dark, wild) = (&found.families["dark"], &found.families["wild"]);
        assert_eq!((dark.cue.as_str(), dark.side), ("mean", Side::Low));
        assert_eq!((wild.cue.as_str(), wild.side), ("mean", Side::Far));
        assert_eq!(wild.to_string(), "mean, far from usual");
        assert!((wild.metrics.auroc.value - 1.0).abs() < 1e-12);
        assert!(!wild.metrics.false_alarm_rate.is_known());
        let row = found.baseline();
        assert_eq!((row.evaluation.genuine, row.evaluation.fake), (100, 100));
    }

    #[test]
    fn a_ragged_table_is_refused() {
        let mut ragged = table();
        ragged.pictures[103].values.pop();
        let message = best_single_number(&ragged, Bootstrap::default()).unwrap_err().to_string();
        assert!(message.starts_with("dark: it has 1 cues, expected 2"), "{message}");
    }
}

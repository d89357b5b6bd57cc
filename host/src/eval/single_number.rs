//! The baseline that needs no detector: which one number (brightness, sharpness, file size, ...) tells genuine from
//! counterfeit best, chosen with hindsight for each family. A detector that does not beat it has learnt a shortcut at
//! most, and a data set on which it is near 1 leaks.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Baseline, Bootstrap, EvalError, Evaluation, Family, Metrics, Observation, Sample, auroc};

/// Named numbers of pictures: each row is a picture with one value for each name.
#[derive(Debug, Clone, Default)]
pub struct Cues {
    /// What the numbers are, in the order of every row.
    pub names: Vec<String>,
    /// Genuine pictures from which "usual" is learnt, `[pictures][names]`.
    pub reference: Vec<Vec<f64>>,
    /// Genuine pictures to test on, `[pictures][names]`.
    pub genuine: Vec<Vec<f64>>,
    /// Counterfeits to test on, a table for each family, `[pictures][names]`.
    pub fakes: BTreeMap<String, Vec<Vec<f64>>>,
}

/// How a number speaks for a counterfeit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// By being low.
    Low,
    /// By being high.
    High,
    /// By being far from the reference's median, either way.
    Far,
}

/// The cue that separates best, and how well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BestCue {
    /// Its name.
    pub cue: String,
    /// Which way it points.
    pub side: Side,
    /// How well it ranks; a bare number has no calibrated threshold, so those metrics are unknown.
    #[serde(flatten)]
    pub metrics: Metrics,
}

impl fmt::Display for BestCue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Low => "low",
            Side::High => "high",
            Side::Far => "far from usual",
        };
        write!(f, "{}, {side}", self.cue)
    }
}

/// The best cue against all counterfeits together, and against each family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SingleNumbers {
    /// One cue for all.
    pub overall: BestCue,
    /// A cue for each family.
    pub families: BTreeMap<String, BestCue>,
    genuine: usize,
    fakes: BTreeMap<String, usize>,
}

impl SingleNumbers {
    /// As a row beside the detectors.
    #[must_use]
    pub fn baseline(&self) -> Baseline {
        let family = |(name, best): (&String, &BestCue)| {
            let family = Family { metrics: best.metrics, fake: self.fakes[name] };
            (name.clone(), family)
        };
        Baseline {
            name: "best single number".to_owned(),
            evaluation: Evaluation {
                overall: self.overall.metrics,
                genuine: self.genuine,
                fake: self.fakes.values().sum(),
                families: self.families.iter().map(family).collect(),
            },
        }
    }
}

/// Finds the best cue: each is read low, high and far from the reference's median, and the reading with the greatest
/// AUROC wins. The choice sees the test pictures and so flatters the baseline, which is what a baseline is for; its
/// interval does not include the choosing. Fails without names or genuine pictures, on a row of another length, and on
/// a number that is not finite.
pub fn best_single_number(cues: &Cues, bootstrap: Bootstrap) -> Result<SingleNumbers, EvalError> {
    check(cues)?;
    let best = |families: &[(&String, &Vec<Vec<f64>>)]| -> Result<BestCue, EvalError> {
        let mut best: Option<(f64, usize, Side, Sample)> = None;
        for column in 0..cues.names.len() {
            for side in [Side::Low, Side::High, Side::Far] {
                let sample = sample(cues, families, column, side)?;
                let area = auroc(&sample.steps());
                // The first reading is kept when there is no family and every area is NaN.
                if best.as_ref().is_none_or(|(greatest, ..)| area > *greatest) {
                    best = Some((area, column, side, sample));
                }
            }
        }
        let (_, column, side, sample) = best.ok_or(EvalError::NoGenuine)?;
        Ok(BestCue { cue: cues.names[column].clone(), side, metrics: Metrics::ranked(&sample, bootstrap) })
    };
    let all: Vec<_> = cues.fakes.iter().collect();
    let families = all.iter().map(|&family| Ok((family.0.clone(), best(&[family])?)));
    Ok(SingleNumbers {
        overall: best(&all)?,
        families: families.collect::<Result<_, EvalError>>()?,
        genuine: cues.genuine.len(),
        fakes: cues.fakes.iter().map(|(name, rows)| (name.clone(), rows.len())).collect(),
    })
}

fn check(cues: &Cues) -> Result<(), EvalError> {
    let fakes = cues.fakes.iter().map(|(name, rows)| (name.as_str(), rows));
    let tables = [("the genuine reference", &cues.reference), ("the genuine pictures", &cues.genuine)];
    for (name, rows) in tables.into_iter().chain(fakes) {
        if let Some(row) = rows.iter().find(|row| row.len() != cues.names.len()) {
            return Err(EvalError::CueCount { rows: name.to_owned(), found: row.len(), expected: cues.names.len() });
        }
    }
    Ok(())
}

/// One reading of one cue as scores: higher is more genuine.
fn sample(cues: &Cues, families: &[(&String, &Vec<Vec<f64>>)], column: usize, side: Side) -> Result<Sample, EvalError> {
    let usual = median(cues.reference.iter().map(|row| row[column]).collect());
    let observe = |row: &[f64], family| Observation {
        path: &cues.names[column],
        family,
        group: None,
        score: match side {
            Side::Low => row[column],
            Side::High => -row[column],
            Side::Far => -(row[column] - usual).abs(),
        },
        accused: false,
    };
    let genuine = cues.genuine.iter().map(|row| observe(row, None));
    let fakes = families.iter().flat_map(|(name, rows)| rows.iter().map(|row| observe(row, Some(name.as_str()))));
    Sample::new(genuine.chain(fakes).collect())
}

/// The middle value; zero of nothing.
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

    /// Cue 0 is noise, cue 1 low for one family and spread out for the other.
    fn cues() -> Cues {
        let noise = |index: usize| (index as f64 * 0.618_034).fract();
        let genuine: Vec<Vec<f64>> = (0..100).map(|i| vec![noise(i), 5.0 + noise(i * 3)]).collect();
        let dark = (0..50).map(|i| vec![noise(i + 9), 4.0 + noise(i)]).collect();
        let wild = (0..50).map(|i| vec![noise(i + 5), if i % 2 == 0 { 2.0 } else { 9.0 }]).collect();
        Cues {
            names: vec!["noise".to_owned(), "mean".to_owned()],
            reference: genuine.clone(),
            genuine,
            fakes: [("dark".to_owned(), dark), ("wild".to_owned(), wild)].into(),
        }
    }

    #[test]
    fn finds_the_cue_and_its_side() {
        let found = best_single_number(&cues(), Bootstrap::default()).unwrap();
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
        let mut ragged = cues();
        ragged.fakes.get_mut("dark").unwrap()[3].pop();
        let message = best_single_number(&ragged, Bootstrap::default()).unwrap_err().to_string();
        assert!(message.starts_with("dark: a row has 1 cues, expected 2"), "{message}");
    }
}

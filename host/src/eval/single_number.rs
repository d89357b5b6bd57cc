//! The baseline that needs no detector: which one number (brightness, sharpness, file size, ...) tells genuine from
//! counterfeit best, chosen with hindsight for each family. A detector that does not beat it has learnt a shortcut at
//! most, and a data set on which it is near 1 leaks.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Baseline, Bootstrap, EvalError, Evaluation, Family, Metrics, Observation, Ranking, Sample, auroc};

/// Named numbers of pictures.
#[derive(Debug, Clone, Default)]
pub struct Cues {
    /// What the numbers are, in the order of every picture's values.
    pub names: Vec<String>,
    /// The pictures, in the order in which the detectors judge them.
    pub pictures: Vec<Measured>,
}

/// A picture by its numbers.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How a message names the picture.
    pub path: String,
    /// The counterfeiter's family; `None` for a genuine picture.
    pub family: Option<String>,
    /// As in [`Scored`](super::Scored).
    pub group: Option<String>,
    /// One for each name.
    pub values: Vec<f64>,
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
    /// The same, resample by resample.
    #[serde(skip)]
    pub ranking: Ranking,
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

/// Finds the best cue: each is read low, high and far from the genuine pictures' median, and the reading with the greatest
/// AUROC wins. The choice sees the test pictures and so flatters the baseline, which is what a baseline is for; its
/// interval does not include the choosing. Fails without names or genuine pictures, on a picture with another number of
/// values, and on a value that is not finite.
pub fn best_single_number(cues: &Cues, bootstrap: Bootstrap) -> Result<SingleNumbers, EvalError> {
    if let Some(odd) = cues.pictures.iter().find(|one| one.values.len() != cues.names.len()) {
        return Err(EvalError::CueCount {
            path: odd.path.clone(),
            found: odd.values.len(),
            expected: cues.names.len(),
        });
    }
    let best = |keep: &dyn Fn(&str) -> bool| -> Result<BestCue, EvalError> {
        let kept: Vec<&Measured> = cues.pictures.iter().filter(|one| one.family.as_deref().is_none_or(keep)).collect();
        let mut best: Option<(f64, usize, Side, Sample)> = None;
        for column in 0..cues.names.len() {
            for side in [Side::Low, Side::High, Side::Far] {
                let sample = sample(&kept, column, side)?;
                let area = auroc(&sample.steps());
                // The first reading is kept when there is no family and every area is NaN.
                if best.as_ref().is_none_or(|(greatest, ..)| area > *greatest) {
                    best = Some((area, column, side, sample));
                }
            }
        }
        let (_, column, side, sample) = best.ok_or(EvalError::NoGenuine)?;
        let (metrics, ranking) = Metrics::ranked(&sample, bootstrap);
        Ok(BestCue { cue: cues.names[column].clone(), side, metrics, ranking })
    };
    let mut fakes: BTreeMap<String, usize> = BTreeMap::new();
    for family in cues.pictures.iter().filter_map(|one| one.family.clone()) {
        *fakes.entry(family).or_default() += 1;
    }
    let families = fakes.keys().map(|name| Ok((name.clone(), best(&|other| other == name)?)));
    Ok(SingleNumbers {
        overall: best(&|_| true)?,
        families: families.collect::<Result<_, EvalError>>()?,
        genuine: cues.pictures.len() - fakes.values().sum::<usize>(),
        fakes,
    })
}

/// One reading of one cue as scores: higher is more genuine.
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
        accused: false,
    });
    Sample::new(&observations.collect::<Vec<_>>())
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
        let one = |family: Option<&str>, values: Vec<f64>| Measured {
            path: family.unwrap_or("real").to_owned(),
            family: family.map(str::to_owned),
            group: None,
            values,
        };
        let genuine = (0..100).map(|i| one(None, vec![noise(i), 5.0 + noise(i * 3)]));
        let dark = (0..50).map(|i| one(Some("dark"), vec![noise(i + 9), 4.0 + noise(i)]));
        let wild = (0..50).map(|i| one(Some("wild"), vec![noise(i + 5), if i % 2 == 0 { 2.0 } else { 9.0 }]));
        Cues { names: vec!["noise".to_owned(), "mean".to_owned()], pictures: genuine.chain(dark).chain(wild).collect() }
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
        ragged.pictures[103].values.pop();
        let message = best_single_number(&ragged, Bootstrap::default()).unwrap_err().to_string();
        assert!(message.starts_with("dark: it has 1 cues, expected 2"), "{message}");
    }
}

//! Observations sorted by score once, for any number of bootstrap resamples. A resample walks over the sorted order
//! with a count for each picture, so it needs no sorting.

use std::collections::BTreeMap;

use super::EvalError;

/// One picture as the statistics use it.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Name of the picture in messages.
    pub path: &'a str,
    /// The family of a counterfeit; `None` for a genuine picture. Each family is a stratum, whose size a resample
    /// keeps.
    pub family: Option<&'a str>,
    /// The picture's group within its stratum. A resample draws groups as a whole.
    pub group: Option<&'a str>,
    /// The score; higher is more genuine.
    pub score: f64,
    /// Whether the picture was judged counterfeit.
    pub called_counterfeit: bool,
}

/// Numbers of pictures with the same score. The steps of a sample are in ascending order of score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Number of genuine pictures with this score.
    pub genuine: u64,
    /// Number of counterfeits with this score.
    pub fakes: u64,
    /// Number of genuine pictures with this score that were judged counterfeit.
    pub false_alarms: u64,
    /// Number of counterfeits with this score that were judged counterfeit.
    pub detections: u64,
}

impl Step {
    /// The sum of all steps.
    #[must_use]
    pub fn total(steps: &[Self]) -> Self {
        steps.iter().fold(Self::default(), |sum, step| Self {
            genuine: sum.genuine + step.genuine,
            fakes: sum.fakes + step.fakes,
            false_alarms: sum.false_alarms + step.false_alarms,
            detections: sum.detections + step.detections,
        })
    }
}

/// A picture in the sorted order.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Index of the picture's step. Equal scores share a step.
    step: usize,
    genuine: bool,
    called_counterfeit: bool,
}

/// A stratum of the bootstrap: the pictures of one family, or the genuine ones.
#[derive(Debug, Clone, Default)]
struct Stratum {
    family: Option<String>,
    /// Indices into the places, by unit. The units are in the order in which their first picture was given, not in
    /// that of the scores, so that a draw picks the same pictures for every detector.
    units: Vec<Vec<usize>>,
}

/// Pictures sorted by score, and the units that a bootstrap draws.
#[derive(Debug, Clone)]
pub struct Sample {
    places: Vec<Place>,
    steps: usize,
    strata: Vec<Stratum>,
}

impl Sample {
    /// Sorts the observations. Without counterfeits, statistics that need them are unknown.
    ///
    /// # Errors
    /// When there is no genuine picture or a score is not finite.
    pub fn new(observations: &[Observation]) -> Result<Self, EvalError> {
        if let Some(odd) = observations.iter().find(|seen| !seen.score.is_finite()) {
            return Err(EvalError::Unranked { path: odd.path.to_owned(), score: odd.score });
        }
        if !observations.iter().any(|seen| seen.family.is_none()) {
            return Err(EvalError::NoGenuine);
        }
        let mut sorted: Vec<usize> = (0..observations.len()).collect();
        sorted.sort_by(|&a, &b| observations[a].score.total_cmp(&observations[b].score));

        let mut places: Vec<Place> = observations.iter().map(Place::of).collect();
        let mut steps = 0;
        for (rank, &index) in sorted.iter().enumerate() {
            // Not `total_cmp`: -0.0 and 0.0 are the same score.
            if rank == 0 || observations[index].score > observations[sorted[rank - 1]].score {
                steps += 1;
            }
            places[index].step = steps - 1;
        }

        let mut strata: BTreeMap<Option<&str>, (Stratum, BTreeMap<&str, usize>)> = BTreeMap::new();
        for (index, seen) in observations.iter().enumerate() {
            let (stratum, groups) = strata.entry(seen.family).or_default();
            let next = stratum.units.len();
            let unit = seen.group.map_or(next, |group| *groups.entry(group).or_insert(next));
            if unit == next {
                stratum.units.push(Vec::new());
            }
            stratum.units[unit].push(index);
        }
        let named = |(family, (stratum, _)): (Option<&str>, (Stratum, _))| Stratum {
            family: family.map(str::to_owned),
            ..stratum
        };
        Ok(Self { places, steps, strata: strata.into_iter().map(named).collect() })
    }

    /// The steps of the sample itself, with every picture counted once.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::default(); self.steps];
        for place in &self.places {
            place.count(&mut steps);
        }
        steps
    }

    /// Number of units that a bootstrap draws: of genuine pictures, and of counterfeits. A group is one unit.
    #[must_use]
    pub fn units(&self) -> [u64; 2] {
        let of = |fake: bool| self.strata.iter().filter(move |stratum| stratum.family.is_some() == fake);
        [false, true].map(|fake| of(fake).map(|stratum| stratum.units.len() as u64).sum())
    }

    /// Computes the steps of a stratified resample: from each stratum as many units as it has are drawn with
    /// replacement. `draw` gets the stratum's family (`None` for the genuine pictures) and returns a function from
    /// the number of units `n` to an index below `n`.
    pub fn resample<D: FnMut(usize) -> usize>(&self, steps: &mut Vec<Step>, draw: impl Fn(Option<&str>) -> D) {
        steps.clear();
        steps.resize(self.steps, Step::default());
        for Stratum { family, units } in &self.strata {
            let mut draw = draw(family.as_deref());
            for _ in 0..units.len() {
                for &index in &units[draw(units.len())] {
                    self.places[index].count(steps);
                }
            }
        }
    }
}

impl Place {
    /// The picture before its step is known.
    fn of(seen: &Observation) -> Self {
        Self { step: 0, genuine: seen.family.is_none(), called_counterfeit: seen.called_counterfeit }
    }

    fn count(self, steps: &mut [Step]) {
        let step = &mut steps[self.step];
        if self.genuine {
            step.genuine += 1;
            step.false_alarms += u64::from(self.called_counterfeit);
        } else {
            step.fakes += 1;
            step.detections += u64::from(self.called_counterfeit);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample of genuine and counterfeit scores; every picture that scores below `threshold` is judged counterfeit.
    pub(in crate::eval) fn sample(genuine: &[f64], fakes: &[f64], threshold: f64) -> Sample {
        let seen = |family| {
            move |&score: &f64| Observation {
                path: "a.png",
                family,
                group: None,
                score,
                called_counterfeit: score < threshold,
            }
        };
        let observations = genuine.iter().map(seen(None)).chain(fakes.iter().map(seen(Some("rescan"))));
        Sample::new(&observations.collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn equal_scores_share_a_step() {
        let steps = sample(&[1.0, 2.0, -0.0], &[0.0, 0.0], 0.5).steps();
        assert_eq!(steps.len(), 3);
        assert_eq!((steps[0].genuine, steps[0].fakes), (1, 2));
        assert_eq!((steps[0].false_alarms, steps[0].detections), (1, 2));
        assert_eq!(Step::total(&steps).genuine, 3);
    }

    #[test]
    fn a_group_is_drawn_whole_and_strata_keep_their_size() {
        let seen =
            |score, family, group| Observation { path: "a.png", family, group, score, called_counterfeit: false };
        let sample = Sample::new(&[
            seen(1.0, None, Some("note 1")),
            seen(2.0, None, Some("note 1")),
            seen(3.0, None, Some("note 2")),
            seen(0.0, Some("rescan"), None),
        ])
        .unwrap();
        let mut steps = Vec::new();
        sample.resample(&mut steps, |_| |_| 0);
        let genuine: Vec<u64> = steps.iter().map(|step| step.genuine).collect();
        assert_eq!(genuine, [0, 2, 2, 0], "note 1 twice, note 2 never");
        assert_eq!(Step::total(&steps).fakes, 1);
    }

    #[test]
    fn refuses_what_cannot_be_ranked() {
        let seen =
            Observation { path: "odd.png", family: None, group: None, score: f64::NAN, called_counterfeit: false };
        let message = Sample::new(&[seen]).unwrap_err().to_string();
        assert!(message.starts_with("odd.png: the score is NaN"), "{message}");
        assert!(matches!(Sample::new(&[]), Err(EvalError::NoGenuine)));
    }
}

//! Observations come in, are sorted by score once, and are then read as often as a bootstrap needs: a reading is a
//! walk over the sorted order with a count for each picture, so that a resample costs no sorting.

use std::collections::BTreeMap;

use super::EvalError;

/// One picture as the statistics see it.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// How a message names the picture.
    pub path: &'a str,
    /// `None` for a genuine picture. Each family is a stratum: a resample keeps its share.
    pub family: Option<&'a str>,
    /// What the picture shares with others of its stratum: a group is drawn whole.
    pub group: Option<&'a str>,
    /// Higher is more genuine.
    pub score: f64,
    /// Whether it was judged counterfeit.
    pub accused: bool,
}

/// How many pictures share one score. A reading is these in ascending order of score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    /// Genuine pictures at this score.
    pub genuine: u64,
    /// Counterfeits at this score.
    pub fakes: u64,
    /// Genuine pictures at this score that were judged counterfeit.
    pub false_alarms: u64,
    /// Counterfeits at this score that were judged counterfeit.
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
    /// Which step it falls on: equal scores share one.
    step: usize,
    genuine: bool,
    accused: bool,
}

/// What a bootstrap draws as one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Unit<'a> {
    Alone(usize),
    Group(&'a str),
}

/// Pictures sorted by score, and the units that a bootstrap draws.
#[derive(Debug, Clone)]
pub struct Sample {
    places: Vec<Place>,
    steps: usize,
    /// Stratum -> unit -> indices into `places`. The genuine stratum comes first.
    strata: Vec<Vec<Vec<usize>>>,
}

impl Sample {
    /// Sorts the observations. Fails when there is no genuine picture or a score is not finite; counterfeits may be
    /// missing, in which case whatever needs them is unknown.
    pub fn new(mut observations: Vec<Observation>) -> Result<Self, EvalError> {
        if let Some(odd) = observations.iter().find(|seen| !seen.score.is_finite()) {
            return Err(EvalError::Unranked { path: odd.path.to_owned(), score: odd.score });
        }
        if !observations.iter().any(|seen| seen.family.is_none()) {
            return Err(EvalError::NoGenuine);
        }
        observations.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| a.path.cmp(b.path)));

        let mut places = Vec::with_capacity(observations.len());
        let mut steps = 0;
        // BTreeMaps, so that the order of the units, and with it every draw, follows from the data alone.
        let mut strata: BTreeMap<Option<&str>, BTreeMap<Unit, Vec<usize>>> = BTreeMap::new();
        for (index, seen) in observations.iter().enumerate() {
            // Not total_cmp: -0.0 and 0.0 are one score.
            if index == 0 || seen.score > observations[index - 1].score {
                steps += 1;
            }
            places.push(Place { step: steps - 1, genuine: seen.family.is_none(), accused: seen.accused });
            let unit = seen.group.map_or(Unit::Alone(index), Unit::Group);
            strata.entry(seen.family).or_default().entry(unit).or_default().push(index);
        }
        Ok(Self { places, steps, strata: strata.into_values().map(|units| units.into_values().collect()).collect() })
    }

    /// Every picture once.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = vec![Step::default(); self.steps];
        for place in &self.places {
            place.count(&mut steps);
        }
        steps
    }

    /// A stratified resample: of each stratum as many units as it has, with replacement; `draw(n)` picks one of `n`.
    pub fn resample(&self, mut draw: impl FnMut(usize) -> usize, steps: &mut Vec<Step>) {
        steps.clear();
        steps.resize(self.steps, Step::default());
        for units in &self.strata {
            for _ in 0..units.len() {
                for &index in &units[draw(units.len())] {
                    self.places[index].count(steps);
                }
            }
        }
    }
}

impl Place {
    fn count(self, steps: &mut [Step]) {
        let step = &mut steps[self.step];
        if self.genuine {
            step.genuine += 1;
            step.false_alarms += u64::from(self.accused);
        } else {
            step.fakes += 1;
            step.detections += u64::from(self.accused);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample of genuine and counterfeit scores; whoever scores below `accused` is accused.
    pub(in crate::eval) fn sample(genuine: &[f64], fakes: &[f64], accused: f64) -> Sample {
        let seen = |family| {
            move |&score: &f64| Observation { path: "a.png", family, group: None, score, accused: score < accused }
        };
        let observations = genuine.iter().map(seen(None)).chain(fakes.iter().map(seen(Some("rescan"))));
        Sample::new(observations.collect()).unwrap()
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
        let seen = |score, family, group| Observation { path: "a.png", family, group, score, accused: false };
        let sample = Sample::new(vec![
            seen(1.0, None, Some("note 1")),
            seen(2.0, None, Some("note 1")),
            seen(3.0, None, Some("note 2")),
            seen(0.0, Some("rescan"), None),
        ])
        .unwrap();
        let mut steps = Vec::new();
        sample.resample(|_| 0, &mut steps);
        let genuine: Vec<u64> = steps.iter().map(|step| step.genuine).collect();
        assert_eq!(genuine, [0, 2, 2, 0], "note 1 twice, note 2 never");
        assert_eq!(Step::total(&steps).fakes, 1);
    }

    #[test]
    fn refuses_what_cannot_be_ranked() {
        let seen = Observation { path: "odd.png", family: None, group: None, score: f64::NAN, accused: false };
        let message = Sample::new(vec![seen]).unwrap_err().to_string();
        assert!(message.starts_with("odd.png: the score is NaN"), "{message}");
        assert!(matches!(Sample::new(vec![]), Err(EvalError::NoGenuine)));
    }
}

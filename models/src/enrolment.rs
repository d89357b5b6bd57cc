//! Enrolment: K genuine pictures of one item or writer, and a picture that claims to be another, become one
//! [`Judgement`].
//!
//! A file of its own because it is the second way to a verdict. The first asks whether a picture looks like any
//! genuine article. This one asks whether it looks like *this* item, by its distance from the item's [`References`]
//! in the network's own space, joined with the general score. The rule, its constants and the calibration for each K
//! are data in the bundle. They were computed on items or writers that were held out from training, because K
//! pictures alone could never support a false-alarm rate of 1 %.

use serde::{Deserialize, Serialize};

use crate::{Calibration, Distance, Error, Judgement, References, Result, Score};

/// Mean and standard deviation of a quantity over held-out genuine pictures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub deviation: f64,
}

impl Scale {
    /// Fits the scale to at least two numbers; `None` for fewer.
    #[must_use]
    pub fn fit(numbers: &[f64]) -> Option<Self> {
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let squares = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
        // The lower limit keeps a z-score finite when the numbers never vary.
        (numbers.len() >= 2).then(|| Self { mean, deviation: (squares / (n - 1.0)).sqrt().max(1e-6) })
    }

    fn z(self, x: f64) -> f64 {
        (x - self.mean) / self.deviation
    }
}

/// Scale and calibration for one number of references.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceLevel {
    /// Number of references K.
    pub references: usize,
    /// Scale of the distances from K references.
    pub distance: Scale,
    /// Number of items or writers in the calibration. Every picture was scored once, against K others of its group.
    pub groups: usize,
    /// Number of independent pictures that the calibration's pictures are worth: those of one group resemble each
    /// other.
    pub effective: f64,
    /// Calibration on the joined scores of held-out genuine pictures.
    pub calibration: Calibration,
}

/// The manifest's `enrolment`: how pictures are compared with the references of one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrolment {
    /// How the distance of a picture from references is measured.
    pub distance: Distance,
    /// Weight of the distance, in standard deviations, in the joined score.
    pub weight_distance: f64,
    /// Weight of the general score, in standard deviations, in the joined score.
    pub weight_general: f64,
    /// Scale of the general score.
    pub general: Scale,
    /// The levels, ascending in the number of references, from 1.
    pub levels: Vec<ReferenceLevel>,
}

impl Enrolment {
    /// Checks the values that a manifest states.
    ///
    /// # Errors
    /// [`Error::Setting`] when a part, weight or scale is invalid, or when the levels do not ascend from one
    /// reference.
    pub fn validate(&self) -> Result<()> {
        let Self { distance, weight_distance, weight_general, general, levels } = self;
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let scales = levels.iter().map(|level| level.distance).chain([*general]);
        let parts = distance.parts.iter();
        let sound = !distance.parts.is_empty()
            && parts.into_iter().all(|part| part.length > 0 && positive(part.variance))
            && [weight_distance, weight_general].iter().all(|weight| weight.is_finite() && **weight >= 0.0)
            && scales.into_iter().all(|scale| scale.mean.is_finite() && positive(scale.deviation));
        let ascending = levels.first().is_some_and(|level| level.references == 1)
            && levels.windows(2).all(|pair| pair[0].references < pair[1].references);
        if sound && ascending {
            return Ok(());
        }
        Err(Error::Setting {
            field: "enrolment",
            found: if sound { "a list of levels out of order" } else { "a scale or weight that is no scale or weight" }
                .into(),
            expected: "finite weights, positive scales, and levels that ascend from one reference",
        })
    }

    /// The level for a number of references or, between two levels, the one for fewer references.
    #[must_use]
    pub fn level(&self, references: usize) -> &ReferenceLevel {
        let above = self.levels.partition_point(|level| level.references <= references);
        &self.levels[above.saturating_sub(1)]
    }

    /// Standardises the distance and the general score, weights them and adds them; higher is more genuine.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the result is NaN or infinite.
    pub fn join(&self, distance: f64, scale: Scale, general: Score) -> Result<Score> {
        let general = self.general.z(f64::from(general.get()));
        Score::new((self.weight_general * general - self.weight_distance * scale.z(distance)) as f32)
    }

    /// Judges a picture by its general score and its embedding's distance from the references.
    ///
    /// # Errors
    /// [`Error::References`] when references and picture do not come from the same network; [`Error::NotFinite`] when
    /// the distance or the joined score is NaN or infinite.
    pub fn judge(&self, references: &References, general: Score, embedding: &[f32]) -> Result<Judgement> {
        let level = self.level(references.len());
        let distance = self.distance.of(embedding, references)?;
        Ok(level.calibration.judge(self.join(distance, level.distance, general)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EmbeddingPart, Verdict};

    fn references(points: &[[f32; 2]]) -> References {
        References::new(points.iter().map(|p| p.to_vec()).collect()).unwrap()
    }

    fn distance() -> Distance {
        Distance { parts: vec![EmbeddingPart { length: 2, variance: 4.0 }] }
    }

    fn enrolment() -> Enrolment {
        let level = |references| ReferenceLevel {
            references,
            distance: Scale { mean: 1.0, deviation: 0.5 },
            groups: 10,
            effective: 50.0,
            calibration: Calibration::new(0.01, (0..99).map(|i| -0.01 * i as f32).collect()).unwrap(),
        };
        Enrolment {
            distance: distance(),
            weight_distance: 2.0,
            weight_general: 1.0,
            general: Scale { mean: 4.0, deviation: 2.0 },
            levels: vec![level(1), level(4)],
        }
    }

    #[test]
    fn far_from_the_references_is_counterfeit_however_well_it_scores_in_general() {
        let (enrolment, general) = (enrolment(), Score::new(6.0).unwrap());
        enrolment.validate().unwrap();
        let judge = |x: f32| enrolment.judge(&references(&[[0.0, 0.0]]), general, &[x, 0.0]).unwrap();
        // The distance is the logarithm of x^2 / 2 / (2 * 4): at x = 4 it is 0, two deviations below the mean of 1,
        // with a weight of 2. The z-score of the general score is 1.
        assert!((judge(4.0).score().get() - 5.0).abs() < 1e-4);
        assert_eq!(judge(4.0).verdict(), Verdict::Genuine);
        assert_eq!(judge(40.0).verdict(), Verdict::Counterfeit);
    }

    #[test]
    fn a_number_between_two_levels_uses_the_lower() {
        let level = |k| enrolment().level(k).references;
        assert_eq!([1, 3, 4, 20].map(level), [1, 1, 4, 4]);
    }

    #[test]
    fn what_are_no_references_is_refused_in_words() {
        let refused = |points: Vec<Vec<f32>>| References::new(points).unwrap_err().to_string();
        assert!(refused(vec![]).contains("1 to 20"));
        assert!(refused((0..21).map(|i| vec![i as f32]).collect()).contains("there are 21"));
        assert!(refused(vec![vec![1.0], vec![2.0], vec![1.0]]).contains("pictures 1 and 3 are the same"));
        assert!(refused(vec![vec![1.0], vec![2.0, 3.0]]).contains("differ in length"));
        assert!(References::new(vec![vec![f32::NAN]]).is_err());
    }

    #[test]
    fn a_file_of_references_is_believed_only_when_its_numbers_add_up() {
        let read = |text: &str| serde_json::from_str::<References>(text);
        assert_eq!(read(r#"{"references":2,"embeddings":[1,2,3,4]}"#).unwrap(), references(&[[1.0, 2.0], [3.0, 4.0]]));
        for bad in
            ["2,\"embeddings\":[1,2,3]", "0,\"embeddings\":[1]", "1,\"embeddings\":[]", "1,\"embeddings\":[1e300]"]
        {
            assert!(read(&format!("{{\"references\":{bad}}}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_manifest_whose_enrolment_contradicts_itself_is_refused() {
        let refused = |alter: fn(&mut Enrolment)| {
            let mut enrolment = enrolment();
            alter(&mut enrolment);
            enrolment.validate().is_err()
        };
        assert!(
            refused(|e| e.levels.reverse()) && refused(|e| e.levels.clear()) && refused(|e| e.levels[0].references = 0)
        );
        assert!(
            refused(|e| e.distance.parts[0].variance = 0.0)
                && refused(|e| e.distance.parts.clear())
                && refused(|e| e.general.deviation = f64::NAN)
        );
        assert!(refused(|e| e.weight_general = -1.0));
    }
}

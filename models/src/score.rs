//! The network's scores of a picture's regions become one finite [`Score`] of the picture.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Smallest standard deviation of a region, in units of `max(1, |mean|)`.
///
/// Engines differ by about 1e-5 of that. With this limit, a region whose genuine scores are all alike does not turn a
/// rounding into a deviation.
const MIN_DEVIATION: f64 = 1e-2;

/// How genuine a picture looks, on the detector's own scale. Higher is more genuine; the value is always finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Score(f32);

impl Score {
    /// Makes a score from a number.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for NaN and infinities: they are faults, not verdicts.
    pub fn new(value: f32) -> Result<Self> {
        if value.is_finite() { Ok(Self(value)) } else { Err(Error::NotFinite(value)) }
    }

    /// The score as a number.
    #[must_use]
    pub fn get(self) -> f32 {
        self.0
    }
}

/// The rule that joins the scores of the regions. It is applied to standardised scores `z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JoinRule {
    /// The mean over the regions: a fault that is everywhere adds up.
    Mean,
    /// The lowest region: one bad region is enough.
    Min,
    /// Minus the mean of the squares of `ln(1 + exp(-z))`. A region that is fine adds almost nothing; a bad region
    /// adds the square of what it lacks. So the other regions do not hide a fault in one place, and small faults
    /// everywhere still add up.
    Shortfall,
}

/// Joins the scores of the regions, each first standardised on genuine pictures.
///
/// Regions differ (a rosette is harder than plain paper), so each score is centred and scaled by the region's own
/// mean and standard deviation over held-out genuine pictures before the rule is applied. A picture of one region
/// needs no scale and keeps the network's own score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Join {
    rule: JoinRule,
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Join {
    /// The identity, for pictures of one region.
    #[must_use]
    pub fn single() -> Self {
        Self { rule: JoinRule::Mean, mean: vec![0.0], deviation: vec![1.0] }
    }

    /// Fits each region's scale to genuine pictures: `scores[picture][region]`.
    ///
    /// # Errors
    /// [`Error::Setting`] for fewer than two pictures or no regions; [`Error::RowCount`] when pictures differ in
    /// their number of regions; [`Error::NotFinite`] for a score that is NaN or infinite.
    pub fn fit(rule: JoinRule, scores: &[Vec<f32>]) -> Result<Self> {
        let regions = scores.first().map_or(0, Vec::len);
        if scores.len() < 2 || regions == 0 {
            return Err(Error::Setting {
                field: "join",
                found: format!("{} genuine pictures", scores.len()),
                expected: "two or more genuine pictures to scale the regions by",
            });
        }
        for picture in scores {
            if picture.len() != regions {
                return Err(Error::RowCount { found: picture.len(), expected: regions });
            }
            for score in picture {
                Score::new(*score)?;
            }
        }
        if regions == 1 {
            return Ok(Self::single());
        }
        let n = scores.len() as f64;
        let mean: Vec<f64> =
            (0..regions).map(|r| scores.iter().map(|picture| f64::from(picture[r])).sum::<f64>() / n).collect();
        let deviation = (0..regions)
            .map(|r| {
                let squares = scores.iter().map(|picture| (f64::from(picture[r]) - mean[r]).powi(2)).sum::<f64>();
                (squares / (n - 1.0)).sqrt().max(MIN_DEVIATION * mean[r].abs().max(1.0))
            })
            .collect();
        Ok(Self { rule, mean, deviation })
    }

    /// Checks the values that a manifest states.
    ///
    /// # Errors
    /// [`Error::Setting`] when a mean is not finite, or a deviation is not finite and positive; [`Error::RowCount`]
    /// when there is not one of each for each of `regions`.
    pub fn validate(&self, regions: usize) -> Result<()> {
        for found in [self.mean.len(), self.deviation.len()] {
            if found != regions {
                return Err(Error::RowCount { found, expected: regions });
            }
        }
        let sound = self.mean.iter().all(|m| m.is_finite()) && self.deviation.iter().all(|d| d.is_finite() && *d > 0.0);
        if !sound {
            return Err(Error::Setting {
                field: "join",
                found: "a scale that is not finite and positive".into(),
                expected: "a finite mean and a positive deviation for each region",
            });
        }
        Ok(())
    }

    /// Joins the scores of the regions into one.
    ///
    /// # Errors
    /// [`Error::RowCount`] when there is not one score for each region, [`Error::NotFinite`] when one is NaN or
    /// infinite.
    pub fn join(&self, regions: &[f32]) -> Result<Score> {
        if regions.len() != self.mean.len() {
            return Err(Error::RowCount { found: regions.len(), expected: self.mean.len() });
        }
        if let Some(bad) = regions.iter().find(|score| !score.is_finite()) {
            return Err(Error::NotFinite(*bad));
        }
        let scaled = regions.iter().zip(&self.mean).zip(&self.deviation).map(|((s, m), d)| (f64::from(*s) - m) / d);
        let joined = match self.rule {
            JoinRule::Mean => scaled.sum::<f64>() / regions.len() as f64,
            JoinRule::Min => scaled.fold(f64::INFINITY, f64::min),
            // ln(1 + exp(x)), without overflow.
            JoinRule::Shortfall => {
                let lacking = scaled.map(|z| (-z).max(0.0) + (-z.abs()).exp().ln_1p());
                -lacking.map(|x| x * x).sum::<f64>() / regions.len() as f64
            }
        };
        Score::new(joined as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_a_fault_and_not_a_score() {
        assert!(Score::new(f32::NAN).is_err());
        assert!(Join::single().join(&[f32::NAN]).is_err());
        assert!(Join::single().join(&[f32::INFINITY]).is_err());
    }

    #[test]
    fn regions_are_brought_to_their_own_scale_first() {
        // Region 1 varies ten times as much as region 0; after scaling they have the same weight.
        let genuine: Vec<Vec<f32>> = (0..11).map(|i| vec![i as f32, 10.0 * i as f32]).collect();
        let mean = Join::fit(JoinRule::Mean, &genuine).unwrap();
        let min = Join::fit(JoinRule::Min, &genuine).unwrap();
        assert_eq!(mean.join(&[5.0, 50.0]).unwrap().get(), 0.0);
        let deviation = 11f32.sqrt(); // variance of 0..=10 with n - 1
        assert!((mean.join(&[5.0 + deviation, 50.0]).unwrap().get() - 0.5).abs() < 1e-6);
        assert!((min.join(&[5.0, 50.0 - 10.0 * deviation]).unwrap().get() + 1.0).abs() < 1e-6);
        // By Python: -(log1p(exp(0)) ** 2 + log1p(exp(3)) ** 2) / 2
        let shortfall = Join::fit(JoinRule::Shortfall, &genuine).unwrap();
        let found = shortfall.join(&[5.0, 50.0 - 30.0 * deviation]).unwrap().get();
        assert!((found + 4.887_169).abs() < 1e-5, "{found}");
    }

    #[test]
    fn a_rounding_in_a_region_that_never_varies_is_no_deviation() {
        let genuine: Vec<Vec<f32>> = (0..11).map(|i| vec![i as f32, 40.0]).collect();
        let join = Join::fit(JoinRule::Min, &genuine).unwrap();
        assert!(join.join(&[9.0, 39.9999]).unwrap().get() > -0.001);
        assert!(join.join(&[9.0, 38.0]).unwrap().get() < -4.0, "a region that is worse than ever shows all the same");
    }

    #[test]
    fn one_region_keeps_the_networks_own_score() {
        let join = Join::fit(JoinRule::Min, &[vec![3.0], vec![4.0]]).unwrap();
        assert_eq!(join.join(&[1.25]).unwrap().get(), 1.25);
        assert!(join.join(&[1.0, 2.0]).is_err());
    }
}

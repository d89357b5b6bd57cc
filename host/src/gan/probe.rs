//! How steady the detective's scores are: its AUROC on a fixed set of rows, during training.
//!
//! The genuine rows are training data, and most of the counterfeit ones are genuine rows damaged by this program.
//! So the AUROC does not tell how good a detective is; only pictures that were not used in training can tell that.
//! It tells how much the scores move from one step to the next, and so what stopping at another step would have
//! changed. The probe has its own random streams: a run's checkpoints have the same bytes with and without it.

use rand::Rng;
use rayon::prelude::*;

use super::Error;
use super::batch::maps;
use super::config::Config;
use crate::data::{DataError, Samples, TrainingSet};
use crate::detector::augment::negative;
use crate::detector::detective::Detective;
use crate::eval::{Observation, Sample, auroc};
use crate::math::random::stream;

/// Steps between two probes; there is also one at each checkpoint on the schedule.
pub(super) const PROBE_EVERY: u64 = 50;
/// Number of genuine rows, and of damaged ones. If one pair changes its order, the AUROC moves by less than 2e-5.
const GENUINE: u64 = 256;
/// Number of rows of known fakes, if there are any.
const KNOWN: u64 = 128;
/// Rows that are scored at a time; this bounds the memory.
const CHUNK: usize = 64;

/// The fixed rows, [C, H, W] bytes each.
pub(super) struct Probe {
    shape: (usize, usize, usize),
    genuine: Vec<Vec<u8>>,
    counterfeit: Vec<Vec<u8>>,
}

impl Probe {
    /// Draws the rows on which a run's detective is probed from its first step to its last.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub(super) fn new(config: &Config, training_set: TrainingSet) -> Result<Self, Error> {
        let TrainingSet { genuine, known } = training_set;
        let pairs = (0..GENUINE).into_par_iter().map(|index| {
            let mut rng = stream(config.seed, "probe", index);
            let [one, other] = genuine.pair(&mut rng);
            let row = genuine.row(one)?;
            let damaged = negative(&row, &genuine.row(other)?, genuine.shape(), &mut rng);
            Ok((row, damaged))
        });
        let pairs = pairs.collect::<Result<Vec<_>, DataError>>()?;
        let fakes = (0..if known.is_empty() { 0 } else { KNOWN }).map(|index| {
            let mut rng = stream(config.seed, "probe known", index);
            let family: &Samples = &known[rng.random_range(0..known.len())];
            family.row(rng.random_range(0..family.len()))
        });
        let fakes = fakes.collect::<Result<Vec<_>, DataError>>()?;
        let (rows, mut counterfeit): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        counterfeit.extend(fakes);
        Ok(Self { shape: genuine.shape(), genuine: rows, counterfeit })
    }

    /// The AUROC of the detective's averaged networks on these rows, 0..1; `None` when there is a score that is not
    /// finite.
    pub(super) fn of(&self, detective: &Detective) -> Result<Option<f64>, Error> {
        let mut seen = Vec::new();
        for (rows, family) in [(&self.genuine, None), (&self.counterfeit, Some("counterfeit"))] {
            for rows in rows.chunks(CHUNK) {
                let logits = detective.logits(&maps(rows, self.shape)?)?;
                seen.extend(logits.into_iter().map(|logit| Observation {
                    path: "probe",
                    family,
                    group: None,
                    score: f64::from(logit),
                    called_counterfeit: false,
                }));
            }
        }
        Ok(Sample::new(&seen).ok().map(|sample| auroc(&sample.steps())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::{GanTrainer, Net};

    #[test]
    fn a_detective_is_asked_about_the_same_rows_whatever_it_has_learned() {
        let samples = |bright: u8| {
            let pixels = (0..12 * 784).map(|i| if i / 28 % 28 < i / 784 { bright } else { 20 });
            Samples::new(1, 28, 28, pixels.collect()).unwrap()
        };
        let (genuine, known) = (samples(200), [samples(90)]);
        let config = Config { batch: 8, width: 4, latent: 8, ..Config::new(Net::Dcgan) };
        let [alone, beside] = [&[][..], &known[..]].map(|known| {
            let training_set = TrainingSet { genuine: &genuine, known };
            [Probe::new(&config, training_set).unwrap(), Probe::new(&config, training_set).unwrap()]
        });
        assert_eq!(alone[0].counterfeit, alone[1].counterfeit);
        assert_eq!(alone[0].genuine, beside[0].genuine);
        assert_eq!((alone[0].counterfeit.len(), beside[0].counterfeit.len()), (256, 384));
        assert_eq!(alone[0].counterfeit, beside[1].counterfeit[..256], "known fakes come on top");

        let trainer = GanTrainer::new(&config, &genuine).unwrap();
        let detective = trainer.detective.as_ref().unwrap();
        let [first, second] = [&beside[0], &beside[1]].map(|probe| probe.of(detective).unwrap().unwrap());
        assert!((first - second).abs() < f64::EPSILON && (0.0..=1.0).contains(&first), "{first} {second}");
    }
}

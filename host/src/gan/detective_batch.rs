//! A training batch of the detective: genuine rows, damaged ones and known fakes. The training step adds the
//! generator's fakes.

use candle_core::Tensor;
use rand::Rng;
use rayon::prelude::*;

use super::Error;
use super::batch::maps;
use super::config::Config;
use crate::data::{DataError, Samples, TrainingSet};
use crate::detector::augment::negative;
use crate::detector::detective::Part;
use crate::math::random::stream;

/// Updates of the detective per training step of the GAN; it has more to learn than generator and discriminator.
pub(super) const UPDATES_PER_STEP: u64 = 2;

/// One training batch of the detective, as rows `[N, H, W, C]` in -1..1.
#[derive(Clone, Debug)]
pub struct DetectiveBatch {
    /// Genuine rows.
    pub genuine: Tensor,
    /// Damaged genuine rows.
    pub negatives: Tensor,
    /// Rows of known fakes, where there are any, and the number of rows per picture.
    pub known: Option<(Tensor, usize)>,
    /// Number of the generator's fakes that the training step adds.
    pub fakes: usize,
}

impl DetectiveBatch {
    /// Batch number `number`. It has as many genuine rows as the configuration's batch, and as many counterfeit
    /// ones: a quarter from the generator, a quarter known fakes (one picture at least) where there are any,
    /// the others damaged genuine rows.
    pub(super) fn of(config: &Config, training_set: TrainingSet, number: u64) -> Result<Self, Error> {
        let Config { seed, batch, without, .. } = config;
        let TrainingSet { genuine, known } = training_set;
        let regions = known.first().map(Samples::regions);
        let rest = batch - regions.map_or(0, |_| batch / 4);
        let fakes = if without.contains(&Part::Forger) {
            0
        } else if without.contains(&Part::Negatives) {
            rest
        } else {
            batch / 4
        };

        let mut rng = stream(*seed, "lesson", number);
        let rows = (0..*batch).map(|_| genuine.row(rng.random_range(0..genuine.len())));
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let damaged = negatives(config, genuine, rest - fakes, number)?;
        let known = regions.map(|regions| {
            let rows = pictures(known, (batch / 4 / regions).max(1), &mut rng)?;
            Ok::<_, Error>((maps(&rows, genuine.shape())?, regions))
        });
        Ok(Self {
            genuine: maps(&rows, genuine.shape())?,
            negatives: maps(&damaged, genuine.shape())?,
            known: known.transpose()?,
            fakes,
        })
    }
}

/// Damaged genuine rows. Each is a function of the seed, the batch number and its place in the batch.
fn negatives(config: &Config, genuine: &Samples, count: usize, number: u64) -> Result<Vec<Vec<u8>>, DataError> {
    let forge = |place: usize| {
        let mut rng = stream(config.seed, "negative", number * config.batch as u64 + place as u64);
        let [one, other] = genuine.pair(&mut rng);
        Ok(negative(&genuine.row(one)?, &genuine.row(other)?, genuine.shape(), &mut rng))
    };
    (0..count).into_par_iter().map(forge).collect()
}

/// All rows of `count` known fakes. Each picture is of a random family; all families have the same probability.
fn pictures(families: &[Samples], count: usize, rng: &mut impl Rng) -> Result<Vec<Vec<u8>>, DataError> {
    let pictures = (0..count).flat_map(|_| {
        let family = &families[rng.random_range(0..families.len())];
        let regions = family.regions();
        let picture = rng.random_range(0..family.len() / regions);
        (0..regions).map(move |region| family.row(picture * regions + region))
    });
    pictures.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::Net;

    #[test]
    fn a_batch_is_a_quarter_the_forgers_a_quarter_known_and_whole_pictures() {
        let samples = |rows: usize| Samples::new(1, 8, 8, vec![77; rows * 64]).unwrap();
        let (genuine, known) = (samples(20), [samples(3), samples(1)]);
        let shares = |without: &[Part], known: &[Samples]| {
            let config = Config { batch: 16, without: without.to_vec(), ..Config::new(Net::Dcgan) };
            let batch = DetectiveBatch::of(&config, TrainingSet { genuine: &genuine, known }, 3).unwrap();
            let rows = |tensor: &Tensor| tensor.dims()[0];
            let known = batch.known.as_ref().map_or(0, |(known, _)| rows(known));
            [rows(&batch.genuine), batch.fakes, known, rows(&batch.negatives)]
        };
        assert_eq!(shares(&[], &known), [16, 4, 4, 8]);
        assert_eq!(shares(&[], &[]), [16, 4, 0, 12]);
        assert_eq!(shares(&[Part::Forger], &known), [16, 0, 4, 12]);
        assert_eq!(shares(&[Part::Negatives], &known), [16, 12, 4, 0]);
    }
}

//! Batches for the training steps of the GAN: real pictures, latents and the detective's batches, prepared some
//! steps ahead.
//!
//! A separate thread reads and converts rows and draws latents while the trainer computes, so that the trainer
//! waits neither for a disk nor for random numbers. A batch is a function of configuration, samples and step; the
//! thread and the time at which it is made change no number.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use super::Error;
use super::batch::maps;
use super::config::Config;
use super::detective_batch::{DetectiveBatch, UPDATES_PER_STEP};
use crate::data::TrainingSet;
use crate::math::random::{Deck, normal, stream};
use candle_core::{Device, Tensor};

/// Batches that wait for the trainer; one more is being made. A slow read may last two steps before the trainer has
/// to wait.
const AHEAD: usize = 2;

/// The data of one training step.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Real pictures, `[B, H, W, C]` in -1..1.
    pub real: Tensor,
    /// Latents, `[B, Z]`.
    pub z: Tensor,
    /// Batches for the detective; empty without one.
    pub detective_batches: Vec<DetectiveBatch>,
}

impl Batch {
    /// The batch of step `step`. `deck` must be a deck of the genuine rows with the configuration's seed.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub fn of(config: &Config, training_set: TrainingSet, deck: &mut Deck, step: u64) -> Result<Self, Error> {
        let Config { seed, batch, latent, .. } = *config;
        let genuine = training_set.genuine;
        let rows: Result<Vec<_>, _> = deck.batch(step, batch).into_iter().map(|index| genuine.row(index)).collect();
        let real = maps(&rows?, genuine.shape())?;
        let z = normal(&mut stream(seed, "latent", step), batch * latent);
        let detective_batches = if config.detective { UPDATES_PER_STEP } else { 0 };
        let numbers = step * detective_batches..(step + 1) * detective_batches;
        Ok(Self {
            real,
            z: Tensor::from_vec(z, (batch, latent), &Device::Cpu)?,
            detective_batches: numbers
                .map(|number| DetectiveBatch::of(config, training_set, number))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The batches of consecutive steps, made ahead by a thread.
#[derive(Debug)]
pub struct DataLoader {
    draws: Receiver<Result<Batch, Error>>,
}

impl DataLoader {
    /// Starts the thread with the batch of step `first`. The thread ends when the loader is dropped, or after the
    /// first error.
    #[must_use]
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        config: &'env Config,
        training_set: TrainingSet<'env>,
        first: u64,
    ) -> Self {
        let (sender, draws) = sync_channel(AHEAD);
        scope.spawn(move || {
            let mut deck = Deck::new(config.seed, training_set.genuine.len());
            for step in first.. {
                let draw = Batch::of(config, training_set, &mut deck, step);
                let last = draw.is_err();
                // If nothing receives the batch, training is over.
                if sender.send(draw).is_err() || last {
                    break;
                }
            }
        });
        Self { draws }
    }

    /// The batch of the next step. Waits for it if it is not ready.
    ///
    /// # Errors
    /// The error of [`Batch::of`]. After an error the loader has no more batches and must not be used again.
    pub fn batch(&self) -> Result<Batch, Error> {
        self.draws.recv().expect("the feeding thread draws until the feed is dropped or an error was handed out")
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use candle_core::DType;

    use super::super::Net;
    use super::*;
    use crate::data::Samples;

    fn samples() -> Samples {
        Samples::new(3, 2, 4, (0..10 * 24).map(|i| (i * 37 % 256) as u8).collect()).unwrap()
    }

    fn config() -> Config {
        Config { batch: 4, latent: 5, ..Config::new(Net::Mlp) }
    }

    fn numbers(draw: &Batch) -> [Vec<f32>; 2] {
        [&draw.real, &draw.z].map(|tensor| tensor.flatten_all().unwrap().to_vec1().unwrap())
    }

    #[test]
    fn a_draw_is_the_decks_rows_channels_last_and_the_steps_latents() {
        let draw = Batch::of(&config(), (&samples()).into(), &mut Deck::new(0, 10), 7).unwrap();
        assert_eq!((draw.real.dims(), draw.z.dims()), (&[4, 2, 4, 3][..], &[4, 5][..]));
        assert!(draw.real.is_contiguous());
        let rows: Vec<u8> = Deck::new(0, 10).batch(7, 4).iter().flat_map(|&i| samples().row(i).unwrap()).collect();
        let real = Tensor::from_vec(rows, (4, 3, 2, 4), &Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
        let real = real.affine(1.0 / 255.0, 0.0).unwrap().affine(2.0, -1.0).unwrap();
        let real = real.permute((0, 2, 3, 1)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(numbers(&draw), [real, normal(&mut stream(0, "latent", 7), 20)]);
    }

    #[test]
    fn the_feed_gives_what_each_step_would_draw_by_itself_wherever_it_begins() {
        let (config, samples) = (config(), samples());
        for first in [0, 3] {
            thread::scope(|scope| {
                let loader = DataLoader::start(scope, &config, (&samples).into(), first);
                for step in first..first + 6 {
                    let alone = Batch::of(&config, (&samples).into(), &mut Deck::new(0, 10), step).unwrap();
                    assert_eq!(numbers(&loader.batch().unwrap()), numbers(&alone), "step {step}");
                }
                // The loader is dropped while batches wait: the scope would never end if the thread did not.
            });
        }
    }
}

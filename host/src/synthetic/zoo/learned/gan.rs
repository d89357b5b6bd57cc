//! GAN families: samples of generators after different numbers of training steps. A generator that was stopped early
//! makes other mistakes than one that was trained for long.

use std::thread;

use super::ForgerInput;
use crate::gan::{Config, DataLoader, Error, GanTrainer, GeneratorSampler, Net};
use crate::math::random::{normal, stream};
use crate::nn::loss::Loss;
use crate::synthetic::zoo::picture::Picture;

/// Number of pictures generated in one batch.
const BATCH: usize = 100;

/// DCGAN after 400 steps. With fewer steps it makes fog.
pub(in crate::synthetic::zoo) fn dcgan_early(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    generated(input, Config::new(Net::Dcgan), 400)
}

/// The same DCGAN after 3,000 steps.
pub(in crate::synthetic::zoo) fn dcgan_late(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    generated(input, Config::new(Net::Dcgan), 3000)
}

/// DCGAN with the least-squares loss after 1,000 steps.
pub(in crate::synthetic::zoo) fn lsgan(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    generated(input, Config { loss: Loss::LeastSquares, ..Config::new(Net::Dcgan) }, 1000)
}

/// MLP GAN after 400 steps.
pub(in crate::synthetic::zoo) fn mlp_gan_early(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    generated(input, Config::new(Net::Mlp), 400)
}

/// The same MLP GAN after 2,000 steps.
pub(in crate::synthetic::zoo) fn mlp_gan_late(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    generated(input, Config::new(Net::Mlp), 2000)
}

/// Samples of the generator after `steps` training steps. The network is narrower than the trainer's default, so that
/// a zoo takes minutes.
fn generated(input: &ForgerInput, mut config: Config, steps: u64) -> Result<Vec<Picture>, Error> {
    (config.seed, config.width, config.detective) = (input.seed, 20, false);
    let mut game = GanTrainer::new(&config, input.samples)?;
    thread::scope(|scope| {
        let loader = DataLoader::start(scope, &config, input.samples.into(), 0);
        while game.step() < steps {
            game.train_step(&loader.batch()?)?;
        }
        Ok::<_, Error>(())
    })?;
    let sampler = GeneratorSampler::of_network(game.generator(), config.latent, input.samples.shape())?;
    let (_, height, width) = input.samples.shape();
    let mut forgeries = Vec::with_capacity(input.originals.len());
    for (batch, wanted) in input.originals.chunks(BATCH).enumerate() {
        let z = normal(&mut stream(config.seed, "zoo latent", batch as u64), wanted.len() * config.latent);
        let picture = |row: Vec<f32>| Picture { width, height, ink: row.iter().map(|v| 0.5 * (v + 1.0)).collect() };
        forgeries.extend(sampler.sample(&z)?.into_iter().map(picture));
    }
    Ok(forgeries)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{originals, samples};
    use super::*;

    #[test]
    fn a_generator_makes_the_same_pictures_twice_and_others_at_another_age() {
        let samples = samples();
        let originals = originals(&samples);
        let input = ForgerInput { seed: 3, samples: &samples, originals: &originals };
        let config = || Config { batch: 4, latent: 6, ..Config::new(Net::Dcgan) };
        let young = generated(&input, config(), 1).unwrap();
        assert_eq!((young.len(), young[0].width, young[0].height), (5, 28, 28));
        assert_eq!(young, generated(&input, config(), 1).unwrap());
        assert_ne!(young, generated(&input, config(), 2).unwrap());
    }
}

//! The forgers of the game itself, at several ages: a generator stopped early makes other mistakes than one that has played long.

use std::thread;

use super::Lesson;
use crate::gan::{Config, DataLoader, Error, GanTrainer, GeneratorSampler, Net};
use crate::loss::Loss;
use crate::math::random::{normal, stream};
use crate::zoo::picture::Picture;

/// Pictures generated at once.
const BATCH: usize = 100;

/// DCGAN, after 400 rounds: before that it makes fog.
pub(in crate::zoo) fn dcgan_early(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    generated(lesson, Config::new(Net::Dcgan), 400)
}

/// The same DCGAN, after 3,000.
pub(in crate::zoo) fn dcgan_late(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    generated(lesson, Config::new(Net::Dcgan), 3000)
}

/// DCGAN with least squares, after 1,000.
pub(in crate::zoo) fn lsgan(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    generated(lesson, Config { loss: Loss::LeastSquares, ..Config::new(Net::Dcgan) }, 1000)
}

/// The articles' MLP GAN, after 400.
pub(in crate::zoo) fn mlp_gan_early(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    generated(lesson, Config::new(Net::Mlp), 400)
}

/// The same MLP GAN, after 2,000.
pub(in crate::zoo) fn mlp_gan_late(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    generated(lesson, Config::new(Net::Mlp), 2000)
}

/// What the generator makes after `steps` rounds. Narrower than the trainer's default, so that a zoo takes minutes.
fn generated(lesson: &Lesson, mut config: Config, steps: u64) -> Result<Vec<Picture>, Error> {
    (config.seed, config.width, config.detective) = (lesson.seed, 20, false);
    let mut game = GanTrainer::new(&config, lesson.samples)?;
    thread::scope(|scope| {
        let loader = DataLoader::start(scope, &config, lesson.samples.into(), 0);
        while game.step() < steps {
            game.train_step(&loader.batch()?)?;
        }
        Ok::<_, Error>(())
    })?;
    let sampler = GeneratorSampler::of_network(game.generator(), config.latent, lesson.samples.shape())?;
    let (_, height, width) = lesson.samples.shape();
    let mut forgeries = Vec::with_capacity(lesson.originals.len());
    for (batch, wanted) in lesson.originals.chunks(BATCH).enumerate() {
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
        let lesson = Lesson { seed: 3, samples: &samples, originals: &originals };
        let config = || Config { batch: 4, latent: 6, ..Config::new(Net::Dcgan) };
        let young = generated(&lesson, config(), 1).unwrap();
        assert_eq!((young.len(), young[0].width, young[0].height), (5, 28, 28));
        assert_eq!(young, generated(&lesson, config(), 1).unwrap());
        assert_ne!(young, generated(&lesson, config(), 2).unwrap());
    }
}

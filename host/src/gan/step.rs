//! The game: real pictures go in, both players come out a little better.
//!
//! [`GanTrainer::train_step`] is Algorithm 1 of Goodfellow et al. (1406.2661) with k = 1: one minibatch step of the
//! discriminator, one of the generator. Everything random in round t comes from streams of t, so a game is its
//! weights, its moments and its step.

use candle_core::{Device, Tensor};

use super::Error;
use super::batch::{maps, rows};
use super::config::Config;
use super::detective_batch::DetectiveBatch;
use super::loader::Batch;
use crate::adam::Adam;
use crate::data::Samples;
use crate::detector::detective::{Detective, MIN_SIDE};
use crate::loss::sigmoid;
use crate::math::random::{Deck, stream};
use crate::net::{Net, Network, dcgan, mlp, moving_average};

/// The players, their optimisers and the step they are at.
#[derive(Debug)]
pub struct GanTrainer {
    pub(super) config: Config,
    /// Channels, height, width.
    pub(super) shape: (usize, usize, usize),
    pub(super) step: u64,
    pub(super) generator: Network,
    pub(super) discriminator: Network,
    /// The generator's running average: what is shown and exported.
    pub(super) average: Network,
    pub(super) adam_g: Adam,
    pub(super) adam_d: Adam,
    /// Who looks on, where the configuration wants one.
    pub(super) detective: Option<Detective>,
    samples: usize,
    device: Device,
}

/// What one round measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Rounds played so far, this one included.
    pub step: u64,
    /// Passes over the samples so far.
    pub epoch: f64,
    /// The discriminator's loss.
    pub loss_d: f32,
    /// The generator's loss.
    pub loss_g: f32,
    /// Mean D(x) over the real pictures, 0..1.
    pub d_real: f32,
    /// Mean D(G(z)) over the fakes, 0..1, before the discriminator's update.
    pub d_fake: f32,
    /// Norm of the discriminator's gradient.
    pub norm_d: f32,
    /// Norm of the generator's gradient.
    pub norm_g: f32,
    /// The detective's loss, where one looks on: 1.39 is a coin toss.
    pub loss_detective: Option<f32>,
}

impl StepStats {
    /// Whether every number of the round is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.loss_d, self.loss_g, self.norm_d, self.norm_g].iter().chain(&self.loss_detective).all(|x| x.is_finite())
    }
}

impl GanTrainer {
    /// A game at step 0, its first weights drawn from the seed.
    ///
    /// # Errors
    /// When the net cannot make pictures of the samples' size.
    pub fn new(config: &Config, samples: &Samples) -> Result<Self, Error> {
        let (_, height, width) = samples.shape();
        if config.detective && height.min(width) < MIN_SIDE {
            let expected =
                "pictures of at least 3x3 pixels to look at: choose a larger --size, or leave the detective out";
            return Err(Error::Value { key: "detective", value: "true".to_owned(), expected });
        }
        let (generator, discriminator) = networks(config, samples.shape())?;
        let mut game = Self::with(config, samples, &generator, &discriminator, &generator)?;
        if config.detective {
            let regions = samples.regions();
            let pictures = samples.len() / regions;
            let some = pictures.min(Detective::wanted(regions, samples.shape()));
            let some = Deck::new(config.seed, pictures).batch(0, some);
            let rows = some.into_iter().flat_map(|picture| picture * regions..(picture + 1) * regions);
            let rows = rows.map(|row| samples.row(row)).collect::<Result<Vec<_>, _>>()?;
            let genuine = (&maps(&rows, game.shape)?, regions);
            game.detective = Some(Detective::new(config.seed, game.shape, config.width, &config.without, genuine)?);
        }
        Ok(game)
    }

    /// A game at step 0 between copies of these players.
    pub(super) fn with(
        config: &Config,
        samples: &Samples,
        generator: &Network,
        discriminator: &Network,
        average: &Network,
    ) -> Result<Self, Error> {
        let device = config.device.device()?;
        let (generator, discriminator) = (generator.to_device(&device)?, discriminator.to_device(&device)?);
        let adam = |network: &Network, rate| Adam::new(network.parameters(), rate, config.beta1, config.beta2);
        Ok(Self {
            adam_g: adam(&generator, config.lr_g),
            adam_d: adam(&discriminator, config.lr_d),
            config: config.clone(),
            shape: samples.shape(),
            step: 0,
            generator,
            discriminator,
            average: average.to_device(&device)?,
            detective: None,
            samples: samples.len(),
            device,
        })
    }

    /// Rounds played so far.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The forger, as it learns.
    #[must_use]
    pub fn generator(&self) -> &Network {
        &self.generator
    }

    /// The detective, as it learns.
    #[must_use]
    pub fn discriminator(&self) -> &Network {
        &self.discriminator
    }

    /// Rounds after which every sample has been seen once, at least one.
    #[must_use]
    pub fn steps_an_epoch(&self) -> u64 {
        self.samples.div_ceil(self.config.batch) as u64
    }

    /// One round of the game, with the draw of this step.
    ///
    /// The generator's step judges the same fakes as the discriminator's, by the discriminator as updated: as in PyTorch's DCGAN example,
    /// one pass of the generator a round instead of two.
    pub fn train_step(&mut self, batch: &Batch) -> Result<StepStats, Error> {
        // On a worker of the pool: from outside, each of the hundred products of a round would first have to wake one.
        rayon::scope(|_| self.step_within(batch))
    }

    fn step_within(&mut self, data: &Batch) -> Result<StepStats, Error> {
        let Config { seed, batch, loss, real_label, .. } = self.config;
        let step = self.step;
        let mut dropout = stream(seed, "dropout", step);

        let (real, z) = (data.real.to_device(&self.device)?, data.z.to_device(&self.device)?);
        let forged = self.generator.forward(&z, &mut dropout)?;
        let fake = &forged.output; // [B, H, W, C] in -1..1

        // The discriminator's step: tell real from fake, the fakes taken as they are.
        let both = Tensor::cat(&[&real, &fake.detach()], 0)?; // [2B, H, W, C]
        let told = self.discriminator.forward(&both, &mut dropout)?;
        let logits = &told.output; // [2B, 1]
        let (on_real, on_fake) = (logits.narrow(0, 0, batch)?, logits.narrow(0, batch, batch)?); // [B, 1] each
        let loss_d = loss.discriminator(&on_real, &on_fake, real_label)?;
        let gradients = told.gradients(&loss_d.backward()?);
        let norm_d = self.adam_d.update(self.discriminator.parameters(), &gradients)?;

        // The generator's step: against the discriminator as it now is, which learns nothing from it.
        let judged = self.discriminator.frozen().forward(fake, &mut dropout)?;
        let loss_g = loss.generator(&judged.output)?;
        let gradients = forged.gradients(&loss_g.backward()?);
        let norm_g = self.adam_g.update(self.generator.parameters(), &gradients)?;

        let loss_detective = self.update_detective(&data.detective_batches, fake)?;

        self.step += 1;
        moving_average(&self.average, &self.generator, self.ema())?;
        Ok(StepStats {
            step: self.step,
            epoch: (self.step * batch as u64) as f64 / self.samples as f64,
            loss_d: loss_d.to_scalar()?,
            loss_g: loss_g.to_scalar()?,
            d_real: sigmoid(&on_real.detach())?.mean_all()?.to_scalar()?,
            d_fake: sigmoid(&on_fake.detach())?.mean_all()?.to_scalar()?,
            norm_d,
            norm_g,
            loss_detective,
        })
    }

    /// Updates the detective by its batches, with the generator's newest fakes; gives the mean loss.
    fn update_detective(&mut self, detective_batches: &[DetectiveBatch], fake: &Tensor) -> Result<Option<f32>, Error> {
        let (Some(detective), false) = (&mut self.detective, detective_batches.is_empty()) else { return Ok(None) };
        let forgeries = rows(fake)?; // [B][CHW]
        let (mut total, mut newest) = (0.0, forgeries.iter().cycle());
        for batch in detective_batches {
            let shown: Vec<Vec<u8>> = newest.by_ref().take(batch.fakes).cloned().collect();
            let parts = [&maps(&shown, self.shape)?, &batch.negatives];
            let parts: Vec<&Tensor> = parts.into_iter().filter(|part| part.elem_count() > 0).collect();
            let forged = Tensor::cat(&parts, 0)?; // [B, H, W, C] with the known ones
            let known = batch.known.as_ref().map(|(rows, regions)| (rows, *regions));
            total += detective.update(&batch.genuine, &forged, known)?;
        }
        Ok(Some(total / detective_batches.len() as f32))
    }

    /// The average's decay: slower as the game grows older, so that it soon forgets the first weights.
    fn ema(&self) -> f32 {
        let step = self.step as f64;
        self.config.ema.min((1.0 + step) / (10.0 + step)) as f32
    }
}

/// The generator and the discriminator of a configuration for pictures of a shape (channels, height, width), with their first weights.
pub(super) fn networks(config: &Config, shape: (usize, usize, usize)) -> Result<(Network, Network), Error> {
    let (generator, discriminator) = match config.net {
        Net::Mlp => (mlp::generator(config.latent, shape), mlp::discriminator(shape)),
        Net::Dcgan => {
            (dcgan::generator(config.latent, shape, config.width)?, dcgan::discriminator(shape, config.width)?)
        }
    };
    Ok((Network::new(generator, config.seed, "generator")?, Network::new(discriminator, config.seed, "discriminator")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let samples = Samples::new(1, 28, 28, (0..40 * 784).map(|i| (i * 7 % 251) as u8).collect()).unwrap();
        for net in [Net::Mlp, Net::Dcgan] {
            let config = Config { batch: 21, width: 12, latent: 8, ..Config::new(net) };
            let [one, three] = [1, 3].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let (mut game, mut deck) =
                        (GanTrainer::new(&config, &samples).unwrap(), Deck::new(0, samples.len()));
                    (0..3)
                        .map(|step| {
                            game.train_step(&Batch::of(&config, (&samples).into(), &mut deck, step).unwrap()).unwrap()
                        })
                        .last()
                })
            });
            assert_eq!(one, three);
        }
    }

    #[test]
    fn what_a_round_needs_it_takes_from_the_one_before() {
        let samples = Samples::new(1, 28, 28, vec![90; 20 * 784]).unwrap();
        for net in [Net::Mlp, Net::Dcgan] {
            let config = Config { batch: 6, width: 4, latent: 8, ..Config::new(net) };
            let (mut game, mut deck) =
                (GanTrainer::new(&config, &samples).unwrap(), Deck::new(config.seed, samples.len()));
            // On one thread: how many panels are in use at once is then the same every time.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let mut free = |rounds| {
                for _ in 0..rounds {
                    let draw = Batch::of(&config, (&samples).into(), &mut deck, game.step()).unwrap();
                    pool.install(|| game.train_step(&draw)).unwrap();
                }
                game.generator.workspace().free() + game.discriminator.workspace().free()
            };
            let first = free(4);
            assert!(first > 0 && free(20) == first, "{net:?}");
        }
    }

    #[test]
    fn candles_own_operations_play_the_same_game() {
        let samples = Samples::new(1, 28, 28, (0..20 * 784).map(|i| (i * 7 % 251) as u8).collect()).unwrap();
        for net in [Net::Mlp, Net::Dcgan] {
            let config = Config { batch: 6, width: 4, latent: 8, ..Config::new(net) };
            let [mut ours, mut theirs] = [(); 2].map(|()| GanTrainer::new(&config, &samples).unwrap());
            theirs.generator = theirs.generator.on_stock();
            theirs.discriminator = theirs.discriminator.on_stock();
            let mut deck = Deck::new(config.seed, samples.len());
            for step in 0..5 {
                let draw = Batch::of(&config, (&samples).into(), &mut deck, step).unwrap();
                let (a, b) = (ours.train_step(&draw).unwrap(), theirs.train_step(&draw).unwrap());
                let pairs = [(a.loss_d, b.loss_d), (a.loss_g, b.loss_g), (a.norm_d, b.norm_d), (a.norm_g, b.norm_g)];
                assert!(
                    pairs.iter().all(|(a, b)| (a - b).abs() < 2e-3 * (1.0 + b.abs())),
                    "{net:?}: {a:?} is not {b:?}"
                );
            }
        }
    }
}

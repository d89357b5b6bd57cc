//! The training step of the GAN: updates the generator, the discriminator and the detective with one batch.
//!
//! [`GanTrainer::train_step`] is Algorithm 1 of Goodfellow et al. (1406.2661) with k = 1: one minibatch step of the
//! discriminator, then one of the generator. All random numbers of step t come from streams of t, so the training
//! state consists of the weights, the moments and the step.

use candle_core::{Device, Tensor};

use super::Error;
use super::batch::{maps, rows};
use super::config::Config;
use super::detective_batch::DetectiveBatch;
use super::loader::Batch;
use crate::data::Samples;
use crate::detector::detective::{Detective, MIN_SIDE};
use crate::math::random::{Deck, stream};
use crate::nn::adam::Adam;
use crate::nn::loss::sigmoid;
use crate::nn::{Net, Network, dcgan, mlp, moving_average};

/// The networks of a training run, their optimisers and the step.
#[derive(Debug)]
pub struct GanTrainer {
    pub(super) config: Config,
    /// Channels, height and width of the pictures.
    pub(super) shape: (usize, usize, usize),
    pub(super) step: u64,
    pub(super) generator: Network,
    pub(super) discriminator: Network,
    /// The generator's running average, which is shown and exported.
    pub(super) average: Network,
    pub(super) adam_g: Adam,
    pub(super) adam_d: Adam,
    /// The detective that is trained beside the GAN, if the configuration has one.
    pub(super) detective: Option<Detective>,
    samples: usize,
    device: Device,
}

/// The measurements of one training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepStats {
    /// Number of steps made, including this one.
    pub step: u64,
    /// Number of passes over the samples so far.
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
    /// The detective's loss, if there is one. 1.39 is the loss of guessing, 2 ln 2.
    pub loss_detective: Option<f32>,
}

impl StepStats {
    /// Whether all losses and gradient norms of the step are finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        [self.loss_d, self.loss_g, self.norm_d, self.norm_g].iter().chain(&self.loss_detective).all(|x| x.is_finite())
    }
}

impl GanTrainer {
    /// Creates a trainer at step 0 with initial weights drawn from the seed.
    ///
    /// # Errors
    /// When the networks cannot make pictures of the samples' size, the pictures are too small for the detective, a
    /// row cannot be read, or the device is missing.
    pub fn new(config: &Config, samples: &Samples) -> Result<Self, Error> {
        let (_, height, width) = samples.shape();
        if config.detective && height.min(width) < MIN_SIDE {
            let expected =
                "pictures of at least 3x3 pixels to look at: choose a larger --size, or leave the detective out";
            return Err(Error::Value { key: "detective", value: "true".to_owned(), expected });
        }
        let (generator, discriminator) = networks(config, samples.shape())?;
        let mut trainer = Self::with(config, samples, &generator, &discriminator, &generator)?;
        if config.detective {
            let regions = samples.regions();
            let pictures = samples.len() / regions;
            let some = pictures.min(Detective::wanted(regions, samples.shape()));
            let some = Deck::new(config.seed, pictures).batch(0, some);
            let rows = some.into_iter().flat_map(|picture| picture * regions..(picture + 1) * regions);
            let rows = rows.map(|row| samples.row(row)).collect::<Result<Vec<_>, _>>()?;
            let genuine = (&maps(&rows, trainer.shape)?, regions);
            trainer.detective =
                Some(Detective::new(config.seed, trainer.shape, config.width, &config.without, genuine)?);
        }
        Ok(trainer)
    }

    /// A trainer at step 0 with copies of these networks and without a detective.
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

    /// Number of training steps made so far.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The generator that is trained (not its running average).
    #[must_use]
    pub fn generator(&self) -> &Network {
        &self.generator
    }

    /// The discriminator that is trained.
    #[must_use]
    pub fn discriminator(&self) -> &Network {
        &self.discriminator
    }

    /// Number of steps after which every sample has been used once, at least one.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.samples.div_ceil(self.config.batch) as u64
    }

    /// Makes one training step with the batch of this step.
    ///
    /// The generator's update uses the same fakes as the discriminator's update, and the discriminator as it is after
    /// that update. As in PyTorch's DCGAN example, this takes one pass of the generator per step instead of two.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn train_step(&mut self, batch: &Batch) -> Result<StepStats, Error> {
        // It runs on a worker of the pool: from outside, each of the hundred products of a step would first have to
        // wake one.
        rayon::scope(|_| self.step_within(batch))
    }

    fn step_within(&mut self, data: &Batch) -> Result<StepStats, Error> {
        let Config { seed, batch, loss, real_label, .. } = self.config;
        let step = self.step;
        let mut dropout = stream(seed, "dropout", step);

        let (real, z) = (data.real.to_device(&self.device)?, data.z.to_device(&self.device)?);
        let forged = self.generator.forward(&z, &mut dropout)?;
        let fake = &forged.output; // [B, H, W, C] in -1..1

        // The discriminator's update: tell real from fake. No gradient reaches the generator.
        let both = Tensor::cat(&[&real, &fake.detach()], 0)?; // [2B, H, W, C]
        let told = self.discriminator.forward(&both, &mut dropout)?;
        let logits = &told.output; // [2B, 1]
        let (on_real, on_fake) = (logits.narrow(0, 0, batch)?, logits.narrow(0, batch, batch)?); // [B, 1] each
        let loss_d = loss.discriminator(&on_real, &on_fake, real_label)?;
        let gradients = told.gradients(&loss_d.backward()?);
        let norm_d = self.adam_d.update(self.discriminator.parameters(), &gradients)?;

        // The generator's update, against the discriminator after its update, whose weights are frozen.
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

    /// Updates the detective with its batches and the generator's newest fakes. Returns the mean loss, or `None`
    /// without a detective.
    fn update_detective(&mut self, detective_batches: &[DetectiveBatch], fake: &Tensor) -> Result<Option<f32>, Error> {
        let (Some(detective), false) = (&mut self.detective, detective_batches.is_empty()) else { return Ok(None) };
        let forgeries = rows(fake)?; // [B][CHW]
        let (mut total, mut newest) = (0.0, forgeries.iter().cycle());
        for batch in detective_batches {
            let shown: Vec<Vec<u8>> = newest.by_ref().take(batch.fakes).cloned().collect();
            let parts = [&maps(&shown, self.shape)?, &batch.negatives];
            let parts: Vec<&Tensor> = parts.into_iter().filter(|part| part.elem_count() > 0).collect();
            let forged = Tensor::cat(&parts, 0)?; // [B, H, W, C], counting the known fakes
            let known = batch.known.as_ref().map(|(rows, regions)| (rows, *regions));
            total += detective.update(&batch.genuine, &forged, known)?;
        }
        Ok(Some(total / detective_batches.len() as f32))
    }

    /// Decay of the generator's running average. It grows with the steps, so that the initial weights are soon
    /// forgotten.
    fn ema(&self) -> f32 {
        let step = self.step as f64;
        self.config.ema.min((1.0 + step) / (10.0 + step)) as f32
    }
}

/// The generator and the discriminator of a configuration, with their initial weights, for pictures of a
/// shape (channels, height, width).
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
                    let (mut trainer, mut deck) =
                        (GanTrainer::new(&config, &samples).unwrap(), Deck::new(0, samples.len()));
                    (0..3)
                        .map(|step| {
                            trainer
                                .train_step(&Batch::of(&config, (&samples).into(), &mut deck, step).unwrap())
                                .unwrap()
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
            let (mut trainer, mut deck) =
                (GanTrainer::new(&config, &samples).unwrap(), Deck::new(config.seed, samples.len()));
            // It runs on one thread, so that the number of panels in use at once is the same every time.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let mut free = |rounds| {
                for _ in 0..rounds {
                    let batch = Batch::of(&config, (&samples).into(), &mut deck, trainer.step()).unwrap();
                    pool.install(|| trainer.train_step(&batch)).unwrap();
                }
                trainer.generator.workspace().free() + trainer.discriminator.workspace().free()
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
            theirs.generator = theirs.generator.on_candle();
            theirs.discriminator = theirs.discriminator.on_candle();
            let mut deck = Deck::new(config.seed, samples.len());
            for step in 0..5 {
                let batch = Batch::of(&config, (&samples).into(), &mut deck, step).unwrap();
                let (a, b) = (ours.train_step(&batch).unwrap(), theirs.train_step(&batch).unwrap());
                let pairs = [(a.loss_d, b.loss_d), (a.loss_g, b.loss_g), (a.norm_d, b.norm_d), (a.norm_g, b.norm_g)];
                assert!(
                    pairs.iter().all(|(a, b)| (a - b).abs() < 2e-3 * (1.0 + b.abs())),
                    "{net:?}: {a:?} is not {b:?}"
                );
            }
        }
    }
}

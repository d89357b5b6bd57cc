//! The supervised baseline: a small convolutional network trained on genuine pictures against some counterfeits.
//!
//! It trains on rows, regardless of their region, for a fixed number of steps with fixed random streams, so that its
//! results are reproducible.

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use counterfoil_models::{Bundle, Plane, Preprocess};

use super::eval_planes::{EvalPlanes, region};
use super::fit::Scorer;
use super::{FEWEST, REFERENCES};
use crate::data::{Item, spread};
use crate::gan::GeneratorSampler;
use crate::math::random::{Deck, normal, stream};
use crate::nn::adam::Adam;
use crate::nn::loss::Loss;
use crate::nn::{Activation, Block, LinearOp, Network, Window};

/// Number of channels after the first convolution. Each further convolution doubles it, up to [`WIDEST`].
const WIDTH: usize = 16;
const WIDEST: usize = 64;
/// Number of genuine rows in a batch; the batch holds as many counterfeit ones.
const BATCH: usize = 32;
/// Number of training steps on pictures of up to [`AREA`] pixels. Larger pictures get fewer steps, so that no
/// training takes longer than half a minute.
const STEPS: u64 = 600;
const FEWEST_STEPS: u64 = 60;
const AREA: u64 = 32 * 32;
/// Adam's usual learning rate and decay rates (arXiv 1412.6980, section 2).
const RATE: f64 = 1e-3;
const BETAS: (f64, f64) = (0.9, 0.999);
/// Number of latents drawn from one random stream.
const LATENTS: usize = 50;
/// Number of rows in a batch when scoring.
const JUDGED: usize = 64;
/// A convolution that halves the sides of a map.
const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };

/// The counterfeit rows to train on, and their name for the table: the counterfeits in `named`, or generated pictures
/// if there are none.
///
/// # Errors
/// When fewer than [`FEWEST`] named counterfeits can be read, or when there are none and the bundle has no generator.
pub(super) fn fakes(bundle: &Bundle, named: &[Item], input: &Preprocess) -> Result<(Vec<Vec<u8>>, &'static str)> {
    if named.is_empty() {
        let sampler = GeneratorSampler::of_bundle(bundle)?;
        let sampler =
            sampler.context("the bundle holds no generator to learn from; name counterfeits with --train-fakes")?;
        let mut rows = Vec::with_capacity(REFERENCES);
        for batch in 0..REFERENCES.div_ceil(LATENTS) {
            let z = normal(&mut stream(0, "baseline latent", batch as u64), LATENTS * sampler.latent());
            rows.extend(sampler.bytes(&z)?);
        }
        return Ok((rows, "generated fakes"));
    }
    let chosen: Vec<Item> = spread(named, REFERENCES).cloned().collect();
    let eval_planes = EvalPlanes::of(&chosen, input);
    let planes = eval_planes.planes();
    ensure!(
        planes.len() >= FEWEST,
        "--train-fakes names {} pictures that can be read, at least {FEWEST} are needed",
        planes.len()
    );
    Ok((rows(&planes), "known fakes"))
}

/// The trained network.
#[derive(Debug)]
pub(super) struct Cnn {
    network: Network,
}

impl Cnn {
    /// Trains on genuine pictures against counterfeit rows.
    pub(super) fn train(genuine: &[&Plane], fakes: &[Vec<u8>]) -> Result<Self> {
        let [_, c, h, w] = genuine[0].shape();
        let genuine = rows(genuine);
        let network = Network::new(blocks((c, h, w)), 0, "baseline cnn")?;
        let mut adam = Adam::new(network.parameters(), RATE, BETAS.0, BETAS.1);
        let (mut real_deck, mut fake_deck) = (Deck::new(0, genuine.len()), Deck::new(1, fakes.len()));
        let area = (h * w) as u64;
        let steps = (STEPS * AREA / area).clamp(FEWEST_STEPS, STEPS);
        // Runs on a worker of the thread pool, as the GAN's training steps do.
        rayon::scope(|_| -> Result<()> {
            for step in 0..steps {
                let real = real_deck.batch(step, BATCH).into_iter().map(|index| &genuine[index]);
                let fake = fake_deck.batch(step, BATCH).into_iter().map(|index| &fakes[index]);
                let batch: Vec<&[u8]> = real.chain(fake).map(Vec::as_slice).collect();
                let told = network.forward(&maps(&batch, (c, h, w))?, &mut stream(0, "dropout", step))?;
                let (on_real, on_fake) = (told.output.narrow(0, 0, BATCH)?, told.output.narrow(0, BATCH, BATCH)?);
                let loss = Loss::NonSaturating.discriminator(&on_real, &on_fake, 1.0)?;
                adam.update(network.parameters(), &told.gradients(&loss.backward()?))?;
            }
            Ok(())
        })?;
        Ok(Self { network: network.frozen() })
    }
}

impl Scorer for Cnn {
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
        let Some([regions, c, h, w]) = planes.first().map(|plane| plane.shape()) else { return Ok(Vec::new()) };
        let rows = rows(planes);
        let mut logits = Vec::with_capacity(rows.len());
        for batch in rows.chunks(JUDGED) {
            let batch: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            let told = self.network.forward(&maps(&batch, (c, h, w))?, &mut stream(0, "dropout", 0))?;
            logits.extend(told.output.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(logits.chunks(regions).map(<[f32]>::to_vec).collect())
    }
}

/// Every region of every picture as a row of `[C, H, W]` bytes.
fn rows(planes: &[&Plane]) -> Vec<Vec<u8>> {
    planes.iter().flat_map(|plane| (0..plane.shape()[0]).map(|index| region(plane, index).to_vec())).collect()
}

/// Rows as a batch of maps `[B, H, W, C]` in -1..1.
fn maps(rows: &[&[u8]], (channels, height, width): (usize, usize, usize)) -> Result<Tensor> {
    let area = height * width;
    let level = |byte: u8| f32::from(byte) * (2.0 / 255.0) - 1.0;
    let pixels = rows.iter().flat_map(|row| {
        (0..area).flat_map(move |pixel| (0..channels).map(move |channel| level(row[channel * area + pixel])))
    });
    Ok(Tensor::from_vec(pixels.collect(), (rows.len(), height, width, channels), &Device::Cpu)?)
}

/// Convolutions that halve the sides until none is above 4 or one is 1, then a linear layer to one logit. A high
/// logit means genuine.
fn blocks((channels, height, width): (usize, usize, usize)) -> Vec<Block> {
    let mut blocks = Vec::new();
    let (mut inputs, mut outputs, mut sides) = (channels, WIDTH, (height, width));
    while sides.0.max(sides.1) > 4 && sides.0.min(sides.1) > 1 {
        let map = LinearOp::Conv(inputs, outputs, HALVING);
        blocks.push(Block::new(&blocks.len().to_string(), map, Activation::LeakyRelu(0.2)));
        sides = (HALVING.small(sides.0), HALVING.small(sides.1));
        (inputs, outputs) = (outputs, (2 * outputs).min(WIDEST));
    }
    let map = LinearOp::FlattenLinear((inputs, sides.0, sides.1), 1);
    blocks.push(Block::new(&blocks.len().to_string(), map, Activation::None));
    blocks
}

#[cfg(test)]
mod tests {
    use super::super::tests::plane;
    use super::*;

    #[test]
    fn learns_what_it_is_taught_and_the_same_every_time() {
        let row = |i: usize, step: usize| (0..64).map(|p| ((p * step + i * 31) % 7 * 36) as u8).collect::<Vec<u8>>();
        let genuine: Vec<Plane> = (0..40).map(|i| plane(&row(i, 1))).collect();
        let fakes: Vec<Vec<u8>> = (0..40).map(|i| row(i, 3)).collect();
        let genuine: Vec<&Plane> = genuine.iter().collect();
        let score =
            || Cnn::train(&genuine[..30], &fakes[..30]).unwrap().score(&[genuine[35], &plane(&fakes[35])]).unwrap();
        let scores = score();
        assert!(scores[0][0] > 1.0 && scores[1][0] < -1.0, "{scores:?}");
        assert_eq!(scores, score());
    }

    #[test]
    fn every_shape_of_picture_has_a_network() {
        for shape in [(1, 8, 8), (3, 384, 160), (1, 1024, 8), (1, 5, 1)] {
            let network = Network::new(blocks(shape), 0, "t").unwrap();
            let row = vec![9; shape.0 * shape.1 * shape.2];
            let told = network.forward(&maps(&[&row, &row], shape).unwrap(), &mut stream(0, "none", 0)).unwrap();
            assert_eq!(told.output.dims(), [2, 1], "{shape:?}");
        }
    }
}

//! Autoencoder families: copies through a narrow code, restorations from noise, and variational samples.

use candle_core::{Device, Tensor};

use super::{ForgerInput, pictures, tensor};
use crate::gan::{Batch, Config, Error, Net};
use crate::math::random::{Deck, normal, stream};
use crate::nn::adam::Adam;
use crate::nn::{Activation, Block, LinearOp, Network, Pass, Window, dcgan};
use crate::synthetic::zoo::picture::Picture;

const LEAK: Activation = Activation::LeakyRelu(0.2);
const LEARNING_RATE: f64 = 1e-3;
/// Length of the code between encoder and decoder.
const CODE: usize = 12;
/// Standard deviation of the noise that the denoiser removes, for pixels in -1..1.
const NOISE: f64 = 0.8;
/// Standard deviation of a pixel around the variational decoder's mean, for pixels in -1..1. It balances the
/// reconstruction against the code's divergence.
const PIXEL: f64 = 0.35;

/// Copies the originals through a code of twelve numbers.
pub(in crate::synthetic::zoo) fn autoencoder(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    bottleneck(input, 1500)
}

/// Adds noise to the originals and restores them.
pub(in crate::synthetic::zoo) fn denoiser(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    restored(input, 800)
}

/// Decodes random codes: samples of a variational autoencoder.
pub(in crate::synthetic::zoo) fn vae(input: &ForgerInput) -> Result<Vec<Picture>, Error> {
    variational(input, 1500)
}

fn bottleneck(input: &ForgerInput, steps: u64) -> Result<Vec<Picture>, Error> {
    let shape = input.samples.shape();
    let blocks = [encoder(shape, CODE), decoder(shape)].concat();
    let network = Network::new(blocks, input.seed, "zoo autoencoder")?;
    learn(input, &[&network], steps, |real, _| {
        let copy = network.forward(real, &mut stream(0, "no dropout", 0))?;
        let loss = (&copy.output - real)?.sqr()?.mean_all()?;
        Ok((loss, vec![copy]))
    })?;
    run(&network, &tensor(input.originals)?, shape)
}

fn restored(input: &ForgerInput, steps: u64) -> Result<Vec<Picture>, Error> {
    const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };
    let shape = input.samples.shape();
    dcgan::halvings(shape.1, shape.2)?;
    let blocks = vec![
        Block::new("0", LinearOp::Conv(1, 16, HALVING), LEAK),
        Block::new("1", LinearOp::Conv(16, 32, HALVING), LEAK),
        Block::new("2", LinearOp::ConvTranspose(32, 16, HALVING), LEAK),
        Block::new("3", LinearOp::ConvTranspose(16, 1, HALVING), Activation::Tanh),
    ];
    let network = Network::new(blocks, input.seed, "zoo denoiser")?;
    let noisy = |clean: &Tensor, step| {
        let noise = normal(&mut stream(input.seed, "zoo noise", step), clean.elem_count());
        clean + (Tensor::from_vec(noise, clean.shape(), &Device::Cpu)? * NOISE)?
    };
    learn(input, &[&network], steps, |real, step| {
        let restored = network.forward(&noisy(real, step)?, &mut stream(0, "no dropout", 0))?;
        let loss = (&restored.output - real)?.sqr()?.mean_all()?;
        Ok((loss, vec![restored]))
    })?;
    run(&network, &noisy(&tensor(input.originals)?, steps)?, shape)
}

/// Kingma and Welling (arXiv:1312.6114), section 3.
fn variational(input: &ForgerInput, steps: u64) -> Result<Vec<Picture>, Error> {
    let shape = input.samples.shape();
    let encoder = Network::new(encoder(shape, 2 * CODE), input.seed, "zoo encoder")?;
    let decoder = Network::new(decoder(shape), input.seed, "zoo decoder")?;
    let codes = |count: usize, step| {
        let draws = normal(&mut stream(input.seed, "zoo code", step), count * CODE);
        Tensor::from_vec(draws, (count, CODE), &Device::Cpu)
    };
    learn(input, &[&encoder, &decoder], steps, |real, step| {
        let rng = &mut stream(0, "no dropout", 0);
        let batch = real.dim(0)?;
        let encoded = encoder.forward(real, rng)?; // [B, 2Z]
        let (mean, log_variance) = (encoded.output.narrow(1, 0, CODE)?, encoded.output.narrow(1, CODE, CODE)?);
        let code = (&mean + ((&log_variance * 0.5)?.exp()? * codes(batch, step)?)?)?; // [B, Z]
        let decoded = decoder.forward(&code, rng)?; // [B, H, W, C]
        let misfit = ((&decoded.output - real)?.sqr()?.sum_all()? * (0.5 / (PIXEL * PIXEL)))?;
        let divergence = ((mean.sqr()? + log_variance.exp()?)? - (log_variance + 1.0)?)?.sum_all()?;
        let loss = ((misfit + (divergence * 0.5)?)? / batch as f64)?;
        Ok((loss, vec![encoded, decoded]))
    })?;
    run(&decoder, &codes(input.originals.len(), steps)?, shape)
}

/// The encoder: pictures [B, H, W, C] to codes [B, `outputs`].
fn encoder(shape: (usize, usize, usize), outputs: usize) -> Vec<Block> {
    vec![
        Block::new("e0", LinearOp::FlattenLinear(shape, 256), LEAK),
        Block::new("e1", LinearOp::Linear(256, outputs), Activation::None),
    ]
}

/// The decoder: codes [B, Z] to pictures [B, H, W, C] in -1..1.
fn decoder(shape: (usize, usize, usize)) -> Vec<Block> {
    vec![
        Block::new("d0", LinearOp::Linear(CODE, 256), LEAK),
        Block::new("d1", LinearOp::LinearToMap(256, shape), Activation::Tanh),
    ]
}

/// Trains `networks` on batches of the samples. `loss` returns a step's loss and one pass per network, in order.
fn learn(
    input: &ForgerInput,
    networks: &[&Network],
    steps: u64,
    loss: impl Fn(&Tensor, u64) -> candle_core::Result<(Tensor, Vec<Pass>)>,
) -> Result<(), Error> {
    let config = Config { seed: input.seed, detective: false, ..Config::new(Net::Dcgan) };
    let mut deck = Deck::new(config.seed, input.samples.len());
    let mut optimisers: Vec<Adam> =
        networks.iter().map(|network| Adam::new(network.parameters(), LEARNING_RATE, 0.9, 0.999)).collect();
    for step in 0..steps {
        let real = Batch::of(&config, input.samples.into(), &mut deck, step)?.real; // [B, H, W, C]
        let (value, passes) = loss(&real, step)?;
        let store = value.backward()?;
        for ((network, adam), pass) in networks.iter().zip(&mut optimisers).zip(&passes) {
            adam.update(network.parameters(), &pass.gradients(&store))?;
        }
    }
    Ok(())
}

/// The pictures that a trained network makes of `x`.
fn run(network: &Network, x: &Tensor, shape: (usize, usize, usize)) -> Result<Vec<Picture>, Error> {
    pictures(&network.frozen().forward(x, &mut stream(0, "no dropout", 0))?.output, shape)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{originals, samples};
    use super::*;

    #[test]
    fn each_learns_to_copy_and_does_it_the_same_way_twice() {
        let samples = samples();
        let originals = originals(&samples);
        let input = ForgerInput { seed: 3, samples: &samples, originals: &originals };
        let far = |copies: &[Picture]| -> f32 { originals.iter().zip(copies).map(|(a, b)| a.distance(b)).sum() };
        for copy in [bottleneck, restored] {
            let (first, later) = (copy(&input, 1).unwrap(), copy(&input, 25).unwrap());
            assert_eq!(first, copy(&input, 1).unwrap());
            assert!(far(&later) < 0.7 * far(&first), "{} is not nearer than {}", far(&later), far(&first));
        }
        let blank = far(&variational(&input, 1).unwrap());
        let sampled = variational(&input, 25).unwrap();
        assert!(sampled.len() == 5 && far(&sampled) < 0.9 * blank, "{} of {blank}", far(&sampled));
    }
}

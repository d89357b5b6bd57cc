//! Forgers who learnt to copy: through a narrow place, out of noise, or from a chart of all pictures.

use candle_core::{Device, Tensor};

use super::{Lesson, pictures, tensor};
use crate::adam::Adam;
use crate::gan::{Batch, Config, Error, Net};
use crate::math::random::{Deck, normal, stream};
use crate::net::conv::Window;
use crate::net::{Activation, Block, Map, Network, Pass, dcgan};
use crate::zoo::picture::Picture;

const LEAK: Activation = Activation::LeakyRelu(0.2);
const LEARNING_RATE: f64 = 1e-3;
/// Length of the code between encoder and decoder.
const CODE: usize = 12;
/// Deviation of the noise that the denoiser takes away, on the scale -1..1.
const NOISE: f64 = 0.8;
/// Deviation of a pixel around the variational decoder's mean, on the same scale: what weighs the code against the picture.
const PIXEL: f64 = 0.35;

/// Copies originals through twelve numbers.
pub(in crate::zoo) fn autoencoder(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    bottleneck(lesson, 1500)
}

/// Restores originals that it first covers with noise.
pub(in crate::zoo) fn denoiser(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    restored(lesson, 800)
}

/// Decodes random codes: a variational autoencoder's samples.
pub(in crate::zoo) fn vae(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    variational(lesson, 1500)
}

fn bottleneck(lesson: &Lesson, steps: u64) -> Result<Vec<Picture>, Error> {
    let shape = lesson.samples.shape();
    let blocks = [encoder(shape, CODE), decoder(shape)].concat();
    let network = Network::new(blocks, lesson.seed, "zoo autoencoder")?;
    learn(lesson, &[&network], steps, |real, _| {
        let copy = network.forward(real, &mut stream(0, "no dropout", 0))?;
        let loss = (&copy.output - real)?.sqr()?.mean_all()?;
        Ok((loss, vec![copy]))
    })?;
    run(&network, &tensor(lesson.originals)?, shape)
}

fn restored(lesson: &Lesson, steps: u64) -> Result<Vec<Picture>, Error> {
    const HALVING: Window = Window { kernel: 4, stride: 2, padding: 1 };
    let shape = lesson.samples.shape();
    dcgan::halvings(shape.1, shape.2)?;
    let blocks = vec![
        Block::new("0", Map::Conv(1, 16, HALVING), LEAK),
        Block::new("1", Map::Conv(16, 32, HALVING), LEAK),
        Block::new("2", Map::ConvTranspose(32, 16, HALVING), LEAK),
        Block::new("3", Map::ConvTranspose(16, 1, HALVING), Activation::Tanh),
    ];
    let network = Network::new(blocks, lesson.seed, "zoo denoiser")?;
    let noisy = |clean: &Tensor, step| {
        let noise = normal(&mut stream(lesson.seed, "zoo noise", step), clean.elem_count());
        clean + (Tensor::from_vec(noise, clean.shape(), &Device::Cpu)? * NOISE)?
    };
    learn(lesson, &[&network], steps, |real, step| {
        let restored = network.forward(&noisy(real, step)?, &mut stream(0, "no dropout", 0))?;
        let loss = (&restored.output - real)?.sqr()?.mean_all()?;
        Ok((loss, vec![restored]))
    })?;
    run(&network, &noisy(&tensor(lesson.originals)?, steps)?, shape)
}

/// Kingma & Welling (1312.6114), section 3.
fn variational(lesson: &Lesson, steps: u64) -> Result<Vec<Picture>, Error> {
    let shape = lesson.samples.shape();
    let encoder = Network::new(encoder(shape, 2 * CODE), lesson.seed, "zoo encoder")?;
    let decoder = Network::new(decoder(shape), lesson.seed, "zoo decoder")?;
    let codes = |count: usize, step| {
        let draws = normal(&mut stream(lesson.seed, "zoo code", step), count * CODE);
        Tensor::from_vec(draws, (count, CODE), &Device::Cpu)
    };
    learn(lesson, &[&encoder, &decoder], steps, |real, step| {
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
    run(&decoder, &codes(lesson.originals.len(), steps)?, shape)
}

/// Pictures [B, H, W, C] to codes [B, `outputs`].
fn encoder(shape: (usize, usize, usize), outputs: usize) -> Vec<Block> {
    vec![
        Block::new("e0", Map::Collapse(shape, 256), LEAK),
        Block::new("e1", Map::Linear(256, outputs), Activation::None),
    ]
}

/// Codes [B, Z] to pictures [B, H, W, C] in -1..1.
fn decoder(shape: (usize, usize, usize)) -> Vec<Block> {
    vec![Block::new("d0", Map::Linear(CODE, 256), LEAK), Block::new("d1", Map::Project(256, shape), Activation::Tanh)]
}

/// Trains `networks` on batches of the samples; `play` gives a step's loss and the networks' passes, in their order.
fn learn(
    lesson: &Lesson,
    networks: &[&Network],
    steps: u64,
    play: impl Fn(&Tensor, u64) -> candle_core::Result<(Tensor, Vec<Pass>)>,
) -> Result<(), Error> {
    let config = Config { seed: lesson.seed, detective: false, ..Config::new(Net::Dcgan) };
    let mut deck = Deck::new(config.seed, lesson.samples.len());
    let mut optimisers: Vec<Adam> =
        networks.iter().map(|network| Adam::new(network.parameters(), LEARNING_RATE, 0.9, 0.999)).collect();
    for step in 0..steps {
        let real = Batch::of(&config, lesson.samples.into(), &mut deck, step)?.real; // [B, H, W, C]
        let (loss, passes) = play(&real, step)?;
        let store = loss.backward()?;
        for ((network, adam), pass) in networks.iter().zip(&mut optimisers).zip(&passes) {
            adam.update(network.parameters(), &pass.gradients(&store))?;
        }
    }
    Ok(())
}

/// What a network that has learnt makes of x.
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
        let lesson = Lesson { seed: 3, samples: &samples, originals: &originals };
        let far = |copies: &[Picture]| -> f32 { originals.iter().zip(copies).map(|(a, b)| a.distance(b)).sum() };
        for copy in [bottleneck, restored] {
            let (first, later) = (copy(&lesson, 1).unwrap(), copy(&lesson, 25).unwrap());
            assert_eq!(first, copy(&lesson, 1).unwrap());
            assert!(far(&later) < 0.7 * far(&first), "{} is not nearer than {}", far(&later), far(&first));
        }
        let blank = far(&variational(&lesson, 1).unwrap());
        let sampled = variational(&lesson, 25).unwrap();
        assert!(sampled.len() == 5 && far(&sampled) < 0.9 * blank, "{} of {blank}", far(&sampled));
    }
}

//! Makes pictures from latents with a generator. All code that needs generated pictures uses it.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use counterfoil_edge::inference::Graph;
use counterfoil_models::{Bundle, Frame, GENERATOR};
use image::{GrayImage, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::nn::{Layer, Network, infer};

/// Pictures made at a time; this bounds the memory.
const CHUNK: usize = 64;

/// A generator that makes pictures of one shape from latents of one length.
#[derive(Debug)]
pub struct GeneratorSampler {
    generator: Generator,
    latent: usize,
    /// Channels, height and width of the pictures.
    shape: (usize, usize, usize),
}

#[derive(Debug)]
enum Generator {
    /// From training: inference layers whose outputs are in -1..1.
    Layers(Vec<Layer>),
    /// From a bundle: a graph for one picture at a time whose outputs are in 0..1.
    Graph(Graph),
}

impl GeneratorSampler {
    /// Creates the sampler of a network that makes pictures of `shape` from latents of length `latent`.
    ///
    /// # Errors
    /// When the network's layers cannot be folded.
    pub fn of_network(network: &Network, latent: usize, shape: (usize, usize, usize)) -> candle_core::Result<Self> {
        Ok(Self { generator: Generator::Layers(network.layers()?), latent, shape })
    }

    /// Creates the sampler of a bundle's generator; `None` if the bundle has none.
    ///
    /// # Errors
    /// When the bundle's generator cannot be read or does not make pictures of the manifest's input shape.
    pub fn of_bundle(bundle: &Bundle) -> Result<Option<Self>> {
        let manifest = bundle.manifest();
        let Some(latent) = manifest.latent else { return Ok(None) };
        let graph = Graph::load(&bundle.read(GENERATOR)?, &[1, latent])
            .with_context(|| format!("the generator of {}", bundle.dir().display()))?;
        let channels = manifest.input.channels();
        let [width, height] = manifest.game_size().map(|side| side as usize);
        match graph.outputs().next() {
            Some((_, [1, c, h, w])) if [*c, *h, *w] == [channels, height, width] => {}
            Some((_, shape)) => bail!(
                "{GENERATOR} draws pictures of shape {shape:?} where the manifest's game has {channels}x{height}x{width}; export the bundle again"
            ),
            None => bail!("the generator of {} draws no pictures", bundle.dir().display()),
        }
        Ok(Some(Self { generator: Generator::Graph(graph), latent, shape: (channels, height, width) }))
    }

    /// Length of a latent vector.
    #[must_use]
    pub fn latent(&self) -> usize {
        self.latent
    }

    /// Channels, height and width of the pictures.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// Makes pictures `[C, H, W]` in -1..1 from latents `[N, Z]`, row-major.
    ///
    /// # Errors
    /// When the network fails.
    pub fn sample(&self, z: &[f32]) -> candle_core::Result<Vec<Vec<f32>>> {
        let pictures = self.raw(z)?;
        Ok(match self.generator {
            Generator::Layers(_) => pictures,
            Generator::Graph(_) => {
                pictures.iter().map(|picture| picture.iter().map(|x| 2.0 * x - 1.0).collect()).collect()
            }
        })
    }

    /// Makes pictures `[C, H, W]` in the 256 levels of a picture file from latents `[N, Z]`, row-major.
    ///
    /// # Errors
    /// When the network fails.
    pub fn bytes(&self, z: &[f32]) -> candle_core::Result<Vec<Vec<u8>>> {
        let level = match self.generator {
            Generator::Layers(_) => |x: &f32| ((x + 1.0) * 127.5).round() as u8,
            Generator::Graph(_) => |x: &f32| (x.clamp(0.0, 1.0) * 255.0).round() as u8,
        };
        Ok(self.raw(z)?.iter().map(|picture| picture.iter().map(level).collect()).collect())
    }

    /// Pictures on the generator's own scale: -1..1 for layers, 0..1 for a graph.
    fn raw(&self, z: &[f32]) -> candle_core::Result<Vec<Vec<f32>>> {
        let mut pictures = Vec::with_capacity(z.len() / self.latent);
        match &self.generator {
            Generator::Layers(layers) => {
                for z in z.chunks(CHUNK * self.latent) {
                    let z = Tensor::from_slice(z, (z.len() / self.latent, self.latent), &Device::Cpu)?;
                    pictures.extend(infer(layers, &z)?.flatten_from(1)?.to_vec2::<f32>()?);
                }
            }
            Generator::Graph(graph) => {
                for z in z.chunks(self.latent) {
                    pictures.push(graph.run(z).map_err(candle_core::Error::wrap)?.swap_remove(0).values);
                }
            }
        }
        Ok(pictures)
    }
}

/// A bundle's generator in a face-off. It makes the same counterfeit for the same number on every call.
#[derive(Debug)]
pub struct FaceoffGenerator {
    name: String,
    sampler: GeneratorSampler,
    /// Number of rows of a whole picture.
    regions: usize,
    seed: u64,
}

impl FaceoffGenerator {
    /// Opens the generator of the bundle in folder `dir`; `None` if the bundle has none.
    ///
    /// # Errors
    /// When the bundle cannot be opened, or its generator cannot be read or does not make pictures of the
    /// manifest's input shape.
    pub fn of(dir: &Path, seed: u64) -> Result<Option<Self>> {
        let bundle = Bundle::open(dir)?;
        let manifest = bundle.manifest();
        let sampler = GeneratorSampler::of_bundle(&bundle)?;
        let (name, regions) = (manifest.name.clone(), manifest.input.rows());
        Ok(sampler.map(|sampler| Self { name, sampler, regions, seed }))
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Channels, height and width of one row that the generator makes.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        self.sampler.shape()
    }

    /// The counterfeit with this number as `rows` rows made one after the other, `[rows, C, H, W]` in 0..1, in
    /// the 256 levels of a picture file.
    ///
    /// # Errors
    /// When the network fails.
    pub fn rows(&self, number: u64, rows: usize) -> Result<Vec<f32>> {
        Ok(self.bytes(number, rows)?.into_iter().map(|level| f32::from(level) / 255.0).collect())
    }

    /// The counterfeit with this number as a picture.
    ///
    /// # Errors
    /// When the network fails, or when the generator makes only parts of a picture.
    pub fn picture(&self, number: u64) -> Result<Frame> {
        ensure!(
            self.regions == 1,
            "the generator of {} draws the {} parts of a picture, not a whole one; train without regions for one that plays",
            self.name,
            self.regions
        );
        let (channels, h, w) = self.shape();
        let (levels, width, height) = (self.bytes(number, 1)?, w as u32, h as u32);
        let frame = match channels {
            1 => GrayImage::from_raw(width, height, levels).map(Frame::Grey),
            3 => {
                let pixels = (0..h * w).flat_map(|at| [0, 1, 2].map(|c| levels[c * h * w + at])).collect();
                RgbImage::from_raw(width, height, pixels).map(Frame::Rgb)
            }
            _ => None,
        };
        frame.context("the generator's picture is of another size than it says")
    }

    fn bytes(&self, number: u64, rows: usize) -> Result<Vec<u8>> {
        // The seed of a game comes from the kernel and not from a training run, so this is not a stream of
        // `math::random`.
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let z: Vec<f32> = StandardNormal.sample_iter(&mut rng).take(rows * self.sampler.latent).collect();
        Ok(self.sampler.bytes(&z)?.concat())
    }
}

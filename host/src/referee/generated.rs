//! Counterfeits by a bundle's own generator, as exhibits.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use counterfoil_edge::engine::Graph;
use counterfoil_models::{Bundle, Color, Frame, GENERATOR};
use image::{GrayImage, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A generator, ready to draw.
#[derive(Debug)]
pub struct Generated {
    name: String,
    graph: Graph,
    latent: usize,
    color: Color,
    seed: u64,
}

impl Generated {
    /// The generator of a bundle.
    ///
    /// # Errors
    /// When the bundle has none, or one that draws parts of pictures only.
    pub fn of(dir: &Path, seed: u64) -> Result<Self> {
        let bundle = Bundle::open(dir)?;
        let manifest = bundle.manifest();
        let Some(latent) = manifest.latent else {
            bail!("{} holds no generator; export it again without --lean", dir.display());
        };
        ensure!(
            manifest.input.rows() == 1,
            "the generator of {} draws the {} parts of a picture, not a whole one; train without regions for one that plays",
            dir.display(),
            manifest.input.rows()
        );
        let graph = Graph::load(&bundle.read(GENERATOR)?, &[1, latent])
            .with_context(|| format!("the generator of {}", dir.display()))?;
        Ok(Self { name: manifest.name.clone(), graph, latent, color: manifest.input.color, seed })
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its picture of a number: the same number gives the same picture.
    ///
    /// # Errors
    /// When the network fails.
    pub fn picture(&self, number: u64) -> Result<Frame> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let z: Vec<f32> = StandardNormal.sample_iter(&mut rng).take(self.latent).collect(); // [1, Z]
        let outputs = self.graph.run(&z)?;
        let image = outputs.first().context("the generator gives nothing")?; // [1, C, H, W] in 0..1
        let [1, channels, height, width] = image.shape[..] else { bail!("the generator gives {:?}", image.shape) };
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let plane = height * width;
        let (width, height) = (width as u32, height as u32);
        let frame = match (self.color, channels) {
            (Color::Rgb, 3) => {
                let pixels = (0..plane).flat_map(|at| [0, 1, 2].map(|c| byte(image.values[c * plane + at]))).collect();
                RgbImage::from_raw(width, height, pixels).map(Frame::Rgb)
            }
            (_, 1) => {
                GrayImage::from_raw(width, height, image.values.iter().map(|v| byte(*v)).collect()).map(Frame::Grey)
            }
            _ => None,
        };
        frame.context("the generator's picture is of another size than it says")
    }
}

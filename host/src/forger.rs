//! A bundle's generator at work: numbers enter, forgeries leave, the same forgery for the same number whoever asks.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use counterfoil_edge::inference::Graph;
use counterfoil_models::{Bundle, Frame, GENERATOR};
use image::{GrayImage, RgbImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A generator, ready to draw.
#[derive(Debug)]
pub struct Forger {
    name: String,
    graph: Graph,
    latent: usize,
    /// Channels, height and width of what it draws.
    shape: [usize; 3],
    /// Rows of a whole picture.
    regions: usize,
    seed: u64,
}

impl Forger {
    /// The generator of a bundle; `None` where it has none.
    ///
    /// # Errors
    /// When the bundle cannot be read.
    pub fn of(dir: &Path, seed: u64) -> Result<Option<Self>> {
        let bundle = Bundle::open(dir)?;
        let manifest = bundle.manifest();
        let Some(latent) = manifest.latent else { return Ok(None) };
        let graph = Graph::load(&bundle.read(GENERATOR)?, &[1, latent])
            .with_context(|| format!("the generator of {}", dir.display()))?;
        let Some((_, [1, c, h, w])) = graph.outputs().next() else {
            bail!("the generator of {} draws no pictures", dir.display());
        };
        let (shape, regions) = ([*c, *h, *w], manifest.input.rows());
        Ok(Some(Self { name: manifest.name.clone(), graph, latent, shape, regions, seed }))
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Channels, height and width of what it draws.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Its forgery of a number: `rows` draws one after the other, `[rows, C, H, W]`, in the 256 levels of 0..1 that a picture has.
    ///
    /// # Errors
    /// When the network fails.
    pub fn rows(&self, number: u64, rows: usize) -> Result<Vec<f32>> {
        let levels = self.levels(number, rows)?;
        Ok(levels.into_iter().map(|level| f32::from(level) / 255.0).collect())
    }

    /// Its forgery of a number as a picture.
    ///
    /// # Errors
    /// When the network fails, or draws the parts of a picture only.
    pub fn picture(&self, number: u64) -> Result<Frame> {
        ensure!(
            self.regions == 1,
            "the generator of {} draws the {} parts of a picture, not a whole one; train without regions for one that plays",
            self.name,
            self.regions
        );
        let [channels, h, w] = self.shape;
        let (levels, width, height) = (self.levels(number, 1)?, w as u32, h as u32);
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

    fn levels(&self, number: u64, rows: usize) -> Result<Vec<u8>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let mut levels = Vec::with_capacity(rows * self.shape.iter().product::<usize>());
        for _ in 0..rows {
            let z: Vec<f32> = StandardNormal.sample_iter(&mut rng).take(self.latent).collect(); // [1, Z]
            let outputs = self.graph.run(&z)?;
            let image = outputs.first().context("the generator gives nothing")?; // [1, C, H, W] in 0..1
            levels.extend(image.values.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8));
        }
        Ok(levels)
    }
}

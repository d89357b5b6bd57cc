//! Who plays in a league: a bundle's generator, its detective, and the genuine articles between them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_edge::Detector;
use counterfoil_edge::engine::Graph;
use counterfoil_edge::source::{self, Source};
use counterfoil_models::{Bundle, Frame, GENERATOR, Verdict, sha256_hex};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// A generator.
#[derive(Debug)]
pub struct Forger {
    name: String,
    graph: Graph,
    latent: usize,
    /// Channels, height and width of what it draws.
    shape: [usize; 3],
    seed: u64,
}

/// A detective.
#[derive(Debug)]
pub struct Detective {
    name: String,
    detector: Detector,
}

/// Genuine articles.
#[derive(Debug)]
pub struct Genuine {
    pictures: Vec<PathBuf>,
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
        let Some([1, c, h, w]) =
            graph.outputs().first().map(|(_, shape)| <[usize; 4]>::try_from(&shape[..]).unwrap_or_default())
        else {
            bail!("the generator of {} draws no pictures", dir.display());
        };
        Ok(Some(Self { name: manifest.name.clone(), graph, latent, shape: [c, h, w], seed }))
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A forgery as a detective's network takes it: `[R, C, H, W]` in 0..1, in 256 levels, as a picture has. The same number gives the
    /// same forgery to everybody.
    pub(super) fn rows(&self, number: u64, detective: &Detective) -> Result<Vec<f32>> {
        let [rows, c, h, w] = detective.detector.bundle().manifest().input.shape();
        ensure!(
            self.shape == [c, h, w],
            "{} draws {:?} and {} judges {:?}; a league is of bundles that were trained on pictures of one size and colour",
            self.name,
            self.shape,
            detective.name,
            [c, h, w]
        );
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(number);
        let mut picture = Vec::with_capacity(rows * c * h * w);
        for _ in 0..rows {
            let z: Vec<f32> = StandardNormal.sample_iter(&mut rng).take(self.latent).collect(); // [1, Z]
            let outputs = self.graph.run(&z)?;
            let image = outputs.first().context("the generator gives nothing")?;
            picture.extend(image.values.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() / 255.0));
        }
        Ok(picture)
    }
}

impl Detective {
    /// The detective of a bundle.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn of(dir: &Path) -> Result<Self> {
        let detector = Detector::open(dir)?;
        Ok(Self { name: detector.bundle().manifest().name.clone(), detector })
    }

    /// The bundle's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bundle's fingerprint.
    #[must_use]
    pub fn id(&self) -> &str {
        self.detector.bundle().id()
    }

    pub(super) fn judge(&self, picture: &Frame) -> Result<Verdict> {
        Ok(self.detector.judge(picture)?.verdict())
    }

    pub(super) fn judge_rows(&self, rows: &[f32]) -> Result<Verdict> {
        Ok(self.detector.judge_outputs(&self.detector.run(rows)?)?.verdict())
    }
}

impl Genuine {
    /// So many pictures of a folder, in the order of their names.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn of(folder: &Path, count: usize) -> Result<Self> {
        let mut pictures = Vec::new();
        for source in source::pictures(vec![folder.to_path_buf()]) {
            match source {
                Source::File(path) => pictures.push(path),
                Source::Stdin => bail!("genuine pictures cannot come from stdin"),
                Source::Refused { path, error } => bail!("{}: {error}", path.display()),
            }
        }
        ensure!(
            pictures.len() >= count,
            "{} holds {} pictures; give --matches {} or fewer",
            folder.display(),
            pictures.len(),
            2 * pictures.len()
        );
        pictures.truncate(count);
        Ok(Self { pictures })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// SHA-256 over what they are called.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let names: Vec<String> = self.pictures.iter().map(|path| path.display().to_string()).collect();
        sha256_hex(names.join("\n").as_bytes())
    }

    pub(super) fn picture(&self, number: usize) -> Result<Frame> {
        let path = &self.pictures[number];
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Frame::decode(&bytes).with_context(|| format!("{} is no picture", path.display()))
    }
}

//! A bundle's folder becomes a [`Detector`], and a [`Frame`] a [`Judgement`].
//!
//! The one place where the contract and the engine meet. The workstation evaluates, calibrates reports and referees with
//! this type too, so that every number it states is the box's number.

use std::path::Path;

use counterfoil_models::{Bundle, DISCRIMINATOR, Frame, Golden, Judgement, Plane, Score};

use crate::engine::Engine;
use crate::{Error, Result};

/// A bundle that opened, loaded and passed its own golden pictures. Shared by threads.
#[derive(Debug)]
pub struct Detector {
    bundle: Bundle,
    engine: Engine,
    deviation: f32,
}

impl Detector {
    /// Opens a bundle, loads its network and works out its golden pictures from their files to their verdicts.
    ///
    /// # Errors
    /// [`Error::Contract`] for a bundle that is not whole, [`Error::Engine`] for a network that does not load or is not
    /// the manifest's, [`Error::SelfTest`] when a golden picture gives something else than when the bundle was made.
    pub fn open(dir: &Path) -> Result<Self> {
        let bundle = Bundle::open(dir)?;
        let onnx = bundle.read(DISCRIMINATOR)?;
        let [rows, channels, height, width] = bundle.manifest().input.shape();
        let engine = Engine::load(&onnx, rows, channels, height, width)
            .map_err(|source| Error::Engine { model: dir.join(DISCRIMINATOR), source })?;
        let mut detector = Self { bundle, engine, deviation: 0.0 };
        detector.deviation = detector.self_test()?;
        Ok(detector)
    }

    /// The bundle it was made from.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// How far the golden pictures' scores lay from the bundle's at load: the largest `|a - b| / max(1, |a|)`.
    #[must_use]
    pub fn deviation(&self) -> f32 {
        self.deviation
    }

    /// What the network sees of a picture.
    ///
    /// # Errors
    /// [`Error::Contract`].
    pub fn plane(&self, frame: &Frame) -> Result<Plane> {
        Ok(self.bundle.manifest().input.plane(frame)?)
    }

    /// The network's score of each region, `[R]`; not yet known to be finite.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn rows(&self, plane: &Plane) -> Result<Vec<f32>> {
        let outputs = self.engine.run(&plane.to_f32()); // [R, C, H, W] -> [R]
        let model = || self.bundle.dir().join(DISCRIMINATOR);
        Ok(outputs.map_err(|source| Error::Engine { model: model(), source })?.score)
    }

    /// The picture's score: its regions' scores, joined.
    ///
    /// # Errors
    /// [`Error::Engine`], or [`Error::Contract`] when a region's score is NaN or infinite.
    pub fn score(&self, plane: &Plane) -> Result<Score> {
        Ok(self.bundle.manifest().join.join(&self.rows(plane)?)?)
    }

    /// Score, p-value and verdict of a picture.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn judge(&self, frame: &Frame) -> Result<Judgement> {
        let score = self.score(&self.plane(frame)?)?;
        Ok(self.bundle.manifest().calibration.judge(score))
    }

    /// Holds every golden picture to what the bundle says of it; gives the largest deviation.
    fn self_test(&self) -> Result<f32> {
        let failed = |what: String| Error::SelfTest { bundle: self.bundle.dir().to_path_buf(), what };
        let pictures = &self.bundle.manifest().golden;
        if pictures.is_empty() {
            return Err(failed("it holds no golden pictures to test itself on".into()));
        }
        pictures.iter().try_fold(0f32, |largest, golden| {
            let deviation = self.deviation_of(golden).map_err(|what| failed(what.to_string()))?;
            Ok(largest.max(deviation))
        })
    }

    fn deviation_of(&self, golden: &Golden) -> Result<f32, Box<dyn std::error::Error>> {
        let manifest = self.bundle.manifest();
        let plane = self.plane(&Frame::decode(&self.bundle.read(&golden.file)?)?)?;
        let rows = self.rows(&plane)?;
        let judgement = manifest.calibration.judge(manifest.join.join(&rows)?);
        golden.check(&plane, &rows, &judgement)?;
        let expected = golden.rows.iter().chain([&golden.score]);
        let found = rows.iter().copied().chain([judgement.score().get()]);
        Ok(expected.zip(found).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f32::max))
    }
}

//! Opens a bundle's folder as a [`Detector`], which turns a [`Frame`] into a [`Judgement`].
//!
//! The one place where the bundle contract and the inference engine meet. The workstation uses this type too, for
//! evaluation, calibration reports and the referee, so every number it states is the number of the box.

pub mod explain;
pub mod faceoff;
pub mod pipeline;
pub mod source;
pub mod standard;

use std::num::NonZero;
use std::path::Path;
use std::{iter, thread};

use counterfoil_models::{
    Bundle, Calibration, DISCRIMINATOR, Error as ContractError, Frame, Golden, Judgement, Plane, Score,
};

use crate::inference::{Backend, Engine, Outputs, Tract};
use crate::{Error, Result, threads};
use standard::Standard;

/// Number of golden pictures that are tested in parallel at load: more would take memory that the box
/// does not need later.
const AT_ONCE: NonZero<usize> = NonZero::new(2).expect("two is not zero");

/// A bundle that was opened and loaded, and that passed its golden pictures. Can be shared by threads.
#[derive(Debug)]
pub struct Detector {
    bundle: Bundle,
    engine: Engine,
    deviation: f32,
    standard: Standard,
}

impl Detector {
    /// Opens a bundle, loads its network, and tests it on the golden pictures, from their files to their verdicts.
    ///
    /// # Errors
    /// [`Error::Contract`] for an incomplete or damaged bundle, [`Error::Engine`] for a network that
    /// does not load or does not match the manifest, [`Error::SelfTest`] when a golden picture gives
    /// another result than when the bundle was made.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &Tract::default())
    }

    /// Opens a bundle as [`open`](Self::open) does, with the given backend.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(dir: &Path, backend: &dyn Backend) -> Result<Self> {
        let (bundle, onnx) = Bundle::open_to_run(dir)?;
        let engine = Engine::load_with(backend, &onnx, bundle.manifest().input.shape())
            .map_err(|source| Error::Engine { model: dir.join(DISCRIMINATOR), source })?;
        // Frees megabytes before the golden pictures need memory of their own.
        drop(onnx);
        let mut detector = Self { bundle, engine, deviation: 0.0, standard: Standard::Bundle };
        detector.deviation = detector.self_test()?;
        Ok(detector)
    }

    /// Opens a bundle as [`open`](Self::open) does, after a test of it with tract's own operators only: a file whose
    /// functions compute something else than our own operators is refused.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_both_ways(dir: &Path) -> Result<Self> {
        Self::open_with(dir, &Tract { own: false })?;
        Self::open(dir)
    }

    /// Returns the detector with another standard: a calibration made on site, or enrolled references.
    ///
    /// # Errors
    /// [`Error::Contract`] for references that do not fit this network, or when the bundle does not
    /// support enrolment.
    pub fn with_standard(self, standard: Standard) -> Result<Self> {
        if let Standard::Enrolled(references) = &standard {
            let manifest = self.bundle.manifest();
            manifest.enrolment()?;
            let (found, wanted) = (references.embedding_len(), manifest.input.rows() * self.engine.embedding_len());
            if found != wanted {
                let what = format!("they have {found} numbers each and this network gives {wanted}; enrol them again");
                return Err(ContractError::References(what).into());
            }
        }
        Ok(Self { standard, ..self })
    }

    /// The calibration in use: the genuine scores with which a picture's score is compared.
    ///
    /// # Errors
    /// As [`with_standard`](Self::with_standard).
    pub fn calibration(&self) -> Result<&Calibration> {
        self.standard.calibration(self.bundle.manifest())
    }

    /// What scores are compared with.
    #[must_use]
    pub fn standard(&self) -> &Standard {
        &self.standard
    }

    /// The bundle from which the detector was opened.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Largest deviation of the golden pictures' scores at load from those in the bundle:
    /// `|a - b| / max(1, |a|)`, where `a` is the bundle's score.
    #[must_use]
    pub fn deviation(&self) -> f32 {
        self.deviation
    }

    /// Preprocesses a picture into the input of the network, as bytes.
    ///
    /// # Errors
    /// [`Error::Contract`] when the picture cannot be preprocessed.
    pub fn plane(&self, frame: &Frame) -> Result<Plane> {
        Ok(self.bundle.manifest().input.plane(frame)?)
    }

    /// Runs the network on `image`, row-major `[R, C, H, W]` in 0..1. The outputs may still contain NaN or infinity.
    ///
    /// # Errors
    /// [`Error::Engine`] when the network fails.
    pub fn run(&self, image: &[f32]) -> Result<Outputs> {
        let model = || self.bundle.dir().join(DISCRIMINATOR);
        self.engine.run(image).map_err(|source| Error::Engine { model: model(), source })
    }

    /// The network's score of each region, `[R]`. It may still contain NaN or infinity.
    ///
    /// # Errors
    /// [`Error::Engine`] when the network fails.
    pub fn rows(&self, plane: &Plane) -> Result<Vec<f32>> {
        Ok(self.run(&plane.to_f32())?.score) // [R, C, H, W] -> [R]
    }

    /// The embedding of a picture: the embeddings of its regions one after the other, `[R * E]`. It may
    /// still contain NaN or infinity.
    ///
    /// # Errors
    /// [`Error::Engine`] when the network fails.
    pub fn embedding(&self, plane: &Plane) -> Result<Vec<f32>> {
        Ok(self.run(&plane.to_f32())?.embedding) // [R, C, H, W] -> [R, E]
    }

    /// The general score of a picture: the scores of its regions, joined as the manifest says.
    ///
    /// # Errors
    /// [`Error::Engine`] when the network fails, [`Error::Contract`] when a region's score is NaN or infinite.
    pub fn score(&self, plane: &Plane) -> Result<Score> {
        Ok(self.bundle.manifest().join.join(&self.rows(plane)?)?)
    }

    /// The score, p-value and verdict of a picture.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn judge(&self, frame: &Frame) -> Result<Judgement> {
        self.judge_outputs(&self.run(&self.plane(frame)?.to_f32())?)
    }

    /// The score, p-value and verdict of a picture, from the outputs of [`run`](Self::run).
    ///
    /// # Errors
    /// [`Error::Contract`] when an output is NaN or infinite.
    pub fn judge_outputs(&self, outputs: &Outputs) -> Result<Judgement> {
        self.standard.judge(self.bundle.manifest(), outputs)
    }

    /// Compares every golden picture with the results in the bundle; returns the largest deviation.
    fn self_test(&self) -> Result<f32> {
        let failed = |what: String| Error::SelfTest { bundle: self.bundle.dir().to_path_buf(), what };
        let pictures = &self.bundle.manifest().golden;
        if pictures.is_empty() {
            return Err(failed("it holds no golden pictures to test itself on".into()));
        }
        let work = |golden| threads::guarded(|| self.deviation_of(golden).map_err(|what| failed(what.to_string())));
        let mut largest = 0f32;
        for together in pictures.chunks(threads::all_cores().min(AT_ONCE).get()) {
            // The calling thread tests one picture itself: its heap still holds the memory that
            // planning the network freed.
            let (own, others) = together.split_first().expect("no chunk is empty");
            let deviations: Vec<f32> = thread::scope(|scope| {
                let others: Vec<_> = others.iter().map(|golden| scope.spawn(move || work(golden))).collect();
                let own = work(own);
                let others = others.into_iter().map(|other| other.join().unwrap_or(Err(Error::Panicked)));
                iter::once(own).chain(others).collect::<Result<_>>()
            })?;
            largest = deviations.into_iter().fold(largest, f32::max);
        }
        Ok(largest)
    }

    fn deviation_of(&self, golden: &Golden) -> Result<f32, Box<dyn std::error::Error>> {
        let manifest = self.bundle.manifest();
        let frame = Frame::decode(&self.bundle.read(&golden.file)?)?;
        let plane = self.plane(&frame)?;
        let Outputs { score: rows, embedding, .. } = self.run(&plane.to_f32())?;
        let judgement = manifest.calibration.judge(manifest.join.join(&rows)?);
        golden.check(&plane, &rows, &embedding, &judgement)?;
        let expected = golden.rows.iter().chain([&golden.score]);
        let found = rows.iter().copied().chain([judgement.score().get()]);
        Ok(expected.zip(found).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f32::max))
    }
}

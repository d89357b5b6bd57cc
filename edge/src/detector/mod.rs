//! A bundle's folder becomes a [`Detector`], and a [`Frame`] a [`Judgement`].
//!
//! The one place where the contract and the inference engine meet. The workstation evaluates, calibrates reports and
//! referees with this type too, so that every number it states is the box's number.

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

use crate::inference::{Engine, Outputs};
use crate::{Error, Result, threads};
use standard::Standard;

/// Golden pictures that are worked out at once: each takes memory that the box never needs again.
const AT_ONCE: NonZero<usize> = NonZero::new(2).expect("two is not zero");

/// A bundle that opened, loaded and passed its own golden pictures. Shared by threads.
#[derive(Debug)]
pub struct Detector {
    bundle: Bundle,
    engine: Engine,
    deviation: f32,
    standard: Standard,
}

impl Detector {
    /// Opens a bundle, loads its network and works out its golden pictures from their files to their verdicts.
    ///
    /// # Errors
    /// [`Error::Contract`] for a bundle that is not whole, [`Error::Engine`] for a network that does not load or is not
    /// the manifest's, [`Error::SelfTest`] when a golden picture gives something else than when the bundle was made.
    pub fn open(dir: &Path) -> Result<Self> {
        let (bundle, onnx) = Bundle::open_to_run(dir)?;
        let [rows, channels, height, width] = bundle.manifest().input.shape();
        let engine = Engine::load(&onnx, rows, channels, height, width)
            .map_err(|source| Error::Engine { model: dir.join(DISCRIMINATOR), source })?;
        // Megabytes that need not lie beside the golden pictures' own.
        drop(onnx);
        let mut detector = Self { bundle, engine, deviation: 0.0, standard: Standard::Bundle };
        detector.deviation = detector.self_test()?;
        Ok(detector)
    }

    /// The same detector, holding pictures to what was learned on site.
    ///
    /// # Errors
    /// [`Error::Contract`] for references that are not this network's, or where the bundle knows none.
    pub fn held_to(self, standard: Standard) -> Result<Self> {
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

    /// The genuine scores that pictures are held against.
    ///
    /// # Errors
    /// As [`held_to`](Self::held_to).
    pub fn calibration(&self) -> Result<&Calibration> {
        self.standard.calibration(self.bundle.manifest())
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

    /// What the network says of `image`, `[R, C, H, W]` in 0..1; not yet known to be finite.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn run(&self, image: &[f32]) -> Result<Outputs> {
        let model = || self.bundle.dir().join(DISCRIMINATOR);
        self.engine.run(image).map_err(|source| Error::Engine { model: model(), source })
    }

    /// The network's score of each region, `[R]`; not yet known to be finite.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn rows(&self, plane: &Plane) -> Result<Vec<f32>> {
        Ok(self.run(&plane.to_f32())?.score) // [R, C, H, W] -> [R]
    }

    /// Where a picture lies in the network's own space: its regions' embeddings one after the other, `[R * E]`; not yet known to be
    /// finite.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn embedding(&self, plane: &Plane) -> Result<Vec<f32>> {
        Ok(self.run(&plane.to_f32())?.embedding) // [R, C, H, W] -> [R, E]
    }

    /// The picture's general score: its regions' scores, joined.
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
        self.judge_outputs(&self.run(&self.plane(frame)?.to_f32())?)
    }

    /// The same from what the network said.
    ///
    /// # Errors
    /// [`Error::Contract`] when a number is NaN or infinite.
    pub fn judge_outputs(&self, outputs: &Outputs) -> Result<Judgement> {
        self.standard.judge(self.bundle.manifest(), outputs)
    }

    /// Holds every golden picture to what the bundle says of it; gives the largest deviation.
    fn self_test(&self) -> Result<f32> {
        let failed = |what: String| Error::SelfTest { bundle: self.bundle.dir().to_path_buf(), what };
        let pictures = &self.bundle.manifest().golden;
        if pictures.is_empty() {
            return Err(failed("it holds no golden pictures to test itself on".into()));
        }
        let work = |golden| threads::guarded(|| self.deviation_of(golden).map_err(|what| failed(what.to_string())));
        let mut largest = 0f32;
        for together in pictures.chunks(threads::all_cores().min(AT_ONCE).get()) {
            // This thread takes part: what planning the network freed is at hand in its heap.
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
        let rows = self.rows(&plane)?;
        let judgement = manifest.calibration.judge(manifest.join.join(&rows)?);
        golden.check(&plane, &rows, &judgement)?;
        let expected = golden.rows.iter().chain([&golden.score]);
        let found = rows.iter().copied().chain([judgement.score().get()]);
        Ok(expected.zip(found).map(|(a, b)| (a - b).abs() / a.abs().max(1.0)).fold(0.0, f32::max))
    }
}

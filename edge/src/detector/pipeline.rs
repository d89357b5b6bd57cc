//! Judges many [`Source`]s on several threads in bounded memory; the results keep the order of the sources.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;

use counterfoil_models::{Frame, Judgement};

use crate::detector::source::Source;
use crate::threads::{guarded, in_order};
use crate::{Detector, Result};

/// The result for one picture.
#[derive(Debug)]
pub struct PictureResult {
    /// Path of the picture; `-` for standard input.
    pub path: PathBuf,
    /// The judgement, or why there is none.
    pub outcome: Result<Judgement>,
}

/// Judges every source and gives the results to `sink` in the order of the sources, until `sink` breaks off.
///
/// A picture that cannot be judged gives a [`PictureResult`] with an error. Each thread holds one picture at a time.
pub fn judge_all(
    detector: &Detector,
    sources: impl Iterator<Item = Source> + Send,
    threads: NonZero<usize>,
    sink: impl FnMut(PictureResult) -> ControlFlow<()>,
) {
    in_order(sources, threads, |source| attempt(source, |frame| detector.judge(frame)), sink);
}

/// Reads one source and applies `work` to the picture. A panic of the decoder or the engine becomes an
/// error in the result.
pub fn attempt(source: Source, work: impl FnOnce(&Frame) -> Result<Judgement>) -> PictureResult {
    let path = source.path().to_path_buf();
    PictureResult { path, outcome: guarded(|| work(&*source.frame()?)) }
}

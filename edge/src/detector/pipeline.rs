//! [`Source`]s enter, [`Judged`] pictures leave, in the same order, worked out on several threads in bounded memory.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::PathBuf;

use counterfoil_models::{Frame, Judgement};

use crate::detector::source::Source;
use crate::threads::{guarded, in_order};
use crate::{Detector, Result};

/// What came of one picture.
#[derive(Debug)]
pub struct Judged {
    /// Its path; `-` for stdin.
    pub path: PathBuf,
    /// The judgement, or why there is none.
    pub outcome: Result<Judgement>,
}

/// Judges every source and hands the outcomes to `sink` in the sources' order, until it breaks off.
///
/// A picture that cannot be judged is an outcome like any other. At any time each thread holds one picture.
pub fn judge_all(
    detector: &Detector,
    sources: impl Iterator<Item = Source> + Send,
    threads: NonZero<usize>,
    sink: impl FnMut(Judged) -> ControlFlow<()>,
) {
    in_order(sources, threads, |source| attempt(source, |frame| detector.judge(frame)), sink);
}

/// Reads one source and does something with the picture; a decoder or an engine that panics is an outcome like any other.
pub fn attempt(source: Source, work: impl FnOnce(&Frame) -> Result<Judgement>) -> Judged {
    let path = source.path().to_path_buf();
    Judged { path, outcome: guarded(|| work(&*source.frame()?)) }
}

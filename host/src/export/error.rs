//! What can stop an export, in words that say what to do about it.

use std::path::PathBuf;

use crate::onnx::OnnxError;

/// Why a network was not written, or what was written is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The network cannot be written as an ONNX file.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// No file stands where ONNX Runtime's library was said to be.
    #[error("no ONNX Runtime library at {}; run scripts/onnxruntime and pass the path it prints as --onnxruntime", .0.display())]
    NoLibrary(PathBuf),
    /// The library is of a version that was not tried, or of no version at all.
    #[error(
        "{} {what}, and this program was tried with 1.{oldest} to 1.{newest}; run scripts/onnxruntime and pass the path it prints as --onnxruntime",
        path.display()
    )]
    RuntimeVersion {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: String,
        /// The oldest minor version that was tried.
        oldest: u32,
        /// The newest.
        newest: u32,
    },
    /// The library was found and does not work.
    #[error("ONNX Runtime: {0}; scripts/onnxruntime fetches the version this program is tested with")]
    Runtime(String),
    /// Two engines disagree about a picture by more than a rounding error.
    #[error(
        "{engine} gives {found} where {reference} gives {wanted}: output `{output}`, picture {picture}, {difference:.1e} apart, at most {tolerance:.1e} expected; \
         export another checkpoint with --checkpoint, or report this with the run"
    )]
    Disagreement {
        /// The engine that differs.
        engine: String,
        /// The engine it was compared with.
        reference: String,
        /// The output's name.
        output: String,
        /// The picture's place in the list, from 0.
        picture: usize,
        /// The number it gave.
        found: f32,
        /// The number the reference gave.
        wanted: f32,
        /// How far apart they are.
        difference: f64,
        /// How far apart they may be.
        tolerance: f64,
    },
    /// Two engines do not even give the same outputs.
    #[error(
        "{engine} gives {found}, {reference} gives {wanted}; the engines were not run on the same model and pictures"
    )]
    Outputs {
        /// The engine that differs.
        engine: String,
        /// The engine it was compared with.
        reference: String,
        /// Names and lengths it gave.
        found: String,
        /// Names and lengths the reference gave.
        wanted: String,
    },
    /// Two engines come to different verdicts about one picture.
    #[error(
        "{engine} calls picture {picture} {found} where {reference} calls it {wanted}; calibrate on more genuine pictures, or export a later checkpoint"
    )]
    Verdict {
        /// The engine that differs.
        engine: String,
        /// The engine it was compared with.
        reference: String,
        /// The picture's place in the list, from 0.
        picture: usize,
        /// Its verdict.
        found: String,
        /// The reference's verdict.
        wanted: String,
    },
}

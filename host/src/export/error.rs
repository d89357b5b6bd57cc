//! Errors of an export, with messages that name the remedy.

use std::path::PathBuf;

use crate::onnx::OnnxError;

/// Why a network was not exported, or why the exported file is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The network cannot be written as an ONNX file.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// There is no file at the given path of ONNX Runtime's library.
    #[error("no ONNX Runtime library at {}; run scripts/onnxruntime and pass the path it prints as --onnxruntime", .0.display())]
    NoLibrary(PathBuf),
    /// The library is of an untested version of ONNX Runtime, or is no ONNX Runtime.
    #[error(
        "{} {what}, and this program was tried with 1.{oldest} to 1.{newest}; run scripts/onnxruntime and pass the path it prints as --onnxruntime",
        path.display()
    )]
    RuntimeVersion {
        /// The file.
        path: PathBuf,
        /// What the file is, in words.
        what: String,
        /// The oldest minor version that was tested.
        oldest: u32,
        /// The newest minor version that was tested.
        newest: u32,
    },
    /// The library was found but does not work.
    #[error("ONNX Runtime: {0}; scripts/onnxruntime fetches the version this program is tested with")]
    Runtime(String),
    /// The outputs of two engines differ by more than the tolerance.
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
        /// Index of the row in the batch, from 0: the picture, or the region where a picture has several.
        picture: usize,
        /// The number that the engine gave.
        found: f32,
        /// The number that the reference gave.
        wanted: f32,
        /// Absolute difference of the two numbers.
        difference: f64,
        /// Largest difference that is allowed.
        tolerance: f64,
    },
    /// Two engines give outputs of different names or shapes.
    #[error(
        "{engine} gives {found}, {reference} gives {wanted}; the engines were not run on the same model and pictures"
    )]
    Outputs {
        /// The engine that differs.
        engine: String,
        /// The engine it was compared with.
        reference: String,
        /// Names and shapes of the engine's outputs.
        found: String,
        /// Names and shapes of the reference's outputs.
        wanted: String,
    },
    /// Two engines give different verdicts on one picture.
    #[error(
        "{engine} calls picture {picture} {found} where {reference} calls it {wanted}; calibrate on more genuine pictures, or export a later checkpoint"
    )]
    Verdict {
        /// The engine that differs.
        engine: String,
        /// The engine it was compared with.
        reference: String,
        /// Index of the picture in the list, from 0.
        picture: usize,
        /// The engine's verdict.
        found: String,
        /// The reference's verdict.
        wanted: String,
    },
}

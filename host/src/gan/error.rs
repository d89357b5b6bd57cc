//! Errors of training runs.

use std::io;
use std::path::{Path, PathBuf};

use crate::data::DataError;

/// Why a run cannot start, continue or be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be read from TOML or written as TOML.
    #[error("the training configuration cannot be read: {0}")]
    Toml(String),
    /// A value is out of its range.
    #[error("{key} = {value}: expected {expected}")]
    Value {
        /// The key of the configuration.
        key: &'static str,
        /// The given value.
        value: String,
        /// The range of allowed values.
        expected: &'static str,
    },
    /// The networks cannot make pictures of this size.
    #[error(transparent)]
    Size(#[from] crate::nn::dcgan::SizeError),
    /// The folder already holds a run.
    #[error("{} holds a run already: add --resume to go on with it, or choose another --out", .0.display())]
    Occupied(PathBuf),
    /// The folder holds no checkpoint that can be opened.
    #[error("{} holds no checkpoint that opens: train it first (counterfoil train --out ...); a run saves its first at its end, on Ctrl-C or after checkpoint_every steps", .0.display())]
    NoCheckpoint(PathBuf),
    /// The checkpoint of a step was not saved, or is no longer kept.
    #[error("{} has no checkpoint of step {step}; it has {}", run.display(), if there.is_empty() { "none".to_owned() } else { there.join(", ") })]
    NoSuchStep {
        /// The run folder.
        run: PathBuf,
        /// The requested step.
        step: u64,
        /// Names of the existing checkpoints.
        there: Vec<String>,
    },
    /// A checkpoint cannot be used.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The checkpoint file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A run cannot be resumed, because it was trained with another value of a key.
    #[error("{} was trained with {key} = {was}, not {now}: resume with the same value, or start anew with another --out", run.display())]
    Differs {
        /// The run folder.
        run: PathBuf,
        /// The key of the configuration.
        key: String,
        /// Its value in the run.
        was: String,
        /// Its value now.
        now: String,
    },
    /// A number in training is no longer finite.
    #[error("the GAN stopped being finite at step {step}: lower lr_g and lr_d, or try loss = \"hinge\"; {}", saved(last.as_deref()))]
    NotFinite {
        /// The step in which this happened.
        step: u64,
        /// The last good checkpoint, if there is one.
        last: Option<PathBuf>,
    },
    /// An operation on a file or folder failed.
    #[error("cannot {doing} {}: {source}{}{}", path.display(), remedy(source.kind()), last.as_deref().map_or_else(String::new, |last| format!("; {}", saved(Some(last)))))]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
        /// The last good checkpoint, if there is one.
        last: Option<PathBuf>,
    },
    /// A row of the training data cannot be read.
    #[error("{source}; {}", saved(last.as_deref()))]
    Samples {
        /// The error of the data set.
        source: Box<DataError>,
        /// The last good checkpoint, if there is one.
        last: Option<PathBuf>,
    },
    /// There is no GPU that this program can use.
    #[error(
        "device = cuda cannot be had: {0}; build with `cargo build --release --features cuda` where CUDA's toolkit is, see that nvidia-smi shows a GPU, or train with --device cpu"
    )]
    Cuda(String),
    /// A tensor operation failed: a bug in this program, or not enough memory.
    #[error("the training step failed: {0}")]
    Tensor(#[from] candle_core::Error),
}

impl From<DataError> for Error {
    fn from(source: DataError) -> Self {
        Self::Samples { source: source.into(), last: None }
    }
}

fn saved(last: Option<&Path>) -> String {
    match last {
        Some(path) => format!("the last good checkpoint is {}: go on from it with --resume", path.display()),
        None => "no checkpoint was written yet".to_owned(),
    }
}

fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room on that disk",
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => "; make it writable for this user",
        _ => "",
    }
}

impl Error {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source, last: None }
    }

    /// Adds the last good checkpoint to an error about a file, a number that is not finite, or a row of the
    /// training data.
    pub(super) fn after(self, checkpoint: Option<&Path>) -> Self {
        let last = checkpoint.map(Path::to_owned);
        match self {
            Self::Io { doing, path, source, .. } => Self::Io { doing, path, source, last },
            Self::NotFinite { step, .. } => Self::NotFinite { step, last },
            Self::Samples { source, .. } => Self::Samples { source, last },
            other => other,
        }
    }
}

//! Why a run cannot start, go on or be opened.

use std::io;
use std::path::{Path, PathBuf};

use crate::data::DataError;

/// Why a run cannot start, go on or be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is no TOML of ours.
    #[error("the training configuration cannot be read: {0}")]
    Toml(String),
    /// A value out of its range.
    #[error("{key} = {value}: expected {expected}")]
    Value {
        /// The key of the configuration.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The pictures' size does not suit the net.
    #[error(transparent)]
    Size(#[from] crate::net::dcgan::SizeError),
    /// The folder holds a run already.
    #[error("{} holds a run already: add --resume to go on with it, or choose another --out", .0.display())]
    Occupied(PathBuf),
    /// The folder holds no checkpoint that opens.
    #[error("{} holds no checkpoint that opens: train it first (counterfoil train --out ...); a run saves its first at its end, on Ctrl-C or after checkpoint_every steps", .0.display())]
    NoCheckpoint(PathBuf),
    /// A step that was not saved, or is no longer kept.
    #[error("{} has no checkpoint of step {step}; it has {}", run.display(), if there.is_empty() { "none".to_owned() } else { there.join(", ") })]
    NoSuchStep {
        /// The run folder.
        run: PathBuf,
        /// The step asked for.
        step: u64,
        /// Names of those there are.
        there: Vec<String>,
    },
    /// A checkpoint that cannot be used.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Resuming under another recipe.
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
    /// The game went out of the numbers.
    #[error("the game stopped being finite at step {step}: lower lr_g and lr_d, or try loss = \"hinge\"; {}", saved(last.as_deref()))]
    NotFinite {
        /// The step at fault.
        step: u64,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// The disk refused.
    #[error("cannot {doing} {}: {source}{}{}", path.display(), remedy(source.kind()), last.as_deref().map_or_else(String::new, |last| format!("; {}", saved(Some(last)))))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// A row of the samples cannot be read.
    #[error("{source}; {}", saved(last.as_deref()))]
    Samples {
        /// What refused.
        source: Box<DataError>,
        /// The last good checkpoint.
        last: Option<PathBuf>,
    },
    /// No GPU.
    #[error(
        "device = cuda cannot be had: {0}; build with `cargo build --release --features cuda` where CUDA's toolkit is, see that nvidia-smi shows a GPU, or train with --device cpu"
    )]
    Cuda(String),
    /// A tensor operation failed: a bug of ours, or no memory.
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

    /// Says which checkpoint is left after a disk refused or the game went out of the numbers.
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

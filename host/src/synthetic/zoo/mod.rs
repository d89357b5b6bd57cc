//! The forger zoo: families of forgeries made from a folder of genuine pictures, in three folds, to train against two
//! folds and be judged on the third.
//!
//! A detector is measured by its results on forgers it has never met. So no family has pictures in two folds, and no
//! genuine picture is the original of forgeries in two folds. A judged family is *kin* when a family of its kind is
//! in another fold, *alien* when there is none. Every fold has both.
//!
//! The pipeline: `family` (the table) -> `drawn` and `learned` (the methods) -> `make` (the split of the pictures,
//! and the files) -> `sheet` (an overview to look at). `picture` is the data type they work on.

mod drawn;
mod family;
mod learned;
mod make;
mod picture;
mod sheet;

use std::io;
use std::path::{Path, PathBuf};

pub use family::{FAMILIES, Family, Kind, chosen};
pub use make::{Plan, make};

use crate::data::DataError;
use crate::gan;

/// Result type of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a zoo cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The genuine pictures cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model of a learned family could not be trained.
    #[error(transparent)]
    Learn(#[from] gan::Error),
    /// The folder holds no IDX file.
    #[error("{} holds no train-images-idx3-ubyte[.gz]; a zoo is made from a folder like MNIST's or Fashion-MNIST's", .0.display())]
    NoIdx(PathBuf),
    /// There are too few genuine pictures.
    #[error(
        "{} holds {pictures} pictures; --judge and --per-family set {aside} of them aside, and as many must be left to train on: \
         lower them, or give more pictures",
        path.display()
    )]
    TooFew {
        /// Path of the IDX file.
        path: PathBuf,
        /// Number of pictures in the file.
        pictures: usize,
        /// Number of pictures to set aside, which are not trained on.
        aside: usize,
    },
    /// There is no family of this name.
    #[error("--families {name}: there is no such family; expected some of {known}, separated by commas")]
    Unknown {
        /// The requested name.
        name: String,
        /// The names of all families, separated by commas.
        known: String,
    },
    /// The output folder is already in use.
    #[error(transparent)]
    Taken(#[from] counterfoil_models::Error),
    /// The operating system refused access to a file or folder.
    #[error("cannot {doing} {}: {source}; check that there is room and that you may", path.display())]
    Io {
        /// The operation, as in "cannot ... PATH".
        doing: &'static str,
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// Makes the closure that `map_err` needs after a file operation.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

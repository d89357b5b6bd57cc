//! The forger zoo: a folder of genuine pictures goes in, families of forgeries leave, in three folds, to train against two and be judged on the
//! third.
//!
//! What a detector is worth shows on forgers it has never met. So families are whole: no family has pictures in two folds, and no
//! genuine picture is the original of forgeries in two. A judged family is *kin* when a family of its kind stands in another fold,
//! *alien* when none does; every fold has both.
//!
//! The way of a zoo: `family` (the table) -> `drawn` (forgers with pens and scissors), `learned` (those who train) -> `make` (who may copy what, and the files) ->
//! `sheet` (what a person looks at). `picture` is what they work on.

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

/// Shorthand for results of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a zoo cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The genuine pictures cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A forger could not learn.
    #[error(transparent)]
    Learn(#[from] gan::Error),
    /// There is no IDX file.
    #[error("{} holds no train-images-idx3-ubyte[.gz]; a zoo is made from a folder like MNIST's or Fashion-MNIST's", .0.display())]
    NoIdx(PathBuf),
    /// Too little to set aside.
    #[error(
        "{} holds {pictures} pictures; --judge and --per-family set {aside} of them aside, and as many must be left to train on: \
         lower them, or give more pictures",
        path.display()
    )]
    TooFew {
        /// The IDX file.
        path: PathBuf,
        /// Pictures in it.
        pictures: usize,
        /// Pictures not to be trained on.
        aside: usize,
    },
    /// No such family.
    #[error("--families {name}: there is no such family; expected some of {known}, separated by commas")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Something stands where the zoo should.
    #[error(transparent)]
    Taken(#[from] counterfoil_models::Error),
    /// The operating system refused a file or folder.
    #[error("cannot {doing} {}: {source}; check that there is room and that you may", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own word.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on an operation with a file.
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

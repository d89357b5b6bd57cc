//! Every error of this crate, each with what was found, what was expected and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between a file and a verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An operation on a file or folder failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done: "read", "write", ...
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// The bytes are not a picture that can be judged.
    #[error("{0}")]
    Picture(String),

    /// The article is to be outlined, but was not found.
    #[error("no article was found: {0}")]
    NotFound(#[from] NotFound),

    /// A preprocessing, joining or calibration setting is invalid.
    #[error("{field} is {found}; expected {expected}")]
    Setting {
        /// The setting's name, as in the manifest.
        field: &'static str,
        /// The value that was found.
        found: String,
        /// The values that are allowed.
        expected: &'static str,
    },

    /// A network gave NaN or infinity.
    #[error(
        "the network gave a score of {0}, which is no number to judge by; its weights are damaged: export or install the bundle again"
    )]
    NotFinite(f32),

    /// A network gave another number of rows than the picture has regions.
    #[error(
        "the network gave {found} scores for a picture of {expected} regions; the bundle's network and manifest do not belong together: export it again"
    )]
    RowCount {
        /// Number of rows that the network gave.
        found: usize,
        /// Number of regions in the manifest.
        expected: usize,
    },

    /// There are too few genuine pictures for the false-alarm rate asked for.
    #[error(
        "a false-alarm rate of {alpha} needs at least {needed} held-out genuine pictures, and there are {found}; {remedy}"
    )]
    TooFewForAlpha {
        /// The false-alarm rate asked for.
        alpha: f64,
        /// Number of pictures that this rate needs.
        needed: usize,
        /// Number of pictures that there are.
        found: usize,
        /// What to do about it.
        remedy: String,
    },

    /// A folder is not a complete bundle.
    #[error("{}: {what}; {remedy}", bundle.display())]
    Bundle {
        /// The bundle's folder.
        bundle: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The pictures cannot be one item's references, or not with this network.
    #[error("the references cannot be used: {0}")]
    References(String),

    /// The bundle judges in general only: it holds no enrolment.
    #[error("this bundle cannot enrol: {because}")]
    NoEnrolment {
        /// What its training lacked, and what to do.
        because: String,
    },

    /// What a box learned on site is missing or invalid.
    #[error("{}: {what}; {remedy}", path.display())]
    Overlay {
        /// The file or the state folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// Something exists already where a file or a bundle is to be written.
    #[error("{} exists already; choose another place, or replace it with --force", .0.display())]
    Exists(PathBuf),

    /// A folder that is to be filled holds something else.
    #[error(
        "{} is not empty ({} is in it), and what is there would be mixed up with what is to be written; choose a new or empty folder",
        folder.display(), found.display()
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// The name of something in it.
        found: PathBuf,
    },

    /// Another process writes into the same folder.
    #[error("{} is in use by another process of this program; wait for it, or end it", .0.display())]
    Claimed(PathBuf),
}

/// Why no outline was found. The message tells the user what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// Nothing in the frame has edges that stand out from the table's own.
    #[error(
        "nothing stands out from the background; lay the article on a plain surface that is lighter or darker than its rim"
    )]
    NothingStandsOut,
    /// The outline runs out of the frame.
    #[error("the article is cut off by the edge of the picture; move it to the middle, or move back")]
    CutOff,
    /// The outline covers less than 8 % of the frame.
    #[error("the article is too small in the picture; move closer, until it fills at least a tenth of it")]
    TooSmall,
    /// The edges are not four straight sides, or the sides are visible only in part.
    #[error(
        "no four straight sides are to be seen all along; lay the article flat and apart from other things, and keep fingers off its corners"
    )]
    NotFourSided,
}

impl Error {
    /// Returns a function that makes an [`Error::Io`] from a system error, for use in `map_err`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}

//! From pictures on disk to the training rows of a network and the held-out planes for its calibration.
//!
//! `Dataset` (list of pictures) -> `decode` (rows, once) -> `Split` (train and held out) -> `Samples` (bytes for the
//! network).

mod dataset;
mod decode;
mod duplicates;
mod fold;
mod idx;
mod input_rule;
mod inspect;
mod known;
mod layout;
mod names;
mod preview;
mod rows;
mod samples;
mod series;
mod sheet;
mod simple_statistics;
mod split;
mod training_set;
mod traits;
mod understood;
mod zoo_index;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use dataset::{Dataset, Item, Settings, sides};
pub(crate) use decode::{Decoded, append_shots, decode};
pub use duplicates::{Fingerprint, NearDuplicate, near_duplicates};
pub(crate) use duplicates::{is_same, twins_across};
pub use fold::Fold;
pub use idx::Idx;
pub(crate) use input_rule::own_color;
pub use input_rule::{DefaultSize, InputDefaults, InputRule, ResolvedInput};
pub use inspect::{Inspection, LEAK, inspect};
pub use known::Known;
pub use layout::{LayoutError, Side};
pub use names::Part;
pub use preview::{Placement, Preview, spread};
pub(crate) use rows::Rows;
pub use rows::StorageLimits;
pub use samples::{Samples, SamplesError, pool};
pub(crate) use series::series;
pub use sheet::{MOST as SHEET_PICTURES, sheet};
pub use simple_statistics::simple_statistics;
pub use split::{HELD_OUT, Split};
pub use training_set::TrainingSet;
pub use traits::Traits;
pub(crate) use traits::differing;
pub use understood::{LayoutReport, SkippedPictures, unread};
pub use zoo_index::{ZooFamily, ZooIndex};

/// Result with [`DataError`] as the default error.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// Errors of reading a data set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system could not open, read or write a file or folder.
    #[error("cannot {doing} {}: {source}; check that the path is right and that you may read it", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not a valid IDX file of pictures.
    #[error("{} is no IDX file of pictures: {what}; give a folder of PNG or JPEG files, or MNIST's train-images-idx3-ubyte", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A path holds no picture.
    #[error("{} holds no picture; expected PNG or JPEG files, a folder real/ with them, or MNIST's train-images-idx3-ubyte[.gz]", .0.display())]
    Empty(PathBuf),
    /// It is ambiguous which pictures of a folder are genuine.
    #[error(
        "{}: {doubt}. Call the folders real/ and fake/, or give the folder of the pictures that are meant, or state it in {}: \
         genuine = [\"FOLDER\"] and fake = [\"FOLDER\"] (\".\" is the folder itself)",
        path.display(), path.join("dataset.toml").display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why it is ambiguous.
        doubt: LayoutError,
    },
    /// A path holds pictures, but none of the requested side.
    #[error("{} holds no {what}; {passed}", path.display())]
    Side {
        /// The folder.
        path: PathBuf,
        /// The pictures that are missing, in words.
        what: &'static str,
        /// What was skipped instead, in words.
        passed: String,
    },
    /// None of the pictures can be read, or the article is found in none.
    #[error("none of the genuine pictures in {} can be learned from: {reasons}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The first few pictures, each with its reason.
        reasons: String,
    },
    /// The same picture is given as genuine and as counterfeit.
    #[error("the same picture is given as genuine and as counterfeit: {genuine} and {fake}; remove it from one of the two{}", more(*found))]
    BothSides {
        /// Number of such pictures.
        found: usize,
        /// The first such genuine picture.
        genuine: String,
        /// The counterfeit that equals it.
        fake: String,
    },
    /// A `dataset.toml` does not parse.
    #[error("{}: {what}; known keys are color, size, resize, article, regions, group, genuine and fake", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        what: String,
    },
    /// A `zoo.toml` does not parse, or does not fit its folder.
    #[error("{}: {what}; `counterfoil dataset zoo` makes one", path.display())]
    Zoo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A `--group` pattern is not a regular expression, or does not match a file name.
    #[error("--group {pattern:?}: {what}")]
    Group {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        what: String,
    },
    /// There are too few groups to split.
    #[error(
        "there are {pictures} genuine pictures in {groups} groups, and at least 4 groups are needed to hold some out; add pictures, or make --group finer"
    )]
    TooFew {
        /// Number of genuine pictures.
        pictures: usize,
        /// Number of groups of genuine pictures.
        groups: usize,
    },
    /// The same picture is on both sides of the split.
    #[error(
        "{found} held-out pictures are near-duplicates of training pictures, so a calibration on them would flatter; for one, {held_out} and {train}. Remove the copies, or name what belongs together with --group"
    )]
    NearDuplicates {
        /// Number of such held-out pictures.
        found: usize,
        /// A held-out picture.
        held_out: String,
        /// Its near-duplicate in the training set.
        train: String,
    },
    /// The temporary file of prepared rows cannot be made, written or read.
    #[error(
        "cannot {doing} the temporary file of prepared pictures in {}: {source}; it holds every picture at the size of the network's input: make room there, or put --out on another disk",
        folder.display()
    )]
    Spill {
        /// The operation that failed.
        doing: &'static str,
        /// The folder of the temporary file, which has no name itself.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The listing of a folder found that a file cannot be read as a picture.
    #[error("{name}: {source}")]
    Refused {
        /// The file.
        name: String,
        /// Why it cannot be read.
        source: Arc<counterfoil_edge::Error>,
    },
    /// A picture could not be read or decoded.
    #[error("{name}: {source}")]
    Picture {
        /// The picture's file, or its name in an IDX file.
        name: String,
        /// The error of the reader or the decoder.
        source: counterfoil_edge::Error,
    },
}

impl DataError {
    /// [`DataError::Unreadable`] with the first few of the reasons.
    pub(crate) fn unreadable(path: &Path, reasons: &[String]) -> Self {
        let reasons = reasons.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; ");
        Self::Unreadable { path: path.to_path_buf(), reasons }
    }
}

fn more(found: usize) -> String {
    if found > 1 { format!(", and so with {} more", found - 1) } else { String::new() }
}

/// Separates results into values and error texts, so that one unreadable picture does not stop the others.
pub(crate) fn partition_results<T, E: ToString>(read: Vec<Result<T, E>>) -> (Vec<T>, Vec<String>) {
    let mut whole = Vec::with_capacity(read.len());
    let mut broken = Vec::new();
    for one in read {
        match one {
            Ok(one) => whole.push(one),
            Err(reason) => broken.push(reason.to_string()),
        }
    }
    (whole, broken)
}

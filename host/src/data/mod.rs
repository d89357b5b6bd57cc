//! Pictures on disk become the rows a network learns from and the held-out planes it is calibrated on.
//!
//! `Dataset` (what there is) -> `decode` (rows, once) -> `Split` (who may see what) -> `Samples` (bytes for the network).

mod cues;
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
mod rows;
mod samples;
mod split;
mod training_set;
mod traits;
mod understood;
mod zoo_index;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

pub use cues::cues;
pub use dataset::{Dataset, Item, Settings, sides};
pub(crate) use decode::{Decoded, decode};
pub use duplicates::{Fingerprint, NearDuplicate, near_duplicates};
pub(crate) use duplicates::{is_same, twins_across};
pub use fold::Fold;
pub use idx::Idx;
pub use input_rule::{DefaultSize, InputDefaults, InputRule};
pub(crate) use input_rule::{own_color, usual};
pub use inspect::{Inspection, LEAK, inspect};
pub use known::Known;
pub use layout::{Doubt, Side};
pub use names::Part;
pub use rows::Room;
pub(crate) use rows::Rows;
pub use samples::{Samples, SamplesError};
pub use split::{HELD_OUT, Split};
pub use training_set::TrainingSet;
pub use traits::Traits;
pub(crate) use traits::differing;
pub use understood::{Left, Understood, unread};
pub use zoo_index::{ZooFamily, ZooIndex};

/// Shorthand for results of this module.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

/// What can be wrong with a folder of pictures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The operating system refused a file or folder.
    #[error("cannot {doing} {}: {source}; check that the path is right and that you may read it", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own word.
        source: io::Error,
    },
    /// Not an IDX file after all.
    #[error("{} is no IDX file of pictures: {what}; give a folder of PNG or JPEG files, or MNIST's train-images-idx3-ubyte", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Nothing to learn from.
    #[error("{} holds no picture; expected PNG or JPEG files, a folder real/ with them, or MNIST's train-images-idx3-ubyte[.gz]", .0.display())]
    Empty(PathBuf),
    /// A folder of which it is in doubt what is genuine.
    #[error(
        "{}: {doubt}. Call the folders real/ and fake/, or give the folder of the pictures that are meant, or state it in {}: \
         genuine = [\"FOLDER\"] and fake = [\"FOLDER\"] (\".\" is the folder itself)",
        path.display(), path.join("dataset.toml").display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is in doubt.
        doubt: Doubt,
    },
    /// Pictures, but none of the side that is asked for.
    #[error("{} holds no {what}; {passed}", path.display())]
    Side {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        what: &'static str,
        /// What it holds instead.
        passed: String,
    },
    /// None of the pictures can be read.
    #[error("none of the genuine pictures in {} can be read: {reasons}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// The first few, each with its reason.
        reasons: String,
    },
    /// One picture as genuine and as counterfeit.
    #[error("the same picture is given as genuine and as counterfeit: {genuine} and {fake}; remove it from one of the two{}", more(*found))]
    BothSides {
        /// How many are.
        found: usize,
        /// The genuine picture.
        genuine: String,
        /// The counterfeit.
        fake: String,
    },
    /// A `dataset.toml` that does not parse.
    #[error("{}: {what}; known keys are color, size, resize, article, regions, group, genuine and fake", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// The parser's word.
        what: String,
    },
    /// A `zoo.toml` that does not parse, or does not fit its folder.
    #[error("{}: {what}; `counterfoil dataset zoo` makes one", path.display())]
    Zoo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A pattern that is no regular expression, or one that does not match.
    #[error("--group {pattern:?}: {what}")]
    Group {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        what: String,
    },
    /// Too little to split.
    #[error(
        "there are {pictures} genuine pictures in {groups} groups, and at least 4 groups are needed to hold some out; add pictures, or make --group finer"
    )]
    TooFew {
        /// Genuine pictures.
        pictures: usize,
        /// Groups they fall in.
        groups: usize,
    },
    /// The same picture on both sides of the split.
    #[error(
        "{found} held-out pictures are near-duplicates of training pictures, so a calibration on them would flatter; for one, {held_out} and {train}. Remove the copies, or name what belongs together with --group"
    )]
    NearDuplicates {
        /// How many.
        found: usize,
        /// A held-out picture.
        held_out: String,
        /// Its twin in the training.
        train: String,
    },
    /// No room for the prepared rows, or a disk that lost them.
    #[error(
        "cannot {doing} the temporary file of prepared pictures in {}: {source}; it holds every picture at the size of the network's input: make room there, or put --out on another disk",
        folder.display()
    )]
    Spill {
        /// What was being done.
        doing: &'static str,
        /// The folder the file lies in; it has no name.
        folder: PathBuf,
        /// The system's own word.
        source: io::Error,
    },
    /// A file that is no picture that is read.
    #[error("{name}: {source}")]
    Refused {
        /// The file.
        name: String,
        /// Why it is not read.
        source: Arc<counterfoil_edge::Error>,
    },
    /// One picture could not be read.
    #[error("{name}: {source}")]
    Picture {
        /// The picture's file, or its place in an IDX file.
        name: String,
        /// What is wrong with it.
        source: counterfoil_edge::Error,
    },
}

fn more(found: usize) -> String {
    if found > 1 { format!(", and so with {} more", found - 1) } else { String::new() }
}

/// What could be read, and for the rest the reasons why not: one bad picture never stops the others.
pub(crate) fn parted<T, E: ToString>(read: Vec<Result<T, E>>) -> (Vec<T>, Vec<String>) {
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

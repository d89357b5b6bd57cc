//! Every way the box can fail, each with what was found and what to do.

use std::io;
use std::path::PathBuf;

use crate::inference::EngineError;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between a path on a command line and a light.
///
/// What concerns one picture does not name it: whoever asked knows which it was, and prints the name beside it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The contract was broken: a damaged bundle, a picture that cannot be judged, a score that is no number.
    #[error(transparent)]
    Contract(#[from] counterfoil_models::Error),

    /// The network cannot be loaded or run.
    #[error("{}: {source}", model.display())]
    Engine {
        /// The network's file.
        model: PathBuf,
        /// What the engine says.
        source: EngineError,
    },

    /// The golden pictures did not give what they gave when the bundle was made.
    #[error("{}: the self test failed: {what}; copy the bundle again, or export it again", bundle.display())]
    SelfTest {
        /// The bundle's folder.
        bundle: PathBuf,
        /// What moved.
        what: String,
    },

    /// A picture's file cannot be read.
    #[error("{}", unreadable(.0))]
    Unreadable(#[source] io::Error),

    /// A result cannot be written.
    #[error("{} cannot be written ({source}); check that its folder exists, may be written to and has room", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The system's own word.
        source: io::Error,
    },

    /// A folder cannot be listed.
    #[error("the folder cannot be listed ({0}); check that it exists and that you may read it")]
    Unlisted(#[source] io::Error),

    /// A link in a folder leads nowhere.
    #[error("the link leads to nothing that can be read ({0}); mount the disk it leads to, or remove the link")]
    BrokenLink(#[source] io::Error),

    /// A folder holds nothing to judge.
    #[error(
        "the folder holds no pictures; expected PNG, JPEG, WebP, TIFF, BMP or GIF files in it or below it, whatever their names"
    )]
    NoPictures,

    /// A decoder or the engine panicked over one picture.
    #[error("the picture brought this program into a state it should not know; please report it, with the picture")]
    Panicked,

    /// An exhibit of a face-off cannot be shown to anyone.
    #[error("exhibit {}: {source}; a face-off needs every exhibit whole: replace or remove it", path.display())]
    Exhibit {
        /// The exhibit's file.
        path: PathBuf,
        /// Why not.
        source: Box<Error>,
    },

    /// The randomness that a face-off's seal or a token needs cannot be had.
    #[error("/dev/urandom gives no random bytes ({0}); check that /dev is mounted")]
    Unsealed(#[source] io::Error),

    /// Whoever watches a face-off cannot be told about it.
    #[error("the game cannot be shown: {0}; free the disk or the terminal it is written to")]
    Audience(#[source] io::Error),

    /// What a state folder holds cannot be used.
    #[error("{} {what}; {remedy}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// A bundle that is not signed as this box wants it.
    #[error("{}: {what}; sign it with `counterfoil key sign`, or install the public key of whoever signed it", bundle.display())]
    Untrusted {
        /// The bundle's folder.
        bundle: PathBuf,
        /// What its signature lacks.
        what: String,
    },

    /// A bundle that is older than one of its name that is installed.
    #[error(
        "{name} number {found} is older than number {installed}, which is installed; `--older` installs it all the same"
    )]
    Older {
        /// The bundle's name.
        name: String,
        /// Its counter.
        found: u64,
        /// The newest that is installed.
        installed: u64,
    },

    /// A configuration file that cannot be used.
    #[error("{}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The line, what was found and what was expected.
        what: String,
    },

    /// The box cannot be on the network.
    #[error("{what}; {remedy}")]
    Network {
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// There is no model of that description.
    #[error("{0}")]
    NoModel(String),

    /// The pins of lights and button cannot be had.
    #[error("lights by {board}: {what}; {remedy}")]
    Board {
        /// How they were to be had: "rpi" or "gpiochip".
        board: &'static str,
        /// What is missing.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl Error {
    /// Whether the network failed, rather than the picture.
    #[must_use]
    pub fn is_the_networks(&self) -> bool {
        use counterfoil_models::Error as Contract;
        matches!(
            self,
            Self::Engine { .. } | Self::Panicked | Self::Contract(Contract::NotFinite(_) | Contract::RowCount { .. })
        )
    }
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; it was moved or removed, or its name is mistyped".into(),
        io::ErrorKind::PermissionDenied => "you may not read the file; change its permissions or its owner".into(),
        _ => format!("the file cannot be read ({error}); check the disk or card it is on"),
    }
}

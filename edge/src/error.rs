//! Every way in which the box can fail. Each message says what was found and what to do.

use std::io;
use std::path::PathBuf;

use crate::inference::EngineError;

/// A result of this crate, with [`Error`] as the default error type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every error of this crate.
///
/// An error about one picture does not name the picture: the caller knows it, and prints the name beside the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rule of the models crate is broken: a damaged bundle, a picture that cannot be judged, a score
    /// that is not a finite number.
    #[error(transparent)]
    Contract(#[from] counterfoil_models::Error),

    /// The neural network cannot be loaded or run.
    #[error("{}: {source}", model.display())]
    Engine {
        /// The file of the neural network.
        model: PathBuf,
        /// The error of the inference engine.
        source: EngineError,
    },

    /// The scores of the golden pictures differ from those recorded when the bundle was made.
    #[error("{}: the self test failed: {what}; copy the bundle again, or export it again", bundle.display())]
    SelfTest {
        /// The folder of the bundle.
        bundle: PathBuf,
        /// What differs or is missing.
        what: String,
    },

    /// The file of a picture cannot be read.
    #[error("{}", unreadable(.0))]
    Unreadable(#[source] io::Error),

    /// A result cannot be written.
    #[error("{} cannot be written ({source}); check that its folder exists, may be written to and has room", path.display())]
    Unwritten {
        /// The file that was to be written.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// A folder cannot be listed.
    #[error("the folder cannot be listed ({0}); check that it exists and that you may read it")]
    Unlisted(#[source] io::Error),

    /// A link in a folder points to nothing that can be read.
    #[error("the link leads to nothing that can be read ({0}); mount the disk it leads to, or remove the link")]
    BrokenLink(#[source] io::Error),

    /// A folder holds no pictures.
    #[error(
        "the folder holds no pictures; expected PNG, JPEG, WebP, TIFF, BMP or GIF files in it or below it, whatever their names"
    )]
    NoPictures,

    /// A decoder or the inference engine panicked on one picture.
    #[error("the picture brought this program into a state it should not know; please report it, with the picture")]
    Panicked,

    /// An exhibit of a face-off cannot be shown.
    #[error("exhibit {}: {source}; a face-off needs every exhibit whole: replace or remove it", path.display())]
    Exhibit {
        /// The file of the exhibit.
        path: PathBuf,
        /// Why it cannot be shown.
        source: Box<Error>,
    },

    /// `/dev/urandom` gives no random bytes, which the seal of a face-off or a token needs.
    #[error("/dev/urandom gives no random bytes ({0}); check that /dev is mounted")]
    Unsealed(#[source] io::Error),

    /// The name of a visitor is not allowed.
    #[error(transparent)]
    Visitor(counterfoil_models::naming::NameError),

    /// The output of a face-off cannot be written.
    #[error("the game cannot be shown: {0}; free the disk or the terminal it is written to")]
    Audience(#[source] io::Error),

    /// A file in the state folder cannot be used.
    #[error("{} {what}; {remedy}", path.display())]
    State {
        /// The file that cannot be used.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// A bundle has no signature that this box accepts.
    #[error("{}: {what}; sign it with `counterfoil key sign`, or install the public key of the person who signed it", bundle.display())]
    Untrusted {
        /// The folder of the bundle.
        bundle: PathBuf,
        /// What is missing or wrong in its signature.
        what: String,
    },

    /// A bundle did not open in a child process with limits.
    #[error("{0}")]
    Trial(String),

    /// A bundle is older than the installed bundle of the same name.
    #[error(
        "{name} number {found} is older than number {installed}, which is installed; `--older` installs it all the same"
    )]
    Older {
        /// The name of the bundle.
        name: String,
        /// The counter of the bundle that was to be installed.
        found: u64,
        /// The highest counter that is installed.
        installed: u64,
    },

    /// A configuration file cannot be used.
    #[error("{}: {what}", path.display())]
    Config {
        /// The configuration file.
        path: PathBuf,
        /// The line, what was found there and what was expected.
        what: String,
    },

    /// A network service (listener, mDNS, MQTT, TLS) cannot be used.
    #[error("{what}; {remedy}")]
    Network {
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// No model matches the description.
    #[error("{0}")]
    NoModel(String),

    /// The pins of the lights and the button cannot be used.
    #[error("lights by {board}: {what}; {remedy}")]
    Board {
        /// The kind of access that was tried: "rpi" or "gpiochip".
        board: &'static str,
        /// What is missing.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

impl Error {
    /// Whether the neural network failed, and not the picture.
    #[must_use]
    pub fn is_model_failure(&self) -> bool {
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

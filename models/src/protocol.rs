//! The protocol between a box and its clients over HTTPS, version 1: JSON in and out, pictures as the bytes of their
//! files.
//!
//! | request | needs a token | body | answer |
//! |---|---|---|---|
//! | `POST /v1/detect` | yes | a picture's bytes | [`DetectResponse`] |
//! | `POST /v1/look` | yes | - | [`CameraStatement`], of the box's own camera |
//! | `POST /v1/genuine` | yes | - | the same, of a piece that a person knows to be genuine; it answers [`Drift::Rejections`] |
//! | `POST /v1/leave` | yes | - | [`Left`]: the game that the header names is over |
//! | `PUT /v1/bundle` | yes | a tar of a signed bundle | [`Installed`] |
//! | `GET /v1/status` | no | - | [`Status`] |
//! | `GET /v1/events` | no | - | server-sent events, each a [`CameraStatement`] |
//! | `GET /v1/picture.jpg` | no | - | the camera's present picture |
//! | `GET /metrics` | no | - | metrics in Prometheus's text format |
//! | `POST /v1/pair/begin`, `exchange`, `confirm` | no | [`crate::pairing`] | a token |
//!
//! A box can be set to require a token for the `GET` requests too. A request that fails is answered with an error
//! status and a [`Refusal`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Verdict;

/// Default port of a box.
pub const PORT: u16 = 7443;
/// Host name in the certificate of every box. A box accepts it in the header `Host`, whatever its own name is.
pub const CERTIFIED: &str = "counterfoil";
/// Service type under which a box is announced on a local network (RFC 6763).
pub const SERVICE: &str = "_counterfoil._tcp.local.";
/// Header that names the game a request belongs to. During a game, a box judges for no other game.
pub const GAME: &str = "counterfoil-game";
/// Number of seconds without a request after which a game is over.
pub const GAME_IDLE_SECONDS: u64 = 60;

/// A box's answer to a picture that it was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectResponse {
    /// The verdict at the box's own calibrated threshold.
    pub verdict: Verdict,
    /// Share of genuine pictures that score as low or lower, 0..1.
    pub p_value: f64,
    /// The score; higher is more genuine.
    pub score: f32,
    /// Time that judging took, in seconds by the box's clock.
    pub seconds: f64,
    /// Fingerprint of the model that judged.
    pub model: String,
}

/// A box's statement about what is in front of its camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CameraStatement {
    /// The statement: `genuine`, `unsure`, `counterfeit`, `nothing` or `unjudged`; `fault` while there is no camera.
    pub said: String,
    /// Share of genuine pictures that score as low or lower, 0..1, when there is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The score, when there is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Why there is no verdict, when a reason is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// SHA-256, in hex, of the picture that the statement rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// File name of that picture, when it came from a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl CameraStatement {
    /// The verdict, when there is one.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.said.as_str() {
            "genuine" => Some(Verdict::Genuine),
            "unsure" => Some(Verdict::Unsure),
            "counterfeit" => Some(Verdict::Counterfeit),
            _ => None,
        }
    }
}

/// The state of a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Name of the box.
    pub name: String,
    /// Version of the box's program.
    pub version: String,
    /// The model that judges.
    pub model: Model,
    /// Source of its pictures; `none` when it has no camera.
    pub source: String,
    /// The camera's fault, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Its last statement about what is in front of its camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<CameraStatement>,
    /// Number of frames that it has judged.
    pub frames: u64,
    /// Mean processing time of a frame that showed something, in milliseconds.
    pub frame_ms: f64,
    /// Number of pictures that it has judged for clients.
    pub judged: u64,
    /// Number of seconds since it was started.
    pub uptime: u64,
    /// The p-values at which its verdicts change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
    /// Why it doubts its own verdicts, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
}

/// Why a box doubts its own verdicts. Times are milliseconds since 1970 by the clock of the box, which may not be
/// set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Drift {
    /// The genuine ones look different: light, camera or article has changed. The p-values no longer hold.
    Changed {
        /// When the change began, as far as the scores tell.
        since_ms: u64,
    },
    /// So many were called counterfeit that either they are, or light, camera or article has changed. The scores alone
    /// cannot tell which; a piece that a person knows to be genuine can.
    Rejections {
        /// When the first of them was judged.
        since_ms: u64,
        /// Number of exhibits called counterfeit among the last `of`.
        counterfeit: usize,
        /// Number of exhibits that are counted.
        of: usize,
    },
}

impl Drift {
    /// When it began.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        match self {
            Self::Changed { since_ms } | Self::Rejections { since_ms, .. } => *since_ms,
        }
    }

    /// The time of day when it began, in UTC: `17:40 UTC`.
    #[must_use]
    pub fn time(&self) -> String {
        let minutes = self.since_ms() / 60_000;
        format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time();
        match self {
            Self::Changed { .. } => write!(
                f,
                "the genuine ones look different since {time}: light, camera or article has changed; calibrate with \
                 `counterfoil-edge calibrate`"
            ),
            Self::Rejections { counterfeit, of, .. } => write!(
                f,
                "{counterfeit} of the last {of} were called counterfeit, since {time}: either they are, or light, camera or \
                 article has changed; lay down a piece that you know is genuine and hold the button for two seconds"
            ),
        }
    }
}

/// The p-values at which verdicts change. Each bound itself belongs to the verdict below it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The false-alarm rate: up to this p-value a picture is counterfeit.
    pub counterfeit: f64,
    /// Up to this p-value a picture is unsure, and genuine above.
    pub unsure: f64,
}

/// A model, identified by its bundle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Name of the bundle.
    pub name: String,
    /// Counter of the bundle, which grows with every bundle of that name.
    pub counter: u64,
    /// Fingerprint of the bundle: SHA-256 of its manifest, in hex.
    pub id: String,
}

/// The answer to a bundle that was installed and runs from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// The installed model.
    pub model: Model,
}

/// The answer to `POST /v1/leave`: the game is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {}

/// Why a request was refused, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The message.
    pub error: String,
}

/// A request to show a code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Name of the visitor; the token is listed under it.
    pub name: String,
}

/// The answer when a code is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Identifier of the code.
    pub id: String,
    /// Number of seconds for which the code is shown.
    pub seconds: u64,
    /// Name of the box.
    pub name: String,
}

/// One side's message of the key exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Identifier of the code.
    pub id: String,
    /// The message of [`crate::pairing::Side::start`].
    pub message: String,
}

/// One side's proof that it knows the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirm {
    /// Identifier of the code.
    pub id: String,
    /// The proof of [`crate::pairing::Agreed::proof`].
    pub proof: String,
}

/// The box's own proof, and the visitor's token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// The box's proof, from [`crate::pairing::Agreed::proof`].
    pub proof: String,
    /// The token, for the header `Authorization: Bearer`.
    pub token: String,
}

//! What a box and whoever speaks to it say to each other over HTTPS, version 1: JSON in and out, pictures as the bytes of their files.
//!
//! | request | needs a token | body | answer |
//! |---|---|---|---|
//! | `POST /v1/detect` | yes | a picture's bytes | [`Judged`] |
//! | `POST /v1/look` | yes | - | [`Seen`], of the box's own camera |
//! | `POST /v1/leave` | yes | - | [`Left`]: the game that the header names is over |
//! | `PUT /v1/bundle` | yes | a tar of a signed bundle | [`Installed`] |
//! | `GET /v1/status` | no | - | [`Status`] |
//! | `GET /v1/events` | no | - | server-sent events, each a [`Seen`] |
//! | `GET /v1/picture.jpg` | no | - | what the camera shows |
//! | `GET /metrics` | no | - | Prometheus's text |
//! | `POST /v1/pair/begin`, `exchange`, `confirm` | no | [`crate::pairing`] | a token |
//!
//! What is open to all can be closed to them too. Everything else answers with a status that says so and a [`Refusal`].

use serde::{Deserialize, Serialize};

use crate::Verdict;

/// The port a box listens on unless told otherwise.
pub const PORT: u16 = 7443;
/// What a box is called among the services of a local network (RFC 6763).
pub const SERVICE: &str = "_counterfoil._tcp.local.";
/// Header that names the game a request belongs to. While one is played, a box judges for no other.
pub const GAME: &str = "counterfoil-game";
/// A game in which nothing was asked for so many seconds is over.
pub const GAME_IDLE_SECONDS: u64 = 60;

/// What a box makes of a picture it was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Its verdict at its own calibrated threshold.
    pub verdict: Verdict,
    /// The share of genuine pictures that look as bad.
    pub p_value: f64,
    /// Higher is more genuine.
    pub score: f32,
    /// How long it thought, by its own clock.
    pub seconds: f64,
    /// The fingerprint of the model that judged.
    pub model: String,
}

/// What a box says of what lies before its camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// `genuine`, `unsure`, `counterfeit`, `nothing`, `unjudged`; `fault` while there is no camera.
    pub said: String,
    /// The share of genuine pictures that look as bad, where there is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The score, where there is a verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// SHA-256 of the picture it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// That picture's file name, where it came from a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Seen {
    /// The verdict, where there is one.
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

/// How a box is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// What it is called.
    pub name: String,
    /// Its program's version.
    pub version: String,
    /// Who judges.
    pub model: Model,
    /// Where its pictures come from; `none` when it has no camera.
    pub source: String,
    /// What is wrong with the camera, while something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// What it last said of what lies before its camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// Frames it has judged, and milliseconds each took.
    pub frames: u64,
    /// Mean time from a frame to what it showed, in milliseconds.
    pub frame_ms: f64,
    /// Pictures it has judged for others.
    pub judged: u64,
    /// Seconds since it was started.
    pub uptime: u64,
    /// The p-values at which its verdicts change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<Bounds>,
}

/// The p-values at which verdicts change; both belong to the verdict below them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// Up to this it is counterfeit: the false-alarm rate.
    pub counterfeit: f64,
    /// Up to this it is unsure, and genuine above.
    pub unsure: f64,
}

/// A model by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The bundle's name.
    pub name: String,
    /// The bundle's counter.
    pub counter: u64,
    /// The bundle's fingerprint.
    pub id: String,
}

/// A bundle that was taken in and runs from now on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// It.
    pub model: Model,
}

/// A game was left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Left {}

/// Why something was not done, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// In words.
    pub error: String,
}

/// Asks a box to show a code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begin {
    /// Who asks; the token is listed under this name.
    pub name: String,
}

/// A code is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Which.
    pub id: String,
    /// For how many seconds.
    pub seconds: u64,
    /// What the box is called.
    pub name: String,
}

/// One side's message of the exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Which code.
    pub id: String,
    /// [`crate::pairing::Side::start`]'s message.
    pub message: String,
}

/// One side's proof that it knows the code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Confirm {
    /// Which code.
    pub id: String,
    /// [`crate::pairing::Agreed::proof`].
    pub proof: String,
}

/// The box's own proof, and the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// [`crate::pairing::Agreed::proof`] of the box.
    pub proof: String,
    /// Goes into `Authorization: Bearer`.
    pub token: String,
}

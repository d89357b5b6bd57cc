//! The protocol between a box and its clients over HTTPS, version 1: JSON in and out, pictures as the bytes of their
//! files.
//!
//! | request | needs a token | body | answer |
//! |---|---|---|---|
//! | `POST /v1/detect` | yes | a picture's bytes | [`DetectResponse`] |
//! | `POST /v1/look` | yes | - | [`CameraStatement`], of the box's own camera |
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

use serde::{Deserialize, Serialize};

use crate::Verdict;

/// Default port of a box.
pub const PORT: u16 = 7443;
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

//! The contestants of a face-off: boxes on the network, and bundles on this machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use counterfoil_edge::Detector;
use counterfoil_models::naming::printable;
use counterfoil_models::protocol::{CameraStatement, DetectResponse, Left};
use counterfoil_models::{Frame, Verdict};
use hyper::Method;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::boxes::Remote;

/// A contestant, which judges exhibits.
pub enum Contestant {
    /// A box on the network.
    Box(Remote),
    /// A bundle on this machine: its name and its detector.
    Bundle(String, Arc<Detector>),
}

impl Contestant {
    /// Opens a bundle as a contestant. Its name is the one in the bundle's manifest.
    ///
    /// # Errors
    /// Returns an error when the bundle cannot be opened.
    pub fn bundle(dir: &Path) -> Result<Self> {
        let detector = Detector::open(dir)?;
        Ok(Self::Bundle(printable(&detector.bundle().manifest().name), Arc::new(detector)))
    }

    /// Name of the contestant.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Box(remote) => remote.name(),
            Self::Bundle(name, _) => name,
        }
    }

    /// Asks for the verdict on an encoded picture. `game` is the game's identifier.
    ///
    /// # Errors
    /// Returns an error when the contestant cannot be asked, or cannot judge the picture.
    pub async fn judge(&self, game: &str, picture: Bytes) -> Result<Option<Verdict>> {
        match self {
            Self::Box(remote) => {
                let judged: DetectResponse = remote.ask(Method::POST, "/v1/detect", Some(game), picture).await?;
                Ok(Some(judged.verdict))
            }
            Self::Bundle(_, detector) => {
                let detector = Arc::clone(detector);
                let judged = tokio::task::spawn_blocking(move || detector.judge(&*Frame::decode(&picture)?)).await;
                Ok(Some(judged.context("the detector's thread ended")??.verdict()))
            }
        }
    }

    /// Tells a box that the game is over. A box that gets no such message is free for other games a minute later.
    pub async fn leave(&self, game: &str) {
        if let Self::Box(remote) = self {
            let asked = remote.ask::<Left>(Method::POST, "/v1/leave", Some(game), Bytes::new());
            let _ = timeout(Duration::from_secs(2), asked).await;
        }
    }

    /// Asks for the verdict on the object in front of the contestant's own camera.
    ///
    /// # Errors
    /// Returns an error when the contestant has no camera, cannot be asked, or cannot judge what it sees.
    pub async fn look(&self, game: &str) -> Result<Option<Verdict>> {
        match self {
            Self::Box(remote) => {
                let seen: CameraStatement = remote.ask(Method::POST, "/v1/look", Some(game), Bytes::new()).await?;
                Ok(seen.verdict())
            }
            Self::Bundle(name, _) => anyhow::bail!("{name} is a bundle and has no camera; only boxes can look"),
        }
    }
}

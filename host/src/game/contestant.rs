//! Who plays: boxes on the network, and bundles on this machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use counterfoil_edge::Detector;
use counterfoil_models::protocol::{Judged, Left, Seen};
use counterfoil_models::{Frame, Verdict};
use hyper::Method;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::boxes::Remote;

/// One that judges what it is shown.
pub enum Contestant {
    /// A box.
    Box(Remote),
    /// A bundle, judged by this machine.
    Bundle(String, Arc<Detector>),
}

impl Contestant {
    /// A bundle by the name in its manifest.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn bundle(dir: &Path) -> Result<Self> {
        let detector = Detector::open(dir)?;
        Ok(Self::Bundle(detector.bundle().manifest().name.clone(), Arc::new(detector)))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Box(remote) => remote.name(),
            Self::Bundle(name, _) => name,
        }
    }

    /// What it says of a picture.
    ///
    /// # Errors
    /// When it cannot be asked, or fails.
    pub async fn judge(&self, game: &str, picture: Bytes) -> Result<Option<Verdict>> {
        match self {
            Self::Box(remote) => {
                let judged: Judged = remote.ask(Method::POST, "/v1/detect", Some(game), picture).await?;
                Ok(Some(judged.verdict))
            }
            Self::Bundle(_, detector) => {
                let detector = Arc::clone(detector);
                let judged = tokio::task::spawn_blocking(move || detector.judge(&*Frame::decode(&picture)?)).await;
                Ok(Some(judged.context("the detector's thread ended")??.verdict()))
            }
        }
    }

    /// Lets it go at a game's end; a box that is not told so is free a minute later.
    pub async fn leave(&self, game: &str) {
        if let Self::Box(remote) = self {
            let asked = remote.ask::<Left>(Method::POST, "/v1/leave", Some(game), Bytes::new());
            let _ = timeout(Duration::from_secs(2), asked).await;
        }
    }

    /// What it says of what lies before its camera.
    ///
    /// # Errors
    /// When it has none, cannot be asked, or fails.
    pub async fn look(&self, game: &str) -> Result<Option<Verdict>> {
        match self {
            Self::Box(remote) => {
                let seen: Seen = remote.ask(Method::POST, "/v1/look", Some(game), Bytes::new()).await?;
                Ok(seen.verdict())
            }
            Self::Bundle(name, _) => anyhow::bail!("{name} is a bundle and has no camera; only boxes can look"),
        }
    }
}

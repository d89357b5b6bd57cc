//! State that the routes share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use counterfoil_models::protocol::{Bounds, Model, Status};
use tokio::sync::Semaphore;

use super::Notifier;
use super::game_lock::GameLock;
use super::judge_queue::JudgeQueue;
use super::live::Live;
use super::pairing::Pairing;
use super::picture::Pictures;
use crate::config::Config;
use crate::http::body::Budget;
use crate::http::hosts::Hosts;

/// State that the routes share.
pub(super) struct AppState {
    pub(super) name: String,
    pub(super) config: Config,
    pub(super) live: Arc<Live>,
    pub(super) judge_queue: JudgeQueue,
    pub(super) pairing: Pairing,
    pub(super) game_lock: GameLock,
    pub(super) pictures: Arc<Pictures>,
    /// Memory for the bodies of requests.
    pub(super) bodies: Budget,
    /// Lets one bundle in at a time: each takes up to 160 MB of the disk.
    pub(super) installing: Semaphore,
    pub(super) hosts: Hosts,
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) judged: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl AppState {
    /// The status of the box.
    pub(super) fn status(&self) -> Status {
        let now = self.live.now();
        let detector = self.live.detector();
        let manifest = detector.bundle().manifest();
        Status {
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            model: Model { name: manifest.name.clone(), counter: manifest.counter, id: detector.bundle().id().into() },
            source: self.config.source.to_string(),
            fault: now.fault,
            seen: now.seen.map(|seen| (*seen).clone()),
            frames: now.tally.judged,
            frame_ms: now.tally.frame_ms(),
            judged: self.judged.load(Ordering::Relaxed),
            uptime: self.live.uptime().as_secs(),
            bounds: detector
                .calibration()
                .ok()
                .map(|calibration| Bounds { counterfeit: calibration.alpha(), unsure: calibration.unsure_up_to() }),
            drift: now.drift,
        }
    }
}

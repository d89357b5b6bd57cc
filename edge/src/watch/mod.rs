//! The box's loop as a library: shots and presses enter, answers leave.
//!
//! [`state`] decides what a shot means, [`vote`] joins frames, [`empty_scene`] knows the bare table, [`watcher`] goes
//! round between the camera, the button, the models and the observers; [`supervisor`] chooses the model and
//! [`reporter`] writes, shows and prints. Time comes from a [`Clock`] and verdicts from a [`Judge`], so the loop is
//! tested without a camera, a network file or sleeping.

pub mod empty_scene;
pub mod reporter;
pub mod state;
pub mod supervisor;
pub mod unsure;
pub mod vote;
pub mod watchdog;
pub mod watcher;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Instant;

use counterfoil_models::{Color, Frame, Judgement};

use crate::{Detector, Result};

/// What judges a frame. [`Detector`] does on a box.
pub trait Judge: Debug {
    /// Identifier that journal entries and bundles carry: SHA-256 of the bundle.
    fn id(&self) -> &str;

    /// The colour that frames are decoded to; grey may be cheaper.
    fn color(&self) -> Color;

    /// Score, p-value and verdict of a frame.
    ///
    /// # Errors
    /// As [`Detector::judge`].
    fn judge(&self, frame: &Frame) -> Result<Judgement>;
}

impl Judge for Detector {
    fn id(&self) -> &str {
        self.bundle().id()
    }

    fn color(&self) -> Color {
        self.bundle().manifest().input.color
    }

    fn judge(&self, frame: &Frame) -> Result<Judgement> {
        Self::judge(self, frame)
    }
}

/// Where the time comes from.
pub trait Clock: Debug {
    /// The present.
    fn now(&self) -> Instant;
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// Takes messages for the operator, which go to stderr or the system's log.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

#[cfg(test)]
mod tests;

//! The loop of the box as a library: takes camera shots and button presses, and gives answers.
//!
//! [`state`] decides what a shot means, [`answer`] how it is shown. [`vote`] combines frames, [`empty_scene`] recognises
//! the empty table, [`exhibits`] tells pieces apart. [`drift`] notices when the genuine ones look different. [`watcher`]
//! runs the loop over camera, button, models and observers, [`supervisor`] selects the model, and [`reporter`] writes,
//! shows and prints the answers. Time comes from a [`Clock`] and verdicts from a [`Judge`], so
//! the loop is tested without a camera, a network file or sleeping.

pub mod answer;
pub mod drift;
pub mod empty_scene;
pub mod exhibits;
pub mod martingale;
pub mod pieces;
pub mod reporter;
pub mod state;
pub mod supervisor;
pub mod unsure;
pub mod vote;
pub mod watchdog;
pub mod watcher;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use counterfoil_models::{Color, Frame, Judgement};

use crate::detector::standard::Standard;
use crate::{Detector, Result};

/// Judges frames. On the box this is the [`Detector`].
pub trait Judge: Debug {
    /// Identifier of the bundle in journal entries: its SHA-256.
    fn id(&self) -> &str;

    /// The colour to which frames are decoded; grey can cost less.
    fn color(&self) -> Color;

    /// The score, p-value and verdict of a frame.
    ///
    /// # Errors
    /// As [`Detector::judge`].
    fn judge(&self, frame: &Frame) -> Result<Judgement>;

    /// Scores of genuine pictures, with which exhibits that are not called counterfeit are compared; none when the box
    /// can compare them only with each other.
    fn genuine_scores(&self) -> Vec<f32>;
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

    fn genuine_scores(&self) -> Vec<f32> {
        match (self.standard(), self.calibration()) {
            // Those are of many items or writers, and the exhibits are of one.
            (Standard::Enrolled(_), _) | (_, Err(_)) => Vec::new(),
            // Those vary more than the exhibits: the box's own first exhibits are the usual ones.
            (Standard::Bundle, _) if self.bundle().manifest().training.tolerance.is_some() => Vec::new(),
            (_, Ok(calibration)) => drift::comparable(calibration),
        }
    }
}

/// A source of time.
pub trait Clock: Debug {
    /// The present time.
    fn now(&self) -> Instant;

    /// The present time in milliseconds since 1970, by a clock that may not be set.
    fn unix_ms(&self) -> u64;
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
    }
}

/// Writes a message for the operator, to stderr or to the system log.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

#[cfg(test)]
mod tests;

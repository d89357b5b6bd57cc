//! What is written and shown of a training while it runs. An observer is told of each step after it, in the order of
//! the list.

mod grid;
mod progress;
mod record;

use std::collections::BTreeMap;
use std::time::Duration;

pub use grid::{grids, step_of};
pub use record::{METRICS, StepRecord};
pub(super) use {grid::Grids, progress::Progress, progress::note, record::Recorder};

use super::Error;
use super::step::GanTrainer;

/// What is due at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// A checkpoint by the schedule: its step is a multiple of `checkpoint_every`.
    pub(super) checkpoint: bool,
    /// The end of this call.
    pub(super) end: bool,
}

/// A step that was just made.
pub(super) struct Step<'a> {
    /// The pair after it.
    pub(super) trainer: &'a GanTrainer,
    /// What was measured.
    pub(super) record: &'a StepRecord,
    /// The generator's quality metrics by name, where a checkpoint or the end is due.
    pub(super) quality: &'a BTreeMap<String, f64>,
    /// What is due.
    pub(super) due: Due,
    /// Time since this call began.
    pub(super) elapsed: Duration,
}

/// Follows a training.
pub(super) trait Observer {
    /// Takes note of a step.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn observe(&mut self, step: &Step) -> Result<(), Error>;
}

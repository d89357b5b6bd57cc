//! What a training run writes and shows. Each observer is called after each step, in the order of the list.

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

/// What is due after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// A checkpoint on the schedule: the step is a multiple of `checkpoint_every`.
    pub(super) checkpoint: bool,
    /// The end of this call of `train`.
    pub(super) end: bool,
}

/// A step that was just made, as the observers get it.
pub(super) struct Step<'a> {
    /// The trainer after the step.
    pub(super) trainer: &'a GanTrainer,
    /// The measurements of the step.
    pub(super) record: &'a StepRecord,
    /// The generator's quality metrics by name; empty if neither a checkpoint nor the end is due.
    pub(super) quality: &'a BTreeMap<String, f64>,
    /// What is due after the step.
    pub(super) due: Due,
    /// Time since this call of `train` began.
    pub(super) elapsed: Duration,
}

/// Follows a training run.
pub(super) trait Observer {
    /// Called after each step.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn observe(&mut self, step: &Step) -> Result<(), Error>;
}

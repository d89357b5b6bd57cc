//! Checkpoints: the [`file`], and which of a run's are kept and meant ([`retention`]).

mod file;
mod retention;

pub use file::Checkpoint;
#[cfg(test)]
pub(super) use file::path;
pub(super) use file::save;
pub use retention::{CheckpointSelector, Trained, checkpoints, load};
pub(super) use retention::{newest, prune};

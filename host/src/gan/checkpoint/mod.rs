//! Checkpoints: reading and writing them (`file`), and which of a run's are kept or selected (`retention`).

mod file;
mod retention;

pub use file::Checkpoint;
#[cfg(test)]
pub(super) use file::path;
pub(super) use file::save;
pub use retention::{CheckpointSelector, Trained, checkpoints, load};
pub(super) use retention::{newest, prune};

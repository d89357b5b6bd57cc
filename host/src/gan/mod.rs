//! The pair: a configuration and samples go in, a run folder with a trained generator and its detective comes out.
//!
//! RUN/metrics.jsonl, RUN/samples/step-*.png, RUN/checkpoints/step-*.safetensors. `step` is one step of the game, `trainer` decides when it
//! stops, is saved and is shown to the observers. All of a run but its speed is a function of the configuration and
//! the samples, and a kill at any moment leaves what `resume` goes on from. Knows no data folder, no bundle and no
//! report.

mod batch;
mod checkpoint;
mod config;
mod detective_batch;
mod error;
mod loader;
mod observe;
mod probe;
pub mod sampler;
mod step;
mod trainer;

pub use crate::net::Net;
pub use checkpoint::{Checkpoint, CheckpointSelector, Trained, checkpoints, load};
pub(crate) use config::difference;
pub use config::{Compute, Config};
pub use detective_batch::DetectiveBatch;
pub use error::Error;
pub use loader::{Batch, DataLoader};
pub use observe::{METRICS, StepRecord, grids, step_of};
pub use sampler::GeneratorSampler;
pub use step::{GanTrainer, StepStats};
pub use trainer::{Outcome, train};

//! GAN training: takes a configuration and samples, and leaves a run folder with a trained generator and its
//! detective.
//!
//! A run folder holds RUN/metrics.jsonl, RUN/samples/step-*.png and RUN/checkpoints/step-*.safetensors. `step` is
//! one training step. `trainer` decides when training stops, when it is saved and when the observers are called.
//! All of a run except its speed is a function of the configuration and the samples. If it is killed at any moment,
//! `resume` can continue from what is on disk. This module does not depend on data folders, bundles or reports.

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

pub use crate::nn::Net;
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

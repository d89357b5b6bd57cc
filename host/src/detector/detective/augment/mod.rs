//! Augmentation: genuine pictures are damaged on purpose and serve as counterfeit examples in training.

mod field;
mod lines;
mod negatives;

pub use negatives::negative;

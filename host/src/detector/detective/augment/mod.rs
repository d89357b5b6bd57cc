//! Augmentation: genuine pictures are damaged on purpose and serve as counterfeit examples in training.

mod field;
mod lines;
mod negatives;
mod plane;

pub use negatives::negative;

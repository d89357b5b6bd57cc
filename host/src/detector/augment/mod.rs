//! Augmentation: genuine pictures are damaged on purpose and serve as counterfeit examples: of the training, and where
//! it is measured what a part of a detector tells.

mod field;
mod lines;
mod negatives;

pub(crate) use negatives::negative;
pub(super) use negatives::{misplaced, resurfaced};

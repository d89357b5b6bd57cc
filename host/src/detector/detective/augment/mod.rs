//! Genuine pictures damaged on purpose, to learn from.

mod field;
mod lines;
mod negatives;
mod plane;

pub use negatives::negative;

//! The input of a training run: genuine rows, and known fakes.

use super::Samples;

/// The rows that a run trains on.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    /// Rows of genuine pictures.
    pub genuine: &'a Samples,
    /// Rows of known fakes, one element for each family, of the same shape as the genuine rows.
    pub known: &'a [Samples],
}

impl<'a> From<&'a Samples> for TrainingSet<'a> {
    fn from(genuine: &'a Samples) -> Self {
        Self { genuine, known: &[] }
    }
}

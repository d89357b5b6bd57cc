//! What a run learns from: genuine rows, and known fakes beside them.

use super::Samples;

/// What a run learns from.
#[derive(Clone, Copy, Debug)]
pub struct TrainingSet<'a> {
    /// Genuine rows.
    pub genuine: &'a Samples,
    /// Known fakes, family by family, in rows of the same shape.
    pub known: &'a [Samples],
}

impl<'a> From<&'a Samples> for TrainingSet<'a> {
    fn from(genuine: &'a Samples) -> Self {
        Self { genuine, known: &[] }
    }
}

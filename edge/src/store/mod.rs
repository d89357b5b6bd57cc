//! What outlasts a power cut: the models in their [`slots`], the keys that are trusted, and the journal of verdicts.

pub mod journal;
pub mod slots;
pub mod trust;

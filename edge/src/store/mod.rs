//! Data that survives a power cut: the models in their [`slots`], the trusted keys, and the journal of verdicts.

pub mod journal;
pub mod slots;
pub mod trust;

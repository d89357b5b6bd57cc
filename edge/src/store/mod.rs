//! Data that survives a power cut: the models in their [`slots`], the trusted keys, and the journal of verdicts.

pub mod journal;
pub mod leftovers;
pub mod slots;
pub mod trial;
pub mod trust;

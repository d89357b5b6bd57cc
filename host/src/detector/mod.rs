//! What can become a bundle's judge.

pub mod detective;
pub mod statistics;
pub mod strokes;

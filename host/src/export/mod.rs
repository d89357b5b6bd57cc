//! Exports a trained network as an ONNX file on which every engine gives the same outputs.

mod bundle;
mod card;
mod enrolment;
mod error;
mod golden;
pub mod parity;
pub mod runtime;

pub use bundle::{Measure, Request, export, supported_alpha};
pub use card::Measurement;
pub use error::ExportError;

#[cfg(test)]
mod hard_sets;
#[cfg(test)]
mod tests;

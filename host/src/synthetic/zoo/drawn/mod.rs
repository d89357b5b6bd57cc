//! The drawn forger families: a genuine picture and a random stream become a forgery. A file per kind, a function per
//! family.
//!
//! The strength is drawn for each picture, from barely visible to obvious.

pub(super) mod collage;
pub(super) mod resample;
mod skeleton;
pub(super) mod strokes;
pub(super) mod texture;
pub(super) mod tone;
pub(super) mod warp;
pub(super) mod weight;

//! The box: runs a bundle's discriminator on pictures and shows what it says.
//!
//! A picture's way through here: [`source`] names it, [`pipeline`] reads it, [`Detector`] judges it with the
//! [`engine`] by its [`standard`], [`explain`] says what spoke against it, and [`indicator`] shows the verdict on the [`board`]'s lights. The workstation uses the same [`Detector`]
//! and [`faceoff`], so that what it evaluates is what the box will say.

pub mod board;
pub mod camera;
pub mod detector;
pub mod engine;
mod error;
pub mod explain;
pub mod faceoff;
pub mod indicator;
pub mod pipeline;
pub mod source;
pub mod standard;

pub use detector::Detector;
pub use error::{Error, Result};

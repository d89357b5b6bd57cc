//! The box: runs a bundle's discriminator on pictures and shows what it says.
//!
//! A picture's way through here: [`source`] names it, [`pipeline`] reads it, [`Detector`] judges it with the
//! [`engine`] by its [`standard`], [`explain`] says what spoke against it, and [`indicator`] shows the verdict on the [`board`]'s lights. The workstation uses the same [`Detector`]
//! and [`faceoff`], so that what it evaluates is what the box will say.

pub mod agreement;
pub mod board;
pub mod button;
pub mod camera;
pub mod config;
pub mod detector;
pub mod empty;
pub mod engine;
mod error;
pub mod explain;
pub mod faceoff;
#[cfg(feature = "http")]
pub mod http;
pub mod indicator;
pub mod journal;
mod latest;
#[cfg(feature = "net")]
pub mod net;
pub mod panel;
pub mod pipeline;
pub mod screen;
pub mod signals;
pub mod slots;
pub mod source;
pub mod standard;
pub mod threads;
pub mod trust;
pub mod watch;

pub use detector::Detector;
pub use error::{Error, Result};

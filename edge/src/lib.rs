//! The box: runs a bundle's discriminator on pictures and reports verdicts.
//!
//! A picture passes through these modules: [`detector::source`] identifies the file, [`detector::pipeline`] decodes
//! it, [`Detector`] scores it with the network that [`inference`] runs, [`detector::explain`] finds the regions that
//! lowered the score, and [`show`] drives lights and display. [`camera`] and [`watch`] do the same continuously,
//! [`store`] keeps what must survive a power cut, and `net` answers requests on the network. The workstation uses the
//! same [`Detector`] and [`detector::faceoff`], so its evaluation gives the same results as the box.

pub mod camera;
pub mod config;
pub mod detector;
mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod inference;
mod mailbox;
#[cfg(feature = "net")]
pub mod net;
pub mod show;
pub mod signals;
pub mod store;
pub mod threads;
pub mod watch;

pub use detector::Detector;
pub use error::{Error, Result};

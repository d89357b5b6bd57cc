//! The box: runs a bundle's discriminator on pictures and shows what it says.
//!
//! A picture's way through here: [`detector::source`] names it, [`detector::pipeline`] reads it, [`Detector`] judges
//! it with the network that [`inference`] runs, [`detector::explain`] says what spoke against it, and [`show`] tells
//! a person. [`camera`] and [`watch`] do the same for a box that never stops, [`store`] keeps what outlasts a power
//! cut, and `net` answers on the network. The workstation uses the same [`Detector`] and [`detector::faceoff`], so
//! that what it evaluates is what the box will say.

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

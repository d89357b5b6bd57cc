//! The arithmetic under every layer of a network: plain float32 numbers go in and come out.
//!
//! Maps are channels last, `[B, H, W, C]`, rows are `[R, C]`, all row-major. [`Maps`] computes convolutions, their
//! transposes, linear layers and the gradients of all three; [`norm`] is batch norm, [`activation`] what follows a
//! product. [`histograms`] and [`patterns`] describe a whole picture. The code is vectorised by `pulp` for the processor
//! that it runs on, and work is shared by rayon. The order of a sum never depends on the number of threads.
//!
//! The crate knows no network, no candle and no tract, so that it compiles in seconds and as one unit.

pub mod activation;
mod conv;
mod filter;
pub mod histograms;
pub mod luma;
pub mod norm;
mod panels;
pub mod patterns;
mod product;
mod vectors;
mod workspace;

pub use activation::Activation;
pub use conv::{Maps, Window};
pub use filter::{Ending, Filter, FilterShape};
pub use product::Finish;
pub use workspace::{Buffer, Workspace};

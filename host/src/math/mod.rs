//! Numbers only: random streams, principal components, whitening, the discrete Fourier transform, thinning, BT.601.
//! Knows no picture file and no run.

pub mod dft;
pub mod luma;
pub mod pca;
pub mod random;
pub mod thinning;
pub(crate) mod whitening;

//! Numbers only: random streams, principal components, whitening, the discrete Fourier transform, BT.601. Knows no picture file and no run.

pub mod dft;
pub mod luma;
pub mod pca;
pub mod random;
pub(crate) mod whitening;

//! Mathematics on plain numbers: random streams, principal components, whitening, nearest rows, the discrete Fourier
//! transform, thinning, BT.601. It does not depend on picture files or runs.

pub mod dft;
pub(crate) mod nearest;
pub mod pca;
pub mod random;
pub(crate) mod tail;
pub mod thinning;
pub(crate) mod whitening;

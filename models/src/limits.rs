//! Largest sizes, in bytes, of files that come from elsewhere, and of what they list. They are defined in one place, so
//! that every part accepts what another part writes.

/// Largest picture that a peer may send.
pub const PICTURE_SENT: usize = 20 << 20;
/// Largest picture of a camera's Motion JPEG stream.
pub const PICTURE_STREAMED: usize = 16 << 20;
/// Largest network file, `discriminator.onnx` or `generator.onnx`. A box has 256 MB of memory, and an inference
/// engine may hold the weights twice.
pub const NETWORK: usize = 64 << 20;
/// Largest manifest of a bundle.
pub const MANIFEST: u64 = 16 << 20;
/// Largest bundle as it is sent: two networks, the manifest, and as much as the manifest again for golden
/// pictures and the card.
pub const BUNDLE: usize = 2 * (NETWORK + MANIFEST as usize);
/// Largest calibration or references file in a state folder: 20 references of ten regions with 8,192 numbers each
/// fill two thirds of it.
pub const OVERLAY: u64 = 32 << 20;
/// Largest number of golden pictures in a bundle: a box judges all of them whenever it starts.
pub const GOLDEN_PICTURES: usize = 16;

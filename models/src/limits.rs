//! The largest files that come from elsewhere, in bytes. One place owns them, so that what one part writes another takes.

/// A picture that a peer sends.
pub const PICTURE_SENT: usize = 20 << 20;
/// A picture of a camera's Motion JPEG stream.
pub const PICTURE_STREAMED: usize = 16 << 20;
/// A network: `discriminator.onnx` or `generator.onnx`. A box has 256 MB of memory, and an engine may hold the
/// weights twice.
pub const NETWORK: usize = 64 << 20;
/// A bundle's manifest.
pub const MANIFEST: u64 = 16 << 20;
/// A bundle as it is sent: two networks, the manifest, and as much again for golden pictures and the card.
pub const BUNDLE: usize = 2 * (NETWORK + MANIFEST as usize);
/// A calibration or references in a state folder: 20 references of ten regions of 8,192 numbers fill two thirds of it.
pub const OVERLAY: u64 = 32 << 20;

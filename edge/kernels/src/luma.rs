//! Luma and chroma of ITU-R BT.601 in float, full range.

/// Weights of red, green and blue in Y, the luma.
pub const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Weights of red, green and blue in Cb, the blue difference, around 0.
pub const TO_BLUE: [f32; 3] = [-0.168_736, -0.331_264, 0.5];
/// Weights of red, green and blue in Cr, the red difference, around 0.
pub const TO_RED: [f32; 3] = [0.5, -0.418_688, -0.081_312];

/// The weight of each channel in the grey of a picture with 1 or 3 channels.
#[must_use]
pub fn luma(channels: usize) -> &'static [f32] {
    if channels == 1 { &[1.0] } else { &LUMA }
}

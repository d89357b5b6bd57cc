//! Conversion between rows of bytes and tensors on the generator's scale.

use candle_core::{Device, Result, Tensor};

/// Turns rows of [C, H, W] bytes into maps [B, H, W, C] on the generator's scale, -1..1.
pub(super) fn maps(rows: &[Vec<u8>], (channels, height, width): (usize, usize, usize)) -> Result<Tensor> {
    let area = height * width;
    let levels: [f32; 256] = std::array::from_fn(|byte| level(byte as u8));
    let mut maps = vec![0.0; rows.len() * area * channels];
    for (picture, row) in maps.chunks_exact_mut(area * channels).zip(rows) {
        for (channel, plane) in row.chunks_exact(area).enumerate() {
            for (to, byte) in picture[channel..].iter_mut().step_by(channels).zip(plane) {
                *to = levels[usize::from(*byte)];
            }
        }
    }
    Tensor::from_vec(maps, (rows.len(), height, width, channels), &Device::Cpu)
}

/// Turns maps [B, H, W, C] in -1..1 into rows of [C, H, W] bytes, the levels that a picture file would hold.
pub(super) fn rows(maps: &Tensor) -> Result<Vec<Vec<u8>>> {
    let planes = maps.detach().to_device(&Device::Cpu)?.permute((0, 3, 1, 2))?.flatten_from(1)?; // [B, CHW]
    let byte = |x: f32| ((x + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8;
    Ok(planes.to_vec2::<f32>()?.into_iter().map(|row| row.into_iter().map(byte).collect()).collect())
}

/// A byte on the generator's scale, -1..1.
fn level(byte: u8) -> f32 {
    f32::from(byte) * (1.0 / 255.0) * 2.0 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_the_scale_ends_at_one() {
        assert_eq!((level(0), level(255)), (-1.0, 1.0));
        let bytes: Vec<Vec<u8>> =
            (0..2).map(|row| (0..=255).map(|byte: u8| byte.wrapping_add(row)).collect()).collect();
        let maps = maps(&bytes, (4, 8, 8)).unwrap();
        assert_eq!(maps.dims(), [2, 8, 8, 4]);
        assert_eq!(rows(&maps).unwrap(), bytes);
    }
}

//! Training rows as the network sees them: preprocessed bytes go in, batches of tensors come out.
//!
//! Apart from the loaders, so that a trainer test can make rows from nothing and a loader needs to know no tensors.

use candle_core::{DType, Device, Result, Tensor};

/// Why bytes are not a set of training rows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SamplesError {
    /// A side or the channel count makes no picture.
    #[error(
        "a training row of {channels}x{height}x{width} is no picture: expected 1 (grey) or 3 (RGB) channels and sides of at least 1 pixel"
    )]
    Shape {
        /// Channels asked for.
        channels: usize,
        /// Height asked for, pixels.
        height: usize,
        /// Width asked for, pixels.
        width: usize,
    },
    /// No rows, or a last row cut short.
    #[error(
        "{bytes} bytes are not one or more whole rows of {row} bytes: the picture loader and the size disagree, or no picture was left to train on"
    )]
    Bytes {
        /// Bytes given.
        bytes: usize,
        /// Bytes of one row.
        row: usize,
    },
}

/// Genuine pictures ready for training: bytes of [N, C, H, W].
#[derive(Clone, Debug)]
pub struct Samples {
    channels: usize,
    height: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Samples {
    /// Takes the bytes of [N, C, H, W], C being 1 (grey) or 3 (RGB).
    ///
    /// # Errors
    /// When the shape makes no picture or the bytes are not at least one whole row.
    pub fn new(
        channels: usize,
        height: usize,
        width: usize,
        pixels: Vec<u8>,
    ) -> std::result::Result<Self, SamplesError> {
        if !matches!(channels, 1 | 3) || height == 0 || width == 0 {
            return Err(SamplesError::Shape { channels, height, width });
        }
        let row = channels * height * width;
        if pixels.is_empty() || !pixels.len().is_multiple_of(row) {
            return Err(SamplesError::Bytes { bytes: pixels.len(), row });
        }
        Ok(Self { channels, height, width, pixels })
    }

    /// Channels, height and width of every row.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.channels, self.height, self.width)
    }

    /// All rows, `[N, C, H, W]` bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Number of rows, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty: `new` refuses that")]
    pub fn len(&self) -> usize {
        self.pixels.len() / self.row_bytes()
    }

    /// Row `i` as bytes of [C, H, W].
    ///
    /// # Panics
    /// When there is no row `i`.
    #[must_use]
    pub fn row(&self, i: usize) -> &[u8] {
        &self.pixels[i * self.row_bytes()..(i + 1) * self.row_bytes()]
    }

    /// The rows named by `indices`, in that order: [B, C, H, W], f32 in 0..1.
    ///
    /// # Panics
    /// When an index names no row.
    pub fn batch(&self, indices: &[usize], device: &Device) -> Result<Tensor> {
        let bytes: Vec<u8> = indices.iter().flat_map(|&i| self.row(i)).copied().collect();
        let shape = (indices.len(), self.channels, self.height, self.width);
        Tensor::from_vec(bytes, shape, device)?.to_dtype(DType::F32)?.affine(1.0 / 255.0, 0.0)
    }

    fn row_bytes(&self) -> usize {
        self.channels * self.height * self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_holds_the_rows_asked_for_scaled_to_0_1() {
        let samples = Samples::new(1, 1, 2, vec![0, 255, 51, 102, 255, 0]).unwrap();
        assert_eq!((samples.len(), samples.row(1)), (3, &[51, 102][..]));
        let batch = samples.batch(&[2, 1], &Device::Cpu).unwrap();
        assert_eq!(batch.dims(), [2, 1, 1, 2]);
        let values = batch.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(
            values.iter().zip([1.0, 0.0, 0.2, 0.4]).all(|(ours, expected)| (ours - expected).abs() < 1e-6),
            "{values:?}"
        );
    }

    #[test]
    fn bytes_that_are_no_rows_are_refused() {
        assert!(matches!(Samples::new(1, 2, 2, vec![0; 7]), Err(SamplesError::Bytes { bytes: 7, row: 4 })));
        assert!(matches!(Samples::new(1, 2, 2, vec![]), Err(SamplesError::Bytes { .. })));
        assert!(matches!(Samples::new(2, 2, 2, vec![0; 8]), Err(SamplesError::Shape { .. })));
    }
}

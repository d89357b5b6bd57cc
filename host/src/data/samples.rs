//! Preprocessed bytes as training rows, read one by one.
//!
//! Separate from the loaders, so that a trainer test can make rows from bytes, and a loader needs no tensors.

use std::path::Path;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Result;
use super::rows::Rows;

/// Why bytes are not a valid set of training rows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SamplesError {
    /// The channel count or a side length is not that of a picture.
    #[error(
        "a training row of {channels}x{height}x{width} is no picture: expected 1 (grey) or 3 (RGB) channels and sides of at least 1 pixel"
    )]
    Shape {
        /// Requested number of channels.
        channels: usize,
        /// Requested height in pixels.
        height: usize,
        /// Requested width in pixels.
        width: usize,
    },
    /// There are no rows, or the last row is incomplete.
    #[error(
        "{bytes} bytes are not one or more whole rows of {row} bytes: the picture loader and the size disagree, or no picture was left to train on"
    )]
    Bytes {
        /// Number of bytes given.
        bytes: usize,
        /// Number of bytes in one row.
        row: usize,
    },
}

/// Pictures ready for training: rows of `[C, H, W]` bytes, in memory or in a temporary file.
#[derive(Debug)]
pub struct Samples {
    channels: usize,
    height: usize,
    width: usize,
    rows: Rows,
    /// Indices of the rows in `rows` that belong to this set.
    chosen: Vec<usize>,
    /// Number of consecutive rows that belong to one picture.
    regions: usize,
}

impl Samples {
    /// Makes samples of the bytes of `[N, C, H, W]`, where `C` is 1 (grey) or 3 (RGB), with one row for each picture.
    ///
    /// # Errors
    /// When the shape is not that of a picture, or when the bytes are not one or more whole rows.
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
        let rows = Rows::from_bytes(row, pixels);
        Ok(Self { channels, height, width, chosen: (0..rows.len()).collect(), rows, regions: 1 })
    }

    /// Makes samples of those rows of `[C, H, W]` whose indices are in `chosen`, at least one; the other rows are not
    /// used for training. Each picture has `regions` consecutive rows.
    pub(crate) fn of(
        rows: Rows,
        (channels, height, width): (usize, usize, usize),
        chosen: Vec<usize>,
        regions: usize,
    ) -> Self {
        assert!(!chosen.is_empty(), "a split leaves something to train on");
        Self { channels, height, width, rows, chosen, regions }
    }

    /// Channels, height and width of every row.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.channels, self.height, self.width)
    }

    /// Number of rows, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty: `new` and `of` refuse that")]
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Number of consecutive rows that belong to one picture.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.regions
    }

    /// Draws a row at random, and another row of the same region, which may be the same row.
    pub(crate) fn pair(&self, rng: &mut ChaCha8Rng) -> [usize; 2] {
        let one = rng.random_range(0..self.len());
        [one, rng.random_range(0..self.len() / self.regions) * self.regions + one % self.regions]
    }

    /// Row `i` as bytes of `[C, H, W]`.
    ///
    /// # Errors
    /// [`DataError::Spill`](super::DataError::Spill) when the rows are in a file and the disk fails.
    ///
    /// # Panics
    /// When there is no row `i`.
    pub fn row(&self, i: usize) -> Result<Vec<u8>> {
        let mut row = vec![0; self.channels * self.height * self.width];
        self.rows.read(self.chosen[i], &mut row)?;
        Ok(row)
    }

    /// The folder of the temporary file that holds the rows; `None` when they are in memory.
    #[must_use]
    pub fn spilled(&self) -> Option<&Path> {
        self.rows.spilled()
    }

    /// Truncates the temporary file of the rows, to simulate a failing disk.
    #[cfg(test)]
    pub(crate) fn lose(&self) -> std::io::Result<()> {
        self.rows.lose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_chosen_rows_are_there_in_their_order() {
        let rows = || Rows::from_bytes(2, vec![0, 255, 51, 102, 255, 0]);
        let samples = Samples::of(rows(), (1, 1, 2), vec![2, 1], 1);
        assert_eq!((samples.len(), samples.row(0).unwrap(), samples.row(1).unwrap()), (2, vec![255, 0], vec![51, 102]));
    }

    #[test]
    fn bytes_that_are_no_rows_are_refused() {
        assert!(matches!(Samples::new(1, 2, 2, vec![0; 7]), Err(SamplesError::Bytes { bytes: 7, row: 4 })));
        assert!(matches!(Samples::new(1, 2, 2, vec![]), Err(SamplesError::Bytes { .. })));
        assert!(matches!(Samples::new(2, 2, 2, vec![0; 8]), Err(SamplesError::Shape { .. })));
    }
}

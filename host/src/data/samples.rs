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
    /// Width and height of the blocks of stored pixels that are averaged into one pixel of a row.
    pool: [usize; 2],
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
        Ok(Self { channels, height, width, chosen: (0..rows.len()).collect(), rows, regions: 1, pool: [1, 1] })
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
        Self { channels, height, width, rows, chosen, regions, pool: [1, 1] }
    }

    /// The same pictures in rows of fewer pixels: blocks of `pool` (width, height) pixels are averaged. The sides must
    /// be multiples of the blocks' sides.
    #[must_use]
    pub(crate) fn pooled(self, pool: [usize; 2]) -> Self {
        assert!(self.width.is_multiple_of(pool[0]) && self.height.is_multiple_of(pool[1]), "blocks fill a row");
        Self { pool, ..self }
    }

    /// Channels, height and width of every row.
    #[must_use]
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.channels, self.height / self.pool[1], self.width / self.pool[0])
    }

    /// Channels, height and width of the pictures as they are stored, before blocks are averaged.
    #[must_use]
    pub fn full_shape(&self) -> (usize, usize, usize) {
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
        let full = self.full_row(i)?;
        Ok(if self.pool == [1, 1] { full } else { pool(&full, self.full_shape(), self.pool) })
    }

    /// Row `i` as it is stored, before blocks are averaged.
    ///
    /// # Errors
    /// The same as of [`row`](Self::row).
    ///
    /// # Panics
    /// When there is no row `i`.
    pub fn full_row(&self, i: usize) -> Result<Vec<u8>> {
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

/// Averages blocks of `[width, height]` pixels of a row `[C, H, W]` and rounds to whole levels, a half upwards. The
/// sides must be multiples of the blocks' sides.
#[must_use]
pub fn pool(row: &[u8], (channels, height, width): (usize, usize, usize), [across, down]: [usize; 2]) -> Vec<u8> {
    let (rows, columns, area) = (height / down, width / across, across * down);
    let mut sums = vec![0usize; channels * rows * columns];
    for (line, pixels) in row.chunks_exact(width).enumerate() {
        let sums = &mut sums[line / down * columns..][..columns];
        for (sum, block) in sums.iter_mut().zip(pixels.chunks_exact(across)) {
            *sum += block.iter().map(|pixel| usize::from(*pixel)).sum::<usize>();
        }
    }
    sums.into_iter().map(|sum| ((2 * sum + area) / (2 * area)) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_averaged_and_rounded() {
        let samples = Samples::new(1, 2, 4, vec![1, 2, 9, 9, 3, 4, 0, 0]).unwrap().pooled([2, 2]);
        assert_eq!((samples.shape(), samples.full_shape()), ((1, 1, 2), (1, 2, 4)));
        assert_eq!((samples.row(0).unwrap(), samples.full_row(0).unwrap().len()), (vec![3, 5], 8));
        let colors = Samples::new(3, 1, 2, vec![10, 20, 30, 40, 50, 60]).unwrap().pooled([2, 1]);
        assert_eq!(colors.row(0).unwrap(), [15, 35, 55]);
    }

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

//! Training rows as the network sees them: preprocessed bytes go in, the rows of a batch come out.
//!
//! Apart from the loaders, so that a trainer test can make rows from nothing and a loader needs to know no tensors.

use std::path::Path;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Result;
use super::rows::Rows;

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

/// Genuine pictures ready for training: rows of [C, H, W] bytes, in memory or in a temporary file.
#[derive(Debug)]
pub struct Samples {
    channels: usize,
    height: usize,
    width: usize,
    rows: Rows,
    /// Which of `rows` these are.
    chosen: Vec<usize>,
    /// Rows of one picture, next to each other.
    regions: usize,
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
        let rows = Rows::from_bytes(row, pixels);
        Ok(Self { channels, height, width, chosen: (0..rows.len()).collect(), rows, regions: 1 })
    }

    /// Those of the rows of [C, H, W] that are `chosen`, at least one; the others are not to be learned from. Each picture has so many
    /// `regions`, its rows being next to each other.
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

    /// Number of rows, at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty: `new` and `of` refuse that")]
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// How many rows, next to each other, make a picture.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.regions
    }

    /// A row drawn by lot, and another one of the same region, perhaps the same.
    pub(crate) fn pair(&self, rng: &mut ChaCha8Rng) -> [usize; 2] {
        let one = rng.random_range(0..self.len());
        [one, rng.random_range(0..self.len() / self.regions) * self.regions + one % self.regions]
    }

    /// Row `i` as bytes of [C, H, W].
    ///
    /// # Errors
    /// When the rows lie in a file and the disk fails.
    ///
    /// # Panics
    /// When there is no row `i`.
    pub fn row(&self, i: usize) -> Result<Vec<u8>> {
        let mut row = vec![0; self.channels * self.height * self.width];
        self.rows.read(self.chosen[i], &mut row)?;
        Ok(row)
    }

    /// The folder in which a temporary file holds the rows, where the memory does not.
    #[must_use]
    pub fn spilled(&self) -> Option<&Path> {
        self.rows.spilled()
    }

    /// Loses the rows in the temporary file, as a failing disk would.
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

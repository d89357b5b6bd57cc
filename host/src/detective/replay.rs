//! Forgeries of every age: those of each round go in, a fair sample of the whole past comes out.
//!
//! A forger forgets what it could, and a detective that sees the newest forgeries only forgets with it (Shrivastava et al., 1612.07828,
//! section 2.3). The ring holds bytes, as the box will see them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Most rows held.
const ROWS: usize = 4096;
/// Most bytes held: larger rows are fewer.
const BYTES: usize = 8 << 20;

/// A sample of all rows that were ever offered, each with the same chance (reservoir sampling; Vitter 1985, algorithm R).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    row: usize,
    /// Rows offered so far.
    pub(crate) offered: u64,
    /// Those held, one after another.
    pub(crate) rows: Vec<u8>,
}

impl Replay {
    /// An empty one for rows of so many bytes.
    #[must_use]
    pub fn new(row: usize) -> Self {
        Self { row, offered: 0, rows: Vec::new() }
    }

    /// One that held these rows when so many had been offered; none where they do not fit.
    pub(crate) fn holding(row: usize, offered: u64, rows: Vec<u8>) -> Option<Self> {
        let empty = Self::new(row);
        let held = (rows.len() / row) as u64;
        let fits = rows.len().is_multiple_of(row) && held == offered.min(empty.room() as u64);
        fits.then_some(Self { offered, rows, ..empty })
    }

    fn room(&self) -> usize {
        ROWS.min(BYTES / self.row).max(1)
    }

    /// Rows held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len() / self.row
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Offers a row.
    pub fn offer(&mut self, row: &[u8], rng: &mut ChaCha8Rng) {
        self.offered += 1;
        if self.len() < self.room() {
            self.rows.extend_from_slice(row);
        } else {
            let place = rng.random_range(0..self.offered) as usize;
            if place < self.len() {
                self.rows[place * self.row..(place + 1) * self.row].copy_from_slice(row);
            }
        }
    }

    /// One of the rows held; there must be one.
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> &[u8] {
        let place = rng.random_range(0..self.len());
        &self.rows[place * self.row..(place + 1) * self.row]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::stream;

    #[test]
    fn every_age_has_the_same_chance() {
        let (mut replay, rng) = (Replay::new(2), &mut stream(0, "replay", 0));
        for age in 0..40_000u16 {
            replay.offer(&age.to_le_bytes(), rng);
        }
        assert_eq!((replay.len(), replay.offered), (ROWS, 40_000));
        let ages = replay.rows.chunks_exact(2).map(|row| u16::from_le_bytes([row[0], row[1]]));
        let young = ages.filter(|age| *age >= 20_000).count() as f64 / ROWS as f64;
        assert!((young - 0.5).abs() < 0.04, "{young} of the held rows are of the younger half");
    }

    #[test]
    fn what_is_held_is_taken_up_again_and_what_does_not_fit_is_not() {
        let (mut replay, rng) = (Replay::new(3), &mut stream(0, "replay", 0));
        (0..5u8).for_each(|age| replay.offer(&[age; 3], rng));
        assert_eq!(Replay::holding(3, 5, replay.rows.clone()), Some(replay.clone()));
        assert_eq!(Replay::holding(3, 6, replay.rows.clone()), None);
        assert_eq!(Replay::holding(3, 5, vec![0; 14]), None);
    }
}

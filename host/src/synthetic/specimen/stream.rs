//! Random streams: every note is a pure function of a seed, a purpose and an index.
//!
//! The key consists of the three numbers themselves instead of a hash, so that no two notes can share a stream,
//! whether genuine and forged or of two families.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random number generator for all choices on a note.
pub(super) type Stream = ChaCha8Rng;

/// The random stream of one note. `purpose` is 0 for a genuine note, and the number of the family for a forged one.
pub(super) fn stream(seed: u64, purpose: u64, index: u64) -> Stream {
    let mut key = [0; 32];
    for (place, number) in key.chunks_exact_mut(8).zip([seed, purpose, index]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A random number between `-most` and `most`.
pub(super) fn within(rng: &mut Stream, most: f32) -> f32 {
    rng.random_range(-most..=most)
}

/// A smooth random field over the note: random values in -1..=1 at the nodes of a grid, interpolated between them.
pub(crate) struct Field {
    nodes: Vec<f32>,
    columns: usize,
    cell: f32,
}

impl Field {
    /// A field over `width` x `height` pixels, with nodes `cell` pixels apart.
    pub(crate) fn new(rng: &mut Stream, width: f32, height: f32, cell: f32) -> Self {
        let columns = (width / cell) as usize + 3;
        let rows = (height / cell) as usize + 3;
        let nodes = (0..columns * rows).map(|_| within(rng, 1.0)).collect();
        Self { nodes, columns, cell }
    }

    /// The value at a point, in pixels, which must be on the note.
    pub(crate) fn at(&self, x: f32, y: f32) -> f32 {
        let (u, v) = (x.max(0.0) / self.cell, y.max(0.0) / self.cell);
        let (i, j) = (u as usize, v as usize);
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (s, t) = (ease(u - i as f32), ease(v - j as f32));
        let row = |j: usize| {
            let from = j * self.columns + i;
            self.nodes[from] * (1.0 - s) + self.nodes[from + 1] * s
        };
        row(j) * (1.0 - t) + row(j + 1) * t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_purpose_and_index() {
        let first = |s, p, i| stream(s, p, i).random::<u64>();
        let all = [first(1, 0, 0), first(0, 1, 0), first(0, 0, 1), first(0, 0, 0)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
        assert_eq!(first(7, 2, 9), first(7, 2, 9));
    }

    #[test]
    fn a_field_passes_through_its_nodes() {
        let field = Field::new(&mut stream(1, 0, 0), 30.0, 20.0, 10.0);
        assert!((field.at(10.0, 0.0) - field.nodes[1]).abs() < 1e-6);
    }
}

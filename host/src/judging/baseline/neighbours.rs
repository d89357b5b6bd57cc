//! The nearest-neighbour baseline: distance to the nearest genuine pictures, pixel by pixel, the oldest novelty
//! detector.

use anyhow::Result;
use counterfoil_models::Plane;
use rayon::prelude::*;

use super::eval_planes::region;
use super::fit::Scorer;

/// Number of neighbours whose distances are averaged (Angiulli & Pizzuti 2002). A single nearest neighbour may be an
/// outlier.
const NEIGHBOURS: usize = 5;
/// Number of squared byte differences added in 32 bits; many times more would fit.
const CHUNK: usize = 4096;

/// The genuine pictures of the fit.
#[derive(Debug)]
pub(super) struct Neighbours {
    planes: Vec<Plane>,
}

impl Neighbours {
    pub(super) fn of(planes: &[&Plane]) -> Self {
        Self { planes: planes.iter().map(|&plane| plane.clone()).collect() }
    }

    /// Minus the mean distance to the nearest genuine pictures. A distance is the root mean square over pixels, in
    /// grey levels.
    fn of_region(&self, row: &[u8], index: usize) -> f32 {
        let mut distances: Vec<u64> =
            self.planes.iter().map(|plane| squared_distance(row, region(plane, index))).collect();
        let count = NEIGHBOURS.min(distances.len());
        if count < distances.len() {
            distances.select_nth_unstable(count);
        }
        let nearest = distances[..count].iter().map(|&square| (square as f64 / row.len() as f64).sqrt());
        -(nearest.sum::<f64>() / count as f64) as f32
    }
}

impl Scorer for Neighbours {
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
        let regions = |plane: &&Plane| {
            let [rows, ..] = plane.shape();
            (0..rows).map(|index| self.of_region(region(plane, index), index)).collect()
        };
        Ok(planes.par_iter().map(regions).collect())
    }
}

/// Squared Euclidean distance in whole numbers, so that the order of the sum does not matter.
fn squared_distance(a: &[u8], b: &[u8]) -> u64 {
    let chunks = a.chunks(CHUNK).zip(b.chunks(CHUNK));
    let of = |(a, b): (&[u8], &[u8])| -> u32 { a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    chunks.map(|chunk| u64::from(of(chunk))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_root_mean_squares_of_grey_levels() {
        assert_eq!(squared_distance(&[0, 255, 10], &[255, 0, 7]), 2 * 255 * 255 + 9);
        assert_eq!(squared_distance(&vec![0; 10_000], &vec![255; 10_000]), 10_000 * 255 * 255);
    }
}

//! The forger who reckons: an original leaves as the sum of the few pictures that best add up to the genuine ones (principal components,
//! Pearson 1901).

use rand::Rng;
use rayon::prelude::*;

use super::Lesson;
use crate::data::{DataError, Samples};
use crate::stream::{normal, stream};
use crate::train::Error;
use crate::zoo::picture::Picture;

/// Genuine pictures looked at.
const SEEN: usize = 2000;
/// Components found; a forgery uses some of the first.
const COMPONENTS: usize = 40;
/// Rounds of the power method: the components that matter stand apart and settle in fewer.
const ROUNDS: usize = 20;

/// Copies originals with 12 to 40 components.
pub(in crate::zoo) fn pca(lesson: &Lesson) -> Result<Vec<Picture>, Error> {
    let subspace = Subspace::of(lesson.samples, lesson.seed)?;
    let copy = |(i, original): (usize, &Picture)| {
        let used = stream(lesson.seed, "zoo pca", i as u64).random_range(12..=COMPONENTS);
        subspace.copy(original, used)
    };
    Ok(lesson.originals.iter().enumerate().map(copy).collect())
}

struct Subspace {
    /// [D]
    mean: Vec<f32>,
    /// Orthonormal rows [D], those of most variance first.
    components: Vec<Vec<f32>>,
}

impl Subspace {
    /// Orthogonal iteration on the covariance (Golub & Van Loan, Matrix Computations, 7.3.2).
    fn of(samples: &Samples, seed: u64) -> Result<Self, DataError> {
        let count = samples.len().min(SEEN);
        let bytes = (0..count).map(|i| samples.row(i)).collect::<Result<Vec<_>, _>>()?;
        let mut rows: Vec<Vec<f32>> =
            bytes.iter().map(|row| row.iter().map(|byte| f32::from(*byte) / 255.0).collect()).collect();
        let size = rows[0].len();
        let mean: Vec<f32> = (0..size).map(|j| rows.iter().map(|row| row[j]).sum::<f32>() / count as f32).collect();
        for row in &mut rows {
            row.iter_mut().zip(&mean).for_each(|(v, mean)| *v -= mean);
        }
        let covariance: Vec<Vec<f32>> = (0..size)
            .into_par_iter()
            .map(|i| {
                let mut line = vec![0.0; size];
                for row in &rows {
                    add(&mut line, row, row[i] / count as f32);
                }
                line
            })
            .collect();
        let first = |i| normal(&mut stream(seed, "zoo component", i as u64), size);
        let mut components: Vec<Vec<f32>> = (0..COMPONENTS.min(size)).map(first).collect();
        orthonormal(&mut components);
        for _ in 0..ROUNDS {
            components = components
                .par_iter()
                .map(|component| covariance.iter().map(|line| dot(line, component)).collect())
                .collect();
            orthonormal(&mut components);
        }
        Ok(Self { mean, components })
    }

    /// The picture's shadow on the first `used` components.
    fn copy(&self, original: &Picture, used: usize) -> Picture {
        let centred: Vec<f32> = original.ink.iter().zip(&self.mean).map(|(v, mean)| v - mean).collect();
        let mut ink = self.mean.clone();
        for component in self.components.iter().take(used) {
            add(&mut ink, component, dot(component, &centred));
        }
        Picture { ink, ..*original }
    }
}

/// Gram and Schmidt's, row by row; a row that is nothing but those before it stays nothing.
fn orthonormal(rows: &mut [Vec<f32>]) {
    for i in 0..rows.len() {
        let (before, rest) = rows.split_at_mut(i);
        let row = &mut rest[0];
        for other in before.iter() {
            let shadow = dot(row, other);
            add(row, other, -shadow);
        }
        let length = dot(row, row).sqrt().max(f32::MIN_POSITIVE);
        for v in row {
            *v /= length;
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// sum += share * row
fn add(sum: &mut [f32], row: &[f32], share: f32) {
    sum.iter_mut().zip(row).for_each(|(sum, v)| *sum += share * v);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{originals, samples};
    use super::*;

    #[test]
    fn more_components_copy_better_and_all_that_vary_copy_exactly() {
        let samples = samples();
        let subspace = Subspace::of(&samples, 1).unwrap();
        for original in originals(&samples) {
            let far = |used| original.distance(&subspace.copy(&original, used));
            assert!(far(1) > far(8) && far(8) > far(34) && far(34) < 0.01, "{} {} {}", far(1), far(8), far(34));
        }
    }
}

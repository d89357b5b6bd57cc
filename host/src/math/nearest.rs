//! Distances to the nearest of some rows that are far from each other.

use candle_core::{D, Device, Result, Tensor};
use rayon::prelude::*;

/// Rows that stand for many: each is the farthest from those chosen before it (greedy k-centre; Sener and Savarese,
/// 1708.00489).
#[derive(Clone, Debug)]
pub(crate) struct Nearest {
    /// `[R, K]`
    rows: Tensor,
    /// The mean square of each row, `[R]`.
    squares: Tensor,
}

impl Nearest {
    /// Keeps up to `kept` of some rows of K numbers.
    ///
    /// # Errors
    /// When there are no rows, or they differ in length.
    pub(crate) fn fit(rows: &[&[f32]], kept: usize) -> Result<Self> {
        let numbers = rows.first().map_or(0, |row| row.len());
        let rows = Tensor::from_vec(far_apart(rows, kept).concat(), ((), numbers), &Device::Cpu)?;
        let squares = rows.sqr()?.mean(D::Minus1)?;
        Ok(Self { rows, squares })
    }

    /// The kept rows, `[R][K]`.
    ///
    /// # Errors
    /// Never in practice: the rows are in memory.
    pub(crate) fn rows(&self) -> Result<Vec<f32>> {
        self.rows.flatten_all()?.to_vec1()
    }

    /// The largest distance of `places`, `[P, K]`, to their nearest rows: a root of a mean square.
    ///
    /// # Errors
    /// When the places have another length than K.
    pub(crate) fn furthest(&self, places: &Tensor) -> Result<f32> {
        let own = places.sqr()?.mean(D::Minus1)?; // [P]
        let factor = -2.0 / self.rows.dim(1)? as f64;
        let products = (places.matmul(&self.rows.t()?)? * factor)?; // [P, R]
        let squares = (products.broadcast_add(&self.squares)?.min(D::Minus1)? + own)?; // [P]
        Ok(squares.max(0)?.to_scalar::<f32>()?.max(0.0).sqrt())
    }
}

/// Up to `kept` of some rows, each the farthest from those before it.
fn far_apart<'a>(rows: &[&'a [f32]], kept: usize) -> Vec<&'a [f32]> {
    let mut nearest = vec![f32::INFINITY; rows.len()];
    let mut chosen = Vec::with_capacity(kept.min(rows.len()));
    let mut next = 0;
    while chosen.len() < kept.min(rows.len()) {
        let newest = rows[next];
        chosen.push(newest);
        nearest.par_iter_mut().zip(rows).for_each(|(nearest, row)| {
            let square: f32 = row.iter().zip(newest).map(|(a, b)| (a - b) * (a - b)).sum();
            *nearest = nearest.min(square);
        });
        next = (0..rows.len()).fold(0, |best, at| if nearest[at] > nearest[best] { at } else { best });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_rows_are_far_from_each_other() {
        let rows = [[0.0], [0.1], [5.0], [5.1], [9.0]];
        let kept = far_apart(&rows.each_ref().map(|row| &row[..]), 3);
        assert_eq!(kept, [&[0.0][..], &[9.0], &[5.0]]);
        assert_eq!(far_apart(&[&[1.0][..]], 9).len(), 1);
    }

    #[test]
    fn the_furthest_place_is_measured_to_its_nearest_row() {
        let nearest = Nearest::fit(&[&[0.0, 0.0], &[4.0, 0.0]], 2).unwrap();
        let places = Tensor::new(&[[0.5f32, 0.0], [4.0, 3.0], [3.0, 0.0]], &Device::Cpu).unwrap();
        let root = 4.5f32.sqrt(); // of the mean of 0 and 9
        assert!((nearest.furthest(&places).unwrap() - root).abs() < 1e-6);
    }
}

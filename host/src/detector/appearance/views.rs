//! Cross-validation of the views, and what each of them tells of rehearsed forgeries.

use anyhow::Result;
use rayon::prelude::*;

use crate::math::tail::Tail;

/// Parts of the cross-validation.
const FOLDS: usize = 5;

/// How the distance of one view counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) tail: Tail,
    pub(super) weight: f32,
}

impl View {
    /// A view that has not been fitted.
    pub(super) const BLANK: Self = Self { tail: Tail { location: 0.0, scale: 1.0 }, weight: 1.0 };
}

/// Which rows a view is fitted to, and which are only judged. The genuine rows come first. Forgeries of some of them
/// follow: `forged` with a piece in the wrong place, then as many with another surface.
pub(super) struct CrossValidation {
    /// The part of the cross-validation of every row. A forgery is in that of its picture.
    pub(super) folds: Vec<usize>,
    /// Number of genuine rows.
    pub(super) genuine: usize,
    /// Number of forgeries of each kind.
    pub(super) forged: usize,
}

/// What is wrong with a rehearsed forgery.
#[derive(Clone, Copy, Debug)]
pub(super) enum Forgery {
    Place,
    Surface,
}

impl CrossValidation {
    /// The part of the cross-validation of number `of` out of `count` pictures or groups in a row. Consecutive pictures
    /// are often shots of one item, so a part is a run of them.
    pub(super) fn run(of: usize, count: usize) -> usize {
        of * FOLDS / count
    }

    /// The part of the cross-validation of a group.
    pub(super) fn of_group(group: u32) -> usize {
        group as usize % FOLDS
    }

    /// Fits a model to the genuine rows. Returns it with the distance of every row to a model that was fitted without
    /// the row's part.
    pub(super) fn fit<M>(
        &self,
        rows: &[&[f32]],
        fit: impl Fn(&[&[f32]]) -> Result<M> + Sync,
        distance: impl Fn(&M, &[f32]) -> Result<f32> + Sync,
    ) -> Result<(M, Vec<f32>)> {
        let part = |fold: usize| {
            let inside: Vec<usize> = (0..rows.len()).filter(|row| self.folds[*row] == fold).collect();
            let outside: Vec<&[f32]> =
                (0..self.genuine).filter(|row| self.folds[*row] != fold).map(|row| rows[row]).collect();
            if inside.is_empty() || outside.len() < 2 {
                return Ok(Vec::new());
            }
            let model = fit(&outside)?;
            inside.into_iter().map(|row| Ok((row, distance(&model, rows[row])?))).collect::<Result<Vec<_>>>()
        };
        let parts = (0..FOLDS).into_par_iter().map(part).collect::<Result<Vec<_>>>()?;
        let mut distances = vec![0.0; rows.len()];
        for (row, distance) in parts.into_iter().flatten() {
            distances[row] = distance;
        }
        Ok((fit(&rows[..self.genuine])?, distances))
    }

    /// How the distances of a view count. The weight is the square of 2 A - 1, where A is the share of pairs in which the
    /// forgery is further than the genuine row (the area under the ROC curve): about in proportion to the distance of
    /// the two means in standard deviations, by which independent numbers are best weighed (Fisher 1936).
    pub(super) fn view(&self, distances: &[f32], forgery: Forgery) -> View {
        let mut genuine = distances[..self.genuine].to_vec();
        genuine.sort_unstable_by(f32::total_cmp);
        let from = match forgery {
            Forgery::Place => self.genuine,
            Forgery::Surface => self.genuine + self.forged,
        };
        let nearer = |forged: &f32| genuine.partition_point(|distance| distance < forged);
        let won: usize = distances[from..from + self.forged].iter().map(nearer).sum();
        let area = won as f32 / (genuine.len() * self.forged) as f32;
        View { tail: Tail::fit(genuine), weight: (2.0 * area - 1.0).max(0.0).powi(2) }
    }
}

/// Brings the mean of the weights to 1. Where no view tells anything, all count the same.
pub(super) fn balanced<const COUNT: usize>(views: [View; COUNT]) -> [View; COUNT] {
    let mean = views.iter().map(|view| view.weight).sum::<f32>() / COUNT as f32;
    views.map(|view| View { weight: if mean > 0.0 { view.weight / mean } else { 1.0 }, ..view })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_judged_without_its_part_and_a_forgery_is_never_learned_from() {
        let rows = [[1.0], [1.0], [2.0], [2.0], [90.0], [91.0]].map(|row: [f32; 1]| row);
        let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
        let validation = CrossValidation { folds: vec![0, 0, 1, 1, 0, 1], genuine: 4, forged: 1 };
        let mean = |rows: &[&[f32]]| Ok(rows.iter().map(|row| row[0]).sum::<f32>() / rows.len() as f32);
        let (model, distances) = validation.fit(&rows, mean, |mean, row| Ok((row[0] - mean).abs())).unwrap();
        assert!((model - 1.5).abs() < 1e-6);
        assert_eq!(distances, [1.0, 1.0, 1.0, 1.0, 88.0, 90.0]);
    }

    #[test]
    fn a_view_weighs_what_it_tells() {
        let validation = CrossValidation { folds: vec![0; 8], genuine: 4, forged: 2 };
        // Misplaced pieces are all further than genuine pictures; other surfaces are a toss of a coin.
        let distances = [1.0, 2.0, 3.0, 4.0, 9.0, 9.0, 0.5, 9.0];
        let [place, surface] =
            [Forgery::Place, Forgery::Surface].map(|forgery| validation.view(&distances, forgery).weight);
        assert!((place - 1.0).abs() < 1e-6 && surface == 0.0, "{place} {surface}");
        let weights =
            |weights: [f32; 2]| balanced(weights.map(|weight| View { weight, ..View::BLANK })).map(|v| v.weight);
        assert_eq!(weights([0.75, 0.25]), [1.5, 0.5]);
        assert_eq!(weights([0.0, 0.0]), [1.0, 1.0]);
    }
}

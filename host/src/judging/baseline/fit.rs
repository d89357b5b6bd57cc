//! Decides which genuine pictures a baseline is fitted to and which pictures it scores; gives one score for each
//! picture.
//!
//! A separate file because a baseline could cheat here: no genuine picture may be scored by a model that was fitted
//! to it.

use anyhow::{Result, ensure};
use counterfoil_models::{Join, JoinRule, Plane};

use super::FEWEST;
use super::eval_planes::EvalPlanes;
use crate::eval::Scored;

/// A fitted baseline.
pub(super) trait Scorer {
    /// The score of each region of each picture, `[pictures][regions]`. Higher is more genuine.
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>>;
}

/// Fits to the reference and scores every picture.
///
/// Without a reference, the genuine pictures are split into those at even and those at odd places. A model fitted to
/// each half scores the other half, and a counterfeit gets the mean of its two scores. The scores of regions are
/// joined as on the box, after scaling each region by its scores on the judged genuine pictures.
pub(super) fn scores<S: Scorer>(
    eval_planes: &EvalPlanes,
    reference: Option<&EvalPlanes>,
    fit: impl Fn(&[&Plane]) -> Result<S>,
) -> Result<Vec<Scored>> {
    let (planes, is_genuine) = (eval_planes.planes(), eval_planes.genuine());
    let genuine: Vec<usize> = (0..planes.len()).filter(|&place| is_genuine[place]).collect();
    if let Some(reference) = reference {
        let fitted_to = reference.planes();
        ensure!(
            fitted_to.len() >= FEWEST,
            "--reference holds {} pictures that can be read, at least {FEWEST} are needed to fit to",
            fitted_to.len()
        );
        let rows = fit(&fitted_to)?.score(&planes)?;
        let on: Vec<Vec<f32>> = genuine.iter().map(|&place| rows[place].clone()).collect();
        return Ok(eval_planes.scored(&joined(&on, &rows)?));
    }

    ensure!(
        genuine.len() >= 2 * FEWEST,
        "{} genuine pictures are too few to fit to one half and judge the other: give {} or more, or others with --reference",
        genuine.len(),
        2 * FEWEST
    );
    let fakes: Vec<usize> = (0..planes.len()).filter(|&place| !is_genuine[place]).collect();
    let mut scores = vec![0.0; planes.len()];
    for half in [0, 1] {
        let of = |half: usize| genuine.iter().copied().skip(half).step_by(2);
        let (fitted_to, judged): (Vec<usize>, Vec<usize>) = (of(half).collect(), of(1 - half).collect());
        let planes = |places: &[usize]| places.iter().map(|&place| planes[place]).collect::<Vec<_>>();
        let places = [&judged[..], &fakes].concat();
        let rows = fit(&planes(&fitted_to))?.score(&planes(&places))?;
        for (&place, score) in places.iter().zip(joined(&rows[..judged.len()], &rows)?) {
            scores[place] += if is_genuine[place] { score } else { score / 2.0 };
        }
    }
    Ok(eval_planes.scored(&scores))
}

/// Joins the scores of each picture's regions into one, after scaling each region by its scores on the `genuine`
/// pictures.
pub(super) fn joined(genuine: &[Vec<f32>], rows: &[Vec<f32>]) -> Result<Vec<f32>> {
    let join = Join::fit(JoinRule::Mean, genuine)?;
    rows.iter().map(|row| Ok(join.join(row)?.get())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, input};
    use super::*;
    use crate::data::spread;
    use std::sync::Mutex;

    /// A scorer that refuses to score the pictures it was fitted to.
    struct RejectsFittedPictures(Vec<String>);

    impl Scorer for RejectsFittedPictures {
        fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
            planes
                .iter()
                .map(|plane| {
                    ensure!(!self.0.contains(&plane.sha256()), "it was fitted to this picture");
                    Ok(vec![1.0])
                })
                .collect()
        }
    }

    #[test]
    fn no_picture_is_scored_by_a_fit_that_saw_it() {
        let (dir, input) = (folder(41, 10), input());
        let items = dir.items();
        let eval_planes = EvalPlanes::of(&items, &input);
        let fitted_to = Mutex::new(0);
        let fit = |planes: &[&Plane]| {
            *fitted_to.lock().unwrap() += planes.len();
            Ok(RejectsFittedPictures(planes.iter().map(|plane| plane.sha256()).collect()))
        };
        let scored = scores(&eval_planes, None, fit).unwrap();
        assert_eq!((scored.len(), *fitted_to.lock().unwrap()), (51, 41));
        assert!(scored.iter().all(|one| one.score == 1.0));
        assert!(scores(&eval_planes, Some(&eval_planes), fit).unwrap_err().to_string().contains("fitted to this"));
    }

    #[test]
    fn too_few_to_fit_to_are_named() {
        let (dir, input) = (folder(19, 3), input());
        let items = dir.items();
        let eval_planes = EvalPlanes::of(&items, &input);
        let fit = |_: &[&Plane]| Ok(RejectsFittedPictures(Vec::new()));
        assert!(scores(&eval_planes, None, fit).unwrap_err().to_string().contains("--reference"));
        let few: Vec<_> = spread(&items, 9).cloned().collect();
        let few = EvalPlanes::of(&few, &input);
        assert!(scores(&eval_planes, Some(&few), fit).unwrap_err().to_string().contains("holds 9 pictures"));
    }
}

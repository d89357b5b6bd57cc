//! Who is fitted to which genuine pictures and scores which: a way to fit enters, one score a picture leaves.
//!
//! A file of its own because this is where a baseline could cheat: no genuine picture is ever scored by a fit that saw it.

use anyhow::{Result, ensure};
use counterfoil_models::{Join, JoinRule, Plane};

use super::FEWEST;
use super::exhibits::Exhibits;
use crate::eval::Scored;

/// Something that was fitted.
pub(super) trait Scorer {
    /// The score of each region of each picture, `[pictures][regions]`, higher being more genuine.
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>>;
}

/// Fits to the reference and scores every picture; without a reference, fits to the genuine at even places and scores those at odd
/// ones, and the other way round, counterfeits having the mean of both scores.
///
/// Regions are joined as the box joins them, on the scale they have among the genuine pictures judged.
pub(super) fn scores<S: Scorer>(
    exhibits: &Exhibits,
    reference: Option<&Exhibits>,
    fit: impl Fn(&[&Plane]) -> Result<S>,
) -> Result<Vec<Scored>> {
    let (planes, is_genuine) = (exhibits.planes(), exhibits.genuine());
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
        return Ok(exhibits.scored(&joined(&on, &rows)?));
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
    Ok(exhibits.scored(&scores))
}

/// One score from the scores of each picture's regions, each on the scale it has on the genuine ones.
pub(super) fn joined(genuine: &[Vec<f32>], rows: &[Vec<f32>]) -> Result<Vec<f32>> {
    let join = Join::fit(JoinRule::Mean, genuine)?;
    rows.iter().map(|row| Ok(join.join(row)?.get())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, input};
    use super::*;
    use std::sync::Mutex;

    /// Refuses to score what it was fitted to.
    struct Jealous(Vec<String>);

    impl Scorer for Jealous {
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
        let exhibits = Exhibits::of(&items, &input);
        let fitted_to = Mutex::new(0);
        let fit = |planes: &[&Plane]| {
            *fitted_to.lock().unwrap() += planes.len();
            Ok(Jealous(planes.iter().map(|plane| plane.sha256()).collect()))
        };
        let scored = scores(&exhibits, None, fit).unwrap();
        assert_eq!((scored.len(), *fitted_to.lock().unwrap()), (51, 41));
        assert!(scored.iter().all(|one| one.score == 1.0));
        assert!(scores(&exhibits, Some(&exhibits), fit).unwrap_err().to_string().contains("fitted to this"));
    }

    #[test]
    fn too_few_to_fit_to_are_named() {
        let (dir, input) = (folder(19, 3), input());
        let items = dir.items();
        let exhibits = Exhibits::of(&items, &input);
        let fit = |_: &[&Plane]| Ok(Jealous(Vec::new()));
        assert!(scores(&exhibits, None, fit).unwrap_err().to_string().contains("--reference"));
        let few = exhibits::evenly(&items, 9);
        let few = Exhibits::of(&few, &input);
        assert!(scores(&exhibits, Some(&few), fit).unwrap_err().to_string().contains("holds 9 pictures"));
    }

    use super::super::exhibits;
}

//! Computes the manifest's enrolment from held-out pictures of known items or writers: the scales, and for each
//! number of references the scores of genuine pictures that are compared with that many others of their own group.
//!
//! A separate file because this calibration has its own pitfalls. Every picture is scored once for each K, against
//! references drawn once: draws that share a picture are not independent, and more of them would only make the
//! threshold look more certain than it is. Pictures of one group still resemble each other and share references, so
//! the effective number of independent ones is computed and reported. Scales are fitted on other groups than those
//! used for calibration.

use std::collections::BTreeMap;

use anyhow::Result;
use counterfoil_models::{
    Calibration, Distance, EmbeddingPart, Enrolment, Error as ContractError, ReferenceLevel, References, Scale, Score,
};
use rand::seq::index;

use crate::detector::EnrolmentOutputs;
use crate::math::random::stream;

/// Weight of one standard deviation of the distance in the joined score.
const WEIGHT_DISTANCE: f64 = 1.0;
/// Numbers of references that are calibrated. The box uses the next lower one.
const LEVELS: [usize; 5] = [1, 2, 4, 8, 16];
/// Share of the pictures, in whole groups, that fits the scales.
const SCALE_SHARE: f64 = 0.25;
/// Minimum number of groups: fewer say too little about a new group, however many pictures each of them has.
const MIN_GROUPS: usize = 5;

/// A held-out genuine picture of a known group.
#[derive(Debug)]
pub(super) struct Known {
    /// Number of the picture's item or writer.
    pub(super) group: u32,
    /// The picture's general score, without references.
    pub(super) general: Score,
    /// The embeddings of the picture's regions one after the other, `[R * E]`.
    pub(super) embedding: Vec<f32>,
}

/// Computes an enrolment; `None` if there are too few pictures or groups for the false-alarm rate `alpha`.
///
/// # Errors
/// When an embedding holds a number that is not finite.
pub(super) fn fit(pictures: &[Known], outputs: &EnrolmentOutputs, alpha: f64, seed: u64) -> Result<Option<Enrolment>> {
    let groups = groups(pictures);
    let wanted = (pictures.len() as f64 * SCALE_SHARE).round() as usize;
    let mut taken = 0;
    let (scaling, calibrating): (Vec<&Vec<usize>>, Vec<&Vec<usize>>) = groups.iter().partition(|group| {
        let takes = taken < wanted;
        taken += group.len();
        takes
    });
    let general: Vec<f64> = scaling.iter().copied().flatten().map(|i| f64::from(pictures[*i].general.get())).collect();
    let (Some(parts), Some(general)) = (parts(pictures, &scaling, &outputs.parts), Scale::fit(&general)) else {
        return Ok(None);
    };
    let distance = Distance { parts };
    let mut enrolment = Enrolment {
        distance,
        weight_distance: WEIGHT_DISTANCE,
        weight_general: outputs.weight_general,
        general,
        levels: Vec::new(),
    };
    for k in LEVELS {
        let Some(level) = level(pictures, (&scaling, &calibrating), &enrolment, k, alpha, seed)? else { break };
        enrolment.levels.push(level);
    }
    Ok((!enrolment.levels.is_empty()).then_some(enrolment))
}

/// The pictures of each group with more than one, in the order of the groups. Of pictures with the same embedding
/// only the first is kept.
fn groups(pictures: &[Known]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, picture) in pictures.iter().enumerate() {
        let group = groups.entry(picture.group).or_default();
        if group.iter().all(|other| pictures[*other].embedding != picture.embedding) {
            group.push(i);
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

/// The parts of the embedding, each with its variance between pictures of one group; every group has the same weight.
/// `None` without groups.
fn parts(pictures: &[Known], groups: &[&Vec<usize>], lengths: &[usize]) -> Option<Vec<EmbeddingPart>> {
    let mut start = 0;
    let part = |&length: &usize| {
        let stretch = start..start + length;
        start += length;
        let of_one = |group: &&Vec<usize>| {
            let n = group.len() as f64;
            let variance = |element: usize| {
                let numbers = group.iter().map(|i| f64::from(pictures[*i].embedding[element]));
                let mean = numbers.clone().sum::<f64>() / n;
                numbers.map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)
            };
            stretch.clone().map(variance).sum::<f64>() / length as f64
        };
        // The minimum avoids a division by zero for a part that never varies.
        let variance = (groups.iter().map(of_one).sum::<f64>() / groups.len() as f64).max(1e-12);
        EmbeddingPart { length, variance }
    };
    (!groups.is_empty()).then(|| lengths.iter().map(part).collect())
}

/// The distance of every picture from `k` others of its group, drawn once, group by group. Groups of `k` pictures or
/// fewer are skipped.
fn distances(
    pictures: &[Known],
    groups: &[&Vec<usize>],
    distance: &Distance,
    k: usize,
    seed: u64,
) -> Result<Vec<Vec<(Score, f64)>>> {
    let purpose = format!("references {k}");
    let mut found = Vec::new();
    for group in groups.iter().filter(|group| group.len() > k) {
        let mut scored = Vec::with_capacity(group.len());
        for (place, i) in group.iter().enumerate() {
            let drawn = index::sample(&mut stream(seed, &purpose, *i as u64), group.len() - 1, k);
            // Indices from the picture's own place on are shifted by one, so that the picture itself is never drawn.
            let others = drawn.iter().map(|at| group[at + usize::from(at >= place)]);
            let references = References::new(others.map(|other| pictures[other].embedding.clone()).collect())?;
            scored.push((pictures[*i].general, distance.of(&pictures[*i].embedding, &references)?));
        }
        found.push(scored);
    }
    Ok(found)
}

/// Scale and calibration for `k` references; `None` if too few groups have more than `k` pictures.
fn level(
    pictures: &[Known],
    (scaling, calibrating): (&[&Vec<usize>], &[&Vec<usize>]),
    enrolment: &Enrolment,
    k: usize,
    alpha: f64,
    seed: u64,
) -> Result<Option<ReferenceLevel>> {
    let distances = |groups| distances(pictures, groups, &enrolment.distance, k, seed);
    let apart: Vec<f64> = distances(scaling)?.concat().into_iter().map(|(_, distance)| distance).collect();
    let Some(scale) = Scale::fit(&apart) else { return Ok(None) };
    let joined = |scored: Vec<(Score, f64)>| -> Result<Vec<f32>> {
        scored.into_iter().map(|(general, apart)| Ok(enrolment.join(apart, scale, general)?.get())).collect()
    };
    let scores = distances(calibrating)?.into_iter().map(joined).collect::<Result<Vec<_>>>()?;
    if scores.len() < MIN_GROUPS {
        return Ok(None);
    }
    match Calibration::new(alpha, scores.concat()) {
        Ok(calibration) => {
            let (groups, effective) = (scores.len(), effective(&scores));
            Ok(Some(ReferenceLevel { references: k, distance: scale, groups, effective, calibration }))
        }
        Err(ContractError::TooFewForAlpha { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The effective number of independent scores, since scores of one group resemble each other: Kish's design effect
/// with the intraclass correlation of a one-way analysis of variance (Donner and Klar 2000, 1.3). Every group has two
/// scores or more.
fn effective(groups: &[Vec<f32>]) -> f64 {
    let mean = |scores: &[f32]| scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
    let all = groups.concat();
    let (n, g, centre) = (all.len() as f64, groups.len() as f64, mean(&all));
    let (mut between, mut within, mut squares) = (0.0, 0.0, 0.0);
    for group in groups {
        let own = mean(group);
        between += group.len() as f64 * (own - centre).powi(2);
        within += group.iter().map(|s| (f64::from(*s) - own).powi(2)).sum::<f64>();
        squares += (group.len() as f64).powi(2);
    }
    let (between, within) = (between / (g - 1.0), within / (n - g));
    let size = (n - squares / n) / (g - 1.0);
    let correlation = (between - within) / (between + (size - 1.0) * within);
    // If the scores never vary, the correlation is undefined and counts as 0.
    let correlation = if correlation.is_finite() { correlation.clamp(0.0, 1.0) } else { 0.0 };
    n / (1.0 + (squares / n - 1.0) * correlation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::normal;
    use counterfoil_models::Verdict;

    /// Groups far apart, with similar pictures in each; the general score carries no information.
    fn population(groups: u32, each: u64, seed: u64) -> Vec<Known> {
        let mut pictures = Vec::new();
        for group in 0..groups {
            let mut rng = stream(seed, "group", u64::from(group));
            let centre: Vec<f32> = normal(&mut rng, 8).iter().map(|x| 4.0 * x).collect();
            for _ in 0..each {
                let embedding = normal(&mut rng, 8).iter().zip(&centre).map(|(x, c)| x + c).collect();
                let general = Score::new(normal(&mut rng, 1)[0]).unwrap();
                pictures.push(Known { group, general, embedding });
            }
        }
        pictures
    }

    fn fit(pictures: &[Known], alpha: f64, seed: u64) -> Result<Option<Enrolment>> {
        super::fit(pictures, &EnrolmentOutputs { parts: vec![8], weight_general: 1.0 }, alpha, seed)
    }

    fn refused(enrolment: &Enrolment, pictures: &[Known], k: usize, own: bool) -> f64 {
        let groups = groups(pictures);
        let (mut alarms, mut all) = (0, 0);
        for (g, group) in groups.iter().enumerate() {
            let of = if own { group } else { &groups[(g + 1) % groups.len()] };
            let references =
                References::new(group[..k].iter().map(|i| pictures[*i].embedding.clone()).collect()).unwrap();
            for i in &of[k..] {
                let judged = enrolment.judge(&references, pictures[*i].general, &pictures[*i].embedding).unwrap();
                alarms += usize::from(judged.verdict() == Verdict::Counterfeit);
                all += 1;
            }
        }
        alarms as f64 / all as f64
    }

    #[test]
    fn the_stated_rate_holds_on_new_groups_and_strangers_are_caught() {
        let enrolment = fit(&population(40, 20, 1), 0.05, 7).unwrap().unwrap();
        enrolment.validate().unwrap();
        assert_eq!(enrolment.levels.iter().map(|level| level.references).collect::<Vec<_>>(), LEVELS);
        assert_eq!((enrolment.levels[0].groups, enrolment.levels[0].calibration.scores().len()), (30, 600));
        let fresh = population(150, 20, 2);
        for k in [1, 4, 6, 16] {
            let alarms = refused(&enrolment, &fresh, k, true);
            assert!((0.015..0.09).contains(&alarms), "{k} references: {alarms}");
            let caught = refused(&enrolment, &fresh, k, false);
            assert!(caught > 0.95, "{k} references: {caught}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_references() {
        let pictures = population(12, 12, 3);
        let fitted = |seed| fit(&pictures, 0.05, seed).unwrap().unwrap();
        assert_eq!(fitted(1), fitted(1));
        assert_ne!(fitted(1).levels[1].calibration, fitted(2).levels[1].calibration);
        assert_eq!(fitted(1).levels.last().unwrap().references, 8, "no group has 17 pictures");
    }

    #[test]
    fn what_is_too_little_gives_no_enrolment() {
        let none = |pictures: &[Known], alpha| fit(pictures, alpha, 1).unwrap().is_none();
        assert!(none(&[], 0.05));
        assert!(none(&population(50, 1, 1), 0.05), "every picture its own group");
        assert!(none(&population(5, 100, 1), 0.05), "four groups, or three, are left to calibrate on");
        assert!(none(&population(20, 5, 1), 0.01) && !none(&population(20, 5, 1), 0.05), "75 pictures for 1 %");
        let mut dead = population(10, 10, 1);
        for picture in &mut dead {
            picture.embedding.fill(0.5);
        }
        assert!(none(&dead, 0.05), "a network that sees no difference");
    }

    #[test]
    fn pictures_that_resemble_each_other_are_worth_fewer() {
        let scores = |shift: f32| -> Vec<Vec<f32>> {
            let draws = |g: u64| normal(&mut stream(g, "scores", 0), 10);
            (0..100)
                .map(|g| draws(g).iter().map(|x| x + shift * normal(&mut stream(g, "shift", 0), 1)[0]).collect())
                .collect()
        };
        let (strangers, kin) = (effective(&scores(0.0)), effective(&scores(10.0)));
        assert!(strangers > 750.0 && (100.0..120.0).contains(&kin), "{strangers} and {kin} of 1000");
        assert_eq!(effective(&[vec![1.0; 5], vec![1.0; 5]]), 10.0);
    }
}

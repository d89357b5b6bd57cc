//! Series of shots: pictures that follow each other by name and are more alike than others, such as twenty shots of one
//! coin. If a series is on both sides of a split, the pictures held out are not new, and a calibration on them promises
//! too much.
//!
//! Exact and near duplicates are found elsewhere (`duplicates`): the next shot of an article is no duplicate.

use std::fmt;

use rand::Rng;

use super::{Fingerprint, Item, Result};
use crate::math::random::stream;

/// Fewest pictures among which a series is looked for.
const FEWEST: usize = 60;
/// Number of runs into which a folder with series is divided.
const RUNS: usize = 20;
/// Random pairs for each pair of neighbours.
const PAIRS: usize = 4;
/// How much more than half of the neighbours, which is chance, must be nearer than the median random pair.
const ALIKE: f64 = 0.12;
/// The same in standard deviations of chance, 0.5 / sqrt(N).
const DEVIATIONS: f64 = 4.0;
/// Greys, from the darkest to the brightest, by which pictures are compared wherever the article lies.
const QUANTILES: usize = 32;

/// Runs of pictures that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// The run of each picture.
    pub(crate) runs: Vec<usize>,
    /// Share of the pictures that are nearer to the next one than half of the random pairs are, 0.5 by chance.
    pub(crate) alike: f64,
}

/// Writes what was found and what follows from it.
impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pictures that follow each other by name are alike ({:.0} % are more like the next one than half of all pairs are): shots of one \
             item are not divided between learning and calibration; if you know which belong together, give --group",
            100.0 * self.alike
        )
    }
}

/// Looks for series among pictures without named groups. `print` gives the stored fingerprint of a picture. `None`
/// where there are groups, where neighbours by name are no more alike than others, or where there are fewer than 60
/// pictures.
///
/// # Errors
/// The errors of `print`.
pub(crate) fn series(items: &[&Item], mut print: impl FnMut(usize) -> Result<Vec<u8>>) -> Result<Option<Series>> {
    let is_file = |item: &&Item| item.path().is_some();
    if items.len() < FEWEST || !items.iter().all(is_file) || items.iter().any(|item| item.group != item.name) {
        return Ok(None);
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_cached_key(|picture| natural(&items[*picture].name));
    let mut greys = Vec::with_capacity(items.len());
    for picture in &order {
        greys.push(quantiles(&print(*picture)?));
    }
    let Some((steps, alike)) = neighbours(&greys) else { return Ok(None) };
    let mut runs = vec![0; items.len()];
    for (place, run) in cut(&steps).into_iter().enumerate() {
        runs[order[place]] = run;
    }
    Ok(Some(Series { runs, alike }))
}

/// A name as a list of texts and numbers, so that `2` comes before `10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = vec![(String::new(), 0)];
    let mut in_number = false;
    for character in name.chars() {
        let digit = character.to_digit(10);
        if in_number && digit.is_none() {
            parts.push((String::new(), 0));
        }
        in_number = digit.is_some();
        let (text, number) = parts.last_mut().expect("there is a first part");
        match digit {
            Some(digit) => *number = number.saturating_mul(10).saturating_add(u64::from(digit)),
            None => text.push(character),
        }
    }
    parts
}

/// Some greys of a stored fingerprint in ascending order.
fn quantiles(print: &[u8]) -> [f32; QUANTILES] {
    let mut greys = print[Fingerprint::GREY..].to_vec();
    greys.sort_unstable();
    std::array::from_fn(|place| f32::from(greys[(2 * place + 1) * greys.len() / (2 * QUANTILES)]))
}

/// The distance of each picture to the next one, and the share of these that is below the median of random pairs;
/// `None` if that is no more than chance.
fn neighbours(greys: &[[f32; QUANTILES]]) -> Option<(Vec<f32>, f64)> {
    let n = greys.len();
    let mean = |at: usize| greys.iter().map(|picture| picture[at]).sum::<f32>() / n as f32;
    let deviation = |at: usize| {
        let mean = mean(at);
        (greys.iter().map(|picture| (picture[at] - mean).powi(2)).sum::<f32>() / n as f32).sqrt().max(1.0)
    };
    let deviations: [f32; QUANTILES] = std::array::from_fn(deviation);
    let distance = |one: usize, other: usize| {
        let steps = greys[one].iter().zip(&greys[other]).zip(&deviations);
        steps.map(|((a, b), deviation)| ((a - b) / deviation).powi(2)).sum::<f32>().sqrt()
    };
    let steps: Vec<f32> = (1..n).map(|place| distance(place - 1, place)).collect();
    let mut rng = stream(0, "series", 0);
    let mut pair = || distance(rng.random_range(0..n), rng.random_range(0..n));
    let mut pairs: Vec<f32> = (0..PAIRS * n).map(|_| pair()).collect();
    pairs.sort_unstable_by(f32::total_cmp);
    let alike = steps.iter().filter(|step| **step < pairs[pairs.len() / 2]).count() as f64 / steps.len() as f64;
    let least = ALIKE.max(DEVIATIONS * 0.5 / (n as f64).sqrt());
    (alike - 0.5 > least).then_some((steps, alike))
}

/// The run of each picture: about equally many pictures each, cut at the largest step near each place.
fn cut(steps: &[f32]) -> Vec<usize> {
    let n = steps.len() + 1;
    let length = n as f64 / RUNS as f64;
    let largest = |number: usize| {
        let (from, to) = ((number as f64 - 0.4) * length, (number as f64 + 0.4) * length);
        let places = from.ceil() as usize..=(to as usize).min(steps.len() - 1);
        places.max_by(|a, b| steps[*a].total_cmp(&steps[*b])).unwrap_or(from as usize)
    };
    let cuts: Vec<usize> = (1..RUNS).map(largest).collect();
    (0..n).map(|place| cuts.iter().filter(|cut| **cut < place).count()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greys(count: usize, level: impl Fn(usize) -> f32) -> Vec<[f32; QUANTILES]> {
        (0..count).map(|picture| std::array::from_fn(|at| level(picture) + at as f32)).collect()
    }

    fn noise(picture: usize) -> f32 {
        (picture * 7919 % 101) as f32
    }

    #[test]
    fn shots_of_one_item_are_a_series_and_other_pictures_are_none() {
        // Ten shots of each item, which differ by a tenth of what the items differ by.
        let shots = greys(200, |picture| 10.0 * noise(picture / 10) + noise(picture));
        let (steps, alike) = neighbours(&shots).unwrap();
        assert!(alike > 0.8, "{alike}");
        let runs = cut(&steps);
        assert_eq!((runs[0], runs[199]), (0, RUNS - 1));
        for item in 0..20 {
            let own = &runs[item * 10..item * 10 + 10];
            assert!(own.iter().all(|run| run == &own[0]), "item {item} is in runs {own:?}");
        }
        assert!(neighbours(&greys(200, noise)).is_none());
        assert!(neighbours(&greys(200, |_| 3.0)).is_none());
    }

    #[test]
    fn names_are_ordered_by_their_numbers() {
        let mut names = ["b1.jpg", "a10.jpg", "a9_2.jpg", "a9_10.jpg"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["a9_2.jpg", "a9_10.jpg", "a10.jpg", "b1.jpg"]);
    }
}

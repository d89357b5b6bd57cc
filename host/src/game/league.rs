//! A league: plays every generator against every detector and rates them all.
//!
//! Based on "Skill Rating for Generative Models" (Olsson et al., arXiv:1808.04888). Each match is one exhibit. Half
//! of the exhibits of a pair are genuine, half are by the generator. A correct verdict is a win for the detector, a
//! wrong one a win for the generator, and *unsure* is a draw. So a detector that calls everything counterfeit gains
//! nothing. Ratings are Glicko-2 over `PERIODS` rating periods. They compare the players of one league and say
//! nothing about other leagues.

mod player;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use counterfoil_models::{Verdict, write_whole};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use skillratings::Outcomes;
use skillratings::glicko2::{Glicko2Config, Glicko2Rating, glicko2_rating_period};

use crate::gan::sampler::FaceoffGenerator;
pub use player::{Detective, Genuine};

/// Number of Glicko-2 rating periods. Each period contains the same share of every pair's matches.
const PERIODS: usize = 10;

/// The results of one pair's matches in the order of play: `W` the detector wins, `L` the generator wins, `D` a draw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Name of the generator.
    pub generator: String,
    /// Name of the detector.
    pub detective: String,
    /// One letter per match.
    pub matches: String,
}

/// The matches of all pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matches {
    /// Identifies the league by bundles, pictures, seed and number of matches. Other leagues' matches are not reused.
    pub of: String,
    /// The pairs that were played.
    pub pairs: Vec<Pair>,
}

/// The rating of one player.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rated {
    /// Name of the bundle.
    pub name: String,
    /// Role of the player: `generator` or `detective`.
    pub plays: &'static str,
    /// Glicko-2 rating.
    pub rating: f64,
    /// Rating deviation: the 95 % interval reaches about two deviations to each side of the rating.
    pub deviation: f64,
    /// Share of matches won, 0..=1. A draw counts as half.
    pub won: f64,
}

impl Matches {
    /// Reads the matches that an earlier call stored at `path`. The result is empty when the file does not exist.
    ///
    /// # Errors
    /// Returns an error when the file cannot be read, or belongs to another league.
    pub fn resume(path: &Path, of: String) -> Result<Self> {
        if !path.exists() {
            return Ok(Self { of, pairs: Vec::new() });
        }
        let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let kept: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no league; remove it, or choose another --out", path.display()))?;
        ensure!(
            kept.of == of,
            "{} is of other bundles or pictures; remove it, or choose another --out",
            path.display()
        );
        Ok(kept)
    }

    /// Plays the pairs that were not played yet, and writes the file after each pair.
    ///
    /// # Errors
    /// Returns an error when a network fails, or the file cannot be written.
    pub fn play(
        &mut self,
        forgers: &[FaceoffGenerator],
        detectives: &[Detective],
        genuine: &Genuine,
        path: &Path,
        mut tell: impl FnMut(&Pair),
    ) -> Result<()> {
        for forger in forgers {
            for detective in detectives {
                let is_it = |pair: &Pair| pair.generator == forger.name() && pair.detective == detective.name();
                if self.pairs.iter().any(is_it) {
                    continue;
                }
                let matches = (0..genuine.len() * 2)
                    .into_par_iter()
                    .map(|number| {
                        let (verdict, is_genuine) = if number % 2 == 0 {
                            (detective.judge(&genuine.picture(number / 2)?)?, true)
                        } else {
                            (detective.judge_forgery(forger, number as u64 / 2)?, false)
                        };
                        Ok(match (verdict, is_genuine) {
                            (Verdict::Unsure, _) => 'D',
                            (Verdict::Genuine, true) | (Verdict::Counterfeit, false) => 'W',
                            (Verdict::Genuine, false) | (Verdict::Counterfeit, true) => 'L',
                        })
                    })
                    .collect::<Result<String>>()?;
                let pair = Pair { generator: forger.name().into(), detective: detective.name().into(), matches };
                tell(&pair);
                self.pairs.push(pair);
                write_whole(path, &serde_json::to_vec_pretty(self)?)?;
            }
        }
        Ok(())
    }

    /// The ratings of all players, best first.
    #[must_use]
    pub fn rated(&self) -> Vec<Rated> {
        let mut ratings: BTreeMap<(&'static str, &str), Glicko2Rating> = BTreeMap::new();
        for pair in &self.pairs {
            ratings.insert(("generator", &pair.generator), Glicko2Rating::new());
            ratings.insert(("detective", &pair.detective), Glicko2Rating::new());
        }
        for period in 0..PERIODS {
            let mut results: BTreeMap<(&'static str, &str), Vec<(Glicko2Rating, Outcomes)>> = BTreeMap::new();
            for pair in &self.pairs {
                let (forger, detective) = (("generator", &pair.generator[..]), ("detective", &pair.detective[..]));
                for letter in pair.matches.chars().skip(period).step_by(PERIODS) {
                    let (ours, theirs) = match letter {
                        'W' => (Outcomes::WIN, Outcomes::LOSS),
                        'L' => (Outcomes::LOSS, Outcomes::WIN),
                        _ => (Outcomes::DRAW, Outcomes::DRAW),
                    };
                    results.entry(detective).or_default().push((ratings[&forger], ours));
                    results.entry(forger).or_default().push((ratings[&detective], theirs));
                }
            }
            let rate = |(player, rating): (&_, &Glicko2Rating)| {
                let played = results.get(player).map_or(&[][..], Vec::as_slice);
                (*player, glicko2_rating_period(rating, played, &Glicko2Config::new()))
            };
            ratings = ratings.iter().map(rate).collect();
        }
        let mut rated: Vec<Rated> = ratings
            .into_iter()
            .map(|((plays, name), rating)| {
                let mine = self
                    .pairs
                    .iter()
                    .filter(|pair| if plays == "generator" { pair.generator == name } else { pair.detective == name });
                let shares: Vec<f64> = mine.map(Pair::won_by_detective).collect();
                let won = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
                let won = if plays == "generator" { 1.0 - won } else { won };
                Rated { name: name.to_owned(), plays, rating: rating.rating, deviation: rating.deviation, won }
            })
            .collect();
        rated.sort_by(|a, b| b.rating.total_cmp(&a.rating));
        rated
    }

    /// The win rates as an SVG matrix: one row per generator, one column per detector.
    ///
    /// # Errors
    /// Returns an error when the picture cannot be rendered.
    pub fn picture(&self) -> Result<String> {
        let names = |of: fn(&Pair) -> &str| {
            let mut names: Vec<String> = Vec::new();
            for name in self.pairs.iter().map(|pair| of(pair).to_owned()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        let (generators, detectives) = (names(|pair| &pair.generator), names(|pair| &pair.detective));
        let cell = |generator: &str, detective: &str| {
            let pair = self.pairs.iter().find(|pair| pair.generator == generator && pair.detective == detective);
            pair.map(|pair| (100.0 * pair.won_by_detective()).round() as u32)
        };
        let rows: Vec<Vec<Option<u32>>> = generators
            .iter()
            .map(|generator| detectives.iter().map(|detective| cell(generator, detective)).collect())
            .collect();
        let page = minijinja::Environment::new();
        page.render_str(include_str!("league/matrix.svg"), minijinja::context! { generators, detectives, rows })
            .context("the picture cannot be made")
    }
}

impl Pair {
    /// The detector's share of wins, 0..=1. A draw counts as half.
    #[must_use]
    pub fn won_by_detective(&self) -> f64 {
        let points: f64 = self
            .matches
            .chars()
            .map(|letter| match letter {
                'W' => 1.0,
                'L' => 0.0,
                _ => 0.5,
            })
            .sum();
        points / self.matches.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(generator: &str, detective: &str, matches: &str) -> Pair {
        Pair { generator: generator.into(), detective: detective.into(), matches: matches.into() }
    }

    #[test]
    fn the_better_are_rated_higher_and_all_of_it_stays_near_the_mean() {
        let (strong, weak) = ("W".repeat(45) + &"L".repeat(5), "W".repeat(25) + &"L".repeat(25));
        let pairs = vec![
            pair("good", "sharp", &strong),
            pair("good", "dull", &weak),
            pair("poor", "sharp", &"W".repeat(50)),
            pair("poor", "dull", &strong),
        ];
        let rated = Matches { of: String::new(), pairs }.rated();
        let of = |name: &str| rated.iter().find(|rated| rated.name == name).unwrap();
        assert!(of("sharp").rating > of("dull").rating && of("good").rating > of("poor").rating, "{rated:?}");
        assert!(of("dull").rating > of("poor").rating);
        assert!(rated.iter().all(|rated| rated.deviation < 120.0), "a hundred matches tell something: {rated:?}");
        assert!((of("sharp").won - 0.95).abs() < 1e-9 && (of("poor").won - 0.05).abs() < 1e-9, "{rated:?}");
        assert_eq!(rated[0].name, "sharp");
    }

    #[test]
    fn the_picture_has_every_pair() {
        let pairs = vec![pair("<a>", "x", "WWWL"), pair("<a>", "y", "DD"), pair("b", "x", "LLLL")];
        let svg = Matches { of: String::new(), pairs }.picture().unwrap();
        for text in [">75<", ">50<", ">0<", "&lt;a&gt;"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(!svg.contains("<a>"));
    }

    #[test]
    fn another_leagues_matches_are_not_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("league.json");
        let kept = Matches { of: "one".into(), pairs: vec![pair("a", "b", "W")] };
        fs::write(&path, serde_json::to_vec(&kept).unwrap()).unwrap();
        assert_eq!(Matches::resume(&path, "one".into()).unwrap(), kept);
        assert!(Matches::resume(&path, "other".into()).unwrap_err().to_string().contains("--out"));
    }
}

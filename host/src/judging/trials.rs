//! Reference trials on pictures of known items or writers. In each group some genuine pictures are drawn as
//! references, and the other ones, together with the counterfeits of the group, are compared with them by the rule of
//! the box. The results are [`Claim`]s.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use counterfoil_edge::Detector;
use counterfoil_edge::inference::Outputs;
use counterfoil_models::{References, Verdict};
use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::data::{Item, partition_results, simple_statistics};
use crate::eval::Claim;
use crate::math::random::stream;

/// The network's outputs for a picture, and its simple statistics.
#[derive(Debug)]
struct Seen {
    outputs: Outputs,
    simple_statistics: Vec<(&'static str, f64)>,
}

/// The pictures of one group, as indices into the gallery.
#[derive(Debug, Default)]
struct Group {
    genuine: Vec<usize>,
    fakes: Vec<usize>,
}

/// Pictures by group, each run through the network once.
#[derive(Debug)]
pub struct ReferenceTrials<'a> {
    detector: &'a Detector,
    seen: Vec<Seen>,
    groups: Vec<Group>,
    /// Pictures that could not be read, each with its reason.
    pub unreadable: Vec<String>,
}

/// One draw in a group of more than K genuine pictures: the K references, and all pictures that are compared with
/// them.
struct Drawn<'g> {
    number: usize,
    references: Vec<usize>,
    rest: Vec<usize>,
    fakes: &'g [usize],
}

impl<'a> ReferenceTrials<'a> {
    /// Runs the network on every picture once. A genuine picture with the same embedding as another one of its group
    /// is left out, because the box refuses to enrol both.
    ///
    /// # Errors
    /// When the bundle has no enrolment, or a group has counterfeits but no genuine pictures.
    pub fn new(detector: &'a Detector, items: &[Item]) -> Result<Self> {
        detector.bundle().manifest().enrolment()?;
        let look = |item: &Item| -> Result<Seen> {
            let frame = item.frame()?;
            let outputs = detector.run(&detector.plane(&frame)?.to_f32())?;
            Ok(Seen { outputs, simple_statistics: simple_statistics(&frame) })
        };
        let looked = items.par_iter().map(|item| match look(item) {
            Ok(seen) => Ok((seen, item)),
            Err(error) => Err(format!("{}: {error}", item.name)),
        });
        let (looked, unreadable) = partition_results(looked.collect());

        let (mut seen, mut groups): (Vec<Seen>, BTreeMap<&str, Group>) = (Vec::new(), BTreeMap::new());
        for (one, item) in looked {
            let group = groups.entry(&item.group).or_default();
            let genuine = item.family.is_none();
            let twin = |other: &usize| seen[*other].outputs.embedding == one.outputs.embedding;
            if !genuine {
                group.fakes.push(seen.len());
            } else if group.genuine.iter().any(twin) {
                continue;
            } else {
                group.genuine.push(seen.len());
            }
            seen.push(one);
        }
        if let Some((name, _)) = groups.iter().find(|(_, group)| group.genuine.is_empty()) {
            anyhow::bail!(
                "--group: there are counterfeits of {name} and no genuine pictures of it; add some, or correct the pattern"
            );
        }
        Ok(Self { detector, seen, groups: groups.into_values().collect(), unreadable })
    }

    /// Number of groups of more than `k` genuine pictures.
    #[must_use]
    pub fn groups(&self, k: usize) -> usize {
        self.groups.iter().filter(|group| group.genuine.len() > k).count()
    }

    /// Makes the claims of one draw of `k` references, judged as on the box.
    ///
    /// # Errors
    /// When `k` is 0, when no group has more than `k` genuine pictures, or when the network's output is not finite.
    pub fn claims(&self, k: usize, draw: u64, seed: u64) -> Result<Vec<Claim>> {
        let manifest = self.detector.bundle().manifest();
        let enrolment = manifest.enrolment()?;
        let one = |drawn: &Drawn| -> Result<Vec<Claim>> {
            let embeddings = drawn.references.iter().map(|place| self.seen[*place].outputs.embedding.clone());
            let references = References::new(embeddings.collect())?;
            drawn.judged(|place| {
                let outputs = &self.seen[place].outputs;
                let judged = enrolment.judge(&references, manifest.join.join(&outputs.score)?, &outputs.embedding)?;
                Ok((f64::from(judged.score().get()), judged.verdict() == Verdict::Counterfeit))
            })
        };
        Ok(self.draw(k, draw, seed)?.par_iter().map(one).collect::<Result<Vec<_>>>()?.concat())
    }

    /// Makes the claims of the same draw for each single number, with minus its distance from the references' mean as
    /// the score.
    ///
    /// # Errors
    /// The same as for [`claims`](Self::claims).
    pub fn single_numbers(&self, k: usize, draw: u64, seed: u64) -> Result<Vec<(&'static str, Vec<Claim>)>> {
        let drawn = self.draw(k, draw, seed)?;
        let names = self.seen.first().map_or(&[][..], |seen| &seen.simple_statistics);
        let by = |column: usize| -> Result<Vec<Claim>> {
            let number = |place: &usize| self.seen[*place].simple_statistics[column].1;
            let one = |drawn: &Drawn| {
                let mean = drawn.references.iter().map(number).sum::<f64>() / k as f64;
                drawn.judged(|place| Ok((-(number(&place) - mean).abs(), false)))
            };
            Ok(drawn.iter().map(one).collect::<Result<Vec<_>>>()?.concat())
        };
        names.iter().enumerate().map(|(column, (name, _))| Ok((*name, by(column)?))).collect()
    }

    fn draw(&self, k: usize, draw: u64, seed: u64) -> Result<Vec<Drawn<'_>>> {
        ensure!(k > 0, "--enroll 0: expected at least one reference");
        let drawn = self.groups.iter().filter(|group| group.genuine.len() > k).enumerate().map(|(number, group)| {
            let mut references = group.genuine.clone();
            references.shuffle(&mut stream(seed, &format!("draw {draw}"), number as u64));
            let rest = references.split_off(k);
            Drawn { number, references, rest, fakes: &group.fakes }
        });
        let drawn: Vec<Drawn> = drawn.collect();
        ensure!(
            !drawn.is_empty(),
            "--enroll {k}: no group has more genuine pictures than that; ask for fewer references"
        );
        Ok(drawn)
    }
}

impl Drawn<'_> {
    /// Judges every picture that is compared with the references, by a rule that returns a score and whether the
    /// picture is called counterfeit.
    fn judged(&self, rule: impl Fn(usize) -> Result<(f64, bool)>) -> Result<Vec<Claim>> {
        let claims = self.rest.iter().map(|place| (place, true)).chain(self.fakes.iter().map(|place| (place, false)));
        claims
            .map(|(place, genuine)| {
                let (score, called_counterfeit) = rule(*place)?;
                Ok(Claim { group: self.number, genuine, score, called_counterfeit })
            })
            .collect::<Result<_>>()
            .with_context(|| format!("group {}", self.number))
    }
}

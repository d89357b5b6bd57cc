//! Detectors and labelled pictures enter, a refereed game leaves.
//!
//! The rules live in [`counterfoil_models::game`]; here is the table they are played at. The referee seals the labels,
//! then shows every exhibit's pixels to all contestants alike, one after the other on one thread, because thinking
//! breaks ties and threads would disturb its time. It opens the seal at the end.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use counterfoil_models::game::{Answer, Outcome, Seal};
use counterfoil_models::{DecodedFrame, Frame, random_seed, secret};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::detector::source::Source;
use crate::{Detector, Error, Result};

/// What two games must share to show the same exhibits in the same order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Seed of the shuffle: the same seed gives the same exhibits in the same order, so the order can be worked out from it. With `None` the
    /// seed is random and kept secret.
    pub seed: Option<u64>,
    /// Exhibits to play; all of them when `None`.
    pub rounds: Option<usize>,
}

/// What the audience may know while the game is on. Labels are not part of it.
#[derive(Debug)]
pub enum Event<'a> {
    /// The labels are sealed; nothing has been shown yet.
    Sealed {
        /// [`Seal::digest`].
        digest: &'a str,
        /// Exhibits there will be.
        rounds: usize,
    },
    /// Everyone has answered to an exhibit.
    Answered {
        /// The round, from 1.
        round: usize,
        /// The answers, in the contestants' order.
        answers: &'a [Answer],
    },
}

/// One exhibit and what was said of it.
#[derive(Clone, Debug)]
pub struct Round {
    /// The exhibit's file, which no contestant was told.
    pub exhibit: PathBuf,
    /// The truth.
    pub genuine: bool,
    /// The answers, in the contestants' order.
    pub answers: Vec<Answer>,
}

/// A game that was played to its end.
#[derive(Clone, Debug)]
pub struct Played {
    /// What was published before the first round.
    pub digest: String,
    /// What opens it.
    pub seal: Seal,
    /// Standings and the statistics on them.
    pub outcome: Outcome,
    /// Every round, in the order of play.
    pub transcript: Vec<Round>,
}

/// Plays a game: each contestant a name and a detector, each exhibit a file and whether it is genuine.
///
/// A contestant that fails over an exhibit abstains.
///
/// # Errors
/// [`Error::Exhibit`] for a picture that cannot be decoded, [`Error::Unsealed`], and [`Error::Audience`] when `watch`
/// fails.
pub fn play(
    contestants: &[(String, Detector)],
    exhibits: &[(PathBuf, bool)],
    rules: Rules,
    mut watch: impl FnMut(Event<'_>) -> io::Result<()>,
) -> Result<Played> {
    let mut exhibits = exhibits.to_vec();
    let seed = rules.seed.map_or_else(random_seed, Ok).map_err(Error::Unsealed)?;
    exhibits.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    exhibits.truncate(rules.rounds.unwrap_or(exhibits.len()));

    // Never from the seed: the labels of every order could be tried against the digest.
    let seal = Seal { salt: secret().map_err(Error::Unsealed)?, genuine: exhibits.iter().map(|(_, g)| *g).collect() };
    let digest = seal.digest();
    watch(Event::Sealed { digest: &digest, rounds: exhibits.len() }).map_err(Error::Audience)?;

    let mut transcript = Vec::with_capacity(exhibits.len());
    for (exhibit, genuine) in exhibits {
        let frame = decode(&exhibit)?;
        let answers: Vec<Answer> = contestants.iter().map(|(_, detector)| answer(detector, &frame)).collect();
        watch(Event::Answered { round: transcript.len() + 1, answers: &answers }).map_err(Error::Audience)?;
        transcript.push(Round { exhibit, genuine, answers });
    }

    let sheets: Vec<(String, Vec<Answer>)> = contestants
        .iter()
        .enumerate()
        .map(|(i, (name, _))| (name.clone(), transcript.iter().map(|round| round.answers[i]).collect()))
        .collect();
    let outcome = Outcome::new(&sheets, &seal.genuine);
    Ok(Played { digest, seal, outcome, transcript })
}

fn decode(exhibit: &Path) -> Result<DecodedFrame> {
    let frame = Source::File(exhibit.to_path_buf()).frame();
    frame.map_err(|e| Error::Exhibit { path: exhibit.to_path_buf(), source: Box::new(e) })
}

fn answer(detector: &Detector, frame: &Frame) -> Answer {
    let begun = Instant::now();
    let verdict = detector.judge(frame).ok().map(|judgement| judgement.verdict());
    Answer { verdict, seconds: begun.elapsed().as_secs_f64() }
}

//! Plays a refereed face-off: detectors and labelled pictures in, a complete game out.
//!
//! The rules are in [`counterfoil_models::game`]; this module runs them. The referee seals the labels and then shows
//! the pixels of every exhibit to all contestants. They answer one after the other on one thread, because thinking
//! time breaks ties and parallel work would disturb the measurement. At the end the referee opens the seal.

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

/// The settings that two games must share to show the same exhibits in the same order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Seed of the shuffle. The same seed gives the same order, so a reader who knows the seed can compute the order.
    /// With `None` the seed is random and kept secret.
    pub seed: Option<u64>,
    /// Number of exhibits to show; all of them when `None`.
    pub rounds: Option<usize>,
}

/// What the audience may know during the game. The labels are not part of it.
#[derive(Debug)]
pub enum Event<'a> {
    /// The labels are sealed; nothing has been shown yet.
    Sealed {
        /// Digest of the sealed labels, see [`Seal::digest`].
        digest: &'a str,
        /// Number of exhibits that will be shown.
        rounds: usize,
    },
    /// All contestants have answered to an exhibit.
    Answered {
        /// Number of the round, from 1.
        round: usize,
        /// The answers, in the order of the contestants.
        answers: &'a [Answer],
    },
}

/// One exhibit and the answers to it.
#[derive(Clone, Debug)]
pub struct Round {
    /// The file of the exhibit. The contestants do not know it.
    pub exhibit: PathBuf,
    /// The true label: whether the exhibit is genuine.
    pub genuine: bool,
    /// The answers, in the order of the contestants.
    pub answers: Vec<Answer>,
}

/// A complete game.
#[derive(Clone, Debug)]
pub struct Played {
    /// The digest that was published before the first round.
    pub digest: String,
    /// The seal that opens the digest.
    pub seal: Seal,
    /// Standings and statistics.
    pub outcome: Outcome,
    /// Every round, in the order in which they were played.
    pub transcript: Vec<Round>,
}

/// Plays a game. A contestant is a name and a detector; an exhibit is a file and whether it is genuine.
///
/// A contestant that fails on an exhibit abstains.
///
/// # Errors
/// [`Error::Exhibit`] for a picture that cannot be decoded, [`Error::Unsealed`] when there are no random bytes,
/// and [`Error::Audience`] when `watch` fails.
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

    // The salt must not come from the seed: otherwise the labels of every order could be tried against the digest.
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

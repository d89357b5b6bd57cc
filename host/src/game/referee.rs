//! Runs a face-off over the network: takes exhibits and contestants, and produces a recorded game.
//!
//! The rules are those of [`counterfoil_models::game`]. The exhibits are mixed and sealed before the game. Every
//! [`Contestant`] is shown the same bytes at the same time and answers against the referee's clock.
//! [`record`] stores the game, and [`super::scoreboard`] shows it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use counterfoil_models::game::{Answer, Seal};
use counterfoil_models::{ensure_folder_free, lock_folder, secret, sync, write_private};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::contestant::Contestant;
use super::exhibits::Exhibit;
use super::record::{Begin, End, Entry, Round, Transcript};
use super::scoreboard::{GameView, Stage};
use super::{cards, record};

/// Name of the record's file in a game's folder.
pub const TRANSCRIPT: &str = "transcript.jsonl";
/// Name of the exhibits' folder in a game's folder.
pub const EXHIBITS: &str = "exhibits";
/// Name of the file in a game's folder that must stay secret until the game is over.
const SECRET: &str = "secret.json";

/// What a game shows to its contestants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Show {
    /// Pictures that are sent to the contestants.
    Pictures(Vec<Exhibit>),
    /// Objects on the table, in an order that the operator knows: the label of each, `true` for genuine.
    Listed(Vec<bool>),
    /// Objects on the table, each with a sealed card: their number.
    Cards(usize),
}

/// What must stay secret until the game is over.
#[derive(Debug, Serialize, Deserialize)]
struct Secret {
    begin: Begin,
    seal: Option<Seal>,
    show: Show,
}

/// The timing of a game.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time to answer.
    pub deadline: Duration,
    /// Time for which the unveiled exhibit stays on the scoreboard.
    pub pause: Duration,
}

/// The person who lays exhibits on the table and scans their cards.
pub trait Operator: Send {
    /// Asks for the exhibit of this round. Returns when it lies on the table.
    fn lay(&mut self, round: usize, rounds: usize) -> Result<()>;
    /// Asks for the face of the exhibit's card.
    fn face(&mut self, round: usize) -> Result<String>;
    /// Asks for the back of the exhibit's card.
    fn back(&mut self, round: usize) -> Result<String>;
}

/// A game, new or resumed.
#[derive(Debug)]
pub struct Game {
    folder: PathBuf,
    /// Keeps other referees out of the folder.
    _claim: File,
    secret: Secret,
    transcript: Transcript,
    rounds: Vec<Round>,
    opened: Vec<bool>,
}

impl Game {
    /// Begins a new game in its own folder. `show` writes the exhibits there. The folder is prepared beside its final
    /// place and then renamed, so that a game that cannot begin leaves nothing behind.
    ///
    /// # Errors
    /// Returns an error when the folder is taken, or the exhibits cannot be prepared.
    pub fn begin(
        folder: &Path,
        show: impl FnOnce(&Path) -> Result<Show>,
        contestants: &[Contestant],
        pace: Pace,
    ) -> Result<Self> {
        refuse_played(folder)?;
        ensure_folder_free(folder, &[])?;
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = || format!("cannot write into {}", parent.display());
        fs::create_dir_all(parent).with_context(written)?;
        let draft = tempfile::Builder::new().prefix(".faceoff-").tempdir_in(parent).with_context(written)?;
        let show = show(draft.path())?;
        let genuine = match &show {
            Show::Pictures(exhibits) => Some(exhibits.iter().map(|exhibit| exhibit.genuine).collect()),
            Show::Listed(labels) => Some(labels.clone()),
            Show::Cards(_) => None,
        };
        let seal = match genuine {
            Some(genuine) => Some(Seal { salt: secret().context("the labels cannot be sealed")?, genuine }),
            None => None,
        };
        let begin = Begin {
            game: secret().context("the game cannot be named")?[..16].to_owned(),
            contestants: contestants.iter().map(|contestant| contestant.name().to_owned()).collect(),
            rounds: show.rounds(),
            deadline: pace.deadline.as_secs_f64(),
            seal: seal.as_ref().map(Seal::digest),
            look: !matches!(show, Show::Pictures(_)),
        };
        let secret = Secret { begin, seal, show };
        write_private(&draft.path().join(SECRET), &serde_json::to_vec(&secret)?).with_context(written)?;
        Transcript::create(&draft.path().join(TRANSCRIPT))?.write(&Entry::Begin(secret.begin))?;
        // Temporary folders are private, but a game's folder must be readable by everyone who verifies it.
        fs::set_permissions(draft.path(), Permissions::from_mode(0o755)).with_context(written)?;
        // The rename replaces nothing but an empty folder.
        fs::rename(draft.path(), folder).with_context(|| format!("the game cannot be put at {}", folder.display()))?;
        sync(parent)?;
        drop(draft);
        Self::resume(folder, contestants)
    }

    /// Resumes a game that its referee left unfinished.
    ///
    /// # Errors
    /// Returns an error when the game is finished, changed, played by other contestants, or in use by another referee.
    pub fn resume(folder: &Path, contestants: &[Contestant]) -> Result<Self> {
        let claim = lock_folder(folder)?;
        let path = folder.join(SECRET);
        let text = fs::read(&path).with_context(|| {
            format!("{} holds no game to go on with: it was finished, or is no game's folder", folder.display())
        })?;
        let secret: Secret = serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?;
        let (transcript, entries) = Transcript::resume(&folder.join(TRANSCRIPT))?;
        let mut entries = entries.into_iter();
        ensure!(entries.next() == Some(Entry::Begin(secret.begin.clone())), "{} is of two games", folder.display());
        let names: Vec<&str> = contestants.iter().map(Contestant::name).collect();
        ensure!(
            names == secret.begin.contestants,
            "this game is played by {}; name the same contestants in the same order",
            secret.begin.contestants.join(", ")
        );
        let mut rounds = Vec::new();
        for entry in entries {
            match entry {
                Entry::Round(round) => rounds.push(round),
                Entry::Begin(_) | Entry::End(_) => bail!("{} holds a game that is over", folder.display()),
            }
        }
        let folder = folder.to_path_buf();
        let mut game = Self { folder, _claim: claim, secret, transcript, rounds: Vec::new(), opened: Vec::new() };
        for round in rounds {
            let genuine = game.truth(round.round, round.card.as_ref())?;
            game.rounds.push(round);
            game.opened.push(genuine);
        }
        Ok(game)
    }

    /// The first entry of the game's record.
    #[must_use]
    pub fn begun(&self) -> &Begin {
        &self.secret.begin
    }

    /// Number of rounds that were played.
    #[must_use]
    pub fn played(&self) -> usize {
        self.rounds.len()
    }

    /// Has every contestant judge a practice picture that does not count, to find those that cannot play before the
    /// game.
    ///
    /// # Errors
    /// Returns an error that names the contestant that cannot play, and the reason.
    pub async fn run_practice_round(&self, contestants: &[Arc<Contestant>], view: &GameView) -> Result<()> {
        view.set(|scene| scene.stage = Stage::Practice);
        let picture: Bytes = practice_picture()?.into();
        let mut all = JoinSet::new();
        for contestant in contestants.iter().map(Arc::clone) {
            let (game, picture) = (self.begun().game.clone(), picture.clone());
            let look = self.begun().look;
            all.spawn(async move {
                let asked = if look { contestant.look(&game).await } else { contestant.judge(&game, picture).await };
                asked.map(drop).with_context(|| format!("{} cannot play", contestant.name()))
            });
        }
        while let Some(asked) = all.join_next().await {
            asked.context("a contestant's thread ended")??;
        }
        Ok(())
    }

    /// Plays the remaining rounds of the game.
    ///
    /// # Errors
    /// Returns an error when an exhibit was changed, or the game cannot be written. The rounds played so far stay in
    /// the record.
    pub async fn play(
        mut self,
        contestants: &[Arc<Contestant>],
        view: &GameView,
        pace: Pace,
        operator: &mut dyn Operator,
        mut tell: impl FnMut(&Round, bool),
    ) -> Result<End> {
        view.begin(self.begun());
        self.tell_scores(view);
        for number in self.rounds.len() + 1..=self.begun().rounds {
            let (round, genuine) = self.round(number, contestants, view, pace, operator).await?;
            self.transcript.write(&Entry::Round(round.clone()))?;
            tell(&round, genuine);
            view.unveil(&round, genuine);
            self.rounds.push(round);
            self.opened.push(genuine);
            self.tell_scores(view);
            sleep(pace.pause).await;
        }
        let seal = self.secret.seal.take();
        let opened = seal.unwrap_or(Seal { salt: String::new(), genuine: self.opened.clone() });
        let exhibits = match &self.secret.show {
            Show::Pictures(exhibits) => exhibits.iter().map(|exhibit| exhibit.name.clone()).collect(),
            Show::Listed(_) | Show::Cards(_) => {
                (1..=self.rounds.len()).map(|number| format!("exhibit {number}")).collect()
            }
        };
        let outcome = record::outcome(&self.rounds, &opened.genuine);
        let end = End { opened, exhibits, outcome };
        self.transcript.write(&Entry::End(end.clone()))?;
        view.end(&end);
        for contestant in contestants {
            contestant.leave(&self.begun().game).await;
        }
        let secret = self.folder.join(SECRET);
        fs::remove_file(&secret).with_context(|| format!("cannot remove {}", secret.display()))?;
        Ok(end)
    }

    async fn round(
        &self,
        number: usize,
        contestants: &[Arc<Contestant>],
        view: &GameView,
        pace: Pace,
        operator: &mut dyn Operator,
    ) -> Result<(Round, bool)> {
        let (picture, sha256) = match &self.secret.show {
            Show::Pictures(exhibits) => {
                let exhibit = &exhibits[number - 1];
                let path = self.folder.join(EXHIBITS).join(&exhibit.file);
                let bytes =
                    fs::read(&path).with_context(|| format!("the exhibit {} cannot be read", path.display()))?;
                ensure!(
                    counterfoil_models::sha256_hex(&bytes) == exhibit.sha256,
                    "{} was changed since the labels were sealed; give it back and --resume",
                    path.display()
                );
                (Some(Bytes::from(bytes)), Some(exhibit.sha256.clone()))
            }
            Show::Listed(_) | Show::Cards(_) => (None, None),
        };
        let face = match &self.secret.show {
            Show::Cards(_) => Some(operator.face(number)?),
            Show::Pictures(_) | Show::Listed(_) => None,
        };
        if picture.is_none() {
            operator.lay(number, self.begun().rounds)?;
        }
        view.show(number, picture.clone(), pace.deadline);
        let answers = self.answers(contestants, view, pace.deadline, picture).await;
        let card = match face {
            Some(face) => Some((face, operator.back(number)?)),
            None => None,
        };
        let genuine = self.truth(number, card.as_ref())?;
        Ok((Round { round: number, exhibit: sha256, card, answers }, genuine))
    }

    /// The answers within the deadline: the contestants in their order, then the people.
    async fn answers(
        &self,
        contestants: &[Arc<Contestant>],
        view: &GameView,
        deadline: Duration,
        picture: Option<Bytes>,
    ) -> Vec<(String, Answer)> {
        let begun = Instant::now();
        let mut thinking = JoinSet::new();
        for (place, contestant) in contestants.iter().map(Arc::clone).enumerate() {
            let (game, picture) = (self.begun().game.clone(), picture.clone());
            thinking.spawn(async move {
                let asked = async {
                    match picture {
                        Some(picture) => contestant.judge(&game, picture).await,
                        None => contestant.look(&game).await,
                    }
                };
                let verdict = timeout(deadline, asked).await;
                let answer = match verdict {
                    Ok(Ok(verdict)) => Answer { verdict, seconds: begun.elapsed().as_secs_f64() },
                    // A failure counts as no answer, with the longest possible time.
                    Ok(Err(_)) | Err(_) => Answer { verdict: None, seconds: deadline.as_secs_f64() },
                };
                (place, answer)
            });
        }
        let late = Answer { verdict: None, seconds: deadline.as_secs_f64() };
        let mut answers: Vec<(String, Answer)> =
            contestants.iter().map(|contestant| (contestant.name().to_owned(), late)).collect();
        while let Some(thought) = thinking.join_next().await {
            if let Ok((place, answer)) = thought {
                answers[place].1 = answer;
                view.answered(&answers[place].0);
            }
        }
        answers.extend(view.people(begun, deadline).await);
        answers
    }

    /// Whether the exhibit of a round is genuine.
    fn truth(&self, round: usize, card: Option<&(String, String)>) -> Result<bool> {
        match (&self.secret.seal, card) {
            (Some(seal), _) => seal.genuine.get(round - 1).copied().context("there is no such round"),
            (None, Some(card)) => cards::opens(card).with_context(|| {
                format!(
                    "the back of round {round}'s card does not fit its face; scan the same card's back and --resume"
                )
            }),
            (None, None) => bail!("round {round} has no card"),
        }
    }

    fn tell_scores(&self, view: &GameView) {
        view.scores(&record::outcome(&self.rounds, &self.opened).standings);
    }
}

impl Show {
    fn rounds(&self) -> usize {
        match self {
            Self::Pictures(exhibits) => exhibits.len(),
            Self::Listed(labels) => labels.len(),
            Self::Cards(count) => *count,
        }
    }
}

/// Returns an error when the folder holds a game. The message says what can be done.
fn refuse_played(folder: &Path) -> Result<()> {
    ensure!(
        !folder.join(SECRET).exists(),
        "{} holds a game that is not over; --resume goes on with it, another --out begins anew",
        folder.display()
    );
    ensure!(
        !folder.join(TRANSCRIPT).exists(),
        "{} holds a finished game, which is kept; choose another --out",
        folder.display()
    );
    Ok(())
}

/// A practice picture: waves that resemble no article.
fn practice_picture() -> Result<Vec<u8>> {
    let picture = image::RgbImage::from_fn(192, 128, |x, y| {
        let wave = ((x * x + y * y) / 61 % 256) as u8;
        image::Rgb([wave, wave.wrapping_add(64), (x ^ y) as u8])
    });
    Ok(counterfoil_models::Frame::Rgb(picture).to_png()?)
}

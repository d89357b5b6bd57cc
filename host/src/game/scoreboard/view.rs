//! The state of the scoreboard: the scene that is shown now, and the people who have joined.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use counterfoil_models::Verdict;
use counterfoil_models::game::{Answer, Standing};
use hyper::body::Bytes;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::audience::{Audience, Refused};
use crate::game::record::{Begin, End, Round};

/// Stage of a game.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// People may join. Nothing is shown yet.
    #[default]
    Lobby,
    /// The contestants judge a practice picture that does not count.
    Practice,
    /// An exhibit is shown and may be judged.
    Showing,
    /// The exhibit is unveiled.
    Unveiled,
    /// The game is over.
    Over,
}

/// What the scoreboard shows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scene {
    /// Stage of the game.
    pub stage: Stage,
    /// Current round, counted from 1.
    pub round: usize,
    /// Number of rounds in the game.
    pub rounds: usize,
    /// Digest of the sealed labels.
    pub seal: Option<String>,
    /// Whether there is a picture of the exhibit.
    pub picture: bool,
    /// Time to answer, in seconds.
    pub deadline: f64,
    /// URL of the page for the audience.
    pub play: String,
    /// Names of the contestants.
    pub contestants: Vec<String>,
    /// Names of the people who joined.
    pub people: Vec<String>,
    /// Names of those who have answered the current round.
    pub answered: Vec<String>,
    /// The answers of the round, quickest first. Empty until the round no longer accepts answers.
    pub lights: Vec<Light>,
    /// Whether the exhibit is genuine, once it is unveiled.
    pub genuine: Option<bool>,
    /// Standings of all contestants, best first.
    pub scores: Vec<Standing>,
    /// The outcome as a sentence, once the game is over.
    pub sentence: Option<String>,
    /// Whether there is a winner.
    pub decided: bool,
}

/// One answer of the unveiled round.
#[derive(Clone, Debug, Serialize)]
pub struct Light {
    /// Name of the contestant or person.
    pub name: String,
    /// The verdict; `None` when the answer was late.
    pub verdict: Option<Verdict>,
    /// Time to the answer, in seconds.
    pub seconds: f64,
    /// Points earned: 1, 0 or -1.
    pub points: i64,
}

/// The shared state of a scoreboard.
#[derive(Debug)]
pub struct GameView {
    scene: watch::Sender<Arc<Scene>>,
    inside: Mutex<Inside>,
    /// Notified when a person has answered.
    heard: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    audience: Audience,
    /// Number and picture of the exhibit that is shown.
    shown: Option<(usize, Bytes)>,
}

impl Default for GameView {
    fn default() -> Self {
        let (scene, _) = watch::channel(Arc::default());
        Self { scene, inside: Mutex::default(), heard: Notify::new() }
    }
}

impl GameView {
    /// A receiver of the scene, updated whenever the scene changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Scene>> {
        self.scene.subscribe()
    }

    /// Changes the scene.
    pub fn set(&self, change: impl FnOnce(&mut Scene)) {
        self.scene.send_modify(|scene| change(Arc::make_mut(scene)));
    }

    /// Shows a game that begins or continues.
    pub fn begin(&self, begin: &Begin) {
        self.set(|scene| {
            scene.rounds = begin.rounds;
            scene.seal.clone_from(&begin.seal);
            scene.contestants.clone_from(&begin.contestants);
        });
    }

    /// Shows the exhibit of a round and opens the round for answers. `picture` is `None` for an exhibit on the table.
    pub fn show(&self, round: usize, picture: Option<Bytes>, deadline: Duration) {
        {
            let mut inside = self.lock();
            inside.audience.open(round);
            inside.shown = picture.map(|picture| (round, picture));
        }
        let picture = self.lock().shown.is_some();
        self.set(|scene| {
            scene.stage = Stage::Showing;
            scene.round = round;
            scene.picture = picture;
            scene.deadline = deadline.as_secs_f64();
            scene.answered.clear();
            scene.lights.clear();
            scene.genuine = None;
        });
    }

    /// Marks a contestant or person as having answered.
    pub fn answered(&self, name: &str) {
        self.set(|scene| scene.answered.push(name.to_owned()));
    }

    /// Waits until all people have answered or the deadline has passed, closes the round, and returns the answers.
    pub async fn people(&self, begun: Instant, deadline: Duration) -> Vec<(String, Answer)> {
        let all = async {
            loop {
                let heard = self.heard.notified();
                if self.lock().audience.is_complete() {
                    return;
                }
                heard.await;
            }
        };
        // After the deadline, a person who has not answered counts as silent.
        let _ = timeout(deadline.saturating_sub(begun.elapsed()), all).await;
        self.lock().audience.close(deadline.as_secs_f64())
    }

    /// Unveils the exhibit of a round.
    pub fn unveil(&self, round: &Round, genuine: bool) {
        let mut lights: Vec<Light> = round
            .answers
            .iter()
            .map(|(name, answer)| Light {
                name: name.clone(),
                verdict: answer.verdict,
                seconds: answer.seconds,
                points: answer.points(genuine),
            })
            .collect();
        lights.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        self.set(|scene| {
            scene.stage = Stage::Unveiled;
            scene.lights = lights;
            scene.genuine = Some(genuine);
        });
    }

    /// Shows the standings.
    pub fn scores(&self, standings: &[Standing]) {
        self.set(|scene| scene.scores = standings.to_vec());
    }

    /// Shows the end of the game.
    pub fn end(&self, end: &End) {
        self.set(|scene| {
            scene.stage = Stage::Over;
            scene.scores.clone_from(&end.outcome.standings);
            scene.sentence = Some(end.outcome.sentence());
            scene.decided = end.outcome.decided;
        });
    }

    /// The picture of a round, while it is shown.
    #[must_use]
    pub fn exhibit(&self, round: usize) -> Option<Bytes> {
        self.lock().shown.as_ref().filter(|(shown, _)| *shown == round).map(|(_, picture)| picture.clone())
    }

    /// Lets a person at the address `from` join under a name. Returns the person's secret id.
    ///
    /// # Errors
    /// Returns a [`Refused`] when the name is invalid or taken, or the game is full, or has too many
    /// people from this address.
    pub fn join(&self, name: &str, from: IpAddr) -> Result<String, Refused> {
        let contestants = self.scene.borrow().contestants.clone();
        let mut inside = self.lock();
        let id = inside.audience.join(name, from, &contestants)?;
        let people = inside.audience.sorted_names();
        drop(inside);
        self.set(|scene| scene.people = people);
        Ok(id)
    }

    /// Records a person's answer to the exhibit of a round.
    ///
    /// # Errors
    /// Returns a [`Refused`] when the id is unknown, the round is not open, or the person has already answered.
    pub fn say(&self, id: &str, round: usize, genuine: bool) -> Result<(), Refused> {
        let name = self.lock().audience.say(id, round, genuine)?;
        self.answered(&name);
        self.heard.notify_waiters();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

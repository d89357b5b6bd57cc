//! The hall in which a game is played: what is to be seen in it now, and who has joined.

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

/// How far a game is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// People may join; nothing is shown.
    #[default]
    Lobby,
    /// Everybody judges something that does not count.
    Practice,
    /// An exhibit is shown, and may be judged.
    Showing,
    /// It is unveiled.
    Unveiled,
    /// The game is over.
    Over,
}

/// What is to be seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scene {
    /// How far the game is.
    pub stage: Stage,
    /// The round, from 1, and how many there will be.
    pub round: usize,
    /// Of how many.
    pub rounds: usize,
    /// The sealed labels' digest.
    pub seal: Option<String>,
    /// Whether there is a picture of the exhibit.
    pub picture: bool,
    /// Seconds there are to answer.
    pub deadline: f64,
    /// Where people play along.
    pub play: String,
    /// Who plays.
    pub contestants: Vec<String>,
    /// People who play.
    pub people: Vec<String>,
    /// Who has answered, while an exhibit is shown.
    pub answered: Vec<String>,
    /// What was said, once nobody can say any more; the quickest first.
    pub lights: Vec<Light>,
    /// What the exhibit was, once it is unveiled.
    pub genuine: Option<bool>,
    /// How everybody stands, best first.
    pub scores: Vec<Standing>,
    /// The end, in words.
    pub sentence: Option<String>,
    /// Whether there is a winner.
    pub decided: bool,
}

/// What one of them said.
#[derive(Clone, Debug, Serialize)]
pub struct Light {
    /// Who.
    pub name: String,
    /// What; nothing when it was late.
    pub verdict: Option<Verdict>,
    /// After how long.
    pub seconds: f64,
    /// What it earned.
    pub points: i64,
}

/// The hall.
#[derive(Debug)]
pub struct Hall {
    scene: watch::Sender<Arc<Scene>>,
    inside: Mutex<Inside>,
    /// Somebody has said something.
    heard: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    audience: Audience,
    /// The exhibit that is shown.
    shown: Option<(usize, Bytes)>,
}

impl Default for Hall {
    fn default() -> Self {
        let (scene, _) = watch::channel(Arc::default());
        Self { scene, inside: Mutex::default(), heard: Notify::new() }
    }
}

impl Hall {
    /// The scene, whenever it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Scene>> {
        self.scene.subscribe()
    }

    /// Changes the scene.
    pub fn set(&self, change: impl FnOnce(&mut Scene)) {
        self.scene.send_modify(|scene| change(Arc::make_mut(scene)));
    }

    /// A game begins, or goes on.
    pub fn begin(&self, begin: &Begin) {
        self.set(|scene| {
            scene.rounds = begin.rounds;
            scene.seal.clone_from(&begin.seal);
            scene.contestants.clone_from(&begin.contestants);
        });
    }

    /// An exhibit is shown.
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

    /// Somebody has answered.
    pub fn answered(&self, name: &str) {
        self.set(|scene| scene.answered.push(name.to_owned()));
    }

    /// Waits for the people, until they have all answered or the time is over, and closes the round.
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
        // Over time is over: whoever said nothing has said nothing.
        let _ = timeout(deadline.saturating_sub(begun.elapsed()), all).await;
        self.lock().audience.close(deadline.as_secs_f64())
    }

    /// The exhibit is unveiled.
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

    /// How everybody stands.
    pub fn scores(&self, standings: &[Standing]) {
        self.set(|scene| scene.scores = standings.to_vec());
    }

    /// The game is over.
    pub fn end(&self, end: &End) {
        self.set(|scene| {
            scene.stage = Stage::Over;
            scene.scores.clone_from(&end.outcome.standings);
            scene.sentence = Some(end.outcome.sentence());
            scene.decided = end.outcome.decided;
        });
    }

    /// The picture of a round, while it is to be seen.
    #[must_use]
    pub fn exhibit(&self, round: usize) -> Option<Bytes> {
        self.lock().shown.as_ref().filter(|(shown, _)| *shown == round).map(|(_, picture)| picture.clone())
    }

    /// Lets somebody join.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn join(&self, name: &str) -> Result<String, Refused> {
        let contestants = self.scene.borrow().contestants.clone();
        let mut inside = self.lock();
        let id = inside.audience.join(name, &contestants)?;
        let people = inside.audience.names();
        drop(inside);
        self.set(|scene| scene.people = people);
        Ok(id)
    }

    /// Takes what somebody says.
    ///
    /// # Errors
    /// [`Refused`].
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

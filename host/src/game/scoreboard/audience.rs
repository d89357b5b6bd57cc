//! The audience: people who join under a name and judge each exhibit that is shown.

use std::collections::HashMap;
use std::time::Instant;

use counterfoil_models::game::Answer;
use counterfoil_models::{Verdict, secret};

/// Maximum number of people at a time.
const MOST: usize = 200;
/// Maximum length of a name, in characters.
const NAME: usize = 24;

/// Why a request from the audience is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is empty, too long, or contains control characters.
    #[error("a name has 1 to {NAME} letters")]
    Name,
    /// Another person or a contestant has this name.
    #[error("the name {0} is taken")]
    Taken(String),
    /// The game has as many people as it takes.
    #[error("{MOST} people play already")]
    Full,
    /// The id is unknown, for example because the referee was restarted after the person joined.
    #[error("you have not joined this game")]
    Stranger,
    /// The round is over, or has not begun.
    #[error("too late: this exhibit is not judged any more")]
    Late,
    /// The person has already answered in this round.
    #[error("you have said it already")]
    Twice,
    /// The system gives no random bytes for an id.
    #[error("no one can join just now")]
    Shut,
}

/// The people, and their answers in the current round.
#[derive(Debug, Default)]
pub(super) struct Audience {
    names: HashMap<String, String>,
    round: Option<(usize, Instant)>,
    said: Vec<(String, Answer)>,
}

impl Audience {
    /// Adds a person. Returns a secret id, which authenticates this person's answers.
    pub(super) fn join(&mut self, name: &str, contestants: &[String]) -> Result<String, Refused> {
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
            return Err(Refused::Name);
        }
        let is_it = |other: &String| other.to_lowercase() == name.to_lowercase();
        if self.names.values().chain(contestants).any(is_it) {
            return Err(Refused::Taken(name));
        }
        if self.names.len() >= MOST {
            return Err(Refused::Full);
        }
        let id = secret().map_err(|_| Refused::Shut)?;
        self.names.insert(id.clone(), name);
        Ok(id)
    }

    /// Records an answer. Returns the person's name.
    pub(super) fn say(&mut self, id: &str, round: usize, genuine: bool) -> Result<String, Refused> {
        let name = self.names.get(id).ok_or(Refused::Stranger)?;
        let (_, begun) = self.round.filter(|(open, _)| *open == round).ok_or(Refused::Late)?;
        if self.said.iter().any(|(other, _)| other == name) {
            return Err(Refused::Twice);
        }
        let verdict = Some(if genuine { Verdict::Genuine } else { Verdict::Counterfeit });
        self.said.push((name.clone(), Answer { verdict, seconds: begun.elapsed().as_secs_f64() }));
        Ok(name.clone())
    }

    pub(super) fn open(&mut self, round: usize) {
        self.round = Some((round, Instant::now()));
        self.said.clear();
    }

    /// Whether all people have answered.
    pub(super) fn is_complete(&self) -> bool {
        self.said.len() == self.names.len()
    }

    /// Ends the round and returns the answers in the order of the names. A person who did not answer has no verdict.
    pub(super) fn close(&mut self, deadline: f64) -> Vec<(String, Answer)> {
        self.round = None;
        let silent = Answer { verdict: None, seconds: deadline };
        let said =
            |name: &String| self.said.iter().find(|(other, _)| other == name).map_or(silent, |(_, answer)| *answer);
        let mut answers: Vec<_> = self.names.values().map(|name| (name.clone(), said(name))).collect();
        answers.sort_by(|(a, _), (b, _)| a.cmp(b));
        answers
    }

    /// The names of all people, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names.values().cloned().collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_say_it_once_in_time_and_under_their_own_name() {
        let mut audience = Audience::default();
        let boxes = ["till".to_owned()];
        let ann = audience.join(" Ann  Lee ", &boxes).unwrap();
        assert_eq!(audience.join("ann lee", &boxes), Err(Refused::Taken("ann lee".into())));
        assert_eq!(audience.join("Till", &boxes), Err(Refused::Taken("Till".into())));
        assert_eq!(audience.join("  ", &boxes), Err(Refused::Name));
        assert_eq!(audience.join(&"n".repeat(25), &boxes), Err(Refused::Name));
        audience.join("bob", &boxes).unwrap();
        assert_eq!(audience.say(&ann, 1, true), Err(Refused::Late));
        audience.open(1);
        assert_eq!(audience.say("nobody", 1, true), Err(Refused::Stranger));
        assert_eq!(audience.say(&ann, 2, true), Err(Refused::Late));
        assert_eq!(audience.say(&ann, 1, false).unwrap(), "Ann Lee");
        assert_eq!(audience.say(&ann, 1, true), Err(Refused::Twice));
        assert!(!audience.is_complete());
        let answers = audience.close(5.0);
        assert_eq!(answers[0].1.verdict, Some(Verdict::Counterfeit));
        assert_eq!((answers[1].0.as_str(), answers[1].1), ("bob", Answer { verdict: None, seconds: 5.0 }));
        assert_eq!(audience.say(&ann, 1, true), Err(Refused::Late));
    }
}

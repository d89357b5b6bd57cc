//! People who play along: each joined under a name, and says of the exhibit that is shown whether it is real.

use std::collections::HashMap;
use std::time::Instant;

use counterfoil_models::game::Answer;
use counterfoil_models::{Verdict, secret};

/// People who may play at a time.
const MOST: usize = 200;
/// Letters a name may have.
const NAME: usize = 24;

/// Why somebody is not heard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What a name is like.
    #[error("a name has 1 to {NAME} letters")]
    Name,
    /// Somebody, or a box, is called so.
    #[error("somebody is called {0} already")]
    Taken(String),
    /// The hall is full.
    #[error("{MOST} people play already")]
    Full,
    /// Who joined before the referee began anew, for one.
    #[error("you have not joined this game")]
    Stranger,
    /// The round is over, or has not begun.
    #[error("too late: this exhibit is not judged any more")]
    Late,
    /// One answer an exhibit.
    #[error("you have said it already")]
    Twice,
    /// No randomness.
    #[error("nobody can join just now")]
    Shut,
}

/// The people, and what they said this round.
#[derive(Debug, Default)]
pub(super) struct Audience {
    names: HashMap<String, String>,
    round: Option<(usize, Instant)>,
    said: Vec<(String, Answer)>,
}

impl Audience {
    /// Lets somebody join; what comes back is theirs alone.
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

    /// Takes what somebody says; gives their name.
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

    /// Whether everybody has said something.
    pub(super) fn is_complete(&self) -> bool {
        self.said.len() == self.names.len()
    }

    /// Ends the round: what everybody said, in the order of their names, and nothing of those who said nothing.
    pub(super) fn close(&mut self, deadline: f64) -> Vec<(String, Answer)> {
        self.round = None;
        let silent = Answer { verdict: None, seconds: deadline };
        let said =
            |name: &String| self.said.iter().find(|(other, _)| other == name).map_or(silent, |(_, answer)| *answer);
        let mut answers: Vec<_> = self.names.values().map(|name| (name.clone(), said(name))).collect();
        answers.sort_by(|(a, _), (b, _)| a.cmp(b));
        answers
    }

    /// Their names.
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

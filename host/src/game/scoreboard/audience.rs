//! The audience: people who join under a name and judge each exhibit that is shown.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use counterfoil_models::game::Answer;
use counterfoil_models::naming::{self, NameError};
use counterfoil_models::{Verdict, secret};

/// Maximum number of people at a time.
const MOST: usize = 200;
/// Maximum number of people who join from one address: a tenth, for those whose phones share an address.
const EACH: usize = MOST / 10;
/// Maximum length of a name on the scoreboard, in characters.
const NAME: usize = 24;

/// Why a request from the audience is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The name is too long for the scoreboard.
    #[error("a name here has 1 to {NAME} letters")]
    Long,
    /// The text is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another person or a contestant has this name, or one that looks like it.
    #[error("the name {0} is taken, or looks like one that is")]
    Taken(String),
    /// As many people have joined from this address as may.
    #[error("{EACH} people play from this address already")]
    Address,
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
    /// Name and address of each person, by the secret id.
    people: HashMap<String, (String, IpAddr)>,
    round: Option<(usize, Instant)>,
    said: Vec<(String, Answer)>,
}

impl Audience {
    /// Adds a person at the address `from`. Returns a secret id, which authenticates this person's answers.
    pub(super) fn join(&mut self, name: &str, from: IpAddr, contestants: &[String]) -> Result<String, Refused> {
        let name = naming::name(name)?;
        if name.chars().count() > NAME {
            return Err(Refused::Long);
        }
        if self.names().chain(contestants).any(|other| naming::look_alike(other, &name)) {
            return Err(Refused::Taken(name));
        }
        if self.people.len() >= MOST {
            return Err(Refused::Full);
        }
        if self.people.values().filter(|(_, address)| *address == from).count() >= EACH {
            return Err(Refused::Address);
        }
        let id = secret().map_err(|_| Refused::Shut)?;
        self.people.insert(id.clone(), (name, from));
        Ok(id)
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.people.values().map(|(name, _)| name)
    }

    /// Records an answer. Returns the person's name.
    pub(super) fn say(&mut self, id: &str, round: usize, genuine: bool) -> Result<String, Refused> {
        let (name, _) = self.people.get(id).ok_or(Refused::Stranger)?;
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
        self.said.len() == self.people.len()
    }

    /// Ends the round and returns the answers in the order of the names. A person who did not answer has no verdict.
    pub(super) fn close(&mut self, deadline: f64) -> Vec<(String, Answer)> {
        self.round = None;
        let silent = Answer { verdict: None, seconds: deadline };
        let said =
            |name: &String| self.said.iter().find(|(other, _)| other == name).map_or(silent, |(_, answer)| *answer);
        let mut answers: Vec<_> = self.names().map(|name| (name.clone(), said(name))).collect();
        answers.sort_by(|(a, _), (b, _)| a.cmp(b));
        answers
    }

    /// The names of all people, sorted.
    pub(super) fn sorted_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names().cloned().collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(audience: &mut Audience, number: u8, name: &str) -> Result<String, Refused> {
        audience.join(name, IpAddr::from([10, 0, 0, number]), &["till".to_owned()])
    }

    #[test]
    fn one_address_does_not_fill_the_hall() {
        let mut audience = Audience::default();
        let letters = |number: usize| [b'a' + (number / 20) as u8, b'a' + (number % 20) as u8].map(char::from);
        let name = |number: usize| format!("player {}", String::from_iter(letters(number)));
        let joined = (0..MOST).filter(|number| join(&mut audience, 1, &name(*number)).is_ok()).count();
        assert_eq!(joined, EACH);
        assert_eq!(join(&mut audience, 1, "Ann"), Err(Refused::Address));
        let others =
            (0..MOST).filter(|number| join(&mut audience, (2 + number / EACH) as u8, &name(*number)).is_ok()).count();
        assert!(audience.people.len() >= MOST - EACH, "{others}");
        join(&mut audience, 99, "Ann").unwrap();
    }

    #[test]
    fn people_say_it_once_in_time_and_under_their_own_name() {
        let mut audience = Audience::default();
        let ann = join(&mut audience, 1, " Ann  Lee ").unwrap();
        for taken in ["ann lee", "Till", "ti11", "Ann-Lee", "тіӏӏ"] {
            assert_eq!(join(&mut audience, 1, taken), Err(Refused::Taken(taken.into())));
        }
        assert_eq!(join(&mut audience, 1, &"n".repeat(25)), Err(Refused::Long));
        for bad in ["  ", "Ann\u{202e}", "\u{1b}[2J", "Аnn"] {
            assert!(matches!(join(&mut audience, 1, bad), Err(Refused::Name(_))), "{bad:?}");
        }
        join(&mut audience, 1, "bob").unwrap();
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

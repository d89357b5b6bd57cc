//! Who may come in: codes that pair, and the tokens they give.
//!
//! ```text
//! STATE/network/tokens.json    name, day and SHA-256 of each token: what it says lets nobody in
//! ```
//!
//! The file is read at every use, so that what was revoked is out at once, whoever revoked it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use counterfoil_models::pairing::{Agreed, DIGITS, Side};
use counterfoil_models::{secret, sha256_hex, write_whole};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A code is shown for so long.
pub const SHOWN: Duration = Duration::from_mins(2);
/// So many codes are shown in [`WINDOW`] at most: a guesser tries six in a million a quarter of an hour.
const MOST: usize = 6;
const WINDOW: Duration = Duration::from_mins(15);
/// Letters a visitor's name may have.
const NAME: usize = 40;

/// The tokens of a box.
#[derive(Clone, Debug)]
pub struct Tokens {
    path: PathBuf,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Who has it.
    pub name: String,
    /// When it was given, in seconds since 1970 by the box's clock.
    pub given: u64,
    /// SHA-256 of it.
    sha256: String,
}

impl Token {
    /// How long ago it was given, by the box's clock.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_secs(now().saturating_sub(self.given))
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Tokens {
    /// Those in a state folder.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("network/tokens.json") }
    }

    /// All of them, oldest first.
    ///
    /// # Errors
    /// [`Error::State`] when the file is damaged: nobody is let in by it then.
    pub fn list(&self) -> Result<Vec<Token>> {
        let damaged =
            |what: String| Error::State { path: self.path.clone(), what, remedy: "remove the file and pair again" };
        match fs::read_to_string(&self.path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| damaged(format!("is damaged ({e})"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(damaged(format!("cannot be read ({error})"))),
        }
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn whose(&self, token: &str) -> Result<Option<String>> {
        // Compared by their hashes: how long it takes tells nothing of the token.
        let sha256 = sha256_hex(token.as_bytes());
        Ok(self.list()?.into_iter().find(|known| known.sha256 == sha256).map(|known| known.name))
    }

    /// Gives a new one; who had one by that name has it no longer.
    ///
    /// # Errors
    /// [`Error::State`]; [`Error::Unsealed`] without randomness.
    pub fn give(&self, name: &str) -> Result<String> {
        let token = secret().map_err(Error::Unsealed)?;
        let mut tokens = self.list()?;
        tokens.retain(|known| known.name != name);
        tokens.push(Token { name: name.to_owned(), given: now(), sha256: sha256_hex(token.as_bytes()) });
        self.keep(&tokens)?;
        Ok(token)
    }

    /// Takes the token of that name back; false when there is none.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn revoke(&self, name: &str) -> Result<bool> {
        let mut tokens = self.list()?;
        let before = tokens.len();
        tokens.retain(|known| known.name != name);
        let found = tokens.len() < before;
        if found {
            self.keep(&tokens)?;
        }
        Ok(found)
    }

    fn keep(&self, tokens: &[Token]) -> Result<()> {
        let json = serde_json::to_vec_pretty(tokens).expect("names and numbers are JSON");
        Ok(write_whole(&self.path, &json)?)
    }
}

/// The codes that are shown.
#[derive(Debug)]
pub struct Pairing {
    tokens: Tokens,
    fingerprint: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The code that is shown: one at a time.
    shown: Option<Shown>,
    /// When the last ones were.
    before: VecDeque<Instant>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("shown", &self.shown.is_some()).finish_non_exhaustive()
    }
}

struct Shown {
    id: String,
    name: String,
    code: String,
    since: Instant,
    agreed: Option<Agreed>,
}

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// What a visitor may be called.
    #[error("a visitor's name has 1 to {NAME} letters, digits, dots, dashes or underlines")]
    Name,
    /// Too many asked.
    #[error("too many codes were asked for; wait {0} s and begin again")]
    TooMany(u64),
    /// Another code, a late one, or one that was tried before.
    #[error("this code is not shown, or not any longer; begin again")]
    NoCode,
    /// The proof is wrong.
    #[error(
        "that is not the code the box shows, or someone sits between; begin again, and type what the box shows now"
    )]
    Wrong,
    /// The token cannot be filed.
    #[error(transparent)]
    Box(#[from] Error),
}

impl Pairing {
    /// A pairing with no code shown. `fingerprint` is the SHA-256 of this box's certificate.
    #[must_use]
    pub fn new(tokens: Tokens, fingerprint: String) -> Self {
        Self { tokens, fingerprint, state: Mutex::default() }
    }

    /// The tokens it gives.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Someone asks for a code: its id, and the code, which goes to the screen and nowhere else.
    ///
    /// # Errors
    /// [`PairingError::Name`], [`PairingError::TooMany`], [`PairingError::Box`].
    pub fn begin(&self, name: &str) -> Result<(String, String), PairingError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.is_empty() || name.len() > NAME || !name.chars().all(fits) {
            return Err(PairingError::Name);
        }
        let mut state = self.lock();
        while state.before.front().is_some_and(|begun| begun.elapsed() >= WINDOW) {
            state.before.pop_front();
        }
        if let Some(first) = state.before.front().filter(|_| state.before.len() >= MOST) {
            return Err(PairingError::TooMany(WINDOW.saturating_sub(first.elapsed()).as_secs() + 1));
        }
        let random = secret().map_err(Error::Unsealed)?;
        let number = u64::from_str_radix(&random[..16], 16).expect("a secret is in hex");
        let code = format!("{:0DIGITS$}", number % 10u64.pow(DIGITS as u32));
        let id = random[32..].to_owned();
        state.before.push_back(Instant::now());
        state.shown = Some(Shown {
            id: id.clone(),
            name: name.to_owned(),
            code: code.clone(),
            since: Instant::now(),
            agreed: None,
        });
        Ok((id, code))
    }

    /// Takes the visitor's message and gives the box's own.
    ///
    /// # Errors
    /// [`PairingError::NoCode`], [`PairingError::Wrong`] for what is no message.
    pub fn exchange(&self, id: &str, message: &str) -> Result<String, PairingError> {
        let mut state = self.lock();
        let shown =
            state.shown.as_mut().filter(|shown| shown.is(id) && shown.agreed.is_none()).ok_or(PairingError::NoCode)?;
        let (waiting, ours) = Side::Box.start(&shown.code, &self.fingerprint);
        let Some(agreed) = waiting.finish(message) else {
            state.shown = None;
            return Err(PairingError::Wrong);
        };
        shown.agreed = Some(agreed);
        Ok(ours)
    }

    /// Takes the visitor's proof and gives the box's own, and a token. A wrong one ends the code.
    ///
    /// # Errors
    /// [`PairingError`].
    pub fn confirm(&self, id: &str, proof: &str) -> Result<(String, String), PairingError> {
        let mut state = self.lock();
        if !state.shown.as_ref().is_some_and(|shown| shown.is(id) && shown.agreed.is_some()) {
            return Err(PairingError::NoCode);
        }
        let shown = state.shown.take().ok_or(PairingError::NoCode)?;
        drop(state);
        let agreed = shown.agreed.ok_or(PairingError::NoCode)?;
        if !agreed.accepts(proof) {
            return Err(PairingError::Wrong);
        }
        Ok((agreed.proof(), self.tokens.give(&shown.name)?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    fn is(&self, id: &str) -> bool {
        self.id == id && self.since.elapsed() < SHOWN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairing(state: &Path) -> Pairing {
        Pairing::new(Tokens::of(state), "ff".into())
    }

    fn visit(pairing: &Pairing, code: impl Fn(&str) -> String) -> Result<String, PairingError> {
        let (id, shown) = pairing.begin("referee")?;
        let (waiting, message) = Side::Visitor.start(&code(&shown), "ff");
        let agreed = waiting.finish(&pairing.exchange(&id, &message)?).unwrap();
        let (proof, token) = pairing.confirm(&id, &agreed.proof())?;
        assert!(agreed.accepts(&proof));
        assert!(
            matches!(pairing.confirm(&id, &agreed.proof()), Err(PairingError::NoCode)),
            "a proof is not taken twice"
        );
        Ok(token)
    }

    #[test]
    fn a_code_gives_a_token_that_lets_in_until_it_is_revoked() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        let token = visit(&pairing, str::to_owned).unwrap();
        assert_eq!(pairing.tokens().whose(&token).unwrap().as_deref(), Some("referee"));
        assert_eq!(pairing.tokens().whose(&token[1..]).unwrap(), None);
        assert!(!fs::read_to_string(state.path().join("network/tokens.json")).unwrap().contains(&token));
        let second = visit(&pairing, str::to_owned).unwrap();
        assert_eq!(pairing.tokens().list().unwrap().len(), 1, "one token a name");
        assert_eq!(pairing.tokens().whose(&token).unwrap(), None);
        assert!(pairing.tokens().revoke("referee").unwrap() && !pairing.tokens().revoke("referee").unwrap());
        assert_eq!(pairing.tokens().whose(&second).unwrap(), None);
    }

    #[test]
    fn a_wrong_code_burns_it_and_codes_run_out() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        let wrong = |code: &str| format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
        for _ in 0..MOST {
            assert!(matches!(visit(&pairing, wrong), Err(PairingError::Wrong)));
        }
        assert!(matches!(visit(&pairing, str::to_owned), Err(PairingError::TooMany(1..=900))));
        assert!(pairing.tokens().list().unwrap().is_empty());
    }

    #[test]
    fn steps_out_of_order_lead_nowhere() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        assert!(matches!(pairing.exchange("0", "00"), Err(PairingError::NoCode)));
        let (id, _) = pairing.begin("a").unwrap();
        assert!(matches!(pairing.confirm(&id, "00"), Err(PairingError::NoCode)));
        assert!(matches!(pairing.exchange(&id, "00"), Err(PairingError::Wrong)));
        let (first, _) = pairing.begin("a").unwrap();
        let (second, _) = pairing.begin("b").unwrap();
        let (_, message) = Side::Visitor.start("000000", "ff");
        assert!(matches!(pairing.exchange(&first, &message), Err(PairingError::NoCode)), "one code at a time");
        assert!(pairing.exchange(&second, &message).is_ok());
        assert!(matches!(pairing.exchange(&second, &message), Err(PairingError::NoCode)), "one try");
        for name in ["", "a b", "é", "../x", &"n".repeat(41)] {
            assert!(matches!(pairing.begin(name), Err(PairingError::Name)), "{name}");
        }
    }

    #[test]
    fn damaged_tokens_let_nobody_in() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        let token = visit(&pairing, str::to_owned).unwrap();
        fs::write(state.path().join("network/tokens.json"), "[{").unwrap();
        assert!(pairing.tokens().whose(&token).is_err());
    }
}

//! Access control: pairing codes, and the tokens that a successful pairing gives.
//!
//! ```text
//! STATE/network/tokens.json    name, day and SHA-256 of each token; the tokens cannot be derived from it
//! ```
//!
//! The file is read at every use, so a revocation by any program takes effect at once.

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

/// How long a pairing code is shown and accepted.
pub const SHOWN: Duration = Duration::from_mins(2);
/// Maximum number of codes in a [`WINDOW`]: an attacker can guess 6 of a million codes in 15 minutes.
const MOST: usize = 6;
const WINDOW: Duration = Duration::from_mins(15);
/// Maximum length of a visitor's name, in letters.
const NAME: usize = 40;

/// The tokens of a box.
#[derive(Clone, Debug)]
pub struct Tokens {
    path: PathBuf,
}

/// One token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Name of the visitor who has it.
    pub name: String,
    /// When it was issued, in seconds since 1970 by the clock of the box.
    pub given: u64,
    /// SHA-256 of the secret token, in hexadecimal.
    sha256: String,
}

impl Token {
    /// Time since the token was issued, by the clock of the box.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_secs(now().saturating_sub(self.given))
    }
}

/// The present time in seconds since 1970, by the clock of the box.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Tokens {
    /// The tokens in a state folder. Nothing is read yet.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("network/tokens.json") }
    }

    /// Lists all tokens, oldest first.
    ///
    /// # Errors
    /// [`Error::State`] when the file is damaged: then no token is accepted.
    pub fn list(&self) -> Result<Vec<Token>> {
        let damaged =
            |what: String| Error::State { path: self.path.clone(), what, remedy: "remove the file and pair again" };
        match fs::read_to_string(&self.path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| damaged(format!("is damaged ({e})"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(damaged(format!("cannot be read ({error})"))),
        }
    }

    /// The name of the visitor who has this token; `None` if the token is unknown.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn whose(&self, token: &str) -> Result<Option<String>> {
        // The hashes are compared, so the time of the comparison reveals nothing about the token.
        let sha256 = sha256_hex(token.as_bytes());
        Ok(self.list()?.into_iter().find(|known| known.sha256 == sha256).map(|known| known.name))
    }

    /// Issues a new token, which replaces an earlier token of the same name.
    ///
    /// # Errors
    /// [`Error::State`] when the file is damaged, [`Error::Contract`] when it cannot be written,
    /// [`Error::Unsealed`] when there are no random bytes.
    pub fn give(&self, name: &str) -> Result<String> {
        let token = secret().map_err(Error::Unsealed)?;
        let mut tokens = self.list()?;
        tokens.retain(|known| known.name != name);
        tokens.push(Token { name: name.to_owned(), given: now(), sha256: sha256_hex(token.as_bytes()) });
        self.keep(&tokens)?;
        Ok(token)
    }

    /// Revokes the token of that name; false when there is none.
    ///
    /// # Errors
    /// [`Error::State`] when the file is damaged, [`Error::Contract`] when it cannot be written.
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

/// Pairs visitors by means of codes on the display of the box.
#[derive(Debug)]
pub struct Pairing {
    tokens: Tokens,
    fingerprint: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The code that is shown; only one at a time.
    shown: Option<Shown>,
    /// When the last codes were begun.
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

/// Why a visitor cannot pair.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// The name of the visitor is not allowed.
    #[error("a visitor's name has 1 to {NAME} letters, digits, dots, dashes or underlines")]
    Name,
    /// Too many codes were requested; carries the seconds to wait.
    #[error("too many codes were asked for; wait {0} s and begin again")]
    TooMany(u64),
    /// The code is another one, has expired, or was tried before.
    #[error("this code is not shown, or not any longer; begin again")]
    NoCode,
    /// The visitor's message or proof is wrong.
    #[error(
        "that is not the code the box shows, or someone sits between; begin again, and type what the box shows now"
    )]
    Wrong,
    /// The token cannot be stored, or there are no random bytes.
    #[error(transparent)]
    Box(#[from] Error),
}

impl Pairing {
    /// A pairing without a code. `fingerprint` is the SHA-256 of this box's certificate.
    #[must_use]
    pub fn new(tokens: Tokens, fingerprint: String) -> Self {
        Self { tokens, fingerprint, state: Mutex::default() }
    }

    /// The tokens that pairing issues.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Begins a pairing. Returns its id and the code, which must be shown on the display and nowhere else.
    ///
    /// # Errors
    /// [`PairingError::Name`] for a name that is not allowed, [`PairingError::TooMany`] after too many codes,
    /// [`PairingError::Box`] when there are no random bytes.
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

    /// Takes the visitor's message and returns the message of the box.
    ///
    /// # Errors
    /// [`PairingError::NoCode`] when the code is not shown or was tried before, [`PairingError::Wrong`]
    /// for an invalid message.
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

    /// Takes the visitor's proof and returns the proof of the box and a token. A wrong proof ends the code.
    ///
    /// # Errors
    /// [`PairingError::NoCode`] when the code is not shown, [`PairingError::Wrong`] for a wrong proof,
    /// [`PairingError::Box`] when the token cannot be stored.
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

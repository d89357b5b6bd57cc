//! Access control: pairing codes, and the tokens that a successful pairing gives.
//!
//! ```text
//! STATE/network/tokens.json    name, day and SHA-256 of each token; the tokens cannot be derived from it
//! ```
//!
//! The file is read at every use, so a revocation by any program takes effect at once. It is changed under a lock on
//! its folder, so that of two programs that change it at the same time neither undoes the other's change.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use counterfoil_models::naming::{self, NameError};
use counterfoil_models::pairing::{Agreed, DIGITS, Side};
use counterfoil_models::{secret, sha256_hex, write_whole};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How long a pairing code is shown and accepted.
pub const SHOWN: Duration = Duration::from_mins(2);
/// Maximum number of codes for one address in a [`WINDOW`], so that one address does not use up those of all.
const MOST_EACH: usize = 6;
/// Maximum number of codes in a [`WINDOW`]: attackers can guess 24 of a million codes in 15 minutes.
const MOST: usize = 24;
const WINDOW: Duration = Duration::from_mins(15);

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
    /// SHA-256 of the secret token, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

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

    /// The entry of a secret token; `None` if the token is unknown.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn find(&self, token: &str) -> Result<Option<Token>> {
        // The hashes are compared, so the time of the comparison reveals nothing about the token.
        let sha256 = sha256_hex(token.as_bytes());
        Ok(self.list()?.into_iter().find(|known| known.sha256 == sha256))
    }

    /// Issues a new token, which replaces an earlier token of the same name.
    ///
    /// # Errors
    /// [`Error::State`] when the file is damaged or cannot be locked, [`Error::Contract`] when it cannot be written,
    /// [`Error::Unsealed`] when there are no random bytes, [`Error::Visitor`] for a name that is not allowed.
    pub fn give(&self, name: &str) -> Result<String> {
        naming::visitor(name).map_err(Error::Visitor)?;
        let token = secret().map_err(Error::Unsealed)?;
        fs::create_dir_all(self.folder()).map_err(|e| self.unlocked(&e))?;
        self.change(|tokens| {
            tokens.retain(|known| known.name != name);
            tokens.push(Token { name: name.to_owned(), given: now(), sha256: sha256_hex(token.as_bytes()) });
        })?;
        Ok(token)
    }

    /// Revokes the token of that name; false when there is none.
    ///
    /// # Errors
    /// [`Error::State`] when the file is damaged or cannot be locked, [`Error::Contract`] when it cannot be written.
    pub fn revoke(&self, name: &str) -> Result<bool> {
        if !self.folder().exists() {
            return Ok(false);
        }
        self.change(|tokens| tokens.retain(|known| known.name != name))
    }

    /// Changes the list while no other thread or program does. Returns whether it is another one.
    fn change(&self, change: impl FnOnce(&mut Vec<Token>)) -> Result<bool> {
        let folder = File::open(self.folder()).map_err(|e| self.unlocked(&e))?;
        // The lock is released when `folder` is dropped. Some network shares have no locks.
        match folder.lock() {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(self.unlocked(&error)),
            _ => {}
        }
        let before = self.list()?;
        let mut tokens = before.clone();
        change(&mut tokens);
        if tokens == before {
            return Ok(false);
        }
        let json = serde_json::to_vec_pretty(&tokens).expect("names and numbers are JSON");
        write_whole(&self.path, &json)?;
        Ok(true)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    fn unlocked(&self, error: &io::Error) -> Error {
        let what = format!("cannot be locked to change the tokens ({error})");
        Error::State {
            path: self.folder().to_path_buf(),
            what,
            remedy: "give the folder to the user who runs this program",
        }
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
    /// When the last codes were begun, and from where.
    before: VecDeque<(Instant, IpAddr)>,
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
    #[error(transparent)]
    Name(#[from] NameError),
    /// Too many codes were requested; carries the seconds to wait.
    #[error("too many codes were asked for; wait {0} s, or press the button of the box twice, and begin again")]
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

    /// Begins a pairing for a visitor at the address `from`. Returns its id and the code, which must be shown on the
    /// display and nowhere else. Codes that were begun before `opened` do not count: a person in front of the box then
    /// allowed more.
    ///
    /// # Errors
    /// [`PairingError::Name`] for a name that is not allowed, [`PairingError::TooMany`] after too many codes,
    /// [`PairingError::Box`] when there are no random bytes.
    pub fn begin(&self, name: &str, from: IpAddr, opened: Option<Instant>) -> Result<(String, String), PairingError> {
        naming::visitor(name)?;
        let mut state = self.lock();
        state.before.retain(|(begun, _)| begun.elapsed() < WINDOW && opened.is_none_or(|opened| *begun > opened));
        let here = || state.before.iter().filter(|(_, address)| *address == from);
        let first = if here().count() >= MOST_EACH {
            here().next()
        } else {
            state.before.front().filter(|_| state.before.len() >= MOST)
        };
        if let Some((first, _)) = first {
            return Err(PairingError::TooMany(WINDOW.saturating_sub(first.elapsed()).as_secs() + 1));
        }
        let random = secret().map_err(Error::Unsealed)?;
        let number = u64::from_str_radix(&random[..16], 16).expect("a secret is in hex");
        let code = format!("{:0DIGITS$}", number % 10u64.pow(DIGITS as u32));
        let id = random[32..].to_owned();
        state.before.push_back((Instant::now(), from));
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

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn visit(pairing: &Pairing, code: impl Fn(&str) -> String) -> Result<String, PairingError> {
        visit_from(pairing, 1, None, code)
    }

    fn visit_from(
        pairing: &Pairing,
        number: u8,
        opened: Option<Instant>,
        code: impl Fn(&str) -> String,
    ) -> Result<String, PairingError> {
        let (id, shown) = pairing.begin("referee", address(number), opened)?;
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
        let whose = |token: &str| pairing.tokens().find(token).unwrap().map(|known| known.name);
        assert_eq!(whose(&token).as_deref(), Some("referee"));
        assert_eq!(whose(&token[1..]), None);
        assert!(!fs::read_to_string(state.path().join("network/tokens.json")).unwrap().contains(&token));
        let second = visit(&pairing, str::to_owned).unwrap();
        assert_eq!(pairing.tokens().list().unwrap().len(), 1, "one token a name");
        assert_eq!(whose(&token), None);
        assert!(pairing.tokens().revoke("referee").unwrap() && !pairing.tokens().revoke("referee").unwrap());
        assert_eq!(whose(&second), None);
    }

    #[test]
    fn a_wrong_code_burns_it_and_codes_run_out() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        let wrong = |code: &str| format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
        let burn = |number: u8| {
            for _ in 0..MOST_EACH {
                assert!(matches!(visit_from(&pairing, number, None, wrong), Err(PairingError::Wrong)));
            }
        };
        burn(1);
        assert!(matches!(visit(&pairing, str::to_owned), Err(PairingError::TooMany(1..=900))));
        assert!(pairing.tokens().list().unwrap().is_empty());
        visit_from(&pairing, 9, None, str::to_owned).unwrap();
        (2..MOST.div_ceil(MOST_EACH) as u8).for_each(burn);
        let all = (0..MOST)
            .find_map(|_| visit_from(&pairing, 8, None, wrong).err().filter(|e| !matches!(e, PairingError::Wrong)));
        assert!(matches!(all, Some(PairingError::TooMany(_))), "all addresses together: {all:?}");
        visit_from(&pairing, 1, Some(Instant::now()), str::to_owned).unwrap();
        assert!(visit(&pairing, str::to_owned).is_ok(), "what a person allowed lasts");
    }

    #[test]
    fn a_revoked_token_does_not_come_back_when_another_is_issued_meanwhile() {
        let state = tempfile::tempdir().unwrap();
        let tokens = Tokens::of(state.path());
        for round in 0..20 {
            tokens.give("ann").unwrap();
            std::thread::scope(|scope| {
                for name in ["bob", "cyd", "dan"] {
                    let tokens = tokens.clone();
                    scope.spawn(move || tokens.give(name).unwrap());
                }
                scope.spawn(|| assert!(tokens.revoke("ann").unwrap()));
            });
            let mut names: Vec<String> = tokens.list().unwrap().into_iter().map(|token| token.name).collect();
            names.sort();
            assert_eq!(names, ["bob", "cyd", "dan"], "round {round}");
        }
        assert!(!tokens.revoke("ann").unwrap());
        assert!(tokens.give("a\u{1b}[2J").unwrap_err().to_string().contains("letters, digits"));
    }

    #[test]
    fn steps_out_of_order_lead_nowhere() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        assert!(matches!(pairing.exchange("0", "00"), Err(PairingError::NoCode)));
        let begin = |name: &str| pairing.begin(name, address(1), None);
        let (id, _) = begin("a").unwrap();
        assert!(matches!(pairing.confirm(&id, "00"), Err(PairingError::NoCode)));
        assert!(matches!(pairing.exchange(&id, "00"), Err(PairingError::Wrong)));
        let (first, _) = begin("a").unwrap();
        let (second, _) = begin("b").unwrap();
        let (_, message) = Side::Visitor.start("000000", "ff");
        assert!(matches!(pairing.exchange(&first, &message), Err(PairingError::NoCode)), "one code at a time");
        assert!(pairing.exchange(&second, &message).is_ok());
        assert!(matches!(pairing.exchange(&second, &message), Err(PairingError::NoCode)), "one try");
        for name in ["", "a b", "é", "../x", &"n".repeat(41)] {
            assert!(matches!(begin(name), Err(PairingError::Name(_))), "{name}");
        }
    }

    #[test]
    fn damaged_tokens_let_nobody_in() {
        let state = tempfile::tempdir().unwrap();
        let pairing = pairing(state.path());
        let token = visit(&pairing, str::to_owned).unwrap();
        fs::write(state.path().join("network/tokens.json"), "[{").unwrap();
        assert!(pairing.tokens().find(&token).is_err());
    }
}

//! The game in which this box takes part: one game at a time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use counterfoil_models::protocol::GAME_IDLE_SECONDS;

const IDLE: Duration = Duration::from_secs(GAME_IDLE_SECONDS);

/// The current game, if any. A game whose last request is [`GAME_IDLE_SECONDS`] old no longer holds the lock.
#[derive(Debug, Default)]
pub(super) struct GameLock(Mutex<Option<Game>>);

#[derive(Debug)]
struct Game {
    name: String,
    referee: String,
    last: Instant,
}

/// Another game holds the lock.
#[derive(Debug, thiserror::Error)]
#[error("this box plays a game that {referee} referees; it is free {seconds} s after that game's last exhibit")]
pub(super) struct Busy {
    referee: String,
    seconds: u64,
}

impl GameLock {
    /// Takes or keeps the lock for a request of a game.
    ///
    /// # Errors
    /// [`Busy`] while another game holds it.
    pub(super) fn acquire(&self, name: &str, referee: &str) -> Result<(), Busy> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = |game: &Game| game.last.elapsed() < IDLE && (game.name != name || game.referee != referee);
        if let Some(other) = held.as_ref().filter(|game| others(game)) {
            let seconds = IDLE.saturating_sub(other.last.elapsed()).as_secs() + 1;
            return Err(Busy { referee: other.referee.clone(), seconds });
        }
        *held = Some(Game { name: name.to_owned(), referee: referee.to_owned(), last: Instant::now() });
        Ok(())
    }

    /// Releases the lock at the end of a game. Does nothing for a game that does not hold the lock.
    pub(super) fn release(&self, name: &str, referee: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.take_if(|game| game.name == name && game.referee == referee);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_game_at_a_time() {
        let lock = GameLock::default();
        assert!(lock.acquire("one", "ann").is_ok() && lock.acquire("one", "ann").is_ok());
        let busy = lock.acquire("two", "bob").unwrap_err();
        assert!(busy.to_string().contains("ann") && busy.seconds <= GAME_IDLE_SECONDS, "{busy}");
        assert!(lock.acquire("one", "bob").is_err(), "a game's name is no key to it");
        let long_ago = Instant::now().checked_sub(IDLE).unwrap();
        lock.0.lock().unwrap().as_mut().unwrap().last = long_ago;
        assert!(lock.acquire("two", "bob").is_ok());
        lock.release("two", "ann");
        assert!(lock.acquire("three", "ann").is_err(), "another's game is not ended");
        lock.release("two", "bob");
        assert!(lock.acquire("three", "ann").is_ok());
    }
}

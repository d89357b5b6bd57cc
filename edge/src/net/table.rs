//! The table a box plays at: one game at a time, whoever referees it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use counterfoil_models::protocol::GAME_IDLE_SECONDS;

const IDLE: Duration = Duration::from_secs(GAME_IDLE_SECONDS);

/// Who sits at it.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Option<Game>>);

#[derive(Debug)]
struct Game {
    name: String,
    referee: String,
    last: Instant,
}

/// Another game is played.
#[derive(Debug, thiserror::Error)]
#[error("this box plays a game that {referee} referees; it is free {seconds} s after that game's last exhibit")]
pub(super) struct Busy {
    referee: String,
    seconds: u64,
}

impl Table {
    /// Sits down for a request of a game.
    ///
    /// # Errors
    /// [`Busy`] while another game is played.
    pub(super) fn sit(&self, name: &str, referee: &str) -> Result<(), Busy> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others = |game: &Game| game.last.elapsed() < IDLE && (game.name != name || game.referee != referee);
        if let Some(other) = table.as_ref().filter(|game| others(game)) {
            let seconds = IDLE.saturating_sub(other.last.elapsed()).as_secs() + 1;
            return Err(Busy { referee: other.referee.clone(), seconds });
        }
        *table = Some(Game { name: name.to_owned(), referee: referee.to_owned(), last: Instant::now() });
        Ok(())
    }

    /// Gets up when a game is over; whoever does not sit there changes nothing.
    pub(super) fn leave(&self, name: &str, referee: &str) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.take_if(|game| game.name == name && game.referee == referee);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_game_at_a_time() {
        let table = Table::default();
        assert!(table.sit("one", "ann").is_ok() && table.sit("one", "ann").is_ok());
        let busy = table.sit("two", "bob").unwrap_err();
        assert!(busy.to_string().contains("ann") && busy.seconds <= GAME_IDLE_SECONDS, "{busy}");
        assert!(table.sit("one", "bob").is_err(), "a game's name is no key to it");
        let long_ago = Instant::now().checked_sub(IDLE).unwrap();
        table.0.lock().unwrap().as_mut().unwrap().last = long_ago;
        assert!(table.sit("two", "bob").is_ok());
        table.leave("two", "ann");
        assert!(table.sit("three", "ann").is_err(), "another's game is not ended");
        table.leave("two", "bob");
        assert!(table.sit("three", "ann").is_ok());
    }
}

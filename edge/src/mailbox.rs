//! A one-element mailbox: `put` overwrites, `queue` waits until it is empty, `take` blocks until it is full.
//!
//! With `put`, a slow reader misses elements and never lags behind.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Holds at most one `T`, shared by several threads.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    place: Mutex<Option<T>>,
    changed: Condvar,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        Self { place: Mutex::new(None), changed: Condvar::new() }
    }

    /// Puts `thing` in, and returns the element that it replaces.
    pub(crate) fn put(&self, thing: T) -> Option<T> {
        let old = self.lock().replace(thing);
        self.changed.notify_all();
        old
    }

    /// Puts `thing` in once the mailbox is empty. Returns it as an error if the mailbox is still full
    /// after `patience`.
    pub(crate) fn queue(&self, thing: T, patience: Duration) -> Result<(), T> {
        let waited = self.changed.wait_timeout_while(self.lock(), patience, |place| place.is_some());
        let (mut place, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if place.is_some() {
            return Err(thing);
        }
        *place = Some(thing);
        drop(place);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes the element out; waits for one for at most `patience`.
    pub(crate) fn take(&self, patience: Duration) -> Option<T> {
        let waited = self.changed.wait_timeout_while(self.lock(), patience, |place| place.is_none());
        let (mut place, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let thing = place.take();
        drop(place);
        self.changed.notify_all();
        thing
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        // After a panic in another thread, `place` still holds a complete element or none.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const SOON: Duration = Duration::from_millis(20);

    #[test]
    fn the_newest_is_taken_and_the_older_ones_are_gone() {
        let mailbox = Mailbox::new();
        assert_eq!([mailbox.put(1), mailbox.put(2), mailbox.put(3)], [None, Some(1), Some(2)]);
        assert_eq!([mailbox.take(SOON), mailbox.take(SOON)], [Some(3), None]);
    }

    #[test]
    fn a_queue_waits_for_room_and_loses_nothing() {
        let mailbox = Mailbox::new();
        let mut seen = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                for mut thing in 0..200 {
                    while let Err(again) = mailbox.queue(thing, SOON) {
                        thing = again;
                    }
                }
            });
            while seen.len() < 200 {
                seen.extend(mailbox.take(SOON));
            }
        });
        assert_eq!(seen, (0..200).collect::<Vec<_>>());
        mailbox.put(1);
        assert_eq!(mailbox.queue(2, Duration::ZERO), Err(2));
    }
}

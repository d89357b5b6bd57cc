//! Parallel work with ordered results, and panics that are turned into errors.
//!
//! A worker takes the next item and queues a receiver for its result under one lock. So the receivers are in the
//! order of the items, and the results need no sorting. The queue is bounded: one slow item makes the other workers
//! wait, instead of filling memory with results behind it.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, mpsc};
use std::thread;

use crate::{Error, Result};

/// Results per thread that may wait for an earlier, slower one.
const WAITING_PER_THREAD: usize = 8;

/// Runs `work`; a panic in it becomes [`Error::Panicked`].
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // The closures passed here only read shared data, so a panic leaves nothing half changed.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Error::Panicked))
}

/// Number of threads to use by default: the number of available CPU cores.
#[must_use]
pub fn all_cores() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Runs `work` on every item in `threads` threads, or in the caller's thread if `threads` is 1. Gives the results to
/// `sink` in the order of the items, until `sink` breaks off.
pub(crate) fn in_order<T, R: Send>(
    mut items: impl Iterator<Item = T> + Send,
    threads: NonZero<usize>,
    work: impl Fn(T) -> R + Sync,
    mut sink: impl FnMut(R) -> ControlFlow<()>,
) {
    if threads == NonZero::<usize>::MIN {
        let _ = items.try_for_each(|item| sink(work(item)));
        return;
    }
    let items = Mutex::new(items.fuse());
    let (queue, places) = mpsc::sync_channel(threads.get() * WAITING_PER_THREAD);
    let worker = |queue: mpsc::SyncSender<mpsc::Receiver<R>>| {
        let next = || {
            let mut items = items.lock().ok()?;
            let item = items.next()?;
            let (result, place) = mpsc::sync_channel(1);
            // `send` waits while the queue is full, and fails once the sink has broken off. The lock is
            // held on purpose.
            queue.send(place).ok()?;
            Some((item, result))
        };
        while let Some((item, result)) = next() {
            // The receiver may be gone if the sink has broken off.
            let _ = result.send(work(item));
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.get() {
            let queue = queue.clone();
            scope.spawn(|| worker(queue));
        }
        drop(queue);
        for place in places {
            // No result means that the worker panicked; `thread::scope` propagates the panic.
            let Ok(result) = place.recv() else { break };
            if sink(result).is_break() {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const FOUR: NonZero<usize> = NonZero::new(4).unwrap();

    #[test]
    fn results_come_in_the_items_order_however_long_each_takes() {
        let mut seen = Vec::new();
        let work = |i: u64| {
            thread::sleep(Duration::from_micros(i * 7919 % 300));
            i
        };
        in_order(0..500, FOUR, work, |i| {
            seen.push(i);
            ControlFlow::Continue(())
        });
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_the_window_is_begun_before_the_slowest_is_done() {
        let begun = AtomicUsize::new(0);
        let mut ahead = 0;
        let work = |i: usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            if i == 0 {
                thread::sleep(Duration::from_millis(200));
            }
            i
        };
        in_order(0..10_000, FOUR, work, |i| {
            ahead = ahead.max(begun.load(Ordering::SeqCst) - i);
            ControlFlow::Continue(())
        });
        // The queue, one receiver already taken out of it, and one item in work in each thread.
        assert!((8..=4 * WAITING_PER_THREAD + 1 + 4).contains(&ahead), "{ahead} ahead");
    }

    #[test]
    fn a_sink_that_breaks_off_ends_an_endless_list() {
        for threads in [NonZero::<usize>::MIN, FOUR] {
            let mut seen = Vec::new();
            let sink = |i| {
                seen.push(i);
                if i == 9 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            in_order(0.., threads, |i: u64| i, sink);
            assert_eq!(seen, (0..10).collect::<Vec<_>>());
        }
    }
}

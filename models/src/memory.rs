//! The memory that the pictures in flight may take, over all threads of the process: a picture reserves its share
//! before it is decoded, and releases it when it is dropped.
//!
//! One file and one number, because a limit for each picture bounds nothing: four threads hold four pictures.

use std::cell::Cell;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::{Error, Result};

/// The default limit in bytes, 256 MiB: a box with 512 MB of memory can spare it.
pub const DEFAULT_MEMORY: u64 = 256 << 20;

static LIMIT: AtomicU64 = AtomicU64::new(DEFAULT_MEMORY);
static IN_USE: Mutex<u64> = Mutex::new(0);
static RETURNED: Condvar = Condvar::new();

thread_local! {
    /// Number of reservations that this thread holds.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// Sets how many bytes all pictures in flight may take together.
///
/// A program calls it once, before it reads pictures.
pub fn limit_memory(bytes: u64) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// Length of the longest picture file that is read, in bytes: a quarter of the limit.
pub(crate) fn longest_file() -> u64 {
    LIMIT.load(Ordering::Relaxed) / 4
}

/// Reads a picture file's bytes.
///
/// Of a file that is too long or endless (`/dev/zero`), it reads one byte more than a picture file may have, so that
/// the decoder refuses the file.
///
/// # Errors
/// The errors of `reader`.
pub fn read_file(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(longest_file() + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A share of the memory. It is released when it is dropped, by the thread that took it.
#[derive(Debug)]
pub(crate) struct Reservation {
    bytes: u64,
    on_this_thread: PhantomData<*const ()>,
}

impl Reservation {
    /// Waits until `bytes` are free and reserves them. A thread that already holds a reservation does not wait: two
    /// such threads would wait for each other.
    ///
    /// # Errors
    /// [`Error::Picture`] when `bytes` are more than the limit, or more than the system has. `what` begins the
    /// message: "the picture is 8160x6120 pixels".
    pub(crate) fn of(bytes: u64, what: &str) -> Result<Self> {
        let limit = allowed(bytes, what)?;
        let nested = HELD.get() > 0;
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        while !nested && *in_use > 0 && in_use.saturating_add(bytes) > limit {
            in_use = RETURNED.wait(in_use).unwrap_or_else(PoisonError::into_inner);
        }
        given(bytes, what)?;
        *in_use += bytes;
        HELD.set(HELD.get() + 1);
        Ok(Self { bytes, on_this_thread: PhantomData })
    }

    /// Grows to `bytes` in all if this much is free now; otherwise it stays as it is, and `false` is returned.
    /// Waiting while it holds a share could last for ever.
    ///
    /// # Errors
    /// The errors of [`of`](Self::of).
    pub(crate) fn grow(&mut self, bytes: u64, what: &str) -> Result<bool> {
        let limit = allowed(bytes, what)?;
        let more = bytes.saturating_sub(self.bytes);
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        if in_use.saturating_add(more) > limit {
            return Ok(false);
        }
        given(more, what)?;
        *in_use += more;
        self.bytes += more;
        Ok(true)
    }
}

/// Returns the limit, which `bytes` may not exceed.
fn allowed(bytes: u64, what: &str) -> Result<u64> {
    let limit = LIMIT.load(Ordering::Relaxed);
    if bytes > limit {
        return Err(Error::Picture(format!(
            "{what}, takes {} MB to read, and at most {} MB may be used; scale it down, or allow more with --memory {}",
            megabytes(bytes),
            megabytes(limit),
            megabytes(bytes)
        )));
    }
    Ok(limit)
}

/// Checks by a trial allocation that the system has this memory. A failed allocation inside a decoder ends the
/// process; a failed trial is an error.
fn given(bytes: u64, what: &str) -> Result<()> {
    if Vec::<u8>::new().try_reserve_exact(usize::try_from(bytes).unwrap_or(usize::MAX)).is_err() {
        return Err(Error::Picture(format!(
            "{what}, takes {} MB to read, and the system has not so much memory left; scale it down, or end other programs",
            megabytes(bytes)
        )));
    }
    Ok(())
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl Drop for Reservation {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
        *IN_USE.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        RETURNED.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;

    #[test]
    fn threads_wait_so_that_all_together_stay_below_the_limit() {
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let one = DEFAULT_MEMORY / 3;
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _held = Reservation::of(one, "the picture").unwrap();
                        most.fetch_max(now.fetch_add(one, Ordering::SeqCst) + one, Ordering::SeqCst);
                        thread::yield_now();
                        now.fetch_sub(one, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((one..=DEFAULT_MEMORY).contains(&most.into_inner()));
    }

    #[test]
    fn what_never_fits_is_refused_with_the_flag_that_allows_it() {
        let error = Reservation::of(DEFAULT_MEMORY + 1, "the picture is 9999x9999 pixels").unwrap_err().to_string();
        assert!(error.contains("9999x9999") && error.contains("257 MB") && error.contains("--memory 257"), "{error}");
    }

    #[test]
    fn a_thread_does_not_wait_for_itself() {
        let _first = Reservation::of(DEFAULT_MEMORY - 1, "the picture").unwrap();
        let _second = Reservation::of(DEFAULT_MEMORY - 1, "the picture").unwrap();
    }

    #[test]
    fn a_share_grows_only_where_there_is_room() {
        let most = DEFAULT_MEMORY;
        let mut file = Reservation::of(most / 4, "the file").unwrap();
        let rest = Reservation::of(most / 2, "the picture").unwrap();
        assert!(!file.grow(most / 4 * 3, "the picture").unwrap());
        drop(rest);
        assert!(file.grow(most + 1, "the picture").is_err());
    }
}

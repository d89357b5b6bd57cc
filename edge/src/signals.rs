//! What the system asks of a running program: to stop, or to look at its files again.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Has `heed` called for every signal from now on, on a thread of its own.
///
/// # Errors
/// When the system refuses.
pub fn listen(heed: impl Fn(Asked) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            heed(if signal == SIGHUP { Asked::Reload } else { Asked::Stop });
        }
    });
    Ok(())
}

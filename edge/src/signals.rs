//! Signals of the operating system, as requests to the running program: stop, or reload the files.

use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The request that a signal stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalRequest {
    /// Stop the program: SIGINT or SIGTERM.
    Stop,
    /// Read the files again: SIGHUP.
    Reload,
}

/// Calls `heed` for every signal from now on, in a new thread.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn listen(heed: impl Fn(SignalRequest) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || {
        for signal in signals.forever() {
            heed(if signal == SIGHUP { SignalRequest::Reload } else { SignalRequest::Stop });
        }
    });
    Ok(())
}

/// Ends the process with exit code 0 after `timeout`, if it has not ended by then: a thread that waits for a camera, a
/// disk or a network cannot be stopped in any other way. `last` is called just before.
pub fn exit_after(timeout: Duration, last: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        thread::sleep(timeout);
        last();
        process::exit(0);
    });
}

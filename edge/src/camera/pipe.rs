//! Reads bytes from a pipe with a short timeout, so that a camera that hangs does not hang the box.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How long one read waits for data.
const PATIENCE: Duration = Duration::from_millis(250);

/// Result of one read.
pub(super) enum Bytes {
    Some(usize),
    Waiting,
    End,
}

/// Reads the available bytes into `buffer`.
pub(super) fn read(pipe: impl AsFd, buffer: &mut [u8]) -> io::Result<Bytes> {
    if !ready(&pipe)? {
        return Ok(Bytes::Waiting);
    }
    match rustix::io::read(pipe, buffer) {
        Ok(0) => Ok(Bytes::End),
        Ok(count) => Ok(Bytes::Some(count)),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Bytes::Waiting),
        Err(error) => Err(error.into()),
    }
}

/// Whether data, an end of file or an error is available within [`PATIENCE`].
pub(super) fn ready(source: impl AsFd) -> io::Result<bool> {
    let patience = Timespec { tv_sec: 0, tv_nsec: PATIENCE.subsec_nanos().into() };
    match poll(&mut [PollFd::new(&source, PollFlags::IN)], Some(&patience)) {
        Ok(found) => Ok(found > 0),
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

//! JPEG pictures on stdin: what `ffmpeg -f mjpeg -` or a network camera's stream gives.

use std::io;

use super::mjpeg::Stream;
use super::{Camera, Fault, Next};

pub(super) struct Stdin(Stream<io::Stdin>);

impl Stdin {
    pub(super) fn open() -> Self {
        Self(Stream::of(io::stdin()))
    }
}

impl Camera for Stdin {
    fn next(&mut self) -> Result<Next, Fault> {
        self.0.next().map_err(|e| Fault::new(format!("stdin cannot be read ({e})"), "start whatever feeds it again"))
    }
}

//! JPEG pictures on stdin: what `ffmpeg -f mjpeg -` or a network camera's stream gives.

use std::io;

use super::mjpeg::Stream;
use super::{Camera, Fault, Next, SILENCE};

const REMEDY: &str = "start what feeds it again, and have it give JPEG pictures: `ffmpeg -i INPUT -f mjpeg -`";

pub(super) struct Stdin(Stream<io::Stdin>);

impl Stdin {
    pub(super) fn open() -> Self {
        Self(Stream::of(io::stdin(), SILENCE))
    }
}

impl Camera for Stdin {
    fn next(&mut self) -> Result<Next, Fault> {
        let next = self.0.next().map_err(|e| Fault::new(format!("stdin cannot be read ({e})"), REMEDY))?;
        let fault = |what: String| Fault::new(format!("stdin {what}"), REMEDY);
        Ok(match next {
            Next::End(_) => Next::End(self.0.ended_without().map(fault)),
            // The pipe stays what it is: it is read on and not opened anew.
            Next::Waiting => self.0.missing().map_or(Next::Waiting, |what| Next::Fault(fault(what))),
            next => next,
        })
    }
}

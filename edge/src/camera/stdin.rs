//! JPEG pictures on standard input, for example from `ffmpeg -f mjpeg -` or from the stream of a network camera.

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
            // Standard input cannot be opened again, so reading continues.
            Next::Waiting => self.0.missing().map_or(Next::Waiting, |what| Next::Fault(fault(what))),
            next => next,
        })
    }
}

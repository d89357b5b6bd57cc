//! The camera of a Raspberry Pi, read through the system's own program: `rpicam-vid`, formerly `libcamera-vid`.
//!
//! The program is a child process. It is killed when the camera is dropped; when it dies, the camera is opened again.

use std::io;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use counterfoil_models::{Matrix, Packing, Yuv};

use super::mjpeg::Stream;
use super::pipe::{self, Bytes};
use super::{Camera, Fault, Next, Pixels, RATE, Shot};

/// Names of the program, newest first.
const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];
/// Rows of raw frames are padded to a multiple of this many bytes.
const ROW_ALIGNMENT: usize = 64;
/// The program starts a camera and gives pictures within this time, on a Raspberry Pi Zero too.
const PATIENCE: Duration = Duration::from_secs(20);
/// A program that has closed its output exits within this time.
const ENDING: Duration = Duration::from_secs(1);
/// Number of characters of the program's last error output that a fault message repeats.
const STDERR_TAIL: usize = 200;
/// At most this many bytes of its error output are read to find those characters.
const MOST_WORDS: usize = 1 << 20;

/// The format that is requested from the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// JPEG frames: about a tenth of the bytes of raw frames, and the kind of picture that the training uses.
    Mjpeg,
    /// Raw YUV 4:2:0 frames: nothing to decode, and the grey plane costs nothing.
    Yuv420,
}

pub(super) struct Rpicam {
    child: Child,
    pictures: Pictures,
    words: Option<ChildStderr>,
}

enum Pictures {
    Mjpeg(Stream<ChildStdout>),
    Yuv420(Raw),
}

struct Raw {
    pipe: ChildStdout,
    size: (u32, u32),
    picture: Vec<u8>,
    filled: usize,
    /// When the last frame was complete.
    whole: Instant,
}

impl Rpicam {
    pub(super) fn open(codec: Codec, size: (u32, u32)) -> Result<Self, Fault> {
        let mut child = start(codec, size)?;
        let (Some(pipe), words) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Fault::new("the camera's program has no output", "please report it"));
        };
        let pictures = match codec {
            Codec::Mjpeg => Pictures::Mjpeg(Stream::of(pipe, PATIENCE)),
            Codec::Yuv420 => {
                let picture = vec![0; Yuv::size(Packing::Planar420, size.1, stride(size.0))];
                Pictures::Yuv420(Raw { pipe, size, picture, filled: 0, whole: Instant::now() })
            }
        };
        Ok(Self { child, pictures, words })
    }

    fn died(&mut self) -> Fault {
        let ended = self.end().map_or_else(|error| error.to_string(), |status| status.to_string());
        Fault::new(
            format!("the camera's program ended ({ended}): {}", self.last_words()),
            "check the camera's cable, and that no other program uses it (`rpicam-hello --list-cameras`)",
        )
    }

    fn silent(&mut self, what: &str) -> Fault {
        let words = self.last_words();
        let words = if words.is_empty() { words } else { format!(": {words}") };
        Fault::new(
            format!("the camera's program {what}{words}"),
            "check the camera's cable, and that `rpicam-vid --codec mjpeg` works by itself; the program is started again",
        )
    }

    /// Waits for the exit status. A program that closed its output and keeps running is killed.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let closed = Instant::now();
        while closed.elapsed() < ENDING {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.child.kill()?;
        self.child.wait()
    }

    /// The end of the program's error output so far. Does not wait for its end: a child of the program
    /// may hold the pipe open.
    fn last_words(&mut self) -> String {
        let (mut words, mut piece) = (Vec::new(), [0; 4096]);
        let Some(stderr) = &self.words else { return String::new() };
        while let (true, Ok(Bytes::Some(count))) = (words.len() < MOST_WORDS, pipe::read(stderr, &mut piece)) {
            words.extend_from_slice(&piece[..count]);
        }
        let words = String::from_utf8_lossy(&words);
        let from = words.char_indices().rev().nth(STDERR_TAIL).map_or(0, |(at, _)| at);
        words[from..].split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Bytes per row of a raw frame, padding included.
fn stride(width: u32) -> usize {
    (width as usize).next_multiple_of(ROW_ALIGNMENT)
}

fn start(codec: Codec, (width, height): (u32, u32)) -> Result<Child, Fault> {
    let codec = match codec {
        Codec::Mjpeg => "mjpeg",
        Codec::Yuv420 => "yuv420",
    };
    let [width, height, rate] = [width, height, RATE].map(|number| number.to_string());
    let arguments = ["--timeout", "0", "--nopreview", "--verbose", "0", "--flush", "--codec", codec];
    let size = ["--width", &width, "--height", &height, "--framerate", &rate, "--output", "-"];
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.args(arguments).args(size).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Fault::new(format!("{program} cannot be started ({error})"), "reinstall rpicam-apps-lite"));
            }
        }
    }
    let what = format!("neither {} is installed", PROGRAMS.join(" nor "));
    Err(Fault::new(what, "`sudo apt install rpicam-apps-lite` on a Raspberry Pi; elsewhere use v4l2:/dev/video0"))
}

impl Camera for Rpicam {
    fn next(&mut self) -> Result<Next, Fault> {
        let (next, missing) = match &mut self.pictures {
            Pictures::Mjpeg(stream) => (stream.next(), stream.missing()),
            Pictures::Yuv420(raw) => (raw.next(), raw.missing()),
        };
        match (next, missing) {
            // A camera stream has no end, so the program died, perhaps in the middle of a frame.
            (Ok(Next::End(_)), _) => Err(self.died()),
            (Ok(Next::Waiting), Some(what)) => Err(self.silent(&what)),
            (Ok(next), _) => Ok(next),
            (Err(error), _) => {
                Err(Fault::new(format!("the camera's program cannot be read ({error})"), "it is started again"))
            }
        }
    }
}

impl Raw {
    fn next(&mut self) -> io::Result<Next> {
        while self.filled < self.picture.len() {
            match pipe::read(&self.pipe, &mut self.picture[self.filled..])? {
                Bytes::Some(count) => self.filled += count,
                Bytes::Waiting => return Ok(Next::Waiting),
                Bytes::End => return Ok(Next::End(None)),
            }
        }
        (self.filled, self.whole) = (0, Instant::now());
        let next = vec![0; self.picture.len()];
        let whole = std::mem::replace(&mut self.picture, next);
        // The colour matrix that libcamera's programs choose for video of this size.
        let matrix = if self.size.0 >= 1280 || self.size.1 >= 720 { Matrix::Bt709 } else { Matrix::Bt601 };
        let yuv =
            Yuv::new(Packing::Planar420, matrix, self.size, stride(self.size.0), whole).map_err(io::Error::other)?;
        Ok(Next::Shot(Shot::now(Pixels::Raw(yuv))))
    }

    fn missing(&self) -> Option<String> {
        let long = self.whole.elapsed() >= PATIENCE;
        long.then(|| format!("has given no whole picture for {} s", PATIENCE.as_secs()))
    }
}

impl Drop for Rpicam {
    fn drop(&mut self) {
        // Kill the program if it still runs, and wait for it, so that the camera is free for the next one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

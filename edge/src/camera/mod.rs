//! What a user typed as `--source` becomes pictures as they are taken: a [`Spec`] enters, [`Shot`]s leave, each with the time it was taken.
//!
//! Cameras are pulled out, busy, slow and forbidden, and none of that may end a box. A [`Camera`] says what is wrong
//! with it and is opened anew, by [`CameraThread`], which keeps the newest shot in a mailbox, so that a slow detector
//! drops pictures and is never behind.

mod end;
mod folder;
mod foreign;
mod mjpeg;
mod pipe;
mod rpicam;
mod stdin;
mod thread;
mod v4l2;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use counterfoil_models::{Color, Frame, Yuv};

use crate::Result;

pub use rpicam::Codec;
pub use thread::{CameraEvent, CameraThread};
pub use v4l2::{Found, list};

/// Pictures a second that a camera is asked for.
const RATE: u32 = 15;
/// A camera that gives no picture for so long has a fault.
const SILENCE: Duration = Duration::from_secs(5);
/// Width and height that a camera is asked for, unless told otherwise.
pub const SIZE: (u32, u32) = (1280, 720);

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// A Raspberry Pi's own camera, by `rpicam-vid`, as JPEG pictures or raw ones.
    Rpicam(Codec),
    /// A camera on USB.
    V4l2(PathBuf),
    /// New picture files in a folder.
    Folder(PathBuf),
    /// JPEG pictures one after the other on stdin.
    Stdin,
    /// Nowhere: a box on the network that judges what it is sent.
    None,
}

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text
            .split_once(':')
            .map_or((text, None), |(kind, rest)| (kind, Some(rest).filter(|rest| !rest.is_empty())))
        {
            ("rpicam", None | Some("mjpeg")) => Ok(Self::Rpicam(Codec::Mjpeg)),
            ("rpicam", Some("yuv420")) => Ok(Self::Rpicam(Codec::Yuv420)),
            ("v4l2", Some(device)) => Ok(Self::V4l2(device.into())),
            ("dir", Some(folder)) => Ok(Self::Folder(folder.into())),
            ("stdin", None) => Ok(Self::Stdin),
            ("none", None) => Ok(Self::None),
            _ => Err(format!(
                "`{text}` is no source of pictures; expected rpicam, rpicam:yuv420, v4l2:/dev/v4l/by-id/..., dir:FOLDER, stdin or none"
            )),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rpicam(Codec::Mjpeg) => f.write_str("rpicam"),
            Self::Rpicam(Codec::Yuv420) => f.write_str("rpicam:yuv420"),
            Self::V4l2(device) => write!(f, "v4l2:{}", device.display()),
            Self::Folder(folder) => write!(f, "dir:{}", folder.display()),
            Self::Stdin => f.write_str("stdin"),
            Self::None => f.write_str("none"),
        }
    }
}

impl Spec {
    /// Whether every picture is judged and has its own verdict, be it late: files of a folder. A camera's frames are too many.
    #[must_use]
    pub fn is_queue(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Whether it gives pictures at all.
    #[must_use]
    pub fn looks(&self) -> bool {
        *self != Self::None
    }

    fn open(&self, size: (u32, u32)) -> Result<Box<dyn Camera>, Fault> {
        Ok(match self {
            Self::Rpicam(codec) => Box::new(rpicam::Rpicam::open(*codec, size)?),
            Self::V4l2(device) => Box::new(v4l2::V4l2::open(device, size)?),
            Self::Folder(folder) => Box::new(folder::Folder::open(folder)?),
            Self::Stdin => Box::new(stdin::Stdin::open()),
            Self::None => Box::new(Nowhere),
        })
    }
}

/// Something that takes pictures until it fails.
trait Camera {
    /// The next picture; `None` when there will be no more. Comes back within a second or so, with [`Next::Waiting`] if it must, so that
    /// whoever asks can be stopped.
    fn next(&mut self) -> Result<Next, Fault>;
}

/// No camera.
struct Nowhere;

impl Camera for Nowhere {
    fn next(&mut self) -> Result<Next, Fault> {
        std::thread::sleep(Duration::from_millis(500));
        Ok(Next::Waiting)
    }
}

/// What a camera has.
enum Next {
    Shot(Shot),
    /// Nothing yet, which may be a fault that is not known yet.
    Waiting,
    /// Nothing new; the source works.
    Idle,
    /// Something to tell that is neither a picture nor a fault.
    Note(String),
    /// No pictures, and why; the camera goes on trying by itself.
    Fault(Fault),
    /// There will be nothing more; with a fault when there never was a picture.
    End(Option<Fault>),
}

/// Why there are no pictures, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct Fault {
    what: String,
    remedy: &'static str,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, remedy: &'static str) -> Self {
        Self { what: what.into(), remedy }
    }
}

/// A picture as it was taken, not looked at yet: most are never asked for.
#[derive(Debug)]
pub struct Shot {
    /// When it was whole.
    pub taken: Instant,
    /// Its file's name, where it has one.
    pub name: Option<PathBuf>,
    /// Its pixels.
    pub pixels: Pixels,
}

/// A picture's pixels, as they came.
#[derive(Debug)]
pub enum Pixels {
    /// A picture file's bytes.
    File(Vec<u8>),
    /// A camera's raw picture.
    Raw(Yuv),
    /// None that can be had, and why: a frame that its driver knows to be damaged, a file that cannot be read.
    Missing(String),
}

impl Shot {
    fn now(pixels: Pixels) -> Self {
        Self { taken: Instant::now(), name: None, pixels }
    }

    /// The picture; grey may come cheaper than colour.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when it cannot be decoded.
    pub fn frame(&self, color: Color) -> Result<Frame> {
        Ok(match &self.pixels {
            Pixels::File(bytes) => Frame::decode(bytes)?.into_frame(),
            Pixels::Raw(yuv) => yuv.frame(color)?,
            Pixels::Missing(why) => return Err(counterfoil_models::Error::Picture(why.clone()).into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_shown() {
        for text in ["rpicam", "rpicam:yuv420", "v4l2:/dev/v4l/by-id/usb:0", "dir:a folder", "stdin", "none"] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string(), text);
        }
        assert_eq!("rpicam:mjpeg".parse::<Spec>().unwrap().to_string(), "rpicam");
        for bad in ["", "webcam", "v4l2", "v4l2:", "dir", "rpicam:h264", "stdin:x"] {
            let error = bad.parse::<Spec>().unwrap_err();
            assert!(error.contains(&format!("`{bad}`")) && error.contains("expected rpicam"), "{error}");
        }
    }
}

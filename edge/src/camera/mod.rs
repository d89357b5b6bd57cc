//! Sources of pictures: turns a [`Spec`], which a user types as `--source`, into [`Shot`]s, each with
//! the time at which it was taken.
//!
//! Cameras are unplugged, busy, slow or not permitted, and none of that may end the program. A `Camera` reports
//! its fault, and [`CameraThread`] opens it again. The thread keeps the newest shot in a mailbox, so a slow
//! detector skips pictures and never lags behind.

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

pub use mjpeg::Splitter;
pub use rpicam::Codec;
pub use thread::{CameraEvent, CameraThread};
pub use v4l2::{Found, list};

/// Frame rate that is requested from a camera, in pictures per second.
const RATE: u32 = 15;
/// A camera that gives no picture for this time has a fault.
const SILENCE: Duration = Duration::from_secs(5);
/// Default width and height in pixels that are requested from a camera.
pub const SIZE: (u32, u32) = (1280, 720);

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// The camera of a Raspberry Pi, read through `rpicam-vid`, as JPEG or raw frames.
    Rpicam(Codec),
    /// A USB camera, by the path of its V4L2 device.
    V4l2(PathBuf),
    /// New picture files in a folder.
    Folder(PathBuf),
    /// Consecutive JPEG pictures on standard input.
    Stdin,
    /// No source: the box judges only what it receives over the network.
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
    /// Whether every picture gets its own verdict, even a late one. True for the files of a folder; a
    /// camera has too many frames for that.
    #[must_use]
    pub fn is_queue(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Whether this source gives pictures at all.
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

/// An open source of pictures, used until it fails.
trait Camera {
    /// The next item. Returns within about a second, if necessary with [`Next::Waiting`], so that the
    /// reading thread can be stopped.
    fn next(&mut self) -> Result<Next, Fault>;
}

/// The source [`Spec::None`], which never gives a picture.
struct Nowhere;

impl Camera for Nowhere {
    fn next(&mut self) -> Result<Next, Fault> {
        std::thread::sleep(Duration::from_millis(500));
        Ok(Next::Waiting)
    }
}

/// One answer of a [`Camera`].
enum Next {
    Shot(Shot),
    /// Nothing yet; this may become a fault.
    Waiting,
    /// Nothing new, and the source works.
    Idle,
    /// A message to the user that is neither a picture nor a fault.
    Note(String),
    /// No pictures, and the reason; the source keeps trying by itself.
    Fault(Fault),
    /// Nothing more will come. Carries a fault if the source never gave a picture.
    End(Option<Fault>),
}

/// Why a source gives no pictures, and what to do about it.
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

/// A picture as it was taken. It is not decoded yet, because most shots are never judged.
#[derive(Debug)]
pub struct Shot {
    /// When the picture was complete.
    pub taken: Instant,
    /// Path of the picture's file, if it came from one.
    pub name: Option<PathBuf>,
    /// The pixels, still undecoded.
    pub pixels: Pixels,
}

/// The pixels of a picture in the form in which the source gave them.
#[derive(Debug)]
pub enum Pixels {
    /// The bytes of a picture file.
    File(Vec<u8>),
    /// A raw frame of a camera.
    Raw(Yuv),
    /// No pixels, and the reason: a frame that the driver marked as damaged, or a file that cannot be read.
    Missing(String),
}

impl Shot {
    fn now(pixels: Pixels) -> Self {
        Self { taken: Instant::now(), name: None, pixels }
    }

    /// Decodes the picture. Grey can cost less than colour.
    ///
    /// # Errors
    /// [`crate::Error::Contract`] when the picture cannot be decoded.
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

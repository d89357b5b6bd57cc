//! A USB camera, or any other V4L2 capture device: Motion JPEG or YUYV, streamed through mapped buffers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use counterfoil_models::{Matrix, Packing, Yuv};
use linuxvideo::format::{PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{BufType, CapabilityFlags, Device};

use super::pipe;
use super::{Camera, Fault, Next, Pixels, SILENCE, Shot};

/// Folder of device names that do not change when a camera is plugged into another port.
const BY_ID: &str = "/dev/v4l/by-id";

pub(super) struct V4l2 {
    stream: ReadStream,
    layout: Layout,
    heard: Instant,
}

#[derive(Clone, Copy)]
enum Layout {
    Jpeg,
    Yuyv { size: (u32, u32), stride: usize },
}

impl V4l2 {
    pub(super) fn open(path: &Path, (width, height): (u32, u32)) -> Result<Self, Fault> {
        let fault = |error: io::Error| trouble(path, &error);
        let device = Device::open(path).map_err(fault)?;
        let offered: Vec<PixelFormat> =
            device.formats(BufType::VIDEO_CAPTURE).filter_map(|format| Some(format.ok()?.pixel_format())).collect();
        let known = [PixelFormat::MJPG, PixelFormat::JPEG, PixelFormat::YUYV];
        let Some(format) = known.into_iter().find(|format| offered.contains(format)) else {
            let offered = offered.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Fault::new(
                format!("{} gives {}", path.display(), if offered.is_empty() { "no pictures" } else { &offered }),
                "a camera that gives MJPG or YUYV is needed; `counterfoil-edge doctor` lists what is there",
            ));
        };
        let capture = device.video_capture(PixFormat::new(width, height, format)).map_err(fault)?;
        let given = capture.format();
        let layout = if given.pixel_format() == PixelFormat::YUYV {
            Layout::Yuyv { size: (given.width(), given.height()), stride: given.bytes_per_line() as usize }
        } else {
            Layout::Jpeg
        };
        Ok(Self { stream: capture.into_stream().map_err(fault)?, layout, heard: Instant::now() })
    }
}

impl Camera for V4l2 {
    fn next(&mut self) -> Result<Next, Fault> {
        let gone = |error: io::Error| Fault::new(format!("the camera is gone ({error})"), "plug it in again");
        if !pipe::ready(&self.stream).map_err(gone)? {
            if self.heard.elapsed() > SILENCE {
                return Err(Fault::new(
                    format!("the camera has sent no picture for {} s", SILENCE.as_secs()),
                    "plug it in again, into another port if it happens again",
                ));
            }
            return Ok(Next::Waiting);
        }
        let taken = self.stream.dequeue(|buffer| Ok(if buffer.is_error() { Vec::new() } else { buffer.to_vec() }));
        let bytes = taken.map_err(gone)?;
        self.heard = Instant::now();
        // A driver may return a buffer that it marked as damaged, or an incomplete one. The frame is
        // counted and never judged.
        let damaged = || Pixels::Missing("the camera's driver gave part of a picture, or a damaged one".into());
        let pixels = match self.layout {
            _ if bytes.is_empty() => damaged(),
            Layout::Jpeg => Pixels::File(bytes),
            Layout::Yuyv { size, stride } => {
                Yuv::new(Packing::Yuyv, Matrix::Bt601, size, stride, bytes).map_or_else(|_| damaged(), Pixels::Raw)
            }
        };
        Ok(Next::Shot(Shot::now(pixels)))
    }
}

fn trouble(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::BUSY) => {
            Fault::new(format!("{path} is in use by another program"), "close that program, or use another camera")
        }
        _ => match error.kind() {
            io::ErrorKind::NotFound => Fault::new(
                format!("there is no camera at {path}"),
                "plug it in; `counterfoil-edge doctor` lists those that are there",
            ),
            io::ErrorKind::PermissionDenied => {
                Fault::new(format!("this user may not use {path}"), "add the user to the group video, and log in again")
            }
            _ => Fault::new(
                format!("{path} does not behave as a camera ({error})"),
                "use another; `counterfoil-edge doctor` lists them",
            ),
        },
    }
}

/// A camera that is plugged in.
#[derive(Debug)]
pub struct Found {
    /// Path to use as the source: the stable name in `/dev/v4l/by-id` if there is one.
    pub path: PathBuf,
    /// Name that the camera reports.
    pub card: String,
    /// Pixel formats that it offers: `MJPG`, `YUYV`, ...
    pub formats: Vec<String>,
}

/// Lists the cameras that are plugged in.
///
/// # Errors
/// When `/dev` cannot be listed.
pub fn list() -> io::Result<Vec<Found>> {
    let lasting: Vec<(PathBuf, PathBuf)> = fs::read_dir(BY_ID)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter_map(|path| Some((fs::canonicalize(&path).ok()?, path)))
        .collect();
    let mut found = Vec::new();
    for device in linuxvideo::list()?.flatten() {
        let (Ok(path), Ok(capabilities)) = (device.path(), device.capabilities()) else { continue };
        // A camera also has a device node for metadata, which gives no pictures.
        if !capabilities.device_capabilities().contains(CapabilityFlags::VIDEO_CAPTURE) {
            continue;
        }
        let formats = device.formats(BufType::VIDEO_CAPTURE).flatten().map(|format| format.pixel_format().to_string());
        let name = lasting.iter().find(|(real, _)| *real == path).map_or(path.clone(), |(_, name)| name.clone());
        found.push(Found { path: name, card: capabilities.card().to_owned(), formats: formats.collect() });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

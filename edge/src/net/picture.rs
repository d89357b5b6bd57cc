//! The camera's newest picture as a JPEG file, for the live page: encoded once a shot, and shared by all requests.

use std::io::Cursor;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use counterfoil_models::{Color, Frame};
use image::codecs::jpeg::JpegEncoder;
use tokio::sync::Mutex;

use super::live::Live;
use crate::camera::{Pixels, Shot};
use crate::http::body::{Budget, LARGE_BLOCK, Share};
use crate::http::refusal::refuse;
use crate::{Error, Result, threads};

const QUALITY: u8 = 80;
/// Memory for all pictures that are being sent, in bytes. Slow clients can hold one each.
const MEMORY: usize = 16 << 20;
/// How long a picture waits for a share of this memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// The last encoded picture, and the memory for those that are being sent.
#[derive(Debug)]
pub(super) struct Pictures {
    last: Mutex<Option<Encoded>>,
    memory: Budget,
}

#[derive(Debug)]
struct Encoded {
    shot: Weak<Shot>,
    /// When the shot was the newest.
    since: Instant,
    jpeg: Bytes,
}

/// Bytes of a JPEG file, and their share of the memory.
struct Jpeg {
    bytes: Encoding,
    _share: Share,
}

enum Encoding {
    /// The camera's own.
    Own(Arc<Shot>),
    Made(Vec<u8>),
}

impl AsRef<[u8]> for Encoding {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Made(bytes) => bytes,
            Self::Own(shot) => match &shot.pixels {
                Pixels::File(bytes) => bytes,
                Pixels::Raw(_) | Pixels::Missing(_) => &[],
            },
        }
    }
}

impl AsRef<[u8]> for Jpeg {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
enum NoPicture {
    #[error("the camera has shown nothing yet")]
    Nothing,
    #[error("too many pictures are being sent; try again in a second")]
    Busy,
    #[error(transparent)]
    Box(#[from] Error),
}

impl Pictures {
    pub(super) fn new() -> Self {
        Self { last: Mutex::default(), memory: Budget::new(MEMORY, PATIENCE) }
    }

    /// The newest shot. Of several requests at once, one encodes it, and the others wait for that.
    async fn newest(&self, live: &Live) -> Result<Bytes, NoPicture> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        let since = Instant::now();
        let shot = live.now().shot.ok_or(NoPicture::Nothing)?;
        // A picture that was the newest after this request was made is new enough, though another one came since.
        let is_new = |last: &&Encoded| last.since >= asked || last.shot.as_ptr() == Arc::as_ptr(&shot);
        if let Some(last) = last.as_ref().filter(is_new) {
            return Ok(last.jpeg.clone());
        }
        *last = None;
        let known = Arc::downgrade(&shot);
        let encoded = tokio::task::spawn_blocking(move || threads::guarded(|| encode(shot))).await;
        let bytes = encoded.map_err(|_| Error::Panicked)??;
        let share = self.memory.share(bytes.as_ref().len().min(MEMORY)).await.ok_or(NoPicture::Busy)?;
        let jpeg = Bytes::from_owner(Jpeg { bytes, _share: share });
        *last = Some(Encoded { shot: known, since, jpeg: jpeg.clone() });
        Ok(jpeg)
    }
}

/// The newest shot as the answer to a request.
pub(super) async fn answer(pictures: Arc<Pictures>, live: Arc<Live>) -> Response {
    // In a task of its own, which goes on if the client leaves: otherwise each that comes and leaves would begin anew.
    let newest = tokio::spawn(async move { pictures.newest(&live).await });
    match newest.await.unwrap_or(Err(NoPicture::Box(Error::Panicked))) {
        Ok(jpeg) => ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")], jpeg).into_response(),
        Err(error) => {
            let status = match error {
                NoPicture::Nothing => StatusCode::NOT_FOUND,
                NoPicture::Busy => StatusCode::SERVICE_UNAVAILABLE,
                NoPicture::Box(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refuse(status, &error)
        }
    }
}

/// The shot as a JPEG file. A shot that is JPEG already is used as it is.
fn encode(shot: Arc<Shot>) -> Result<Encoding> {
    if matches!(&shot.pixels, Pixels::File(bytes) if bytes.starts_with(b"\xff\xd8")) {
        return Ok(Encoding::Own(shot));
    }
    let mut bytes = Cursor::new(Vec::with_capacity(LARGE_BLOCK));
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    let encoded = match shot.frame(Color::Rgb)? {
        Frame::Grey(image) => image.write_with_encoder(encoder),
        Frame::Rgb(image) => image.write_with_encoder(encoder),
    };
    encoded.map_err(|_| Error::Panicked)?;
    Ok(Encoding::Made(bytes.into_inner()))
}

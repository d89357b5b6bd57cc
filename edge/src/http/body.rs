//! Bodies of requests: read within a budget of memory for all of them together, refused where none belongs, and
//! discarded without being kept.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::refusal::refuse;

/// Size in bytes from which a block of memory goes back to the system when it is freed; the program of the box asks
/// for that. A block that is filled only in part takes no more memory than its filled part.
pub const LARGE_BLOCK: usize = 4 << 20;
/// A body of at least this size gets a large block, however small it is: the small ones would stay with the process.
const SMALL: usize = 64 << 10;
/// Unit of a [`Budget`], in bytes.
const UNIT: usize = 1 << 10;
/// How long the body of a refused request is read and discarded.
const DISCARDING: Duration = Duration::from_secs(10);

/// Memory for the bodies of all requests together.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    /// How long a request waits for its share.
    patience: Duration,
}

/// A share of a [`Budget`]. Dropping it gives the share back.
#[derive(Debug)]
pub struct Share(OwnedSemaphorePermit);

/// A body, and its share of the budget.
#[derive(Debug)]
pub struct Held {
    bytes: Vec<u8>,
    _share: Share,
}

impl Deref for Held {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It is larger than this number of bytes.
    #[error("the body is larger than {} MB", .0 >> 20)]
    TooLarge(usize),
    /// The budget is used up.
    #[error("too many bodies are being received; try again in a second")]
    Busy,
    /// The client has left or sent no valid HTTP.
    #[error("the body did not come whole")]
    Broken,
}

impl Unread {
    /// The HTTP status that says so.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

impl Budget {
    /// A budget of `bytes`, rounded down to whole kB. A request waits at most `patience` for its share.
    #[must_use]
    pub fn new(bytes: usize, patience: Duration) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes / UNIT)), patience }
    }

    /// Waits for a share of `bytes`; `None` if it does not get free.
    pub async fn share(&self, bytes: usize) -> Option<Share> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        let share = timeout(self.patience, Arc::clone(&self.free).acquire_many_owned(units)).await;
        Some(Share(share.ok()?.ok()?))
    }

    /// Reads a body of at most `limit` bytes. Its share is taken before it is read if the request says how long it is,
    /// and while it arrives otherwise.
    ///
    /// # Errors
    /// [`Unread`], after the body was discarded.
    pub async fn read(&self, headers: &HeaderMap, mut body: Body, limit: usize) -> Result<Held, Unread> {
        let read = self.read_from(headers, &mut body, limit).await;
        if read.is_err() {
            discard(body).await;
        }
        read
    }

    async fn read_from(&self, headers: &HeaderMap, body: &mut Body, limit: usize) -> Result<Held, Unread> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length: usize = length.unwrap_or(0);
        if length > limit {
            return Err(Unread::TooLarge(limit));
        }
        let mut share = self.share(length).await.ok_or(Unread::Busy)?;
        let mut bytes = Vec::with_capacity(if length < SMALL { length } else { length.max(LARGE_BLOCK) });
        while let Some(piece) = next(body).await {
            let piece = piece.ok_or(Unread::Broken)?;
            if bytes.len() + piece.len() > limit {
                return Err(Unread::TooLarge(limit));
            }
            let lacking = (bytes.len() + piece.len()).saturating_sub(share.0.num_permits() * UNIT);
            if lacking > 0 {
                // It grows by doubling, as the vector does; waiting while it holds a share could last for ever.
                let more = lacking.max(bytes.len()).min(limit).div_ceil(UNIT) as u32;
                let more = Arc::clone(&self.free).try_acquire_many_owned(more).map_err(|_| Unread::Busy)?;
                share.0.merge(more);
            }
            if bytes.capacity() < bytes.len() + piece.len() && bytes.capacity() < LARGE_BLOCK {
                bytes.reserve_exact(LARGE_BLOCK - bytes.len());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Held { bytes, _share: share })
    }
}

/// The next bytes of a body: `None` at its end, `Some(None)` when it cannot be read.
async fn next(body: &mut Body) -> Option<Option<axum::body::Bytes>> {
    loop {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context)).await?;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => return Some(Some(bytes)),
            // Trailers.
            Ok(Err(_)) => {}
            Err(_) => return Some(None),
        }
    }
}

/// Reads the rest of a body for a short time and keeps nothing of it: a client that is still sending would not read
/// the response.
pub async fn discard(mut body: Body) {
    let all = async { while let Some(Some(_)) = next(&mut body).await {} };
    let _ = timeout(DISCARDING, all).await;
}

/// Middleware for requests that take no body: refuses those that have one, with status 413.
pub async fn none_taken(request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    discard(request.into_body()).await;
    refuse(StatusCode::PAYLOAD_TOO_LARGE, "this request takes no body; send it without one")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn length(bytes: usize) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_LENGTH, bytes.into())])
    }

    #[tokio::test]
    async fn bodies_share_a_budget_and_give_it_back() {
        let budget = Budget::new(10 * UNIT, SOON);
        let read =
            async |headers: &HeaderMap, bytes: usize| budget.read(headers, vec![7; bytes].into(), 8 * UNIT).await;
        let held = read(&length(8 * UNIT), 8 * UNIT).await.unwrap();
        assert_eq!((held.len(), held[0]), (8 * UNIT, 7));
        assert_eq!(read(&length(3 * UNIT), 3 * UNIT).await.unwrap_err(), Unread::Busy);
        assert_eq!(read(&HeaderMap::new(), 3 * UNIT).await.unwrap_err(), Unread::Busy, "without a length");
        let small = read(&HeaderMap::new(), 2 * UNIT).await.unwrap();
        drop((held, small));
        assert_eq!(budget.free.available_permits(), 10);
        assert_eq!(read(&length(9 * UNIT), 0).await.unwrap_err(), Unread::TooLarge(8 * UNIT));
        assert_eq!(read(&HeaderMap::new(), 9 * UNIT).await.unwrap_err(), Unread::TooLarge(8 * UNIT));
        assert_eq!(budget.free.available_permits(), 10);
    }
}

//! Judges pictures from the network on its own threads, which are so few and of such low priority that
//! the loop of the camera is not slowed down.
//!
//! One core is left to the loop. A picture that does not fit into the short queue is rejected at once,
//! which costs nothing.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use counterfoil_models::Frame;
use counterfoil_models::protocol::DetectResponse;
use tokio::sync::oneshot;

use super::live::Live;
use crate::http::body::Held;
use crate::{Result, threads};

/// Number of waiting pictures per thread.
const WAITING: usize = 4;

/// The sending end of the queue.
#[derive(Debug, Clone)]
pub(super) struct JudgeQueue {
    pictures: mpsc::SyncSender<Picture>,
}

#[derive(Debug)]
struct Picture {
    bytes: Held,
    judged: oneshot::Sender<Result<DetectResponse>>,
}

impl JudgeQueue {
    /// Starts the threads. They end when the last clone is dropped.
    #[must_use]
    pub(super) fn open(live: &Arc<Live>) -> Self {
        let threads = threads::all_cores().get().saturating_sub(1).max(1);
        let (pictures, waiting) = mpsc::sync_channel(threads * WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let (live, waiting) = (Arc::clone(live), Arc::clone(&waiting));
            thread::spawn(move || {
                super::give_way();
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(Picture { bytes, judged }) = next() {
                    // A request whose client has left is not judged.
                    if !judged.is_closed()
                        && let Some(answer) = judge(&live, &bytes, &judged)
                    {
                        let _ = judged.send(answer);
                    }
                }
            });
        }
        Self { pictures }
    }

    /// Queues the bytes of a picture file. Returns the receiver for its result, or `None` if the queue is full.
    #[must_use]
    pub(super) fn hand_in(&self, bytes: Held) -> Option<oneshot::Receiver<Result<DetectResponse>>> {
        let (judged, answer) = oneshot::channel();
        self.pictures.try_send(Picture { bytes, judged }).ok()?;
        Some(answer)
    }
}

/// Judges a picture, unless its client leaves while it is decoded.
fn judge(
    live: &Live,
    bytes: &[u8],
    client: &oneshot::Sender<Result<DetectResponse>>,
) -> Option<Result<DetectResponse>> {
    let detector = live.detector();
    let begun = Instant::now();
    let judged = threads::guarded(|| {
        let frame = Frame::decode(bytes)?;
        if client.is_closed() { Ok(None) } else { detector.judge(&frame).map(Some) }
    });
    let judgement = judged.transpose()?;
    Some(judgement.map(|judgement| DetectResponse {
        verdict: judgement.verdict(),
        p_value: judgement.p_value(),
        score: judgement.score().get(),
        seconds: begun.elapsed().as_secs_f64(),
        model: detector.bundle().id().to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Detector;
    use std::path::Path;

    #[test]
    fn a_picture_whose_client_has_left_is_not_judged() {
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/specimen-note-statistics");
        let detector = Detector::open(&bundle).unwrap();
        let picture = detector.bundle().read(&detector.bundle().manifest().golden[0].file).unwrap();
        let (live, _requests) = Live::new(Arc::new(detector));
        let (client, answer) = oneshot::channel();
        assert!(judge(&live, &picture, &client).unwrap().is_ok());
        drop(answer);
        assert!(judge(&live, &picture, &client).is_none());
    }
}

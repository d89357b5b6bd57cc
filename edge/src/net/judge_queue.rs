//! Pictures from the network enter, judgements leave: on threads of its own, so few and so humble that the camera's loop does not notice.
//!
//! One core is the loop's. What does not fit into the short queue is turned away at once, which costs nothing.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use counterfoil_models::Frame;
use counterfoil_models::protocol::Judged;
use tokio::sync::oneshot;

use super::live::Live;
use crate::{Result, threads};

/// Pictures that wait for each thread.
const WAITING: usize = 4;

/// Where pictures are handed in.
#[derive(Debug, Clone)]
pub(super) struct JudgeQueue {
    pictures: mpsc::SyncSender<Picture>,
}

#[derive(Debug)]
struct Picture {
    bytes: Vec<u8>,
    judged: oneshot::Sender<Result<Judged>>,
}

impl JudgeQueue {
    /// Opens it; it closes when the last clone is dropped.
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
                    // Whoever hung up is not judged for.
                    if !judged.is_closed() {
                        let _ = judged.send(judge(&live, &bytes));
                    }
                }
            });
        }
        Self { pictures }
    }

    /// Hands a picture in; `None` when there is no room.
    #[must_use]
    pub(super) fn hand_in(&self, bytes: Vec<u8>) -> Option<oneshot::Receiver<Result<Judged>>> {
        let (judged, answer) = oneshot::channel();
        self.pictures.try_send(Picture { bytes, judged }).ok()?;
        Some(answer)
    }
}

fn judge(live: &Live, bytes: &[u8]) -> Result<Judged> {
    let detector = live.detector();
    let begun = Instant::now();
    let judgement = threads::guarded(|| detector.judge(&*Frame::decode(bytes)?))?;
    Ok(Judged {
        verdict: judgement.verdict(),
        p_value: judgement.p_value(),
        score: judgement.score().get(),
        seconds: begun.elapsed().as_secs_f64(),
        model: detector.bundle().id().to_owned(),
    })
}

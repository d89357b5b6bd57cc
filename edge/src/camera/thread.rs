//! Reads a camera in its own thread: opens it, keeps the newest shot, and opens it again after a fault.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Camera, Fault, Next, Shot, Spec};
use crate::mailbox::Mailbox;

/// Pauses between attempts to open a camera: the first one, and the limit up to which it doubles.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));
/// How often a pausing thread checks whether it should stop.
const TICK: Duration = Duration::from_millis(50);

/// One event of a camera. The newest event alone tells whether there is a fault.
#[derive(Debug)]
pub enum CameraEvent {
    /// A picture.
    Shot(Shot),
    /// There is no picture, and the reason; the thread keeps trying.
    Fault(Fault),
    /// The fault reported before is over, although there is no new picture.
    Works,
    /// A message to the user that is neither a picture nor a fault.
    Note(String),
    /// Nothing more will come, because standard input ended. Carries a fault if there never was a picture.
    End(Option<Fault>),
}

/// A camera that its own thread reads until this handle is dropped.
#[derive(Debug)]
pub struct CameraThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    latest: Mailbox<CameraEvent>,
    unwanted: AtomicBool,
    dropped: AtomicU64,
    /// When the thread last made progress: an answer of the camera, an attempt to open it, or a tick of a pause.
    heard: Mutex<Instant>,
}

impl CameraThread {
    /// Starts the thread. `size` is the width and height in pixels to request; the camera may give others.
    #[must_use]
    pub fn open(spec: Spec, size: (u32, u32)) -> Self {
        let queues = spec.is_queue();
        Self::through(move || spec.open(size), queues)
    }

    fn through(open: impl Fn() -> Result<Box<dyn Camera>, Fault> + Send + 'static, queues: bool) -> Self {
        let shared = Arc::new(Shared {
            latest: Mailbox::new(),
            unwanted: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            heard: Mutex::new(Instant::now()),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || theirs.look(&open, queues));
        Self { shared, thread: Some(thread) }
    }

    /// Takes the waiting event, in general the newest one. Waits for one for at most `patience`.
    #[must_use]
    pub fn newest(&self, patience: Duration) -> Option<CameraEvent> {
        self.shared.latest.take(patience)
    }

    /// Number of shots that a newer event replaced before they were taken.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Time since the camera last answered, even with nothing new, or was last tried again. For the watchdog.
    #[must_use]
    pub fn heard(&self) -> Duration {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

impl Drop for CameraThread {
    fn drop(&mut self) {
        self.shared.unwanted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn wanted(&self) -> bool {
        !self.unwanted.load(Ordering::Relaxed)
    }

    fn look(&self, open: &dyn Fn() -> Result<Box<dyn Camera>, Fault>, queues: bool) {
        let (mut pause, mut faulty) = (PAUSES.0, false);
        while self.wanted() {
            self.hear();
            // A panic in the code of a driver or a decoder is a camera fault like any other.
            let watched = catch_unwind(AssertUnwindSafe(|| self.watch(open, queues, &mut faulty)));
            match watched.unwrap_or_else(|_| Err(Fault::new("the camera's code panicked", "please report it"))) {
                // Queued, so that the end does not overwrite the last shot.
                Ok(fault) => return self.hand_over(CameraEvent::End(fault), true),
                Err(fault) => self.hand_over(CameraEvent::Fault(fault), queues),
            }
            pause = if faulty { (pause * 2).min(PAUSES.1) } else { PAUSES.0 };
            faulty = true;
            self.pause(pause);
        }
    }

    /// Reads the camera until it ends or fails. `faulty` tells whether the last event handed over was a fault.
    fn watch(
        &self,
        open: &dyn Fn() -> Result<Box<dyn Camera>, Fault>,
        queues: bool,
        faulty: &mut bool,
    ) -> Result<Option<Fault>, Fault> {
        let mut camera = open()?;
        while self.wanted() {
            let next = camera.next()?;
            self.hear();
            match next {
                Next::Shot(shot) => {
                    *faulty = false;
                    self.hand_over(CameraEvent::Shot(shot), queues);
                }
                Next::Idle if *faulty => {
                    *faulty = false;
                    self.hand_over(CameraEvent::Works, queues);
                }
                Next::Waiting | Next::Idle => {}
                Next::Note(note) => self.hand_over(CameraEvent::Note(note), true),
                Next::Fault(fault) => {
                    *faulty = true;
                    self.hand_over(CameraEvent::Fault(fault), queues);
                }
                Next::End(fault) => return Ok(fault),
            }
        }
        Ok(None)
    }

    /// Puts an event into the mailbox. With `queues` it waits until the mailbox is empty; otherwise it overwrites.
    fn hand_over(&self, mut look: CameraEvent, queues: bool) {
        if !queues {
            if let Some(CameraEvent::Shot(_)) = self.latest.put(look) {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        while let (true, Err(again)) = (self.wanted(), self.latest.queue(look, TICK)) {
            self.hear();
            look = again;
        }
    }

    fn pause(&self, pause: Duration) {
        let mut left = pause;
        while self.wanted() && !left.is_zero() {
            thread::sleep(TICK.min(left));
            self.hear();
            left = left.saturating_sub(TICK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::camera::Pixels;
    use std::sync::atomic::AtomicUsize;

    /// Follows a script: a letter is a shot, `!` a fault, `?` a panic, `-` a fault after which the camera
    /// continues, `~` nothing new, `.` the end.
    struct Scripted(Vec<char>);

    impl Camera for Scripted {
        fn next(&mut self) -> Result<Next, Fault> {
            match self.0.pop() {
                Some('!') => Err(Fault::new("unplugged", "plug it in")),
                Some('?') => panic!("a driver of doubtful quality"),
                Some('.') => Ok(Next::End(None)),
                Some('-') => Ok(Next::Fault(Fault::new("silent", "wait"))),
                Some('~') => Ok(Next::Idle),
                Some(name) => {
                    Ok(Next::Shot(Shot { name: Some(name.to_string().into()), ..Shot::now(Pixels::File(Vec::new())) }))
                }
                None => {
                    thread::sleep(Duration::from_millis(1));
                    Ok(Next::Waiting)
                }
            }
        }
    }

    fn eye(scripts: &'static [&'static str], queues: bool) -> CameraThread {
        let opened = AtomicUsize::new(0);
        let open = move || -> Result<Box<dyn Camera>, Fault> {
            let script = scripts.get(opened.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or_default();
            if script == "busy" {
                Err(Fault::new("busy", "wait"))
            } else {
                Ok(Box::new(Scripted(script.chars().rev().collect())))
            }
        };
        CameraThread::through(open, queues)
    }

    fn look(eye: &CameraThread) -> String {
        match eye.newest(Duration::from_secs(5)) {
            Some(CameraEvent::Shot(shot)) => shot.name.unwrap_or_default().to_string_lossy().into_owned(),
            Some(CameraEvent::Fault(fault)) => fault.to_string(),
            Some(CameraEvent::Works) => "works".into(),
            Some(CameraEvent::Note(note)) => note,
            Some(CameraEvent::End(_)) => "end".into(),
            None => "nothing".into(),
        }
    }

    #[test]
    fn a_camera_that_fails_is_opened_anew() {
        let eye = eye(&["busy", "a!", "b?", "c"], true);
        let seen: Vec<String> = (0..6).map(|_| look(&eye)).collect();
        assert_eq!(
            seen,
            ["busy; wait", "a", "unplugged; plug it in", "b", "the camera's code panicked; please report it", "c"]
        );
    }

    #[test]
    fn a_fault_is_left_when_the_source_works_again_though_there_is_no_picture() {
        let eye = eye(&["busy", "~~a-~!", "~"], true);
        let seen: Vec<String> = (0..7).map(|_| look(&eye)).collect();
        assert_eq!(seen, ["busy; wait", "works", "a", "silent; wait", "works", "unplugged; plug it in", "works"]);
    }

    #[test]
    fn a_slow_judge_sees_the_newest_and_a_queue_loses_nothing() {
        let newest = eye(&["abcdef"], false);
        thread::sleep(Duration::from_millis(300));
        assert_eq!((look(&newest).as_str(), newest.dropped()), ("f", 5));
        let queue = eye(&["abcdef."], true);
        thread::sleep(Duration::from_millis(100));
        assert_eq!((0..7).map(|_| look(&queue)).collect::<Vec<_>>().concat(), "abcdefend");
    }

    #[test]
    fn the_last_picture_is_seen_before_the_end() {
        let eye = eye(&["ab."], false);
        thread::sleep(Duration::from_millis(100));
        assert_eq!([look(&eye), look(&eye)], ["b", "end"]);
    }
}

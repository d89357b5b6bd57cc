//! Shows news in its own thread, on lights, buzzer and display.
//!
//! A pulse takes time, a bus can hang and a pin can fail, and none of that may delay a verdict. Of the news that
//! arrive during a pulse, only the newest is shown after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::mailbox::Mailbox;
use crate::show::indicator::Signal;
use crate::show::screen::Words;

/// How long the thread waits for news before it checks the notice and the end.
const PATIENCE: Duration = Duration::from_millis(100);

/// News for a person in front of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The signal of the lights and the buzzer.
    pub signal: Signal,
    /// The words on the display.
    pub words: Words,
}

/// A device that shows news: lights, a display, a console. Returns a message about what is wrong with it, once.
pub trait NewsDevice: Send {
    /// Shows the news; returns when it was shown.
    fn show(&mut self, news: &News) -> Option<String>;

    /// Shows other words, and leaves lights as they are: the words of a notice, or those from before it.
    fn reword(&mut self, _: &Words) -> Option<String> {
        None
    }
}

/// The thread that shows news. Dropping it ends the thread.
#[derive(Debug)]
pub struct Panel {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    news: Mailbox<News>,
    /// Words that stay on the display until this time, even if there is news.
    notice: Mutex<Option<(Words, Instant)>>,
    unwanted: AtomicBool,
}

impl Panel {
    /// Starts the thread, which shows news on all of `parts`. Messages about failing parts go to `complain`.
    pub fn new(mut parts: Vec<Box<dyn NewsDevice>>, complain: impl Fn(String) + Send + 'static) -> Self {
        let shared =
            Arc::new(Shared { news: Mailbox::new(), notice: Mutex::new(None), unwanted: AtomicBool::new(false) });
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let (mut newest, mut noticed) = (Words::default(), None);
            while !theirs.unwanted.load(Ordering::Relaxed) {
                if let Some(mut news) = theirs.news.take(PATIENCE) {
                    newest.clone_from(&news.words);
                    news.words = noticed.clone().unwrap_or(news.words);
                    parts.iter_mut().filter_map(|part| part.show(&news)).for_each(&complain);
                }
                let notice = theirs.notice();
                if notice != noticed {
                    let words = notice.as_ref().unwrap_or(&newest);
                    parts.iter_mut().filter_map(|part| part.reword(words)).for_each(&complain);
                    noticed = notice;
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// Shows this next, instead of other news that wait. Returns at once.
    pub fn show(&self, news: News) {
        self.shared.news.put(news);
    }

    /// Queues this behind the news that wait, so that no picture's verdict hides another's. Blocks
    /// until there is room.
    pub fn show_after(&self, mut news: News) {
        while let Err(again) = self.shared.news.queue(news, PATIENCE) {
            news = again;
        }
    }
}

impl Panel {
    /// A handle for showing notices from other threads.
    #[must_use]
    pub fn notices(&self) -> Notices {
        Notices(Arc::clone(&self.shared))
    }
}

/// Shows words on the display for a fixed time.
#[derive(Clone, Debug)]
pub struct Notices(Arc<Shared>);

impl Notices {
    /// Shows `words` at once and keeps them for the time `long`, even if there is news; then the newest
    /// news is shown again.
    pub fn show(&self, words: Words, long: Duration) {
        *self.0.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some((words, Instant::now() + long));
    }
}

impl Shared {
    fn notice(&self) -> Option<Words> {
        let mut notice = self.notice.lock().unwrap_or_else(PoisonError::into_inner);
        notice.take_if(|(_, until)| *until <= Instant::now());
        notice.as_ref().map(|(words, _)| words.clone())
    }
}

impl Drop for Panel {
    /// Waits for the end of the thread, so that the lights are dark afterwards.
    fn drop(&mut self) {
        self.shared.unwanted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Slow(Arc<Mutex<Vec<Signal>>>);

    impl NewsDevice for Slow {
        fn show(&mut self, news: &News) -> Option<String> {
            thread::sleep(Duration::from_millis(60));
            self.0.lock().unwrap().push(news.signal);
            Some("it hurts".into())
        }
    }

    #[test]
    fn a_slow_light_holds_nobody_up_and_shows_the_newest_news() {
        let (shown, complaints) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
        let heard = Arc::clone(&complaints);
        let panel = Panel::new(vec![Box::new(Slow(Arc::clone(&shown)))], move |_| *heard.lock().unwrap() += 1);
        let start = Instant::now();
        for signal in [Signal::Genuine, Signal::Unsure, Signal::Fault, Signal::Counterfeit] {
            panel.show(News { signal, words: Words::default() });
            thread::sleep(Duration::from_millis(5));
        }
        assert!(start.elapsed() < Duration::from_millis(60));
        thread::sleep(Duration::from_millis(300));
        drop(panel);
        assert_eq!(*shown.lock().unwrap(), [Signal::Genuine, Signal::Counterfeit]);
        assert_eq!(*complaints.lock().unwrap(), 2);
    }

    #[test]
    fn of_pictures_that_were_put_there_each_is_shown() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let panel = Panel::new(vec![Box::new(Slow(Arc::clone(&shown)))], |_| {});
        let each = [Signal::Counterfeit, Signal::Genuine, Signal::Fault];
        for signal in each {
            panel.show_after(News { signal, words: Words::default() });
        }
        thread::sleep(Duration::from_millis(300));
        assert_eq!(*shown.lock().unwrap(), each);
    }

    struct Display(Arc<Mutex<Vec<String>>>);

    impl NewsDevice for Display {
        fn show(&mut self, news: &News) -> Option<String> {
            self.reword(&news.words)
        }

        fn reword(&mut self, words: &Words) -> Option<String> {
            self.0.lock().unwrap().push(words.large.clone());
            None
        }
    }

    #[test]
    fn a_notice_goes_by_itself_and_what_is_new_shows_again() {
        let (lit, shown) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let parts: Vec<Box<dyn NewsDevice>> =
            vec![Box::new(Slow(Arc::clone(&lit))), Box::new(Display(Arc::clone(&shown)))];
        let panel = Panel::new(parts, |_| {});
        let words = |large: &str| Words { large: large.into(), small: <[String; 2]>::default() };
        panel.show(News { signal: Signal::Counterfeit, words: words("COUNTERFEIT") });
        thread::sleep(Duration::from_millis(250));
        panel.notices().show(words("123456"), Duration::from_millis(600));
        thread::sleep(Duration::from_millis(250));
        panel.show(News { signal: Signal::Genuine, words: words("GENUINE") });
        thread::sleep(Duration::from_millis(900));
        assert_eq!(*shown.lock().unwrap(), ["COUNTERFEIT", "123456", "123456", "GENUINE"]);
        assert_eq!(
            *lit.lock().unwrap(),
            [Signal::Counterfeit, Signal::Genuine],
            "a notice lights and puts out nothing"
        );
    }
}

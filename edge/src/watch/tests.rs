//! Tests of the loop through its states, with a scripted camera, a stub for the network and a clock
//! that stands still. No test sleeps.

use std::collections::VecDeque;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Calibration, Color, Error as ContractError, Frame, Judgement, Region, Score, Verdict};
use image::{GrayImage, Luma};

use super::answer::Answer;
use super::pieces::{Pieces, Step};
use super::reporter::Reporter;
use super::state::{Mode, Purpose, State, Tally};
use super::vote::{Quorum, Statement};
use super::watcher::{FrameSource, ModelSource, Observer, Reply, VerdictRequest, Watcher, held};
use super::{Clock, Judge};
use crate::camera::{CameraEvent, Fault, Pixels, Shot};
use crate::show::button::Press;
use crate::show::panel::Panel;
use crate::store::journal::{self, Journal};
use crate::{Error, Result};

/// A clock that the test sets.
#[derive(Debug)]
struct Manual(Mutex<Instant>);

impl Manual {
    fn advance(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }
}

impl Clock for Manual {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    fn unix_ms(&self) -> u64 {
        63_600_000
    }
}

/// Judges by the brightness in the middle of a frame: light is genuine, and the lighter the higher the score; dark is
/// counterfeit, white makes the network fail, black makes it panic.
#[derive(Debug)]
struct Stub {
    id: &'static str,
    judged: AtomicU32,
}

impl Judge for Stub {
    fn id(&self) -> &str {
        self.id
    }

    fn color(&self) -> Color {
        Color::Grey
    }

    fn judge(&self, frame: &Frame) -> Result<Judgement> {
        self.judged.fetch_add(1, Ordering::Relaxed);
        let grey = frame.to_grey();
        let middle = grey.get_pixel(grey.width() / 2, grey.height() / 2).0[0];
        assert_ne!(middle, 0, "a stub that panics on black");
        if middle == 255 {
            return Err(ContractError::NotFinite(f32::NAN).into());
        }
        let calibration = Calibration::new(0.05, (0..19u8).map(f32::from).collect())?;
        let score = if middle > 100 { (f32::from(middle) - 110.0) / 6.0 } else { -1.0 };
        Ok(calibration.judge(Score::new(score)?))
    }

    fn genuine_scores(&self) -> Vec<f32> {
        (0..19u8).map(f32::from).collect()
    }
}

/// The brightness to which the stub gives this score, 0 to 18.
fn scored(score: u64) -> u8 {
    110 + 6 * score as u8
}

/// A table in uneven light with an article of one brightness on it, as a PNG file; `None` for the empty table.
fn picture(article: Option<u8>) -> Pixels {
    numbered(article, 0)
}

/// Such a picture with a number in its first pixels, so that no two files are equal.
fn numbered(article: Option<u8>, number: u8) -> Pixels {
    let table = |x: u32, y: u32| 90 + (x / 8 + y / 6) as u8;
    let image = GrayImage::from_fn(160, 120, |x, y| match article {
        Some(brightness) if (40..120).contains(&x) && (30..90).contains(&y) => Luma([brightness]),
        _ if (x, y) == (0, 0) => Luma([number]),
        _ => Luma([table(x, y)]),
    });
    Pixels::File(Frame::Grey(image).to_png().unwrap())
}

const GENUINE: Option<u8> = Some(200);
const COUNTERFEIT: Option<u8> = Some(20);
const BREAKS: Option<u8> = Some(255);
const PANICS: Option<u8> = Some(0);

#[derive(Default)]
struct Script(VecDeque<CameraEvent>);

impl FrameSource for Script {
    fn newest(&mut self, _: Duration) -> Option<CameraEvent> {
        self.0.pop_front()
    }

    fn dropped(&self) -> u64 {
        0
    }
}

/// Records the calls of the loop to the models and the observer.
#[derive(Default)]
struct Told {
    failed: u32,
    proven: u32,
    next: Option<Result<Arc<Stub>, String>>,
    events: Vec<String>,
    tally: Tally,
    drift: Option<Drift>,
    logged: Vec<String>,
    pressed: u32,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Told>>);

impl ModelSource<Stub> for Shared {
    fn changed(&mut self, _: bool) -> Option<Result<Arc<Stub>, String>> {
        self.0.lock().unwrap().next.take()
    }

    fn failed(&mut self) {
        self.0.lock().unwrap().failed += 1;
    }

    fn proven(&mut self) {
        self.0.lock().unwrap().proven += 1;
    }
}

fn word(answer: &Answer) -> String {
    match answer.shown() {
        Statement::Nothing => "nothing".into(),
        Statement::Unjudged => "unjudged".into(),
        Statement::Verdict(verdict, _) => verdict.to_string(),
    }
}

impl Shared {
    fn event(&self, what: impl Into<String>) {
        self.0.lock().unwrap().events.push(what.into());
    }

    fn events(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().events)
    }
}

impl Observer<Stub> for Shared {
    fn pressed(&self) {
        self.0.lock().unwrap().pressed += 1;
    }

    fn replaced(&self, judge: Arc<Stub>) {
        self.event(format!("judge {}", judge.id));
    }

    fn counted(&self, tally: Tally) {
        self.0.lock().unwrap().tally = tally;
    }

    fn doubted(&self, drift: Option<Drift>) {
        self.0.lock().unwrap().drift = drift;
    }

    fn fault(&self, what: &str) {
        self.event(format!("fault: {what}"));
    }

    fn works(&self) {}

    fn answered(&self, answer: &Answer) {
        self.event(word(answer));
    }

    fn looked(&self, _: Shot) {}
}

#[derive(Debug)]
struct Answered(mpsc::Sender<String>, bool);

impl Reply for Answered {
    fn is_abandoned(&self) -> bool {
        self.1
    }

    fn send(self: Box<Self>, answer: Result<&Answer, &str>) {
        self.0.send(answer.map_or_else(str::to_owned, word)).unwrap();
    }
}

/// A box under test, which gets shots one by one.
struct Bench {
    clock: Arc<Manual>,
    told: Shared,
    judge: Arc<Stub>,
    printed: Vec<u8>,
    presses: mpsc::Sender<Press>,
    pressed: Option<mpsc::Receiver<Press>>,
    requests: mpsc::Sender<VerdictRequest>,
    requested: Option<mpsc::Receiver<VerdictRequest>>,
    state: Option<State<Stub>>,
    folder: Option<PathBuf>,
    journal: Option<PathBuf>,
}

impl Bench {
    fn new(mode: Mode) -> Self {
        let clock = Arc::new(Manual(Mutex::new(Instant::now())));
        let judge = Arc::new(Stub { id: "first", judged: AtomicU32::new(0) });
        let state = State::new(
            Arc::clone(&judge),
            Arc::clone(&clock) as Arc<dyn Clock>,
            mode,
            Quorum::default(),
            Region::WHOLE,
            None,
            None,
        );
        let ((presses, pressed), (requests, requested)) = (mpsc::channel(), mpsc::channel());
        Self {
            clock,
            told: Shared::default(),
            judge,
            printed: Vec::new(),
            presses,
            pressed: Some(pressed),
            requests,
            requested: Some(requested),
            state: Some(state),
            folder: None,
            journal: None,
        }
    }

    fn judged(&self) -> u32 {
        self.judge.judged.load(Ordering::Relaxed)
    }

    fn shot(&self, pixels: Pixels) -> CameraEvent {
        CameraEvent::Shot(Shot { taken: self.clock.now(), name: None, pixels })
    }

    /// Runs one round for each event, and returns the calls that the observer received.
    fn rounds(&mut self, events: impl IntoIterator<Item = CameraEvent>) -> Vec<String> {
        let script: VecDeque<CameraEvent> = events.into_iter().collect();
        let rounds = script.len();
        let log = {
            let told = self.told.clone();
            Arc::new(move |what: &str| told.0.lock().unwrap().logged.push(what.to_owned()))
        };
        let panel = Panel::new(Vec::new(), |_| {});
        let journal = self.journal.as_ref().map(|folder| Journal::of(folder));
        let mut watcher = Watcher {
            state: self.state.take().unwrap(),
            camera: Script(script),
            models: self.told.clone(),
            presses: self.pressed.take(),
            requests: self.requested.take().unwrap(),
            pending: Vec::new(),
            observer: Arc::new(self.told.clone()),
            reporter: Reporter::new(&mut self.printed, false, journal, panel, false, Arc::clone(&log) as _),
            unsure: None,
            folder: self.folder.as_deref(),
            log,
        };
        for _ in 0..rounds {
            assert!(matches!(watcher.round(false), Ok(ControlFlow::Continue(()))));
        }
        let Watcher { state, presses, requests, .. } = watcher;
        (self.state, self.pressed, self.requested) = (Some(state), presses, Some(requests));
        self.told.events()
    }

    /// Lays this article down and takes it away again.
    fn lay(&mut self, article: Option<u8>) -> Vec<String> {
        self.see(&[article, article, article, None, None, None])
    }

    /// Like `rounds`, for files of these articles, each judged alone.
    fn files(&mut self, articles: impl IntoIterator<Item = Option<u8>>) -> Vec<String> {
        let taken = self.clock.now();
        let file = |(number, article)| {
            let pixels = numbered(article, number as u8);
            CameraEvent::Shot(Shot { taken, name: Some("a.png".into()), pixels })
        };
        self.rounds(articles.into_iter().enumerate().map(file).collect::<Vec<_>>())
    }

    /// Like `rounds`, for shots of a table with these articles on it.
    fn see(&mut self, articles: &[Option<u8>]) -> Vec<String> {
        let shots: Vec<CameraEvent> = articles.iter().map(|article| self.shot(picture(*article))).collect();
        self.rounds(shots)
    }
}

#[test]
fn three_frames_of_five_speak_and_what_is_said_is_printed() {
    let mut bench = Bench::new(Mode::Always);
    assert!(bench.see(&[GENUINE, COUNTERFEIT]).is_empty());
    assert_eq!(bench.see(&[GENUINE, GENUINE, GENUINE]), ["genuine"], "said once");
    assert_eq!(bench.see(&[COUNTERFEIT; 4]), ["counterfeit"]);
    let printed = String::from_utf8(bench.printed.clone()).unwrap();
    assert!(printed.starts_with("genuine") && printed.lines().count() == 2, "{printed}");
    assert_eq!(bench.told.0.lock().unwrap().proven, 2, "each verdict proves the model");
    assert_eq!(bench.told.0.lock().unwrap().tally.judged, 9);
}

#[test]
fn a_fault_is_told_once_and_what_was_seen_before_it_is_forgotten() {
    let mut bench = Bench::new(Mode::Always);
    let fault = || CameraEvent::Fault(Fault::new("unplugged", "plug it in"));
    bench.see(&[GENUINE, GENUINE]);
    assert_eq!(bench.rounds([fault(), fault()]), ["fault: unplugged; plug it in", "fault: unplugged; plug it in"]);
    assert!(bench.see(&[GENUINE, GENUINE]).is_empty(), "two frames from before the fault do not count");
    assert_eq!(bench.see(&[GENUINE]), ["genuine"]);
    bench.rounds([fault(), CameraEvent::Works]);
}

#[test]
fn a_fault_answers_who_waits() {
    let mut bench = Bench::new(Mode::Button);
    let (answer, answered) = mpsc::channel();
    let asked = bench.clock.now();
    bench
        .requests
        .send(VerdictRequest { asked, purpose: Purpose::Look, reply: Box::new(Answered(answer, false)) })
        .unwrap();
    bench.rounds([CameraEvent::Fault(Fault::new("unplugged", "plug it in"))]);
    assert_eq!(answered.try_recv().unwrap(), "unplugged; plug it in");
    assert!(bench.see(&[GENUINE; 5]).is_empty(), "the request is over");
}

#[test]
fn by_button_nothing_is_judged_until_it_is_pressed() {
    let mut bench = Bench::new(Mode::Button);
    assert!(bench.see(&[GENUINE; 6]).is_empty());
    assert_eq!(bench.judged(), 0);
    let old = bench.shot(picture(COUNTERFEIT));
    bench.clock.advance(1);
    bench.presses.send(Press::Short).unwrap();
    assert!(bench.rounds([old]).is_empty());
    assert_eq!(bench.told.0.lock().unwrap().pressed, 1, "the network is told of the press");
    assert_eq!(bench.judged(), 0, "a frame from before the press does not count");
    assert_eq!(bench.see(&[GENUINE, GENUINE, GENUINE]), ["genuine"]);
    assert!(bench.see(&[COUNTERFEIT; 5]).is_empty(), "one press, one answer");
    assert_eq!(bench.judged(), 3);
}

#[test]
fn a_request_is_answered_though_frames_do_not_agree() {
    let mut bench = Bench::new(Mode::Button);
    let ask = |bench: &Bench, abandoned| {
        let (answer, answered) = mpsc::channel();
        let reply = Box::new(Answered(answer, abandoned));
        bench.requests.send(VerdictRequest { asked: bench.clock.now(), purpose: Purpose::Look, reply }).unwrap();
        answered
    };
    let answered = ask(&bench, false);
    assert_eq!(bench.see(&[GENUINE, COUNTERFEIT, BREAKS, GENUINE, COUNTERFEIT]), ["unsure"]);
    assert_eq!(answered.try_recv().unwrap(), "unsure");
}

#[test]
fn the_empty_scene_is_learned_by_a_press_and_is_no_counterfeit() {
    let mut bench = Bench::new(Mode::Always);
    let folder = tempfile::tempdir().unwrap();
    bench.folder = Some(folder.path().to_path_buf());
    bench.presses.send(Press::Short).unwrap();
    assert!(bench.see(&[None]).is_empty());
    assert!(fs::exists(folder.path().join("empty-scene.json")).unwrap());
    assert_eq!(bench.see(&[None, None, None]), ["nothing"]);
    assert_eq!(bench.judged(), 0);
    assert_eq!(bench.see(&[COUNTERFEIT; 3]), ["counterfeit"]);
    assert_eq!(bench.see(&[None, None, None]), ["nothing"]);
}

#[test]
fn frames_that_are_damaged_for_long_are_a_fault_and_a_whole_one_ends_it() {
    let mut bench = Bench::new(Mode::Always);
    let damaged = || Pixels::File(b"\xff\xd8 and no more".to_vec());
    bench.see(&[GENUINE, GENUINE]);
    for second in 0..8 {
        let shot = bench.shot(damaged());
        let heard = bench.rounds([shot]);
        assert_eq!(heard.iter().any(|what| what.contains("every frame has been damaged")), second >= 5, "{heard:?}");
        bench.clock.advance(1);
    }
    assert_eq!(bench.told.0.lock().unwrap().tally.damaged, 8);
    assert_eq!(bench.see(&[GENUINE; 3]), ["genuine"]);
    let shot = bench.shot(damaged());
    assert!(bench.rounds([shot]).is_empty(), "the five seconds begin anew");
}

#[test]
fn a_network_that_fails_is_told_apart_from_a_picture() {
    let mut bench = Bench::new(Mode::Always);
    assert_eq!(bench.see(&[BREAKS, PANICS, BREAKS]), ["unjudged"]);
    assert_eq!(bench.told.0.lock().unwrap().failed, 3, "a panic is the network's, too");
    assert_eq!(bench.told.0.lock().unwrap().proven, 0);
    assert_eq!(bench.see(&[GENUINE; 3]), ["genuine"], "the loop goes on");
}

#[test]
fn another_model_takes_over_with_the_next_frame() {
    let mut bench = Bench::new(Mode::Always);
    bench.see(&[GENUINE, GENUINE]);
    let second = Arc::new(Stub { id: "second", judged: AtomicU32::new(0) });
    bench.told.0.lock().unwrap().next = Some(Ok(Arc::clone(&second)));
    assert_eq!(bench.see(&[GENUINE, GENUINE]), ["judge second"], "what the first one saw does not count");
    assert_eq!(bench.see(&[GENUINE]), ["genuine"]);
    assert_eq!((bench.judged(), second.judged.load(Ordering::Relaxed)), (2, 3));
    bench.told.0.lock().unwrap().next = Some(Err("the bundle is damaged. first goes on".into()));
    bench.see(&[GENUINE]);
    assert_eq!(bench.told.0.lock().unwrap().logged, ["the bundle is damaged. first goes on"]);
}

#[test]
fn files_are_judged_one_by_one_and_a_damaged_one_is_an_answer() {
    let mut bench = Bench::new(Mode::Button);
    let file = |bench: &Bench, name: &str, pixels| {
        CameraEvent::Shot(Shot { taken: bench.clock.now(), name: Some(name.into()), pixels })
    };
    let events = [
        file(&bench, "a.png", picture(GENUINE)),
        file(&bench, "b.png", picture(COUNTERFEIT)),
        file(&bench, "c.png", Pixels::Missing("the file cannot be read".into())),
    ];
    assert_eq!(bench.rounds(events), ["genuine", "counterfeit", "unjudged"], "whatever the button says");
    let printed = String::from_utf8(bench.printed.clone()).unwrap();
    assert!(printed.lines().nth(2).unwrap().contains("c.png  the file cannot be read"), "{printed}");
}

#[test]
fn the_end_of_a_stream_ends_the_loop() {
    let mut bench = Bench::new(Mode::Always);
    let state = bench.state.take().unwrap();
    let log: super::Log = Arc::new(|_: &str| {});
    let mut watcher = Watcher {
        state,
        camera: Script([CameraEvent::End(Some(Fault::new("no picture came", "check the pipe")))].into()),
        models: bench.told.clone(),
        presses: None,
        requests: bench.requested.take().unwrap(),
        pending: Vec::new(),
        observer: Arc::new(bench.told.clone()),
        reporter: Reporter::new(
            &mut bench.printed,
            true,
            None,
            Panel::new(Vec::new(), |_| {}),
            false,
            Arc::clone(&log),
        ),
        unsure: None,
        folder: None,
        log,
    };
    let ControlFlow::Break(Some(fault)) = watcher.round(false).unwrap() else { panic!("the stream ended") };
    assert_eq!(fault.to_string(), "no picture came; check the pipe");
    assert!(watcher.summary().starts_with("0 frames judged"));
    let error: Error = ContractError::NotFinite(0.0).into();
    assert!(error.is_model_failure());
}

#[test]
fn a_changed_camera_is_unsure_whatever_the_verdict_until_it_is_calibrated_and_through_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(Mode::Always);
    (bench.folder, bench.journal) = (Some(folder.path().into()), Some(folder.path().join("journal")));
    let usual = |i: u64| Some(scored(i * 7 % 19));
    assert!(!bench.files((0..100).map(usual)).contains(&"counterfeit".to_owned()));
    assert_eq!(bench.told.0.lock().unwrap().drift, None);
    let changed = bench.files((0..30).map(|i| Some(scored(15 + i % 4))));
    assert_eq!((changed.first().unwrap().as_str(), changed.last().unwrap().as_str()), ("genuine", "unsure"));
    let drift = Some(Drift::Changed { since_ms: 63_600_000 });
    assert_eq!(bench.told.0.lock().unwrap().drift, drift);
    let logged = bench.told.0.lock().unwrap().logged.clone();
    assert!(logged.len() == 1 && logged[0].contains("look different since 17:40 UTC"), "{logged:?}");

    let mut recorded = Vec::new();
    let record = |entry: journal::Entry| {
        recorded.push(entry.verdict);
        Ok(())
    };
    assert_eq!(journal::read(&folder.path().join("journal"), record).unwrap(), 0);
    assert!(recorded.len() == 130 && recorded[100..].iter().all(|verdict| *verdict == Verdict::Genuine));

    let log: super::Log = Arc::new(|what: &str| panic!("{what}"));
    assert_eq!(held(Some(folder.path()), &*bench.judge, &log), drift, "a restart");
    assert_eq!(held(None, &*bench.judge, &log), None);
    bench.state.as_mut().unwrap().replace(Arc::clone(&bench.judge), drift);
    assert_eq!(bench.files([GENUINE, COUNTERFEIT]), ["unsure", "unsure"]);
    let other = Stub { id: "second", judged: AtomicU32::new(0) };
    assert_eq!(held(Some(folder.path()), &other, &log), None, "another model is another scale");
}

#[test]
fn a_row_of_counterfeits_stays_red_and_a_piece_known_to_be_genuine_tells_why() {
    let row = || {
        let mut bench = Bench::new(Mode::Always);
        bench.presses.send(Press::Short).unwrap();
        bench.see(&[None, None, None, None]);
        for at in 0..7 {
            assert_eq!(bench.told.0.lock().unwrap().drift.is_some(), at >= 6, "after {at}");
            assert_eq!(bench.lay(COUNTERFEIT), ["counterfeit", "nothing"]);
        }
        bench
    };
    let mut light = row();
    light.presses.send(Press::Long).unwrap();
    assert_eq!(light.see(&[COUNTERFEIT; 3]), ["unsure"], "a known genuine piece is called counterfeit");
    assert!(matches!(light.told.0.lock().unwrap().drift, Some(Drift::Changed { .. })));

    let mut counterfeits = row();
    let (answer, answered) = mpsc::channel();
    let request = VerdictRequest {
        asked: counterfeits.clock.now(),
        purpose: Purpose::KnownGenuine,
        reply: Box::new(Answered(answer, false)),
    };
    counterfeits.requests.send(request).unwrap();
    assert_eq!(counterfeits.see(&[GENUINE; 3]), ["genuine"]);
    assert_eq!(answered.try_recv().unwrap(), "genuine");
    assert_eq!(counterfeits.told.0.lock().unwrap().drift, None);
    assert_eq!(counterfeits.lay(COUNTERFEIT), ["counterfeit", "nothing"]);
}

#[test]
fn a_piece_counts_once_however_long_it_lies_there_and_by_button_each_press_counts() {
    let mut bench = Bench::new(Mode::Always);
    bench.presses.send(Press::Short).unwrap();
    bench.see(&[None; 4]);
    for _ in 0..20 {
        bench.see(&[COUNTERFEIT, COUNTERFEIT, COUNTERFEIT, GENUINE, GENUINE, GENUINE]);
    }
    bench.see(&[None; 3]);
    assert_eq!(bench.told.0.lock().unwrap().drift, None);
    for _ in 0..20 {
        assert_eq!(bench.files([COUNTERFEIT]), ["counterfeit"], "a copy is judged, and is no other piece");
    }
    assert_eq!(bench.told.0.lock().unwrap().drift, None);

    let mut bench = Bench::new(Mode::Button);
    for at in 0..6 {
        assert_eq!(bench.told.0.lock().unwrap().drift, None, "after {at}");
        bench.presses.send(Press::Short).unwrap();
        assert_eq!(bench.see(&[COUNTERFEIT; 4]), ["counterfeit"]);
    }
    let drift = Drift::Rejections { since_ms: 63_600_000, counterfeit: 6, of: 6 };
    assert_eq!(bench.told.0.lock().unwrap().drift, Some(drift));
}

#[test]
fn pieces_are_counted_as_they_are_taken_away() {
    let judge = Stub { id: "first", judged: AtomicU32::new(0) };
    let mut pieces = Pieces::new(&judge, Region::WHOLE, Quorum::default());
    let mut look = |pixels| {
        let step = pieces.look(&Shot { taken: Instant::now(), name: None, pixels }).unwrap();
        let said = match step {
            None => "-",
            Some(Step::Clear) => "clear",
            Some(Step::Lay) => "lay",
            Some(Step::Hold) => "hold",
            Some(Step::TakeAway) => "take away",
            Some(Step::Again(_)) => "again",
        };
        (said, pieces.judged().len())
    };
    // Something that moves is no empty scene.
    let mut steps = |articles: &[Option<u8>]| articles.iter().map(|one| look(picture(*one))).collect::<Vec<_>>();
    assert_eq!(steps(&[GENUINE, None, None, None, None, None, None])[4..], [("clear", 0), ("lay", 0), ("-", 0)]);
    assert_eq!(steps(&[GENUINE, GENUINE, GENUINE, GENUINE, BREAKS])[3..], [("hold", 0), ("again", 0)]);
    assert_eq!(steps(&[GENUINE, None, None, None])[..], [("take away", 0), ("-", 0), ("-", 0), ("lay", 1)]);
    assert_eq!(look(Pixels::Missing("damaged".into())), ("-", 1));
    assert_eq!(pieces.judged()[0].score().get(), 15.0);
    assert!(pieces.empty().is_some());
}

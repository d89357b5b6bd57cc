//! Watches a folder for new picture files. Each one is judged once, in the order in which they are found; files
//! that were there at the start are not judged.
//!
//! A file of its own because a file can be seen while it is still being written. A file is complete when its end is
//! present and it did not change between two scans, so a file that is renamed into the folder counts at once. If the
//! format has no end mark, the file must stay unchanged for a while. If the end is missing, the folder waits for it,
//! and hands the file over as it is only after a long time without new bytes.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::end::End;
use super::{Camera, Fault, Next, Pixels, Shot};
use crate::detector::source::{Source, files};

/// Minimum time between two scans of the folder. Longer where two scans in a row are slow, so that scanning takes at most
/// a tenth of the time.
const PAUSE: Duration = Duration::from_millis(100);
/// Time between two attempts to list a folder that cannot be listed.
const AGAIN: Duration = Duration::from_secs(1);
/// Name endings that programs use for files that they are still writing.
const TEMPORARY: [&str; 10] =
    [".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".temp", ".swp", ".!ut", "~"];

/// How long a file must stay unchanged before something is done with it.
#[derive(Clone, Copy)]
struct Patience {
    /// After this time a file of a format without an end mark counts as complete, and a file without
    /// its end is reported.
    rest: Duration,
    /// After this time a file without its end is judged as it is. Copies over slow networks pause for seconds.
    cut: Duration,
}

const PATIENCE: Patience = Patience { rest: Duration::from_secs(3), cut: Duration::from_secs(20) };

pub(super) struct Folder {
    path: PathBuf,
    patience: Patience,
    /// The files that the last scan found.
    known: BTreeMap<PathBuf, Known>,
    ready: VecDeque<Ready>,
    notes: VecDeque<String>,
    /// When the last scan ended; `pause` is the time to wait before the next one.
    looked: Instant,
    pause: Duration,
    /// How long the last scan took.
    took: Duration,
}

/// Identifies one version of a file: a file that is written again gets another stamp.
#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    number: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl From<Metadata> for Stamp {
    fn from(found: Metadata) -> Self {
        Self { number: found.ino(), length: found.len(), modified: found.modified().ok() }
    }
}

struct Known {
    stamp: Stamp,
    /// Since when the stamp has not changed.
    since: Instant,
    state: State,
    /// Whether the user was told that the file is cut short.
    told: bool,
}

enum State {
    /// The file may still be written to.
    New,
    /// The end of the file is present.
    Whole,
    /// The file is handled once it has stayed unchanged for a while.
    Resting(What),
    /// The end of the file is missing.
    Cut,
    Done,
}

/// What to do with a file once it counts as complete.
#[derive(Clone)]
enum What {
    Judge,
    /// Report it: a picture of a kind that is not supported, or a file that cannot be opened.
    Refuse(String),
    /// Skip it: the file is not a picture.
    PassOver,
}

struct Ready {
    path: PathBuf,
    stamp: Stamp,
    refused: Option<String>,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let mut folder = Self {
            path: path.to_path_buf(),
            patience: PATIENCE,
            known: BTreeMap::new(),
            ready: VecDeque::new(),
            notes: VecDeque::new(),
            looked: Instant::now(),
            pause: PAUSE,
            took: Duration::ZERO,
        };
        let found = folder.list()?;
        folder.notes.push_back(format!(
            "{} files were in {} before and are not judged; each new one is",
            found.len(),
            path.display()
        ));
        let since = folder.looked;
        let done = |stamp| Known { stamp, since, state: State::Done, told: false };
        folder.known = found.into_iter().map(|(path, stamp)| (path, done(stamp))).collect();
        Ok(folder)
    }

    fn list(&mut self) -> Result<BTreeMap<PathBuf, Stamp>, Fault> {
        fs::read_dir(&self.path).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "make the folder, or mount its disk",
                io::ErrorKind::PermissionDenied => "let this user read it",
                _ => "check the disk or network it is on",
            };
            Fault::new(format!("{} cannot be listed ({error})", self.path.display()), remedy)
        })?;
        let found = files(&self.path).filter_map(|source| match source {
            Source::File(path) if !is_temporary(&path) => Some((fs::metadata(&path).ok()?.into(), path)),
            _ => None,
        });
        Ok(found.map(|(stamp, path)| (path, stamp)).collect())
    }

    /// Scans the folder at time `now` and queues each file that became complete, once.
    fn look(&mut self, now: Instant) -> Result<(), Fault> {
        let found = self.list()?;
        self.known.retain(|path, _| found.contains_key(path));
        for (path, stamp) in found {
            let known = self.known.entry(path.clone()).or_insert_with(|| Known {
                // Differs from the real stamp, so that the file is examined at the next scan and not at this one.
                stamp: Stamp { number: 0, ..stamp },
                since: now,
                state: State::New,
                told: false,
            });
            if known.stamp != stamp {
                (known.stamp, known.since, known.state) = (stamp, now, State::New);
                continue;
            }
            if matches!(known.state, State::New) {
                known.state = examine(&path);
            }
            let rested = now.duration_since(known.since);
            let what = match &known.state {
                State::Whole => What::Judge,
                State::Resting(what) if rested >= self.patience.rest => what.clone(),
                // The detector decides what a file without its end is worth.
                State::Cut if rested >= self.patience.cut => What::Judge,
                State::Cut if rested >= self.patience.rest && !known.told => {
                    known.told = true;
                    self.notes.push_back(format!("{} is cut short; waiting for the rest", path.display()));
                    continue;
                }
                _ => continue,
            };
            known.state = State::Done;
            match what {
                What::Judge => self.ready.push_back(Ready { path, stamp, refused: None }),
                What::Refuse(why) => self.ready.push_back(Ready { path, stamp, refused: Some(why) }),
                What::PassOver => self.notes.push_back(format!("{} is no picture; passed over", path.display())),
            }
        }
        Ok(())
    }

    /// The next queued file that did not change since it was queued.
    fn take(&mut self) -> Option<Shot> {
        while let Some(Ready { path, stamp, refused }) = self.ready.pop_front() {
            let pixels = match (refused, fs::metadata(&path).map(Stamp::from)) {
                // The next scan handles it as a new file.
                (_, Ok(now)) if now != stamp => continue,
                (Some(why), _) => Pixels::Missing(why),
                (None, _) => Source::File(path.clone())
                    .read()
                    .map_or_else(|error| Pixels::Missing(error.to_string()), Pixels::File),
            };
            return Some(Shot { name: Some(path), ..Shot::now(pixels) });
        }
        None
    }
}

/// Examines a file that did not change between two scans.
fn examine(path: &Path) -> State {
    let file = || Source::File(path.to_path_buf());
    let end = || file().read().map_or(End::Unknown, End::of);
    match file().identified() {
        Source::File(_) => match end() {
            End::Reached => State::Whole,
            End::Unknown => State::Resting(What::Judge),
            End::Missing => State::Cut,
        },
        // Nothing was written yet. Pipes and devices are not opened.
        _ if path.is_file() && end() == End::Missing => State::Cut,
        Source::Refused { error, .. } => State::Resting(What::Refuse(error.to_string())),
        Source::NotAPicture(_) | Source::Stdin => State::Resting(What::PassOver),
    }
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.starts_with("~$") || TEMPORARY.iter().any(|ending| name.ends_with(ending))
}

impl Camera for Folder {
    fn next(&mut self) -> Result<Next, Fault> {
        if self.ready.is_empty() && self.notes.is_empty() {
            thread::sleep(self.pause.saturating_sub(self.looked.elapsed()));
        }
        if self.looked.elapsed() >= self.pause {
            let begun = Instant::now();
            let looked = self.look(begun);
            self.looked = Instant::now();
            let took = begun.elapsed();
            // The shorter of two: one scan that was held up, by a busy disk or a machine that slept, is not waited for.
            self.pause = PAUSE.max(9 * took.min(self.took));
            self.took = took;
            if let Err(fault) = looked {
                // `known` is kept: when the folder is back, only files that are new since then are judged.
                self.pause = AGAIN;
                return Ok(Next::Fault(fault));
            }
        }
        if let Some(note) = self.notes.pop_front() {
            return Ok(Next::Note(note));
        }
        Ok(self.take().map_or(Next::Idle, Next::Shot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest PNG file that has an end.
    const WHOLE: &[u8] = b"\x89PNG\r\n\x1A\n\0\0\0\0IEND\xAE\x42\x60\x82";

    /// A watched folder, with a clock that the test sets.
    struct Watched {
        dir: tempfile::TempDir,
        folder: Folder,
        now: Instant,
    }

    impl Watched {
        fn with(old: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in old {
                fs::write(dir.path().join(name), WHOLE).unwrap();
            }
            let mut folder = Folder::open(dir.path()).unwrap();
            let note = folder.notes.pop_front().unwrap();
            assert!(note.starts_with(&format!("{} files were in", old.len())), "{note}");
            Self { dir, folder, now: Instant::now() }
        }

        fn put(&self, name: &str, bytes: &[u8]) {
            fs::write(self.dir.path().join(name), bytes).unwrap();
        }

        /// Scans again `seconds` later. Returns the names of the files to judge, then the notes.
        fn look(&mut self, seconds: f64) -> Vec<String> {
            self.now += Duration::from_secs_f64(seconds);
            self.folder.look(self.now).unwrap();
            let here = format!("{}/", self.dir.path().display());
            let shots: Vec<Shot> = std::iter::from_fn(|| self.folder.take()).collect();
            let said = |shot: Shot| {
                let name = shot.name.unwrap().display().to_string();
                if let Pixels::Missing(why) = shot.pixels { format!("{name}: {why}") } else { name }
            };
            shots.into_iter().map(said).chain(self.folder.notes.drain(..)).map(|said| said.replace(&here, "")).collect()
        }
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn each_new_file_comes_once_in_order_and_old_ones_never() {
        let mut watched = Watched::with(&["old.png"]);
        assert_eq!([watched.look(0.1), watched.look(0.1)], [NONE; 2]);
        for number in (0..1000).rev() {
            watched.put(&format!("{number:04}.png"), WHOLE);
        }
        assert_eq!(watched.look(0.1), NONE, "they may still be written to");
        assert_eq!(watched.look(0.1), (0..1000).map(|number| format!("{number:04}.png")).collect::<Vec<_>>());
        assert_eq!(watched.look(0.1), NONE);
        watched.put("0007.png", &[WHOLE, b"\0"].concat());
        watched.put("0007.png", WHOLE);
        assert_eq!([watched.look(0.1), watched.look(0.1)].concat(), ["0007.png"], "written anew, judged anew");
    }

    #[test]
    fn a_copy_that_pauses_is_waited_for_and_said_to_be_cut_short_once() {
        let mut watched = Watched::with(&[]);
        watched.put("a.png", &WHOLE[..9]);
        assert_eq!([watched.look(0.1), watched.look(0.1), watched.look(1.0)], [NONE; 3]);
        watched.put("a.png", &WHOLE[..12]);
        assert_eq!([watched.look(2.0), watched.look(2.0)], [NONE; 2], "it grew a moment ago");
        assert_eq!(watched.look(2.0), ["a.png is cut short; waiting for the rest"]);
        watched.put("a.png", &WHOLE[..14]);
        assert_eq!([watched.look(0.1), watched.look(9.0), watched.look(9.0)], [NONE; 3]);
        watched.put("a.png", WHOLE);
        assert_eq!([watched.look(0.1), watched.look(0.1)].concat(), ["a.png"]);
    }

    #[test]
    fn a_file_that_never_becomes_whole_is_given_to_the_judge_once() {
        let mut watched = Watched::with(&[]);
        watched.put("a.png", &WHOLE[..14]);
        watched.put("empty.jpg", b"");
        let said: Vec<_> = (0..30).flat_map(|_| watched.look(1.0)).collect();
        let waiting = |name: &str| format!("{name} is cut short; waiting for the rest");
        assert_eq!(said, [waiting("a.png"), waiting("empty.jpg"), "a.png".into(), "empty.jpg".into()]);
        watched.put("a.png", WHOLE);
        assert_eq!([watched.look(0.1), watched.look(0.1)].concat(), ["a.png"], "judged when it is whole after all");
    }

    #[test]
    fn temporary_names_are_not_looked_at_and_a_rename_counts_at_once() {
        let mut watched = Watched::with(&[]);
        for name in ["a.png.part", "b.crdownload", "c.png~", ".d.png", "e.TMP", "f.png.filepart"] {
            watched.put(name, WHOLE);
        }
        assert_eq!([watched.look(0.1), watched.look(9.0), watched.look(9.0)], [NONE; 3]);
        fs::rename(watched.dir.path().join("a.png.part"), watched.dir.path().join("a.png")).unwrap();
        assert_eq!([watched.look(0.1), watched.look(0.1)].concat(), ["a.png"]);
    }

    #[test]
    fn what_is_not_read_is_told_by_name_and_what_is_no_picture_is_passed_over() {
        let mut watched = Watched::with(&[]);
        watched.put("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
        watched.put("notes.txt", b"three of them are from the bank");
        watched.put("scan.tif", b"II*\0\x08\0\0\0");
        assert_eq!([watched.look(0.1), watched.look(0.1)], [NONE; 2], "no format tells its end: they have to rest");
        let said = watched.look(5.0);
        assert!(said[0].starts_with("a.heic: ") && said[0].contains("HEIC"), "{said:?}");
        assert_eq!(said[1..], ["scan.tif", "notes.txt is no picture; passed over"]);
    }

    #[test]
    fn what_moves_between_a_look_and_the_judge_is_never_half_judged() {
        let mut watched = Watched::with(&[]);
        watched.put("a.png", WHOLE);
        watched.put("gone.png", WHOLE);
        watched.look(0.1);
        watched.folder.look(watched.now).unwrap();
        assert_eq!(watched.folder.ready.len(), 2);
        watched.put("a.png", &WHOLE[..12]);
        fs::remove_file(watched.dir.path().join("gone.png")).unwrap();
        let said = watched.look(0.1);
        assert!(said.len() == 1 && said[0].starts_with("gone.png: there is no such file"), "{said:?}");
        watched.put("a.png", WHOLE);
        assert_eq!([watched.look(0.1), watched.look(0.1)].concat(), ["a.png"]);
    }

    #[test]
    fn a_folder_that_goes_away_is_a_fault_and_is_known_when_it_is_back() {
        let mut watched = Watched::with(&["old.png"]);
        let (here, away) = (watched.dir.path().to_path_buf(), tempfile::tempdir().unwrap());
        let mut next = || {
            watched.folder.looked = Instant::now().checked_sub(AGAIN).unwrap();
            watched.folder.next().unwrap()
        };
        assert!(matches!(next(), Next::Idle));
        fs::rename(&here, away.path().join("inbox")).unwrap();
        let Next::Fault(fault) = next() else { panic!("it is gone") };
        assert!(fault.to_string().contains("cannot be listed") && fault.to_string().contains("make the folder"));
        fs::write(away.path().join("inbox/new.png"), WHOLE).unwrap();
        fs::rename(away.path().join("inbox"), &here).unwrap();
        assert!(matches!(next(), Next::Idle), "the fault is over");
        let Next::Shot(shot) = next() else { panic!("what came meanwhile is judged") };
        assert_eq!(shot.name.unwrap().file_name().unwrap(), "new.png");
    }
}

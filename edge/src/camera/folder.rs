//! New picture files in a folder, in the order in which they are found; those that were there before are not judged.
//!
//! A file may be seen while it is still being written: it is read once its length and time have stood still for one look.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::{Camera, Fault, Next, Pixels, Shot};
use crate::source::{Source, pictures};

/// Time between two looks at the folder.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Folder {
    path: PathBuf,
    /// What was there at the last look, and whether it is done with.
    known: BTreeMap<PathBuf, (Stamp, bool)>,
    ready: VecDeque<PathBuf>,
}

#[derive(Clone, Copy, PartialEq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl From<Metadata> for Stamp {
    fn from(found: Metadata) -> Self {
        Self { length: found.len(), modified: found.modified().ok() }
    }
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let mut folder = Self { path: path.to_path_buf(), known: BTreeMap::new(), ready: VecDeque::new() };
        folder.known = folder.list()?.into_iter().map(|(path, stamp)| (path, (stamp, true))).collect();
        Ok(folder)
    }

    fn list(&self) -> Result<BTreeMap<PathBuf, Stamp>, Fault> {
        fs::read_dir(&self.path).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "make the folder, or mount its disk",
                io::ErrorKind::PermissionDenied => "let this user read it",
                _ => "check the disk or network it is on",
            };
            Fault::new(format!("{} cannot be listed ({error})", self.path.display()), remedy)
        })?;
        let files = pictures(vec![self.path.clone()]).filter_map(|source| match source {
            Source::File(path) => Some((fs::metadata(&path).ok()?.into(), path)),
            _ => None,
        });
        Ok(files.map(|(stamp, path)| (path, stamp)).collect())
    }

    /// Looks at the folder: whose stamp did not move since the last look is ready, once.
    fn look(&mut self) -> Result<(), Fault> {
        let found = self.list()?;
        self.known.retain(|path, _| found.contains_key(path));
        for (path, stamp) in found {
            match self.known.get_mut(&path) {
                Some((known, done)) if *known == stamp => {
                    if !std::mem::replace(done, true) {
                        self.ready.push_back(path);
                    }
                }
                _ => {
                    self.known.insert(path, (stamp, false));
                }
            }
        }
        Ok(())
    }
}

impl Camera for Folder {
    fn next(&mut self) -> Result<Next, Fault> {
        if self.ready.is_empty() {
            thread::sleep(PAUSE);
            self.look()?;
        }
        let Some(path) = self.ready.pop_front() else { return Ok(Next::Waiting) };
        // What cannot be read is a picture that cannot be decoded: it is told of by its name, and the folder goes on.
        let bytes = Source::File(path.clone()).read().unwrap_or_default();
        Ok(Next::Shot(Shot { name: Some(path), ..Shot::now(Pixels::File(bytes)) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(folder: &mut Folder) -> Option<String> {
        for _ in 0..4 {
            match folder.next().unwrap() {
                Next::Shot(shot) => return Some(shot.name?.file_name()?.to_string_lossy().into_owned()),
                Next::Waiting => {}
                Next::End => panic!("a folder has no end"),
            }
        }
        None
    }

    #[test]
    fn new_files_come_once_and_old_ones_never() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("old.png", "x");
        let mut folder = Folder::open(dir.path()).unwrap();
        assert_eq!(next(&mut folder), None);
        put("b.png", "x");
        put("a.jpg", "x");
        put("notes.txt", "x");
        assert_eq!(
            [next(&mut folder), next(&mut folder), next(&mut folder)],
            [Some("a.jpg".into()), Some("b.png".into()), None]
        );
        put("a.jpg", "another picture");
        assert_eq!([next(&mut folder), next(&mut folder)], [Some("a.jpg".into()), None]);
    }

    #[test]
    fn a_file_that_grows_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        for length in 1..6 {
            fs::write(dir.path().join("a.png"), vec![0; length]).unwrap();
            assert!(matches!(folder.next().unwrap(), Next::Waiting));
        }
        assert_eq!(next(&mut folder), Some("a.png".into()));
    }

    #[test]
    fn a_folder_that_goes_away_is_a_fault_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        dir.close().unwrap();
        let Err(fault) = folder.next() else { panic!("it is gone") };
        assert!(fault.to_string().contains("cannot be listed") && fault.to_string().contains("make the folder"));
    }
}

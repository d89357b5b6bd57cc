//! The journal of verdicts: an append-only record with one JSON object per line.
//!
//! A file of its own because of what must hold through power cuts. A line is written at once and synced to the disk
//! before the light goes on. When the journal is opened again, an incomplete last line is cut off, and no line before
//! it is changed. A line carries a checksum, so that a damaged one is not read as a verdict that was never given. A full
//! part is renamed with a number, and the oldest parts are deleted.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use counterfoil_models::{Judgement, Verdict, sha256_hex, sync};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Name of the part that is being written.
const CURRENT: &str = "journal.jsonl";
/// Length in bytes at which a new part is begun: about twenty thousand verdicts.
const PART_BYTES: u64 = 4 << 20;
/// Number of full parts that are kept.
const PARTS: usize = 16;

/// What stands before and after the checksum, which ends a line.
const CHECK: [&str; 2] = [",\"check\":\"", "\"}"];
/// Length of the checksum: the first digits of the SHA-256 of the line without it.
const DIGITS: usize = 16;

/// One verdict in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970 by the clock of the box, which may not be set.
    pub time_ms: u64,
    /// SHA-256 of the picture's file or of its raw bytes.
    pub picture: String,
    /// The detector's score.
    pub score: f32,
    /// The p-value of the score.
    pub p_value: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// The fingerprint (SHA-256) of the bundle.
    pub bundle: String,
    /// Path of the picture's file, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Entry {
    /// A verdict with the present time and without a file name.
    #[must_use]
    pub fn now(picture: String, verdict: Verdict, judgement: &Judgement, bundle: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (score, p_value) = (judgement.score().get(), judgement.p_value());
        Self {
            time_ms: since.as_millis() as u64,
            picture,
            score,
            p_value,
            verdict,
            bundle: bundle.to_owned(),
            file: None,
        }
    }

    /// The entry as a line of the journal.
    fn line(&self) -> String {
        let plain = serde_json::to_string(self).expect("an entry holds only what JSON can say");
        let check = &sha256_hex(plain.as_bytes())[..DIGITS];
        let [before, after] = CHECK;
        format!("{}{before}{check}{after}\n", &plain[..plain.len() - 1])
    }

    /// Reads a line of the journal; `None` if it is damaged. Lines of older versions carry no checksum.
    fn of_line(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?;
        let [before, after] = CHECK;
        let parts = line.len().checked_sub(DIGITS + after.len()).and_then(|at| line.split_at_checked(at));
        match parts.and_then(|(entry, check)| Some((entry.strip_suffix(before)?, check.strip_suffix(after)?))) {
            Some((entry, check)) if sha256_hex(format!("{entry}}}").as_bytes())[..DIGITS] != *check => None,
            _ => serde_json::from_str(line).ok(),
        }
    }
}

/// A journal that is written. Its file is opened when a verdict comes, and again after a failure, so that a disk that
/// is full or read-only for a while costs only the verdicts of that while.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    part: Option<Part>,
    part_bytes: u64,
}

/// The part that is being written.
#[derive(Debug)]
struct Part {
    file: File,
    length: u64,
}

impl Journal {
    /// The journal in a folder. Touches nothing.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), part: None, part_bytes: PART_BYTES }
    }

    /// Opens the journal's file, which is created with its folder if it is missing, and cuts off an incomplete last
    /// line. Called before the first verdict, it tells early whether the journal can be written.
    ///
    /// # Errors
    /// [`Error::State`] when the folder or its files cannot be written, [`Error::Contract`] when the folder cannot be
    /// synced.
    pub fn open(&mut self) -> Result<()> {
        self.part().map(|_| ())
    }

    fn part(&mut self) -> Result<&mut Part> {
        if self.part.is_none() {
            let path = self.folder.join(CURRENT);
            let trouble = trouble(&path);
            fs::create_dir_all(&self.folder).map_err(&trouble)?;
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path).map_err(&trouble)?;
            let length = whole(&mut file).map_err(&trouble)?;
            if file.metadata().map_err(&trouble)?.len() > length {
                file.set_len(length).and_then(|()| file.sync_all()).map_err(&trouble)?;
            }
            sync(&self.folder)?;
            self.part = Some(Part { file, length });
        }
        Ok(self.part.as_mut().expect("it was just opened"))
    }

    /// Writes a verdict. After this returns, a power cut does not undo it.
    ///
    /// # Errors
    /// As [`open`](Self::open), for example when the disk is full. Earlier lines stay complete.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let line = entry.line();
        let length = self.part()?.length;
        if length + line.len() as u64 > self.part_bytes && length > 0 {
            self.set_aside()?;
        }
        let part = self.part()?;
        if let Err(error) = part.file.write_all(line.as_bytes()).and_then(|()| part.file.sync_data()) {
            // The next line must not follow half a line; what cannot be cut off now is when the file is opened again.
            let _ = part.file.set_len(part.length);
            self.part = None;
            return Err(trouble(&self.folder.join(CURRENT))(error));
        }
        part.length += line.len() as u64;
        Ok(())
    }

    fn set_aside(&mut self) -> Result<()> {
        let current = self.folder.join(CURRENT);
        let trouble = trouble(&current);
        let parts = parts(&self.folder).map_err(&trouble)?;
        let number = parts.last().map_or(1, |(number, _)| number + 1);
        fs::rename(&current, self.folder.join(format!("journal-{number:06}.jsonl"))).map_err(&trouble)?;
        self.part = None;
        for (_, old) in parts.iter().rev().skip(PARTS - 1) {
            fs::remove_file(old).map_err(&trouble)?;
        }
        Ok(())
    }
}

fn trouble(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |error| Error::State {
        path: path.clone(),
        what: format!("cannot be written ({error}), so verdicts are not recorded"),
        remedy: "make room on the disk, or give this user its folder",
    }
}

/// The length of the part up to the end of its last complete line. Whatever follows is half a line or the zero bytes that
/// a power cut can leave, however many.
fn whole(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let from = end.saturating_sub(64 << 10);
        file.seek(SeekFrom::Start(from))?;
        block.clear();
        Read::by_ref(file).take(end - from).read_to_end(&mut block)?;
        if let Some(newline) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + newline as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// The full parts, oldest first.
fn parts(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("journal-")?.strip_suffix(".jsonl")?.parse().ok());
        parts.extend(number.map(|number| (number, path)));
    }
    parts.sort_unstable();
    Ok(parts)
}

/// Gives every entry of a folder's journal to `sink`, oldest first. Returns the number of lines that cannot be read.
///
/// # Errors
/// [`Error::State`] when the journal cannot be read, and [`Error::Audience`] when `sink` fails.
pub fn read(folder: &Path, mut sink: impl FnMut(Entry) -> io::Result<()>) -> Result<usize> {
    let unread = |path: &Path| {
        let path = path.to_path_buf();
        move |error| Error::State {
            path,
            what: format!("cannot be read ({error})"),
            remedy: "give the state folder of a box that kept a journal",
        }
    };
    let aside = parts(folder).map_err(unread(folder))?.into_iter().map(|(_, path)| path);
    let mut damaged = 0;
    for path in aside.chain([folder.join(CURRENT)]) {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(unread(&path))?,
        };
        for line in BufReader::new(file).split(b'\n') {
            match Entry::of_line(&line.map_err(unread(&path))?) {
                Some(entry) => sink(entry).map_err(Error::Audience)?,
                None => damaged += 1,
            }
        }
    }
    Ok(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::{Calibration, Score};
    use proptest::prelude::*;

    fn entry(number: u64) -> Entry {
        let judgement = Calibration::new(0.05, vec![0.5; 19]).unwrap().judge(Score::new(number as f32).unwrap());
        Entry { time_ms: number, ..Entry::now("ab".repeat(32), judgement.verdict(), &judgement, &"cd".repeat(32)) }
    }

    fn times(folder: &Path) -> (Vec<u64>, usize) {
        let mut times = Vec::new();
        let damaged = read(folder, |entry| {
            times.push(entry.time_ms);
            Ok(())
        });
        (times, damaged.unwrap())
    }

    #[test]
    fn parts_are_set_aside_and_the_oldest_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal { part_bytes: 1000, ..Journal::of(dir.path()) };
        for number in 0..100 {
            journal.append(&entry(number)).unwrap();
        }
        let (seen, damaged) = times(dir.path());
        assert_eq!((seen.last(), damaged), (Some(&99), 0));
        let first = seen[0];
        assert!(first > 0 && seen == (first..100).collect::<Vec<_>>(), "the newest without a gap: {seen:?}");
        assert_eq!(parts(dir.path()).unwrap().len(), PARTS);
    }

    #[test]
    fn a_full_disk_loses_the_verdict_it_could_not_write_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::of(dir.path());
        journal.append(&entry(1)).unwrap();
        journal.part.as_mut().unwrap().file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let error = journal.append(&entry(2)).unwrap_err().to_string();
        assert!(error.contains("make room"), "{error}");
        assert_eq!(times(dir.path()), (vec![1], 0));
        journal.append(&entry(3)).unwrap();
        assert_eq!(times(dir.path()), (vec![1, 3], 0), "it is written again once there is room");
    }

    #[test]
    fn a_folder_that_appears_later_is_written_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("journal");
        fs::write(&folder, "in the way").unwrap();
        let mut journal = Journal::of(&folder);
        assert!(journal.open().is_err() && journal.append(&entry(1)).is_err());
        fs::remove_file(&folder).unwrap();
        journal.append(&entry(2)).unwrap();
        assert_eq!(times(&folder), (vec![2], 0));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_left_where_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CURRENT), "a later version's line\n").unwrap();
        Journal::of(dir.path()).append(&entry(4)).unwrap();
        assert_eq!(times(dir.path()), (vec![4], 1));
    }

    #[test]
    fn a_line_that_was_altered_in_any_byte_is_no_verdict() {
        let entry = Entry { file: Some("ü {\"}".into()), ..entry(5) };
        let line = entry.line();
        let line = line.trim_end().as_bytes();
        assert_eq!(Entry::of_line(line), Some(entry.clone()));
        for at in 0..line.len() {
            let mut altered = line.to_vec();
            altered[at] ^= 1;
            let read = Entry::of_line(&altered);
            assert!(read.is_none_or(|read| read == entry), "{}", String::from_utf8_lossy(&altered));
        }
        let older = serde_json::to_vec(&entry).unwrap();
        assert_eq!(Entry::of_line(&older), Some(entry));
    }

    proptest! {
        #[test]
        fn a_power_cut_loses_no_whole_line(lines in 0u64..8, cut in 0usize..2000, zeros in prop_oneof![0usize..600, Just(200_000)]) {
            let dir = tempfile::tempdir().unwrap();
            let mut journal = Journal::of(dir.path());
            journal.open().unwrap();
            (0..lines).for_each(|number| journal.append(&entry(number)).unwrap());
            drop(journal);
            let path = dir.path().join(CURRENT);
            let bytes = fs::read(&path).unwrap();
            // Bytes that did not reach the disk are missing, or zeros.
            let kept = bytes.len().saturating_sub(cut);
            fs::write(&path, [&bytes[..kept], &vec![0; zeros]].concat()).unwrap();
            let survived = bytes[..kept].split(|byte| *byte == b'\n').count() as u64 - 1;
            Journal::of(dir.path()).append(&entry(77)).unwrap();
            prop_assert_eq!(times(dir.path()), ((0..survived).chain([77]).collect(), 0));
        }
    }
}

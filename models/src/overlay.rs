//! The overlay: what a box learns on site. It lies in the box's state folder, beside the bundle and never in it.
//!
//! ```text
//! STATE/BUNDLE/calibration.json         scores of genuine pictures through this site's camera
//! STATE/BUNDLE/calibration-before.json  the calibration that it replaced, to undo it
//! STATE/BUNDLE/drift.json               since when the genuine ones look different, while they do
//! STATE/BUNDLE/enrolled/NAME.json       references of one item or writer
//! ```
//!
//! BUNDLE is the SHA-256 of the bundle's manifest, and each file repeats it, because what was learned with one
//! network is meaningless for another. A file is complete or absent (written beside its place, synced, renamed). It
//! carries the SHA-256 of its content, which is used only after it was checked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use crate::bundle::read_limited;
use crate::durable::write_whole;
use crate::protocol::Drift;
use crate::{Bundle, Calibration, Error, References, Result, limits, sha256_hex};

/// Format version of the files that are written. Files of version 1 lack `sha256`, and are read.
const FORMAT: u32 = 2;
/// Largest length of a name, in bytes; with `.json` appended, every file system accepts it.
const MAX_NAME: usize = 64;
const CALIBRATION: &str = "calibration.json";
const CALIBRATION_BEFORE: &str = "calibration-before.json";
const DRIFT: &str = "drift.json";
const ENROLLED: &str = "enrolled";

/// The name of an enrolled item or writer, safe as a file name.
///
/// It has letters, digits, `-`, `_` and `.`, is at most 64 bytes long and does not begin with `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl std::str::FromStr for Name {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let plain = text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
        if plain && (1..=MAX_NAME).contains(&text.len()) && !text.starts_with('.') {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::Setting {
            field: "name",
            found: format!("{text:?}"),
            expected: "letters, digits, '-', '_' and '.', at most 64 bytes, not beginning with '.'",
        })
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// A file as stored on disk.
#[derive(Serialize, Deserialize)]
struct StoredFile<'a> {
    format: u32,
    bundle: String,
    /// SHA-256 of the text of `content`.
    sha256: Option<String>,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// The content of `drift.json`.
#[derive(Serialize, Deserialize)]
struct StoredDrift {
    /// Identifies the genuine scores that the change was measured against.
    reference: String,
    drift: Drift,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

/// The part of a state folder that belongs to one bundle. It need not exist before something is written.
#[derive(Clone, Debug)]
pub struct Overlay {
    state: PathBuf,
    bundle: String,
}

impl Overlay {
    /// The part of `state` that belongs to `bundle`.
    #[must_use]
    pub fn of(state: &Path, bundle: &Bundle) -> Self {
        Self::of_id(state, bundle.id())
    }

    /// The part of `state` that belongs to the bundle with the fingerprint `id`.
    #[must_use]
    pub fn of_id(state: &Path, id: &str) -> Self {
        Self { state: state.to_path_buf(), bundle: id.to_owned() }
    }

    /// Path of the calibration made on site, whether or not the file exists.
    #[must_use]
    pub fn calibration_file(&self) -> PathBuf {
        self.folder().join(CALIBRATION)
    }

    /// Reads the calibration made on site; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Overlay`] when the file is damaged, has another format version or was made with another bundle;
    /// [`Error::Io`] when it cannot be read.
    pub fn calibration(&self) -> Result<Option<Calibration>> {
        self.read(&self.calibration_file())
    }

    /// Writes a calibration made on site, in place of an older one, which [`undo_calibration`](Self::undo_calibration)
    /// brings back.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written; the older one is then still in use.
    pub fn calibrate(&self, calibration: &Calibration) -> Result<()> {
        let before = self.folder().join(CALIBRATION_BEFORE);
        match fs::read(self.calibration_file()) {
            Ok(older) => write_whole(&before, &older)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                remove(&before)?;
            }
            Err(error) => return Err(Error::io("read", &self.calibration_file())(error)),
        }
        self.write(&self.calibration_file(), calibration)
    }

    /// Returns to the calibration before the last one: an older one of this site, or that of the bundle.
    ///
    /// # Errors
    /// [`Error::Overlay`] when there is no calibration of this site; [`Error::Io`] when a file cannot be read, written
    /// or removed.
    pub fn undo_calibration(&self) -> Result<()> {
        let (path, before) = (self.calibration_file(), self.folder().join(CALIBRATION_BEFORE));
        match fs::read(&before) {
            Ok(older) => {
                write_whole(&path, &older)?;
                remove(&before)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !remove(&path)? {
                    return Err(Error::Overlay {
                        path,
                        what: "there is no calibration of this site to undo".into(),
                        remedy: "the bundle's own is in use; check --state and --bundle if that is not what you expect",
                    });
                }
            }
            Err(error) => return Err(Error::io("read", &before)(error)),
        }
        Ok(())
    }

    /// Reads why verdicts were doubted when the box was stopped; `None` when they were not, or when the genuine scores
    /// `reference` are not those that the change was measured against: a new calibration ends the doubt.
    ///
    /// # Errors
    /// As [`calibration`](Self::calibration).
    pub fn drift(&self, reference: &[f32]) -> Result<Option<Drift>> {
        let stored: Option<StoredDrift> = self.read(&self.folder().join(DRIFT))?;
        Ok(stored.filter(|stored| stored.reference == digest(reference)).map(|stored| stored.drift))
    }

    /// Writes why verdicts are doubted, or removes the file when they no longer are. Returns whether anything changed.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written or removed.
    pub fn set_drift(&self, drift: Option<Drift>, reference: &[f32]) -> Result<bool> {
        let path = self.folder().join(DRIFT);
        match drift {
            None => remove(&path),
            Some(drift) => self.write(&path, &StoredDrift { reference: digest(reference), drift }).map(|()| true),
        }
    }

    /// Reads the references enrolled under a name.
    ///
    /// # Errors
    /// [`Error::Overlay`] when nothing is enrolled under the name, with the names that are enrolled; also the errors
    /// of [`calibration`](Self::calibration).
    pub fn references(&self, name: &Name) -> Result<References> {
        self.read(&self.place(name))?.map_or_else(|| Err(self.unknown(name)?), Ok)
    }

    /// Writes references under a name that is not yet enrolled.
    ///
    /// # Errors
    /// [`Error::Overlay`] when the name is enrolled already; [`Error::Io`] when the file cannot be written.
    pub fn enroll(&self, name: &Name, references: &References) -> Result<()> {
        let path = self.place(name);
        if path.symlink_metadata().is_ok() {
            return Err(Error::Overlay {
                what: format!("{name} is enrolled already"),
                path,
                remedy: "choose another --name, or remove it first with `enroll --remove`",
            });
        }
        self.write(&path, references)
    }

    /// Removes the references enrolled under a name.
    ///
    /// # Errors
    /// [`Error::Overlay`] when nothing is enrolled under the name; [`Error::Io`] when the file cannot be removed.
    pub fn remove(&self, name: &Name) -> Result<()> {
        if remove(&self.place(name))? { Ok(()) } else { Err(self.unknown(name)?) }
    }

    /// The enrolled names, sorted.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn names(&self) -> Result<Vec<Name>> {
        let folder = self.folder().join(ENROLLED);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io("list", &folder))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(Error::io("list", &folder))?.file_name();
            // Other files there, such as those of an interrupted write, are not enrolled names.
            names.extend(file.to_str().and_then(|file| file.strip_suffix(".json")).and_then(|stem| stem.parse().ok()));
        }
        names.sort();
        Ok(names)
    }

    fn folder(&self) -> PathBuf {
        self.state.join(&self.bundle)
    }

    fn place(&self, name: &Name) -> PathBuf {
        self.folder().join(ENROLLED).join(format!("{name}.json"))
    }

    fn unknown(&self, name: &Name) -> Result<Error> {
        let names: Vec<String> = self.names()?.iter().map(ToString::to_string).collect();
        let known = if names.is_empty() { "no name is".to_owned() } else { format!("there are {}", names.join(", ")) };
        Ok(Error::Overlay {
            path: self.state.clone(),
            what: format!("{name} is not enrolled in it with this bundle ({known})"),
            remedy: "enrol it with `counterfoil-edge enroll`; another bundle's enrolments do not count",
        })
    }

    fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        let fault = |what, remedy| Error::Overlay { path: path.to_path_buf(), what, remedy };
        let text = match read_limited(path, limits::OVERLAY) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io("read", path))?,
        };
        let damaged = |e: serde_json::Error| fault(format!("it is damaged ({e})"), "remove it and make it again");
        let FormatOnly { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if !(1..=FORMAT).contains(&format) {
            return Err(fault(
                format!("it has format {format} and this program reads up to {FORMAT}"),
                "use the program it was made with, or remove it and make it again",
            ));
        }
        let filed: StoredFile = serde_json::from_slice(&text).map_err(damaged)?;
        if format > 1 && filed.sha256 != Some(sha256_hex(filed.content.get().as_bytes())) {
            return Err(fault(
                "it is damaged (its content is not what was written)".into(),
                "remove it and make it again",
            ));
        }
        if filed.bundle != self.bundle {
            return Err(fault("it was made with another bundle".into(), "remove it and make it again with this one"));
        }
        serde_json::from_str(filed.content.get()).map(Some).map_err(damaged)
    }

    fn write<T: Serialize>(&self, path: &Path, content: &T) -> Result<()> {
        let content = to_raw_value(content).expect("an overlay holds only what JSON can say");
        let sha256 = Some(sha256_hex(content.get().as_bytes()));
        let filed = StoredFile { format: FORMAT, bundle: self.bundle.clone(), sha256, content: &content };
        let text = serde_json::to_vec(&filed).expect("an overlay holds only what JSON can say");
        write_whole(path, &text)
    }
}

/// Removes a file. Returns whether it was there.
fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true).map_err(Error::io("remove", path)),
    }
}

/// Identifies genuine scores.
fn digest(scores: &[f32]) -> String {
    sha256_hex(&scores.iter().flat_map(|score| score.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(state: &Path, bundle: &str) -> Overlay {
        Overlay { state: state.to_path_buf(), bundle: bundle.into() }
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_is_read_back_and_by_its_own_bundle_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("new/state");
        let (own, other) = (overlay(&state, "aa"), overlay(&state, "bb"));
        assert_eq!((own.calibration().unwrap(), own.names().unwrap()), (None, vec![]));
        let calibration = Calibration::new(0.05, vec![0.25; 19]).unwrap();
        own.calibrate(&calibration).unwrap();
        own.calibrate(&calibration).unwrap();
        assert_eq!(own.calibration().unwrap(), Some(calibration));
        let references = References::new(vec![vec![0.1, -3.0e-7], vec![1.0, 2.0]]).unwrap();
        own.enroll(&name("müller-2"), &references).unwrap();
        assert_eq!(own.references(&name("müller-2")).unwrap(), references);
        assert_eq!((other.calibration().unwrap(), other.names().unwrap()), (None, vec![]));

        // A file that was moved to another bundle's folder still belongs to the first bundle.
        fs::create_dir_all(state.join("bb")).unwrap();
        fs::copy(state.join("aa/calibration.json"), state.join("bb/calibration.json")).unwrap();
        assert!(other.calibration().unwrap_err().to_string().contains("another bundle"));
    }

    #[test]
    fn a_calibration_is_undone_step_by_step_down_to_the_bundles() {
        let dir = tempfile::tempdir().unwrap();
        let overlay = overlay(dir.path(), "aa");
        let calibration = |score: f32| Calibration::new(0.05, vec![score; 19]).unwrap();
        assert!(overlay.undo_calibration().unwrap_err().to_string().contains("to undo"));
        overlay.calibrate(&calibration(1.0)).unwrap();
        overlay.calibrate(&calibration(2.0)).unwrap();
        assert_eq!(overlay.calibration().unwrap(), Some(calibration(2.0)));
        overlay.undo_calibration().unwrap();
        assert_eq!(overlay.calibration().unwrap(), Some(calibration(1.0)));
        overlay.undo_calibration().unwrap();
        assert_eq!(overlay.calibration().unwrap(), None);
        assert!(overlay.undo_calibration().is_err());
    }

    #[test]
    fn a_doubt_is_kept_until_it_ends_or_another_calibration_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let overlay = overlay(dir.path(), "aa");
        let drift = Drift::Changed { since_ms: 63_600_000 };
        assert_eq!(overlay.drift(&[1.0]).unwrap(), None);
        assert!(!overlay.set_drift(None, &[1.0]).unwrap());
        assert!(overlay.set_drift(Some(drift), &[1.0]).unwrap());
        assert_eq!((overlay.drift(&[1.0]).unwrap(), overlay.drift(&[2.0]).unwrap()), (Some(drift), None));
        assert!(drift.to_string().contains("since 17:40 UTC"), "{drift}");
        assert!(overlay.set_drift(None, &[]).unwrap());
        assert_eq!(overlay.drift(&[1.0]).unwrap(), None);
    }

    #[test]
    fn a_name_is_taken_once_and_an_unknown_one_names_the_known() {
        let dir = tempfile::tempdir().unwrap();
        let overlay = overlay(dir.path(), "aa");
        let references = References::new(vec![vec![1.0]]).unwrap();
        let error = overlay.references(&name("ada")).unwrap_err().to_string();
        assert!(error.contains("no name is"), "{error}");
        for who in ["bob", "ada"] {
            overlay.enroll(&name(who), &references).unwrap();
        }
        assert!(overlay.enroll(&name("ada"), &references).unwrap_err().to_string().contains("--remove"));
        let error = overlay.references(&name("eve")).unwrap_err().to_string();
        assert!(error.contains("ada, bob") && error.contains("enroll"), "{error}");
        overlay.remove(&name("ada")).unwrap();
        assert!(overlay.remove(&name("ada")).is_err());
        assert_eq!(overlay.names().unwrap(), [name("bob")]);
        assert_eq!(fs::read_dir(dir.path().join("aa/enrolled")).unwrap().count(), 1, "nothing is left beside");
    }

    #[test]
    fn names_are_file_names_and_nothing_more() {
        for bad in ["", ".", "..", ".hidden", "a/b", "../a", "a\0", "a\nb", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
        assert!(["a", "w001", "J.-Doe_2", "ß"].iter().all(|good| good.parse::<Name>().is_ok()));
    }

    #[test]
    fn a_file_that_is_not_what_was_written_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let overlay = overlay(dir.path(), "aa");
        overlay.calibrate(&Calibration::new(0.05, vec![0.25; 19]).unwrap()).unwrap();
        let path = dir.path().join("aa/calibration.json");
        let text = fs::read_to_string(&path).unwrap();
        let complaint = |text: &str| {
            fs::write(&path, text).unwrap();
            overlay.calibration().unwrap_err().to_string()
        };
        assert!(complaint(&text[..text.len() / 2]).contains("damaged"));
        let newer = text.replace("\"format\":2", "\"format\":9");
        assert!(complaint(&newer).contains("format 9 and this program reads up to 2"));
        let spliced = |from: &str, to: &str| text.replacen(from, to, 1);
        assert!(complaint(&spliced("0.25", "0.26")).contains("damaged"), "a value that could be true");
        // Of a file without a checksum, what cannot be true is refused.
        let older = |from: &str, to: &str| {
            let content = &text[text.find("\"content\"").unwrap()..];
            format!("{{\"format\":1,\"bundle\":\"aa\",{}", content.replace(from, to))
        };
        assert!(complaint(&older("0.25", "1e300")).contains("damaged"));
        assert!(complaint(&older("0.05", "0.001")).contains("needs at least 999"));
        fs::write(&path, older("", "")).unwrap();
        assert!(overlay.calibration().unwrap().is_some());
        fs::remove_file(&path).unwrap();
        fs::File::create(&path).unwrap().set_len(limits::OVERLAY + 1).unwrap();
        assert!(overlay.calibration().unwrap_err().to_string().contains("at most 32"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(overlay.calibration().unwrap_err().to_string().contains("regular file"));
    }
}

//! Installed models: complete bundles side by side in a state folder, and a link that selects the one that runs.
//!
//! ```text
//! STATE/models/HASH/       a bundle, never changed; HASH is its fingerprint
//! STATE/models/current     a link to the slot that runs
//! STATE/models/previous    a link to the slot that ran before
//! STATE/models/unproven    the slot that has given no verdict on this box yet, and the number of its starts
//! STATE/models/counters    the highest counter that was installed of each name
//! ```
//!
//! A link is replaced by a rename and its folder is synced, so after a power cut it is either the old
//! one or the new one. A selected model is rolled back automatically when it cannot be opened, or when
//! it gives no verdict in several starts. A start counts from before the model is opened, so one in which the process
//! dies counts too.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use counterfoil_models::{Bundle, Draft, sync, write_whole};
use serde::{Deserialize, Serialize};

use crate::store::trial::{self, Abandon};
use crate::store::trust::Trust;
use crate::{Detector, Error, Result};

/// Number of starts without a verdict after which a model is rolled back.
const STARTS: u32 = 3;

const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
const UNPROVEN: &str = "unproven";
const COUNTERS: &str = "counters";
/// Prefix of a folder that is being filled, or that is to be removed.
const UNFINISHED: &str = ".bundle-";
const LOCK: &str = ".lock";

/// The installed models of a box.
#[derive(Clone, Debug)]
pub struct Slots {
    folder: PathBuf,
}

/// One installed model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// The fingerprint (SHA-256) of the bundle, which is also the name of the slot.
    pub id: String,
    /// The name of the bundle.
    pub name: String,
    /// The counter of the bundle; a newer bundle has a higher one.
    pub counter: u64,
    /// Whether this is the model that runs.
    pub current: bool,
    /// Whether a rollback would select this model.
    pub previous: bool,
}

/// A model that has given no verdict on this box yet.
#[derive(Debug, Serialize, Deserialize)]
struct Unproven {
    slot: String,
    starts: u32,
}

/// The opened model that runs.
#[derive(Debug)]
pub struct ActiveModel {
    /// The detector of the model.
    pub detector: Detector,
    /// Why another model than the selected one was opened; `None` if there was no rollback.
    pub rolled_back: Option<String>,
}

impl Slots {
    /// The models in a state folder. Nothing is read yet.
    #[must_use]
    pub fn of(state: &Path) -> Self {
        Self { folder: state.join("models") }
    }

    /// Installs a bundle after checks: its signature if a key is installed, its hashes, its counter, and its golden
    /// pictures on this box, in a child process ([`trial`]). The bundle is not selected. A damaged slot of the same
    /// bundle is replaced.
    ///
    /// # Errors
    /// The error of the bundle; [`Error::Older`] when a newer bundle of the same name was installed and
    /// `older` is false; [`Error::Trial`] when the bundle does not open within its limits, or after `abandon`.
    pub fn install(&self, dir: &Path, trust: &Trust, older: bool, abandon: &Abandon) -> Result<Slot> {
        let signed = trust.check_folder(dir)?;
        let bundle = Bundle::open(dir)?;
        if bundle.id() != signed {
            let what = "its manifest changed while it was read".to_owned();
            return Err(Error::Untrusted { bundle: dir.to_path_buf(), what });
        }
        fs::create_dir_all(&self.folder).map_err(|e| trouble(&self.folder, &e))?;
        self.check_counter(&bundle, older)?;
        trial::run(&bundle, abandon)?;
        let _lock = self.lock()?;
        self.sweep();
        // Another process may have installed a newer one meanwhile.
        self.check_counter(&bundle, older)?;
        if abandon.is_abandoned() {
            return Err(Error::Trial("the request was given up meanwhile; send it again".to_owned()));
        }
        let slot = self.folder.join(bundle.id());
        if Bundle::open(&slot).is_err() {
            self.put_aside(&slot)?;
            Draft::copy(&bundle, &slot)?;
            self.sweep();
        }
        self.count()?;
        self.slot(bundle.id())
    }

    /// Installs a bundle and selects it.
    ///
    /// # Errors
    /// As [`install`](Self::install), and [`Error::State`] when the link cannot be written.
    pub fn install_and_select(&self, dir: &Path, trust: &Trust, older: bool, abandon: &Abandon) -> Result<Slot> {
        let slot = self.install(dir, trust, older, abandon)?;
        let _lock = self.lock()?;
        self.choose(slot)
    }

    /// Lists the installed models, sorted by name and counter. Damaged slots are left out, because they
    /// can neither be selected nor run.
    ///
    /// # Errors
    /// [`Error::State`] when the folder cannot be listed.
    pub fn list(&self) -> Result<Vec<Slot>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| trouble(&self.folder, &e))?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut slots: Vec<Slot> = names.filter(|name| is_id(name)).filter_map(|id| self.slot(&id).ok()).collect();
        slots.sort_by(|a, b| (&a.name, a.counter, &a.id).cmp(&(&b.name, b.counter, &b.id)));
        Ok(slots)
    }

    /// Selects the model whose fingerprint begins with `id`, after a test on its golden pictures.
    ///
    /// # Errors
    /// [`Error::NoModel`] when none or several fingerprints begin with `id`, or the error of the bundle.
    pub fn select(&self, id: &str) -> Result<Slot> {
        let slot = self.find(id)?;
        trial::run(&Bundle::open(&self.folder.join(&slot.id))?, &Abandon::default())?;
        let _lock = self.lock()?;
        self.choose(slot)
    }

    /// Makes a slot the current one, on probation.
    fn choose(&self, slot: Slot) -> Result<Slot> {
        if slot.current {
            return Ok(slot);
        }
        if let Some(running) = self.linked(CURRENT) {
            self.link(PREVIOUS, &running)?;
        }
        self.keep(&Unproven { slot: slot.id.clone(), starts: 0 })?;
        self.link(CURRENT, &slot.id)?;
        self.slot(&slot.id)
    }

    /// Selects the model that ran before.
    ///
    /// # Errors
    /// [`Error::NoModel`] when there is none, or the error of its bundle.
    pub fn rollback(&self) -> Result<Slot> {
        let before = self
            .before()
            .ok_or_else(|| Error::NoModel("no model ran before this one, so there is none to roll back to".into()))?;
        trial::run(&Bundle::open(&self.folder.join(&before))?, &Abandon::default())?;
        self.exchange(&before)?;
        self.slot(&before)
    }

    /// The model that ran before, if it is another than the selected one.
    fn before(&self) -> Option<String> {
        self.linked(PREVIOUS).filter(|before| self.current().as_ref() != Some(before))
    }

    /// Makes `before` the current slot, and the current slot the previous one.
    fn exchange(&self, before: &str) -> Result<()> {
        let _lock = self.lock()?;
        let running = self.linked(CURRENT);
        self.link(CURRENT, before)?;
        running.map_or(Ok(()), |running| self.link(PREVIOUS, &running))
    }

    /// The fingerprint of the selected model; `None` if none was ever selected.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        self.linked(CURRENT)
    }

    /// The folder of the selected model's bundle.
    ///
    /// # Errors
    /// [`Error::NoModel`] when none was selected.
    pub fn current_folder(&self) -> Result<PathBuf> {
        Ok(self.folder.join(self.selected()?))
    }

    fn selected(&self) -> Result<String> {
        self.current().ok_or_else(|| {
            Error::NoModel(
                "no model is selected; `counterfoil-edge model install BUNDLE` and `model select` do that".into(),
            )
        })
    }

    /// Opens the selected model. It is rolled back if it cannot be opened, or after three starts without a verdict.
    ///
    /// # Errors
    /// [`Error::NoModel`] when none was selected, or the error of the bundle when there is no previous model either.
    pub fn open(&self) -> Result<ActiveModel> {
        let current = self.selected()?;
        if let Some(Unproven { slot, starts }) = self.unproven().filter(|unproven| unproven.slot == current) {
            if starts >= STARTS
                && let Some(before) = self.go_back(&format!("it gave no verdict in {starts} starts"))
            {
                return Ok(before);
            }
            // Before the model is opened, because opening it may end this process. A full disk ends nothing: the
            // model is opened all the same.
            let _ = self.keep(&Unproven { slot, starts: starts.saturating_add(1) });
        }
        match Detector::open(&self.folder.join(&current)) {
            Ok(detector) => Ok(ActiveModel { detector, rolled_back: None }),
            Err(error) => self.go_back(&error.to_string()).ok_or(error),
        }
    }

    /// Opens the model that ran before and selects it; `None` when there is none that opens.
    fn go_back(&self, why: &str) -> Option<ActiveModel> {
        let (current, before) = (self.current()?, self.before()?);
        let detector = Detector::open(&self.folder.join(&before)).ok()?;
        self.exchange(&before).ok()?;
        Some(ActiveModel { detector, rolled_back: Some(format!("model {} was rolled back: {why}", short(&current))) })
    }

    /// Records that the model that runs gave a verdict: it is no longer on probation.
    ///
    /// # Errors
    /// [`Error::State`] when the record cannot be written.
    pub fn proven(&self) -> Result<()> {
        let path = self.folder.join(UNPROVEN);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(trouble(&path, &error)),
            _ => Ok(()),
        }
    }

    fn slot(&self, id: &str) -> Result<Slot> {
        let bundle = Bundle::open(&self.folder.join(id))?;
        let linked = |name| self.linked(name).as_deref() == Some(id);
        let manifest = bundle.manifest();
        Ok(Slot {
            id: id.to_owned(),
            name: manifest.name.clone(),
            counter: manifest.counter,
            current: linked(CURRENT),
            previous: linked(PREVIOUS),
        })
    }

    fn find(&self, id: &str) -> Result<Slot> {
        let mut found: Vec<Slot> =
            self.list()?.into_iter().filter(|slot| !id.is_empty() && slot.id.starts_with(id)).collect();
        match (found.pop(), found.len()) {
            (Some(slot), 0) => Ok(slot),
            (Some(_), others) => {
                Err(Error::NoModel(format!("{} models begin with {id}; give more of the fingerprint", others + 1)))
            }
            (None, _) => Err(Error::NoModel(format!(
                "no model begins with {id:?}; `counterfoil-edge model list` shows those that are there"
            ))),
        }
    }

    fn linked(&self, name: &str) -> Option<String> {
        let target = fs::read_link(self.folder.join(name)).ok()?;
        target.to_str().filter(|id| is_id(id)).map(str::to_owned)
    }

    fn link(&self, name: &str, id: &str) -> Result<()> {
        let (beside, place) = (self.folder.join(format!(".{name}")), self.folder.join(name));
        let _ = fs::remove_file(&beside);
        symlink(id, &beside).and_then(|()| fs::rename(&beside, &place)).map_err(|e| trouble(&place, &e))?;
        Ok(sync(&self.folder)?)
    }

    fn unproven(&self) -> Option<Unproven> {
        serde_json::from_slice(&fs::read(self.folder.join(UNPROVEN)).ok()?).ok()
    }

    fn keep(&self, unproven: &Unproven) -> Result<()> {
        let text = serde_json::to_vec(unproven).expect("a name and a number can be said in JSON");
        Ok(write_whole(&self.folder.join(UNPROVEN), &text)?)
    }

    /// Refuses a bundle that is older than one of its name that was installed, even if that one is damaged now.
    fn check_counter(&self, bundle: &Bundle, older: bool) -> Result<()> {
        if older {
            return Ok(());
        }
        let manifest = bundle.manifest();
        let listed = self.list()?.into_iter().filter(|slot| slot.name == manifest.name).map(|slot| slot.counter).max();
        match listed.max(self.counters()?.get(&manifest.name).copied()) {
            Some(installed) if manifest.counter < installed => {
                Err(Error::Older { name: manifest.name.clone(), found: manifest.counter, installed })
            }
            _ => Ok(()),
        }
    }

    /// The highest counter that was installed of each name. A damaged record is an error, since any bundle might
    /// seem new without it.
    fn counters(&self) -> Result<BTreeMap<String, u64>> {
        let path = self.folder.join(COUNTERS);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            text => text.map_err(|e| trouble(&path, &e))?,
        };
        serde_json::from_slice(&text).map_err(|e| Error::State {
            path,
            what: format!("is damaged ({e}), so it is not known which bundles are older"),
            remedy: "install the newest bundle with `--older`, which writes it anew",
        })
    }

    /// Records the counters of the installed models.
    fn count(&self) -> Result<()> {
        let recorded = self.counters();
        let mut counters = recorded.as_ref().map_or_else(|_| BTreeMap::new(), Clone::clone);
        for Slot { name, counter, .. } in self.list()? {
            let highest = counters.entry(name).or_default();
            *highest = counter.max(*highest);
        }
        if recorded.is_ok_and(|recorded| recorded == counters) {
            return Ok(());
        }
        let text = serde_json::to_vec(&counters).expect("names and numbers can be said in JSON");
        Ok(write_whole(&self.folder.join(COUNTERS), &text)?)
    }

    /// Moves a damaged slot out of the way, to where it is swept.
    fn put_aside(&self, slot: &Path) -> Result<()> {
        if slot.symlink_metadata().is_err() {
            return Ok(());
        }
        let aside = self.folder.join(format!("{UNFINISHED}damaged"));
        fs::rename(slot, &aside).map_err(|e| trouble(slot, &e))
    }

    /// Removes what a killed installation left behind, and damaged slots that were put aside.
    fn sweep(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
            // What cannot be removed only takes room.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let _ = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        }
    }

    /// Waits until no other process changes the models, and locks them.
    fn lock(&self) -> Result<File> {
        let path = self.folder.join(LOCK);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|e| trouble(&path, &e))?;
        file.lock().map_err(|e| trouble(&path, &e))?;
        Ok(file)
    }
}

fn trouble(path: &Path, error: &io::Error) -> Error {
    Error::State {
        path: path.to_path_buf(),
        what: format!("cannot be used ({error})"),
        remedy: "check that the state folder is this user's and has room",
    }
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first 12 digits of a fingerprint, for people.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::MANIFEST;

    /// A copy of a pretrained bundle with another counter: another fingerprint, the same network.
    fn numbered(dir: &Path, counter: u64) -> PathBuf {
        let pretrained = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/specimen-note-statistics");
        let copy = dir.join(format!("bundle-{counter}"));
        Draft::copy(&Bundle::open(&pretrained).unwrap(), &copy).unwrap();
        let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(copy.join(MANIFEST)).unwrap()).unwrap();
        manifest["counter"] = counter.into();
        fs::write(copy.join(MANIFEST), manifest.to_string()).unwrap();
        copy
    }

    fn no_keys() -> Trust {
        Trust::of(Path::new("/nonexistent")).unwrap()
    }

    /// Two slots with the numbers 1 and 2; 2 was selected after 1 and runs.
    fn two(dir: &Path) -> (Slots, [String; 2]) {
        let slots = Slots::of(dir);
        let ids = [1, 2].map(|counter| {
            let id = slots.install(&numbered(dir, counter), &no_keys(), false, &Abandon::default()).unwrap().id;
            slots.select(&id[..9]).unwrap();
            id
        });
        (slots, ids)
    }

    #[test]
    fn a_model_is_installed_selected_and_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, [first, second]) = two(dir.path());
        let listed: Vec<_> =
            slots.list().unwrap().into_iter().map(|slot| (slot.id, slot.current, slot.previous)).collect();
        assert_eq!(listed, [(first.clone(), false, true), (second.clone(), true, false)]);
        assert_eq!(slots.open().unwrap().detector.bundle().id(), second);
        assert_eq!(slots.rollback().unwrap().id, first);
        assert_eq!(slots.open().unwrap().detector.bundle().id(), first);
        assert_eq!(slots.rollback().unwrap().id, second, "and forth again");
    }

    #[test]
    fn an_older_model_does_not_slip_in() {
        let dir = tempfile::tempdir().unwrap();
        let slots = Slots::of(dir.path());
        slots.install(&numbered(dir.path(), 5), &no_keys(), false, &Abandon::default()).unwrap();
        let old = numbered(dir.path(), 4);
        let error = slots.install(&old, &no_keys(), false, &Abandon::default()).unwrap_err().to_string();
        assert!(error.contains("number 4") && error.contains("number 5") && error.contains("--older"), "{error}");
        slots.install(&old, &no_keys(), true, &Abandon::default()).unwrap();
        assert_eq!(slots.list().unwrap().len(), 2);
    }

    #[test]
    fn what_is_damaged_is_neither_installed_nor_run() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, [first, second]) = two(dir.path());
        let bad = numbered(dir.path(), 3);
        fs::write(bad.join("discriminator.onnx"), b"no network").unwrap();
        assert!(slots.install(&bad, &no_keys(), false, &Abandon::default()).is_err());
        // The model that runs loses a file.
        fs::remove_file(dir.path().join("models").join(&second).join("discriminator.onnx")).unwrap();
        let running = slots.open().unwrap();
        assert_eq!(running.detector.bundle().id(), first);
        assert!(running.rolled_back.unwrap().contains(short(&second)));
        assert_eq!(slots.current(), Some(first));
        assert!(slots.select(&second).is_err());
    }

    #[test]
    fn a_model_that_gives_no_verdicts_is_rolled_back_and_one_that_does_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, [first, second]) = two(dir.path());
        for _ in 0..STARTS {
            assert_eq!(slots.open().unwrap().detector.bundle().id(), second);
        }
        let running = slots.open().unwrap();
        assert_eq!(running.detector.bundle().id(), first);
        assert!(running.rolled_back.unwrap().contains("no verdict in 3 starts"));

        slots.select(&second).unwrap();
        slots.open().unwrap();
        slots.proven().unwrap();
        for _ in 0..2 * STARTS {
            assert_eq!(slots.open().unwrap().detector.bundle().id(), second);
        }
    }

    #[test]
    fn a_start_in_which_the_process_dies_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, [first, second]) = two(dir.path());
        // A folder in the place of a file: what is read first when the model is opened shows what was written before.
        let starts = || slots.unproven().map(|unproven| unproven.starts);
        let network = dir.path().join("models").join(&second).join("discriminator.onnx");
        let whole = fs::read(&network).unwrap();
        fs::remove_file(dir.path().join("models").join(PREVIOUS)).unwrap();
        fs::remove_file(&network).unwrap();
        for start in 1..=STARTS {
            assert!(slots.open().is_err(), "it cannot be opened, and there is no other");
            assert_eq!(starts(), Some(start), "the start is written down all the same");
        }
        fs::write(&network, whole).unwrap();
        slots.link(PREVIOUS, &first).unwrap();
        assert_eq!(slots.open().unwrap().detector.bundle().id(), first);
    }

    #[test]
    fn an_older_model_does_not_slip_in_past_a_damaged_newer_one() {
        let dir = tempfile::tempdir().unwrap();
        let slots = Slots::of(dir.path());
        let here = Abandon::default();
        let id = slots.install(&numbered(dir.path(), 5), &no_keys(), false, &here).unwrap().id;
        fs::remove_file(dir.path().join("models").join(&id).join(MANIFEST)).unwrap();
        assert!(slots.list().unwrap().is_empty());
        let old = numbered(dir.path(), 4);
        assert!(matches!(slots.install(&old, &no_keys(), false, &here), Err(Error::Older { installed: 5, .. })));
        // A record that cannot be read lets nothing in; a person may decide.
        fs::write(dir.path().join("models").join(COUNTERS), "{").unwrap();
        let error = slots.install(&old, &no_keys(), false, &here).unwrap_err().to_string();
        assert!(error.contains("counters is damaged") && error.contains("--older"), "{error}");
        slots.install(&old, &no_keys(), true, &here).unwrap();
        slots.install(&old, &no_keys(), false, &here).unwrap();
    }

    #[test]
    fn installing_again_mends_a_damaged_slot() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, [_, second]) = two(dir.path());
        let slot = dir.path().join("models").join(&second);
        let again = || slots.install(&dir.path().join("bundle-2"), &no_keys(), false, &Abandon::default());
        let damages: [&dyn Fn(); 3] = [
            &|| fs::remove_file(slot.join(MANIFEST)).unwrap(),
            &|| fs::write(slot.join("discriminator.onnx"), "x").unwrap(),
            &|| {
                fs::remove_dir_all(&slot).unwrap();
                fs::write(&slot, "a file in its place").unwrap();
            },
        ];
        for damage in damages {
            damage();
            assert!(Bundle::open(&slot).is_err());
            assert!(again().unwrap().current, "it is selected as before");
            assert_eq!(slots.open().unwrap().detector.bundle().id(), second);
        }
        let left = fs::read_dir(dir.path().join("models")).unwrap().flatten();
        assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".bundle")).count(), 0);
    }

    #[test]
    fn the_signature_is_looked_at_before_the_network() {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, public) = (numbered(dir.path(), 1), dir.path().join("ours.pub"));
        fs::write(bundle.join("discriminator.onnx"), b"no network").unwrap();
        let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        fs::write(&public, keys.pk.to_box().unwrap().into_string()).unwrap();
        Trust::install(dir.path(), &public).unwrap();
        let trust = Trust::of(dir.path()).unwrap();
        let error = Slots::of(dir.path()).install(&bundle, &trust, true, &Abandon::default()).unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        fs::write(bundle.join(MANIFEST), b"no manifest").unwrap();
        let error = Slots::of(dir.path()).install(&bundle, &trust, true, &Abandon::default()).unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
    }

    #[test]
    fn nothing_is_installed_for_a_request_that_was_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, abandon) = (Slots::of(dir.path()), Abandon::default());
        abandon.abandon();
        assert!(slots.install(&numbered(dir.path(), 1), &no_keys(), false, &abandon).is_err());
        assert!(slots.list().unwrap().is_empty());
    }

    #[test]
    fn without_a_model_it_is_said_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let slots = Slots::of(dir.path());
        assert!(slots.open().unwrap_err().to_string().contains("model install"));
        slots.install(&numbered(dir.path(), 1), &no_keys(), false, &Abandon::default()).unwrap();
        assert!(slots.select("ffffffff").unwrap_err().to_string().contains("model list"));
        assert!(slots.rollback().unwrap_err().to_string().contains("no model ran before"));
        // Without a model to roll back to, the selected one is tried again.
        let only = slots.list().unwrap().remove(0).id;
        slots.select(&only).unwrap();
        (0..2 * STARTS).for_each(|_| assert!(slots.open().unwrap().rolled_back.is_none()));
    }

    #[test]
    fn what_a_killed_install_left_is_swept() {
        let dir = tempfile::tempdir().unwrap();
        let (slots, _) = two(dir.path());
        let left = dir.path().join("models/.bundle-left");
        fs::create_dir_all(left.join("golden")).unwrap();
        slots.install(&numbered(dir.path(), 3), &no_keys(), false, &Abandon::default()).unwrap();
        assert!(!left.exists() && slots.list().unwrap().len() == 3);
    }
}

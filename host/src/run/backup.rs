//! A second copy of a run on another disk or a network share. Files of the run folder are copied whole, and files
//! that the run no longer keeps are removed.
//!
//! The copy is itself a run folder: it can be resumed and exported. A failed copy does not stop the training; it is
//! tried again at the next checkpoint, and the user is told.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::detector::Kind;
use crate::durable;
use crate::gan::{Config, METRICS, checkpoints, grids};
use crate::run::{BESIDE, CONFIG, HELD_OUT, RECORD, remove, vacant_run};

/// A run and the folder of its copy.
#[derive(Debug)]
pub struct Backup {
    run: PathBuf,
    dir: PathBuf,
    /// Whether the folder existed once. If it is missing then, the disk was removed, and the folder is not created
    /// again.
    stood: bool,
    /// Why the copy is older than the run; `None` when it is up to date.
    behind: Option<String>,
}

impl Backup {
    /// Prepares a copy of `run` in `dir`. Neither folder has to exist yet.
    ///
    /// # Errors
    /// When one folder is inside the other, or `dir` holds files that this copy would overwrite.
    pub fn new(run: &Path, dir: &Path) -> Result<Self> {
        let (ours, theirs) = (resolved(run)?, resolved(dir)?);
        ensure!(
            !ours.starts_with(&theirs) && !theirs.starts_with(&ours),
            "--backup {} and --out {} lie in one another; give a folder on another disk",
            dir.display(),
            run.display()
        );
        let backup = Self { run: run.to_owned(), dir: dir.to_owned(), stood: false, behind: None };
        backup.check_same_run()?;
        Ok(backup)
    }

    /// Brings the copy up to date. Returns a message for the user when copying begins to fail and when the copy has
    /// caught up.
    pub fn mirror(&mut self) -> Option<String> {
        let failure = self.copy().err().map(|error| format!("{error:#}"));
        let dir = self.dir.display();
        let said = match (&self.behind, &failure) {
            (None, Some(why)) => {
                Some(format!("the backup in {dir} failed; training goes on and the next checkpoint tries again: {why}"))
            }
            (Some(_), None) => Some(format!("the backup in {dir} has caught up")),
            _ => None,
        };
        self.behind = failure;
        said
    }

    /// Why the copy is older than the run; `None` when it is up to date.
    #[must_use]
    pub fn behind(&self) -> Option<&str> {
        self.behind.as_deref()
    }

    fn copy(&mut self) -> Result<()> {
        self.check_same_run()?;
        if !self.stood {
            make(&self.dir)?;
        }
        // As in the run itself, the record exists only when everything else does: another record is removed first,
        // and this run's record is copied last.
        if fs::read(self.dir.join(RECORD)).ok() != fs::read(self.run.join(RECORD)).ok() {
            remove(&self.dir.join(RECORD))?;
        }
        for file in [HELD_OUT, CONFIG, BESIDE, METRICS].into_iter().chain(Kind::fitted_files()) {
            bring(&self.run.join(file), &self.dir.join(file))?;
        }
        self.bring_folder("checkpoints", &checkpoints(&self.run), &checkpoints(&self.dir))?;
        let newest: Vec<PathBuf> = grids(&self.run).pop().into_iter().collect();
        self.bring_folder("samples", &newest, &grids(&self.dir))?;
        bring(&self.run.join(RECORD), &self.dir.join(RECORD))?;
        self.stood = true;
        Ok(())
    }

    /// Copies files into a folder of the copy, and removes other files from there.
    fn bring_folder(&self, folder: &str, files: &[PathBuf], there: &[PathBuf]) -> Result<()> {
        let folder = self.dir.join(folder);
        make(&folder)?;
        let length = |file: &Path| fs::metadata(file).map(|metadata| metadata.len()).ok();
        let name = |file: &Path| file.file_name().map(ToOwned::to_owned);
        for file in files {
            let to = folder.join(name(file).unwrap_or_default());
            // The files of a step never change once written, so an equal length means that the file is there.
            if length(&to) != length(file) {
                bring(file, &to)?;
            }
        }
        let gone = |there: &&PathBuf| files.iter().all(|file| name(file) != name(there));
        there.iter().filter(gone).try_for_each(|file| remove(file))
    }

    /// Refuses a folder whose checkpoints are of another run or newer, because the copy would remove them.
    fn check_same_run(&self) -> Result<()> {
        let (run, dir) = (&self.run, &self.dir);
        let theirs = checkpoints(dir);
        if theirs.is_empty() && Kind::fitted_files().all(|file| !dir.join(file).exists()) {
            return vacant_run(dir).with_context(|| format!("--backup {}", dir.display()));
        }
        let record = |folder: &Path| fs::read(folder.join(RECORD)).ok();
        // A copy that was interrupted has no record yet.
        let same_record = record(dir).is_none_or(|theirs| record(run).is_some_and(|ours| ours == theirs));
        let recipe = |folder: &Path| Config::from_toml(&fs::read_to_string(folder.join(CONFIG)).ok()?, None).ok();
        let same_recipe = match (recipe(run), recipe(dir)) {
            (Some(ours), Some(theirs)) => ours.difference(&theirs).is_none(),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        let newest = |files: &[PathBuf]| files.last().and_then(|file| file.file_name().map(ToOwned::to_owned));
        let (dir, run) = (dir.display(), run.display());
        ensure!(
            same_record && same_recipe && newest(&theirs) <= newest(&checkpoints(&self.run)),
            "--backup {dir} holds another run, or more of this one than --out {run}: go on with it (counterfoil train --out {dir} --resume), or give another folder"
        );
        Ok(())
    }
}

/// Copies a file if it exists and the copy has different bytes.
fn bring(from: &Path, to: &Path) -> Result<()> {
    let bytes = match fs::read(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        bytes => bytes.with_context(|| format!("cannot read {}", from.display()))?,
    };
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    durable::write(to, &bytes).with_context(|| format!("cannot write {}", to.display()))
}

/// Creates one folder, but not its parent: if the parent is missing, the disk is not there.
fn make(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot create {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A path with its links resolved as far as it exists.
fn resolved(path: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(path).with_context(|| format!("no such place: {}", path.display()))?;
    let real = path.ancestors().find_map(|above| Some(above.canonicalize().ok()?.join(path.strip_prefix(above).ok()?)));
    Ok(real.unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::Net;

    /// A run folder of small dummy files; files are recognised by their names.
    fn folder(run: &Path, steps: &[u64]) {
        fs::create_dir_all(run.join("checkpoints")).unwrap();
        fs::create_dir_all(run.join("samples")).unwrap();
        fs::write(run.join(CONFIG), Config::new(Net::Mlp).to_toml().unwrap()).unwrap();
        for file in [RECORD, METRICS] {
            fs::write(run.join(file), format!("{file} {steps:?}")).unwrap();
        }
        for step in steps {
            fs::write(run.join(format!("checkpoints/step-{step:08}.safetensors")), step.to_le_bytes()).unwrap();
            fs::write(run.join(format!("samples/step-{step:08}.png")), "png").unwrap();
        }
    }

    fn names(files: &[PathBuf]) -> Vec<String> {
        files.iter().map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn what_the_run_keeps_goes_over_and_what_it_dropped_goes_away() {
        let disks = tempfile::tempdir().unwrap();
        let [run, dir] = ["run", "copy"].map(|name| disks.path().join(name));
        folder(&run, &[2, 4]);
        let mut backup = Backup::new(&run, &dir).unwrap();
        assert_eq!(backup.mirror(), None);
        fs::remove_file(run.join("checkpoints/step-00000002.safetensors")).unwrap();
        fs::write(run.join("checkpoints/step-00000006.safetensors"), "6").unwrap();
        assert_eq!(backup.mirror(), None);
        assert_eq!(names(&checkpoints(&dir)), ["step-00000004", "step-00000006"]);
        assert_eq!(names(&grids(&dir)), ["step-00000004"]);
        assert_eq!(fs::read(dir.join(RECORD)).unwrap(), fs::read(run.join(RECORD)).unwrap());
    }

    #[test]
    fn a_disk_that_went_away_is_told_once_and_caught_up_with_when_it_is_back() {
        let disks = tempfile::tempdir().unwrap();
        let [run, dir, away] = ["run", "copy", "away"].map(|name| disks.path().join(name));
        folder(&run, &[2]);
        let mut backup = Backup::new(&run, &dir).unwrap();
        assert_eq!(backup.mirror(), None);
        fs::rename(&dir, &away).unwrap();
        assert!(backup.mirror().unwrap().contains("training goes on"));
        assert_eq!(backup.mirror(), None, "once is enough");
        assert!(backup.behind().unwrap().contains("copy") && !dir.exists());
        fs::rename(&away, &dir).unwrap();
        assert!(backup.mirror().unwrap().contains("caught up"));
        assert_eq!(backup.behind(), None);
    }

    #[test]
    fn a_backup_overwrites_nothing_it_should_not() {
        let disks = tempfile::tempdir().unwrap();
        let [run, other, fresh] = ["run", "other", "fresh"].map(|name| disks.path().join(name));
        folder(&run, &[2]);
        let refused = |run: &Path, dir: &Path| format!("{:#}", Backup::new(run, dir).unwrap_err());
        for (run, dir) in [(&run, &run), (&run, &run.join("copy")), (&run.join("inside"), &run)] {
            assert!(refused(run, dir).contains("in one another"), "{}", dir.display());
        }
        folder(&other, &[2, 4]);
        assert!(refused(&run, &other).contains("--resume"));
        assert!(refused(&fresh, &other).contains("--resume"));
        fs::write(run.join(RECORD), fs::read(other.join(RECORD)).unwrap()).unwrap();
        assert!(refused(&run, &other).contains("more of this one"));
        folder(&run, &[2, 4]);
        Backup::new(&run, &other).unwrap();
        let recipe = Config { seed: 3, ..Config::new(Net::Mlp) };
        fs::write(run.join(CONFIG), recipe.to_toml().unwrap()).unwrap();
        assert!(refused(&run, &other).contains("another run"));
    }
}

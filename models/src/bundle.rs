//! The bundle: a folder that is complete or absent, and never changes once written.
//!
//! [`Draft`] builds it in a folder beside its place, syncs every file and renames the folder. [`Bundle::open`] checks
//! sizes and hashes before any file is used.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, openat, renameat_with};
use rustix::io::Errno;
use serde::Deserialize;
use tempfile::TempDir;

use crate::durable::{parent, sync};
use crate::manifest::{FileEntry, Manifest, SCHEMA};
use crate::{Error, Result, limits, sha256_hex};

/// File name of the detector's network.
pub const DISCRIMINATOR: &str = "discriminator.onnx";
/// File name of the generator's network.
pub const GENERATOR: &str = "generator.onnx";
/// File name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// File name of the manifest's minisign signature, which is optional.
pub const SIGNATURE: &str = "manifest.json.minisig";

/// A bundle on disk whose files match its manifest.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    id: String,
    manifest: Manifest,
}

impl Bundle {
    /// Opens a bundle, and checks the length and hash of every file.
    ///
    /// # Errors
    /// [`Error::Bundle`] when the manifest is missing, damaged, of a newer schema or contradicts itself, or when a
    /// file is missing, changed or lies outside the bundle; [`Error::Io`] when a file cannot be read, is too long or
    /// is a link, a pipe or a device.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_to_run(dir).map(|(bundle, _)| bundle)
    }

    /// Opens a bundle and also returns the bytes of its [`DISCRIMINATOR`].
    ///
    /// That file is large; this way it is read and hashed only once.
    ///
    /// # Errors
    /// The errors of [`open`](Self::open).
    pub fn open_to_run(dir: &Path) -> Result<(Self, Vec<u8>)> {
        let fault = |what: String, remedy| Error::Bundle { bundle: dir.to_path_buf(), what, remedy };
        let text = Self::read_manifest(dir)?;
        let SchemaOnly { schema } = serde_json::from_slice(&text)
            .map_err(|e| fault(format!("{MANIFEST} is damaged ({e})"), "copy or export the bundle again"))?;
        if schema > SCHEMA {
            return Err(fault(
                format!("it has schema {schema} and this program reads up to {SCHEMA}"),
                "update this program, or export the bundle with the older one",
            ));
        }
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|e| fault(format!("{MANIFEST} does not hold together ({e})"), "export the bundle again"))?;
        manifest
            .validate()
            .map_err(|e| fault(format!("{MANIFEST} does not hold together ({e})"), "export the bundle again"))?;
        if !manifest.files.contains_key(DISCRIMINATOR) {
            return Err(fault(format!("{MANIFEST} names no {DISCRIMINATOR}"), "export the bundle again"));
        }

        let bundle = Self { dir: dir.to_path_buf(), id: sha256_hex(&text), manifest };
        let mut discriminator = Vec::new();
        for name in bundle.manifest.files.keys() {
            let bytes = bundle.read(name)?;
            if name == DISCRIMINATOR {
                discriminator = bytes;
            }
        }
        Ok((bundle, discriminator))
    }

    /// Reads the bytes of the manifest of a bundle, unchecked: a signature is checked on them before they are parsed.
    ///
    /// # Errors
    /// [`Error::Bundle`] when there is none; [`Error::Io`] when it cannot be read, is too long or is a link, a pipe or
    /// a device.
    pub fn read_manifest(dir: &Path) -> Result<Vec<u8>> {
        read_plain(dir, MANIFEST, limits::MANIFEST).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::Bundle {
                bundle: dir.to_path_buf(),
                what: format!("no {MANIFEST} in it, so it is no bundle"),
                remedy: "give the folder that `counterfoil export` wrote",
            },
            _ => Error::io("read", &dir.join(MANIFEST))(e),
        })
    }

    /// Reads the signature of a bundle's manifest, unchecked; `None` when there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, is longer than `limit` bytes or is a link, a pipe or a device.
    pub fn read_signature(dir: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
        match read_plain(dir, SIGNATURE, limit) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(Error::io("read", &dir.join(SIGNATURE))),
        }
    }

    /// The bundle's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Fingerprint of the whole bundle: SHA-256, in hex, of its manifest, which holds the hash of every other file.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bundle's manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Reads one of the files that the manifest names, and checks it once more.
    ///
    /// # Errors
    /// [`Error::Bundle`] when it is missing, changed, not in the manifest or not inside the folder; [`Error::Io`]
    /// when it cannot be read, is too long or is a link, a pipe or a device.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let fault = |what: String, remedy| Error::Bundle { bundle: self.dir.clone(), what, remedy };
        let entry = self
            .manifest
            .files
            .get(name)
            .ok_or_else(|| fault(format!("{MANIFEST} names no {name}"), "export the bundle again"))?;
        if !is_inside(name) {
            return Err(fault(
                format!("{MANIFEST} names {name}, which is outside the bundle"),
                "do not trust this bundle",
            ));
        }
        let bytes = read_plain(&self.dir, name, limits::NETWORK as u64).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => fault(format!("{name} is missing"), "copy the whole bundle again"),
            _ => Error::io("read", &self.dir.join(name))(e),
        })?;
        if bytes.len() as u64 != entry.bytes || sha256_hex(&bytes) != entry.sha256 {
            return Err(fault(
                format!("{name} is not the file that was exported (its SHA-256 differs)"),
                "copy the whole bundle again",
            ));
        }
        Ok(bytes)
    }
}

#[derive(Deserialize)]
struct SchemaOnly {
    schema: u32,
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.len() > limit {
        return Err(io::Error::other(format!("it has {} MB and at most {} are read", found.len() >> 20, limit >> 20)));
    }
    fs::read(path)
}

/// Reads a file of at most `limit` bytes below `dir`. Neither the file nor a folder of `name` may be a link, and the
/// file must not be a pipe or a device: what a link leads to is not the bundle's, and a pipe would wait for a writer.
fn read_plain(dir: &Path, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    let mut parts: Vec<&str> = name.split('/').collect();
    let last = parts.pop().unwrap_or_default();
    let folder = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let mut at = openat(CWD, dir, folder, Mode::empty())?;
    for part in parts {
        at = openat(&at, part, folder | OFlags::NOFOLLOW, Mode::empty()).map_err(linked)?;
    }
    // Without `NONBLOCK`, opening a pipe waits for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(&at, last, flags, Mode::empty()).map_err(linked)?);
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file; a bundle holds nothing else"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len().min(limit)).unwrap_or_default());
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has {} MB and at most {} are read", found.len() >> 20, limit >> 20)));
    }
    Ok(bytes)
}

fn linked(error: Errno) -> io::Error {
    match error {
        // A folder that is a link gives the same error as a file in the place of the folder.
        Errno::LOOP | Errno::NOTDIR => {
            io::Error::other("it is a link or in one; a bundle holds plain files in plain folders")
        }
        error => error.into(),
    }
}

/// Whether a name stays inside the folder that it is joined to.
fn is_inside(name: &str) -> bool {
    !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// A bundle that is being built beside its place. When it is dropped unfinished, nothing is left behind.
#[derive(Debug)]
pub struct Draft {
    folder: TempDir,
    target: PathBuf,
    force: bool,
}

impl Draft {
    /// Begins a bundle that will be placed at `target`.
    ///
    /// # Errors
    /// [`Error::Exists`] when something is there and `force` is false; [`Error::Bundle`] when what is there is not a
    /// bundle, even with `force`; [`Error::Io`] when a folder cannot be created.
    pub fn begin(target: &Path, force: bool) -> Result<Self> {
        if target.symlink_metadata().is_ok() {
            if !force {
                return Err(Error::Exists(target.to_path_buf()));
            }
            if !target.join(MANIFEST).is_file() {
                return Err(Error::Bundle {
                    bundle: target.to_path_buf(),
                    what: "it is no bundle, and --force replaces nothing else".into(),
                    remedy: "choose another --out",
                });
            }
        }
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let folder = tempfile::Builder::new()
            .prefix(".bundle-")
            .tempdir_in(parent)
            .map_err(Error::io("create a folder in", parent))?;
        Ok(Self { folder, target: target.to_path_buf(), force })
    }

    /// Adds a file and syncs it to the disk; `name` may hold folders.
    ///
    /// # Errors
    /// [`Error::Io`], for example when the disk is full.
    pub fn add(&self, name: &str, bytes: &[u8]) -> Result<()> {
        debug_assert!(is_inside(name), "a bundle's files lie inside it");
        let path = self.folder.path().join(name);
        let folder = parent(&path);
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let mut file = File::create(&path).map_err(Error::io("create", &path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &path))?;
        sync(folder)
    }

    /// Fills in the manifest's list of files, writes it and moves the whole folder to its place.
    ///
    /// # Errors
    /// [`Error::Exists`], [`Error::Io`], and the errors of [`Bundle::open`] for the result.
    pub fn finish(self, mut manifest: Manifest) -> Result<Bundle> {
        let root = self.folder.path();
        manifest.files.clear();
        for path in files_below(root)? {
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            manifest.files.insert(name, FileEntry { bytes: bytes.len() as u64, sha256: sha256_hex(&bytes) });
        }
        let mut text = serde_json::to_vec_pretty(&manifest).expect("a manifest holds only what JSON can say");
        text.push(b'\n');
        self.add(MANIFEST, &text)?;
        self.place()
    }

    /// Copies a bundle, byte for byte and with its signature, to a place where nothing exists.
    ///
    /// # Errors
    /// The errors of [`begin`](Self::begin) and [`finish`](Self::finish), and [`Error::Bundle`] when the manifest
    /// changes meanwhile.
    pub fn copy(bundle: &Bundle, target: &Path) -> Result<Bundle> {
        let draft = Self::begin(target, false)?;
        for name in bundle.manifest.files.keys() {
            draft.add(name, &bundle.read(name)?)?;
        }
        draft.add(MANIFEST, &Bundle::read_manifest(&bundle.dir)?)?;
        if let Some(signature) = Bundle::read_signature(&bundle.dir, limits::MANIFEST)? {
            draft.add(SIGNATURE, &signature)?;
        }
        let copy = draft.place()?;
        if copy.id == bundle.id {
            return Ok(copy);
        }
        let what = format!("{MANIFEST} changed while it was copied");
        Err(Error::Bundle { bundle: bundle.dir.clone(), what, remedy: "remove the copy, and copy the bundle again" })
    }

    /// Moves the finished folder to its place.
    fn place(self) -> Result<Bundle> {
        let root = self.folder.path();
        // Temporary folders are private, but the user that runs the box must be able to read the bundle.
        fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(Error::io("open up", root))?;
        Bundle::open(root)?;

        let flags = if self.force && self.target.exists() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, root, CWD, &self.target, flags).map_err(|e| match e {
            rustix::io::Errno::EXIST => Error::Exists(self.target.clone()),
            e => Error::io("move the finished bundle to", &self.target)(e.into()),
        })?;
        sync(parent(&self.target))?;
        // After an exchange the temporary folder holds the old bundle and is removed with it; after a plain rename
        // nothing is left to remove.
        drop(self.folder);
        Bundle::open(&self.target)
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, Color, Join, Preprocess, Region, Resize};

    fn manifest() -> Manifest {
        Manifest {
            schema: SCHEMA,
            name: "test".into(),
            counter: 1,
            input: Preprocess {
                width: 28,
                height: 28,
                color: Color::Grey,
                resize: Resize::Stretch,
                article: crate::Article::Whole,
                reference: None,
                regions: vec![Region::WHOLE],
            },
            join: Join::single(),
            calibration: Calibration::new(0.05, vec![0.5; 19]).unwrap(),
            enrolment: None,
            latent: None,
            training: crate::Training::default(),
            engines: Vec::new(),
            golden: Vec::new(),
            files: std::collections::BTreeMap::new(),
        }
    }

    fn write(target: &Path, force: bool, content: &[u8]) -> Result<Bundle> {
        let draft = Draft::begin(target, force)?;
        draft.add(DISCRIMINATOR, content)?;
        draft.add("golden/a.png", b"picture")?;
        draft.finish(manifest())
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn what_is_written_opens_and_nothing_else_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("deep/bundle");
        let bundle = write(&target, false, b"onnx").unwrap();
        assert_eq!(bundle.read("golden/a.png").unwrap(), b"picture");
        assert_eq!(names(target.parent().unwrap()), 1);
        assert_eq!(Bundle::open(&target).unwrap().id(), bundle.id());
    }

    #[test]
    fn an_existing_target_stays_unless_forced_and_then_goes_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("bundle");
        write(&target, false, b"old").unwrap();
        assert!(matches!(write(&target, false, b"new"), Err(Error::Exists(_))));
        assert_eq!(Bundle::open(&target).unwrap().read(DISCRIMINATOR).unwrap(), b"old");
        write(&target, true, b"new").unwrap();
        assert_eq!(Bundle::open(&target).unwrap().read(DISCRIMINATOR).unwrap(), b"new");
        assert_eq!(names(dir.path()), 1);
    }

    #[test]
    fn force_does_not_remove_a_folder_that_is_no_bundle() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert!(write(dir.path(), true, b"new").unwrap_err().to_string().contains("--force"));
        assert!(dir.path().join("thesis.txt").exists());
    }

    #[test]
    fn an_unfinished_draft_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let draft = Draft::begin(&dir.path().join("bundle"), false).unwrap();
        draft.add(DISCRIMINATOR, b"onnx").unwrap();
        drop(draft);
        assert_eq!(names(dir.path()), 0);
    }

    #[test]
    fn only_plain_files_are_a_bundle() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (target, outside) = (dir.path().join("bundle"), dir.path().join("outside"));
        write(&target, false, b"onnx").unwrap();
        let complaint = || Bundle::open(&target).unwrap_err().to_string();
        // Each file in turn becomes a link to the same bytes elsewhere, and so does the folder of one.
        for name in [MANIFEST, DISCRIMINATOR, "golden/a.png", "golden"] {
            fs::rename(target.join(name), &outside).unwrap();
            symlink(&outside, target.join(name)).unwrap();
            assert!(complaint().contains("link"), "{name}: {}", complaint());
            fs::remove_file(target.join(name)).unwrap();
            fs::rename(&outside, target.join(name)).unwrap();
        }
        let opened = Bundle::open(&target).unwrap();
        symlink("/etc/hostname", target.join(SIGNATURE)).unwrap();
        assert!(Draft::copy(&opened, &dir.path().join("copy")).is_err(), "a signature that is a link");

        // A pipe without a writer is refused and not waited for.
        fs::remove_file(target.join(DISCRIMINATOR)).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(CWD, target.join(DISCRIMINATOR), fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        assert!(complaint().contains("not a regular file"), "{}", complaint());
        fs::remove_file(target.join(DISCRIMINATOR)).unwrap();
        fs::create_dir(target.join(DISCRIMINATOR)).unwrap();
        assert!(complaint().contains("not a regular file"), "{}", complaint());
    }

    #[test]
    fn a_missing_a_changed_and_a_foreign_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("bundle");
        write(&target, false, b"onnx").unwrap();
        let complaint = || Bundle::open(&target).unwrap_err().to_string();

        fs::write(target.join(DISCRIMINATOR), b"onnX").unwrap();
        assert!(complaint().contains("discriminator.onnx is not the file"));
        fs::remove_file(target.join(DISCRIMINATOR)).unwrap();
        assert!(complaint().contains("discriminator.onnx is missing"));

        let text = fs::read_to_string(target.join(MANIFEST)).unwrap();
        fs::write(target.join(MANIFEST), text.replace("golden/a.png", "../../etc/passwd")).unwrap();
        assert!(complaint().contains("outside the bundle"), "{}", complaint());
        fs::write(target.join(MANIFEST), text.replace("\"schema\": 1", "\"schema\": 7")).unwrap();
        assert!(complaint().contains("schema 7") && complaint().contains("up to 1"));
        fs::write(target.join(MANIFEST), &text[..text.len() / 2]).unwrap();
        assert!(complaint().contains("damaged"));
        fs::remove_file(target.join(MANIFEST)).unwrap();
        assert!(complaint().contains("no bundle"));
    }
}

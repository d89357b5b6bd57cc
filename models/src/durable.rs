//! Bytes enter, a file leaves that is whole or not there: they go to a file of their own and to the disk, and only then take the name.
//!
//! Also what comes before a write: whether a place is free, so that nothing is overwritten unasked, and that no other process writes there.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Error, Result};

/// Writes `bytes` to `path`, replacing what is there; folders that lack are made. When it comes back, no power cut undoes it.
///
/// # Errors
/// [`Error::Io`], a full disk for one; what was there is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = parent(path);
    let made = make_folder(folder)?;
    // The box may run as another user than whoever wrote.
    let mut part = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(Error::io("create a file in", folder))?;
    part.write_all(bytes).and_then(|()| part.as_file().sync_all()).map_err(Error::io("write", path))?;
    part.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    folder.ancestors().take(made + 1).try_for_each(sync)
}

/// Refuses to write a file where another would be lost. Free is a place with nothing, an empty file, or a pipe or device; with `force` any is.
///
/// # Errors
/// [`Error::Exists`].
pub fn vacant(place: &Path, force: bool) -> Result<()> {
    let is_free = fs::metadata(place).map_or(true, |found| !found.is_dir() && (!found.is_file() || found.len() == 0));
    if force || is_free { Ok(()) } else { Err(Error::Exists(place.to_path_buf())) }
}

/// Refuses to fill a folder that holds anything else. Free is one that is not there, is empty, or was begun by an earlier call, which left
/// a file of one of the names `own`.
///
/// # Errors
/// [`Error::Occupied`]; [`Error::Io`] when it cannot be listed, a file in its place for one.
pub fn vacant_folder(folder: &Path, own: &[&str]) -> Result<()> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(Error::io("list", folder))?,
    };
    match listed.flatten().next() {
        Some(found) if !own.iter().any(|name| folder.join(name).exists()) => {
            Err(Error::Occupied { folder: folder.to_path_buf(), found: found.file_name().into() })
        }
        _ => Ok(()),
    }
}

/// Claims a folder for this process, as long as the handle lives; the end of the process gives it back, a kill too.
///
/// # Errors
/// [`Error::Claimed`] when another process has it: two would write the same files. [`Error::Io`].
pub fn claim(folder: &Path) -> Result<File> {
    let handle = File::open(folder).map_err(Error::io("open", folder))?;
    // Some network shares know no locks; a folder there goes unclaimed.
    match handle.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::Claimed(folder.to_path_buf())),
        _ => Ok(handle),
    }
}

/// Makes a folder and those above it that lack; says how many were made.
fn make_folder(folder: &Path) -> Result<usize> {
    let lacking = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).count();
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    Ok(lacking)
}

/// The folder a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Brings a folder's names to the disk.
///
/// # Errors
/// [`Error::Io`].
pub fn sync(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|f| f.sync_all()).map_err(Error::io("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A folder in the place of the target: the rename fails, also for root.
        fs::create_dir_all(dir.path().join("folder/full")).unwrap();
        assert!(write_whole(&dir.path().join("folder"), b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn only_a_place_with_something_to_lose_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        fs::write(place("page.html"), "work").unwrap();
        fs::write(place("empty.html"), "").unwrap();
        let refused = vacant(&place("page.html"), false).unwrap_err().to_string();
        assert!(refused.contains("page.html exists already") && refused.contains("--force"), "{refused}");
        assert!(vacant(dir.path(), false).is_err(), "a folder");
        vacant(&place("page.html"), true).unwrap();
        for free in [place("empty.html"), place("none.html"), "/dev/null".into()] {
            vacant(&free, false).unwrap();
        }
    }

    #[test]
    fn a_folder_is_filled_that_is_empty_or_was_begun_before() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("photos");
        vacant_folder(&folder, &[]).unwrap();
        fs::create_dir(&folder).unwrap();
        vacant_folder(&folder, &[]).unwrap();
        fs::write(folder.join("me.jpg"), "work").unwrap();
        let refused = vacant_folder(&folder, &["run.json"]).unwrap_err().to_string();
        assert!(
            refused.contains("photos") && refused.contains("me.jpg") && refused.contains("empty folder"),
            "{refused}"
        );
        assert!(vacant_folder(&folder.join("me.jpg"), &[]).is_err(), "a file in its place");
        fs::write(folder.join("run.json"), "{}").unwrap();
        vacant_folder(&folder, &["run.json"]).unwrap();
    }

    #[test]
    fn a_claimed_folder_is_free_again_once_its_handle_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let claimed = claim(dir.path()).unwrap();
        assert!(matches!(claim(dir.path()), Err(Error::Claimed(_))));
        drop(claimed);
        claim(dir.path()).unwrap();
    }
}

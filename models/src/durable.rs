//! Bytes enter; a file leaves that is complete or absent: the bytes go to a temporary file and to the disk, and only
//! then does the file take its name.
//!
//! The checks before a write are here too: whether a place is free, so that nothing is overwritten unasked, and that
//! no other process writes there.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::{Error, Result};

/// Writes `bytes` to `path`, replaces what is there, and creates missing folders.
///
/// When it returns, the write is on the disk: a power cut does not undo it. Several threads and processes may
/// write into one folder. Everyone may read the file: the box may run as a different user from the one who wrote
/// it.
///
/// # Errors
/// [`Error::Io`], for example when the disk is full; what was at `path` is then unchanged.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, 0o644)
}

/// Does the same as [`write_whole`] for a file that only this user may read.
///
/// # Errors
/// The same as of [`write_whole`].
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes, 0o600)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let folder = parent(path);
    let made = make_folder(folder)?;
    let mut part = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)
        .map_err(Error::io("create a file in", folder))?;
    part.write_all(bytes).and_then(|()| part.as_file().sync_all()).map_err(Error::io("write", path))?;
    part.persist(path).map_err(|e| Error::io("write", path)(e.error))?;
    folder.ancestors().take(made + 1).try_for_each(sync)
}

/// Refuses to write a file where another would be lost.
///
/// A place is free when it holds nothing, an empty file, a pipe or a device. With `force` every place is free.
///
/// # Errors
/// [`Error::Exists`] when the place is not free.
pub fn ensure_free(place: &Path, force: bool) -> Result<()> {
    let is_free = fs::metadata(place).map_or(true, |found| !found.is_dir() && (!found.is_file() || found.len() == 0));
    if force || is_free { Ok(()) } else { Err(Error::Exists(place.to_path_buf())) }
}

/// Refuses to fill a folder that holds anything else.
///
/// A folder is free when it does not exist, when it is empty, or when an earlier call began it, which left a file
/// with one of the names `own`.
///
/// # Errors
/// [`Error::Occupied`] when the folder is not free; [`Error::Io`] when it cannot be listed, for example because a
/// file is in its place.
pub fn ensure_folder_free(folder: &Path, own: &[&str]) -> Result<()> {
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

/// Claims a folder for this process for the lifetime of the handle. The claim ends with the process, even when it is
/// killed.
///
/// # Errors
/// [`Error::Claimed`] when another process has claimed it: two processes would write the same files. [`Error::Io`]
/// when the folder cannot be opened.
pub fn lock_folder(folder: &Path) -> Result<File> {
    let handle = File::open(folder).map_err(Error::io("open", folder))?;
    // Some network shares have no locks; a folder there is not claimed.
    match handle.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::Claimed(folder.to_path_buf())),
        _ => Ok(handle),
    }
}

/// Creates a folder and its missing parents; returns how many were created.
fn make_folder(folder: &Path) -> Result<usize> {
    let lacking = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).count();
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    Ok(lacking)
}

/// The folder in which a path lies.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a folder's list of names to the disk.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be opened or synced.
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
        write_private(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // A folder is in the place of the target: the rename fails, also for root.
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
        let refused = ensure_free(&place("page.html"), false).unwrap_err().to_string();
        assert!(refused.contains("page.html exists already") && refused.contains("--force"), "{refused}");
        assert!(ensure_free(dir.path(), false).is_err(), "a folder");
        ensure_free(&place("page.html"), true).unwrap();
        for free in [place("empty.html"), place("none.html"), "/dev/null".into()] {
            ensure_free(&free, false).unwrap();
        }
    }

    #[test]
    fn a_folder_is_filled_that_is_empty_or_was_begun_before() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("photos");
        ensure_folder_free(&folder, &[]).unwrap();
        fs::create_dir(&folder).unwrap();
        ensure_folder_free(&folder, &[]).unwrap();
        fs::write(folder.join("me.jpg"), "work").unwrap();
        let refused = ensure_folder_free(&folder, &["run.json"]).unwrap_err().to_string();
        assert!(
            refused.contains("photos") && refused.contains("me.jpg") && refused.contains("empty folder"),
            "{refused}"
        );
        assert!(ensure_folder_free(&folder.join("me.jpg"), &[]).is_err(), "a file in its place");
        fs::write(folder.join("run.json"), "{}").unwrap();
        ensure_folder_free(&folder, &["run.json"]).unwrap();
    }

    #[test]
    fn a_claimed_folder_is_free_again_once_its_handle_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let claimed = lock_folder(dir.path()).unwrap();
        assert!(matches!(lock_folder(dir.path()), Err(Error::Claimed(_))));
        drop(claimed);
        lock_folder(dir.path()).unwrap();
    }
}

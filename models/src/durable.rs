//! Writing a file so that it is whole or not there, whoever else writes beside: bytes go to a file of their own and to the disk, and only
//! then take the name.

use std::fs::{self, File, Permissions};
use std::io::Write;
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
}

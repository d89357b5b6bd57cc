//! Writing a file so that it is whole or not there: bytes go beside their place and to the disk, and only then take the name.
//!
//! What a run folder holds is written this way, so that a kill, a power cut or a full disk at any moment leaves the old file or the new one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The file beside. One name a folder: what a kill leaves there the folder's next write takes for itself.
pub(crate) const PART: &str = ".part";

/// Writes `bytes` to `path`, replacing what is there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, 0o644)
}

/// The same with what nobody but this user may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_as(path, bytes, 0o600)
}

fn write_as(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = folder.join(PART);
    let written = File::create(&part)
        .and_then(|mut file| {
            // Before anything is in it; what a kill has left may have been another's.
            file.set_permissions(Permissions::from_mode(mode))?;
            file.write_all(bytes).and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // The failure is the news; should the remains resist, the next write overwrites them.
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_remains() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A folder in the place of the target: the rename fails, also for root.
        fs::create_dir_all(dir.path().join("folder/full")).unwrap();
        assert!(write(&dir.path().join("folder"), b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}

//! Writes the files of a run folder atomically: the bytes go to a temporary file in the same folder and to the
//! disk, and then the file is renamed. A kill, a power failure or a full disk at any moment leaves the old file or
//! the new one.
//!
//! One process has a run folder to itself, so the temporary file has one name and a kill leaves at most one
//! checkpoint of remains. For folders into which others write see [`counterfoil_models::write_whole`] (decision
//! 11).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Name of the temporary file. There is one name for each folder, so that a file left by a killed process is
/// overwritten by the folder's next write.
pub(crate) const PART: &str = ".part";

/// Writes `bytes` to `path` and replaces an existing file. No other thread or process may write into the folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let part = folder.join(PART);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        // The first error is the one to report. If the temporary file cannot be removed, the next write overwrites
        // it.
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
        // A folder in place of the target: the rename fails, also for root.
        fs::create_dir_all(dir.path().join("folder/full")).unwrap();
        assert!(write(&dir.path().join("folder"), b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}

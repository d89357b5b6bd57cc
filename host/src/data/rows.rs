//! Storage for records of equal length: they are appended in order and can be read at any position.
//!
//! Records are kept in memory while all of them together are small, and otherwise in a temporary file without a name.
//! So a folder of pictures may be larger than the memory, and a killed process leaves no file behind. Reads are
//! positioned and need no lock, and the operating system caches the file's pages in free memory.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{DataError, Result};

/// Bytes of records that a run keeps in memory, 256 MiB: MNIST is 47 MB. More would bring no speed, since a read from
/// the system's cache takes about a microsecond.
const MEMORY: u64 = 256 << 20;

/// Limits of the storage for the rows of a run.
#[derive(Clone, Debug)]
pub struct StorageLimits {
    /// Maximum number of bytes in memory.
    pub memory: u64,
    /// Folder of the temporary file that is used beyond that.
    pub folder: PathBuf,
}

impl StorageLimits {
    /// Allows 256 MiB of memory and, beyond that, the disk of the folder `run`, which does not have to exist yet.
    #[must_use]
    pub fn of(run: &Path) -> Self {
        let folder = run.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        Self { memory: MEMORY, folder: folder.to_path_buf() }
    }
}

/// A list of records of equal length.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Length of a record in bytes.
    each: usize,
    len: usize,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    File { file: File, folder: PathBuf },
}

impl Rows {
    /// Makes room for up to `count` records of `each` bytes. If they do not all fit into memory, all of them go into
    /// the file.
    ///
    /// # Errors
    /// [`DataError::Spill`] when the file cannot be made.
    pub(crate) fn new(each: usize, count: usize, room: &StorageLimits) -> Result<Self> {
        let place = if (each as u64).saturating_mul(count as u64) <= room.memory {
            Place::Memory(Vec::with_capacity(each * count))
        } else {
            let folder = room.folder.clone();
            match tempfile::tempfile_in(&folder) {
                Ok(file) => Place::File { file, folder },
                Err(source) => return Err(DataError::Spill { doing: "make", folder, source }),
            }
        };
        Ok(Self { each, len: 0, place })
    }

    /// Wraps records that are in memory already; `bytes` is a whole number of them.
    pub(super) fn from_bytes(each: usize, bytes: Vec<u8>) -> Self {
        Self { each, len: bytes.len() / each, place: Place::Memory(bytes) }
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a whole number of records.
    ///
    /// # Errors
    /// [`DataError::Spill`] when the disk is full or fails.
    pub(crate) fn push(&mut self, records: &[u8]) -> Result<()> {
        debug_assert!(records.len().is_multiple_of(self.each), "records of {} bytes", self.each);
        match &mut self.place {
            Place::Memory(bytes) => bytes.extend_from_slice(records),
            Place::File { file, folder } => file
                .write_all_at(records, (self.len * self.each) as u64)
                .map_err(|source| DataError::Spill { doing: "write to", folder: folder.clone(), source })?,
        }
        self.len += records.len() / self.each;
        Ok(())
    }

    /// Fills `into`, a whole number of records, starting at record `first`.
    ///
    /// # Errors
    /// [`DataError::Spill`] when the disk fails.
    ///
    /// # Panics
    /// When there are fewer records.
    pub(crate) fn read(&self, first: usize, into: &mut [u8]) -> Result<()> {
        let start = first * self.each;
        let end = start + into.len();
        assert!(end <= self.len * self.each, "bytes {start}..{end} of {} records of {}", self.len, self.each);
        match &self.place {
            Place::Memory(bytes) => into.copy_from_slice(&bytes[start..end]),
            Place::File { file, folder } => file
                .read_exact_at(into, start as u64)
                .map_err(|source| DataError::Spill { doing: "read from", folder: folder.clone(), source })?,
        }
        Ok(())
    }

    /// The folder of the temporary file; `None` when the records are in memory.
    pub(crate) fn spilled(&self) -> Option<&Path> {
        match &self.place {
            Place::Memory(_) => None,
            Place::File { folder, .. } => Some(folder),
        }
    }

    /// Truncates the temporary file, to simulate a failing disk.
    #[cfg(test)]
    pub(crate) fn lose(&self) -> std::io::Result<()> {
        match &self.place {
            Place::Memory(_) => Err(std::io::Error::other("the rows are in memory")),
            Place::File { file, .. } => file.set_len(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_file_give_the_same_records_and_the_file_has_no_name() {
        let dir = tempfile::tempdir().unwrap();
        for (memory, in_file) in [(12, false), (11, true)] {
            let mut rows = Rows::new(3, 4, &StorageLimits { memory, folder: dir.path().to_path_buf() }).unwrap();
            rows.push(&[0, 1, 2, 3, 4, 5]).unwrap();
            rows.push(&[6, 7, 8]).unwrap();
            assert_eq!((rows.len(), rows.spilled().is_some()), (3, in_file));
            let (mut one, mut two) = ([0; 3], [0; 6]);
            rows.read(2, &mut one).unwrap();
            rows.read(1, &mut two).unwrap();
            assert_eq!((one, two), ([6, 7, 8], [3, 4, 5, 6, 7, 8]));
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_disk_that_fails_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let room = StorageLimits { memory: 0, folder: dir.path().to_path_buf() };
        let mut rows = Rows::new(2, 9, &room).unwrap();
        rows.push(&[1, 2]).unwrap();
        rows.lose().unwrap();
        let message = rows.read(0, &mut [0; 2]).unwrap_err().to_string();
        assert!(message.contains(&dir.path().display().to_string()) && message.contains("read from"), "{message}");
        let gone = StorageLimits { folder: dir.path().join("gone"), ..room };
        assert!(Rows::new(2, 9, &gone).unwrap_err().to_string().contains("gone"));
    }

    #[test]
    fn a_run_that_is_not_there_yet_has_room_where_it_will_lie() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(StorageLimits::of(&dir.path().join("runs/label")).folder, dir.path());
        assert_eq!(StorageLimits::of(Path::new("not-there/label")).folder, Path::new("."));
    }
}

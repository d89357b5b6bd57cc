//! Paths as a user typed them become [`Source`]s: files, folders' pictures, and `-` for stdin.
//!
//! A file because of what can be wrong with a path, none of which may stop the rest: it becomes a source that tells.
//! The list is lazy, so that a folder of any size costs the names of one folder at a time and no picture.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::{Error, Result};

/// Names that make a file in a folder a picture; a file that is named itself is tried whatever its name.
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];
/// One byte more than a picture file may have: whoever sends more (`/dev/zero`) is refused by the decoder, not by memory.
const MAX_READ: u64 = (64 << 20) + 1;

/// Where one picture's bytes come from.
#[derive(Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The bytes on stdin, one picture.
    Stdin,
    /// A path that leads to no picture.
    Refused {
        /// The path.
        path: PathBuf,
        /// Why not.
        error: Error,
    },
}

impl Source {
    /// The path as typed or found; `-` for stdin.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Refused { path, .. } => path,
            Self::Stdin => Path::new("-"),
        }
    }

    /// The picture file's bytes.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or what was wrong with the path.
    pub fn read(self) -> Result<Vec<u8>> {
        match self {
            Self::File(path) => File::open(path).and_then(limited),
            Self::Stdin => limited(io::stdin().lock()),
            Self::Refused { error, .. } => return Err(error),
        }
        .map_err(Error::Unreadable)
    }
}

fn limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_READ).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The pictures that `paths` name, in that order; a folder's in the order of their names, whatever lies below it included.
pub fn pictures(paths: Vec<PathBuf>) -> impl Iterator<Item = Source> + Send {
    paths.into_iter().flat_map(|path| {
        let sources: Box<dyn Iterator<Item = Source> + Send> = if path == Path::new("-") {
            Box::new(std::iter::once(Source::Stdin))
        } else if path.is_dir() {
            Box::new(Folder { entries: walk(&path), path: Some(path) })
        } else {
            Box::new(std::iter::once(Source::File(path)))
        };
        sources
    })
}

/// A folder being listed.
struct Folder<I> {
    entries: I,
    /// The folder's own path until it has given anything.
    path: Option<PathBuf>,
}

impl<I: Iterator<Item = Source>> Iterator for Folder<I> {
    type Item = Source;

    fn next(&mut self) -> Option<Source> {
        let source = self.entries.next();
        let unproductive = self.path.take();
        source.or_else(|| Some(Source::Refused { path: unproductive?, error: Error::NoPictures }))
    }
}

fn walk(folder: &Path) -> impl Iterator<Item = Source> + Send + use<> {
    let visible = |entry: &DirEntry| entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".");
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(visible);
    entries.filter_map(|entry| match entry {
        Ok(entry) if is_picture(&entry) => Some(Source::File(entry.into_path())),
        Ok(_) => None,
        Err(error) => {
            let path = error.path().map(Path::to_path_buf).unwrap_or_default();
            Some(Source::Refused { path, error: Error::Unlisted(error.into()) })
        }
    })
}

fn is_picture(entry: &DirEntry) -> bool {
    let named = entry.path().extension().and_then(OsStr::to_str);
    named.is_some_and(|name| EXTENSIONS.iter().any(|known| name.eq_ignore_ascii_case(known)))
        && (entry.file_type().is_file()
            // A link counts as what it leads to; one that leads nowhere is passed on, to be told of.
            || entry.path_is_symlink() && entry.path().metadata().map_or(true, |found| found.is_file()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(paths: &[&Path]) -> Vec<String> {
        pictures(paths.iter().map(|p| p.to_path_buf()).collect())
            .map(|source| source.path().file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn a_folder_gives_its_pictures_sorted_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/.git")).unwrap();
        for name in ["c.PNG", "a.jpeg", "b/x.Jpg", "b/.git/y.png", ".hidden.png", "notes.txt", "png"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("lost.png")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("round.png")).unwrap();
        assert_eq!(names(&[dir.path()]), ["a.jpeg", "x.Jpg", "c.PNG", "lost.png"]);
    }

    #[test]
    fn what_is_named_itself_is_tried_whatever_its_name() {
        assert_eq!(names(&[Path::new("gone/.scan"), Path::new("-")]), [".scan", "-"]);
        let error = Source::File("gone/.scan".into()).read().unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }

    #[test]
    fn an_empty_folder_is_told_of_once_and_the_rest_goes_on() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(full.path().join("a.png"), "x").unwrap();
        let mut found = pictures(vec![empty.path().into(), full.path().into()]);
        let Some(Source::Refused { path, error: Error::NoPictures }) = found.next() else { panic!("it is empty") };
        assert_eq!(path, empty.path());
        assert!(matches!(found.next(), Some(Source::File(_))));
        assert!(found.next().is_none());
    }

    #[test]
    fn an_endless_file_is_cut_where_the_decoder_refuses_it() {
        let bytes = Source::File("/dev/zero".into()).read().unwrap();
        assert!(counterfoil_models::Frame::decode(&bytes).unwrap_err().to_string().contains("at most 64 MB"));
    }
}

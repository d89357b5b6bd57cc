//! Paths as a user typed them become [`Source`]s: files, folders' pictures, and `-` for stdin.
//!
//! A file because of what can be wrong with a path, none of which may stop the rest: it becomes a source that tells.
//! The list is lazy, so that a folder of any size costs the names of one folder at a time and no picture.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use counterfoil_models::{DecodedFrame, FileKind, Frame, KIND_BYTES, read_file};
use walkdir::{DirEntry, WalkDir};

use crate::{Error, Result};

/// What systems and programs leave in folders of pictures, in lower case; hidden names besides.
const LITTER: [&str; 7] =
    ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"];

/// Where one picture's bytes come from.
#[derive(Debug)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The bytes on stdin, one picture.
    Stdin,
    /// A path that leads to no picture that can be read, though one was expected there.
    Refused {
        /// The path.
        path: PathBuf,
        /// Why not.
        error: Error,
    },
    /// A file in a folder that neither is nor is called a picture: a note, a table, a program's data.
    NotAPicture(PathBuf),
}

impl Source {
    /// The path as typed or found; `-` for stdin.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Refused { path, .. } | Self::NotAPicture(path) => path,
            Self::Stdin => Path::new("-"),
        }
    }

    /// The picture, decoded.
    ///
    /// # Errors
    /// [`Error::Unreadable`], what is wrong with the picture, or what was wrong with the path.
    pub fn frame(self) -> Result<DecodedFrame> {
        match self {
            Self::File(path) | Self::NotAPicture(path) => Frame::open(&path).map_err(|error| match error {
                counterfoil_models::Error::Io { source, .. } => Error::Unreadable(source),
                error => error.into(),
            }),
            source => Ok(Frame::decode(&source.read()?)?),
        }
    }

    /// The picture file's bytes.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or what was wrong with the path.
    pub fn read(self) -> Result<Vec<u8>> {
        match self {
            Self::File(path) | Self::NotAPicture(path) => File::open(path).and_then(read_file),
            Self::Stdin => read_file(io::stdin().lock()),
            Self::Refused { error, .. } => return Err(error),
        }
        .map_err(Error::Unreadable)
    }

    /// A folder's file as its first bytes tell: a picture, one of a kind that is not read, or none. Other sources stay what they are.
    #[must_use]
    pub fn identified(self) -> Self {
        let Self::File(path) = self else { return self };
        let kind = match kind_of(&path) {
            Ok(kind) => kind,
            Err(error) => return Self::Refused { path, error: Error::Unreadable(error) },
        };
        match kind.format() {
            Ok(_) => Self::File(path),
            Err(_) if matches!(kind, FileKind::NotAPicture { .. }) && !FileKind::is_named_like_a_picture(&path) => {
                Self::NotAPicture(path)
            }
            Err(error) => Self::Refused { path, error: error.into() },
        }
    }
}

/// The kind of a file by its first bytes. A pipe, a socket or a device is not opened, since it may block or change.
fn kind_of(path: &Path) -> io::Result<FileKind> {
    if !path.metadata()?.is_file() {
        return Ok(FileKind::special());
    }
    let mut head = Vec::with_capacity(KIND_BYTES);
    File::open(path)?.take(KIND_BYTES as u64).read_to_end(&mut head)?;
    Ok(FileKind::of(&head))
}

/// The pictures that `paths` name, in that order; a folder's in the order of their names, whatever lies below it included.
///
/// What is named itself is tried whatever it is. In a folder every file is told by its content, never by its name, and none is passed
/// over: a picture that cannot be read is [`Source::Refused`], any other file [`Source::NotAPicture`]. Only hidden files and what systems
/// leave behind (`Thumbs.db`, `__MACOSX`, ...) are left out.
pub fn pictures(paths: Vec<PathBuf>) -> impl Iterator<Item = Source> + Send {
    paths.into_iter().flat_map(|path| {
        let sources: Box<dyn Iterator<Item = Source> + Send> = if path == Path::new("-") {
            Box::new(std::iter::once(Source::Stdin))
        } else if path.is_dir() {
            Box::new(Folder { entries: files(&path).map(Source::identified), path: Some(path) })
        } else {
            Box::new(std::iter::once(Source::File(path)))
        };
        sources
    })
}

/// A folder being listed.
struct Folder<I> {
    entries: I,
    /// The folder's own path until it has given a picture, or a reason for there being none.
    path: Option<PathBuf>,
}

impl<I: Iterator<Item = Source>> Iterator for Folder<I> {
    type Item = Source;

    fn next(&mut self) -> Option<Source> {
        let source = self.entries.next();
        match source {
            Some(Source::NotAPicture(_)) => source,
            Some(_) => {
                self.path = None;
                source
            }
            None => Some(Source::Refused { path: self.path.take()?, error: Error::NoPictures }),
        }
    }
}

/// The files that are no pictures, counted, and the first few by name.
#[derive(Debug, Default)]
pub struct PassedOver {
    count: usize,
    first: Vec<PathBuf>,
}

impl PassedOver {
    /// Names that are given.
    const NAMED: usize = 3;

    /// Takes note of such a file; every other source passes through.
    pub fn sift(&mut self, source: Source) -> Option<Source> {
        let Source::NotAPicture(path) = source else { return Some(source) };
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(path);
        }
        None
    }

    /// A sentence about them, where there are any.
    #[must_use]
    pub fn sentence(&self) -> Option<String> {
        let names: Vec<_> = self.first.iter().map(|path| path.to_string_lossy()).collect();
        let names = names.join(", ").replace(char::is_control, "\u{fffd}");
        Some(match (self.count, self.count - self.first.len()) {
            (0, _) => return None,
            (1, _) => format!("1 file is no picture: {names}"),
            (count, 0) => format!("{count} files are no pictures: {names}"),
            (count, more) => format!("{count} files are no pictures: {names} and {more} more"),
        })
    }
}

/// All files of a folder and below it, sorted by name, none of them opened; links are followed, each real folder once.
pub fn files(folder: &Path) -> impl Iterator<Item = Source> + Send + use<> {
    let mut folders = HashSet::new();
    let wanted = move |entry: &DirEntry| {
        (entry.depth() == 0 || !is_litter(entry.path()))
            && (!entry.file_type().is_dir()
                // A folder that cannot be asked for its number is listed, which tells what is wrong with it.
                || entry.metadata().map_or(true, |found| folders.insert((found.dev(), found.ino()))))
    };
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(wanted);
    entries.filter_map(|entry| match entry {
        Ok(entry) => (!entry.file_type().is_dir()).then(|| Source::File(entry.into_path())),
        // A link to a folder above, which is being listed.
        Err(error) if error.loop_ancestor().is_some() => None,
        Err(error) => {
            let path = error.path().map(Path::to_path_buf).unwrap_or_default();
            let error = match path.is_symlink() {
                _ if is_litter(&path) => return None,
                true => Error::BrokenLink(error.into()),
                false => Error::Unlisted(error.into()),
            };
            Some(Source::Refused { path, error })
        }
    })
}

fn is_litter(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || LITTER.contains(&name.to_lowercase().as_str())
}

/// A path as it can be printed: control characters, which could command a terminal, are replaced.
#[must_use]
pub fn printable(path: &Path) -> String {
    path.to_string_lossy().replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    const PICTURE: &[u8] = b"\x89PNG\r\n\x1A\n";

    /// Each source's name, and what it is: "" for a picture, "-" for none, else why it is refused.
    fn list(paths: &[&Path]) -> Vec<(String, String)> {
        pictures(paths.iter().map(|p| p.to_path_buf()).collect())
            .map(|source| {
                let name = source.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                let what = match source {
                    Source::File(_) | Source::Stdin => String::new(),
                    Source::NotAPicture(_) => "-".into(),
                    Source::Refused { error, .. } => error.to_string(),
                };
                (name, what)
            })
            .collect()
    }

    fn names(paths: &[&Path]) -> Vec<String> {
        list(paths).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_folders_files_are_told_by_content_and_none_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        for name in ["a.jfif", "b/no ending", "b/x.txt", "c.PNG"] {
            put(name, PICTURE);
        }
        put("d.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic");
        put("e.jpg", b"<!DOCTYPE html><title>404</title>");
        put("f.png", b"");
        put("notes.txt", b"three of them are from the bank");
        let socket = UnixListener::bind(dir.path().join("g.sock")).unwrap();
        for litter in [".hidden.png", "._a.jfif", "b/.git/y.png", "Thumbs.db", "__MACOSX/x.png", "@eaDir/x.png"] {
            put(litter, PICTURE);
        }
        let listed = list(&[dir.path()]);
        let named: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, ["a.jfif", "no ending", "x.txt", "c.PNG", "d.heic", "e.jpg", "f.png", "g.sock", "notes.txt"]);
        let what: Vec<&str> = listed.iter().map(|(_, what)| what.as_str()).collect();
        assert_eq!((&what[..4], &what[7..]), (&[""; 4][..], &["-"; 2][..]));
        assert!(what[4].contains("HEIC") && what[5].contains("HTML page") && what[6].contains("empty"), "{what:?}");
        drop(socket);
    }

    #[test]
    fn links_are_followed_and_each_folder_is_listed_once() {
        let (dir, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(dir.path().join("z")).unwrap();
        fs::write(dir.path().join("z/own.png"), PICTURE).unwrap();
        fs::write(store.path().join("far.png"), PICTURE).unwrap();
        symlink(store.path().join("far.png"), dir.path().join("a link.png")).unwrap();
        symlink(store.path(), dir.path().join("batch")).unwrap();
        symlink(store.path(), dir.path().join("the same batch")).unwrap();
        symlink(dir.path(), dir.path().join("round")).unwrap();
        symlink(dir.path(), store.path().join("round too")).unwrap();
        symlink("nowhere", dir.path().join("lost.png")).unwrap();
        let listed = list(&[dir.path()]);
        let named: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, ["a link.png", "far.png", "lost.png", "own.png"]);
        assert!(listed[2].1.contains("link"), "{}", listed[2].1);
    }

    #[test]
    fn what_is_named_itself_is_tried_whatever_its_name() {
        assert_eq!(names(&[Path::new("gone/.scan"), Path::new("-")]), [".scan", "-"]);
        let error = Source::File("gone/.scan".into()).frame().unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }

    #[test]
    fn a_folder_without_pictures_is_told_of_once_and_the_rest_goes_on() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(empty.path().join("notes.txt"), "none yet").unwrap();
        fs::write(full.path().join("a.png"), PICTURE).unwrap();
        let mut found = pictures(vec![empty.path().into(), full.path().into()]);
        assert!(matches!(found.next(), Some(Source::NotAPicture(_))));
        let Some(Source::Refused { path, error: Error::NoPictures }) = found.next() else { panic!("it is empty") };
        assert_eq!(path, empty.path());
        assert!(matches!(found.next(), Some(Source::File(_))));
        assert!(found.next().is_none());
    }

    #[test]
    fn an_endless_file_is_cut_where_the_decoder_refuses_it() {
        let error = Source::File("/dev/zero".into()).frame().unwrap_err();
        assert!(error.to_string().contains("at most 64 MB"), "{error}");
    }
}

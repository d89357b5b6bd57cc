//! Turns paths, as a user typed them, into [`Source`]s: files, the pictures of folders, and `-` for standard input.
//!
//! A file of its own because many things can be wrong with a path, and none of them may stop the rest: each
//! becomes a source that carries its error. The list is lazy, so a folder of any size needs memory for the names
//! of one folder at a time, and for no pictures.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use counterfoil_models::{DecodedFrame, FileKind, Frame, KIND_BYTES, PictureFile, read_file};
use walkdir::{DirEntry, WalkDir};

use crate::{Error, Result};

/// Names, in lower case, of files that systems and programs leave in folders of pictures. Hidden files
/// are left out too.
const IGNORED_NAMES: [&str; 7] =
    ["thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information"];

/// Where the bytes of one picture come from.
#[derive(Debug)]
pub enum Source {
    /// A file, by its path.
    File(PathBuf),
    /// Standard input, with the bytes of one picture.
    Stdin,
    /// A path where a picture was expected, but which gives no picture that can be read.
    Refused {
        /// The path, as typed or found.
        path: PathBuf,
        /// Why the path gives no picture.
        error: Error,
    },
    /// A file in a folder that is not a picture, neither by content nor by name: a note, a table, data of a program.
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

    /// Decodes the picture.
    ///
    /// # Errors
    /// [`Error::Unreadable`], the decoding error, or the error of a refused path.
    pub fn frame(self) -> Result<DecodedFrame> {
        match self {
            Self::File(path) | Self::NotAPicture(path) => Frame::open(&path).map_err(|error| match error {
                counterfoil_models::Error::Io { source, .. } => Error::Unreadable(source),
                error => error.into(),
            }),
            source => Ok(Frame::decode(&source.read()?)?),
        }
    }

    /// Reads the bytes of the picture file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], or the error of a refused path.
    pub fn read(self) -> Result<Vec<u8>> {
        match self {
            Self::File(path) | Self::NotAPicture(path) => PictureFile::open(&path).and_then(read_file),
            Self::Stdin => read_file(io::stdin().lock()),
            Self::Refused { error, .. } => return Err(error),
        }
        .map_err(Error::Unreadable)
    }

    /// Identifies a file by its first bytes: a picture, a picture of an unsupported kind, or no
    /// picture. Other sources are returned unchanged.
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

/// The kind of a file by its first bytes. Pipes, sockets and devices are not opened, because reading
/// them may block or change something.
fn kind_of(path: &Path) -> io::Result<FileKind> {
    if !path.metadata()?.is_file() {
        return Ok(FileKind::special());
    }
    let mut head = Vec::with_capacity(KIND_BYTES);
    File::open(path)?.take(KIND_BYTES as u64).read_to_end(&mut head)?;
    Ok(FileKind::of(&head))
}

/// The pictures that `paths` name, in that order. A folder gives its files and those below it, sorted by name.
///
/// A file that is named itself is tried whatever it is. In a folder, every file is identified by its content,
/// never by its name, and none is skipped silently: a picture that cannot be read becomes
/// [`Source::Refused`], any other file [`Source::NotAPicture`]. Only hidden files and those that systems
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
    /// The path of the folder, until the folder has given a picture or an error.
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

/// Counts the files that are not pictures, and keeps the names of the first few.
#[derive(Debug, Default)]
pub struct SkippedFiles {
    count: usize,
    first: Vec<PathBuf>,
}

impl SkippedFiles {
    /// Number of names that are kept.
    const NAMED: usize = 3;

    /// Counts and removes a [`Source::NotAPicture`]; returns every other source.
    pub fn sift(&mut self, source: Source) -> Option<Source> {
        let Source::NotAPicture(path) = source else { return Some(source) };
        self.count += 1;
        if self.first.len() < Self::NAMED {
            self.first.push(path);
        }
        None
    }

    /// A sentence that names these files; `None` if there are none.
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

/// All files in a folder and below it, sorted by name. No file is opened. Links are followed, and each
/// real folder is listed once.
pub fn files(folder: &Path) -> impl Iterator<Item = Source> + Send + use<> {
    let mut folders = HashSet::new();
    let wanted = move |entry: &DirEntry| {
        (entry.depth() == 0 || !is_litter(entry.path()))
            && (!entry.file_type().is_dir()
                // A folder without metadata is listed all the same, so that listing it reports the error.
                || entry.metadata().map_or(true, |found| folders.insert((found.dev(), found.ino()))))
    };
    let entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(wanted);
    entries.filter_map(|entry| match entry {
        Ok(entry) => (!entry.file_type().is_dir()).then(|| Source::File(entry.into_path())),
        // A link to a folder above, which is listed anyway.
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
    name.starts_with('.') || IGNORED_NAMES.contains(&name.to_lowercase().as_str())
}

/// The path for printing: control characters, which could send commands to a terminal, are replaced.
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

    /// The name and the status of each source: "" for a picture, "-" for a file that is not one, otherwise the error.
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

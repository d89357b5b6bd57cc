//! A path a user gives becomes a list of pictures, each with its group and, for counterfeits, its family.
//!
//! Three layouts are known: MNIST's IDX files; a folder with `real/` and maybe `fake/FAMILY/`; any other folder,
//! all of whose pictures are taken for genuine. `dataset.toml` in the folder may say how its pictures are to be
//! looked at.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use counterfoil_edge::source::{Source, pictures};
use counterfoil_models::{Article, Color, DecodedFrame, Frame, Region, Resize};
use image::DynamicImage;
use regex::Regex;
use serde::Deserialize;

use super::{DataError, Idx, Result};

/// What `dataset.toml` may say: how pictures of this kind are best looked at. Flags go before it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Grey or RGB.
    pub color: Option<Color>,
    /// Width and height of the network's input.
    pub size: Option<[u32; 2]>,
    /// What to do with another aspect ratio.
    pub resize: Option<Resize>,
    /// What of a picture is looked at.
    pub article: Option<Article>,
    /// The crops that are judged.
    pub regions: Option<Vec<Region>>,
    /// A regular expression on file names; its first capture (or the whole match) names the group.
    pub group: Option<String>,
}

/// Before the names of genuine pictures that stand beside a data set; no file's path holds an empty part.
const MORE: &str = "more//";

/// One picture.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its path below the dataset's folder, or its number in an IDX file.
    pub name: String,
    /// Pictures of one group never stand on both sides of a split.
    pub group: String,
    /// For counterfeits, the kind of forger; `None` for the genuine.
    pub family: Option<String>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Idx(Arc<Idx>, usize),
}

impl Item {
    /// Whether it stands beside the data set.
    #[must_use]
    pub fn is_more(&self) -> bool {
        self.name.starts_with(MORE)
    }

    /// Reads and decodes the picture.
    ///
    /// # Errors
    /// [`DataError::Picture`].
    pub fn frame(&self) -> Result<DecodedFrame> {
        match &self.place {
            Place::File(path) => Source::File(path.clone()).read().and_then(|bytes| Ok(Frame::decode(&bytes)?)),
            Place::Idx(idx, index) => {
                Frame::from_image(DynamicImage::ImageLuma8(idx.picture(*index))).map(Into::into).map_err(Into::into)
            }
        }
        .map_err(|source| DataError::Picture { name: self.name.clone(), source })
    }

    /// What a table of scores calls it: the path of its file, or its number in an IDX file.
    #[must_use]
    pub fn label(&self) -> String {
        self.path().map_or_else(|| self.name.clone(), |path| path.to_string_lossy().into_owned())
    }

    /// The picture's file, where it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Idx(..) => None,
        }
    }
}

/// All pictures of a path.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Pictures of the genuine article.
    pub genuine: Vec<Item>,
    /// Known counterfeits; nothing trains on them.
    pub fake: Vec<Item>,
    /// What the folder says of itself.
    pub settings: Settings,
}

impl Dataset {
    /// Lists a path's pictures, sorted by name. `group` goes before the pattern in `dataset.toml`.
    ///
    /// # Errors
    /// [`DataError`], naming the file, the flag or the folder at fault.
    pub fn open(path: &Path, group: Option<&str>) -> Result<Self> {
        if let Some(file) = Idx::find(path) {
            return Self::from_idx(&file);
        }
        fs::read_dir(path).map_err(|source| DataError::Io { doing: "open", path: path.to_path_buf(), source })?;
        let settings = read_settings(path)?;
        let pattern = group.or(settings.group.as_deref()).map(compile).transpose()?;
        let list = |below: &Path, family: &dyn Fn(&Path) -> Option<String>| {
            pictures_below(below)
                .map(|file| {
                    let file = file?;
                    let relative = file.strip_prefix(path).unwrap_or(&file).to_path_buf();
                    let name = relative.to_string_lossy().into_owned();
                    let group = group_of(&name, pattern.as_ref())?;
                    Ok(Item { family: family(&relative), name, group, place: Place::File(file) })
                })
                .collect::<Result<Vec<Item>>>()
        };

        let real = path.join("real");
        let (genuine, fake) = if real.is_dir() {
            let fakes = path.join("fake");
            let fake = if fakes.is_dir() { list(&fakes, &|file| Some(family_of(file)))? } else { Vec::new() };
            (list(&real, &|_| None)?, fake)
        } else {
            (list(path, &|_| None)?, Vec::new())
        };
        if genuine.is_empty() && fake.is_empty() {
            return Err(DataError::Empty(path.to_path_buf()));
        }
        Ok(Self { genuine, fake, settings })
    }

    /// Lists a folder of counterfeits: the folders in it are families; where there are none, it is one itself.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_fakes(path: &Path, group: Option<&str>) -> Result<Vec<Item>> {
        let mut items = Self::open(path, group)?.genuine;
        let own = path.file_name().map_or_else(|| "fake".into(), OsStr::to_string_lossy);
        for item in &mut items {
            item.family = Some(item.name.split_once('/').map_or(&*own, |(family, _)| family).to_owned());
        }
        Ok(items)
    }

    /// Lists a folder of genuine pictures that stand beside a data set, under names that no picture of one has.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_more(path: &Path) -> Result<Vec<Item>> {
        let named = |item: Item| {
            let name = format!("{MORE}{}", item.name);
            Item { group: name.clone(), name, ..item }
        };
        Ok(Self::open(path, None)?.genuine.into_iter().map(named).collect())
    }

    fn from_idx(file: &Path) -> Result<Self> {
        let idx = Arc::new(Idx::read(file)?);
        if idx.is_empty() {
            return Err(DataError::Empty(file.to_path_buf()));
        }
        let stem = file.file_name().unwrap_or_default().to_string_lossy();
        let genuine: Vec<Item> = (0..idx.len())
            .map(|i| {
                let name = format!("{stem}#{i}");
                Item { group: name.clone(), name, family: None, place: Place::Idx(Arc::clone(&idx), i) }
            })
            .collect();
        let first = idx.picture(0);
        let settings =
            Settings { color: Some(Color::Grey), size: Some([first.width(), first.height()]), ..Settings::default() };
        Ok(Self { genuine, fake: Vec::new(), settings })
    }
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|e| DataError::Group {
        pattern: pattern.to_owned(),
        what: format!("{e}; expected a regular expression such as 'w(\\d+)_'"),
    })
}

/// The group a file name tells; without a pattern every picture is its own.
fn group_of(name: &str, pattern: Option<&Regex>) -> Result<String> {
    let Some(pattern) = pattern else { return Ok(name.to_owned()) };
    let found = pattern.captures(name).ok_or_else(|| DataError::Group {
        pattern: pattern.as_str().to_owned(),
        what: format!("it does not match {name}, so that picture would belong nowhere; widen the pattern"),
    })?;
    Ok(found.get(1).or_else(|| found.get(0)).map_or("", |m| m.as_str()).to_owned())
}

/// `fake/halftone/001.png` is of the family `halftone`; `fake/001.png` of the family `fake`.
fn family_of(relative: &Path) -> String {
    let mut parts = relative.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let (first, second, third) = (parts.next(), parts.next(), parts.next());
    match (second, third) {
        (Some(family), Some(_)) => family,
        _ => first.unwrap_or_default(),
    }
}

fn read_settings(folder: &Path) -> Result<Settings> {
    let path = folder.join("dataset.toml");
    match fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|e| DataError::Settings { path, what: e.message().to_owned() }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Settings::default()),
        Err(source) => Err(DataError::Io { doing: "read", path, source }),
    }
}

/// The pictures below a folder, as the box lists them; a folder without any gives none.
fn pictures_below(folder: &Path) -> impl Iterator<Item = Result<PathBuf>> {
    pictures(vec![folder.to_path_buf()]).filter_map(|source| match source {
        Source::File(path) => Some(Ok(path)),
        Source::Refused { error: counterfoil_edge::Error::NoPictures, .. } | Source::Stdin | Source::NotAPicture(_) => {
            None
        }
        Source::Refused { path, error } => {
            Some(Err(DataError::Picture { name: path.display().to_string(), source: error }))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            DynamicImage::new_luma8(16, 16).save(path).unwrap();
        }
        dir
    }

    #[test]
    fn real_and_fake_folders_tell_genuine_from_families() {
        let dir = folder(&["real/b.png", "real/a.png", "real/.hidden.png", "fake/halftone/a.png", "fake/x.jpg"]);
        fs::write(dir.path().join("real/notes.txt"), "no picture").unwrap();
        let data = Dataset::open(dir.path(), None).unwrap();
        let names: Vec<&str> = data.genuine.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["real/a.png", "real/b.png"]);
        let families: Vec<_> = data.fake.iter().map(|i| i.family.as_deref().unwrap()).collect();
        assert_eq!(families, ["halftone", "fake"]);
        assert_eq!(data.genuine[0].frame().unwrap().width(), 16);
    }

    #[test]
    fn a_pattern_groups_and_one_that_does_not_match_is_refused() {
        let dir = folder(&["w001_01.png", "w001_02.png", "w002_01.png"]);
        let data = Dataset::open(dir.path(), Some(r"w(\d+)_")).unwrap();
        let groups: Vec<&str> = data.genuine.iter().map(|i| i.group.as_str()).collect();
        assert_eq!(groups, ["001", "001", "002"]);
        assert!(Dataset::open(dir.path(), Some(r"x(\d+)")).unwrap_err().to_string().contains("w001_01.png"));
        assert!(Dataset::open(dir.path(), Some("(")).unwrap_err().to_string().contains("--group"));
    }

    #[test]
    fn settings_are_read_and_an_unknown_key_is_named() {
        let dir = folder(&["a.png"]);
        let file = dir.path().join("dataset.toml");
        fs::write(&file, "color = \"rgb\"\nregions = [[0.0, 0.0, 0.5, 0.5]]\n").unwrap();
        let settings = Dataset::open(dir.path(), None).unwrap().settings;
        assert_eq!(settings.color, Some(Color::Rgb));
        assert_eq!(settings.regions.unwrap().len(), 1);
        fs::write(&file, "colour = \"rgb\"\n").unwrap();
        let message = Dataset::open(dir.path(), None).unwrap_err().to_string();
        assert!(message.contains("colour") && message.contains("dataset.toml"), "{message}");
    }

    #[test]
    fn an_empty_and_a_missing_folder_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Dataset::open(dir.path(), None), Err(DataError::Empty(_))));
        assert!(matches!(Dataset::open(&dir.path().join("none"), None), Err(DataError::Io { .. })));
    }
}

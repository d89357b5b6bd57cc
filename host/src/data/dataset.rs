//! Lists the pictures below a path, each with its group and, for a counterfeit, its family.
//!
//! The pictures of an MNIST IDX file are genuine. In a folder, `layout` decides which pictures are genuine and which
//! are counterfeit. A `dataset.toml` in the folder can set how its pictures are preprocessed, and which folders hold
//! which side. A picture that cannot be read is an item too, so that every command counts and names it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use counterfoil_edge::detector::source::{Source, pictures};
use counterfoil_models::{Article, Color, DecodedFrame, Frame, Region, Resize};
use image::DynamicImage;
use regex::Regex;
use serde::Deserialize;

use super::layout::{Kind, Layout, LayoutError, Side};
use super::names::{Class, Meaning, Part, resembled};
use super::understood::LayoutReport;
use super::{DataError, Idx, Result};

/// The settings of a `dataset.toml`: how pictures of this data set are preprocessed, and which folders hold which
/// side. Command-line flags take precedence.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Grey or RGB input.
    pub color: Option<Color>,
    /// Width and height of the network's input, in pixels.
    pub size: Option<[u32; 2]>,
    /// How a region of another aspect ratio is fitted to the input size.
    pub resize: Option<Resize>,
    /// Whether the article is the whole picture or is outlined in it first.
    pub article: Option<Article>,
    /// The crops of the article that the network judges.
    pub regions: Option<Vec<Region>>,
    /// A regular expression on file names. Its first capture (or the whole match) is the group.
    pub group: Option<String>,
    /// Folders, relative to this one, whose pictures are genuine, whatever the folders' names. `["."]` means
    /// everything that is not in `fake`.
    pub genuine: Option<Vec<PathBuf>>,
    /// Folders, relative to this one, whose pictures are counterfeits.
    #[serde(default)]
    pub fake: Vec<PathBuf>,
}

/// The settings file of a data set's folder.
const SETTINGS: &str = "dataset.toml";
/// Prefix of the names of additional genuine pictures. No file path contains an empty component, so it is
/// unambiguous.
const MORE: &str = "more//";

/// One picture of a data set.
#[derive(Clone, Debug)]
pub struct Item {
    /// The picture's path relative to the data set's folder, or the IDX file's name and the picture's number in it.
    pub name: String,
    /// The picture's group. A split puts all pictures of a group on the same side.
    pub group: String,
    /// The family of a counterfeit; `None` for a genuine picture.
    pub family: Option<String>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    /// A file that was found to be unreadable when the folder was listed, with the error.
    Refused(PathBuf, Arc<counterfoil_edge::Error>),
    Idx(Arc<Idx>, usize),
}

impl Item {
    /// Whether the picture comes from an additional folder of genuine pictures ([`Dataset::open_more`]).
    #[must_use]
    pub fn is_more(&self) -> bool {
        self.name.starts_with(MORE)
    }

    /// Reads and decodes the picture.
    ///
    /// # Errors
    /// [`DataError::Refused`] when the listing already found the file unreadable, [`DataError::Picture`] when it
    /// cannot be read or decoded.
    pub fn frame(&self) -> Result<DecodedFrame> {
        match &self.place {
            Place::File(path) => Source::File(path.clone()).frame(),
            Place::Refused(_, source) => {
                return Err(DataError::Refused { name: self.name.clone(), source: Arc::clone(source) });
            }
            Place::Idx(idx, index) => {
                Frame::from_image(DynamicImage::ImageLuma8(idx.picture(*index))).map(Into::into).map_err(Into::into)
            }
        }
        .map_err(|source| DataError::Picture { name: self.name.clone(), source })
    }

    /// The picture's name in a table of scores: the path of its file, or its name in an IDX file.
    #[must_use]
    pub fn label(&self) -> String {
        self.path().map_or_else(|| self.name.clone(), |path| path.to_string_lossy().into_owned())
    }

    /// Path of the picture's file; `None` for a picture in an IDX file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) | Place::Refused(path, _) => Some(path),
            Place::Idx(..) => None,
        }
    }

    /// Whether the listing already found that the picture cannot be read.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.place, Place::Refused(..))
    }
}

/// All pictures of a path.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Pictures of the genuine article.
    pub genuine: Vec<Item>,
    /// Counterfeits. A run trains only on those that are given to it as known fakes.
    pub fake: Vec<Item>,
    /// The settings of the folder's `dataset.toml`, or those of an IDX file.
    pub settings: Settings,
    /// How the folder was interpreted, as a text for the user.
    pub understood: LayoutReport,
}

impl Dataset {
    /// Lists a path's genuine pictures and counterfeits, sorted by name.
    ///
    /// Where the folder is divided into `train/` and `test/`, the pictures of `train/` are listed. `group` takes
    /// precedence over the pattern in `dataset.toml`.
    ///
    /// # Errors
    /// [`DataError`], naming the file, the flag or the folder at fault.
    pub fn open(path: &Path, group: Option<&str>) -> Result<Self> {
        Self::list(path, group, Side::Both, Part::Train)
    }

    /// Lists only the genuine pictures of a path.
    ///
    /// # Errors
    /// The same as for [`open`](Self::open).
    pub fn open_genuine(path: &Path, group: Option<&str>, part: Part) -> Result<Self> {
        Self::list(path, group, Side::Genuine, part)
    }

    /// Lists only the counterfeits of a path. Where no folder name states a side, all pictures are counterfeits and
    /// each folder is a family.
    ///
    /// # Errors
    /// The same as for [`open`](Self::open).
    pub fn open_fakes(path: &Path, group: Option<&str>, part: Part) -> Result<Self> {
        Self::list(path, group, Side::Fake, part)
    }

    /// Lists additional genuine pictures, under names that no picture of a data set has.
    ///
    /// # Errors
    /// The same as for [`open`](Self::open).
    pub fn open_more(path: &Path) -> Result<Self> {
        let mut data = Self::open_genuine(path, None, Part::Train)?;
        for item in &mut data.genuine {
            item.name = format!("{MORE}{}", item.name);
            item.group.clone_from(&item.name);
        }
        Ok(data)
    }

    /// Lists the pictures of one side of a path, sorted by name. Where they are divided into `train/` and `test/`,
    /// those of `part` are listed.
    ///
    /// # Errors
    /// The same as for [`open`](Self::open).
    pub fn list(path: &Path, group: Option<&str>, side: Side, part: Part) -> Result<Self> {
        if let Some(file) = Idx::find(path) {
            return Self::from_idx(&file, side);
        }
        fs::read_dir(path).map_err(|source| DataError::Io { doing: "open", path: path.to_path_buf(), source })?;
        let Listing { pictures, others } = Listing::of(path);
        let doubt = |doubt: LayoutError| DataError::Folder { path: path.to_path_buf(), doubt };
        let paths: Vec<PathBuf> = pictures.iter().map(|(path, _)| path.clone()).collect();
        let mut settings = read_settings(path)?.unwrap_or_default();
        let layout = if let Some(stated) = settings.layout(Path::new(""), &paths) {
            stated.map_err(doubt)?
        } else {
            let mut layout = Layout::of(&called(path), &paths, side).map_err(doubt)?;
            // The path may be a parent of the data set's folder; then `dataset.toml` is in the folder below.
            if settings == Settings::default()
                && let Some(inner) = read_settings(&path.join(&layout.base))?
            {
                if let Some(stated) = inner.layout(&layout.base, &paths) {
                    layout = stated.map_err(doubt)?;
                }
                settings = inner;
            }
            layout
        };
        if layout.plain
            && side != Side::Fake
            && let Some(found) = doubt_by_place(path)
        {
            return Err(doubt(found));
        }
        let pattern = group.or(settings.group.as_deref()).map(compile).transpose()?;

        let mut understood = LayoutReport::folder(path, layout.plain);
        for file in &others {
            understood.no_picture(file);
        }
        let (mut genuine, mut fake) = (Vec::new(), Vec::new());
        for (relative, refused) in pictures {
            let (by, kind) = layout.kind(&relative, part);
            let family = match kind {
                Kind::Skipped(why) => {
                    understood.leave(&relative, by, why);
                    continue;
                }
                Kind::Genuine if side == Side::Fake => {
                    understood.leave(&relative, by, "genuine");
                    continue;
                }
                Kind::Fake(_) if side == Side::Genuine => {
                    understood.leave(&relative, by, "counterfeits");
                    continue;
                }
                Kind::Genuine => None,
                Kind::Fake(family) => Some(family),
            };
            let (name, file) = (relative.to_string_lossy().into_owned(), path.join(&relative));
            // A picture that cannot be read forms a group by itself, whatever its name.
            let (group, place) = match refused {
                Some(error) => (name.clone(), Place::Refused(file, Arc::new(error))),
                None => (group_of(&name, family.as_deref(), pattern.as_ref())?, Place::File(file)),
            };
            let item = Item { name, group, family, place };
            match &item.family {
                None if !item.is_refused() => understood.take_genuine(&relative, by),
                Some(family) if !item.is_refused() => understood.take_fake(family, by),
                _ => {}
            }
            if item.family.is_some() { fake.push(item) } else { genuine.push(item) }
        }
        let data = Self { genuine, fake, settings, understood };
        data.some_of(path, side)
    }

    /// Returns `self`, or an error when it holds no picture of the requested side.
    fn some_of(self, path: &Path, side: Side) -> Result<Self> {
        let (wanted, what) =
            if side == Side::Fake { (&self.fake, "counterfeits") } else { (&self.genuine, "genuine pictures") };
        if !wanted.is_empty() {
            return Ok(self);
        }
        let path = path.to_path_buf();
        Err(match self.understood.passed_over() {
            _ if self.genuine.len() + self.fake.len() > 0 => DataError::Side { path, what, passed: "no other".into() },
            Some(passed) if !self.understood.left().is_empty() => DataError::Side { path, what, passed },
            _ => DataError::Empty(path),
        })
    }

    fn from_idx(file: &Path, side: Side) -> Result<Self> {
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
        let understood = LayoutReport::file(file, genuine.len());
        Self { genuine, fake: Vec::new(), settings, understood }.some_of(file, side)
    }
}

impl Settings {
    /// The layout that these settings state for the folders below `base`; `None` if they name no folders.
    fn layout(&self, base: &Path, pictures: &[PathBuf]) -> Option<Result<Layout, LayoutError>> {
        let stated = self.genuine.is_some() || !self.fake.is_empty();
        stated.then(|| Layout::stated(base, pictures, self.genuine.as_deref(), &self.fake))
    }
}

/// Lists the direct subfolders with a name that means genuine, and those with a name that means counterfeit.
///
/// # Errors
/// [`DataError::Io`] when the folder cannot be listed; [`DataError::Folder`] with [`LayoutError::Misspelt`] when a
/// subfolder's name is nearly one of these names.
pub fn sides(path: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut genuine, mut fake) = (Vec::new(), Vec::new());
    for folder in folders_in(path)? {
        let name = called(&folder);
        match Meaning::of(&name).class {
            Some(Class::Genuine) => genuine.push(folder),
            Some(Class::Fake) => fake.push(folder),
            None => {
                if let Some((meant, _)) = resembled(&name) {
                    let doubt = LayoutError::Misspelt { found: format!("{name}/"), meant };
                    return Err(DataError::Folder { path: path.to_path_buf(), doubt });
                }
            }
        }
    }
    Ok((genuine, fake))
}

/// The direct subfolders of a folder, sorted by name.
fn folders_in(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| DataError::Io { doing: "open", path: path.to_path_buf(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        folders.extend(Some(entry.map_err(io)?.path()).filter(|path| path.is_dir()));
    }
    folders.sort();
    Ok(folders)
}

/// The reason why a folder without names of sides may still hold counterfeits: its location.
fn doubt_by_place(path: &Path) -> Option<LayoutError> {
    let path = path.canonicalize().ok()?;
    let above = path.parent()?;
    let holds = |folder: &Path, is: fn(Meaning) -> bool| {
        folders_in(folder).is_ok_and(|all| all.iter().any(|other| is(Meaning::of(&called(other)))))
    };
    if Meaning::of(&called(above)).class == Some(Class::Fake)
        && holds(above.parent()?, |meaning| meaning.class == Some(Class::Genuine))
    {
        return Some(LayoutError::InFakes(format!("{}/{}", called(above), called(&path))));
    }
    let of_defects = Meaning::of(&called(&path)).part == Some(Part::Test) && holds(above, |meaning| meaning.mask);
    of_defects.then(|| LayoutError::Defects(called(&path)))
}

/// The last component of a folder's path, also for `.` and for a link.
fn called(path: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(path).or_else(|| name(&path.canonicalize().ok()?)).unwrap_or_default()
}

fn compile(pattern: &str) -> Result<Regex> {
    Regex::new(pattern).map_err(|e| DataError::Group {
        pattern: pattern.to_owned(),
        what: format!("{e}; expected a regular expression such as 'w(\\d+)_'"),
    })
}

/// The group that a file name gives. Without a pattern every picture is a group by itself, and so is a counterfeit (of
/// a `family`) whose name does not match: a pattern describes the genuine items.
fn group_of(name: &str, family: Option<&str>, pattern: Option<&Regex>) -> Result<String> {
    let Some(pattern) = pattern else { return Ok(name.to_owned()) };
    let found = match pattern.captures(name) {
        Some(found) => found,
        None if family.is_some() => return Ok(name.to_owned()),
        None => {
            return Err(DataError::Group {
                pattern: pattern.as_str().to_owned(),
                what: format!("it does not match {name}, so that picture would belong nowhere; widen the pattern"),
            });
        }
    };
    Ok(found.get(1).or_else(|| found.get(0)).map_or("", |m| m.as_str()).to_owned())
}

fn read_settings(folder: &Path) -> Result<Option<Settings>> {
    let path = folder.join(SETTINGS);
    match fs::read_to_string(&path) {
        Ok(text) => {
            toml::from_str(&text).map(Some).map_err(|e| DataError::Settings { path, what: e.message().to_owned() })
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataError::Io { doing: "read", path, source }),
    }
}

/// The files below a folder, as the edge crate lists them, with paths relative to the folder.
struct Listing {
    /// Pictures, each with the error if it cannot be read.
    pictures: Vec<(PathBuf, Option<counterfoil_edge::Error>)>,
    /// Files that are not pictures, without `dataset.toml` and `zoo.toml`.
    others: Vec<PathBuf>,
}

impl Listing {
    fn of(folder: &Path) -> Self {
        let mut listing = Self { pictures: Vec::new(), others: Vec::new() };
        let below = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_path_buf();
        for source in pictures(vec![folder.to_path_buf()]) {
            match source {
                Source::File(path) => listing.pictures.push((below(&path), None)),
                Source::NotAPicture(path) if path.ends_with(SETTINGS) || path.ends_with("zoo.toml") => {}
                Source::NotAPicture(path) => listing.others.push(below(&path)),
                Source::Refused { error: counterfoil_edge::Error::NoPictures, .. } | Source::Stdin => {}
                Source::Refused { path, error } => listing.pictures.push((below(&path), Some(error))),
            }
        }
        listing
    }
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
        // The pattern describes the genuine items: a counterfeit need not match it.
        let dir = folder(&["real/w001_01.png", "fake/print/x1.png", "fake/print/w001_9.png"]);
        let data = Dataset::open(dir.path(), Some(r"w(\d+)_")).unwrap();
        let groups: Vec<&str> = data.fake.iter().map(|i| i.group.as_str()).collect();
        assert_eq!(groups, ["001", "fake/print/x1.png"]);
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
    fn a_folder_of_counterfeits_is_known_by_where_it_stands() {
        let dir = folder(&[
            "notes/real/a.png",
            "notes/fake/halftone/a.png",
            "fakes/photos/a.png",
            "tiles/train/good/a.png",
            "tiles/test/crack/a.png",
            "tiles/ground_truth/crack/a.png",
            "coins/train/a.png",
            "coins/test/a.png",
        ]);
        let open = |path: &str| Dataset::open(&dir.path().join(path), None);
        for (path, said) in [("notes/fake/halftone", "fake/halftone"), ("tiles/test", "test/ stands beside masks")] {
            let error = open(path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert_eq!(Dataset::open_fakes(&dir.path().join(path), None, Part::Train).unwrap().fake.len(), 1);
        }
        fs::rename(dir.path().join("fakes"), dir.path().join(".tmp1NG7xy")).unwrap();
        for path in [".tmp1NG7xy", "coins/test", "notes/real"] {
            assert_eq!(open(path).unwrap().genuine.len(), 1, "{path}");
        }
    }

    #[test]
    fn what_a_person_sorted_goes_by_the_same_names() {
        let dir = folder(&["a.png", "Genuine/b.png", "counterfeits/c.png", "later/d.png"]);
        let (genuine, fake) = sides(dir.path()).unwrap();
        assert_eq!((genuine, fake), (vec![dir.path().join("Genuine")], vec![dir.path().join("counterfeits")]));
        fs::rename(dir.path().join("Genuine"), dir.path().join("reel")).unwrap();
        fs::rename(dir.path().join("counterfeits"), dir.path().join("conterfeits")).unwrap();
        assert!(sides(dir.path()).unwrap_err().to_string().contains("counterfeits"));
    }

    #[test]
    fn an_empty_and_a_missing_folder_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Dataset::open(dir.path(), None), Err(DataError::Empty(_))));
        assert!(matches!(Dataset::open(&dir.path().join("none"), None), Err(DataError::Io { .. })));
    }
}

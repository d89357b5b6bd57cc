//! A path a user gives becomes a list of pictures, each with its group and, for counterfeits, its family.
//!
//! MNIST's IDX files are genuine; of a folder `layout` knows what is genuine and what counterfeit. `dataset.toml` in it may say how its
//! pictures are to be looked at, and which folders are which. A picture that cannot be read is an item too, so that every command
//! counts and names it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use counterfoil_edge::detector::source::{Source, pictures};
use counterfoil_models::{Article, Color, DecodedFrame, Frame, Region, Resize};
use image::DynamicImage;
use regex::Regex;
use serde::Deserialize;

use super::layout::{Doubt, Kind, Layout, Side};
use super::names::{Class, Meaning, Part, resembled};
use super::understood::Understood;
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
    /// Folders below this one whose pictures are genuine, whatever their names; `["."]` for all that is not in `fake`.
    pub genuine: Option<Vec<PathBuf>>,
    /// Folders below this one whose pictures are counterfeits.
    #[serde(default)]
    pub fake: Vec<PathBuf>,
}

/// What a folder may say of its pictures.
const SETTINGS: &str = "dataset.toml";
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
    /// A file that is known to be no picture that is read.
    Refused(PathBuf, Arc<counterfoil_edge::Error>),
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

    /// What a table of scores calls it: the path of its file, or its number in an IDX file.
    #[must_use]
    pub fn label(&self) -> String {
        self.path().map_or_else(|| self.name.clone(), |path| path.to_string_lossy().into_owned())
    }

    /// The picture's file, where it is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) | Place::Refused(path, _) => Some(path),
            Place::Idx(..) => None,
        }
    }

    /// Whether it is known, before it is decoded, that it cannot be read.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.place, Place::Refused(..))
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
    /// How the folder was understood, to be told.
    pub understood: Understood,
}

impl Dataset {
    /// Lists a path's genuine pictures and counterfeits, sorted by name; of `train/` and `test/` those to train on. `group` goes before the
    /// pattern in `dataset.toml`.
    ///
    /// # Errors
    /// [`DataError`], naming the file, the flag or the folder at fault.
    pub fn open(path: &Path, group: Option<&str>) -> Result<Self> {
        Self::list(path, group, Side::Both, Part::Train)
    }

    /// Lists the genuine pictures of a path alone.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_genuine(path: &Path, group: Option<&str>, part: Part) -> Result<Self> {
        Self::list(path, group, Side::Genuine, part)
    }

    /// Lists the counterfeits of a path alone; where nothing in it names a side, all are, the folders in it being families.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_fakes(path: &Path, group: Option<&str>, part: Part) -> Result<Self> {
        Self::list(path, group, Side::Fake, part)
    }

    /// Lists genuine pictures that stand beside a data set, under names that no picture of one has.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_more(path: &Path) -> Result<Self> {
        let mut data = Self::open_genuine(path, None, Part::Train)?;
        for item in &mut data.genuine {
            item.name = format!("{MORE}{}", item.name);
            item.group.clone_from(&item.name);
        }
        Ok(data)
    }

    /// Lists a path's pictures of a side, sorted by name; where they are parted into `train/` and `test/`, those of `part`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn list(path: &Path, group: Option<&str>, side: Side, part: Part) -> Result<Self> {
        if let Some(file) = Idx::find(path) {
            return Self::from_idx(&file, side);
        }
        fs::read_dir(path).map_err(|source| DataError::Io { doing: "open", path: path.to_path_buf(), source })?;
        let Listing { pictures, others } = Listing::of(path);
        let doubt = |doubt: Doubt| DataError::Folder { path: path.to_path_buf(), doubt };
        let paths: Vec<PathBuf> = pictures.iter().map(|(path, _)| path.clone()).collect();
        let mut settings = read_settings(path)?.unwrap_or_default();
        let layout = if let Some(stated) = settings.layout(Path::new(""), &paths) {
            stated.map_err(doubt)?
        } else {
            let mut layout = Layout::of(&called(path), &paths, side).map_err(doubt)?;
            // One folder too high: what the data set says of itself stands further down.
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

        let mut understood = Understood::folder(path, layout.plain);
        for file in &others {
            understood.no_picture(file);
        }
        let (mut genuine, mut fake) = (Vec::new(), Vec::new());
        for (relative, refused) in pictures {
            let (by, kind) = layout.kind(&relative, part);
            let family = match kind {
                Kind::Left(why) => {
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
            // What cannot be read is in no group, whatever its name.
            let (group, place) = match refused {
                Some(error) => (name.clone(), Place::Refused(file, Arc::new(error))),
                None => (group_of(&name, pattern.as_ref())?, Place::File(file)),
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

    /// Itself, unless there is nothing of the side that is asked for.
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
        let understood = Understood::file(file, genuine.len());
        Self { genuine, fake: Vec::new(), settings, understood }.some_of(file, side)
    }
}

impl Settings {
    /// What they state of the folders below `base`, if anything.
    fn layout(&self, base: &Path, pictures: &[PathBuf]) -> Option<Result<Layout, Doubt>> {
        let stated = self.genuine.is_some() || !self.fake.is_empty();
        stated.then(|| Layout::stated(base, pictures, self.genuine.as_deref(), &self.fake))
    }
}

/// The folders right in this one that are called genuine, and those that are called counterfeit.
///
/// # Errors
/// [`DataError::Io`] when it cannot be listed, [`Doubt::Misspelt`] for a folder's name that is nearly one of a side.
pub fn sides(path: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut genuine, mut fake) = (Vec::new(), Vec::new());
    for folder in folders_in(path)? {
        let name = called(&folder);
        match Meaning::of(&name).class {
            Some(Class::Genuine) => genuine.push(folder),
            Some(Class::Fake) => fake.push(folder),
            None => {
                if let Some((meant, _)) = resembled(&name) {
                    let doubt = Doubt::Misspelt { found: format!("{name}/"), meant };
                    return Err(DataError::Folder { path: path.to_path_buf(), doubt });
                }
            }
        }
    }
    Ok((genuine, fake))
}

/// The folders right in a folder, sorted by name.
fn folders_in(path: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| DataError::Io { doing: "open", path: path.to_path_buf(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        folders.extend(Some(entry.map_err(io)?.path()).filter(|path| path.is_dir()));
    }
    folders.sort();
    Ok(folders)
}

/// Why a folder in which nothing names a side may hold counterfeits all the same: where it stands.
fn doubt_by_place(path: &Path) -> Option<Doubt> {
    let path = path.canonicalize().ok()?;
    let above = path.parent()?;
    let holds = |folder: &Path, is: fn(Meaning) -> bool| {
        folders_in(folder).is_ok_and(|all| all.iter().any(|other| is(Meaning::of(&called(other)))))
    };
    if Meaning::of(&called(above)).class == Some(Class::Fake)
        && holds(above.parent()?, |meaning| meaning.class == Some(Class::Genuine))
    {
        return Some(Doubt::InFakes(format!("{}/{}", called(above), called(&path))));
    }
    let of_defects = Meaning::of(&called(&path)).part == Some(Part::Test) && holds(above, |meaning| meaning.mask);
    of_defects.then(|| Doubt::Defects(called(&path)))
}

/// A folder's own name, also of `.` and of a link.
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

/// The group a file name tells; without a pattern every picture is its own.
fn group_of(name: &str, pattern: Option<&Regex>) -> Result<String> {
    let Some(pattern) = pattern else { return Ok(name.to_owned()) };
    let found = pattern.captures(name).ok_or_else(|| DataError::Group {
        pattern: pattern.as_str().to_owned(),
        what: format!("it does not match {name}, so that picture would belong nowhere; widen the pattern"),
    })?;
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

/// What lies below a folder, as the box lists it, by paths below the folder.
struct Listing {
    /// Pictures, with what is wrong with those that cannot be read.
    pictures: Vec<(PathBuf, Option<counterfoil_edge::Error>)>,
    /// Files that are no pictures; not those that are read for what they say of the pictures.
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

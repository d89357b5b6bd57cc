//! Interprets a folder by the paths of its pictures: which are genuine, which are counterfeits and of what family,
//! and which are neither and why. An ambiguous folder is refused.
//!
//! No file is read, so that the tests can list every layout as a row of a table. These layouts are understood: class
//! folders (`real/ fake/`, by any of the names that `names` knows); class folders below or above `train/ test/`;
//! `MVTec`'s `train/good test/KIND ground_truth/KIND`; any of these one or more folders down if there is only one
//! such folder; and a plain folder, whose pictures are all genuine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::names::{Class, DIGITS, Meaning, Part, resembled};

/// Which pictures a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Genuine pictures and counterfeits.
    Both,
    /// Only genuine pictures.
    Genuine,
    /// Only counterfeits.
    Fake,
}

/// The class of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Genuine,
    /// A counterfeit of this family.
    Fake(String),
    /// Neither; the picture is skipped for this reason.
    Skipped(&'static str),
}

/// Why a folder's layout is ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A folder name means counterfeit, and no folder beside it has a name that means genuine.
    #[error("{fake} names counterfeits, and no folder beside it names the genuine pictures{}", among(others))]
    NoGenuine {
        /// The folder of counterfeits.
        fake: String,
        /// The folders beside it.
        others: Vec<String>,
    },
    /// The name of the given folder means counterfeit.
    #[error("the folder itself is called {0}, so its pictures are not taken for genuine")]
    CalledFake(String),
    /// The given folder is in a folder of counterfeits, with a folder of genuine pictures beside that.
    #[error("{0} is a folder of counterfeits beside genuine pictures, so its pictures are not taken for genuine")]
    InFakes(String),
    /// The given folder holds the kinds of defects whose masks are beside it, and no folder of good articles.
    #[error(
        "{0}/ stands beside masks of defects and has no folder of good articles, so its pictures are not taken for genuine"
    )]
    Defects(String),
    /// A folder name is nearly a known one.
    #[error(
        "{found} stands where folders of genuine pictures and of counterfeits do, and it is neither; it is probably meant to be {meant}/"
    )]
    Misspelt {
        /// The folder as it is called.
        found: String,
        /// The known name that was probably meant.
        meant: &'static str,
    },
    /// The folder names form a pair, such as 0 and 1, that does not state which is genuine.
    #[error("its folders are called {0}, which does not say which of them are genuine")]
    Pair(&'static str),
    /// The folder holds several data sets.
    #[error("it holds several data sets: {}", .0.join(", "))]
    Several(Vec<String>),
    /// A folder inside a folder of genuine pictures has a name that means counterfeit.
    #[error("{folder} stands in a folder of genuine pictures, and its name says counterfeit")]
    Within {
        /// The inner folder.
        folder: String,
    },
    /// `dataset.toml` lists a folder that holds no picture.
    #[error("dataset.toml lists {0}, in which there is no picture")]
    Unlisted(String),
}

fn among(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(" (there are {})", others.join(", ")) }
}

/// The class and part of the pictures below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    folder: PathBuf,
    kind: Kind,
    part: Option<Part>,
}

/// The interpretation of a folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// The folder that holds the class folders, relative to the given folder; empty if it is the given folder.
    pub(super) base: PathBuf,
    /// Whether no folder name states a side, so that all pictures count as genuine.
    pub(super) plain: bool,
    rules: Vec<Rule>,
}

/// A tree of folders, each with the number of pictures directly in it.
#[derive(Debug, Default)]
struct Tree {
    loose: usize,
    folders: BTreeMap<String, Tree>,
}

impl Layout {
    /// Interprets a folder called `name` by the paths of its pictures, relative to it.
    pub(super) fn of(name: &str, pictures: &[PathBuf], side: Side) -> Result<Self, LayoutError> {
        let mut tree = Tree::default();
        for path in pictures {
            let folders = path.parent().unwrap_or(Path::new("")).components();
            let folder = folders.fold(&mut tree, |tree, part| {
                tree.folders.entry(part.as_os_str().to_string_lossy().into_owned()).or_default()
            });
            folder.loose += 1;
        }
        let mut layout = Self { base: PathBuf::new(), plain: false, rules: Vec::new() };
        layout.level(&tree, Path::new(""), None, side)?;
        layout.plain = !tree.has_classes();
        match (side, Meaning::of(name).class) {
            _ if !layout.plain => {}
            (Side::Fake, _) => layout.rules.iter_mut().filter(|rule| rule.kind == Kind::Genuine).for_each(|rule| {
                rule.kind = Kind::Fake(name.to_owned());
            }),
            (_, Some(Class::Fake)) => return Err(LayoutError::CalledFake(name.to_owned())),
            _ => {}
        }
        Ok(layout)
    }

    /// The layout that `dataset.toml` in `base` states: the folders of each side. A picture in none of them is
    /// skipped, or genuine where no genuine folders are stated.
    pub(super) fn stated(
        base: &Path,
        pictures: &[PathBuf],
        genuine: Option<&[PathBuf]>,
        fake: &[PathBuf],
    ) -> Result<Self, LayoutError> {
        let mut layout = Self { base: base.to_path_buf(), plain: false, rules: Vec::new() };
        layout.add(
            "",
            if genuine.is_some() { Kind::Skipped("dataset.toml names neither side") } else { Kind::Genuine },
            None,
        );
        let whole = [PathBuf::new()];
        let sides = genuine.unwrap_or(&whole).iter().map(|folder| (folder, false));
        for (folder, is_fake) in sides.chain(fake.iter().map(|folder| (folder, true))) {
            let below: PathBuf = base.join(folder).components().filter(|part| part.as_os_str() != ".").collect();
            if !pictures.iter().any(|path| path.starts_with(&below)) {
                return Err(LayoutError::Unlisted(folder.display().to_string()));
            }
            let family = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
            layout.rules.push(Rule {
                folder: below,
                kind: if is_fake { Kind::Fake(family) } else { Kind::Genuine },
                part: None,
            });
        }
        Ok(layout)
    }

    /// The class of a picture, given by its path, and the folder that decides it. Where the folder is divided into
    /// parts, pictures of other parts than `part` are skipped.
    pub(super) fn kind(&self, picture: &Path, part: Part) -> (&Path, Kind) {
        let rules = self.rules.iter().filter(|rule| picture.starts_with(&rule.folder));
        // Of two rules for the same folder the later one applies: `max_by_key` returns the last maximum.
        let Some(rule) = rules.max_by_key(|rule| rule.folder.components().count()) else {
            return (Path::new(""), Kind::Skipped("beside what is looked at"));
        };
        let kind = match &rule.kind {
            Kind::Skipped(_) => rule.kind.clone(),
            _ if self.is_parted() && rule.part.is_some_and(|own| own != part) => Kind::Skipped(match part {
                Part::Train => "left for eval",
                Part::Test => "for training",
            }),
            Kind::Genuine => Kind::Genuine,
            Kind::Fake(family) => {
                let below = picture.strip_prefix(&rule.folder).unwrap_or(picture);
                let mut parts = below.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
                let (first, second) = (parts.next(), parts.next());
                Kind::Fake(second.and(first).unwrap_or_else(|| family.clone()))
            }
        };
        (&rule.folder, kind)
    }

    /// Whether there are pictures of both parts.
    fn is_parted(&self) -> bool {
        let has =
            |part| self.rules.iter().any(|rule| rule.part == Some(part) && !matches!(rule.kind, Kind::Skipped(_)));
        has(Part::Train) && has(Part::Test)
    }

    fn add(&mut self, folder: impl Into<PathBuf>, kind: Kind, part: Option<Part>) {
        self.rules.push(Rule { folder: folder.into(), kind, part });
    }

    /// Interprets one folder. Returns whether its names are those of industrial inspection, where other folders are
    /// kinds of defects.
    fn level(&mut self, tree: &Tree, at: &Path, part: Option<Part>, side: Side) -> Result<bool, LayoutError> {
        let is = |name: &str, class| tree.class_of(name) == Some(class);
        let names = || tree.folders.keys().map(String::as_str);
        let [genuine, fake] =
            [Class::Genuine, Class::Fake].map(|class| names().filter(|n| is(n, class)).collect::<Vec<_>>());
        if !genuine.is_empty() || !fake.is_empty() {
            return self.classes(tree, at, (&genuine, &fake), part, side);
        }
        let of_part = |part| names().filter(|name| Meaning::of(name).part == Some(part)).collect::<Vec<_>>();
        let (train, test) = (of_part(Part::Train), of_part(Part::Test));
        if part.is_none() && !train.is_empty() && !test.is_empty() {
            return self.parts(tree, at, &train, &test, side);
        }
        let inner: Vec<&str> =
            names().filter(|name| !Meaning::of(name).mask && tree.folders[*name].has_classes()).collect();
        match inner[..] {
            [] => self.plain(tree, at, part, side),
            [one] => {
                self.add(at, Kind::Skipped("beside the folders that name a side"), None);
                self.base = at.join(one);
                self.level(&tree.folders[one], &at.join(one), part, side)
            }
            _ => Err(LayoutError::Several(inner.iter().map(|name| shown(&at.join(name))).collect())),
        }
    }

    /// Interprets a folder that holds folders whose names state a side.
    fn classes(
        &mut self,
        tree: &Tree,
        at: &Path,
        (genuine, fake): (&[&str], &[&str]),
        part: Option<Part>,
        side: Side,
    ) -> Result<bool, LayoutError> {
        self.base = if part.is_none() { at.to_path_buf() } else { self.base.clone() };
        let others = || tree.folders.keys().map(String::as_str).filter(|n| !genuine.contains(n) && !fake.contains(n));
        let inspection = genuine.iter().any(|name| Meaning::of(name).inspection);
        for name in others().filter(|name| !Meaning::of(name).mask && Meaning::of(name).part.is_none()) {
            if let Some((meant, _)) = resembled(name) {
                return Err(LayoutError::Misspelt { found: shown(&at.join(name)), meant });
            }
        }
        if let (true, false, Some(fake)) =
            (genuine.is_empty(), side == Side::Fake || part == Some(Part::Test), fake.first())
        {
            let others = others().map(|name| shown(&at.join(name))).collect();
            return Err(LayoutError::NoGenuine { fake: shown(&at.join(fake)), others });
        }
        self.add(at, Kind::Skipped("beside the folders that name a side"), None);
        // If a `test/` with class folders stands beside the class folders, they are for training.
        let tested =
            others().any(|name| Meaning::of(name).part == Some(Part::Test) && tree.folders[name].has_classes());
        let own = part.or(tested.then_some(Part::Train));
        for name in genuine {
            self.side(&tree.folders[*name], &at.join(name), &Kind::Genuine, own)?;
        }
        for name in fake {
            self.side(&tree.folders[*name], &at.join(name), &Kind::Fake((*name).to_owned()), own)?;
        }
        for name in others() {
            let (meaning, folder, below) = (Meaning::of(name), at.join(name), &tree.folders[name]);
            if meaning.mask {
                self.add(folder, Kind::Skipped("masks"), None);
            } else if part.is_none() && meaning.part == Some(Part::Test) && below.has_classes() {
                self.level(below, &folder, Some(Part::Test), side)?;
            } else if inspection || side == Side::Fake && fake.is_empty() {
                self.add(folder, Kind::Fake(name.to_owned()), own);
            } else {
                self.add(folder, Kind::Skipped("the name tells neither genuine nor counterfeit"), None);
            }
        }
        Ok(inspection)
    }

    /// Adds the rules for a folder of one side, which may itself be divided into train and test.
    fn side(&mut self, tree: &Tree, at: &Path, kind: &Kind, part: Option<Part>) -> Result<(), LayoutError> {
        let own = at.file_name().and_then(|name| Meaning::of(&name.to_string_lossy()).part);
        self.add(at, kind.clone(), part.or(own));
        let meanings: Vec<(&str, Meaning)> =
            tree.folders.keys().map(|name| (name.as_str(), Meaning::of(name))).collect();
        let parted = [Part::Train, Part::Test].iter().all(|part| meanings.iter().any(|(_, m)| m.part == Some(*part)));
        for (name, meaning) in meanings {
            match (kind, meaning) {
                (Kind::Genuine, Meaning { class: Some(Class::Fake), .. }) => {
                    return Err(LayoutError::Within { folder: shown(&at.join(name)) });
                }
                (_, Meaning { mask: true, .. }) => self.add(at.join(name), Kind::Skipped("masks"), None),
                (_, Meaning { part: Some(own), .. }) if parted && part.is_none() => {
                    self.add(at.join(name), kind.clone(), Some(own));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Interprets a folder that holds `train/` and `test/`.
    fn parts(
        &mut self,
        tree: &Tree,
        at: &Path,
        train: &[&str],
        test: &[&str],
        side: Side,
    ) -> Result<bool, LayoutError> {
        self.base = at.to_path_buf();
        self.add(at, Kind::Skipped("beside train/ and test/"), None);
        let masks = tree.folders.keys().filter(|name| Meaning::of(name).mask).count();
        let mut inspection = masks > 0;
        for name in tree.folders.keys().filter(|name| Meaning::of(name).mask) {
            self.add(at.join(name), Kind::Skipped("masks"), None);
        }
        let mut labelled = false;
        for name in train {
            let below = &tree.folders[*name];
            inspection |= self.level(below, &at.join(name), Some(Part::Train), side)?;
            labelled |= below.has_classes();
        }
        for name in test {
            let (below, folder) = (&tree.folders[*name], at.join(name));
            if below.has_classes() {
                self.level(below, &folder, Some(Part::Test), side)?;
            } else if inspection {
                // `MVTec`'s `test/` without `test/good`: every folder is a kind of defect.
                self.add(folder, Kind::Fake((*name).to_owned()), Some(Part::Test));
            } else if labelled {
                self.add(folder, Kind::Skipped("nothing tells which are genuine"), None);
            } else {
                self.level(below, &folder, Some(Part::Test), side)?;
            }
        }
        self.base = at.to_path_buf();
        Ok(inspection)
    }

    /// Interprets a folder in which no folder name states a side.
    fn plain(&mut self, tree: &Tree, at: &Path, part: Option<Part>, side: Side) -> Result<bool, LayoutError> {
        if side != Side::Fake {
            tree.doubts(at)?;
        }
        self.add(at, Kind::Genuine, part);
        if let (0, 1, Some(name)) = (tree.loose, tree.folders.len(), tree.folders.keys().next()) {
            self.base = at.join(name);
        }
        Ok(false)
    }
}

impl Tree {
    /// The side of a subfolder. A subfolder that holds folders of both sides has none, whatever its name.
    fn class_of(&self, name: &str) -> Option<Class> {
        let below = self.folders.get(name)?;
        let has = |class| below.folders.keys().any(|name| Meaning::of(name).class == Some(class));
        let class = match name.to_lowercase().as_str() {
            // Beside `invalid/`, `valid/` does not mean validation.
            "valid" if self.folders.keys().any(|name| name.eq_ignore_ascii_case("invalid")) => Some(Class::Genuine),
            _ => Meaning::of(name).class,
        };
        class.filter(|_| !(has(Class::Genuine) && has(Class::Fake)))
    }

    /// Refuses a folder whose pictures may not all be genuine, although no folder name states a side.
    fn doubts(&self, at: &Path) -> Result<(), LayoutError> {
        let pairs: Vec<_> = self.folders.keys().filter_map(|name| Meaning::of(name).pair).collect();
        for (pair, side) in &pairs {
            // Ten folders 0 to 9 are classes of genuine pictures.
            if pairs.contains(&(pair, !side)) && (*pair != DIGITS || self.folders.len() == 2) {
                return Err(LayoutError::Pair(pair));
            }
        }
        let like: Vec<_> = self.folders.keys().filter_map(|name| Some((name, resembled(name)?))).collect();
        for (name, (meant, class)) in &like {
            let opposite = like.iter().any(|(_, (_, other))| other != class);
            if opposite || *class == Class::Fake && meant.len() >= 6 {
                return Err(LayoutError::Misspelt { found: shown(&at.join(name)), meant });
            }
        }
        Ok(())
    }

    /// Whether a folder name at any depth states a side.
    fn has_classes(&self) -> bool {
        let unmasked = || self.folders.iter().filter(|(name, _)| !Meaning::of(name).mask);
        unmasked().any(|(name, below)| self.class_of(name).is_some() || below.has_classes())
    }
}

/// A folder as messages show it, with a trailing slash.
fn shown(folder: &Path) -> String {
    format!("{}/", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Interprets paths and gives one letter for each picture: g genuine, f counterfeit, - skipped; or the doubt.
    fn read(name: &str, paths: &str, side: Side, part: Part) -> Result<String, LayoutError> {
        let paths: Vec<PathBuf> = paths.split(' ').map(|path| Path::new(path).join("a.jpg")).collect();
        let layout = Layout::of(name, &paths, side)?;
        let letter = |path: &PathBuf| match layout.kind(path, part).1 {
            Kind::Genuine => 'g',
            Kind::Fake(_) => 'f',
            Kind::Skipped(_) => '-',
        };
        Ok(paths.iter().map(letter).collect())
    }

    #[test]
    fn usual_layouts_are_understood() {
        for (paths, train, test) in [
            (".", "g", "g"),
            ("heads tails", "gg", "gg"),
            ("0 1 2 3", "gggg", "gggg"),
            ("train val", "g-", "-g"),
            ("real fake", "gf", "gf"),
            ("Real Fake/halftone .", "gf-", "gf-"),
            ("genuine counterfeit", "gf", "gf"),
            ("good bad", "gf", "gf"),
            ("OK NG", "gf", "gf"),
            ("normal abnormal", "gf", "gf"),
            ("authentic forgeries", "gf", "gf"),
            ("valid invalid", "gf", "gf"),
            ("real_notes fake_notes notes", "gf-", "gf-"),
            ("good scratch", "gf", "gf"),
            ("real scratch", "g-", "g-"),
            ("dataset/real dataset/fake docs", "gf-", "gf-"),
            ("fake_note_detection/real fake_note_detection/fake", "gf", "gf"),
            ("train/real train/fake test/real test/fake", "gf--", "--gf"),
            ("train_real train_fake test_real test_fake", "gf--", "--gf"),
            ("real/train real/test fake/train fake/test", "g-f-", "-g-f"),
            ("real fake test/real test/fake", "gf--", "--gf"),
            ("train/good test/good test/bent ground_truth/bent", "g---", "-gf-"),
            ("train/good test/scratch ground_truth/scratch", "g--", "-f-"),
            ("train/good validation/good test/logical_anomalies ground_truth/x", "g---", "-gf-"),
            ("train test/good test/scratch", "g--", "-gf"),
            ("Data/Images/Normal Data/Images/Anomaly Data/Masks/Anomaly", "gf-", "gf-"),
        ] {
            for (part, wanted) in [(Part::Train, train), (Part::Test, test)] {
                assert_eq!(read("photos", paths, Side::Both, part).as_deref(), Ok(wanted), "{paths} {part:?}");
            }
        }
    }

    #[test]
    fn what_is_in_doubt_is_refused() {
        for (name, paths, wanted) in [
            ("photos", "fake", "fake/ names counterfeits"),
            ("photos", "originaaali Counterfeits", "originaaali/"),
            ("photos", "real fakse", "meant to be fake/"),
            ("photos", "reals fake", "meant to be real/"),
            ("photos", "heads counterfiet", "meant to be counterfeit/"),
            ("photos", "0 1", "0 and 1"),
            ("photos", "positive negative", "positive and negative"),
            ("photos", "train/0 train/1 test/0 test/1", "0 and 1"),
            ("photos", "coins/real coins/fake notes/real notes/fake", "coins/, notes/"),
            ("photos", "real/batch1 real/fake", "real/fake/"),
            ("Fakes", ". halftone", "called Fakes"),
        ] {
            let doubt = read(name, paths, Side::Both, Part::Train).unwrap_err().to_string();
            assert!(doubt.contains(wanted), "{paths}: {doubt}");
        }
    }

    #[test]
    fn counterfeits_alone_are_of_families_and_never_genuine() {
        for (paths, wanted) in [
            (". halftone rescan/x", "fff"),
            ("0 1", "ff"),
            ("real fake/halftone", "gf"),
            ("real halftone", "gf"),
            ("train test", "f-"),
        ] {
            assert_eq!(read("collected", paths, Side::Fake, Part::Train).as_deref(), Ok(wanted), "{paths}");
        }
        let paths = [PathBuf::from("bad/toner/1.jpg"), PathBuf::from("bad/2.jpg"), PathBuf::from("good/3.jpg")];
        let layout = Layout::of("photos", &paths, Side::Both).unwrap();
        let kinds = [0, 1].map(|i| layout.kind(&paths[i], Part::Train).1);
        assert_eq!(kinds, ["toner", "bad"].map(|family| Kind::Fake(family.to_owned())));
    }

    #[test]
    fn a_statement_goes_before_every_name() {
        let paths = ["x/fake/1.jpg", "x/a/2.jpg", "x/b/3.jpg"].map(PathBuf::from);
        let kinds = |genuine: Option<&[&str]>, fake: &[&str]| {
            let folders = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
            let (genuine, fake) = (genuine.map(folders), folders(fake));
            let layout = Layout::stated(Path::new("x"), &paths, genuine.as_deref(), &fake)?;
            Ok(paths.each_ref().map(|path| match layout.kind(path, Part::Train).1 {
                Kind::Genuine => 'g',
                Kind::Fake(_) => 'f',
                Kind::Skipped(_) => '-',
            }))
        };
        assert_eq!(kinds(Some(&["."]), &[]), Ok(['g', 'g', 'g']));
        assert_eq!(kinds(Some(&["fake"]), &["b"]), Ok(['g', '-', 'f']));
        assert_eq!(kinds(None, &["a"]), Ok(['g', 'f', 'g']));
        assert_eq!(kinds(Some(&["c"]), &[]), Err(LayoutError::Unlisted("c".into())));
    }
}

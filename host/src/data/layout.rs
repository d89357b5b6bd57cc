//! The paths of a folder's pictures become an understanding of the folder: which of them are genuine, which counterfeit and of what
//! family, which are neither and why; or a refusal, where that is in doubt.
//!
//! Reads no file, so that every layout is a row of a table in the tests. Understood are class folders (`real/ fake/`, by any of the names
//! that `names` knows), class folders below or above `train/ test/`, `MVTec`'s `train/good test/KIND ground_truth/KIND`, any of these one or
//! more folders down where there is one way only, and a plain folder, whose pictures are all genuine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::names::{Class, DIGITS, Meaning, Part, resembled};

/// Which pictures a command is after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The genuine ones and the counterfeits.
    Both,
    /// The genuine ones.
    Genuine,
    /// The counterfeits.
    Fake,
}

/// What a picture is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Genuine,
    /// A counterfeit of a family.
    Fake(String),
    /// Neither; why.
    Left(&'static str),
}

/// Why a folder is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Counterfeits are named and the genuine are not.
    #[error("{fake} names counterfeits, and no folder beside it names the genuine pictures{}", among(others))]
    NoGenuine {
        /// The folder of counterfeits.
        fake: String,
        /// The folders beside it.
        others: Vec<String>,
    },
    /// The folder itself is called counterfeit.
    #[error("the folder itself is called {0}, so its pictures are not taken for genuine")]
    CalledFake(String),
    /// The folder itself is a family of counterfeits.
    #[error("{0} is a folder of counterfeits beside genuine pictures, so its pictures are not taken for genuine")]
    InFakes(String),
    /// The folder holds the kinds of defects that masks beside it belong to.
    #[error(
        "{0}/ stands beside masks of defects and has no folder of good articles, so its pictures are not taken for genuine"
    )]
    Defects(String),
    /// A name that is nearly a known one.
    #[error(
        "{found} stands where folders of genuine pictures and of counterfeits do, and it is neither; it is probably meant to be {meant}/"
    )]
    Misspelt {
        /// The folder.
        found: String,
        /// What it was probably meant to be.
        meant: &'static str,
    },
    /// Names such as 0 and 1.
    #[error("its folders are called {0}, which does not say which of them are genuine")]
    Pair(&'static str),
    /// Several data sets.
    #[error("it holds several data sets: {}", .0.join(", "))]
    Several(Vec<String>),
    /// Counterfeits among the genuine.
    #[error("{folder} stands in a folder of genuine pictures, and its name says counterfeit")]
    Within {
        /// The folder.
        folder: String,
    },
    /// Folders listed in `dataset.toml` that are not there.
    #[error("dataset.toml lists {0}, in which there is no picture")]
    Unlisted(String),
}

fn among(others: &[String]) -> String {
    if others.is_empty() { String::new() } else { format!(" (there are {})", others.join(", ")) }
}

/// What the pictures below a folder are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    folder: PathBuf,
    kind: Kind,
    part: Option<Part>,
}

/// A folder, understood.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Where the class folders stand, below the folder that was given; empty where they stand in it.
    pub(super) base: PathBuf,
    /// Whether nothing named a side, so that all are taken for genuine.
    pub(super) plain: bool,
    rules: Vec<Rule>,
}

/// Folders and how many pictures lie in them.
#[derive(Debug, Default)]
struct Tree {
    loose: usize,
    folders: BTreeMap<String, Tree>,
}

impl Layout {
    /// Understands a folder called `name` by the paths, below it, of its pictures.
    pub(super) fn of(name: &str, pictures: &[PathBuf], side: Side) -> Result<Self, Doubt> {
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
            (_, Some(Class::Fake)) => return Err(Doubt::CalledFake(name.to_owned())),
            _ => {}
        }
        Ok(layout)
    }

    /// What `dataset.toml` in `base` states instead: the folders of one side, and of the other; what is in neither is left, but where no
    /// genuine folder is named the rest is genuine.
    pub(super) fn stated(
        base: &Path,
        pictures: &[PathBuf],
        genuine: Option<&[PathBuf]>,
        fake: &[PathBuf],
    ) -> Result<Self, Doubt> {
        let mut layout = Self { base: base.to_path_buf(), plain: false, rules: Vec::new() };
        layout.add(
            "",
            if genuine.is_some() { Kind::Left("dataset.toml names neither side") } else { Kind::Genuine },
            None,
        );
        let whole = [PathBuf::new()];
        let sides = genuine.unwrap_or(&whole).iter().map(|folder| (folder, false));
        for (folder, is_fake) in sides.chain(fake.iter().map(|folder| (folder, true))) {
            let below: PathBuf = base.join(folder).components().filter(|part| part.as_os_str() != ".").collect();
            if !pictures.iter().any(|path| path.starts_with(&below)) {
                return Err(Doubt::Unlisted(folder.display().to_string()));
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

    /// What a picture is, by its path below the folder, and the folder that says so; `part` is wanted where the folder is parted.
    pub(super) fn kind(&self, picture: &Path, part: Part) -> (&Path, Kind) {
        let rules = self.rules.iter().filter(|rule| picture.starts_with(&rule.folder));
        // Of two rules for one folder the later is the truer.
        let Some(rule) = rules.max_by_key(|rule| rule.folder.components().count()) else {
            return (Path::new(""), Kind::Left("beside what is looked at"));
        };
        let kind = match &rule.kind {
            Kind::Left(_) => rule.kind.clone(),
            _ if self.is_parted() && rule.part.is_some_and(|own| own != part) => Kind::Left(match part {
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

    /// Whether it has pictures of both parts.
    fn is_parted(&self) -> bool {
        let has = |part| self.rules.iter().any(|rule| rule.part == Some(part) && !matches!(rule.kind, Kind::Left(_)));
        has(Part::Train) && has(Part::Test)
    }

    fn add(&mut self, folder: impl Into<PathBuf>, kind: Kind, part: Option<Part>) {
        self.rules.push(Rule { folder: folder.into(), kind, part });
    }

    /// Understands one folder; whether it names defects as industrial inspection does.
    fn level(&mut self, tree: &Tree, at: &Path, part: Option<Part>, side: Side) -> Result<bool, Doubt> {
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
                self.add(at, Kind::Left("beside the folders that name a side"), None);
                self.base = at.join(one);
                self.level(&tree.folders[one], &at.join(one), part, side)
            }
            _ => Err(Doubt::Several(inner.iter().map(|name| shown(&at.join(name))).collect())),
        }
    }

    /// Folders that name a side.
    fn classes(
        &mut self,
        tree: &Tree,
        at: &Path,
        (genuine, fake): (&[&str], &[&str]),
        part: Option<Part>,
        side: Side,
    ) -> Result<bool, Doubt> {
        self.base = if part.is_none() { at.to_path_buf() } else { self.base.clone() };
        let others = || tree.folders.keys().map(String::as_str).filter(|n| !genuine.contains(n) && !fake.contains(n));
        let inspection = genuine.iter().any(|name| Meaning::of(name).inspection);
        for name in others().filter(|name| !Meaning::of(name).mask && Meaning::of(name).part.is_none()) {
            if let Some((meant, _)) = resembled(name) {
                return Err(Doubt::Misspelt { found: shown(&at.join(name)), meant });
            }
        }
        if let (true, false, Some(fake)) =
            (genuine.is_empty(), side == Side::Fake || part == Some(Part::Test), fake.first())
        {
            let others = others().map(|name| shown(&at.join(name))).collect();
            return Err(Doubt::NoGenuine { fake: shown(&at.join(fake)), others });
        }
        self.add(at, Kind::Left("beside the folders that name a side"), None);
        // Of class folders beside a test/, what the test/ is not is for training.
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
                self.add(folder, Kind::Left("masks"), None);
            } else if part.is_none() && meaning.part == Some(Part::Test) && below.has_classes() {
                self.level(below, &folder, Some(Part::Test), side)?;
            } else if inspection || side == Side::Fake && fake.is_empty() {
                self.add(folder, Kind::Fake(name.to_owned()), own);
            } else {
                self.add(folder, Kind::Left("the name tells neither genuine nor counterfeit"), None);
            }
        }
        Ok(inspection)
    }

    /// A folder of one side, which may be parted itself.
    fn side(&mut self, tree: &Tree, at: &Path, kind: &Kind, part: Option<Part>) -> Result<(), Doubt> {
        let own = at.file_name().and_then(|name| Meaning::of(&name.to_string_lossy()).part);
        self.add(at, kind.clone(), part.or(own));
        let meanings: Vec<(&str, Meaning)> =
            tree.folders.keys().map(|name| (name.as_str(), Meaning::of(name))).collect();
        let parted = [Part::Train, Part::Test].iter().all(|part| meanings.iter().any(|(_, m)| m.part == Some(*part)));
        for (name, meaning) in meanings {
            match (kind, meaning) {
                (Kind::Genuine, Meaning { class: Some(Class::Fake), .. }) => {
                    return Err(Doubt::Within { folder: shown(&at.join(name)) });
                }
                (_, Meaning { mask: true, .. }) => self.add(at.join(name), Kind::Left("masks"), None),
                (_, Meaning { part: Some(own), .. }) if parted && part.is_none() => {
                    self.add(at.join(name), kind.clone(), Some(own));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `train/` and `test/`.
    fn parts(&mut self, tree: &Tree, at: &Path, train: &[&str], test: &[&str], side: Side) -> Result<bool, Doubt> {
        self.base = at.to_path_buf();
        self.add(at, Kind::Left("beside train/ and test/"), None);
        let masks = tree.folders.keys().filter(|name| Meaning::of(name).mask).count();
        let mut inspection = masks > 0;
        for name in tree.folders.keys().filter(|name| Meaning::of(name).mask) {
            self.add(at.join(name), Kind::Left("masks"), None);
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
                // MVTec's test/ without test/good: every folder is a kind of defect.
                self.add(folder, Kind::Fake((*name).to_owned()), Some(Part::Test));
            } else if labelled {
                self.add(folder, Kind::Left("nothing tells which are genuine"), None);
            } else {
                self.level(below, &folder, Some(Part::Test), side)?;
            }
        }
        self.base = at.to_path_buf();
        Ok(inspection)
    }

    /// A folder in which nothing names a side.
    fn plain(&mut self, tree: &Tree, at: &Path, part: Option<Part>, side: Side) -> Result<bool, Doubt> {
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
    /// The side that a folder in this one is on. One with folders of both sides in it is none of either, whatever its name.
    fn class_of(&self, name: &str) -> Option<Class> {
        let below = self.folders.get(name)?;
        let has = |class| below.folders.keys().any(|name| Meaning::of(name).class == Some(class));
        let class = match name.to_lowercase().as_str() {
            // Beside invalid/, valid/ is not for validation.
            "valid" if self.folders.keys().any(|name| name.eq_ignore_ascii_case("invalid")) => Some(Class::Genuine),
            _ => Meaning::of(name).class,
        };
        class.filter(|_| !(has(Class::Genuine) && has(Class::Fake)))
    }

    /// Refuses a folder whose pictures may well not all be genuine, though nothing says so.
    fn doubts(&self, at: &Path) -> Result<(), Doubt> {
        let pairs: Vec<_> = self.folders.keys().filter_map(|name| Meaning::of(name).pair).collect();
        for (pair, side) in &pairs {
            // Ten folders 0 to 9 are classes of the genuine.
            if pairs.contains(&(pair, !side)) && (*pair != DIGITS || self.folders.len() == 2) {
                return Err(Doubt::Pair(pair));
            }
        }
        let like: Vec<_> = self.folders.keys().filter_map(|name| Some((name, resembled(name)?))).collect();
        for (name, (meant, class)) in &like {
            let opposite = like.iter().any(|(_, (_, other))| other != class);
            if opposite || *class == Class::Fake && meant.len() >= 6 {
                return Err(Doubt::Misspelt { found: shown(&at.join(name)), meant });
            }
        }
        Ok(())
    }

    /// Whether a folder anywhere in it names a side.
    fn has_classes(&self) -> bool {
        let unmasked = || self.folders.iter().filter(|(name, _)| !Meaning::of(name).mask);
        unmasked().any(|(name, below)| self.class_of(name).is_some() || below.has_classes())
    }
}

/// A folder as it is told of.
fn shown(folder: &Path) -> String {
    format!("{}/", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of paths, one letter a picture: g genuine, f counterfeit, - passed over; or the doubt.
    fn read(name: &str, paths: &str, side: Side, part: Part) -> Result<String, Doubt> {
        let paths: Vec<PathBuf> = paths.split(' ').map(|path| Path::new(path).join("a.jpg")).collect();
        let layout = Layout::of(name, &paths, side)?;
        let letter = |path: &PathBuf| match layout.kind(path, part).1 {
            Kind::Genuine => 'g',
            Kind::Fake(_) => 'f',
            Kind::Left(_) => '-',
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
                Kind::Left(_) => '-',
            }))
        };
        assert_eq!(kinds(Some(&["."]), &[]), Ok(['g', 'g', 'g']));
        assert_eq!(kinds(Some(&["fake"]), &["b"]), Ok(['g', '-', 'f']));
        assert_eq!(kinds(None, &["a"]), Ok(['g', 'f', 'g']));
        assert_eq!(kinds(Some(&["c"]), &[]), Err(Doubt::Unlisted("c".into())));
    }
}

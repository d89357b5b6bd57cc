//! A report of how a folder was interpreted: which pictures were taken as genuine or counterfeit, and which were
//! skipped.
//!
//! Separate from the listing, so that every command that opens a folder prints the same report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::Path;

use serde::Serialize;

/// Number of names that are shown of a list.
const NAMED: usize = 3;

/// How a folder was interpreted.
#[derive(Clone, Debug, Default)]
pub struct LayoutReport {
    /// The folder or file as it was given.
    path: String,
    /// Whether no folder name states a side.
    plain: bool,
    genuine: Taken,
    fake: Taken,
    left: BTreeMap<(String, &'static str), Vec<String>>,
    no_pictures: Vec<String>,
}

/// The pictures taken for one side.
#[derive(Clone, Debug, Default)]
struct Taken {
    pictures: usize,
    /// The folders whose names state this side.
    folders: BTreeSet<String>,
    /// Families of counterfeits; for genuine pictures, the folders that hold them.
    kinds: BTreeSet<String>,
}

/// Pictures that were skipped for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedPictures {
    /// The folder that decided it, relative to the given one.
    pub folder: String,
    /// Why the pictures were skipped.
    pub why: &'static str,
    /// The pictures' paths, relative to the given folder.
    pub pictures: Vec<String>,
}

impl LayoutReport {
    /// A report on a folder, without pictures yet.
    pub(super) fn folder(path: &Path, plain: bool) -> Self {
        Self { path: path.display().to_string(), plain, ..Self::default() }
    }

    /// A report on a file that holds `pictures` genuine pictures.
    pub(super) fn file(path: &Path, pictures: usize) -> Self {
        let genuine = Taken { pictures, ..Taken::default() };
        Self { path: path.display().to_string(), genuine, plain: true, ..Self::default() }
    }

    pub(super) fn take_genuine(&mut self, picture: &Path, by: &Path) {
        let folder = picture.parent().filter(|folder| !folder.as_os_str().is_empty());
        self.genuine.add(by, folder.map(|folder| folder.display().to_string()));
    }

    pub(super) fn take_fake(&mut self, family: &str, by: &Path) {
        self.fake.add(by, Some(family.to_owned()));
    }

    pub(super) fn leave(&mut self, picture: &Path, by: &Path, why: &'static str) {
        let folder = by.display().to_string();
        self.left.entry((folder, why)).or_default().push(picture.display().to_string());
    }

    pub(super) fn no_picture(&mut self, file: &Path) {
        self.no_pictures.push(file.display().to_string());
    }

    /// Passes the report to `tell`: how the folder was interpreted, and what was skipped.
    pub fn tell(&self, tell: &dyn Fn(&str)) {
        tell(&self.to_string());
        if let Some(passed) = self.passed_over() {
            tell(&passed);
        }
    }

    /// Pictures that were skipped because of their folder.
    #[must_use]
    pub fn left(&self) -> Vec<SkippedPictures> {
        let left = self.left.iter().map(|((folder, why), pictures)| SkippedPictures {
            folder: folder.clone(),
            why,
            pictures: pictures.clone(),
        });
        left.collect()
    }

    /// Files that are not pictures, relative to the given folder.
    #[must_use]
    pub fn no_pictures(&self) -> &[String] {
        &self.no_pictures
    }

    /// The skipped pictures and files in one line; `None` if there are none.
    #[must_use]
    pub fn passed_over(&self) -> Option<String> {
        let mut told: Vec<String> = Vec::new();
        for ((folder, why), pictures) in &self.left {
            let count = counted(pictures.len(), "picture", "pictures");
            told.push(if folder.is_empty() {
                format!("{count} ({why}): {}", some(pictures))
            } else {
                format!("{count} in {folder}/ ({why})")
            });
        }
        match &self.no_pictures[..] {
            [] => {}
            [one] => told.push(format!("1 file that is no picture: {one}")),
            several => told.push(format!("{} files that are no pictures: {}", several.len(), some(several))),
        }
        (!told.is_empty()).then(|| format!("passed over: {}", told.join("; ")))
    }
}

impl Taken {
    fn add(&mut self, by: &Path, kind: Option<String>) {
        self.pictures += 1;
        if !by.as_os_str().is_empty() {
            self.folders.insert(by.display().to_string());
        }
        self.kinds.extend(kind);
    }

    /// ` in real/`, or an empty text if no folder name states the side.
    fn place(&self) -> String {
        let folders: Vec<String> = self.folders.iter().map(|folder| format!("{folder}/")).collect();
        if folders.is_empty() { String::new() } else { format!(" in {}", some(&folders)) }
    }
}

impl Display for LayoutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (genuine, fake) = (&self.genuine, &self.fake);
        write!(f, "{}: ", self.path)?;
        if genuine.pictures > 0 || fake.pictures == 0 {
            write!(f, "{} genuine{}", genuine.pictures, genuine.place())?;
        }
        if fake.pictures > 0 {
            let join = if genuine.pictures > 0 { ", " } else { "" };
            let counterfeits = counted(fake.pictures, "counterfeit", "counterfeits");
            let families = counted(fake.kinds.len(), "family", "families");
            write!(f, "{join}{counterfeits} of {families}{}", fake.place())?;
        }
        match genuine.kinds.len() {
            _ if !self.plain || genuine.pictures == 0 => Ok(()),
            0 | 1 => write!(f, "; all are taken for genuine"),
            folders => write!(f, "; all {folders} folders are taken for genuine"),
        }
    }
}

/// Lines for the user about unreadable pictures: how many are not `done`, then the first few with their reasons.
#[must_use]
pub fn unread(reasons: &[String], done: &str) -> Vec<String> {
    const SHOWN: usize = 5;
    if reasons.is_empty() {
        return Vec::new();
    }
    let are = if reasons.len() == 1 { "is" } else { "are" };
    let mut lines = vec![format!("{} {are} not {done}:", counted(reasons.len(), "picture", "pictures"))];
    lines.extend(reasons.iter().take(SHOWN).map(|reason| format!("  {reason}")));
    if reasons.len() > SHOWN {
        lines.push(format!("  and {} more", reasons.len() - SHOWN));
    }
    lines
}

/// The first few names of a list, and how many more there are.
pub(super) fn some(names: &[String]) -> String {
    let named = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// A count with its noun: `1 picture`, `2 pictures`.
fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

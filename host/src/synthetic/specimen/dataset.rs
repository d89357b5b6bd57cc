//! Writes folders of notes: PNG files, a sheet to print, and the description that `train` reads.

use std::io;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use rayon::prelude::*;

use super::family::Family;
use super::sheet::sheet;
use super::{forged, genuine, regions};
use crate::data::{ZooFamily, ZooIndex};

/// Notes of each kind on the sheet of a data set: genuine ones, and forgeries per family.
const SHEET: [usize; 2] = [8, 1];

/// Writes `real` genuine notes and `fakes_per_family` notes of each forger family into `dir`. The files are
/// `real/note_000001.png`, `fake/FAMILY/note_000001.png`, `sheet.png` and `dataset.toml`.
///
/// # Errors
/// Returns an error that names the folder or file that cannot be written.
pub fn write_dataset(dir: &Path, seed: u64, real: usize, fakes_per_family: usize) -> io::Result<()> {
    let mut jobs: Vec<(Option<Family>, u64)> = (1..=real as u64).map(|i| (None, i)).collect();
    folder(&dir.join("real"))?;
    for &family in Family::ALL {
        folder(&dir.join("fake").join(family.name()))?;
        jobs.extend((1..=fakes_per_family as u64).map(|i| (Some(family), i)));
    }
    jobs.par_iter().try_for_each(|&(family, index)| {
        let name = format!("note_{index:06}.png");
        match family {
            None => png(&dir.join("real").join(name), &genuine(seed, index)),
            Some(family) => png(&dir.join("fake").join(family.name()).join(name), &forged(family, seed, index)),
        }
    })?;
    png(&dir.join("sheet.png"), &sheet(seed, SHEET[0], SHEET[1]))?;
    let description = dir.join("dataset.toml");
    std::fs::write(&description, toml()).map_err(|error| at(&description, &error))
}

/// Writes a zoo of notes (see [`crate::synthetic::zoo`]) into `dir`: `train` genuine notes for training, `judge`
/// other genuine notes for judging, and `fakes_per_family` notes of each forger family in its fold.
///
/// # Errors
/// Returns an error that names the folder or file that cannot be written.
pub fn write_zoo(dir: &Path, seed: u64, train: usize, judge: usize, fakes_per_family: usize) -> io::Result<()> {
    let place = |family: Family| dir.join(format!("fold-{}", family.fold())).join(family.name());
    let (to_train, to_judge) = (dir.join("train"), dir.join("genuine"));
    let mut jobs: Vec<(PathBuf, Option<Family>, u64)> = Vec::new();
    jobs.extend((1..=train as u64).map(|i| (to_train.clone(), None, i)));
    jobs.extend((1..=judge as u64).map(|i| (to_judge.clone(), None, (train as u64) + i)));
    for &family in Family::ALL {
        jobs.extend((1..=fakes_per_family as u64).map(|i| (place(family), Some(family), i)));
    }
    [to_train.clone(), to_judge].iter().try_for_each(|path| folder(path))?;
    Family::ALL.iter().try_for_each(|&family| folder(&place(family)))?;
    jobs.par_iter().try_for_each(|(folder, family, index)| {
        let picture = family.map_or_else(|| genuine(seed, *index), |family| forged(family, seed, *index));
        png(&folder.join(format!("note_{index:06}.png")), &picture)
    })?;
    let write = |path: PathBuf, text: String| std::fs::write(&path, text).map_err(|error| at(&path, &error));
    write(to_train.join("dataset.toml"), toml())?;
    let entry = |&family: &Family| ZooFamily {
        name: family.name(),
        fold: family.fold(),
        kind: family.kind(),
        does: "see host/src/specimen/family.rs",
    };
    let index = ZooIndex {
        seed,
        source: "specimen notes".into(),
        train,
        judge,
        per_family: fakes_per_family,
        families: Family::ALL.iter().map(entry).collect(),
    };
    write(dir.join("zoo.toml"), index.text())
}

/// The description: colour, and the regions at their own size, so that a small network still sees the fine print.
fn toml() -> String {
    let rows: Vec<String> =
        regions().iter().map(|[x, y, w, h]| format!("    [{x:.6}, {y:.6}, {w:.6}, {h:.6}],\n")).collect();
    format!("color = \"rgb\"\nsize = [48, 48]\nregions = [\n{}]\n", rows.concat())
}

fn folder(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path).map_err(|error| at(path, &error))
}

fn png(path: &PathBuf, picture: &RgbImage) -> io::Result<()> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Sub)
        .write_image(picture, picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| at(path, &io::Error::other(error)))?;
    std::fs::write(path, bytes).map_err(|error| at(path, &error))
}

/// The error, with the path at which it happened.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_has_its_folders_its_sheet_and_its_description() {
        let dir = tempfile::tempdir().unwrap();
        write_dataset(dir.path(), 1, 2, 1).unwrap();
        let open = |name: &str| image::open(dir.path().join(name)).unwrap().into_rgb8();
        assert!(open("real/note_000002.png") == genuine(1, 2));
        assert!(open("fake/patchwork/note_000001.png") == forged(Family::Patchwork, 1, 1));
        assert_eq!(open("sheet.png").dimensions(), (2480, 3508));
        let description = std::fs::read_to_string(dir.path().join("dataset.toml")).unwrap();
        assert!(description.starts_with("color = \"rgb\"\nsize = [48, 48]\nregions = [\n    [0."));
        assert_eq!(std::fs::read_dir(dir.path().join("fake")).unwrap().count(), Family::ALL.len());
    }

    #[test]
    fn a_zoo_has_every_family_in_its_fold_and_judges_by_other_notes_than_it_trains_on() {
        let dir = tempfile::tempdir().unwrap();
        write_zoo(dir.path(), 1, 2, 1, 1).unwrap();
        let open = |name: &str| image::open(dir.path().join(name)).unwrap().into_rgb8();
        assert!(open("train/note_000002.png") == genuine(1, 2) && open("genuine/note_000003.png") == genuine(1, 3));
        for family in Family::ALL {
            assert!(open(&format!("fold-{}/{}/note_000001.png", family.fold(), family.name())).width() > 0);
        }
        let fold = crate::data::Fold::open(dir.path(), 2).unwrap();
        assert_eq!((fold.judged.len(), fold.train.len(), fold.known.len()), (1 + 4, 2, 8));
    }

    #[test]
    fn an_error_names_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let taken = dir.path().join("taken");
        std::fs::write(&taken, "a file, not a folder").unwrap();
        let error = write_dataset(&taken, 1, 1, 0).unwrap_err().to_string();
        assert!(error.contains("taken"), "{error}");
    }
}

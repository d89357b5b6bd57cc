//! A folder and counts enter, files leave: notes as PNG, the sheet, and the description that `train` reads.

use std::io;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use rayon::prelude::*;

use super::family::Family;
use super::sheet::sheet;
use super::{forged, genuine, regions};

/// Notes of each kind on the sheet that goes with a dataset.
const SHEET: [usize; 2] = [8, 1];

/// Writes `real` genuine notes and `fakes_per_family` of each forger's into `dir`:
/// `real/note_000001.png`, `fake/FAMILY/note_000001.png`, `sheet.png` and `dataset.toml`.
///
/// # Errors
/// When a folder or a file cannot be written; the message names it.
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

/// The description: colour, and the crops in which the fine print survives a small network's input.
fn toml() -> String {
    let rows: Vec<String> =
        regions().iter().map(|[x, y, w, h]| format!("    [{x:.6}, {y:.6}, {w:.6}, {h:.6}],\n")).collect();
    format!("color = \"rgb\"\nregions = [\n{}]\n", rows.concat())
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

/// The error with the path it happened at.
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
        assert!(description.starts_with("color = \"rgb\"\nregions = [\n    [0."));
        assert_eq!(std::fs::read_dir(dir.path().join("fake")).unwrap().count(), Family::ALL.len());
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

//! The option `--explain`: draws a judged picture again, with the evidence for counterfeit in red.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use counterfoil_edge::Error;
use counterfoil_edge::detector::explain::{Explanation, Patch};
use counterfoil_models::{Frame, ensure_folder_free, ensure_free};

/// Where the maps are written.
pub(crate) enum Maps {
    /// The map of one picture, to this file.
    File(PathBuf),
    /// The maps of many pictures, into this folder.
    Folder { folder: PathBuf, drawn: usize },
}

impl Maps {
    /// A file for one picture; a folder for several pictures or a folder of pictures. Rejects a path among the
    /// pictures, and, without `force`, one that already exists.
    pub(crate) fn at(out: PathBuf, pictures: &[PathBuf], force: bool) -> anyhow::Result<Self> {
        let real = |path: &Path| fs::canonicalize(path).ok();
        let among = |place: &Path| {
            let place = real(place);
            pictures.iter().any(|picture| match (&place, real(picture)) {
                (Some(place), Some(picture)) => place.starts_with(picture),
                _ => false,
            })
        };
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(
            !among(&out) && !(among(parent)),
            "--explain {}: it lies among the pictures that are judged; choose another place",
            out.display()
        );
        if let [picture] = pictures
            && !picture.is_dir()
        {
            ensure_free(&out, force)?;
            return Ok(Self::File(out));
        }
        if !force {
            ensure_folder_free(&out, &[])?;
        }
        fs::create_dir_all(&out).with_context(|| format!("--explain {} cannot be made", out.display()))?;
        Ok(Self::Folder { folder: out, drawn: 0 })
    }

    /// Draws the map of one picture. Returns its path, and describes it on stderr.
    pub(crate) fn draw(&mut self, picture: &Path, frame: &Frame, explanation: &Explanation) -> Result<PathBuf, Error> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Folder { folder, drawn } => {
                *drawn += 1;
                let stem = picture.file_stem().unwrap_or(OsStr::new("picture")).to_string_lossy();
                folder.join(format!("{drawn:04}-{stem}.png"))
            }
        };
        let map = explanation.draw(frame)?;
        let unwritten = |source| Error::Unwritten { path: path.clone(), source };
        map.save_with_format(&path, image::ImageFormat::Png).map_err(|e| unwritten(io::Error::other(e)))?;
        let _ = writeln!(io::stderr(), "{}: {}", path.display(), words(explanation.strongest()));
        Ok(path)
    }
}

/// Describes the strongest place of a map in words.
fn words(strongest: Option<&Patch>) -> String {
    let Some(Patch { place, rise }) = strongest else {
        return "no place speaks for counterfeit".to_owned();
    };
    let third =
        |start: f64, length: f64, names: [&'static str; 3]| names[((3.0 * (start + length / 2.0)) as usize).min(2)];
    let down = third(place.y, place.height, ["upper", "middle", "lower"]);
    let across = third(place.x, place.width, ["left", "centre", "right"]);
    format!(
        "the {down} {across} speaks most for counterfeit: without it the score is {rise:.2} deviations of genuine scores higher"
    )
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;

    #[test]
    fn a_place_is_told_in_words() {
        let patch = |x: f64, y: f64| Patch { place: [x, y, 0.2, 0.2].into(), rise: 1.5 };
        assert!(words(Some(&patch(0.0, 0.0))).starts_with("the upper left speaks most"));
        assert!(
            words(Some(&patch(0.8, 0.4))).contains("middle right") && words(Some(&patch(0.4, 0.8))).contains("1.50")
        );
        assert!(words(None).contains("no place"));
    }

    #[test]
    fn maps_are_never_written_among_the_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let picture = dir.path().join("a.png");
        fs::write(&picture, "x").unwrap();
        let refused = |out: &Path, pictures: &[PathBuf]| Maps::at(out.to_path_buf(), pictures, false).is_err();
        assert!(refused(&picture, from_ref(&picture)));
        assert!(refused(&dir.path().join("maps"), &[dir.path().to_path_buf()]));
        assert!(!refused(&dir.path().join("map.png"), from_ref(&picture)));
        assert!(!refused(&dir.path().join("maps"), &[picture.clone(), picture]));
    }

    #[test]
    fn what_is_there_is_replaced_by_force_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [mine, maps, picture] = ["mine.png", "maps", "elsewhere/a.png"].map(|name| dir.path().join(name));
        fs::create_dir_all(&maps).unwrap();
        fs::write(&mine, "x").unwrap();
        fs::write(maps.join("0001-mine.png"), "x").unwrap();
        for (place, pictures) in [(&mine, vec![picture.clone()]), (&maps, vec![picture.clone(), picture])] {
            assert!(Maps::at(place.clone(), &pictures, false).is_err());
            assert!(Maps::at(place.clone(), &pictures, true).is_ok());
        }
    }
}

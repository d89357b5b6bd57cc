//! The empty scene: what the camera shows when nothing is there, learned with one press of a button. An empty scene
//! is not judged, so it is never called counterfeit.
//!
//! A frame is compared cell by cell on a coarse grid of brightness values, after the common change of brightness
//! is removed: clouds and lamps change all cells alike, an article changes only those it covers. The learned
//! scene is kept in a file of the state folder.

use std::path::Path;

use counterfoil_models::{Color, Frame, Preprocess, write_whole};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Number of cells across and down.
const GRID: (u32, u32) = (32, 24);
/// A cell whose brightness changed by more than this, on the scale 0..255, is covered by something.
const CHANGED: i32 = 24;
/// Share of cells that an article changes at least. A smaller article is too small to judge.
const SHARE: f64 = 0.04;
/// Name of the file in the state folder.
const FILE: &str = "empty-scene.json";

/// The learned empty scene.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmptyScene {
    /// Brightness of each cell, row-major.
    cells: Vec<u8>,
}

impl EmptyScene {
    /// Learns a frame as the empty scene.
    ///
    /// # Errors
    /// [`Error::Contract`] when the frame cannot be scaled to the grid.
    pub fn learn(frame: &Frame) -> Result<Self> {
        let (width, height) = GRID;
        Ok(Self { cells: Preprocess::whole(width, height, Color::Grey).plane(frame)?.bytes().to_vec() })
    }

    /// Whether a frame shows this scene with nothing in it.
    ///
    /// # Errors
    /// [`Error::Contract`] when the frame cannot be scaled to the grid.
    pub fn is(&self, frame: &Frame) -> Result<bool> {
        let now = Self::learn(frame)?.cells;
        let mut differences: Vec<i32> =
            now.iter().zip(&self.cells).map(|(now, then)| i32::from(*now) - i32::from(*then)).collect();
        // The median difference is the change of the light.
        differences.sort_unstable();
        let light = differences[differences.len() / 2];
        let changed = differences.iter().filter(|difference| (*difference - light).abs() > CHANGED).count();
        Ok((changed as f64) < SHARE * differences.len() as f64)
    }

    /// Reads the empty scene from a state folder; `None` if none was learned.
    ///
    /// # Errors
    /// [`Error::State`] for a file that cannot be read or is damaged.
    pub fn of(state: &Path) -> Result<Option<Self>> {
        let path = state.join(FILE);
        let damaged = |what: String| Error::State {
            path: path.clone(),
            what,
            remedy: "remove it, and learn the empty scene again",
        };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(format!("cannot be read ({error})"))),
        };
        let empty: Self = serde_json::from_slice(&text).map_err(|error| damaged(format!("is damaged ({error})")))?;
        if empty.cells.len() != (GRID.0 * GRID.1) as usize {
            return Err(damaged(format!("holds {} cells, expected {}", empty.cells.len(), GRID.0 * GRID.1)));
        }
        Ok(Some(empty))
    }

    /// Writes the empty scene to a state folder.
    ///
    /// # Errors
    /// [`Error::Contract`] when the file cannot be written.
    pub fn keep(&self, state: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).expect("numbers can be said in JSON");
        Ok(write_whole(&state.join(FILE), &text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    /// A table in uneven light, brighter by `light`, with a square article of `side` pixels on it.
    fn scene(light: i32, side: u32, noise: u32) -> Frame {
        Frame::Grey(GrayImage::from_fn(640, 480, |x, y| {
            let table = 90 + (x / 16 + y / 24) as i32;
            let article = (200..200 + side).contains(&x) && (150..150 + side).contains(&y);
            let grain = (x.wrapping_mul(2_654_435_761).wrapping_add(y.wrapping_mul(40_503)) >> 7) % (noise + 1);
            Luma([(light + grain as i32 + if article { 220 } else { table }).clamp(0, 255) as u8])
        }))
    }

    #[test]
    fn an_empty_table_is_empty_in_any_light_and_an_article_is_something() {
        let empty = EmptyScene::learn(&scene(0, 0, 20)).unwrap();
        for light in [-40, 0, 40] {
            assert!(empty.is(&scene(light, 0, 30)).unwrap(), "light {light}");
        }
        assert!(!empty.is(&scene(0, 160, 20)).unwrap());
        assert!(!empty.is(&scene(-20, 160, 20)).unwrap());
    }

    #[test]
    fn it_is_remembered_and_a_damaged_memory_is_told_of() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(EmptyScene::of(state.path()).unwrap(), None);
        let empty = EmptyScene::learn(&scene(0, 0, 9)).unwrap();
        empty.keep(state.path()).unwrap();
        assert_eq!(EmptyScene::of(state.path()).unwrap(), Some(empty));
        std::fs::write(state.path().join(FILE), r#"{"cells":[1,2]}"#).unwrap();
        assert!(EmptyScene::of(state.path()).unwrap_err().to_string().contains("learn the empty scene again"));
    }
}

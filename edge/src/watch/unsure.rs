//! Keeps pictures with the verdict unsure in the state folder, for a person to label and for the next training.

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_models::{Color, write_whole};

use crate::Result;
use crate::camera::{Pixels, Shot};

/// Maximum number of pictures that are kept: what a person labels in an hour, and less than 200 MB.
const MOST: usize = 500;

/// The folder `unsure` in a state folder.
#[derive(Debug)]
pub struct UnsureStore {
    folder: PathBuf,
    room: usize,
}

impl UnsureStore {
    /// The folder in a state folder. It is created with the first picture.
    #[must_use]
    pub fn in_state(state: &Path) -> Self {
        let folder = state.join("unsure");
        let kept = fs::read_dir(&folder).map_or(0, Iterator::count);
        Self { folder, room: MOST.saturating_sub(kept) }
    }

    /// Keeps a picture under the name of its fingerprint: in its own format, or as PNG if it was raw.
    /// Does nothing if no room is left.
    ///
    /// # Errors
    /// [`Error::Contract`](crate::Error::Contract) when the file cannot be written.
    pub fn keep(&mut self, fingerprint: &str, shot: &Shot) -> Result<()> {
        if self.room == 0 {
            return Ok(());
        }
        let (bytes, kind) = match &shot.pixels {
            Pixels::File(bytes) => (bytes.clone(), if bytes.starts_with(b"\x89PNG") { "png" } else { "jpg" }),
            Pixels::Raw(yuv) => (yuv.frame(Color::Rgb)?.to_png()?, "png"),
            // There are no pixels, so the picture was not judged.
            Pixels::Missing(_) => return Ok(()),
        };
        write_whole(&self.folder.join(format!("{fingerprint}.{kind}")), &bytes)?;
        self.room -= 1;
        Ok(())
    }
}

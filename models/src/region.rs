//! A rectangular part of a picture, in fractions of its width and height.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A crop of the article, in fractions of its width and height, measured from the upper left corner.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f64; 4]", into = "[f64; 4]")]
pub struct Region {
    /// Left edge, 0..1.
    pub x: f64,
    /// Upper edge, 0..1.
    pub y: f64,
    /// Width, 0..1.
    pub width: f64,
    /// Height, 0..1.
    pub height: f64,
}

impl Region {
    /// The whole picture.
    pub const WHOLE: Self = Self { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };

    /// Checks that the region lies inside the picture.
    ///
    /// # Errors
    /// [`Error::Setting`] naming `field`, the setting that holds the region, when the region is empty, not finite or
    /// not inside the picture.
    pub fn validate(&self, field: &'static str) -> Result<()> {
        let numbers = <[f64; 4]>::from(*self);
        let inside = self.width > 0.0
            && self.height > 0.0
            && self.x + self.width <= 1.0 + 1e-9
            && self.y + self.height <= 1.0 + 1e-9;
        // `contains` is false for NaN.
        if inside && numbers.iter().all(|n| (0.0..=1.0).contains(n)) {
            return Ok(());
        }
        Err(Error::Setting {
            field,
            found: format!("{numbers:?}"),
            expected: "[x, y, width, height] as fractions inside the picture",
        })
    }
}

impl From<[f64; 4]> for Region {
    fn from([x, y, width, height]: [f64; 4]) -> Self {
        Self { x, y, width, height }
    }
}

impl From<Region> for [f64; 4] {
    fn from(region: Region) -> Self {
        [region.x, region.y, region.width, region.height]
    }
}

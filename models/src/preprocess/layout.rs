//! Where a picture's regions are placed: a [`Frame`] and a [`Preprocess`] enter, a [`Layout`] for each region leaves.
//!
//! A file of its own because it has two users: the code that fills the network's rows, and the code that maps a place
//! of a row back to the picture. For [`Resize::Ink`] the layout depends on the pixels.

use image::GrayImage;

use crate::{Error, Frame, Preprocess, Region, Resize, Result};

/// Luma below this is ink: a quarter of the way from white to black.
const INK_BELOW: u8 = 192;
/// Ink is scaled to fit this share of the plane's width and height, so that a signature with its weight at
/// one end is hardly cut.
const INK_SHARE: f64 = 0.9;

/// Where a region lies in the picture, and where it is placed in its row.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Width and height of the picture, in pixels.
    size: (u32, u32),
    /// Left, top, width and height of the region, in pixels of the picture.
    pub(crate) crop: [f64; 4],
    /// Left, top, width and height of the region, in pixels of the row. Paper lies around it, and what hangs over the
    /// row's edge is cut.
    pub(crate) inner: [i64; 4],
}

impl Preprocess {
    /// Computes the layout of each region of an article.
    ///
    /// # Errors
    /// [`Error::Picture`] when ink is to be laid out and there is none; [`Error::Setting`] when this rule does not
    /// [`validate`](Self::validate).
    pub fn layouts(&self, frame: &Frame) -> Result<Vec<Layout>> {
        self.validate()?;
        let size = (frame.width(), frame.height());
        let one = |region: &Region| match self.resize {
            Resize::Stretch => Ok(self.stretched(size, *region)),
            Resize::Pad => Ok(self.padded(size, *region)),
            Resize::Ink => self.inked(&frame.to_grey()),
        };
        self.regions.iter().map(one).collect()
    }

    fn stretched(&self, size: (u32, u32), region: Region) -> Layout {
        Layout { size, crop: crop(size, region), inner: [0, 0, i64::from(self.width), i64::from(self.height)] }
    }

    fn padded(&self, size: (u32, u32), region: Region) -> Layout {
        let crop = crop(size, region);
        let (width, height) = self.fitted(crop, 1.0);
        let (x0, y0) = ((i64::from(self.width) - width) / 2, (i64::from(self.height) - height) / 2);
        Layout { size, crop, inner: [x0, y0, width, height] }
    }

    fn inked(&self, grey: &GrayImage) -> Result<Layout> {
        let Some(Ink { crop, centre }) = Ink::find(grey) else {
            return Err(Error::Picture(
                "there is no ink in it (nothing darker than three quarters of white); expected dark strokes on light paper".into(),
            ));
        };
        let (width, height) = self.fitted(crop, INK_SHARE);
        let start = |side: u32, centre: f64, crop: f64, inner: i64| {
            (f64::from(side) / 2.0 - centre * inner as f64 / crop).round() as i64
        };
        let (x0, y0) = (start(self.width, centre.0, crop[2], width), start(self.height, centre.1, crop[3], height));
        Ok(Layout { size: grey.dimensions(), crop, inner: [x0, y0, width, height] })
    }

    /// Width and height of a crop that is scaled, with its aspect ratio kept, to fit a `share` of the row.
    fn fitted(&self, [_, _, width, height]: [f64; 4], share: f64) -> (i64, i64) {
        let factor = share * (f64::from(self.width) / width).min(f64::from(self.height) / height);
        let fit = |crop: f64, side: u32| ((crop * factor).round() as i64).clamp(1, i64::from(side));
        (fit(width, self.width), fit(height, self.height))
    }
}

impl Layout {
    /// The part of the picture that a rectangle of the row shows, in fractions of the picture.
    ///
    /// The rectangle is `[x, y, width, height]` in pixels of the row. `None` when it shows only the paper around the
    /// region.
    #[must_use]
    pub fn shown(&self, [x, y, width, height]: [usize; 4]) -> Option<Region> {
        // One axis: from pixels of the row to fractions of the picture, limited to where the region ends and the
        // paper begins.
        let side = |start: usize, length: usize, axis: usize, whole: u32| {
            let place = |at: usize| {
                let within = (at as f64 - self.inner[axis] as f64) / self.inner[axis + 2] as f64;
                (self.crop[axis] + within.clamp(0.0, 1.0) * self.crop[axis + 2]) / f64::from(whole)
            };
            let (from, to) = (place(start), place(start + length));
            (to > from).then_some((from, to - from))
        };
        let ((x, width), (y, height)) = (side(x, width, 0, self.size.0)?, side(y, height, 1, self.size.1)?);
        Some(Region { x, y, width, height })
    }
}

/// A region as left, top, width and height in pixels of the picture.
fn crop((width, height): (u32, u32), region: Region) -> [f64; 4] {
    let (w, h) = (f64::from(width), f64::from(height));
    // At least one pixel wide, and not over the picture's edge by a rounding.
    let (crop_width, crop_height) = ((region.width * w).max(1.0).min(w), (region.height * h).max(1.0).min(h));
    [(region.x * w).min(w - crop_width), (region.y * h).min(h - crop_height), crop_width, crop_height]
}

/// Where the ink of a picture lies.
struct Ink {
    /// Left, top, width and height of its bounding box, in pixels.
    crop: [f64; 4],
    /// Its centre of mass, in pixels from the upper left corner of the crop.
    centre: (f64, f64),
}

impl Ink {
    /// Finds the pixels darker than [`INK_BELOW`], each weighted by its darkness; `None` when there are none. The
    /// sums are integers.
    fn find(grey: &GrayImage) -> Option<Self> {
        let (mut left, mut top, mut right, mut bottom) = (u32::MAX, u32::MAX, 0, 0);
        let (mut mass, mut across, mut down) = (0u64, 0u64, 0u64);
        for (x, y, luma) in grey.enumerate_pixels().filter(|(_, _, luma)| luma.0[0] < INK_BELOW) {
            (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
            let ink = u64::from(255 - luma.0[0]);
            (mass, across, down) = (mass + ink, across + ink * u64::from(x), down + ink * u64::from(y));
        }
        (mass > 0).then(|| {
            let side = |from: u32, to: u32| f64::from(to - from + 1);
            // The centre of a pixel lies half a pixel in.
            let centre = |sum: u64, from: u32| sum as f64 / mass as f64 + 0.5 - f64::from(from);
            let crop = [f64::from(left), f64::from(top), side(left, right), side(top, bottom)];
            Self { crop, centre: (centre(across, left), centre(down, top)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Article, Color};
    use image::Luma;

    fn rule(width: u32, height: u32, resize: Resize, regions: Vec<Region>) -> Preprocess {
        Preprocess { width, height, color: Color::Grey, resize, article: Article::Whole, reference: None, regions }
    }

    #[test]
    fn a_place_of_a_row_is_found_again_in_the_picture() {
        let picture = Frame::Grey(GrayImage::new(64, 32));
        let layouts = |rule: Preprocess| rule.layouts(&picture).unwrap();
        let stretched = layouts(rule(8, 8, Resize::Stretch, vec![Region::WHOLE, [0.5, 0.5, 0.5, 0.5].into()]));
        assert_eq!(stretched[1].shown([4, 0, 4, 4]), Some([0.75, 0.5, 0.25, 0.25].into()));
        let padded = &layouts(rule(16, 16, Resize::Pad, vec![Region::WHOLE]))[0];
        // The picture is twice as wide as high: paper above row 4 and below row 12.
        assert_eq!(padded.shown([0, 0, 4, 4]), None);
        assert_eq!(padded.shown([8, 2, 8, 4]), Some([0.5, 0.0, 0.5, 0.25].into()));
    }

    /// A bar of 40 x 10 pixels with its upper left corner at (10, 20); its left half is twice as dark as its right.
    fn bar() -> GrayImage {
        GrayImage::from_fn(100, 80, |x, y| match (x, y) {
            (10..30, 20..30) => Luma([55]),
            (30..50, 20..30) => Luma([155]),
            _ => Luma([230]),
        })
    }

    #[test]
    fn ink_is_cropped_and_its_centre_of_mass_comes_to_the_middle() {
        let layout = &rule(80, 40, Resize::Ink, vec![Region::WHOLE]).layouts(&Frame::Grey(bar())).unwrap()[0];
        assert_eq!(layout.crop, [10.0, 20.0, 40.0, 10.0]);
        // 0.9 * 80 / 40 = 1.8: 72 x 18. The centre lies (2 * 10 + 30) / 3 = 16.67 pixels in, which is 30 after
        // scaling.
        assert_eq!(layout.inner, [10, 11, 72, 18]);
        let quarter = <[f64; 4]>::from(layout.shown([10, 11, 36, 9]).unwrap());
        let expected = [0.1, 0.25, 0.2, 0.0625];
        assert!(quarter.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{quarter:?}");
        assert_eq!(layout.shown([0, 0, 10, 40]), None);
    }

    #[test]
    fn a_picture_without_ink_is_refused_in_words() {
        let blank = Frame::Grey(GrayImage::from_pixel(32, 32, Luma([INK_BELOW])));
        let error = rule(32, 16, Resize::Ink, vec![Region::WHOLE]).layouts(&blank).unwrap_err().to_string();
        assert!(error.contains("no ink") && error.contains("dark strokes"), "{error}");
    }
}

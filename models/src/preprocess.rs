//! A [`Frame`] becomes a [`Plane`]: its regions are cropped, scaled and laid out as the network's input.
//!
//! Only this module makes a network's input, so that training, evaluation and the box process the same pixels. All
//! arithmetic is in integers on bytes; the conversion to 0..1 comes last.

use std::borrow::Cow;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use crate::{Error, Foreground, Frame, NotFound, Outline, Reference, Region, Result, SHARP, sha256_hex, sharpness};

mod layout;

pub use layout::Layout;

/// Largest number of regions of one picture: more is a mistake in a manifest.
const MAX_REGIONS: usize = 256;
/// Value of the pixels around a padded picture: white paper.
const PAPER: u8 = 255;

/// Colour channels of the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// One channel: full-range BT.601 luma.
    Grey,
    /// Three channels: red, green and blue.
    Rgb,
}

impl Color {
    /// Number of channels, 1 or 3.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
        }
    }
}

/// How a region is scaled whose aspect ratio differs from the input's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resize {
    /// Width and height are scaled independently.
    Stretch,
    /// Both are scaled by the same factor, and the region is centred on white paper.
    Pad,
    /// The ink is cropped, both sides are scaled by the same factor, and the ink's centre of mass is placed at the
    /// plane's centre, on white paper.
    Ink,
}

/// Which part of a picture is the article.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Article {
    /// The whole picture: a scan, or a guide frame that the article fills.
    #[default]
    Whole,
    /// The whole picture, moved, turned and lit a little so that it lies over the mean genuine picture, the
    /// [`Reference`]. Where that does not succeed, it is taken as it is.
    Registered,
    /// The article has four sides: it is outlined in the picture, turned upright and straightened. A picture is not
    /// judged when no article is found in it or the article is blurred.
    Outlined,
    /// The article is the one thing of any outline on a plain ground, as it lies: what is around it is cut off. A
    /// picture is not judged when nothing stands out from the ground or the article is cut off.
    Cropped,
    /// As [`Cropped`](Self::Cropped), and turned by at most 45 degrees, so that its long axis runs along the picture's
    /// sides.
    Upright,
    /// As [`Cropped`](Self::Cropped), and turned so that its long axis is level and its heavier end on the left.
    Aligned,
}

impl Article {
    /// All variants.
    pub const ALL: [Self; 6] =
        [Self::Whole, Self::Registered, Self::Outlined, Self::Cropped, Self::Upright, Self::Aligned];

    /// The name in manifests, settings and flags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Registered => "registered",
            Self::Outlined => "outlined",
            Self::Cropped => "cropped",
            Self::Upright => "upright",
            Self::Aligned => "aligned",
        }
    }

    /// Returns the article in a picture: the picture itself, or the straightened article that is found in it. A
    /// registered picture is returned as it is, because that needs a reference.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the article cannot be found, [`Error::Picture`] when an outlined one is blurred.
    pub fn of(self, frame: &Frame) -> Result<Cow<'_, Frame>> {
        let Some(outline) = self.outline(frame)? else { return Ok(Cow::Borrowed(frame)) };
        let article = outline.straighten(frame);
        match sharpness(&article) {
            Some(sharp) if self == Self::Outlined && sharp < SHARP => Err(Error::Picture(
                "the article is blurred; hold it still, move it into the lens's range, or give it more light".into(),
            )),
            _ => Ok(Cow::Owned(article)),
        }
    }

    /// The outline of the article in a picture; `None` when it is the whole picture, or registered.
    ///
    /// # Errors
    /// [`NotFound`] when the article cannot be found.
    pub fn outline(self, frame: &Frame) -> Result<Option<Outline>, NotFound> {
        Ok(Some(match self {
            Self::Whole | Self::Registered => return Ok(None),
            Self::Outlined => Outline::find(frame)?,
            Self::Cropped => Foreground::find(frame)?.cropped(),
            Self::Upright => Foreground::find(frame)?.upright(),
            Self::Aligned => Foreground::find(frame)?.aligned(),
        }))
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_whole(&self) -> bool {
        *self == Self::Whole
    }
}

/// The rule by which every picture becomes the network's input; part of the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Input width in pixels.
    pub width: u32,
    /// Input height in pixels.
    pub height: u32,
    /// Colour channels of the input.
    pub color: Color,
    /// How a region of another aspect ratio is scaled.
    pub resize: Resize,
    /// Which part of a picture is the article.
    #[serde(default, skip_serializing_if = "Article::is_whole")]
    pub article: Article,
    /// The mean genuine picture, for [`Article::Registered`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// The regions of the article; each becomes a row of the batch, in this order.
    pub regions: Vec<Region>,
}

impl Preprocess {
    /// Largest width and height of a network's input, in pixels.
    pub const MAX_SIDE: u32 = 1024;

    /// A rule that takes the whole picture and scales its width and height independently.
    #[must_use]
    pub fn whole(width: u32, height: u32, color: Color) -> Self {
        let (resize, article, regions) = (Resize::Stretch, Article::Whole, vec![Region::WHOLE]);
        Self { width, height, color, resize, article, reference: None, regions }
    }

    /// Checks the values that a manifest or a flag states.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the field that is invalid.
    pub fn validate(&self) -> Result<()> {
        let side = |field, side: u32| {
            if (1..=Self::MAX_SIDE).contains(&side) {
                Ok(())
            } else {
                Err(Error::Setting { field, found: side.to_string(), expected: "1 to 1024 pixels" })
            }
        };
        side("input.width", self.width)?;
        side("input.height", self.height)?;
        if self.regions.is_empty() || self.regions.len() > MAX_REGIONS {
            return Err(Error::Setting {
                field: "input.regions",
                found: format!("a list of {}", self.regions.len()),
                expected: "1 to 256 regions",
            });
        }
        if self.resize == Resize::Ink && self.regions != [Region::WHOLE] {
            return Err(Error::Setting {
                field: "input.regions",
                found: format!("a list of {} beside `resize: ink`", self.regions.len()),
                expected: "the whole picture as the one region: the ink is cropped by where it lies",
            });
        }
        if (self.article == Article::Registered) != self.reference.is_some() {
            return Err(Error::Setting {
                field: "input.reference",
                found: if self.reference.is_some() { "given" } else { "missing" }.into(),
                expected: "a mean genuine picture beside `article: registered`, and nothing beside any other",
            });
        }
        for region in &self.regions {
            region.validate("input.regions")?;
        }
        Ok(())
    }

    /// Number of rows that a picture becomes, one for each region.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.regions.len()
    }

    /// Number of channels of each row, 1 or 3.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.color.channels()
    }

    /// Shape of the network's input for one picture: `[rows, channels, height, width]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        [self.rows(), self.channels(), self.height as usize, self.width as usize]
    }

    /// Returns the article in a picture, see [`Article::of`]; with a reference, the picture that is laid over it.
    ///
    /// # Errors
    /// The errors of [`Article::of`].
    pub fn article_in<'a>(&self, frame: &'a Frame) -> Result<Cow<'a, Frame>> {
        match &self.reference {
            Some(reference) => Ok(Cow::Owned(reference.lay_under(frame))),
            None => self.article.of(frame),
        }
    }

    /// Finds the article in a picture, then crops, scales and lays out its regions.
    ///
    /// # Errors
    /// The errors of [`article_in`](Self::article_in) and [`laid_out`](Self::laid_out).
    pub fn plane(&self, frame: &Frame) -> Result<Plane> {
        let article = self.article_in(frame)?;
        self.laid_out(&article)
    }

    /// Crops, scales and lays out the regions of an article that was already found.
    ///
    /// # Errors
    /// The errors of [`layouts`](Self::layouts).
    pub fn laid_out(&self, frame: &Frame) -> Result<Plane> {
        let layouts = self.layouts(frame)?;
        let (channels, height, width) = (self.channels(), self.height as usize, self.width as usize);
        let size = (frame.width(), frame.height());
        let rows = match self.color {
            Color::Grey => self.scale_all::<U8>(size, frame.to_grey().as_raw(), &layouts),
            Color::Rgb => self.scale_all::<U8x3>(size, frame.to_rgb().as_raw(), &layouts),
        };
        let mut data = Vec::with_capacity(self.rows() * channels * height * width); // [R, C, H, W]
        for row in rows {
            for channel in 0..channels {
                data.extend(row.iter().skip(channel).step_by(channels));
            }
        }
        Ok(Plane { rows: self.rows(), channels, height, width, data })
    }

    /// Scales every region; each result has `[H, W, C]` bytes.
    fn scale_all<P: PixelTrait + InnerPixel<Component = u8>>(
        &self,
        (width, height): (u32, u32),
        pixels: &[u8],
        layouts: &[Layout],
    ) -> Vec<Vec<u8>> {
        let source = TypedImageRef::<P>::from_buffer(width, height, pixels)
            .expect("the buffer was made for a frame of this size and colour");
        let mut resizer = Resizer::new();
        layouts.iter().map(|layout| self.scale(&mut resizer, &source, layout)).collect()
    }

    /// Scales one region and lays it on paper; the result has `[H, W, C]` bytes.
    fn scale<P: PixelTrait + InnerPixel<Component = u8>>(
        &self,
        resizer: &mut Resizer,
        source: &TypedImageRef<P>,
        &Layout { crop: [left, top, crop_width, crop_height], inner: [x0, y0, inner_width, inner_height], .. }: &Layout,
    ) -> Vec<u8> {
        let mut inner = TypedImage::<P>::new(inner_width as u32, inner_height as u32);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            left,
            top,
            crop_width,
            crop_height,
        );
        resizer.resize_typed(source, &mut inner, &options).expect("the crop lies inside the picture");

        let (width, height, channels) = (i64::from(self.width), i64::from(self.height), self.channels());
        let at = |x: i64, y: i64, width: i64| (y * width + x) as usize * channels;
        let inner = P::components(inner.pixels());
        let mut row = vec![PAPER; at(0, height, width)];
        let (from, to) = (x0.max(0), (x0 + inner_width).min(width));
        for y in y0.max(0)..(y0 + inner_height).min(height) {
            let line = at(from - x0, y - y0, inner_width)..at(to - x0, y - y0, inner_width);
            row[at(from, y, width)..at(to, y, width)].copy_from_slice(&inner[line]);
        }
        row
    }
}

/// Converts bytes to float32 in 0..1, the scale of every network's `image` input.
#[must_use]
pub fn unit(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect()
}

/// A picture as the network's input: `[R, C, H, W]` bytes, one row for each region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plane {
    rows: usize,
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<u8>,
}

impl Plane {
    /// Shape of the plane: `[rows, channels, height, width]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        [self.rows, self.channels, self.height, self.width]
    }

    /// The bytes in row-major order of `[R, C, H, W]`.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// The bytes as float32 in 0..1, which `discriminator.onnx` takes as `image`.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        unit(&self.data)
    }

    /// SHA-256 of the bytes, in hex. Golden pictures are checked against it.
    #[must_use]
    pub fn sha256(&self) -> String {
        sha256_hex(&self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb, RgbImage};
    use proptest::prelude::*;

    fn rule(width: u32, height: u32, color: Color, resize: Resize, regions: Vec<Region>) -> Preprocess {
        Preprocess { width, height, color, resize, article: Article::Whole, reference: None, regions }
    }

    #[test]
    fn a_picture_of_the_networks_size_passes_untouched() {
        let picture = GrayImage::from_fn(28, 28, |x, y| Luma([(x * 9 + y) as u8]));
        let plane = rule(28, 28, Color::Grey, Resize::Stretch, vec![Region::WHOLE])
            .plane(&Frame::Grey(picture.clone()))
            .unwrap();
        assert_eq!(plane.bytes(), picture.as_raw());
        assert_eq!(plane.shape(), [1, 1, 28, 28]);
    }

    #[test]
    fn rows_are_regions_and_channels_are_planes() {
        let picture = RgbImage::from_fn(64, 32, |x, _| if x < 32 { Rgb([10, 20, 30]) } else { Rgb([40, 50, 60]) });
        let halves = vec![[0.0, 0.0, 0.5, 1.0].into(), [0.5, 0.0, 0.5, 1.0].into()];
        let plane = rule(8, 8, Color::Rgb, Resize::Stretch, halves).plane(&Frame::Rgb(picture)).unwrap();
        assert_eq!(plane.shape(), [2, 3, 8, 8]);
        let constant: Vec<u8> = plane.bytes().chunks(64).map(|channel| channel[27]).collect();
        assert_eq!(constant, [10, 20, 30, 40, 50, 60]);
    }

    #[test]
    fn padding_keeps_the_aspect_on_white_paper() {
        let plane = rule(16, 16, Color::Grey, Resize::Pad, vec![Region::WHOLE])
            .plane(&Frame::Grey(GrayImage::from_pixel(64, 32, Luma([0]))))
            .unwrap();
        let column: Vec<u8> = plane.bytes().iter().skip(8).step_by(16).copied().collect();
        assert_eq!(column, [[255; 4], [0; 4], [0; 4], [255; 4]].concat());
    }

    #[test]
    fn ink_lies_on_paper_in_any_colour_and_what_overhangs_is_cut() {
        // A blot at the left end of a long line: with its centre of mass in the middle, the line's end hangs over.
        let ink = |x: u32, y: u32| (x < 20 && y < 30) || (13..18).contains(&y);
        let picture = RgbImage::from_fn(200, 30, |x, y| Rgb(if ink(x, y) { [90, 0, 120] } else { [250; 3] }));
        let plane = rule(80, 40, Color::Rgb, Resize::Ink, vec![Region::WHOLE]).plane(&Frame::Rgb(picture)).unwrap();
        let pixel = |x: usize, y: usize| [0, 1, 2].map(|channel| plane.bytes()[(channel * 40 + y) * 80 + x]);
        assert_eq!(pixel(2, 20), [PAPER; 3]);
        assert!(pixel(18, 17)[1] < 50, "the blot lies left of the middle: {:?}", pixel(18, 17));
        assert!(pixel(79, 20)[1] < 200, "the line goes on to the edge: {:?}", pixel(79, 20));
    }

    #[test]
    fn ink_is_looked_for_in_the_whole_picture() {
        let halves = vec![[0.0, 0.0, 0.5, 1.0].into(), [0.5, 0.0, 0.5, 1.0].into()];
        let error = rule(8, 8, Color::Grey, Resize::Ink, halves).validate().unwrap_err().to_string();
        assert!(error.contains("input.regions") && error.contains("resize: ink"), "{error}");
    }

    #[test]
    fn a_region_outside_the_picture_is_named() {
        for bad in [[0.5, 0.0, 0.6, 1.0], [0.0, 0.0, 0.0, 1.0], [f64::NAN, 0.0, 1.0, 1.0], [-0.1, 0.0, 0.5, 0.5]] {
            let error = rule(8, 8, Color::Grey, Resize::Stretch, vec![bad.into()]).validate().unwrap_err();
            assert!(error.to_string().contains("input.regions"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_frame_and_any_region_give_a_whole_plane(
            w in 8u32..200, h in 8u32..200, x in 0.0..0.99f64, y in 0.0..0.99f64, pad: bool, rgb: bool,
        ) {
            let region = [x, y, 1.0 - x, 1.0 - y].into();
            let color = if rgb { Color::Rgb } else { Color::Grey };
            let resize = if pad { Resize::Pad } else { Resize::Stretch };
            let plane = rule(32, 24, color, resize, vec![region, Region::WHOLE])
                .plane(&Frame::Grey(GrayImage::from_pixel(w, h, Luma([77]))))
                .unwrap();
            prop_assert_eq!(plane.bytes().len(), plane.shape().iter().product::<usize>());
            prop_assert!(plane.bytes().iter().all(|b| *b == 77 || (pad && *b == PAPER)));
        }
    }
}

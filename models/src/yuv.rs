//! A camera's raw picture, with brightness and colour apart, becomes a [`Frame`].
//!
//! A file of its own because cameras store rows in different ways (padded, interleaved, colour at half the
//! resolution) and store brightness in 16..=235. Grey must be the same grey from every source, so the range is
//! expanded here and nowhere else. All arithmetic is in integers.

use image::{GrayImage, RgbImage};

use crate::{Color, Error, Frame, Result};

/// Largest width and height of a camera's picture, in pixels.
const MAX_SIDE: u32 = 8_192;

/// How brightness and colour are laid out in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Rows of Y U Y V: two neighbouring pixels share one colour.
    Yuyv,
    /// All rows of Y, then all rows of U and all rows of V at half the width and height (I420).
    Planar420,
}

/// The standard that defines the meaning of the colour values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// ITU-R BT.601: used by USB cameras, and for small pictures.
    Bt601,
    /// ITU-R BT.709: used by libcamera for 1280 x 720 and larger.
    Bt709,
}

impl Matrix {
    /// Factors in units of 1/256, for colour in 16..=240: V to red, U to green, V to green, U to blue.
    fn factors(self) -> [i32; 4] {
        match self {
            Self::Bt601 => [409, -100, -208, 516],
            Self::Bt709 => [459, -55, -136, 541],
        }
    }
}

/// A raw picture of limited range: brightness in 16..=235, colour in 16..=240.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yuv {
    packing: Packing,
    matrix: Matrix,
    width: usize,
    height: usize,
    stride: usize,
    data: Vec<u8>,
}

impl Yuv {
    /// Takes a picture whose rows of brightness (of everything, for [`Packing::Yuyv`]) begin every `stride` bytes.
    ///
    /// The size is in pixels. Bytes after the picture are ignored.
    ///
    /// # Errors
    /// [`Error::Picture`] when a side is odd or longer than 8192 pixels, when `stride` is shorter than a row, or when
    /// `data` is shorter than a picture of this size: the camera was cut off, or its format is another.
    pub fn new(
        packing: Packing,
        matrix: Matrix,
        (width, height): (u32, u32),
        stride: usize,
        data: Vec<u8>,
    ) -> Result<Self> {
        let bad = |what: String| Error::Picture(format!("the camera's picture is no whole one: {what}"));
        if width > MAX_SIDE || height > MAX_SIDE || width % 2 != 0 || height % 2 != 0 {
            return Err(bad(format!("{width}x{height}; expected even sides of at most {MAX_SIDE} pixels")));
        }
        let picture = Self { packing, matrix, width: width as usize, height: height as usize, stride, data };
        let row = picture.width * if packing == Packing::Yuyv { 2 } else { 1 };
        if stride < row || picture.data.len() < picture.len() {
            let (found, wanted) = (picture.data.len(), picture.len());
            return Err(bad(format!(
                "{found} bytes, rows every {stride}; {width}x{height} pixels take {wanted}, rows of {row}"
            )));
        }
        Ok(picture)
    }

    /// Number of bytes of a picture with rows every `stride` bytes, padding included.
    #[must_use]
    pub fn size(packing: Packing, height: u32, stride: usize) -> usize {
        let luma = stride * height as usize;
        if packing == Packing::Planar420 { luma + luma / 2 } else { luma }
    }

    fn len(&self) -> usize {
        Self::size(self.packing, self.height as u32, self.stride)
    }

    /// The bytes as the camera gave them, with any after the picture.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Converts the picture to a frame, in colour or in grey from its brightness alone.
    ///
    /// # Errors
    /// [`Error::Picture`] when a side is shorter than 8 pixels.
    pub fn frame(&self, color: Color) -> Result<Frame> {
        let (width, height) = (self.width as u32, self.height as u32);
        let pixels = || (0..self.height).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        let picture = match color {
            Color::Grey => {
                GrayImage::from_raw(width, height, pixels().map(|(x, y)| full_range(self.luma(x, y))).collect())
                    .map(image::DynamicImage::from)
            }
            Color::Rgb => RgbImage::from_raw(width, height, pixels().flat_map(|(x, y)| self.rgb(x, y)).collect())
                .map(image::DynamicImage::from),
        };
        Frame::from_image(picture.expect("a number was made for each pixel"))
    }

    fn luma(&self, x: usize, y: usize) -> u8 {
        self.data[y * self.stride + if self.packing == Packing::Yuyv { 2 * x } else { x }]
    }

    fn chroma(&self, x: usize, y: usize) -> [i32; 2] {
        let (u, v) = match self.packing {
            Packing::Yuyv => {
                let pair = y * self.stride + x / 2 * 4;
                (pair + 1, pair + 3)
            }
            Packing::Planar420 => {
                let luma = self.stride * self.height;
                let place = luma + y / 2 * (self.stride / 2) + x / 2;
                (place, place + luma / 4)
            }
        };
        [u, v].map(|at| i32::from(self.data[at]) - 128)
    }

    fn rgb(&self, x: usize, y: usize) -> [u8; 3] {
        let (light, [u, v]) = (298 * (i32::from(self.luma(x, y)) - 16), self.chroma(x, y));
        let [v_red, u_green, v_green, u_blue] = self.matrix.factors();
        [v_red * v, u_green * u + v_green * v, u_blue * u]
            .map(|colour| ((light + colour + 128) >> 8).clamp(0, 255) as u8)
    }
}

/// Expands brightness in 16..=235 to 0..=255, rounded.
fn full_range(luma: u8) -> u8 {
    (((i32::from(luma) - 16) * 255 + 109) / 219).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_range_is_undone() {
        assert_eq!([0, 16, 17, 125, 126, 234, 235, 255].map(full_range), [0, 0, 1, 127, 128, 254, 255, 255]);
    }

    /// 8 x 8 pixels, the left half white and the right half red (BT.601: Y 81, U 90, V 240), rows padded by eight
    /// bytes.
    fn halves(packing: Packing) -> Yuv {
        let stride = 8 * if packing == Packing::Yuyv { 2 } else { 1 } + 8;
        let mut data = vec![77; Yuv::size(packing, 8, stride)];
        for y in 0..8 {
            for x in 0..8 {
                let (luma, u, v) = if x < 4 { (235, 128, 128) } else { (81, 90, 240) };
                match packing {
                    Packing::Yuyv => {
                        data[y * stride + 2 * x] = luma;
                        data[y * stride + 2 * x + 1] = if x % 2 == 0 { u } else { v };
                    }
                    Packing::Planar420 => {
                        data[y * stride + x] = luma;
                        let at = stride * 8 + y / 2 * stride / 2 + x / 2;
                        (data[at], data[at + stride * 2]) = (u, v);
                    }
                }
            }
        }
        Yuv::new(packing, Matrix::Bt601, (8, 8), stride, data).unwrap()
    }

    #[test]
    fn padded_rows_of_either_packing_are_the_same_picture() {
        for packing in [Packing::Yuyv, Packing::Planar420] {
            let Frame::Rgb(colour) = halves(packing).frame(Color::Rgb).unwrap() else {
                panic!("it was asked for in colour")
            };
            assert_eq!([colour.get_pixel(1, 6).0, colour.get_pixel(6, 1).0], [[255; 3], [255, 0, 0]], "{packing:?}");
            let Frame::Grey(grey) = halves(packing).frame(Color::Grey).unwrap() else {
                panic!("it was asked for in grey")
            };
            assert_eq!([grey.get_pixel(3, 0).0[0], grey.get_pixel(4, 7).0[0]], [255, 76]);
        }
    }

    #[test]
    fn grey_is_the_grey_of_the_same_picture_in_colour() {
        let grey = halves(Packing::Yuyv).frame(Color::Rgb).unwrap().to_grey().into_owned();
        let straight = halves(Packing::Yuyv).frame(Color::Grey).unwrap().to_grey().into_owned();
        assert!(grey.iter().zip(straight.iter()).all(|(a, b)| a.abs_diff(*b) <= 1));
    }

    #[test]
    fn a_short_picture_is_refused_in_words() {
        let error = Yuv::new(Packing::Planar420, Matrix::Bt601, (64, 64), 64, vec![0; 6143]).unwrap_err().to_string();
        assert!(error.contains("6143 bytes") && error.contains("6144"), "{error}");
        assert!(Yuv::new(Packing::Yuyv, Matrix::Bt601, (64, 64), 64, vec![0; 99_999]).is_err());
        assert!(Yuv::new(Packing::Yuyv, Matrix::Bt601, (9, 64), 64, vec![0; 99_999]).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_bring_it_down(side in 1u32..30, padding in 0usize..9, bytes in prop::collection::vec(any::<u8>(), 0..6000), planar: bool) {
            let packing = if planar { Packing::Planar420 } else { Packing::Yuyv };
            let stride = (side as usize) * 4 + padding;
            if let Ok(picture) = Yuv::new(packing, Matrix::Bt709, (2 * side, 2 * side), stride, bytes) {
                prop_assert_eq!(picture.frame(Color::Rgb).is_ok(), 2 * side >= 8);
            }
        }
    }
}

//! An [`Outline`] and its [`Frame`] enter; the article leaves as its own frame, upright and without perspective.
//!
//! A file of its own because perspective is removed only here. Positions are computed in `f64` with the four basic
//! operations and the square root, which IEEE 754 rounds in the same way everywhere, and pixels are blended in
//! integers. So every machine gives the same bytes.

use image::{GrayImage, RgbImage};

use crate::Frame;
use crate::article::{Outline, Pixels};

impl Outline {
    /// Cuts the article out of a frame and removes its perspective.
    ///
    /// `frame` is the one in which the outline was found. Width and height of the result are the mean lengths of the
    /// article's opposite sides, in pixels, at least 1. The scale stays about 1, so blending four pixels is enough.
    #[must_use]
    pub fn straighten(&self, frame: &Frame) -> Frame {
        let (width, height) = self.size();
        let map = Homography::onto(self.corners(), (f64::from(width), f64::from(height)));
        let pixels = Pixels::of(frame);
        let mut straight = Vec::with_capacity(width as usize * height as usize * pixels.channels);
        for y in 0..height {
            for x in 0..width {
                let place = map.at(f64::from(x) + 0.5, f64::from(y) + 0.5);
                // From units of 1/65536 level, rounded to the nearest level.
                straight.extend(pixels.at(place)[..pixels.channels].iter().map(|level| ((level + 32768) >> 16) as u8));
            }
        }
        match frame {
            Frame::Grey(_) => {
                Frame::Grey(GrayImage::from_raw(width, height, straight).expect("a byte was made for each pixel"))
            }
            Frame::Rgb(_) => {
                Frame::Rgb(RgbImage::from_raw(width, height, straight).expect("three bytes were made for each pixel"))
            }
        }
    }
}

/// The projective map of a rectangle onto four corners (Heckbert, Fundamentals of Texture Mapping, 1989, 2.2.3).
struct Homography {
    x: [f64; 3],
    y: [f64; 3],
    w: [f64; 2],
}

impl Homography {
    /// The map of the rectangle from (0, 0) to `(width, height)`; corners go clockwise from the upper left.
    fn onto(corners: [(f64, f64); 4], (width, height): (f64, f64)) -> Self {
        let [a, b, c, d] = corners;
        let (across, down) = ((b.0 - c.0, b.1 - c.1), (d.0 - c.0, d.1 - c.1));
        let slant = (a.0 - b.0 + c.0 - d.0, a.1 - b.1 + c.1 - d.1);
        let cross = across.0 * down.1 - down.0 * across.1;
        let g = (slant.0 * down.1 - down.0 * slant.1) / cross;
        let h = (across.0 * slant.1 - slant.0 * across.1) / cross;
        let row = |a: f64, b: f64, d: f64| [(b - a + g * b) / width, (d - a + h * d) / height, a];
        Self { x: row(a.0, b.0, d.0), y: row(a.1, b.1, d.1), w: [g / width, h / height] }
    }

    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let over = self.w[0] * x + self.w[1] * y + 1.0;
        ((self.x[0] * x + self.x[1] * y + self.x[2]) / over, (self.y[0] * x + self.y[1] * y + self.y[2]) / over)
    }
}

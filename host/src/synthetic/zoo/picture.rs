//! A grey picture as numbers that a forger family can work on, converted from and to bytes.
//!
//! Every forgery, drawn or learned, is rounded to 8 bits, so that a detector cannot recognise it by values that no
//! file can hold.

use image::{GrayImage, Luma};

/// A grey picture: 0 is the ground, 1 full ink. Beyond the edges, the nearest pixel counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Values row by row.
    pub(super) ink: Vec<f32>,
}

impl Picture {
    /// Converts an 8-bit picture to numbers.
    pub(super) fn of(image: &GrayImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        Self { width, height, ink: image.iter().map(|byte| f32::from(*byte) / 255.0).collect() }
    }

    /// The picture in 8 bits. Values out of range are clipped.
    pub(super) fn image(&self) -> GrayImage {
        GrayImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            Luma([(self.ink[y as usize * self.width + x as usize] * 255.0).round().clamp(0.0, 255.0) as u8])
        })
    }

    /// A picture of the same size, with every pixel computed from its position.
    pub(super) fn drawn(&self, mut ink: impl FnMut(usize, usize) -> f32) -> Self {
        let (width, height) = (self.width, self.height);
        let ink = (0..width * height).map(|i| ink(i % width, i / width)).collect();
        Self { width, height, ink }
    }

    /// A picture with every pixel changed by `curve`.
    pub(super) fn toned(&self, curve: impl Fn(f32) -> f32) -> Self {
        Self { ink: self.ink.iter().map(|v| curve(*v)).collect(), ..*self }
    }

    /// A picture in which each pixel is fetched from the position that `from` gives, in pixels.
    pub(super) fn warped(&self, from: impl Fn(f32, f32) -> [f32; 2]) -> Self {
        self.drawn(|x, y| {
            let [x, y] = from(x as f32, y as f32);
            self.between(x, y)
        })
    }

    /// The pixel at a position.
    pub(super) fn at(&self, x: isize, y: isize) -> f32 {
        let within = |v: isize, size: usize| v.clamp(0, size as isize - 1) as usize;
        self.ink[within(y, self.height) * self.width + within(x, self.width)]
    }

    /// The value between the pixels, by bilinear interpolation.
    pub(super) fn between(&self, x: f32, y: f32) -> f32 {
        let (u, v) = (x.floor(), y.floor());
        let (s, t) = (x - u, y - v);
        let at = |dx: isize, dy: isize| self.at(u as isize + dx, v as isize + dy);
        (at(0, 0) * (1.0 - s) + at(1, 0) * s) * (1.0 - t) + (at(0, 1) * (1.0 - s) + at(1, 1) * s) * t
    }

    /// The picture blurred with a Gaussian of standard deviation `sigma` pixels.
    pub(super) fn blurred(&self, sigma: f32) -> Self {
        let reach = (3.0 * sigma).ceil() as isize;
        let bell: Vec<f32> = (-reach..=reach).map(|d| (-0.5 * (d as f32 / sigma).powi(2)).exp()).collect();
        let sum: f32 = bell.iter().sum();
        let along = |picture: &Self, dx: isize, dy: isize| {
            picture.drawn(|x, y| {
                let tap = |(d, weight): (isize, &f32)| weight * picture.at(x as isize + d * dx, y as isize + d * dy);
                (-reach..=reach).zip(&bell).map(tap).sum::<f32>() / sum
            })
        };
        along(&along(self, 1, 0), 0, 1)
    }

    /// The centre of the picture, in pixels.
    pub(super) fn middle(&self) -> [f32; 2] {
        [0.5 * (self.width as f32 - 1.0), 0.5 * (self.height as f32 - 1.0)]
    }

    /// Distance of another picture, relative to the ink of this one: the root of the ratio of the sums of squares.
    pub(super) fn distance(&self, other: &Self) -> f32 {
        let gap: f32 = self.ink.iter().zip(&other.ink).map(|(a, b)| (a - b).powi(2)).sum();
        let ink: f32 = self.ink.iter().map(|v| v * v).sum();
        (gap / ink.max(1.0)).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Picture {
        Picture { width: 4, height: 3, ink: (0..12).map(|i| i as f32 / 11.0).collect() }
    }

    #[test]
    fn bytes_survive_and_what_is_out_of_range_is_clipped() {
        let image = GrayImage::from_fn(4, 3, |x, y| Luma([(x * 60 + y * 5) as u8]));
        assert_eq!(Picture::of(&image).image(), image);
        assert_eq!(ramp().toned(|v| 3.0 * v - 1.0).image().into_raw()[..2], [0, 0]);
    }

    #[test]
    fn between_pixels_is_their_mean_and_beyond_the_edge_the_nearest() {
        let ramp = ramp();
        assert!((ramp.between(0.5, 0.5) - 0.5 * (ramp.at(0, 0) + ramp.at(1, 1))).abs() < 1e-6);
        assert_eq!(ramp.between(-5.0, 9.0), ramp.at(0, 2));
        assert_eq!(ramp.warped(|x, y| [x, y]), ramp);
    }

    #[test]
    fn a_blur_keeps_the_even_and_moves_the_rest() {
        let even = ramp().toned(|_| 0.5);
        assert!(even.distance(&even.blurred(1.0)) < 1e-6);
        assert!(ramp().distance(&ramp().blurred(1.0)) > 0.05);
    }
}

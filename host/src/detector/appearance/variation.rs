//! Varies a genuine picture as another shot of it would differ: the camera, the light and the file, not the article.

use std::fmt;

use clap::ValueEnum;
use counterfoil_models::{Article, Frame};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::detector::plane::Plane;

/// How much the camera may change. The first line of each variant is its help on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Tolerance {
    /// Nothing: every picture is taken as those of the training.
    None,
    /// A scanner: half a degree, little light, hardly any blur.
    Scanner,
    /// A fixed camera over a marked place: up to 3 degrees, 20 % light, a little blur.
    #[default]
    Fixed,
    /// A camera in a hand: up to 6 degrees, 35 % light, more blur.
    Handheld,
}

/// Writes the name on the command line, in run folders and in manifests.
impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Scanner => "scanner",
            Self::Fixed => "fixed",
            Self::Handheld => "handheld",
        })
    }
}

/// The largest change of each kind.
struct Extent {
    /// Degrees of a turn.
    turn: f32,
    /// Shift of each axis, as a share of the picture's side.
    shift: f32,
    /// Relative change of the scale, and of the two diagonals (perspective).
    scale: f32,
    /// Relative change of the light, and a third of it of each colour.
    light: f32,
    /// Standard deviation of a blur, in pixels of the picture.
    blur: f32,
    /// Standard deviation of noise, 0..1.
    noise: f32,
    /// Lowest quality of a JPEG file.
    jpeg: u8,
}

impl Tolerance {
    /// All tolerances, from the least to the largest.
    pub const ALL: [Self; 4] = [Self::None, Self::Scanner, Self::Fixed, Self::Handheld];

    fn extent(self) -> Option<Extent> {
        match self {
            Self::None => None,
            Self::Scanner => {
                Some(Extent { turn: 0.5, shift: 0.005, scale: 0.005, light: 0.05, blur: 0.4, noise: 0.005, jpeg: 85 })
            }
            Self::Fixed => {
                Some(Extent { turn: 3.0, shift: 0.015, scale: 0.03, light: 0.2, blur: 0.7, noise: 0.01, jpeg: 65 })
            }
            Self::Handheld => {
                Some(Extent { turn: 6.0, shift: 0.03, scale: 0.06, light: 0.35, blur: 1.1, noise: 0.02, jpeg: 50 })
            }
        }
    }
}

/// What may differ between two shots of one article.
#[derive(Clone, Copy, Debug, Default)]
pub struct Camera {
    /// How much the camera may change.
    pub tolerance: Tolerance,
    /// Which part of a picture is the article. Where it is found in the picture, little is left of a shift, and of a
    /// turn if it is turned.
    pub article: Article,
}

/// What is left of a turn, a shift or a change of scale of an article that is found in the picture.
const LEFT: f32 = 1.0 / 3.0;

impl Camera {
    fn extent(self) -> Option<Extent> {
        let most = self.tolerance.extent()?;
        Some(match self.article {
            Article::Whole => most,
            Article::Cropped => Extent { shift: most.shift * LEFT, scale: most.scale * LEFT, ..most },
            Article::Registered | Article::Outlined | Article::Upright | Article::Aligned => {
                Extent { turn: most.turn * LEFT, shift: most.shift * LEFT, scale: most.scale * LEFT, ..most }
            }
        })
    }

    /// A picture as another shot would give it, before the article is found in it.
    #[must_use]
    pub fn vary_frame(self, frame: &Frame, rng: &mut ChaCha8Rng) -> Frame {
        let (width, height) = (frame.width() as usize, frame.height() as usize);
        let (pixels, channels): (&[u8], usize) = match frame {
            Frame::Grey(picture) => (picture.as_raw(), 1),
            Frame::Rgb(picture) => (picture.as_raw(), 3),
        };
        let whole = Self { article: Article::Whole, ..self };
        let row = whole.vary(&planar(pixels, channels), (channels, height, width), rng);
        let (pixels, size) = (interleaved(&row, channels), (frame.width(), frame.height()));
        if channels == 1 {
            Frame::Grey(GrayImage::from_raw(size.0, size.1, pixels).expect("a byte for each pixel"))
        } else {
            Frame::Rgb(RgbImage::from_raw(size.0, size.1, pixels).expect("three bytes for each pixel"))
        }
    }

    /// A row `[C, H, W]` of bytes as another shot would give it. Turn, light, blur, noise and JPEG are each drawn for
    /// this shot, so most shots have a little of everything.
    #[must_use]
    pub fn vary(self, row: &[u8], shape: (usize, usize, usize), rng: &mut ChaCha8Rng) -> Vec<u8> {
        let Some(most) = self.extent() else { return row.to_vec() };
        let (channels, height, width) = shape;
        let mut plane = Plane::of(row, shape);
        let mut draw = |most: f32| rng.random_range(-1.0..=1.0f32) * most;
        let (turn, dx, dy) = (draw(most.turn).to_radians(), draw(most.shift), draw(most.shift));
        let (scale, keystone) = (1.0 + draw(most.scale), [draw(most.scale), draw(most.scale)]);
        let (light, tints) = (1.0 + draw(most.light), [(); 3].map(|()| 1.0 + draw(most.light / 3.0)));
        let (blur, noise) = (draw(most.blur).abs(), draw(most.noise).abs());
        let quality = rng.random_range(most.jpeg..=95);
        let beyond = Beyond::of(&plane, rng.random_range(0..3u8));

        let (cx, cy) = ((width - 1) as f32 / 2.0, (height - 1) as f32 / 2.0);
        let (sin, cos) = turn.sin_cos();
        let from = |x: f32, y: f32| {
            let (u, v) = (x - cx, y - cy);
            let depth = scale * (1.0 + keystone[0] * u / (2.0 * cx) + keystone[1] * v / (2.0 * cy));
            let (u, v) = (u * depth + dx * width as f32, v * depth + dy * height as f32);
            (cx + cos * u - sin * v, cy + sin * u + cos * v)
        };
        plane.sample(|x, y| {
            let (x, y) = from(x, y);
            if matches!(beyond, Beyond::Mirror) { (mirrored(x, 2.0 * cx), mirrored(y, 2.0 * cy)) } else { (x, y) }
        });
        if let Beyond::Ground(ground) = &beyond {
            plane.fill(ground, |x, y| {
                let (x, y) = from(x, y);
                x < -0.5 || y < -0.5 || x > 2.0 * cx + 0.5 || y > 2.0 * cy + 0.5
            });
        }
        if blur > 0.2 {
            plane.convolve(&gaussian(blur));
        }
        let area = plane.area();
        for (channel, values) in plane.values.chunks_exact_mut(area).enumerate() {
            let gain = if channels == 3 { light * tints[channel] } else { light };
            for value in values {
                let grain: f32 = rng.sample(rand_distr::StandardNormal);
                *value = *value * gain + noise * grain;
            }
        }
        compressed(&plane.bytes(), shape, quality)
    }
}

/// What another shot shows where this picture has ended.
enum Beyond {
    /// The picture's edge goes on.
    Edge,
    /// The picture is mirrored.
    Mirror,
    /// The mean colour of the edge, one number for each channel.
    Ground(Vec<f32>),
}

impl Beyond {
    fn of(plane: &Plane, number: u8) -> Self {
        match number {
            0 => Self::Edge,
            1 => Self::Mirror,
            _ => Self::Ground(plane.edge()),
        }
    }
}

/// A position reflected into 0..=`last`.
fn mirrored(position: f32, last: f32) -> f32 {
    let inside = position.abs();
    if inside > last { 2.0 * last - inside } else { inside }
}

/// A 5x5 Gaussian with a sum of 1.
fn gaussian(sigma: f32) -> [f32; 25] {
    let weight = |index: usize| {
        let (x, y) = (index as f32 % 5.0 - 2.0, (index / 5) as f32 - 2.0);
        (-(x * x + y * y) / (2.0 * sigma * sigma)).exp()
    };
    let sum: f32 = (0..25).map(weight).sum();
    std::array::from_fn(|index| weight(index) / sum)
}

/// A row as it is after being stored as a JPEG file.
fn compressed(row: &[u8], (channels, height, width): (usize, usize, usize), quality: u8) -> Vec<u8> {
    let interleaved = interleaved(row, channels);
    let size = (width as u32, height as u32);
    let picture = if channels == 1 {
        GrayImage::from_raw(size.0, size.1, interleaved).map(DynamicImage::from)
    } else {
        RgbImage::from_raw(size.0, size.1, interleaved).map(DynamicImage::from)
    };
    let picture = picture.expect("the bytes are those of a picture of this size");
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality).encode_image(&picture).expect("a picture in memory is encoded");
    let read = image::load_from_memory(&file).expect("it was just written");
    let read = if channels == 1 { read.to_luma8().into_raw() } else { read.to_rgb8().into_raw() };
    planar(&read, channels)
}

/// `[C, H, W]` as `[H, W, C]`.
fn interleaved(row: &[u8], channels: usize) -> Vec<u8> {
    let area = row.len() / channels;
    (0..row.len()).map(|i| row[i % channels * area + i / channels]).collect()
}

/// `[H, W, C]` as `[C, H, W]`.
fn planar(pixels: &[u8], channels: usize) -> Vec<u8> {
    let area = pixels.len() / channels;
    (0..pixels.len()).map(|i| pixels[i % area * channels + i / area]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::random::stream;

    fn distance(a: &[u8], b: &[u8]) -> f32 {
        a.iter().zip(b).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn a_shot_differs_as_much_as_the_camera_may() {
        for channels in [1, 3] {
            let shape = (channels, 48, 64);
            let row: Vec<u8> = (0..channels * 48 * 64).map(|i| if i / 8 % 3 == 0 { 40 } else { 200 }).collect();
            let mean = |tolerance: Tolerance| {
                let camera = Camera { tolerance, ..Camera::default() };
                let shots = (0..8).map(|i| camera.vary(&row, shape, &mut stream(1, "shot", i)));
                shots.map(|shot| distance(&shot, &row)).sum::<f32>() / 8.0
            };
            let [none, scanner, fixed, handheld] =
                [Tolerance::None, Tolerance::Scanner, Tolerance::Fixed, Tolerance::Handheld].map(mean);
            assert!(
                none == 0.0 && scanner > 0.5 && fixed > scanner && handheld > fixed,
                "{scanner} {fixed} {handheld}"
            );
        }
    }

    #[test]
    fn an_article_that_is_found_moves_less_and_a_picture_keeps_its_size() {
        let frame = Frame::Rgb(RgbImage::from_fn(60, 40, |x, y| image::Rgb([(x * 4) as u8, (y * 6) as u8, 90])));
        let shot = |article| Camera { article, ..Camera::default() }.vary_frame(&frame, &mut stream(2, "shot", 1));
        assert_eq!((shot(Article::Whole).width(), shot(Article::Whole).height()), (60, 40));
        assert_eq!(shot(Article::Whole), shot(Article::Aligned), "before the article is found");
        let row: Vec<u8> = (0..48 * 64).map(|i| if i / 8 % 3 == 0 { 40 } else { 200 }).collect();
        let extent = |article| Camera { article, ..Camera::default() }.extent().map(|most| (most.turn, most.shift));
        assert_eq!(extent(Article::Aligned), Some((1.0, 0.005)));
        assert_eq!(extent(Article::Cropped), Some((3.0, 0.005)));
        let none = Camera { tolerance: Tolerance::None, article: Article::Whole };
        assert_eq!(none.vary(&row, (1, 48, 64), &mut stream(2, "shot", 1)), row);
    }

    #[test]
    fn a_tolerance_has_one_name_everywhere() {
        for tolerance in Tolerance::ALL {
            assert_eq!(serde_json::to_string(&tolerance).unwrap(), format!("\"{tolerance}\""));
            assert_eq!(tolerance.to_possible_value().unwrap().get_name(), tolerance.to_string());
        }
    }

    #[test]
    fn a_file_of_high_quality_changes_little() {
        for channels in [1, 3] {
            let row: Vec<u8> = (0..channels * 32 * 32).map(|i| (i % 32 * 8) as u8).collect();
            assert!(distance(&compressed(&row, (channels, 32, 32), 95), &row) < 3.0);
        }
    }
}

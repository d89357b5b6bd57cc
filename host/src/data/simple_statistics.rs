//! Simple statistics of a picture: the numbers on which a detector could rely without learning anything else.
//!
//! If one such number separates genuine pictures from counterfeits, the data set proves nothing about a detector. A
//! test checks this for the specimen notes, and `dataset inspect` checks it for a user's own pictures.

use counterfoil_models::Frame;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageEncoder, RgbImage};

/// Computes eight named statistics of a picture, in a fixed order.
///
/// Grey is full-range BT.601 luma, 0..255; `mean` and `spread` are its mean and standard deviation. `sharpness` is
/// the standard deviation of the four-neighbour Laplacian. `edge density` is the share of pixels whose central
/// difference is over 24 grey levels. `file size` is that of the picture encoded as PNG, in bytes. `dark share` is
/// the share of pixels darker than 96. `warmth` is mean red minus mean blue. `colourfulness` is the mean difference
/// between a pixel's largest and smallest channel.
#[must_use]
pub fn simple_statistics(frame: &Frame) -> Vec<(&'static str, f64)> {
    let grey: Vec<f32> = frame.to_grey().as_raw().iter().copied().map(f32::from).collect();
    let rgb = frame.to_rgb();
    let n = grey.len().max(1) as f64;
    let mean = grey.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let spread = (grey.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt();
    let dark = grey.iter().filter(|&&v| v < 96.0).count() as f64 / n;
    let (sharpness, edges) = detail(&grey, frame.width() as usize);
    let warmth = rgb.pixels().map(|p| f64::from(p.0[0]) - f64::from(p.0[2])).sum::<f64>() / n;
    let range = |p: [u8; 3]| p[0].max(p[1]).max(p[2]) - p[0].min(p[1]).min(p[2]);
    let colour = rgb.pixels().map(|p| f64::from(range(p.0))).sum::<f64>() / n;
    vec![
        ("mean", mean),
        ("spread", spread),
        ("sharpness", sharpness),
        ("edge density", edges),
        ("file size", file_size(&rgb)),
        ("dark share", dark),
        ("warmth", warmth),
        ("colourfulness", colour),
    ]
}

/// Standard deviation of the Laplacian, and the share of pixels on an edge.
fn detail(grey: &[f32], width: usize) -> (f64, f64) {
    let height = grey.len() / width.max(1);
    let (mut square, mut sum, mut edges, mut n) = (0.0_f64, 0.0_f64, 0_u32, 0_u32);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width - 1 {
            let i = y * width + x;
            let (left, right, up, down) = (grey[i - 1], grey[i + 1], grey[i - width], grey[i + width]);
            let laplacian = f64::from(left + right + up + down - 4.0 * grey[i]);
            sum += laplacian;
            square += laplacian * laplacian;
            let steep = (right - left).powi(2) + (down - up).powi(2);
            edges += u32::from(steep > 48.0 * 48.0);
            n += 1;
        }
    }
    let n = f64::from(n.max(1));
    let mean = sum / n;
    ((square / n - mean * mean).max(0.0).sqrt(), f64::from(edges) / n)
}

fn file_size(rgb: &RgbImage) -> f64 {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Sub);
    let written = encoder.write_image(rgb, rgb.width(), rgb.height(), image::ExtendedColorType::Rgb8);
    written.map_or(0.0, |()| bytes.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_picture_has_no_detail() {
        let flat = Frame::Rgb(RgbImage::from_pixel(20, 10, image::Rgb([100, 100, 100])));
        let value = |name: &str| simple_statistics(&flat).into_iter().find(|(n, _)| *n == name).map(|(_, v)| v);
        assert!(value("mean").is_some_and(|v| (v - 100.0).abs() < 1e-3));
        for name in ["spread", "sharpness", "edge density", "warmth"] {
            assert!(value(name).is_some_and(|v| v.abs() < 1e-3), "{name}");
        }
    }

    #[test]
    fn a_one_pixel_picture_is_no_trouble() {
        assert_eq!(simple_statistics(&Frame::Rgb(RgbImage::new(1, 1))).len(), 8);
    }
}

//! Genuine pictures under camera drift: how fast false alarms grow when the light fades, the lens softens, files are
//! compressed and the note is rotated.
//!
//! The input is genuine pictures and a detector, the output a curve for each kind of drift. This is the only place
//! where pictures are changed before they are judged, and nothing in it is random.

use std::io::Cursor;

use anyhow::Result;
use counterfoil_edge::Detector;
use counterfoil_models::{Frame, Verdict};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageBuffer, Pixel, RgbImage, imageops};
use rayon::prelude::*;
use serde::Serialize;

use crate::data::Item;

/// Maximum number of pictures for the curves: 200 distinguish 1 % from 5 %, and judging each of them 24 times takes
/// seconds.
const PICTURES: usize = 200;
/// Number of strengths of each kind of drift, not counting 0.
pub const STRENGTHS: u8 = 5;

/// A change of a picture that leaves the article as genuine as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 8 % of the original light less for each strength.
    Brightness,
    /// A Gaussian blur, with 0.3 pixels more of standard deviation for each strength.
    Blur,
    /// JPEG compression at quality 90, 75, 60, 45 and 30.
    Jpeg,
    /// A rotation about the centre, one degree more for each strength.
    Rotation,
}

impl Kind {
    /// All kinds of drift.
    pub const ALL: [Self; 4] = [Self::Brightness, Self::Blur, Self::Jpeg, Self::Rotation];

    /// The effect of one more strength, in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Brightness => "light, 8 % less a step",
            Self::Blur => "blur, 0.3 pixels a step",
            Self::Jpeg => "JPEG, quality 90 and 15 less a step",
            Self::Rotation => "rotation, 1 degree a step",
        }
    }

    /// The picture at a strength; at 0 it is unchanged.
    fn applied(self, frame: &Frame, strength: u8) -> Result<Frame> {
        if strength == 0 {
            return Ok(frame.clone());
        }
        let steps = f32::from(strength);
        Ok(match (self, frame) {
            (Self::Brightness, Frame::Grey(picture)) => Frame::Grey(dimmed(picture, 1.0 - 0.08 * steps)),
            (Self::Brightness, Frame::Rgb(picture)) => Frame::Rgb(dimmed(picture, 1.0 - 0.08 * steps)),
            (Self::Blur, Frame::Grey(picture)) => Frame::Grey(imageops::blur(picture, 0.3 * steps)),
            (Self::Blur, Frame::Rgb(picture)) => Frame::Rgb(imageops::blur(picture, 0.3 * steps)),
            (Self::Rotation, Frame::Grey(picture)) => Frame::Grey(turned(picture, steps)),
            (Self::Rotation, Frame::Rgb(picture)) => Frame::Rgb(turned(picture, steps)),
            (Self::Jpeg, frame) => recompressed(frame, 105 - 15 * strength)?,
        })
    }
}

/// The results on the genuine pictures at one strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// The strength, from 0 (unchanged) to [`STRENGTHS`].
    pub strength: u8,
    /// Share of the pictures that are judged counterfeit, 0..1.
    pub false_alarm_rate: f64,
    /// Mean p-value; about 0.5 where the calibration holds.
    pub mean_p: f64,
}

/// The results for one kind of drift.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The kind of drift.
    pub kind: Kind,
    /// The results in ascending order of strength.
    pub points: Vec<Point>,
}

/// Computes a curve for each kind of drift over up to 200 of the genuine pictures in `items`. Pictures that cannot be
/// read are left out.
///
/// # Errors
/// When the detector fails on a picture.
pub fn curves(detector: &Detector, items: &[Item]) -> Result<Vec<Curve>> {
    let genuine: Vec<&Item> = items.iter().filter(|item| item.family.is_none()).collect();
    let stride = genuine.len().div_ceil(PICTURES).max(1);
    let frames: Vec<Frame> =
        genuine.par_iter().step_by(stride).filter_map(|item| Some(item.frame().ok()?.into_frame())).collect();
    let point = |kind: Kind, strength: u8| {
        let judge = |frame: &Frame| {
            let judgement = detector.judge(&kind.applied(frame, strength)?)?;
            Ok((judgement.verdict() == Verdict::Counterfeit, judgement.p_value()))
        };
        let judged = frames.par_iter().map(judge).collect::<Result<Vec<(bool, f64)>>>()?;
        let n = judged.len() as f64;
        let false_alarm_rate = judged.iter().filter(|(called_counterfeit, _)| *called_counterfeit).count() as f64 / n;
        Ok(Point { strength, false_alarm_rate, mean_p: judged.iter().map(|(_, p)| p).sum::<f64>() / n })
    };
    let curve = |kind| Ok(Curve { kind, points: (0..=STRENGTHS).map(|s| point(kind, s)).collect::<Result<_>>()? });
    Kind::ALL.into_iter().map(curve).collect()
}

type Picture<P> = ImageBuffer<P, Vec<u8>>;

/// Multiplies every sample by `light`.
fn dimmed<P: Pixel<Subpixel = u8>>(picture: &Picture<P>, light: f32) -> Picture<P> {
    let mut picture = picture.clone();
    for sample in picture.iter_mut() {
        *sample = (f32::from(*sample) * light).round() as u8;
    }
    picture
}

/// Rotates about the centre, with bilinear interpolation; outside the picture the edge is repeated.
fn turned<P: Pixel<Subpixel = u8>>(picture: &Picture<P>, degrees: f32) -> Picture<P> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (right, bottom) = ((picture.width() - 1) as f32, (picture.height() - 1) as f32);
    let (x0, y0) = (right / 2.0, bottom / 2.0);
    ImageBuffer::from_fn(picture.width(), picture.height(), |x, y| {
        let (dx, dy) = (x as f32 - x0, y as f32 - y0);
        let (u, v) = ((x0 + cos * dx + sin * dy).clamp(0.0, right), (y0 - sin * dx + cos * dy).clamp(0.0, bottom));
        let (left, top) = (u.floor().min((right - 1.0).max(0.0)), v.floor().min((bottom - 1.0).max(0.0)));
        let at = |dx: u32, dy: u32, channel: usize| {
            let (x, y) = ((left as u32 + dx).min(right as u32), (top as u32 + dy).min(bottom as u32));
            f32::from(picture.get_pixel(x, y).channels()[channel])
        };
        let (fx, fy) = (u - left, v - top);
        let mut pixel = *picture.get_pixel(x, y);
        for (channel, sample) in pixel.channels_mut().iter_mut().enumerate() {
            let upper = at(0, 0, channel) * (1.0 - fx) + at(1, 0, channel) * fx;
            let lower = at(0, 1, channel) * (1.0 - fx) + at(1, 1, channel) * fx;
            *sample = (upper * (1.0 - fy) + lower * fy).round() as u8;
        }
        pixel
    })
}

/// Encodes as JPEG and decodes again.
fn recompressed(frame: &Frame, quality: u8) -> Result<Frame> {
    let picture = match frame {
        Frame::Grey(picture) => DynamicImage::from(GrayImage::clone(picture)),
        Frame::Rgb(picture) => DynamicImage::from(RgbImage::clone(picture)),
    };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality))?;
    Ok(Frame::decode(bytes.get_ref())?.into_frame())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Luma, Rgb};

    #[test]
    fn every_kind_changes_a_picture_more_each_time_and_keeps_its_shape() {
        let ring = |x: u32, y: u32| if (x.abs_diff(20) + 2 * y.abs_diff(14)) % 9 < 5 { 220 } else { 30 };
        let grey = Frame::Grey(GrayImage::from_fn(40, 28, |x, y| Luma([ring(x, y)])));
        let rgb = Frame::Rgb(RgbImage::from_fn(40, 28, |x, y| Rgb([ring(x, y), 90, ring(y, x)])));
        for frame in [grey, rgb] {
            for kind in Kind::ALL {
                let far = |strength| {
                    let changed = kind.applied(&frame, strength).unwrap();
                    assert_eq!((changed.width(), changed.height()), (frame.width(), frame.height()));
                    let (one, other) = (changed.to_rgb(), frame.to_rgb());
                    one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
                };
                assert_eq!(far(0), 0, "{kind:?}");
                assert!(far(1) > 0 && far(5) > far(1), "{kind:?}: {} {}", far(1), far(5));
            }
        }
    }

    #[test]
    fn a_turn_by_a_quarter_moves_rows_to_columns() {
        let rows = GrayImage::from_fn(9, 9, |_, y| Luma([y as u8 * 20]));
        let found = turned(&rows, 90.0);
        assert!((0..9).all(|x| found.get_pixel(x, 4).0[0] == found.get_pixel(x, 0).0[0]));
        assert_ne!(found.get_pixel(0, 4), found.get_pixel(8, 4));
    }
}

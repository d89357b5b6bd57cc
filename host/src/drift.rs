//! Genuine pictures under a camera that drifts: how fast false alarms grow as the light goes, the lens softens, files are squeezed and
//! the note lies askew.
//!
//! Genuine pictures and a detector enter, a curve for each kind of drift leaves. Here and nowhere else pictures are changed before they
//! are judged; nothing random takes part.

use std::io::Cursor;

use anyhow::Result;
use counterfoil_edge::Detector;
use counterfoil_models::{Frame, Verdict};
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, GrayImage, ImageBuffer, Pixel, RgbImage, imageops};
use rayon::prelude::*;
use serde::Serialize;

use crate::data::Item;

/// Pictures the curves are taken on, at most: 200 tell 1 % from 5 % and are judged 21 times in seconds.
const PICTURES: usize = 200;
/// Strengths of each kind.
pub const STRENGTHS: u8 = 5;

/// A way in which pictures change that makes nothing less genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// 8 % less of the light at first each time.
    Brightness,
    /// A Gaussian blur, 0.3 pixels of deviation more each time.
    Blur,
    /// JPEG at quality 90, 75, 60, 45 and 30.
    Jpeg,
    /// A turn about the middle, one degree more each time.
    Rotation,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Brightness, Self::Blur, Self::Jpeg, Self::Rotation];

    /// What one strength more does, in words.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Brightness => "light, 8 % less a step",
            Self::Blur => "blur, 0.3 pixels a step",
            Self::Jpeg => "JPEG, quality 90 and 15 less a step",
            Self::Rotation => "rotation, 1 degree a step",
        }
    }

    /// The picture at a strength, 0 being as it was.
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
            (Self::Jpeg, frame) => squeezed(frame, 105 - 15 * strength)?,
        })
    }
}

/// What became of the genuine pictures at one strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// 0 as they were, up to [`STRENGTHS`].
    pub strength: u8,
    /// Share judged counterfeit.
    pub false_alarm_rate: f64,
    /// Mean p-value, about 0.5 where the calibration holds.
    pub mean_p: f64,
}

/// One kind of drift.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// Which.
    pub kind: Kind,
    /// By ascending strength.
    pub points: Vec<Point>,
}

/// A curve for each kind, over up to 200 of the genuine among the `items`; pictures that cannot be read are left out.
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
        let false_alarm_rate = judged.iter().filter(|(accused, _)| *accused).count() as f64 / n;
        Ok(Point { strength, false_alarm_rate, mean_p: judged.iter().map(|(_, p)| p).sum::<f64>() / n })
    };
    let curve = |kind| Ok(Curve { kind, points: (0..=STRENGTHS).map(|s| point(kind, s)).collect::<Result<_>>()? });
    Kind::ALL.into_iter().map(curve).collect()
}

type Picture<P> = ImageBuffer<P, Vec<u8>>;

/// Every sample times `light`.
fn dimmed<P: Pixel<Subpixel = u8>>(picture: &Picture<P>, light: f32) -> Picture<P> {
    let mut picture = picture.clone();
    for sample in picture.iter_mut() {
        *sample = (f32::from(*sample) * light).round() as u8;
    }
    picture
}

/// Turned about the middle, bilinear; what comes in from outside repeats the edge.
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

/// Through a JPEG file and back.
fn squeezed(frame: &Frame, quality: u8) -> Result<Frame> {
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

//! Near-duplicates: the same picture saved again, scaled or recompressed. Across a split they would flatter.

use counterfoil_models::{Color, Frame, Preprocess, Region, Resize};
use rayon::prelude::*;

/// Pictures are compared at this size: recompression averages out, another photo of the same thing does not.
const SIDE: u32 = 32;
/// Mean absolute difference, in grey levels of 255, below which two pictures are one.
/// Another JPEG quality moves it by some 0.3, the next photo of the same note by 2 and more.
const NEAR: u32 = 1;
/// Difference hashes (Neal Krawetz's dHash, 64 bits) farther apart than this are not compared further.
const HASH_BITS: u32 = 6;

/// A pair of indices, one into each list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearDuplicate {
    /// Into the first list.
    pub first: usize,
    /// Into the second list.
    pub second: usize,
}

/// What is kept of a picture to recognise it by.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    hash: u64,
    grey: Vec<u8>,
}

impl Fingerprint {
    /// Of a decoded picture.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let grey = shrink(frame, SIDE, SIDE);
        let small = shrink(frame, 9, 8);
        let hash = small
            .chunks_exact(9)
            .flat_map(|line| line.windows(2))
            .fold(0, |hash, pair| hash << 1 | u64::from(pair[0] < pair[1]));
        Self { hash, grey }
    }

    fn is_near(&self, other: &Self) -> bool {
        (self.hash ^ other.hash).count_ones() <= HASH_BITS && {
            let total: u32 = self.grey.iter().zip(&other.grey).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            total <= NEAR * SIDE * SIDE
        }
    }
}

fn shrink(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
    Preprocess { width, height, color: Color::Grey, resize: Resize::Stretch, regions: vec![Region::WHOLE] }
        .plane(frame)
        .expect("a fixed rule is valid")
        .bytes()
        .to_vec()
}

/// For each picture of `first` its first twin in `second`, if it has one.
#[must_use]
pub fn near_duplicates(first: &[Fingerprint], second: &[Fingerprint]) -> Vec<NearDuplicate> {
    first
        .par_iter()
        .enumerate()
        .filter_map(|(i, a)| second.iter().position(|b| a.is_near(b)).map(|j| NearDuplicate { first: i, second: j }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{DynamicImage, GrayImage, Luma};

    fn picture(phase: f32) -> GrayImage {
        GrayImage::from_fn(96, 96, |x, y| {
            Luma([(128.0 + 60.0 * ((x as f32 * 0.13 + phase).sin() + (y as f32 * 0.09 * phase).cos())) as u8])
        })
    }

    #[test]
    fn a_recompressed_and_a_scaled_copy_are_found_and_another_picture_is_not() {
        let original = picture(1.0);
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, 70).encode_image(&original).unwrap();
        let copy = Frame::decode(&jpeg).unwrap();
        let scaled = DynamicImage::ImageLuma8(original.clone()).resize(64, 64, image::imageops::FilterType::Triangle);
        let prints: Vec<Fingerprint> =
            [copy, Frame::from_image(scaled).unwrap(), Frame::Grey(picture(1.4))].iter().map(Fingerprint::of).collect();
        let found = near_duplicates(&prints, &[Fingerprint::of(&Frame::Grey(original))]);
        assert_eq!(found.iter().map(|d| d.first).collect::<Vec<_>>(), [0, 1]);
    }
}

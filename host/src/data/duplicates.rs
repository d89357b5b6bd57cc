//! Near-duplicates: the same picture saved again, scaled or recompressed.
//!
//! Near-duplicates across a split make a detector look better than it is. A picture given as genuine and as
//! counterfeit would teach both labels.

use counterfoil_models::{Color, Frame, Preprocess};
use rayon::prelude::*;

use super::Result;
use super::rows::Rows;

/// Side length in pixels at which pictures are compared: at this size recompression averages out, and another photo
/// of the same object does not.
const SIDE: u32 = 32;
/// Mean absolute difference, in grey levels of 255, up to which two pictures count as the same. Another JPEG quality
/// changes a picture by about 0.3, the next photo of the same note by 2 and more.
const NEAR: u32 = 1;
/// Largest Hamming distance of two difference hashes (Neal Krawetz's dHash, 64 bits) at which the pictures are
/// compared further.
const HASH_BITS: u32 = 6;
/// Largest difference between two bytes of the planes of one picture. JPEG at a quality of 70 changes a byte by less,
/// a retouched area by more.
const SAME: u8 = 24;
/// Number of stored fingerprints read into memory at a time (4 MB).
const AT_A_TIME: usize = 4096;

/// A near-duplicate pair: an index into each of two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearDuplicate {
    /// Index into the first list.
    pub first: usize,
    /// Index into the second list.
    pub second: usize,
}

/// What is kept of a picture in order to recognise it: a 64-bit difference hash and a small grey version.
#[derive(Clone, Debug)]
pub struct Fingerprint {
    hash: u64,
    grey: Vec<u8>,
}

impl Fingerprint {
    /// Length in bytes of a stored fingerprint.
    pub(crate) const BYTES: usize = Self::GREY + (SIDE * SIDE) as usize;
    /// Place of the grey levels in a stored fingerprint.
    pub(super) const GREY: usize = 8;

    /// Computes the fingerprint of a decoded picture.
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

    /// The stored form: the hash in little-endian order, then the grey levels.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&self.hash.to_le_bytes()[..], &self.grey].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let (hash, grey) = bytes.split_first_chunk().expect("a stored fingerprint begins with its hash");
        Self { hash: u64::from_le_bytes(*hash), grey: grey.to_vec() }
    }

    fn is_near(&self, other: &Self) -> bool {
        (self.hash ^ other.hash).count_ones() <= HASH_BITS && {
            let total: u32 = self.grey.iter().zip(&other.grey).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            total <= NEAR * SIDE * SIDE
        }
    }
}

fn shrink(frame: &Frame, width: u32, height: u32) -> Vec<u8> {
    Preprocess::whole(width, height, Color::Grey).plane(frame).expect("a fixed rule is valid").bytes().to_vec()
}

/// Finds, for each picture of `first`, its first near-duplicate in `second`, if there is one.
#[must_use]
pub fn near_duplicates(first: &[Fingerprint], second: &[Fingerprint]) -> Vec<NearDuplicate> {
    first
        .par_iter()
        .enumerate()
        .filter_map(|(i, a)| second.iter().position(|b| a.is_near(b)).map(|j| NearDuplicate { first: i, second: j }))
        .collect()
}

/// Does the same as [`near_duplicates`] for stored fingerprints, given by their indices. `second` may be of any
/// length, because it is read in parts.
///
/// # Errors
/// [`DataError::Spill`](super::DataError::Spill) when the fingerprints are in a file and the disk fails.
pub(crate) fn twins_across(
    (first_prints, first): (&Rows, &[usize]),
    (second_prints, second): (&Rows, &[usize]),
) -> Result<Vec<NearDuplicate>> {
    let read = |prints: &Rows, indices: &[usize]| {
        let mut bytes = [0; Fingerprint::BYTES];
        let one = |&i: &usize| prints.read(i, &mut bytes).map(|()| Fingerprint::from_bytes(&bytes));
        indices.iter().map(one).collect::<Result<Vec<_>>>()
    };
    let (ours, mut found) = (read(first_prints, first)?, vec![None; first.len()]);
    for (number, part) in second.chunks(AT_A_TIME).enumerate() {
        for twin in near_duplicates(&ours, &read(second_prints, part)?) {
            found[twin.first].get_or_insert(number * AT_A_TIME + twin.second);
        }
    }
    let pairs = found.into_iter().enumerate();
    Ok(pairs.filter_map(|(first, second)| Some(NearDuplicate { first, second: second? })).collect())
}

/// Whether two planes of the same layout show the same picture.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(*b) <= SAME)
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
        let copy = Frame::decode(&jpeg).unwrap().into_frame();
        let scaled = DynamicImage::ImageLuma8(original.clone()).resize(64, 64, image::imageops::FilterType::Triangle);
        let prints: Vec<Fingerprint> =
            [copy, Frame::from_image(scaled).unwrap(), Frame::Grey(picture(1.4))].iter().map(Fingerprint::of).collect();
        let found = near_duplicates(&prints, &[Fingerprint::of(&Frame::Grey(original))]);
        assert_eq!(found.iter().map(|d| d.first).collect::<Vec<_>>(), [0, 1]);
    }
    #[test]
    fn stored_fingerprints_find_the_same_twins_however_many_there_are() {
        let print = |phase: f32| Fingerprint::of(&Frame::Grey(picture(phase)));
        // The twin of the second picture is the first one of the second part; a later twin follows it.
        let mut all = vec![print(1.0), print(1.4)];
        all.resize(2 + AT_A_TIME, print(2.1));
        all.extend([print(1.4), print(1.4)]);
        let mut prints = Rows::from_bytes(Fingerprint::BYTES, Vec::new());
        for print in &all {
            prints.push(&print.to_bytes()).unwrap();
        }
        let others: Vec<usize> = (2..all.len()).collect();
        let twin = NearDuplicate { first: 1, second: AT_A_TIME };
        assert_eq!(twins_across((&prints, &[0, 1]), (&prints, &others)).unwrap(), [twin]);
        assert_eq!(near_duplicates(&all[..2], &all[2..]), [twin]);
    }
}

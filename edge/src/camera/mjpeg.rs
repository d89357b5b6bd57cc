//! Bytes as they come enter, whole JPEG pictures leave: Motion JPEG is nothing but one picture after the other.
//!
//! A file because a stream may begin in the middle of a picture, be cut, or hold thumbnails that are JPEG pictures too: segments are
//! stepped over by their lengths (ITU-T T.81, annex B), and after what is no JPEG the next picture's beginning is looked for.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;

use super::pipe::{self, Bytes};
use super::{Next, Pixels, Shot};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;
/// No picture is longer; a stream that says otherwise is none.
const MAX_PICTURE: usize = 16 << 20;

/// Pictures out of a pipe, which nothing else may have read from: what lies in a buffer, poll knows nothing of.
pub(super) struct Stream<P> {
    pipe: P,
    splitter: Splitter,
    whole: VecDeque<Vec<u8>>,
    piece: Vec<u8>,
}

impl<P: AsFd> Stream<P> {
    pub(super) fn of(pipe: P) -> Self {
        Self { pipe, splitter: Splitter::default(), whole: VecDeque::new(), piece: vec![0; PIECE] }
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(picture) = self.whole.pop_front() {
                return Ok(Next::Shot(Shot::now(Pixels::File(picture))));
            }
            match pipe::read(&self.pipe, &mut self.piece)? {
                Bytes::Some(count) => self.whole.extend(self.splitter.push(&self.piece[..count])),
                Bytes::Waiting => return Ok(Next::Waiting),
                Bytes::End => return Ok(Next::End),
            }
        }
    }
}

/// Cuts a stream into pictures.
#[derive(Debug, Default)]
struct Splitter {
    buffer: Vec<u8>,
    /// How far `buffer` was looked through.
    at: usize,
    inside: Inside,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Inside {
    /// Before a picture's first marker.
    #[default]
    Nothing,
    /// Between segments, each of which tells its length.
    Segments,
    /// In compressed pixels, which end at a marker.
    Scan,
}

impl Splitter {
    /// Adds bytes and gives the pictures that they complete.
    fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.buffer.extend_from_slice(bytes);
        let mut pictures = Vec::new();
        while self.advance(&mut pictures).is_some() {}
        if self.buffer.len() > MAX_PICTURE {
            self.forget(self.buffer.len());
        }
        pictures
    }

    /// One step through the buffer; `None` once it takes more bytes to take another.
    fn advance(&mut self, pictures: &mut Vec<Vec<u8>>) -> Option<()> {
        match self.inside {
            Inside::Nothing => {
                let start = self.buffer.windows(3).position(|bytes| bytes == [0xFF, 0xD8, 0xFF]);
                // The last two bytes may be the beginning of one.
                self.forget(start.unwrap_or(self.buffer.len().saturating_sub(2)));
                start?;
                (self.at, self.inside) = (2, Inside::Segments);
            }
            Inside::Segments => match *self.buffer.get(self.at..self.at + 2)? {
                [0xFF, 0xFF] => self.at += 1,
                [0xFF, 0xD9] => pictures.push(self.cut()),
                [0xFF, marker] if marker >= 0xC0 && !(0xD0..=0xD8).contains(&marker) => {
                    let length = self.buffer.get(self.at + 2..self.at + 4)?;
                    self.at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                    if marker == 0xDA {
                        self.inside = Inside::Scan;
                    }
                }
                // What was begun is no picture.
                _ => self.forget(1),
            },
            Inside::Scan => {
                let pixels = self.buffer.get(self.at..)?;
                // 0 is stuffed after a pixel's 0xFF, and restart markers stand between pixels.
                let marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7 | 0xFF);
                let found = pixels.windows(2).position(marker);
                self.at += found.unwrap_or(pixels.len().saturating_sub(1));
                found?;
                self.inside = Inside::Segments;
            }
        }
        Some(())
    }

    /// The picture that ends here, cut off the buffer.
    fn cut(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.at + 2);
        (self.at, self.inside) = (0, Inside::Nothing);
        std::mem::replace(&mut self.buffer, rest)
    }

    fn forget(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        (self.at, self.inside) = (0, Inside::Nothing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, ImageEncoder, Luma, codecs::jpeg::JpegEncoder};
    use proptest::prelude::*;

    fn jpeg(shade: u8, exif: Option<Vec<u8>>) -> Vec<u8> {
        let picture = GrayImage::from_fn(40, 30, |x, y| Luma([shade.wrapping_add(((x * 37) ^ (y * 91)) as u8)]));
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif).unwrap();
        }
        encoder.write_image(&picture, 40, 30, image::ExtendedColorType::L8).unwrap();
        bytes
    }

    fn split(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut splitter = Splitter::default();
        stream.chunks(piece).flat_map(|bytes| splitter.push(bytes)).collect()
    }

    #[test]
    fn a_thumbnail_inside_is_no_picture_of_its_own() {
        let with_thumbnail = jpeg(3, Some(jpeg(9, None)));
        assert_eq!(split(&[with_thumbnail.clone(), jpeg(4, None)].concat(), 100), [with_thumbnail, jpeg(4, None)]);
    }

    #[test]
    fn a_stream_that_begins_in_the_middle_or_is_torn_loses_that_picture_only() {
        let [first, second, third] = [1, 2, 3].map(|shade| jpeg(shade, None));
        let stream =
            [&first[first.len() / 2..], &second, b"noise \xFF\xD8 noise", &second, &third[..20], &third].concat();
        let pictures = split(&stream, 7);
        assert!(pictures.contains(&second) && pictures.contains(&third), "{} pictures", pictures.len());
    }

    #[test]
    fn endless_noise_takes_no_endless_memory() {
        let mut splitter = Splitter::default();
        let picture = jpeg(1, None);
        splitter.push(&picture[..picture.len() - 2]);
        for _ in 0..40 {
            splitter.push(&vec![0x55; 1 << 20]);
        }
        assert!(splitter.buffer.len() <= MAX_PICTURE);
        assert_eq!(splitter.push(&picture), [picture]);
    }

    proptest! {
        #[test]
        fn pictures_come_out_as_they_went_in_whatever_the_pieces(shades in prop::collection::vec(any::<u8>(), 1..5), piece in 1usize..3000) {
            let pictures: Vec<_> = shades.into_iter().map(|shade| jpeg(shade, None)).collect();
            prop_assert_eq!(split(&pictures.concat(), piece), pictures);
        }

        #[test]
        fn no_bytes_bring_it_down(bytes in prop::collection::vec(prop_oneof![Just(0xFFu8), Just(0xD8), Just(0xDA), any::<u8>()], 0..3000)) {
            split(&bytes, 17);
        }
    }
}

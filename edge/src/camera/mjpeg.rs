//! Splits a Motion JPEG byte stream into JPEG pictures. Such a stream is a plain sequence of pictures.
//!
//! A file of its own because a stream can begin in the middle of a picture, can be cut, and can contain
//! thumbnails, which are JPEG pictures too. Segments are skipped by their length (ITU-T T.81, annex B).
//! After bytes that are not JPEG, the splitter searches for the next start of a picture. For any input the
//! work is proportional to the number of bytes.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use counterfoil_models::limits;

use super::foreign;
use super::pipe::{self, Bytes};
use super::{Next, Pixels, Shot};

/// Number of bytes to read at a time.
const PIECE: usize = 64 << 10;
/// The last marker of a picture (EOI).
const END: [u8; 2] = [0xFF, 0xD9];
/// A stream without a picture in this many bytes is not Motion JPEG.
const MOST_WITHOUT: u64 = 2 << 20;
/// Bytes that may be scanned again, for each byte received, when the start of a picture turned out to be false.
const AGAIN: usize = 4;

/// Reads pictures from a pipe. Nothing else may have read from it, because `poll` does not see bytes in a buffer.
pub(super) struct Stream<P> {
    pipe: P,
    splitter: Splitter,
    whole: VecDeque<Vec<u8>>,
    piece: Vec<u8>,
    silence: PictureTimeout,
}

impl<P: AsFd> Stream<P> {
    /// `patience` is how long the pipe may give no picture before [`missing`](Self::missing) reports it.
    pub(super) fn of(pipe: P, patience: Duration) -> Self {
        let silence = PictureTimeout::new(patience, Instant::now());
        Self { pipe, splitter: Splitter::default(), whole: VecDeque::new(), piece: vec![0; PIECE], silence }
    }

    /// The next picture. Returns after each piece, so that a thread that reads bytes without pictures can be stopped.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        if self.whole.is_empty() {
            match pipe::read(&self.pipe, &mut self.piece)? {
                Bytes::Some(count) => {
                    let piece = &self.piece[..count];
                    self.silence.bytes(piece);
                    self.whole.extend(self.splitter.push(piece));
                }
                Bytes::Waiting => {}
                Bytes::End => return Ok(Next::End(None)),
            }
        }
        let Some(picture) = self.whole.pop_front() else { return Ok(Next::Waiting) };
        if picture.ends_with(&END) {
            self.silence.picture(Instant::now());
        }
        Ok(Next::Shot(Shot::now(Pixels::File(picture))))
    }

    /// What the stream gives instead of pictures, once `patience` has passed; repeated after each further `patience`.
    pub(super) fn missing(&mut self) -> Option<String> {
        self.silence.missing(Instant::now())
    }

    /// What a stream that has ended gave instead of pictures; `None` if it gave at least one picture.
    pub(super) fn ended_without(&self) -> Option<String> {
        self.silence.ended_without()
    }
}

/// Measures for how long, and for how many bytes, a stream has given no picture.
#[derive(Debug)]
struct PictureTimeout {
    patience: Duration,
    since: Instant,
    bytes: u64,
    /// The first bytes of the stream.
    head: Vec<u8>,
    pictures: bool,
}

impl PictureTimeout {
    fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, since: now, bytes: 0, head: Vec::new(), pictures: false }
    }

    fn bytes(&mut self, piece: &[u8]) {
        let room = foreign::HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..room]);
        self.bytes += piece.len() as u64;
    }

    fn picture(&mut self, now: Instant) {
        (self.since, self.bytes, self.pictures) = (now, 0, true);
    }

    fn missing(&mut self, now: Instant) -> Option<String> {
        let (waited, bytes) = (now.duration_since(self.since), self.bytes);
        if waited < self.patience && bytes < MOST_WITHOUT {
            return None;
        }
        (self.since, self.bytes) = (now, 0);
        Some(match (bytes, foreign::kind(&self.head)) {
            (0, _) => format!("has given nothing for {} s", self.patience.as_secs()),
            (_, Some(kind)) if !self.pictures => format!("gives {kind} and no JPEG pictures"),
            _ => {
                let (seconds, megabytes) = (self.patience.as_secs(), MOST_WITHOUT >> 20);
                format!("has given no whole JPEG picture for {seconds} s or {megabytes} MB")
            }
        })
    }

    fn ended_without(&self) -> Option<String> {
        (!self.pictures).then(|| match foreign::kind(&self.head) {
            _ if self.head.is_empty() => "ended without a byte".into(),
            Some(kind) => format!("gave {kind} and no JPEG pictures, and ended"),
            None => "ended without a JPEG picture".into(),
        })
    }
}

/// Splits a Motion JPEG stream into pictures.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Where the current picture begins in `buffer`, or where the search for one begins.
    start: usize,
    /// Position up to which `buffer` was scanned.
    at: usize,
    inside: Inside,
    /// Whether compressed pixels end at `at`.
    pixels: bool,
    /// Number of bytes that may still be scanned again.
    again: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Inside {
    /// Before the first marker of a picture.
    #[default]
    Nothing,
    /// Between segments, which carry their length.
    Segments,
    /// In compressed pixels, which end at a marker.
    Scan,
}

impl Splitter {
    /// Appends bytes and returns the pictures that they complete. A picture whose pixels break off is returned as far
    /// as it goes; the decoder rejects it and the box counts it.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.buffer.extend_from_slice(bytes);
        self.again = (self.again + AGAIN * bytes.len()).min(AGAIN * limits::PICTURE_STREAMED);
        let mut pictures = Vec::new();
        while self.advance(&mut pictures).is_some() {}
        self.buffer.drain(..self.start);
        self.at = self.at.saturating_sub(self.start);
        self.start = 0;
        if self.buffer.len() > limits::PICTURE_STREAMED {
            self.buffer.clear();
            self.look_from(0);
        }
        pictures
    }

    /// Takes one step through the buffer; `None` if the next step needs more bytes.
    fn advance(&mut self, pictures: &mut Vec<Vec<u8>>) -> Option<()> {
        match self.inside {
            Inside::Nothing => {
                let rest = self.buffer.get(self.start..)?;
                let found = rest.windows(3).position(|bytes| bytes == [0xFF, 0xD8, 0xFF]);
                // The last two bytes may be the start of a picture.
                self.start += found.unwrap_or(rest.len().saturating_sub(2));
                found?;
                (self.at, self.inside, self.pixels) = (self.start + 2, Inside::Segments, false);
            }
            Inside::Segments => match *self.buffer.get(self.at..self.at + 2)? {
                [0xFF, 0xFF] => self.at += 1,
                [0xFF, 0xD9] => pictures.push(self.cut(self.at + 2)),
                [0xFF, marker] if marker >= 0xC0 && !(0xD0..=0xD8).contains(&marker) => {
                    let length = self.buffer.get(self.at + 2..self.at + 4)?;
                    self.at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
                    self.pixels = false;
                    if marker == 0xDA {
                        self.inside = Inside::Scan;
                    }
                }
                // The pixels broke off. No other picture can have begun before this position.
                _ if self.pixels => pictures.push(self.cut(self.at)),
                // The start was false. A picture may begin within the bytes that were skipped, so they
                // are scanned again if the budget allows.
                _ => {
                    let stepped = self.at - self.start;
                    let afford = self.again >= stepped;
                    self.again -= if afford { stepped } else { 0 };
                    self.look_from(if afford { self.start + 1 } else { self.at });
                }
            },
            Inside::Scan => {
                let pixels = self.buffer.get(self.at..)?;
                // A 0 byte is stuffed after each 0xFF in the pixels, and restart markers stand between them.
                let marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7 | 0xFF);
                let found = pixels.windows(2).position(marker);
                self.at += found.unwrap_or(pixels.len().saturating_sub(1));
                found?;
                (self.inside, self.pixels) = (Inside::Segments, true);
            }
        }
        Some(())
    }

    /// The picture up to `end`; the search for the next one begins there.
    fn cut(&mut self, end: usize) -> Vec<u8> {
        let picture = self.buffer[self.start..end].to_vec();
        self.look_from(end);
        picture
    }

    fn look_from(&mut self, start: usize) {
        (self.start, self.at, self.inside) = (start, start, Inside::Nothing);
    }
}

/// Length in bytes of the JPEG picture at the start of a file; `None` if its last marker is missing.
pub(super) fn whole(file: Vec<u8>) -> Option<usize> {
    let mut splitter = Splitter { buffer: file, ..Splitter::default() };
    let mut pictures = Vec::new();
    while splitter.start == 0 && splitter.advance(&mut pictures).is_some() {}
    let first = pictures.first().filter(|picture| picture.ends_with(&END));
    first.map(Vec::len)
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
    fn a_picture_whose_pixels_break_off_is_handed_over_to_be_counted() {
        let [first, second] = [1, 2].map(|shade| jpeg(shade, None));
        let torn = &first[..first.len() - 40];
        assert_eq!(split(&[torn, &second].concat(), 100), [torn.to_vec(), second]);
    }

    #[test]
    fn a_files_picture_is_whole_with_its_last_marker_and_not_with_its_thumbnails() {
        let picture = jpeg(3, Some(jpeg(9, None)));
        assert_eq!(whole(picture.clone()), Some(picture.len()));
        assert_eq!(whole([&picture[..], b"more"].concat()), Some(picture.len()));
        for cut in 1..picture.len() {
            assert_eq!(whole(picture[..cut].to_vec()), None, "{cut} of {} bytes", picture.len());
        }
    }

    #[test]
    fn hostile_markers_take_time_in_proportion_to_their_bytes() {
        // First stream: every fourth byte is a false start, inside the segment that the first start skips. Second
        // stream: chains of segments, each of which leads from every start to the end.
        let dead_ends = [&b"\xFF\xD8\xFF\xE0\xFF\xFF"[..], &b"\xFF\xD8\xFF\x00".repeat(1 << 20)].concat();
        let chains = [&b"\xFF\xE0\x00\x04\xFF\xD8".repeat(1 << 20)[..], b"\xFF\x00"].concat();
        for stream in [dead_ends, chains] {
            let stream = [&stream[..], &jpeg(1, None)].concat();
            let begun = Instant::now();
            assert!(split(&stream, PIECE).contains(&jpeg(1, None)));
            // With quadratic work these streams took minutes.
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        }
    }

    #[test]
    fn what_comes_instead_of_pictures_is_said_in_time() {
        let begun = Instant::now();
        let [early, late] = [1, 5].map(|seconds| begun + Duration::from_secs(seconds));
        let after = |bytes: &[u8]| {
            let mut silence = PictureTimeout::new(Duration::from_secs(5), begun);
            silence.bytes(bytes);
            silence
        };
        let mut nothing = after(b"");
        assert_eq!(nothing.missing(early), None);
        assert_eq!(nothing.missing(late).unwrap(), "has given nothing for 5 s");
        assert_eq!(nothing.missing(late + Duration::from_secs(1)), None, "each time its patience has run out");
        let mut film = after(b"\0\0\0\x01\x67\x42\0\x1f");
        assert_eq!(film.missing(late).unwrap(), "gives H.264 video and no JPEG pictures");
        assert!(film.ended_without().unwrap().contains("H.264"));
        let mut noise = after(&vec![0x8A; 3 << 20]);
        assert_eq!(noise.missing(early).unwrap(), "has given no whole JPEG picture for 5 s or 2 MB");
        noise.picture(early);
        assert_eq!((noise.missing(late), noise.ended_without()), (None, None));
    }

    #[test]
    fn endless_noise_takes_no_endless_memory() {
        let mut splitter = Splitter::default();
        let picture = jpeg(1, None);
        splitter.push(&picture[..picture.len() - 2]);
        for _ in 0..40 {
            splitter.push(&vec![0x55; 1 << 20]);
        }
        assert!(splitter.buffer.len() <= limits::PICTURE_STREAMED);
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

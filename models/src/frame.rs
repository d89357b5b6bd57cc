//! The bytes of a picture file become a [`Frame`]: upright 8-bit pixels, grey or RGB.
//!
//! One file, because all defences against an untrusted picture are here: its format is taken from its content (never
//! from its name), memory is reserved before it is used, damage is refused. EXIF orientation, transparency over white
//! and the reduction of 16 bits to 8 are handled here too.

mod exif;
mod file;
mod jpeg;
mod kind;
mod png;
mod scan;

use std::borrow::Cow;
use std::io::{Cursor, Seek};
use std::ops::Deref;
use std::path::Path;

use image::imageops::crop_imm;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::memory::{Reservation, longest_file, read_file};
use crate::{Error, Region, Result};

pub use file::PictureFile;
use jpeg::Jpeg;
pub use kind::{FileKind, KIND_BYTES};

/// Smallest width and height in pixels: a smaller picture has nothing to judge.
const MIN_SIDE: u32 = 8;

/// A decoded picture, upright, 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Grey, one byte per pixel.
    Grey(GrayImage),
    /// Red, green and blue, three bytes per pixel.
    Rgb(RgbImage),
}

/// A frame whose memory counts towards the limit of the process ([`limit_memory`](crate::limit_memory)) until it is
/// dropped.
#[derive(Debug)]
pub struct DecodedFrame {
    frame: Frame,
    _held: Option<Reservation>,
}

impl DecodedFrame {
    /// Returns the frame; its memory no longer counts towards the limit.
    #[must_use]
    pub fn into_frame(self) -> Frame {
        self.frame
    }
}

impl Deref for DecodedFrame {
    type Target = Frame;

    fn deref(&self) -> &Frame {
        &self.frame
    }
}

impl From<Frame> for DecodedFrame {
    fn from(frame: Frame) -> Self {
        Self { frame, _held: None }
    }
}

impl Frame {
    /// Reads and decodes a picture file.
    ///
    /// The file's bytes and its pixels count towards the memory limit of the process until the frame is dropped. The
    /// bytes of a pipe or a device, which can be read only once, do not count.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, and the errors of [`decode`](Self::decode).
    pub fn open(path: &Path) -> Result<DecodedFrame> {
        let io = || Error::io("read", path);
        let mut file = PictureFile::open(path).map_err(io())?;
        let stated = file.metadata().map_err(io())?;
        if !stated.is_file() {
            return Self::decode(&read_file(file).map_err(io())?);
        }
        let mut held = Reservation::of(stated.len().min(longest_file()), "the file")?;
        loop {
            let (all, what) = {
                let bytes = read_file(&mut file).map_err(io())?;
                let opened = PictureHeader::of(&bytes)?;
                let (all, what) = (bytes.len() as u64 + opened.memory(), opened.named());
                if held.grow(all, &what)? {
                    return opened.decode(held);
                }
                (all, what)
            };
            // Other pictures hold the memory. This one releases its share until there is room; otherwise all threads
            // could hold a file and wait for each other.
            drop(held);
            held = Reservation::of(all, &what)?;
            file.rewind().map_err(io())?;
        }
    }

    /// Decodes a picture file's bytes: PNG, JPEG, WebP, TIFF, BMP or GIF, recognised by content.
    ///
    /// When a file holds several pictures, the first is decoded. The call waits while other pictures use the memory
    /// of the process. A JPEG is first checked to be complete: what libjpeg-turbo would warn of is refused.
    ///
    /// # Errors
    /// [`Error::Picture`] when the bytes are empty, damaged to any degree, of another format, too large or too small.
    pub fn decode(bytes: &[u8]) -> Result<DecodedFrame> {
        let opened = PictureHeader::of(bytes)?;
        let held = Reservation::of(opened.memory(), &opened.named())?;
        opened.decode(held)
    }

    /// Converts a picture that is already in memory and upright; transparency is laid over white.
    ///
    /// # Errors
    /// [`Error::Picture`] when a side is shorter than 8 pixels.
    pub fn from_image(picture: DynamicImage) -> Result<Self> {
        let (width, height) = (picture.width(), picture.height());
        if width < MIN_SIDE || height < MIN_SIDE {
            return Err(Error::Picture(format!(
                "the picture is {width}x{height} pixels and at least {MIN_SIDE}x{MIN_SIDE} are needed; take it larger"
            )));
        }
        let grey = !picture.color().has_color();
        let opaque = if picture.color().has_alpha() { over_white(&picture) } else { picture };
        Ok(if grey { Self::Grey(opaque.into_luma8()) } else { Self::Rgb(opaque.into_rgb8()) })
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        match self {
            Self::Grey(image) => image.width(),
            Self::Rgb(image) => image.width(),
        }
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        match self {
            Self::Grey(image) => image.height(),
            Self::Rgb(image) => image.height(),
        }
    }

    /// Crops a part of the picture, at its own resolution.
    ///
    /// # Errors
    /// [`Error::Setting`] when the region does not lie inside the picture; [`Error::Picture`] when a side of the part
    /// is shorter than 8 pixels.
    pub fn crop(&self, region: Region) -> Result<Self> {
        region.validate("guide")?;
        let side = |from: f64, length: f64, whole: u32| {
            let place = |at: f64| ((at * f64::from(whole)).round() as u32).min(whole);
            (place(from), place(from + length) - place(from))
        };
        let ((x, width), (y, height)) =
            (side(region.x, region.width, self.width()), side(region.y, region.height, self.height()));
        Self::from_image(match self {
            Self::Grey(image) => crop_imm(image, x, y, width, height).to_image().into(),
            Self::Rgb(image) => crop_imm(image, x, y, width, height).to_image().into(),
        })
    }

    /// Encodes the picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Picture`] when it cannot be encoded.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        let written = match self {
            Self::Grey(image) => image.write_to(&mut bytes, ImageFormat::Png),
            Self::Rgb(image) => image.write_to(&mut bytes, ImageFormat::Png),
        };
        written.map_err(|e| Error::Picture(format!("the picture cannot be written as PNG ({e})")))?;
        Ok(bytes.into_inner())
    }

    /// The picture with every level of every channel replaced.
    #[must_use]
    pub(crate) fn map(mut self, level: impl Fn(u8) -> u8) -> Self {
        let bytes: &mut [u8] = match &mut self {
            Self::Grey(image) => image,
            Self::Rgb(image) => image,
        };
        for byte in bytes {
            *byte = level(*byte);
        }
        self
    }

    /// The picture in grey, as full-range BT.601 luma: `(77 R + 150 G + 29 B + 128) >> 8`.
    ///
    /// This is the only definition of grey for RGB pixels.
    #[must_use]
    pub fn to_grey(&self) -> Cow<'_, GrayImage> {
        match self {
            Self::Grey(image) => Cow::Borrowed(image),
            Self::Rgb(image) => {
                let luma = image
                    .pixels()
                    .map(|p| {
                        let [r, g, b] = p.0.map(u32::from);
                        ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8
                    })
                    .collect();
                let grey = GrayImage::from_raw(image.width(), image.height(), luma);
                Cow::Owned(grey.expect("one luma byte was made for each pixel of the same picture"))
            }
        }
    }

    /// The picture in RGB; a grey picture repeats its value in the three channels.
    #[must_use]
    pub fn to_rgb(&self) -> Cow<'_, RgbImage> {
        match self {
            Self::Rgb(image) => Cow::Borrowed(image),
            Self::Grey(image) => {
                let rgb = image.pixels().flat_map(|p| [p.0[0]; 3]).collect();
                let rgb = RgbImage::from_raw(image.width(), image.height(), rgb);
                Cow::Owned(rgb.expect("three bytes were made for each pixel of the same picture"))
            }
        }
    }
}

/// A picture file whose header was read, but not yet its pixels.
struct PictureHeader<'a> {
    pixels: Pixels<'a>,
    size: (u32, u32),
    orientation: Orientation,
    /// Bytes per pixel as decoded.
    decoded: u8,
    /// Bytes per pixel as kept.
    kept: u8,
    /// Bytes per pixel of the copy that is made when the decoded pixels are not kept as they are; otherwise 0.
    converted: u8,
    /// Bytes that decoding needs besides the pixels.
    scratch: u64,
}

/// The source of the pixels.
enum Pixels<'a> {
    Jpeg(Box<Jpeg<'a>>),
    Other(Cow<'a, [u8]>, ImageFormat),
}

impl<'a> PictureHeader<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        if bytes.len() as u64 > longest_file() {
            return Err(Error::Picture(format!(
                "the file has {} MB and at most {} MB are read; save it smaller, or allow more with --memory {}",
                bytes.len() >> 20,
                longest_file() >> 20,
                (bytes.len() >> 18) + 4
            )));
        }
        let format = FileKind::of(bytes).format()?;
        if format == ImageFormat::Jpeg {
            let jpeg = Jpeg::open(bytes)?;
            let channels = if jpeg.is_grey() { 1 } else { 3 };
            return Ok(Self {
                size: jpeg.size,
                orientation: jpeg.orientation(),
                decoded: channels,
                kept: channels,
                converted: 0,
                scratch: jpeg.scratch(),
                pixels: Pixels::Jpeg(Box::new(jpeg)),
            });
        }
        if format == ImageFormat::WebP && !is_whole_riff(bytes) {
            return Err(Error::Picture(
                "the picture is damaged: it has fewer bytes than it states; take or copy it again".into(),
            ));
        }
        let bytes = if format == ImageFormat::Png { png::ended(bytes) } else { Cow::Borrowed(bytes) };
        let mut decoder = decoder(&bytes, format)?;
        let exif = match format {
            // EXIF is a TIFF structure, which this file itself is.
            ImageFormat::Tiff => Cow::Borrowed(&*bytes),
            ImageFormat::Png => Cow::Borrowed(png::exif(&bytes).unwrap_or_default()),
            _ => Cow::Owned(decoder.exif_metadata().ok().flatten().unwrap_or_default()),
        };
        let xmp = decoder.xmp_metadata().ok().flatten().unwrap_or_default();
        let (size, color, orientation) = (decoder.dimensions(), decoder.color_type(), exif::orientation(&exif, &xmp));
        drop((decoder, exif));
        let (decoded, kept) = (color.bytes_per_pixel(), if color.has_color() { 3 } else { 1 });
        Ok(Self {
            size,
            orientation,
            decoded,
            kept,
            // Transparency is laid over white in four channels.
            converted: if color.has_alpha() {
                4
            } else if decoded == kept {
                0
            } else {
                kept
            },
            scratch: bytes.len() as u64,
            pixels: Pixels::Other(bytes, format),
        })
    }

    /// The picture's size, which begins messages about its memory.
    fn named(&self) -> String {
        format!("the picture is {}x{} pixels", self.size.0, self.size.1)
    }

    /// Largest number of bytes that are needed at one time, from decoding until the picture is laid out for a
    /// network.
    fn memory(&self) -> u64 {
        let &Self { decoded, kept, converted, scratch, .. } = self;
        let turned = if self.orientation == Orientation::NoTransforms { 0 } else { decoded };
        // The copy for a network: one grey channel of a colour picture, or three channels of a grey one.
        let laid_out = if kept == 3 { 1 } else { 3 };
        let most = (decoded + turned.max(converted)).max(kept + laid_out);
        let pixels = u64::from(self.size.0) * u64::from(self.size.1);
        pixels.saturating_mul(u64::from(most)).saturating_add(scratch)
    }

    /// Decodes the pixels and turns the picture upright.
    fn decode(self, held: Reservation) -> Result<DecodedFrame> {
        let (bytes, format) = match self.pixels {
            Pixels::Jpeg(jpeg) => (Cow::Owned(jpeg.proved()?), ImageFormat::Jpeg),
            Pixels::Other(bytes, format) => (bytes, format),
        };
        let mut picture = DynamicImage::from_decoder(decoder(&bytes, format)?).map_err(|e| damaged(&e))?;
        picture.apply_orientation(self.orientation);
        Ok(DecodedFrame { frame: Frame::from_image(picture)?, _held: Some(held) })
    }
}

fn decoder(bytes: &[u8], format: ImageFormat) -> Result<impl ImageDecoder + '_> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Memory is reserved before pixels are read, under our own limit.
    reader.limits(Limits::no_limits());
    reader.into_decoder().map_err(|e| damaged(&e))
}

/// Whether a RIFF file is as long as its header states. The WebP decoder does not check this: it fills in what was
/// lost.
fn is_whole_riff(bytes: &[u8]) -> bool {
    let stated = bytes.get(4..8).and_then(<[u8]>::first_chunk).map(|length| u32::from_le_bytes(*length));
    stated.is_some_and(|length| bytes.len() as u64 >= u64::from(length) + 8)
}

fn damaged(error: &image::ImageError) -> Error {
    Error::Picture(format!(
        "the picture cannot be decoded ({error}); it is damaged or cut short: take or copy it again"
    ))
}

fn over_white(picture: &DynamicImage) -> DynamicImage {
    let mut rgba = picture.to_rgba8();
    for pixel in rgba.pixels_mut() {
        let alpha = u32::from(pixel.0[3]);
        for channel in &mut pixel.0[..3] {
            *channel = ((u32::from(*channel) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
        pixel.0[3] = 255;
    }
    DynamicImage::ImageRgba8(rgba)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageEncoder, Rgba, RgbaImage};

    fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        bytes
    }

    fn message(bytes: &[u8]) -> String {
        Frame::decode(bytes).unwrap_err().to_string()
    }

    #[test]
    fn refuses_what_is_no_still_picture_and_says_what_to_do() {
        assert!(message(b"").contains("empty"));
        assert!(message(b"hello, I am a text file").contains("expected PNG"));
        assert!(message(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").contains("HEIC"));
        let whole = png(&DynamicImage::new_rgb8(64, 64));
        assert!(message(&whole[..whole.len() / 2]).contains("cut short"));
        assert!(message(&png(&DynamicImage::new_luma8(1, 1))).contains("1x1"));
    }

    #[test]
    fn a_small_file_with_huge_pixels_is_refused_before_memory_is_taken() {
        // A PNG header of 30,000 x 30,000 pixels: this size is used only to refuse the file.
        let mut bytes = png(&DynamicImage::new_luma8(16, 16));
        bytes[16..20].copy_from_slice(&30_000u32.to_be_bytes());
        bytes[20..24].copy_from_slice(&30_000u32.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(message(&bytes).contains("30000x30000"), "{}", message(&bytes));
    }

    #[test]
    fn of_an_animation_the_first_frame_is_taken() {
        let still = png(&DynamicImage::new_luma8(16, 16));
        let mut chunk = Vec::new();
        chunk.extend(8u32.to_be_bytes());
        chunk.extend(b"acTL");
        chunk.extend(2u32.to_be_bytes());
        chunk.extend(0u32.to_be_bytes());
        let crc = crc32(&chunk[4..]);
        chunk.extend(crc.to_be_bytes());
        let animated = [&still[..33], &chunk, &still[33..]].concat();
        assert_eq!(*Frame::decode(&animated).unwrap(), *Frame::decode(&still).unwrap());
    }

    #[test]
    fn a_webp_that_lost_bytes_anywhere_is_refused() {
        let mut whole = Vec::new();
        let picture = DynamicImage::new_rgb8(16, 16);
        picture.write_to(&mut Cursor::new(&mut whole), ImageFormat::WebP).unwrap();
        assert_eq!(Frame::decode(&whole).unwrap().width(), 16);
        for at in 12..whole.len() {
            let lost = [&whole[..at], &whole[at + 1..]].concat();
            assert!(message(&lost).contains("damaged"), "{at}: {}", message(&lost));
        }
    }

    #[test]
    fn transparency_is_paper_and_sixteen_bits_become_eight() {
        let glass = RgbaImage::from_pixel(16, 16, Rgba([0, 0, 0, 0]));
        let Frame::Rgb(paper) = Frame::decode(&png(&glass.into())).unwrap().into_frame() else {
            panic!("RGBA has colour")
        };
        assert_eq!(paper.get_pixel(3, 3).0, [255; 3]);
        let deep = image::ImageBuffer::from_pixel(16, 16, image::Luma([0x8000u16]));
        let Frame::Grey(grey) = Frame::decode(&png(&DynamicImage::ImageLuma16(deep))).unwrap().into_frame() else {
            panic!("16-bit grey is grey")
        };
        assert_eq!(grey.get_pixel(0, 0).0, [128]);
    }

    #[test]
    fn a_jpeg_called_png_is_read_by_its_content_and_turned_upright() {
        let mut picture = RgbImage::new(16, 8);
        for y in 0..8 {
            for x in 0..8 {
                picture.put_pixel(x, y, image::Rgb([255; 3]));
            }
        }
        let mut jpeg = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95);
        // A minimal EXIF block: little-endian TIFF, one entry, orientation 6 (a quarter turn to the right).
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        encoder.set_exif_metadata(exif).unwrap();
        encoder.write_image(&picture, 16, 8, image::ExtendedColorType::Rgb8).unwrap();
        let frame = Frame::decode(&jpeg).unwrap();
        assert_eq!((frame.width(), frame.height()), (8, 16));
        let grey = frame.to_grey();
        assert!(grey.get_pixel(4, 2).0[0] > 200 && grey.get_pixel(4, 13).0[0] < 50, "the white half is on top");
    }

    #[test]
    fn a_part_of_a_picture_keeps_its_pixels() {
        let picture = Frame::Grey(GrayImage::from_fn(40, 20, |x, y| image::Luma([(x + 3 * y) as u8])));
        let part = picture.crop([0.25, 0.5, 0.5, 0.5].into()).unwrap();
        assert_eq!((part.width(), part.height(), part.to_grey().get_pixel(2, 3).0[0]), (20, 10, 12 + 3 * 13));
        assert!(picture.crop([0.5, 0.5, 0.6, 0.5].into()).unwrap_err().to_string().contains("guide"));
        assert!(picture.crop([0.0, 0.0, 0.1, 0.1].into()).unwrap_err().to_string().contains("4x2"));
    }

    #[test]
    fn grey_is_full_range_bt601() {
        let luma = |rgb| Frame::Rgb(RgbImage::from_pixel(8, 8, image::Rgb(rgb))).to_grey().get_pixel(0, 0).0[0];
        assert_eq!([luma([255; 3]), luma([0; 3]), luma([255, 0, 0]), luma([0, 255, 0])], [255, 0, 77, 149]);
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
        })
    }
}

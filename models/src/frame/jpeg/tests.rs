//! JPEG streams written by hand, so that each has exactly one kind of damage.

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use crate::Frame;

/// A flat grey block with the standard tables: a difference of no bits (00), end of block (1010), padding (11).
const BLOCK: u8 = 0x2B;

/// A grey picture of 16x16 pixels in four blocks, with a restart marker after each block; `pixels` is its scan data.
fn grey(pixels: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xFF\xD8\xFF\xDB\0\x43\0".to_vec();
    bytes.extend([1; 64]);
    bytes.extend(b"\xFF\xC0\0\x0B\x08\0\x10\0\x10\x01\x01\x11\0\xFF\xDD\0\x04\0\x01\xFF\xDA\0\x08\x01\x01\0\0\x3F\0");
    bytes.extend(pixels);
    bytes
}

const WHOLE: [u8; 12] = [BLOCK, 0xFF, 0xD0, BLOCK, 0xFF, 0xD1, BLOCK, 0xFF, 0xD2, BLOCK, 0xFF, 0xD9];

fn refusal(bytes: &[u8]) -> String {
    Frame::decode(bytes).unwrap_err().to_string()
}

#[test]
fn a_stream_without_huffman_tables_is_read_with_the_standard_ones() {
    let frame = Frame::decode(&grey(&WHOLE)).unwrap();
    assert_eq!((frame.width(), frame.height()), (16, 16));
    assert!(frame.to_grey().pixels().all(|pixel| pixel.0 == [128]));

    // The encoder writes the standard tables, so the picture does not change when they are left out.
    let picture = RgbImage::from_fn(40, 24, |x, y| Rgb([(x * 6) as u8, (y * 10) as u8, (x * y) as u8]));
    let mut whole = Vec::new();
    JpegEncoder::new(&mut whole).write_image(&picture, 40, 24, ExtendedColorType::Rgb8).unwrap();
    let mut bare = Vec::new();
    let mut at = 2;
    bare.extend(&whole[..2]);
    while whole[at + 1] != 0xDA {
        let length = 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if whole[at + 1] != 0xC4 {
            bare.extend(&whole[at..at + length]);
        }
        at += length;
    }
    bare.extend(&whole[at..]);
    assert!(bare.len() < whole.len() - 400, "the tables are gone");
    assert_eq!(*Frame::decode(&bare).unwrap(), *Frame::decode(&whole).unwrap());
}

#[test]
fn each_kind_of_damage_is_refused_and_named() {
    let kinds: [(&[u8], &str); 8] = [
        (&[BLOCK, 0xFF, 0xD0, BLOCK, 0xFF, 0xD2, BLOCK, 0xFF, 0xD1, BLOCK, 0xFF, 0xD9], "restart marker"),
        (&[BLOCK, 0xFF, 0xD0, BLOCK, 0xFF, 0xD1, BLOCK, BLOCK, 0xFF, 0xD9], "belong to no row"),
        (&[BLOCK, 0xFF, 0xD0, BLOCK, 0xFF, 0xD1, BLOCK, 0xFF, 0xD9], "restart marker"),
        (&[BLOCK, 0xFF, 0xD0, BLOCK, 0xFF, 0xD1, 0xFF, 0xD2, BLOCK, 0xFF, 0xD9], "before its last row"),
        (&[BLOCK, 0xFF, 0xD0, BLOCK, 0xFF, 0xD1, BLOCK, 0xFF, 0xD2, BLOCK, 7, 0xFF, 0xD9], "belong to no row"),
        // All ones is not a code.
        (&[0xFF, 0, 0xFF, 0, 0xFF, 0xD0, BLOCK], "invalid code"),
        // 00, then four times a run of 16 zeros (11111111001): this passes the 63 remaining coefficients.
        (&[0x3F, 0xCF, 0xF9, 0xFF, 0, 0x3F, 0xE7, 0xFF, 0xD0], "more values"),
        (&WHOLE[..10], "cut short"),
    ];
    for (pixels, reason) in kinds {
        let said = refusal(&grey(pixels));
        assert!(said.contains("damaged") && said.contains(reason), "{said}; expected {reason}");
    }
    // Only a progressive picture may have a scan of some coefficients.
    let mut partial = grey(&WHOLE);
    let end = partial.len() - WHOLE.len() - 2;
    partial[end] = 5;
    assert!(refusal(&partial).contains("scan header"), "{}", refusal(&partial));
    // The difference -2047 (size 11 is 111111110): with a quantiser of 255 it leaves every possible range.
    let mut bright = grey(&[0xFF, 0, 0x00, 0x0A, 0xFF, 0xD0]);
    bright[7] = 255;
    assert!(refusal(&bright).contains("brightness"), "{}", refusal(&bright));
}

#[test]
fn cut_anywhere_it_is_refused_and_what_follows_the_end_is_not_looked_at() {
    let mut whole = Vec::new();
    let picture = DynamicImage::ImageRgb8(RgbImage::from_fn(64, 48, |x, y| Rgb([(x * 3) as u8, (y * 5) as u8, 9])));
    picture.write_to(&mut std::io::Cursor::new(&mut whole), image::ImageFormat::Jpeg).unwrap();
    for length in 0..whole.len() {
        assert!(Frame::decode(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
    }
    let followed = [&whole[..], b"a film that a phone has appended", &whole[..]].concat();
    assert_eq!(*Frame::decode(&followed).unwrap(), *Frame::decode(&whole).unwrap());
}

#[test]
fn a_kind_that_is_not_read_is_named_and_not_called_damaged() {
    for (marker, precision, name) in
        [(0xC9, 8, "arithmetic-coded"), (0xC3, 8, "lossless"), (0xC5, 8, "hierarchical"), (0xC1, 12, "12 bits")]
    {
        let mut bytes = grey(&WHOLE);
        let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
        (bytes[frame + 1], bytes[frame + 4]) = (marker, precision);
        let said = refusal(&bytes);
        assert!(said.contains(name) && !said.contains("damaged"), "{said}");
    }
}

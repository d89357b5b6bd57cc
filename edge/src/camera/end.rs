//! Decides from the bytes of a file whether its end is present. A copy that is still in progress has no end yet.
//!
//! A file of its own because each format marks its end differently. Whether the bytes before the end
//! are valid is left to the decoder.

use super::mjpeg;

/// Whether a file is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The file ends where its format says that it ends.
    Reached,
    /// More bytes must follow.
    Missing,
    /// The format does not tell, or bytes follow the end.
    Unknown,
}

impl End {
    /// Looks for the end of the file.
    pub(super) fn of(file: Vec<u8>) -> Self {
        let length = file.len();
        let told = match &file[..] {
            [] => return Self::Missing,
            [0xFF, 0xD8, ..] => mjpeg::whole(file),
            [0x89, b'P', b'N', b'G', ..] => png(&file),
            [b'G', b'I', b'F', b'8', ..] => return if file.ends_with(b";") { Self::Reached } else { Self::Missing },
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(little_endian(&file[4..8]) + 8),
            [b'B', b'M', a, b, c, d, ..] => Some(little_endian(&[*a, *b, *c, *d])),
            // Only zeros: room that was allocated before the copy began.
            bytes if bytes.iter().all(|byte| *byte == 0) => None,
            _ => return Self::Unknown,
        };
        match told {
            Some(end) if end == length => Self::Reached,
            Some(end) if end < length => Self::Unknown,
            _ => Self::Missing,
        }
    }
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Position after the `IEND` chunk of a PNG file; `None` if the chunk is not complete.
fn png(file: &[u8]) -> Option<usize> {
    let mut at = 8;
    loop {
        let head = file.get(at..at + 8)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        at = at.saturating_add(12).saturating_add(length);
        if &head[4..] == b"IEND" {
            return (at <= file.len()).then_some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, RgbImage};

    use super::*;

    #[test]
    fn a_file_has_its_end_with_its_last_byte_and_not_before() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let picture = RgbImage::from_fn(30, 20, |x, y| image::Rgb([x as u8 * 8, y as u8 * 9, 77]));
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, format).unwrap();
            let bytes = bytes.into_inner();
            assert_eq!(End::of(bytes.clone()), End::Reached, "{format:?}");
            assert_eq!(End::of([&bytes[..], b"\0"].concat()), End::Unknown, "{format:?}");
            for cut in 0..bytes.len() {
                assert_ne!(End::of(bytes[..cut].to_vec()), End::Reached, "{format:?}, {cut} of {}", bytes.len());
            }
            // Room allocated before the copy began.
            let half = bytes.len() / 2;
            let roomy = [&bytes[..half], &vec![0; bytes.len() - half]].concat();
            assert_ne!(End::of(roomy), End::Reached, "{format:?}");
        }
        for (file, end) in [
            (&b"RIFF\x08\0\0\0WEBPVP8 "[..], End::Reached),
            (b"RIFF\x09\0\0\0WEBPVP8 ", End::Missing),
            (b"BM\x08\0\0\0ab", End::Reached),
            (b"BM\x09\0\0\0ab", End::Missing),
            (b"GIF89a..;", End::Reached),
            (b"GIF89a..", End::Missing),
            (b"II*\0\x08\0\0\0", End::Unknown),
            (&[0; 99], End::Missing),
        ] {
            assert_eq!(End::of(file.to_vec()), end, "{file:?}");
        }
    }
}

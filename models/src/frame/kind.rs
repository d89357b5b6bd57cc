//! A file's first bytes enter; its kind leaves: a picture that is decoded here, a known kind that is not, or no
//! picture at all.
//!
//! A file of its own because the names of the kinds, and the advice for each, are listed once, for listing
//! folders and for decoding alike. File names are not trusted: cameras, browsers and chat programs write any
//! extension on any content.

use std::path::Path;

use image::ImageFormat;

use crate::{Error, Result};

/// Number of leading bytes that [`FileKind::of`] needs. With the whole file it also tells raw photographs from TIFF
/// pictures in every case.
pub const KIND_BYTES: usize = 4096;

/// File name extensions of pictures, in lower case.
const PICTURE_ENDINGS: [&str; 42] = [
    "apng", "arw", "avif", "bmp", "cr2", "cr3", "dib", "dng", "exr", "gif", "heic", "heif", "ico", "j2k", "jfif",
    "jif", "jp2", "jpe", "jpeg", "jpf", "jpg", "jpx", "jxl", "jxr", "nef", "orf", "pbm", "pef", "pgm", "png", "pnm",
    "ppm", "psd", "qoi", "raf", "rw2", "svg", "tga", "tif", "tiff", "wdp", "webp",
];

const CONVERT: &str = "convert it to PNG, or to JPEG of high quality";
const DEVELOP: &str = "develop it to TIFF or PNG with a raw converter, or let the camera save JPEG";
const EXPORT: &str = "export the picture it holds as PNG";
const FETCH: &str = "fetch the picture itself again";
const COPY: &str = "copy it again from where it came";
const APPLE: &str = "convert it to JPEG, or set the phone to save \"most compatible\" pictures";
const EXPECTED: &str = "expected PNG, JPEG, WebP, TIFF, BMP or GIF, whatever its name";

/// The kind of a file, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A picture in a format that is decoded here.
    Decoded(ImageFormat),
    /// A picture or document of a known format that is not decoded here.
    Unsupported {
        /// The kind's English name with its article: "a HEIC picture".
        name: &'static str,
        /// What the user can do about it.
        remedy: &'static str,
    },
    /// A file that is not a picture.
    NotAPicture {
        /// The kind's English name with its article: "an HTML page".
        name: &'static str,
        /// What the user can do where a picture was expected.
        remedy: &'static str,
    },
}

impl FileKind {
    /// The kind of a file that begins with `head`, its first [`KIND_BYTES`] bytes or more (all of a shorter file).
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        if let Some(format) = decoded(head) {
            return match format {
                ImageFormat::Tiff if is_raw(head).unwrap_or(false) => unsupported("a camera's raw picture", DEVELOP),
                format => Self::Decoded(format),
            };
        }
        targa(head).or_else(|| by_signature(head)).or_else(|| by_text(head)).unwrap_or_else(|| blank(head))
    }

    /// The kind of a named pipe, a socket or a device, which is not opened to learn more.
    #[must_use]
    pub fn special() -> Self {
        not_a_picture("a named pipe, a socket or a device", "name it itself if a picture is to be read from it")
    }

    /// Whether a file's name has the extension of a picture.
    #[must_use]
    pub fn is_named_like_a_picture(path: &Path) -> bool {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        ending.is_some_and(|ending| PICTURE_ENDINGS.contains(&ending.as_str()))
    }

    /// The image format to decode.
    ///
    /// # Errors
    /// [`Error::Picture`] for a file that is not decoded here, with the name of its kind and what to do.
    pub fn format(self) -> Result<ImageFormat> {
        match self {
            Self::Decoded(format) => Ok(format),
            Self::Unsupported { name, remedy } => {
                Err(Error::Picture(format!("the file is {name}, which is not read here; {remedy}")))
            }
            Self::NotAPicture { name, remedy } => {
                Err(Error::Picture(format!("the file is {name}, not a picture; {remedy}")))
            }
        }
    }
}

const fn unsupported(name: &'static str, remedy: &'static str) -> FileKind {
    FileKind::Unsupported { name, remedy }
}

const fn not_a_picture(name: &'static str, remedy: &'static str) -> FileKind {
    FileKind::NotAPicture { name, remedy }
}

fn decoded(head: &[u8]) -> Option<ImageFormat> {
    match head {
        [0xFF, 0xD8, 0xFF, ..] => Some(ImageFormat::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(ImageFormat::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(ImageFormat::Gif),
        // Bytes 2 and 3, counted from 0, are the number 42, or 43 in BigTIFF. Canon's CR2 begins like TIFF; its own
        // mark follows at byte 8.
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(ImageFormat::Tiff),
        // "BM", the file's length, four reserved bytes, and the offset of the pixels: below a megabyte in any real
        // file.
        [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, 0, 12..=124, 0, 0, 0, ..] => Some(ImageFormat::Bmp),
        _ => None,
    }
}

/// Kinds that begin with a fixed sequence of bytes.
fn by_signature(head: &[u8]) -> Option<FileKind> {
    const SIGNATURES: [(&[u8], FileKind); 40] = [
        (b"\0\0\0\x0cjP  \r\n\x87\n", unsupported("a JPEG 2000 picture", CONVERT)),
        (b"\xFF\x4F\xFF\x51", unsupported("a JPEG 2000 picture", CONVERT)),
        (b"\0\0\0\x0cJXL \r\n\x87\n", unsupported("a JPEG XL picture", CONVERT)),
        (b"\xFF\x0A", unsupported("a JPEG XL picture", CONVERT)),
        (b"II\xBC\x01", unsupported("a JPEG XR picture", CONVERT)),
        (b"\0\0\x01\0", unsupported("a Windows icon", CONVERT)),
        (b"\0\0\x02\0", unsupported("a Windows cursor", CONVERT)),
        (b"icns", unsupported("an Apple icon", CONVERT)),
        (b"8BPS", unsupported("a Photoshop document", EXPORT)),
        (b"gimp xcf", unsupported("a GIMP document", EXPORT)),
        (b"%PDF", unsupported("a PDF document", EXPORT)),
        (b"%!PS", unsupported("a PostScript document", EXPORT)),
        (b"AT&TFORM", unsupported("a DjVu document", EXPORT)),
        (b"\x76\x2F\x31\x01", unsupported("an OpenEXR picture", CONVERT)),
        (b"#?RADIANCE", unsupported("a Radiance HDR picture", CONVERT)),
        (b"DDS ", unsupported("a DirectDraw surface", CONVERT)),
        (b"qoif", unsupported("a QOI picture", CONVERT)),
        (b"farbfeld", unsupported("a farbfeld picture", CONVERT)),
        (b"\x8AMNG\r\n\x1A\n", unsupported("an MNG animation", CONVERT)),
        (b"\x8BJNG\r\n\x1A\n", unsupported("a JNG picture", CONVERT)),
        (b"\x0A\x05\x01\x08", unsupported("a PCX picture", CONVERT)),
        (b"\xD7\xCD\xC6\x9A", unsupported("a Windows metafile", EXPORT)),
        (b"FUJIFILMCCD-RAW", unsupported("a camera's raw picture", DEVELOP)),
        (b"FOVb", unsupported("a camera's raw picture", DEVELOP)),
        (b"IIRO", unsupported("a camera's raw picture", DEVELOP)),
        (b"IIRS", unsupported("a camera's raw picture", DEVELOP)),
        (b"MMOR", unsupported("a camera's raw picture", DEVELOP)),
        (b"IIU\0", unsupported("a camera's raw picture", DEVELOP)),
        (b"\0MRM", unsupported("a camera's raw picture", DEVELOP)),
        (b"HTTP/", not_a_picture("a web server's answer with its header", "save the body of the answer alone")),
        (b"version https://git-lfs", not_a_picture("a Git LFS pointer", "fetch the picture with `git lfs pull`")),
        (b"\0\x05\x16\x07", not_a_picture("an AppleDouble file of a Mac's", COPY)),
        (b"\x1A\x45\xDF\xA3", not_a_picture("a film", "save the one frame that matters as a picture")),
        (b"\0\0\x01\xBA", not_a_picture("a film", "save the one frame that matters as a picture")),
        (b"PK\x03\x04", not_a_picture("a ZIP archive or an office document", "unpack it and give the pictures in it")),
        (b"\x1F\x8B", not_a_picture("a gzip archive", "unpack it and give the pictures in it")),
        (b"7z\xBC\xAF\x27\x1C", not_a_picture("a 7z archive", "unpack it and give the pictures in it")),
        (b"Rar!\x1A\x07", not_a_picture("a RAR archive", "unpack it and give the pictures in it")),
        (b"\x7FELF", not_a_picture("a program", EXPECTED)),
        (b"\x00\x00\x00\x01\x67", not_a_picture("an H.264 film", "save the one frame that matters as a picture")),
    ];
    let known = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature));
    known.map(|(_, kind)| *kind).or_else(|| by_brand(head)).or_else(|| portable_map(head))
}

/// Kinds made of ISO boxes (ISO/IEC 14496-12), and RIFF: each states its brand after the name of the first box.
fn by_brand(head: &[u8]) -> Option<FileKind> {
    let film = not_a_picture("a film", "save the one frame that matters as a picture");
    if head.starts_with(b"RIFF") {
        return (head.get(8..11)? == b"AVI").then_some(film);
    }
    if head.get(4..8)? != b"ftyp" {
        return None;
    }
    let length = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
    let mut brands = head.get(8..length.min(head.len()))?.chunks_exact(4);
    Some(match brands.next()? {
        b"crx " => unsupported("a camera's raw picture", DEVELOP),
        b"avif" | b"avis" => unsupported("an AVIF picture", CONVERT),
        b"mif1" | b"msf1" if brands.any(|brand| brand == b"avif") => unsupported("an AVIF picture", CONVERT),
        b"mif1" | b"msf1" => unsupported("a HEIF picture", APPLE),
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm" | b"hevs" => {
            unsupported("a HEIC picture", APPLE)
        }
        b"jp2 " | b"jpx " | b"jpm " => unsupported("a JPEG 2000 picture", CONVERT),
        _ => film,
    })
}

/// Netpbm's kinds `P1` to `P7`, each followed by white space.
fn portable_map(head: &[u8]) -> Option<FileKind> {
    matches!(head, [b'P', b'1'..=b'7', b' ' | b'\t' | b'\r' | b'\n', ..])
        .then_some(unsupported("a Netpbm picture (PPM, PGM, PBM or PAM)", CONVERT))
}

fn by_text(head: &[u8]) -> Option<FileKind> {
    let text = std::str::from_utf8(head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head));
    let text = match text {
        Ok(text) => text,
        // The last character may be cut.
        Err(cut) if cut.valid_up_to() + 3 >= head.len() => std::str::from_utf8(&head[..cut.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let text = text.trim_start();
    if text.is_empty() || text.contains(|letter: char| letter.is_control() && !letter.is_whitespace()) {
        return None;
    }
    let start: String = text.chars().take(1000).collect::<String>().to_ascii_lowercase();
    Some(if start.starts_with('<') && start.contains("<svg") {
        unsupported("an SVG drawing", EXPORT)
    } else if start.starts_with("<!doctype html") || start.starts_with('<') && start.contains("<html") {
        not_a_picture("an HTML page", FETCH)
    } else if start.starts_with("<?xml") || start.starts_with('<') {
        not_a_picture("an XML document", FETCH)
    } else if start.starts_with('{') || start.starts_with('[') {
        not_a_picture("JSON text", FETCH)
    } else {
        not_a_picture("text", EXPECTED)
    })
}

/// Truevision's TGA has no signature: its 18-byte header is recognised by the few values that its fields may have.
fn targa(head: &[u8]) -> Option<FileKind> {
    let header = head.get(..18)?;
    let map = match (header[1], header[2]) {
        (0, 2 | 3 | 10 | 11) => header[3..8] == [0; 5],
        (1, 1 | 9) => matches!(header[7], 15 | 16 | 24 | 32),
        _ => false,
    };
    let size = header[12..14] != [0; 2] && header[14..16] != [0; 2];
    let pixel = matches!(header[16], 8 | 15 | 16 | 24 | 32) && header[17] & 0xC0 == 0;
    (map && size && pixel).then_some(unsupported("a Targa picture", CONVERT))
}

fn blank(head: &[u8]) -> FileKind {
    match head {
        [] => not_a_picture("empty", COPY),
        _ if head.iter().all(|byte| *byte == 0) => not_a_picture("nothing but zeros", COPY),
        _ => not_a_picture("of no kind that is known here", EXPECTED),
    }
}

/// Whether a TIFF file is a raw photograph. DNG has the tag 50706, and Canon's CR2 the letters "CR". Others have a
/// small picture in the first directory (tag 254 is 1) or none (no width, tag 256), and the sensor's picture in the
/// directories that tag 330 names. `None` when the first directory is not among the bytes.
fn is_raw(file: &[u8]) -> Option<bool> {
    if file.get(8..10)? == b"CR" {
        return Some(true);
    }
    let little = file[0] == b'I';
    let short = |at: usize| {
        let bytes = file.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = file.get(at..at + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    };
    let directory = long(4)?;
    let (mut small, mut others, mut picture) = (false, false, false);
    for entry in 0..usize::from(short(directory)?) {
        let at = directory + 2 + 12 * entry;
        match short(at)? {
            256 => picture = true,
            254 => small = long(at + 8)? & 1 == 1,
            330 => others = true,
            50706 => return Some(true),
            _ => {}
        }
    }
    Some(small && others || !picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(head: &[u8]) -> String {
        FileKind::of(head).format().unwrap_err().to_string()
    }

    #[test]
    fn what_is_decoded_is_told_by_content() {
        let kinds: [(&[u8], ImageFormat); 8] = [
            (b"\xFF\xD8\xFF\xE0", ImageFormat::Jpeg),
            (b"\x89PNG\r\n\x1A\n", ImageFormat::Png),
            (b"RIFF\x10\0\0\0WEBPVP8 ", ImageFormat::WebP),
            (b"GIF89a", ImageFormat::Gif),
            (b"II*\0\x08\0\0\0", ImageFormat::Tiff),
            (b"MM\0*\0\0\0\x08", ImageFormat::Tiff),
            (b"BM\x36\x80\x0D\0\0\0\0\0\x36\0\0\0\x28\0\0\0", ImageFormat::Bmp),
            (b"BM\x1A\0\0\0\0\0\0\0\x1A\0\0\0\x0C\0\0\0", ImageFormat::Bmp),
        ];
        for (head, format) in kinds {
            assert_eq!(FileKind::of(head), FileKind::Decoded(format));
        }
    }

    #[test]
    fn what_is_not_decoded_is_named_with_a_remedy() {
        let dng = b"II*\0\x08\0\0\0\x01\0\x12\xC6\x01\0\x04\0\0\0\x01\x04\0\0\0\0\0\0";
        let nef = b"MM\0*\0\0\0\x08\0\x02\0\xFE\0\x04\0\0\0\x01\0\0\0\x01\x01\x4A\0\x04\0\0\0\x02\0\0\0\x80\0\0\0\0";
        let targa = b"\0\0\x02\0\0\0\0\0\0\0\0\0\x00\x03\x80\x01\x18\x20";
        let kinds: [(&[u8], &str, &str); 22] = [
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "convert"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "AVIF", "convert"),
            (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "AVIF", "convert"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIF", "convert"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "raw", "develop"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "film", "frame"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "convert"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "convert"),
            (b"\xFF\x0A\xFA\x7F", "JPEG XL", "convert"),
            (b"\0\0\x01\0\x01\0\x20\x20", "icon", "convert"),
            (b"%PDF-1.7", "PDF", "export"),
            (dng, "raw", "develop"),
            (nef, "raw", "develop"),
            (b"II*\0\x10\0\0\0CR\x02\0", "raw", "develop"),
            (targa, "Targa", "convert"),
            (b"\r\n<!DOCTYPE HTML><title>404</title>", "HTML", "fetch"),
            (b"<?xml version='1.0'?><!-- x --><svg xmlns='x'>", "SVG", "export"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
            (b"HTTP/1.1 200 OK\r\n", "header", "body"),
            (b"", "empty", "copy"),
            (&[0; 4096], "zeros", "copy"),
            ("\u{feff}I am a letter, Stra\u{df}e 3".as_bytes(), "text", "expected PNG"),
        ];
        for (head, name, remedy) in kinds {
            let said = said(head);
            assert!(said.contains(name) && said.contains(remedy), "{said}; expected {name}, {remedy}");
        }
        assert!(said(b"\x93\x01\xFE noise").contains("no kind that is known"));
    }

    #[test]
    fn a_name_says_picture_in_any_case() {
        for (name, picture) in [("a.JPG", true), ("b.Tiff", true), ("c.jfif", true), ("d.txt", false), ("jpg", false)] {
            assert_eq!(FileKind::is_named_like_a_picture(Path::new(name)), picture, "{name}");
        }
    }
}

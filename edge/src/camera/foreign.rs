//! Names a stream that is not Motion JPEG by its first bytes, for the fault message.
//!
//! A file of its own because a stream can begin with things that no file in a folder begins with: bare
//! video without a container, and the output of camera programs that were asked for another codec.
//! Everything else is identified as the files are.

use counterfoil_models::{FileKind, KIND_BYTES};

/// Number of first bytes that [`kind`] needs.
pub(super) const HEAD: usize = KIND_BYTES;

/// Length in bytes of a packet of an MPEG transport stream, each of which begins with 0x47 (ISO/IEC 13818-1).
const PACKET: usize = 188;

/// The English name of the format that begins with `head`. `None` for JPEG, for a web server's response that
/// may contain JPEG, and for unknown bytes.
pub(super) fn kind(head: &[u8]) -> Option<&'static str> {
    if let Some(unit) = head.strip_prefix(b"\0\0\0\x01").or_else(|| head.strip_prefix(b"\0\0\x01")) {
        return annex_b(*unit.first()?);
    }
    match head {
        [0x47, ..] if head.get(PACKET) == Some(&0x47) => Some("an MPEG transport stream"),
        [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', ..] => Some("raw video (YUV4MPEG2)"),
        [b'F', b'L', b'V', 1, ..] => Some("Flash video"),
        [b'O', b'g', b'g', b'S', ..] => Some("an Ogg stream"),
        [b'D', b'K', b'I', b'F', ..] => Some("VP8, VP9 or AV1 video (IVF)"),
        [] | [b'-', b'-', ..] | [b'H', b'T', b'T', b'P', b'/', ..] => None,
        _ => by_file_kind(head),
    }
}

/// Names a byte stream of ITU-T H.264 or H.265 (annex B), or of MPEG-1 or MPEG-2, by the byte after its start code.
fn annex_b(first: u8) -> Option<&'static str> {
    match (first & 0x1F, first >> 1) {
        _ if first >= 0xB0 => Some("MPEG video"),
        (_, 32..=35) if first & 1 == 0 => Some("H.265 video"),
        (1 | 5..=9, _) => Some("H.264 video"),
        _ => None,
    }
}

fn by_file_kind(head: &[u8]) -> Option<&'static str> {
    match FileKind::of(head) {
        FileKind::Decoded(format) => match *format.extensions_str().first()? {
            "jpg" => None,
            "png" => Some("a PNG picture"),
            "webp" => Some("a WebP picture"),
            "gif" => Some("a GIF picture"),
            "tiff" => Some("a TIFF picture"),
            "bmp" => Some("a BMP picture"),
            _ => Some("pictures of another format"),
        },
        FileKind::Unsupported { name, .. } => Some(name),
        FileKind::NotAPicture { name, .. } => Some(name).filter(|name| !name.starts_with("of no kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_pipe_in_is_named() {
        let transport = [&[0x47][..], &[0; PACKET - 1], &[0x47]].concat();
        for (head, name) in [
            (&b"\0\0\0\x01\x67\x42\0\x1f"[..], "H.264"),
            (b"\0\0\x01\x09\x10", "H.264"),
            (b"\0\0\0\x01\x40\x01\x0c", "H.265"),
            (b"\0\0\x01\xb3\x16", "MPEG video"),
            (&transport, "transport stream"),
            (b"YUV4MPEG2 W640 H480", "raw video"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"GIF89a", "GIF"),
            (b"\x1A\x45\xDF\xA3", "film"),
            (b"\0\0\0\x14ftypisom\0\0\0\0isom", "film"),
            (b"<!doctype html><title>404</title>", "HTML"),
            (b"ffmpeg version 7.1 Copyright", "text"),
        ] {
            assert!(kind(head).unwrap().contains(name), "{head:?}: {:?}", kind(head));
        }
        for head in [&b"\xFF\xD8\xFF\xE0"[..], b"--frame\r\n", b"HTTP/1.1 200 OK\r\n", b"", b"\x8a\x81"] {
            assert_eq!(kind(head), None, "{head:?}");
        }
    }
}

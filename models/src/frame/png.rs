//! A PNG file's bytes enter; its EXIF block leaves, wherever it stands, and the file with an end marker.
//!
//! A file of its own because decoders stop where the pixels end and yet require the end marker. Pillow also reads an
//! EXIF block that follows the pixels, and needs no end marker.

use std::borrow::Cow;

/// The `IEND` chunk that ends a file, with its checksum.
const END: &[u8] = b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// The complete chunks of a file, each as its name and content.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, behind) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        let chunk = (behind.get(..4)?, behind.get(4..length.checked_add(4)?)?);
        rest = behind.get(length.checked_add(8)?..)?;
        Some(chunk)
    })
}

/// The EXIF block, whether it stands before or after the pixels.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    chunks(bytes).find_map(|(name, content)| (name == b"eXIf").then_some(content))
}

/// The file, with an end marker appended where it lacks one. A chunk that was cut stays damaged.
pub(super) fn ended(bytes: &[u8]) -> Cow<'_, [u8]> {
    if chunks(bytes).any(|(name, _)| name == b"IEND") {
        Cow::Borrowed(bytes)
    } else {
        Cow::Owned([bytes, END].concat())
    }
}

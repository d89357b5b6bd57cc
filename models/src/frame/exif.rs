//! A picture's EXIF and XMP blocks enter; its orientation leaves.
//!
//! A file of its own because programs write this one number in many ways: as a SHORT, a LONG or a BYTE, in either
//! byte order, or only in XMP. An orientation that cannot be read counts as upright, as in Pillow: a picture is not
//! refused because of its metadata.

use image::metadata::Orientation;

/// The orientation tag of EXIF 2.32 (CIPA DC-008), in the first directory of a TIFF structure.
const ORIENTATION: u16 = 0x0112;

/// The orientation stated by a picture's EXIF block (a TIFF structure), or by its XMP block when EXIF states none.
pub(super) fn orientation(exif: &[u8], xmp: &[u8]) -> Orientation {
    // PNG and WebP files may keep the prefix of the JPEG segment.
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let stated = in_exif(exif).or_else(|| in_xmp(xmp)).and_then(|number| u8::try_from(number).ok());
    stated.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms)
}

fn in_exif(exif: &[u8]) -> Option<u32> {
    let little = match exif.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let number = |at: usize, length: usize| {
        let bytes = exif.get(at..at.checked_add(length)?)?;
        let shifted = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        Some(if little { bytes.iter().rev().fold(0, shifted) } else { bytes.iter().fold(0, shifted) })
    };
    let directory = number(4, 4)? as usize;
    let entries = (0..number(directory, 2)? as usize).map(|entry| directory + 2 + 12 * entry);
    let entry = entries.take_while(|at| at + 12 <= exif.len()).find(|at| number(*at, 2) == Some(ORIENTATION.into()))?;
    // A value shorter than four bytes is stored in the first bytes of its field, in either byte order.
    match number(entry + 2, 2)? {
        1 => number(entry + 8, 1),
        3 => number(entry + 8, 2),
        4 => number(entry + 8, 4),
        _ => None,
    }
}

/// Reads `tiff:Orientation="6"` or `<tiff:Orientation>6</tiff:Orientation>`.
fn in_xmp(xmp: &[u8]) -> Option<u32> {
    let name = b"tiff:Orientation";
    let at = xmp.windows(name.len()).position(|window| window == name)? + name.len();
    match xmp.get(at..at + 3)? {
        [b'=', b'"' | b'\'', digit @ b'0'..=b'9'] | [b'>', digit @ b'0'..=b'9', b'<'] => Some(u32::from(digit - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A TIFF structure with one entry: the orientation as a value of the TIFF type `kind`.
    fn block(little: bool, kind: u16, value: u32) -> Vec<u8> {
        let number = |number: u32, length: usize| {
            if little { number.to_le_bytes()[..length].to_vec() } else { number.to_be_bytes()[4 - length..].to_vec() }
        };
        let length = match kind {
            1 => 1,
            3 => 2,
            _ => 4,
        };
        let mut bytes = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        bytes.extend([number(8, 4), number(1, 2), number(ORIENTATION.into(), 2)].concat());
        bytes.extend([number(kind.into(), 2), number(1, 4), number(value, length), vec![0; 4 - length + 4]].concat());
        bytes
    }

    #[test]
    fn the_number_is_read_in_every_type_and_byte_order() {
        for little in [true, false] {
            for kind in [1, 3, 4] {
                let turned = |value| orientation(&block(little, kind, value), b"");
                assert_eq!(turned(6), Orientation::Rotate90, "{little} {kind}");
                assert_eq!(turned(3), Orientation::Rotate180);
                assert_eq!([turned(0), turned(1), turned(9)], [Orientation::NoTransforms; 3]);
            }
        }
        let prefixed = [b"Exif\0\0".as_slice(), &block(true, 3, 8)].concat();
        assert_eq!(orientation(&prefixed, b""), Orientation::Rotate270);
    }

    #[test]
    fn xmp_counts_where_exif_says_nothing() {
        let xmp = br#"<rdf:Description tiff:Orientation="6"/>"#;
        assert_eq!(orientation(b"", xmp), Orientation::Rotate90);
        assert_eq!(orientation(b"", b"<tiff:Orientation>3</tiff:Orientation>"), Orientation::Rotate180);
        assert_eq!(orientation(&block(true, 3, 8), xmp), Orientation::Rotate270);
    }

    #[test]
    fn a_block_that_is_cut_or_nonsense_means_upright() {
        let whole = block(false, 3, 6);
        for length in 0..whole.len() - 4 {
            let _ = orientation(&whole[..length], b"");
        }
        for nonsense in [&b"II*\0\xFF\xFF\xFF\xFF"[..], b"II*\0\0\0\0\0", b"no TIFF structure", &whole[..15]] {
            assert_eq!(orientation(nonsense, b""), Orientation::NoTransforms);
        }
    }
}

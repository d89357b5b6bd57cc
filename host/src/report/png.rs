//! A PNG file becomes a `data:` URL with its size in pixels, without decoding.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::ReportError;

/// The PNG signature. It is followed by the length and name of the header chunk, then width and height at bytes 16
/// and 20 (PNG specification, 5.2 and 11.2.1).
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A picture embedded in the page.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Embedded {
    pub(super) src: String,
    /// Width in pixels.
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Embeds a PNG file; `what` names it in the error.
pub(super) fn embed(png: &[u8], what: &str) -> Result<Embedded, ReportError> {
    let size = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    match (png.starts_with(SIGNATURE), size(16), size(20)) {
        (true, Some(width), Some(height)) => {
            Ok(Embedded { src: format!("data:image/png;base64,{}", STANDARD.encode(png)), width, height })
        }
        _ => Err(ReportError::NotPng { what: what.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_size_and_refuses_the_rest() {
        let mut png = SIGNATURE.to_vec();
        png.extend(b"\0\0\0\x0dIHDR\0\0\x01\0\0\0\0\x40");
        let embedded = embed(&png, "grid").unwrap();
        assert_eq!((embedded.width, embedded.height), (256, 64));
        let message = embed(b"GIF89a", "samples at step 10").unwrap_err().to_string();
        assert!(message.starts_with("samples at step 10: not a PNG file"), "{message}");
        assert!(embed(SIGNATURE, "cut short").is_err());
    }
}

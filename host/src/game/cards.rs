//! Sealed cards for exhibits that lie on a table: the face of a card is the SHA-256 of its hidden back.
//!
//! Before a round the operator scans the face, and the referee records it. After the round the operator scans the
//! back, which states what the exhibit is. The back contains random digits, so it cannot be guessed from the face,
//! and no other back matches it.

use anyhow::Result;
use counterfoil_models::{secret, sha256_hex};

const KIND: &str = "counterfoil-card-1";

/// Makes the back of a card: its kind, `genuine` or `counterfeit`, and a random secret.
///
/// # Errors
/// Returns an error when the system gives no random bytes.
pub fn back(genuine: bool) -> Result<String> {
    Ok(format!("{KIND} {} {}", if genuine { "genuine" } else { "counterfeit" }, &secret()?[..32]))
}

/// The face of the card with this back: its SHA-256 in hex.
#[must_use]
pub fn face(back: &str) -> String {
    sha256_hex(back.as_bytes())
}

/// Whether a card (face, back) is of a genuine exhibit. `None` when the face and the back do not belong together.
#[must_use]
pub fn opens((front, back): &(String, String)) -> Option<bool> {
    if face(back) != *front {
        return None;
    }
    match back.strip_prefix(KIND)?.split_whitespace().next()? {
        "genuine" => Some(true),
        "counterfeit" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_fits_its_own_face_only() {
        let (one, other) = (back(true).unwrap(), back(false).unwrap());
        assert_eq!(opens(&(face(&one), one.clone())), Some(true));
        assert_eq!(opens(&(face(&other), other.clone())), Some(false));
        assert_eq!(opens(&(face(&one), other)), None);
        assert_eq!(opens(&(face("counterfoil-card-1 maybe 00"), "counterfoil-card-1 maybe 00".into())), None);
        assert_ne!(face(&one), face(&back(true).unwrap()));
    }
}

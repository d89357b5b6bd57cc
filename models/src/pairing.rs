//! Pairing of a box and a visitor: a six-digit code is shown on one screen and typed in at another.
//!
//! Both sides put the code and the fingerprint of the box's certificate into SPAKE2 (RFC 9382), with one message
//! each way, and then prove to each other that they have the same key. An eavesdropper learns nothing about the
//! code. An attacker between the two shows another certificate and has one attempt to guess the code: a wrong
//! proof ends the exchange.

use curve25519_dalek::edwards::CompressedEdwardsY;
use curve25519_dalek::traits::IsIdentity;
use spake2::{Ed25519Group, Identity, Password, Spake2};

use crate::sha256_hex;

/// Number of digits of a code.
pub const DIGITS: usize = 6;

/// The two sides of a pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The box, which shows the code.
    Box,
    /// The visitor, who types the code in.
    Visitor,
}

/// One side of a pairing that waits for the other side's message.
pub struct Waiting {
    side: Side,
    exchange: Spake2<Ed25519Group>,
}

/// The key of one side. Both sides have the same key if they used the same code and the same certificate.
pub struct Agreed {
    side: Side,
    key: Vec<u8>,
}

impl Side {
    /// Begins a pairing, and returns the message for the other side, in hex.
    ///
    /// `fingerprint` is the SHA-256 of the box's certificate as this side received it.
    #[must_use]
    pub fn start(self, code: &str, fingerprint: &str) -> (Waiting, String) {
        let (code, visitor) = (Password::new(code), Identity::new(b"counterfoil visitor"));
        let shown = Identity::new(format!("counterfoil box {fingerprint}").as_bytes());
        let (exchange, message) = match self {
            Self::Visitor => Spake2::start_a(&code, &visitor, &shown),
            Self::Box => Spake2::start_b(&code, &visitor, &shown),
        };
        (Waiting { side: self, exchange }, to_hex(&message))
    }

    fn other(self) -> Self {
        match self {
            Self::Box => Self::Visitor,
            Self::Visitor => Self::Box,
        }
    }
}

impl Waiting {
    /// Takes the other side's message; `None` when it is not a valid message.
    #[must_use]
    pub fn finish(self, message: &str) -> Option<Agreed> {
        let message = from_hex(message)?;
        // The first byte says which side sent it.
        if !is_in_group(message.get(1..)?) {
            return None;
        }
        let key = self.exchange.finish(&message).ok()?;
        Some(Agreed { side: self.side, key })
    }
}

impl Agreed {
    /// The proof, for the other side, that this side has the key: SHA-256 in hex.
    #[must_use]
    pub fn proof(&self) -> String {
        self.proof_of(self.side)
    }

    /// Whether a proof shows that the other side has the same key.
    #[must_use]
    pub fn accepts(&self, proof: &str) -> bool {
        // The key is used once, and only hashes are compared: the time that the comparison takes reveals nothing.
        sha256_hex(proof.as_bytes()) == sha256_hex(self.proof_of(self.side.other()).as_bytes())
    }

    fn proof_of(&self, side: Side) -> String {
        let side = match side {
            Side::Box => "box",
            Side::Visitor => "visitor",
        };
        sha256_hex(format!("counterfoil-pair-1\n{}\n{side}\n", to_hex(&self.key)).as_bytes())
    }
}

/// Whether bytes are a point of the group of prime order, other than its identity, in its only encoding. The messages of
/// an honest side are; `spake2` also takes points of small order and sums with them (RFC 9382, section 7).
fn is_in_group(bytes: &[u8]) -> bool {
    let point = CompressedEdwardsY::from_slice(bytes).ok().and_then(|encoded| encoded.decompress());
    point.is_some_and(|point| point.is_torsion_free() && !point.is_identity() && point.compress().as_bytes() == bytes)
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(codes: [&str; 2], fingerprints: [&str; 2]) -> [bool; 2] {
        let (shows, from_box) = Side::Box.start(codes[0], fingerprints[0]);
        let (types, from_visitor) = Side::Visitor.start(codes[1], fingerprints[1]);
        let (shows, types) = (shows.finish(&from_visitor).unwrap(), types.finish(&from_box).unwrap());
        [shows.accepts(&types.proof()), types.accepts(&shows.proof())]
    }

    #[test]
    fn the_same_code_and_certificate_pair_and_nothing_else_does() {
        assert_eq!(paired(["123456", "123456"], ["aa", "aa"]), [true, true]);
        assert_eq!(paired(["123456", "123457"], ["aa", "aa"]), [false, false]);
        assert_eq!(paired(["123456", "123456"], ["aa", "ab"]), [false, false]);
    }

    #[test]
    fn a_side_does_not_accept_its_own_proof_back() {
        let (shows, from_box) = Side::Box.start("123456", "aa");
        let (types, from_visitor) = Side::Visitor.start("123456", "aa");
        let (shows, types) = (shows.finish(&from_visitor).unwrap(), types.finish(&from_box).unwrap());
        assert!(!shows.accepts(&shows.proof()) && !types.accepts(&types.proof()));
    }

    #[test]
    fn points_outside_the_group_are_refused() {
        use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};

        let finishes = |encoded: [u8; 32]| {
            // B is the visitor's counterpart: what the box sends begins with it.
            let message = to_hex(&[b"B", &encoded[..]].concat());
            Side::Visitor.start("123456", "aa").0.finish(&message).is_some()
        };
        assert!(finishes(ED25519_BASEPOINT_POINT.compress().0), "a point of the group");
        for small in EIGHT_TORSION {
            assert!(!finishes(small.compress().0), "identity or small order");
            assert!(small.is_identity() || !finishes((ED25519_BASEPOINT_POINT + small).compress().0), "mixed order");
        }
        // The identity in another encoding: y = p + 1.
        let mut identity = [0xff; 32];
        (identity[0], identity[31]) = (0xee, 0x7f);
        assert!(!finishes(identity));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for message in ["", "zz", "123", "é", &"0".repeat(66), &"ff".repeat(33)] {
            assert!(Side::Box.start("123456", "aa").0.finish(message).is_none(), "{message}");
        }
        // A visitor's own message sent back to it.
        let (types, message) = Side::Visitor.start("123456", "aa");
        assert!(types.finish(&message).is_none());
    }
}

//! A six-digit code, read off one screen and typed in at another, becomes trust between a box and a visitor.
//!
//! Both sides put the code and the fingerprint of the box's certificate into SPAKE2 (RFC 9382), one message each way, and then prove to each
//! other that they have the same key. Whoever listens learns nothing about the code; whoever sits between shows another certificate, and
//! must guess the code, once: a wrong proof ends it.

use spake2::{Ed25519Group, Identity, Password, Spake2};

use crate::sha256_hex;

/// Digits of a code.
pub const DIGITS: usize = 6;

/// Who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Shows the code.
    Box,
    /// Types it in.
    Visitor,
}

/// One side, waiting for the other's message.
pub struct Waiting {
    side: Side,
    exchange: Spake2<Ed25519Group>,
}

/// A key that both sides have, if both knew the same code and saw the same certificate.
pub struct Agreed {
    side: Side,
    key: Vec<u8>,
}

impl Side {
    /// Begins; the message goes to the other side, in hex. `fingerprint` is the SHA-256 of the box's certificate as this side sees it.
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
    /// Takes the other side's message; `None` when it is none.
    #[must_use]
    pub fn finish(self, message: &str) -> Option<Agreed> {
        let key = self.exchange.finish(&from_hex(message)?).ok()?;
        Some(Agreed { side: self.side, key })
    }
}

impl Agreed {
    /// Proves to the other side that this one has the key.
    #[must_use]
    pub fn proof(&self) -> String {
        self.proof_of(self.side)
    }

    /// Whether the other side has it.
    #[must_use]
    pub fn accepts(&self, proof: &str) -> bool {
        // Hashes of a key that was made for this once: nothing is learned by how long the comparison takes.
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
    fn what_is_no_message_is_refused() {
        for message in ["", "zz", "123", "é", &"0".repeat(66), &"ff".repeat(33)] {
            assert!(Side::Box.start("123456", "aa").0.finish(message).is_none(), "{message}");
        }
        // A visitor's own message sent back to it.
        let (types, message) = Side::Visitor.start("123456", "aa");
        assert!(types.finish(&message).is_none());
    }
}

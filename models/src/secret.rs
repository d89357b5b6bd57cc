//! Random bytes from the operating system, for seals, tokens and the order of a game's exhibits.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};

/// Returns 32 random bytes from the kernel.
///
/// # Errors
/// The error of the system when `/dev/urandom` cannot be read.
pub fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Returns a seed from the kernel's random generator.
///
/// # Errors
/// The errors of [`random`].
pub fn random_seed() -> io::Result<u64> {
    let [a, b, c, d, e, f, g, h, ..] = random()?;
    Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

/// Returns 32 random bytes from the kernel as 64 hex digits.
///
/// # Errors
/// The errors of [`random`].
pub fn secret() -> io::Result<String> {
    let mut hex = String::with_capacity(64);
    for byte in random()? {
        write!(hex, "{byte:02x}").expect("a string takes what is written to it");
    }
    Ok(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_seeds_differ() {
        let [one, other] = [secret().unwrap(), secret().unwrap()];
        assert!(one.len() == 64 && one != other && one.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(random_seed().unwrap(), random_seed().unwrap());
    }
}

//! Bytes that nobody can guess, for seals and tokens.

use std::fs::File;
use std::io::{self, Read};

/// 32 random bytes of the kernel's, in hex.
///
/// # Errors
/// When there is no /dev/urandom.
pub fn secret() -> io::Result<String> {
    let mut halves = [[0; 16]; 2];
    let mut random = File::open("/dev/urandom")?;
    for half in &mut halves {
        random.read_exact(half)?;
    }
    let [first, second] = halves.map(u128::from_be_bytes);
    Ok(format!("{first:032x}{second:032x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ() {
        let [one, other] = [secret().unwrap(), secret().unwrap()];
        assert!(one.len() == 64 && one != other);
    }
}

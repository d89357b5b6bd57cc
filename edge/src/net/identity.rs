//! A short number that identifies this box to the broker and to home automation. It stays the same over restarts.
//!
//! A file of its own because a card can be cloned, with its state folder and its machine id, and the two boxes would
//! then be alike. So the number is a hash of a secret in the state folder and of an identifier of the machine: the
//! serial number of a Raspberry Pi, elsewhere the machine id of the system. A card that moves to another Raspberry Pi
//! gets another number, and so does a box that loses its state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use counterfoil_models::{secret, sha256_hex, write_whole};

use crate::{Error, Result};

/// Path of the secret in the state folder.
const FILE: &str = "network/identity";
/// Files with an identifier of the machine; the first one that can be read counts.
const MACHINE: [&str; 3] = ["/proc/device-tree/serial-number", "/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Number of hexadecimal digits: with the prefix `counterfoil-` these are 22 of the 23 letters that every
/// MQTT broker accepts in a client identifier.
const DIGITS: usize = 10;

/// The number of this box. The secret is created if the state folder has none.
///
/// # Errors
/// [`Error::State`] when the secret cannot be read or written, [`Error::Unsealed`] when there are no random bytes.
pub(super) fn of(state: &Path) -> Result<String> {
    let machine = MACHINE.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
    on(state, &machine)
}

fn on(state: &Path, machine: &[u8]) -> Result<String> {
    let path = state.join(FILE);
    let kept = match fs::read(&path) {
        Ok(kept) if !kept.is_empty() => kept,
        Ok(_) => made(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => made(path)?,
        Err(error) => return Err(trouble(path, &error)),
    };
    let mut number = sha256_hex(&[&kept[..], machine].concat());
    number.truncate(DIGITS);
    Ok(number)
}

fn made(path: PathBuf) -> Result<Vec<u8>> {
    let made = secret().map_err(Error::Unsealed)?.into_bytes();
    write_whole(&path, &made).map_err(|error| trouble(path, &error))?;
    Ok(made)
}

fn trouble(path: PathBuf, error: &impl ToString) -> Error {
    let what = format!("cannot be used ({}), so the box has no name of its own for the broker", error.to_string());
    Error::State { path, what, remedy: "make room on the disk, and give the folder to the user that runs this" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_keeps_its_number_and_no_other_has_it() {
        let [one, other] = [1, 2].map(|_| tempfile::tempdir().unwrap());
        let number = on(one.path(), b"1000000012345678").unwrap();
        assert!(number.len() == DIGITS && number.chars().all(|digit| digit.is_ascii_hexdigit()), "{number}");
        assert_eq!(on(one.path(), b"1000000012345678").unwrap(), number);
        assert_ne!(on(other.path(), b"1000000012345678").unwrap(), number, "another state folder on the same machine");
        // A cloned card: the same files on another Raspberry Pi.
        fs::create_dir_all(other.path().join("network")).unwrap();
        fs::copy(one.path().join(FILE), other.path().join(FILE)).unwrap();
        assert_ne!(on(other.path(), b"10000000deadbeef").unwrap(), number);
        // A power cut left an empty file.
        fs::write(one.path().join(FILE), b"").unwrap();
        assert_eq!(on(one.path(), b"x").unwrap(), on(one.path(), b"x").unwrap());
    }
}

//! What tells this box from every other, whatever both are called: a short number for broker and home automation, kept over restarts.
//!
//! A file because of what is copied: two boxes are alike when a card was cloned, with its state folder and its machine id. So the number
//! is made of a secret in the state folder and of what the machine itself says it is: a Raspberry Pi's serial number, elsewhere the
//! system's machine id. A card that moves to another Raspberry Pi makes another box of it; so does a state folder that is lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use counterfoil_models::{secret, sha256_hex, write_whole};

use crate::{Error, Result};

/// The secret's file in the state folder.
const FILE: &str = "network/identity";
/// What a machine says it is: the first that is there counts.
const MACHINE: [&str; 3] = ["/proc/device-tree/serial-number", "/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Hexadecimal digits of the number: with `counterfoil-` before them, 22 of the 23 letters that every MQTT broker takes.
const DIGITS: usize = 10;

/// This box's number; made where the state folder holds none.
///
/// # Errors
/// [`Error::State`] when it can be neither read nor kept.
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
        // A cloned card: the same files, another Raspberry Pi.
        fs::create_dir_all(other.path().join("network")).unwrap();
        fs::copy(one.path().join(FILE), other.path().join(FILE)).unwrap();
        assert_ne!(on(other.path(), b"10000000deadbeef").unwrap(), number);
        // A power cut left nothing of it.
        fs::write(one.path().join(FILE), b"").unwrap();
        assert_eq!(on(one.path(), b"x").unwrap(), on(one.path(), b"x").unwrap());
    }
}

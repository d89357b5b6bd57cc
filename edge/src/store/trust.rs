//! Decides which bundles a box accepts: once a public key is installed, only bundles that are signed
//! with its secret key.
//!
//! Keys and signatures have the format of minisign, so they can also be checked by hand:
//! `minisign -V -p KEY -m manifest.json`. The manifest contains the SHA-256 of every other file, so its signature
//! covers the whole bundle.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use counterfoil_models::{Bundle, sha256_hex, write_whole};
use minisign_verify::{PublicKey, Signature};

use crate::store::leftovers::UNFINISHED;
use crate::{Error, Result};

/// Name of the folder of public keys in a state folder.
const FOLDER: &str = "keys";
/// Maximum size in bytes of a key or a signature; real ones have a few hundred.
const MAX_BYTES: u64 = 4096;

/// The public keys that a box trusts.
#[derive(Debug)]
pub struct Trust {
    keys: Vec<(PathBuf, PublicKey)>,
}

impl Trust {
    /// Reads the keys in a state folder.
    ///
    /// # Errors
    /// [`Error::State`] for a key that cannot be read: a box with damaged keys must not accept every bundle.
    pub fn of(state: &Path) -> Result<Self> {
        let folder = state.join(FOLDER);
        // A link to a folder that is absent, for example on a disk that is not mounted, must not mean that there are
        // no keys.
        if fs::symlink_metadata(&folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(Self { keys: Vec::new() });
        }
        let entries = fs::read_dir(&folder).map_err(|e| damaged(&folder, format!("cannot be listed ({e})")))?;
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| damaged(&folder, format!("cannot be listed ({e})")))?;
        // A process that was killed while it wrote a key left no key.
        paths.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNFINISHED)));
        paths.sort();
        let keys = paths.into_iter().map(|path| Ok((path.clone(), read_key(&path)?)));
        Ok(Self { keys: keys.collect::<Result<_>>()? })
    }

    /// Reads one key from its file.
    ///
    /// # Errors
    /// [`Error::State`] when the file is not a minisign public key.
    pub fn of_key(file: &Path) -> Result<Self> {
        Ok(Self { keys: vec![(file.to_path_buf(), read_key(file)?)] })
    }

    /// Installs a public key from a file. Returns the path of the installed copy.
    ///
    /// # Errors
    /// [`Error::State`] when the file is not a minisign public key, [`Error::Contract`] when the copy
    /// cannot be written.
    pub fn install(state: &Path, file: &Path) -> Result<PathBuf> {
        read_key(file)?;
        let text = read(file)?;
        let place = state.join(FOLDER).join(format!("{}.pub", &sha256_hex(text.trim().as_bytes())[..16]));
        write_whole(&place, text.as_bytes())?;
        Ok(place)
    }

    /// The paths of the keys.
    pub fn keys(&self) -> impl Iterator<Item = &Path> {
        self.keys.iter().map(|(path, _)| path.as_path())
    }

    /// Checks the signature of a bundle. If no key is installed, every bundle is accepted.
    ///
    /// # Errors
    /// [`Error::Untrusted`] when the signature is missing or does not belong to an installed key,
    /// [`Error::Contract`] when it cannot be read.
    pub fn check(&self, bundle: &Bundle) -> Result<()> {
        // The manifest that is checked must be the one that was opened.
        if self.check_folder(bundle.dir())? == bundle.id() {
            return Ok(());
        }
        Err(Error::Untrusted { bundle: bundle.dir().into(), what: "its manifest changed while it was read".into() })
    }

    /// Checks the signature of the bundle in a folder before anything else of it is read. Returns the fingerprint that
    /// the bundle has. If no key is installed, every bundle is accepted.
    ///
    /// # Errors
    /// [`Error::Untrusted`] when the signature is missing or does not belong to an installed key,
    /// [`Error::Contract`] when it or the manifest cannot be read.
    pub fn check_folder(&self, dir: &Path) -> Result<String> {
        let manifest = Bundle::read_manifest(dir)?;
        let id = sha256_hex(&manifest);
        if self.keys.is_empty() {
            return Ok(id);
        }
        let untrusted = |what: String| Error::Untrusted { bundle: dir.to_path_buf(), what };
        let signature = Bundle::read_signature(dir, MAX_BYTES)?.ok_or_else(|| untrusted("it is not signed".into()))?;
        let signature = Signature::decode(&String::from_utf8_lossy(&signature))
            .map_err(|e| untrusted(format!("its signature cannot be read ({e})")))?;
        if self.keys.iter().any(|(_, key)| key.verify(&manifest, &signature, false).is_ok()) {
            return Ok(id);
        }
        Err(untrusted("its signature is of none of the installed keys, or of another manifest".into()))
    }
}

fn read_key(path: &Path) -> Result<PublicKey> {
    PublicKey::decode(read(path)?.trim()).map_err(|e| damaged(path, format!("is no minisign public key ({e})")))
}

fn read(path: &Path) -> Result<String> {
    let trouble = |what: String| damaged(path, what);
    if fs::metadata(path).map_err(|e| trouble(format!("cannot be read ({e})")))?.len() > MAX_BYTES {
        return Err(trouble(format!("has more than {MAX_BYTES} bytes")));
    }
    fs::read_to_string(path).map_err(|e| trouble(format!("cannot be read ({e})")))
}

fn damaged(path: &Path, what: String) -> Error {
    Error::State { path: path.to_path_buf(), what, remedy: "give the .pub file that `counterfoil key new` wrote" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::{Draft, MANIFEST, SIGNATURE};
    use minisign::KeyPair;

    fn bundle(dir: &Path) -> Bundle {
        let pretrained = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/specimen-note-statistics");
        Draft::copy(&Bundle::open(&pretrained).unwrap(), &dir.join("bundle")).unwrap()
    }

    fn sign(bundle: &Bundle, keys: &KeyPair) {
        let manifest = fs::read(bundle.dir().join(MANIFEST)).unwrap();
        let signature = minisign::sign(Some(&keys.pk), &keys.sk, &manifest[..], None, None).unwrap();
        fs::write(bundle.dir().join(SIGNATURE), signature.into_string()).unwrap();
    }

    #[test]
    fn with_a_key_only_its_own_bundles_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (bundle, state) = (bundle(dir.path()), dir.path().join("state"));
        let complaint = || Trust::of(&state).unwrap().check(&bundle).unwrap_err().to_string();
        Trust::of(&state).unwrap().check(&bundle).unwrap();

        let [ours, theirs] = [(); 2].map(|()| KeyPair::generate_unencrypted_keypair().unwrap());
        let public = dir.path().join("ours.pub");
        fs::write(&public, ours.pk.to_box().unwrap().into_string()).unwrap();
        Trust::install(&state, &public).unwrap();
        assert!(complaint().contains("not signed") && complaint().contains("key sign"), "{}", complaint());
        sign(&bundle, &theirs);
        assert!(complaint().contains("none of the installed keys"));
        sign(&bundle, &ours);
        Trust::of(&state).unwrap().check(&bundle).unwrap();
        // A copy includes the signature.
        let copy = Draft::copy(&bundle, &dir.path().join("copy")).unwrap();
        Trust::of(&state).unwrap().check(&copy).unwrap();
        fs::write(bundle.dir().join(SIGNATURE), "untrusted comment: x\nRUQ\n").unwrap();
        assert!(complaint().contains("cannot be read"));
    }

    #[test]
    fn a_damaged_key_opens_no_door() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join(FOLDER)).unwrap();
        fs::write(state.path().join(FOLDER).join("a.pub"), "untrusted comment: a key\nRWQf6").unwrap();
        assert!(Trust::of(state.path()).unwrap_err().to_string().contains("no minisign public key"));
    }

    #[test]
    fn a_link_to_a_folder_that_is_absent_opens_no_door() {
        let state = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nonexistent/keys", state.path().join(FOLDER)).unwrap();
        let error = Trust::of(state.path()).unwrap_err().to_string();
        assert!(error.contains("keys cannot be listed"), "{error}");
    }

    #[test]
    fn half_a_key_that_a_killed_process_left_is_no_key() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join(FOLDER)).unwrap();
        fs::write(state.path().join(FOLDER).join(".tmpAbCdEf"), "untrusted com").unwrap();
        assert_eq!(Trust::of(state.path()).unwrap().keys().count(), 0);
        let public = state.path().join("ours.pub");
        let ours = KeyPair::generate_unencrypted_keypair().unwrap();
        fs::write(&public, ours.pk.to_box().unwrap().into_string()).unwrap();
        Trust::install(state.path(), &public).unwrap();
        assert_eq!(Trust::of(state.path()).unwrap().keys().count(), 1);
    }
}

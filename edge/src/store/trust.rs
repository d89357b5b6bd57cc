//! Whose bundles a box takes: once a public key is installed, only those signed with its secret one.
//!
//! Keys and signatures are minisign's, so that they can be checked by hand too: `minisign -V -p KEY -m manifest.json`. The manifest names
//! every other file's SHA-256, so its signature is the whole bundle's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use counterfoil_models::{Bundle, MANIFEST, SIGNATURE, sha256_hex, write_whole};
use minisign_verify::{PublicKey, Signature};

use crate::{Error, Result};

/// The folder of public keys in a state folder.
const FOLDER: &str = "keys";
/// A key or a signature has a few hundred bytes.
const MAX_BYTES: u64 = 4096;

/// The public keys a box has.
#[derive(Debug)]
pub struct Trust {
    keys: Vec<(PathBuf, PublicKey)>,
}

impl Trust {
    /// Those in a state folder.
    ///
    /// # Errors
    /// [`Error::State`] for a key that cannot be read: a box whose keys are damaged must not take everything.
    pub fn of(state: &Path) -> Result<Self> {
        let folder = state.join(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { keys: Vec::new() }),
            entries => entries.map_err(|e| damaged(&folder, format!("cannot be listed ({e})")))?,
        };
        let mut paths = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| damaged(&folder, format!("cannot be listed ({e})")))?;
        paths.sort();
        let keys = paths.into_iter().map(|path| Ok((path.clone(), read_key(&path)?)));
        Ok(Self { keys: keys.collect::<Result<_>>()? })
    }

    /// One key, from its file.
    ///
    /// # Errors
    /// [`Error::State`] when the file is no minisign public key.
    pub fn of_key(file: &Path) -> Result<Self> {
        Ok(Self { keys: vec![(file.to_path_buf(), read_key(file)?)] })
    }

    /// Installs a public key from a file and says what it is called now.
    ///
    /// # Errors
    /// [`Error::State`] when the file is no minisign public key, or cannot be installed.
    pub fn install(state: &Path, file: &Path) -> Result<PathBuf> {
        read_key(file)?;
        let text = read(file)?;
        let place = state.join(FOLDER).join(format!("{}.pub", &sha256_hex(text.trim().as_bytes())[..16]));
        write_whole(&place, text.as_bytes())?;
        Ok(place)
    }

    /// The keys' files.
    pub fn keys(&self) -> impl Iterator<Item = &Path> {
        self.keys.iter().map(|(path, _)| path.as_path())
    }

    /// Checks a bundle's signature; where no key is installed, every bundle is taken.
    ///
    /// # Errors
    /// [`Error::Untrusted`], saying whether the signature lacks or is not of a key that is installed.
    pub fn check(&self, bundle: &Bundle) -> Result<()> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let untrusted = |what: String| Error::Untrusted { bundle: bundle.dir().to_path_buf(), what };
        let path = bundle.dir().join(SIGNATURE);
        if !path.exists() {
            return Err(untrusted("it is not signed".into()));
        }
        let signature =
            Signature::decode(&read(&path)?).map_err(|e| untrusted(format!("its signature cannot be read ({e})")))?;
        let manifest = fs::read(bundle.dir().join(MANIFEST))
            .map_err(|e| untrusted(format!("its manifest cannot be read ({e})")))?;
        // What is checked is what was opened.
        if sha256_hex(&manifest) != bundle.id() {
            return Err(untrusted("its manifest changed while it was read".into()));
        }
        if self.keys.iter().any(|(_, key)| key.verify(&manifest, &signature, false).is_ok()) {
            return Ok(());
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
    use counterfoil_models::Draft;
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
        // A copy takes its signature along.
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
}

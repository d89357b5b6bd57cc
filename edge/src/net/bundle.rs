//! Installs and selects a model from a tar file that a client sends.
//!
//! Only bundles that are signed with a key of this box are accepted; a box without a key accepts none from the
//! network. The tar is unpacked into a temporary folder of the state folder, under the plain names of a bundle's
//! files, and then installed like any other bundle.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Component, Path};

use axum::body::Body;
use axum::http::StatusCode;
use counterfoil_models::limits;
use tar::EntryType;
use tokio_stream::StreamExt;

use crate::config::Config;
use crate::store::leftovers::INCOMING;
use crate::store::slots::{Slot, Slots};
use crate::store::trial::Abandon;
use crate::store::trust::Trust;
use crate::{Error, Result};

/// Maximum number of entries in the tar.
const MOST_FILES: usize = 64;

/// An HTTP status and the reason, in words.
pub type Refused = (StatusCode, String);

/// Receives, checks, installs and selects a bundle.
pub(super) async fn take(config: &Config, body: Body) -> Result<Slot, Refused> {
    if config.bundle.is_some() {
        let why =
            "this box judges by the bundle that its configuration names; remove `bundle` there to have it take others";
        return Err((StatusCode::CONFLICT, why.into()));
    }
    let trust = Trust::of(&config.state).map_err(|e| internal(&e))?;
    if trust.keys().next().is_none() {
        let why =
            "this box has no key to tell whose bundles it may take; install one with `counterfoil-edge key install`";
        return Err((StatusCode::FORBIDDEN, why.into()));
    }
    let state = config.state.clone();
    let mut tar = tempfile::tempfile_in(&state).map_err(|e| no_room(&e))?;
    let mut pieces = body.into_data_stream();
    let mut bytes = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| (StatusCode::BAD_REQUEST, format!("the bundle did not come whole: {e}")))?;
        bytes += piece.len();
        if bytes > limits::BUNDLE {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("a bundle has at most {} MB", limits::BUNDLE >> 20)));
        }
        tar.write_all(&piece).map_err(|e| no_room(&e))?;
    }
    // In a blocking task, because it waits for the child that judges the golden pictures. When the client leaves or
    // the request takes too long, `client` is dropped, and the task ends.
    let client = Client(Abandon::default());
    let abandon = client.0.clone();
    let installed = tokio::task::spawn_blocking(move || install(&state, &trust, tar, &abandon)).await;
    installed.unwrap_or_else(|_| Err(internal(&Error::Panicked)))
}

/// A client that waits for an answer. Dropping it abandons the installation.
struct Client(Abandon);

impl Drop for Client {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn install(state: &Path, trust: &Trust, mut tar: File, abandon: &Abandon) -> Result<Slot, Refused> {
    tar.rewind().map_err(|e| no_room(&e))?;
    let folder = tempfile::Builder::new().prefix(INCOMING).tempdir_in(state).map_err(|e| no_room(&e))?;
    unpack(tar, folder.path())?;
    let refused = |error: Error| {
        let status = match error {
            Error::Untrusted { .. } => StatusCode::FORBIDDEN,
            Error::Older { .. } => StatusCode::CONFLICT,
            Error::State { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        // The path of the temporary folder means nothing to the sender.
        (status, error.to_string().replace(&*folder.path().to_string_lossy(), "the bundle"))
    };
    Slots::of(state).install_and_select(folder.path(), trust, false, abandon).map_err(refused)
}

/// Unpacks a tar into a folder. Accepts only plain files and folders with plain names at most two levels
/// deep, and limits their number and total size.
pub fn unpack(tar: impl Read, folder: &Path) -> Result<(), Refused> {
    let bad = |what: String| (StatusCode::UNPROCESSABLE_ENTITY, format!("this is no tar of a bundle: {what}"));
    let mut left = limits::BUNDLE as u64;
    let mut archive = tar::Archive::new(tar);
    // Raw, because the names and other extensions of an entry would otherwise be read into memory, however long.
    let entries = archive.entries().map_err(|e| bad(e.to_string()))?.raw(true);
    for (number, entry) in entries.enumerate() {
        let mut entry = entry.map_err(|e| bad(e.to_string()))?;
        let path = entry.path().map_err(|e| bad(e.to_string()))?.into_owned();
        if number == MOST_FILES {
            return Err(bad(format!("it has more than {MOST_FILES} files")));
        }
        match entry.header().entry_type() {
            // Extensions say when a file was changed and the like; the names of a bundle's files need none.
            EntryType::Directory | EntryType::XHeader | EntryType::XGlobalHeader => continue,
            EntryType::Regular => {}
            EntryType::GNULongName => return Err(bad("it has a file with a name of more than 100 letters".into())),
            _ => return Err(bad(format!("{} is no plain file", path.display()))),
        }
        let plain: Option<Vec<_>> = path
            .components()
            .filter(|part| *part != Component::CurDir)
            .map(|part| match part {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect();
        let plain = plain.filter(|parts| (1..=2).contains(&parts.len()));
        let Some(parts) = plain else { return Err(bad(format!("{} leads out of it", path.display()))) };
        left = left.checked_sub(entry.size()).ok_or_else(|| bad("it is too large".into()))?;
        let place = parts.iter().fold(folder.to_path_buf(), |place, part| place.join(part));
        let unkept = |error: io::Error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => no_room(&error),
            // A name that is too long or given twice, a file in the place of a folder, a tar that ends early.
            _ => bad(format!("{}: {error}", path.display())),
        };
        fs::create_dir_all(place.parent().unwrap_or(folder)).map_err(unkept)?;
        let mut file = File::create_new(&place).map_err(unkept)?;
        io::copy(&mut entry, &mut file).map_err(unkept)?;
    }
    Ok(())
}

fn no_room(error: &io::Error) -> Refused {
    (StatusCode::INSUFFICIENT_STORAGE, format!("the box cannot keep it ({error}); make room in its state folder"))
}

fn internal(error: &Error) -> Refused {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(entries: &[(&str, EntryType)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(if *kind == EntryType::Regular { 3 } else { 0 });
            header.set_mode(0o644);
            // `set_path` would reject the paths that this test needs.
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            if *kind == EntryType::Symlink {
                header.set_link_name("/etc").unwrap();
            }
            header.set_cksum();
            let content: &[u8] = if *kind == EntryType::Regular { b"abc" } else { b"" };
            tar.append(&header, content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    /// A bundle whose network does not matter: without a signature, nothing looks at it.
    #[test]
    fn an_unsigned_bundle_is_refused_before_its_network_is_opened() {
        let state = tempfile::tempdir().unwrap();
        let config = Config { state: state.path().to_owned(), ..Config::default() };
        let keys = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let public = state.path().join("ours.pub");
        fs::write(&public, keys.pk.to_box().unwrap().into_string()).unwrap();
        Trust::install(state.path(), &public).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let put = |tar: Vec<u8>| runtime.block_on(take(&config, Body::from(tar))).unwrap_err();
        let tar = tar_of(&[("manifest.json", EntryType::Regular), ("discriminator.onnx", EntryType::Regular)]);
        let (status, why) = put(tar);
        assert_eq!(status, StatusCode::FORBIDDEN, "{why}");
        assert!(why.contains("the bundle: it is not signed"), "{why}");
        // Nothing is left, and a link to keys that are absent lets nothing in.
        let incoming = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(INCOMING);
        assert!(!fs::read_dir(state.path()).unwrap().flatten().any(|entry| incoming(&entry)));
        fs::remove_dir_all(state.path().join("keys")).unwrap();
        std::os::unix::fs::symlink("/nonexistent", state.path().join("keys")).unwrap();
        assert!(put(tar_of(&[("manifest.json", EntryType::Regular)])).1.contains("keys cannot be listed"));
    }

    #[test]
    fn an_installation_is_given_up_when_its_client_leaves() {
        let abandon = Abandon::default();
        drop(Client(abandon.clone()));
        assert!(abandon.is_abandoned());
    }

    #[test]
    fn a_bundles_files_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let tar = tar_of(&[("./manifest.json", EntryType::Regular), ("golden/a.png", EntryType::Regular)]);
        unpack(&tar[..], dir.path()).unwrap();
        assert_eq!(fs::read(dir.path().join("golden/a.png")).unwrap(), b"abc");
        assert_eq!(fs::read(dir.path().join("manifest.json")).unwrap(), b"abc");
    }

    #[test]
    fn an_endless_name_is_refused_before_it_is_read() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(30 << 20);
        header.set_cksum();
        let mut read = 0;
        let name = io::repeat(b'n').take(30 << 20);
        let mut tar = header.as_bytes().chain(name);
        struct Counting<'a, R>(&'a mut R, &'a mut u64);
        impl<R: Read> Read for Counting<'_, R> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let bytes = self.0.read(buffer)?;
                *self.1 += bytes as u64;
                Ok(bytes)
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let (status, why) = unpack(Counting(&mut tar, &mut read), dir.path()).unwrap_err();
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && why.contains("100 letters"), "{why}");
        assert!(read <= 1 << 16, "{read} bytes were read");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for entries in [
            vec![("../manifest.json", EntryType::Regular)],
            vec![("/etc/passwd", EntryType::Regular)],
            vec![("a/b/c", EntryType::Regular)],
            vec![("golden/../../x", EntryType::Regular)],
            vec![("golden", EntryType::Symlink), ("golden/passwd", EntryType::Regular)],
            vec![("a", EntryType::Regular), ("a", EntryType::Regular)],
            vec![("a", EntryType::Regular), ("a/b", EntryType::Regular)],
            vec![("pipe", EntryType::Fifo)],
            vec![("manifest.json", EntryType::Link)],
            vec![("manifest.json", EntryType::Symlink)],
            vec![("null", EntryType::Char)],
            vec![("disk", EntryType::Block)],
            vec![("sparse", EntryType::GNUSparse)],
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (status, why) = unpack(&tar_of(&entries)[..], &dir.path().join("in")).unwrap_err();
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{why}");
        }
        let many: Vec<String> = (0..=MOST_FILES).map(|i| i.to_string()).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), EntryType::Regular)).collect();
        assert!(unpack(&tar_of(&many)[..], tempfile::tempdir().unwrap().path()).is_err());
        assert!(
            unpack(
                &b"not a tar, and long enough to be read as the head of one".repeat(20)[..],
                tempfile::tempdir().unwrap().path()
            )
            .is_err()
        );
    }
}

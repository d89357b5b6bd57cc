//! Removes what a process that was killed left in a state folder: files that were being written, and bundles that
//! were being received or copied.

use std::fs;
use std::path::Path;

/// Prefix of the folder in which a bundle from the network is unpacked.
pub const INCOMING: &str = ".incoming-";
/// Prefix of a file that takes its name when it is complete (`counterfoil_models::write_whole`).
pub const UNFINISHED: &str = ".tmp";

/// Sweeps a state folder and the folders in it. The box calls this once, when it starts: a file that another process
/// is writing at this very moment is lost to it, and it reports that.
///
/// What cannot be removed only takes room, so this does not fail.
pub fn sweep(state: &Path) {
    for entry in fs::read_dir(state).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let (name, path) = (entry.file_name(), entry.path());
        if kind.is_dir() && name.to_string_lossy().starts_with(INCOMING) {
            let _ = fs::remove_dir_all(path);
        } else if kind.is_dir() {
            fs::read_dir(path).into_iter().flatten().flatten().for_each(|entry| remove_unfinished(&entry));
        } else {
            remove_unfinished(&entry);
        }
    }
}

fn remove_unfinished(entry: &fs::DirEntry) {
    let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
    if is_file && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
        let _ = fs::remove_file(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_killed_left_goes_and_everything_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name);
        for folder in [".incoming-a1B2c3/golden", "keys", "models/.bundle-x", "models/slot"] {
            fs::create_dir_all(place(folder)).unwrap();
        }
        let leftovers = [".incoming-a1B2c3/golden/a.png", ".tmpAbCdEf", "keys/.tmpAbCdEf", "models/.tmpXyZ123"];
        let others = ["identity", "keys/a.pub", "models/slot/.tmpname", "models/unproven", "verdicts.tmp"];
        for file in leftovers.iter().chain(&others) {
            fs::write(place(file), "x").unwrap();
        }
        // What a link leads to is somewhere else.
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join(".tmpAbCdEf"), "x").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), place("linked")).unwrap();
        sweep(dir.path());
        assert!(leftovers.iter().all(|file| !place(file).exists()) && !place(".incoming-a1B2c3").exists());
        assert!(others.iter().all(|file| place(file).exists()));
        assert!(elsewhere.path().join(".tmpAbCdEf").exists());
        sweep(Path::new("/nonexistent"));
    }
}

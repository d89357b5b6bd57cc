//! The demo's output folder: takes a path, empties the folder and claims it for this process. Files of an earlier
//! demo are replaced. If the folder holds any other file, nothing is removed and the demo returns an error.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use counterfoil_models::{ensure_folder_free, lock_folder, write_whole};

use super::{BUNDLES, CONTESTANTS, NOTES, REPORT, RUNS, TEST_NOTES};

/// A folder that contains this file was filled by a demo.
const MARK: &str = ".counterfoil-demo";
const MARK_TEXT: &str = "`counterfoil demo` made what lies here, and replaces it when it runs again.\n";

/// Prepares the folder for a demo. The returned handle keeps other processes out.
///
/// # Errors
/// Returns an error when the folder holds a file whose name no demo writes, or when another demo is using the folder.
pub(super) fn prepare(out: &Path) -> Result<File> {
    ensure_folder_free(out, &[MARK])?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let claimed = lock_folder(out)?;
    if let Some(file) = foreign(out, Path::new(""))? {
        bail!(
            "{} was made by no demo, and would be lost or mixed up with what the demo draws; move it away, or choose another --out",
            out.join(file).display()
        );
    }
    for made in [NOTES, TEST_NOTES, RUNS, BUNDLES, REPORT].map(|name| out.join(name)) {
        let removed = if made.is_dir() { fs::remove_dir_all(&made) } else { fs::remove_file(&made) };
        if made.exists() {
            removed.with_context(|| format!("cannot remove {}", made.display()))?;
        }
    }
    write_whole(&out.join(MARK), MARK_TEXT.as_bytes())?;
    Ok(claimed)
}

/// Returns the first file below a folder that no demo makes.
fn foreign(out: &Path, below: &Path) -> Result<Option<PathBuf>> {
    let folder = out.join(below);
    let unlisted = || format!("cannot list {}", folder.display());
    for entry in fs::read_dir(&folder).with_context(unlisted)? {
        let entry = entry.with_context(unlisted)?;
        let path = below.join(entry.file_name());
        // A symbolic link is never made by the demo, whatever its target.
        let found = match entry.file_type().with_context(unlisted)? {
            kind if kind.is_dir() => foreign(out, &path)?,
            kind => (!kind.is_file() || !is_made(&path)).then_some(path),
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether a demo makes a file with this path below its folder.
fn is_made(path: &Path) -> bool {
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    let is_note = |name: &str| name.strip_suffix(".png").is_some_and(|stem| stem.starts_with("note_"));
    match parts[..] {
        [MARK | REPORT] | [NOTES | TEST_NOTES, "sheet.png" | "dataset.toml"] => true,
        [NOTES | TEST_NOTES, "real", note] | [NOTES | TEST_NOTES, "fake", _, note] => is_note(note),
        [RUNS | BUNDLES, name, _, ..] => CONTESTANTS.iter().any(|(kind, _)| kind.to_string() == name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, file: &str) {
        write_whole(&folder.join(file), b"x").unwrap();
    }

    #[test]
    fn an_earlier_demo_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("demo");
        drop(prepare(&out).unwrap());
        for file in ["notes/real/note_000001.png", "test/fake/rescan/note_000001.png", "runs/dcgan/samples/step-1.png"]
        {
            write(&out, file);
        }
        for file in ["notes/dataset.toml", "bundles/mlp/manifest.json", "report.html"] {
            write(&out, file);
        }
        let claimed = prepare(&out).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 1, "the mark alone is left");
        let refused = prepare(&out).unwrap_err().to_string();
        assert!(refused.contains("in use by another process"), "{refused}");
        drop(claimed);
    }

    #[test]
    fn what_a_person_put_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("photos");
        write(&out, "me.jpg");
        assert!(prepare(&out).unwrap_err().to_string().contains("me.jpg"));
        let demo = dir.path().join("demo");
        for mine in ["notes/real/mine.png", "report.html.bak", "bundles/mine/manifest.json", "runs/log.txt"] {
            drop(prepare(&demo).unwrap());
            write(&demo, "report.html");
            write(&demo, mine);
            let refused = prepare(&demo).unwrap_err().to_string();
            assert!(refused.contains(mine) && demo.join("report.html").exists(), "{refused}");
            fs::remove_file(demo.join(mine)).unwrap();
        }
        std::os::unix::fs::symlink(&out, demo.join("notes")).unwrap();
        assert!(prepare(&demo).unwrap_err().to_string().contains("demo/notes"));
        assert!(out.join("me.jpg").exists());
    }
}

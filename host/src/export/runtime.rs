//! A second engine for comparison: ONNX Runtime through `ort`, loaded at run time, so that the program starts and
//! trains without it. It is only used to check whether it agrees with tract.
//!
//! A library of a version outside `TESTED_MINOR_VERSIONS` is refused before any of its code runs: version 1.22 was
//! seen to abort the whole program.

use std::ffi::OsStr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use counterfoil_edge::inference::NamedOutput;
use ort::environment::Environment;
use ort::session::Session as OrtSession;
use ort::value::TensorRef;

use super::ExportError;

/// Minor versions of ONNX Runtime 1 that exports were tested with: the oldest and the newest, and 1.23.2, 1.24.1 and
/// 1.31.1 between them. `scripts/onnxruntime VERSION` fetches a version for testing.
const TESTED_MINOR_VERSIONS: RangeInclusive<u32> = 23..=32;
/// Prefix of the version in the library's table of symbol versions.
const VERSION_SYMBOL: &[u8] = b"VERS_";

/// Finds ONNX Runtime's library.
///
/// If given, the path is `explicit` (a flag's value) or else `env` (the value of `ORT_DYLIB_PATH`, which the caller
/// reads). It is returned even if there is no file, so that a mistyped path is reported and not skipped. Otherwise
/// the library is searched in the virtual environment that `scripts/onnxruntime` makes, in one of the folders `near`
/// or one of their parents.
#[must_use]
pub fn find(explicit: Option<&Path>, env: Option<&OsStr>, near: &[PathBuf]) -> Option<PathBuf> {
    let named = explicit.map(Path::to_path_buf);
    let named = named.or_else(|| env.filter(|path| !path.is_empty()).map(PathBuf::from));
    named.or_else(|| near.iter().flat_map(|folder| folder.ancestors()).find_map(in_venv))
}

/// The paths from which a program searches for the virtual environment: the current folder and its own executable.
#[must_use]
pub fn nearby() -> Vec<PathBuf> {
    [std::env::current_dir(), std::env::current_exe()].into_iter().flatten().collect()
}

/// Finds `.venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*` below `root`; the last one by name
/// if there are several.
fn in_venv(root: &Path) -> Option<PathBuf> {
    let entries = |folder: &Path, prefix: &str| -> Vec<PathBuf> {
        let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
        let read = std::fs::read_dir(folder).into_iter().flatten().flatten();
        read.map(|entry| entry.path()).filter(named).collect()
    };
    let pythons = entries(&root.join(".venv/lib"), "python3");
    let libraries =
        pythons.iter().flat_map(|python| entries(&python.join("site-packages/onnxruntime/capi"), "libonnxruntime.so."));
    libraries.filter(|path| path.is_file()).max()
}

/// ONNX Runtime, loaded. A process can load only one library: later loads return the first one.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    version: String,
}

impl Runtime {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// [`ExportError::NoLibrary`] when there is no file, [`ExportError::RuntimeVersion`] when it is not ONNX Runtime
    /// of a tested version, [`ExportError::Runtime`] when it cannot be loaded.
    pub fn load(path: &Path) -> Result<Self, ExportError> {
        static LOADED: OnceLock<Result<Runtime, String>> = OnceLock::new();
        // Checked first, since `ort` was seen to hang on a missing library.
        if !path.is_file() {
            return Err(ExportError::NoLibrary(path.to_path_buf()));
        }
        let version = tried(path)?;
        let load = || -> Result<Runtime, String> {
            let builder = ort::init_from(path).map_err(|error| error.to_string())?;
            let environment =
                builder.with_name("counterfoil").with_telemetry(false).build().map_err(|error| error.to_string())?;
            Ok(Runtime { environment, version })
        };
        LOADED.get_or_init(load).clone().map_err(ExportError::Runtime)
    }

    /// The library's version, such as `1.31.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Loads an ONNX model, to be run on one thread.
    ///
    /// # Errors
    /// [`ExportError::Runtime`] with the library's message.
    pub fn session(&self, onnx: &[u8]) -> Result<Session, ExportError> {
        let build = || -> Result<OrtSession, String> {
            let builder = OrtSession::builder(&self.environment).map_err(|error| error.to_string())?;
            let builder = builder.with_intra_threads(1).map_err(|error| error.to_string())?;
            let mut builder = builder.with_inter_threads(1).map_err(|error| error.to_string())?;
            builder.commit_from_memory(onnx).map_err(|error| error.to_string())
        };
        Ok(Session { session: build().map_err(ExportError::Runtime)? })
    }
}

/// The version of a library, if it was tested.
fn tried(path: &Path) -> Result<String, ExportError> {
    let refused = |what: String| ExportError::RuntimeVersion {
        path: path.to_path_buf(),
        what,
        oldest: *TESTED_MINOR_VERSIONS.start(),
        newest: *TESTED_MINOR_VERSIONS.end(),
    };
    let bytes = std::fs::read(path).map_err(|error| ExportError::Runtime(format!("{}: {error}", path.display())))?;
    let version = version(&bytes).ok_or_else(|| refused("is no ONNX Runtime".to_owned()))?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(1), Some(minor)) if TESTED_MINOR_VERSIONS.contains(&minor) => Ok(version),
        _ => Err(refused(format!("is ONNX Runtime {version}"))),
    }
}

/// Reads the version of ONNX Runtime from a library's bytes, because the library would have to be loaded to ask for
/// it.
fn version(library: &[u8]) -> Option<String> {
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let mut found = library.windows(VERSION_SYMBOL.len()).enumerate().filter(|(_, bytes)| *bytes == VERSION_SYMBOL);
    found.find_map(|(at, _)| {
        let digits: Vec<u8> = library[at + VERSION_SYMBOL.len()..].iter().take_while(|b| is_part(b)).copied().collect();
        String::from_utf8(digits).ok().filter(|version| version.contains('.'))
    })
}

/// A model loaded into ONNX Runtime.
#[derive(Debug)]
pub struct Session {
    session: OrtSession,
}

impl Session {
    /// Runs the model on `input`, row-major values of the shape `shape` (batch first).
    ///
    /// # Errors
    /// [`ExportError::Runtime`] with the library's message.
    pub fn run(&mut self, input: &[f32], shape: &[usize]) -> Result<Vec<NamedOutput>, ExportError> {
        let mut run = || -> ort::Result<Vec<NamedOutput>> {
            let outputs = self.session.run(ort::inputs![TensorRef::from_array_view((shape, input))?])?;
            let named = outputs.iter().map(|(name, value)| {
                let (shape, values) = value.try_extract_tensor::<f32>()?;
                let shape = shape.iter().map(|&dim| dim as usize).collect();
                Ok(NamedOutput { name: name.to_owned(), shape, values: values.to_vec() })
            });
            named.collect()
        };
        run().map_err(|error| ExportError::Runtime(error.to_string()))
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::{Runtime, find, nearby};

    /// Loads ONNX Runtime; `None` if its library is missing, which fails a CI run.
    pub(crate) fn onnx_runtime() -> Option<Runtime> {
        let named = std::env::var_os("ORT_DYLIB_PATH");
        let Some(path) = find(None, named.as_deref(), &nearby()) else {
            let message = "no ONNX Runtime library: run scripts/onnxruntime";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
            eprintln!("SKIPPED: {message}");
            return None;
        };
        Some(Runtime::load(&path).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_were_not_tried_are_refused_before_they_are_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("libonnxruntime.so");
        let refused = |symbol: &str| {
            std::fs::write(&library, format!("\x7fELF VERS_ {symbol}\0")).unwrap();
            Runtime::load(&library).unwrap_err().to_string()
        };
        for (symbol, what) in [
            ("VERS_1.22.1", "is ONNX Runtime 1.22.1"),
            ("VERS_1.33.0", "is ONNX Runtime 1.33.0"),
            ("VERS_2.25.0", "is ONNX Runtime 2.25.0"),
            ("another library", "is no ONNX Runtime"),
        ] {
            let said = refused(symbol);
            assert!(
                said.contains(what) && said.contains("1.23 to 1.32") && said.contains("scripts/onnxruntime"),
                "{said}"
            );
        }
        std::fs::write(&library, "VERS_1.23.0\0").unwrap();
        assert_eq!(tried(&library).unwrap(), "1.23.0");
    }
}

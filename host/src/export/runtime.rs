//! A library's path enters, a second opinion leaves: ONNX Runtime through `ort`, loaded at run time so that the program starts
//! and trains without it. It is only ever asked whether it agrees with tract.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use counterfoil_edge::engine::NamedOutput;
use ort::environment::Environment;
use ort::session::Session as OrtSession;
use ort::value::TensorRef;

use super::ExportError;

/// Where ONNX Runtime's library is: `explicit` (a flag's value) or else `env` (the value of `ORT_DYLIB_PATH`, which the caller
/// reads) when given, whether or not a file stands there, so that a mistyped path is reported and not passed over; otherwise
/// the virtual environment that `scripts/onnxruntime` makes, below one of the folders `near` or a parent of theirs.
#[must_use]
pub fn find(explicit: Option<&Path>, env: Option<&OsStr>, near: &[PathBuf]) -> Option<PathBuf> {
    let named = explicit.map(Path::to_path_buf);
    let named = named.or_else(|| env.filter(|path| !path.is_empty()).map(PathBuf::from));
    named.or_else(|| near.iter().flat_map(|folder| folder.ancestors()).find_map(in_venv))
}

/// The folders from which a program looks for the virtual environment: the current one and its own executable's.
#[must_use]
pub fn nearby() -> Vec<PathBuf> {
    [std::env::current_dir(), std::env::current_exe()].into_iter().flatten().collect()
}

/// `.venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*` below `root`; the last by name if there are several.
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

/// ONNX Runtime, loaded. A process can load one library only: later loads give the first again.
#[derive(Debug, Clone)]
pub struct Runtime {
    environment: Environment,
    version: String,
}

impl Runtime {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// [`ExportError::NoLibrary`] when no file is there, [`ExportError::Runtime`] when it is no ONNX Runtime of a version that fits.
    pub fn load(path: &Path) -> Result<Self, ExportError> {
        static LOADED: OnceLock<Result<Runtime, String>> = OnceLock::new();
        // Checked first, since ort was seen to hang on a missing library.
        if !path.is_file() {
            return Err(ExportError::NoLibrary(path.to_path_buf()));
        }
        let load = || -> Result<Runtime, String> {
            let builder = ort::init_from(path).map_err(|error| error.to_string())?;
            let environment =
                builder.with_name("counterfoil").with_telemetry(false).build().map_err(|error| error.to_string())?;
            Ok(Runtime { environment, version: version(path) })
        };
        LOADED.get_or_init(load).clone().map_err(ExportError::Runtime)
    }

    /// The library's version, such as `1.31.1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Loads a model, to run on one thread.
    ///
    /// # Errors
    /// [`ExportError::Runtime`] with the library's own account.
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

/// The version behind `libonnxruntime.so.`, since the library itself tells only how it was built; else that.
fn version(path: &Path) -> String {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    let suffix = name.strip_prefix("libonnxruntime.so.").filter(|suffix| !suffix.is_empty());
    suffix.unwrap_or(ort::info()).to_owned()
}

/// A model loaded into ONNX Runtime.
#[derive(Debug)]
pub struct Session {
    session: OrtSession,
}

impl Session {
    /// Runs the model on `input`, row-major of `shape` (batch first).
    ///
    /// # Errors
    /// [`ExportError::Runtime`] with the library's own account.
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

    /// ONNX Runtime, or None where its library is missing; that fails a CI run.
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

//! The subcommands of `counterfoil`, one per file: the arguments as typed, and a `run` that lists the steps.
//!
//! stdout carries data, stderr carries messages. Arguments and the environment are read only here and in `main`.

pub(crate) mod beside;
pub(crate) mod calibrate;
pub(crate) mod dataset;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod faceoff;
pub(crate) mod flash;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod league;
pub(crate) mod material;
pub(crate) mod pair;
pub(crate) mod report;
pub(crate) mod train;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use counterfoil_host::data::unread;
use counterfoil_host::export::runtime::{Runtime, find, nearby};
use counterfoil_models::naming::{is_title, printable};

/// Where to find ONNX Runtime, which every export uses as a second inference engine for comparison.
#[derive(Args, Debug)]
pub(crate) struct OnnxRuntime {
    /// ONNX Runtime's library; without it, `ORT_DYLIB_PATH` and then .venv (made by scripts/onnxruntime) are tried
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

impl OnnxRuntime {
    /// Loads ONNX Runtime if it is found, otherwise prints a note on stderr.
    pub(crate) fn load(&self) -> Result<Option<Runtime>> {
        let env = std::env::var_os("ORT_DYLIB_PATH");
        let Some(path) = find(self.onnxruntime.as_deref(), env.as_deref(), &nearby()) else {
            eprintln!(
                "note: no ONNX Runtime found, so tract is the only engine compared; scripts/onnxruntime fetches it"
            );
            return Ok(None);
        };
        Ok(Some(Runtime::load(&path)?))
    }
}

/// Writes data to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to stdout")
}

/// Whether an error is a broken pipe: a reader that closed its end (`| head`) is not an error of this program.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// An error with its causes as one line. A cause that the message already contains is not repeated.
pub(crate) fn error_text(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        said => format!("{said}: {cause}"),
    })
}

/// Starts the async runtime for connections to boxes and browsers.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the system gives no threads; check its limits (ulimit -u)")
}

/// Whether stderr is a terminal, so that progress is worth drawing.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Prints a line on stderr.
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}

/// Prints on stderr which pictures could not be judged, the first few by name.
pub(crate) fn tell_unreadable(unreadable: &[String]) {
    for line in unread(unreadable, "judged") {
        tell(&line);
    }
}

/// Returns an error when a picture could not be judged. It is called after all other pictures were judged.
pub(crate) fn all_judged(unreadable: &[String]) -> Result<()> {
    let one = if unreadable.len() == 1 { "picture" } else { "pictures" };
    anyhow::ensure!(unreadable.is_empty(), "{} {one} could not be judged", unreadable.len());
    Ok(())
}

/// A detector's name: the one given by `--name`, or the last part of its bundle's path.
pub(crate) fn title(given: Option<&str>, bundle: &Path) -> Result<String> {
    let name = given.map_or_else(|| name_of(bundle), str::to_owned);
    ensure!(is_title(&name), "--name \"{}\": expected 1 to 100 printable characters on one line", printable(&name));
    Ok(name)
}

/// The last part of a path, as a name for the file or folder.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "detector".to_owned(), |name| name.to_string_lossy().into_owned())
}

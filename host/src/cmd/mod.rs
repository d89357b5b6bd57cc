//! The subcommands of `counterfoil`, one a file: arguments as typed, and a `run` that reads as a table of contents.
//!
//! stdout is data, stderr is talk; only here are arguments and the environment read.

pub(crate) mod beside;
pub(crate) mod calibrate;
pub(crate) mod dataset;
pub(crate) mod demo;
pub(crate) mod deploy;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod faceoff;
pub(crate) mod flash;
pub(crate) mod key;
pub(crate) mod league;
pub(crate) mod material;
pub(crate) mod pair;
pub(crate) mod report;
pub(crate) mod train;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_host::data::unread;
use counterfoil_host::export::runtime::{Runtime, find, nearby};

/// Where ONNX Runtime is, the second opinion of every export.
#[derive(Args, Debug)]
pub(crate) struct OnnxRuntime {
    /// ONNX Runtime's library; without it `ORT_DYLIB_PATH` and then .venv (made by scripts/onnxruntime) are looked at
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
}

impl OnnxRuntime {
    /// Loads it where there is one, and says so once where there is none.
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

/// A reader that went away (`| head`) is no trouble of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe))
}

/// An error with its causes, each said once: some messages end in their cause's own words.
pub(crate) fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text.as_str() {
        "" => cause,
        said if said.contains(&cause) => text,
        said => format!("{said}: {cause}"),
    })
}

/// What speaks to boxes and browsers at the same time.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("the system gives no threads; check its limits (ulimit -u)")
}

/// Whether progress is worth drawing.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Says a line on stderr.
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}

/// Says on stderr which pictures could not be judged, the first few by name.
pub(crate) fn tell_unreadable(unreadable: &[String]) {
    for line in unread(unreadable, "judged") {
        tell(&line);
    }
}

/// A picture that could not be judged makes the whole a failure, after all the others were.
pub(crate) fn all_judged(unreadable: &[String]) -> Result<()> {
    let one = if unreadable.len() == 1 { "picture" } else { "pictures" };
    anyhow::ensure!(unreadable.is_empty(), "{} {one} could not be judged", unreadable.len());
    Ok(())
}

/// The last part of a path, as a name for what lies there.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| "detector".to_owned(), |name| name.to_string_lossy().into_owned())
}

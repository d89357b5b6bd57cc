//! Tries a bundle in a child process: its network is opened there and judges its golden pictures.
//!
//! A network from elsewhere may fill the memory, and an allocation that fails ends the process in which it fails. So
//! the child has limits on memory and time, and what happens to it does not happen to the box. The child is this
//! program itself with the hidden subcommand [`COMMAND`], which calls [`limit`] first and then opens the bundle. What
//! came out well is known by the fingerprint that the child prints.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use counterfoil_models::{Bundle, DISCRIMINATOR};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};

use crate::{Detector, Error, Result};

/// The hidden subcommand of the child.
pub const COMMAND: &str = "try-bundle";

/// Memory that every network may take, in bytes: golden pictures, planning and running a network of usual size.
const MEMORY: u64 = 128 << 20;
/// Memory for each byte of the network's file, which is read, decoded, planned and packed.
const MEMORY_PER_BYTE: u64 = 5;
/// Processor time, in seconds. The slowest supported box opens the largest network of this project in ten.
const PROCESSOR_SECONDS: u64 = 100;
/// Time on the clock. A request on the network is given up earlier.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks at the child.
const PAUSE: Duration = Duration::from_millis(10);
/// What to do about a bundle that takes too much.
const SMALLER: &str = "export a smaller network";
/// Largest output of the child that is read, in bytes.
const MOST_OUTPUT: u64 = 16 << 10;

/// Tells a trial to give up, for example because the client that waited for it has left.
///
/// Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Abandon(Arc<AtomicBool>);

impl Abandon {
    /// Ends the trial soon. Nothing is installed any more.
    pub fn abandon(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the trial is to end.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Sets the limits of this process, and ends it with its parent. Children and threads inherit the limits, so only the
/// child of a trial calls this.
///
/// # Errors
/// The error of the operating system.
pub fn limit(dir: &Path) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // When memory runs out, the system ends this process first. Where it cannot be told so, the limits below remain.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let network = std::fs::metadata(dir.join(DISCRIMINATOR)).map_or(0, |found| found.len());
    let memory = MEMORY + MEMORY_PER_BYTE * network.min(counterfoil_models::limits::NETWORK as u64);
    for (resource, most) in [(Resource::Data, memory), (Resource::Cpu, PROCESSOR_SECONDS), (Resource::Core, 0)] {
        // A lower limit that is already set stays.
        let most = getrlimit(resource).maximum.map_or(most, |set| set.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// Opens a bundle in a child process with limits.
///
/// # Errors
/// [`Error::Trial`] with the child's message when the bundle does not open, with the limit when the child was ended by
/// one, and when there is no child or `abandon` ended it.
pub fn run(bundle: &Bundle, abandon: &Abandon) -> Result<()> {
    if cfg!(test) {
        // The program of a unit test has no subcommands. The tests of the program try bundles in a child.
        return Detector::open_both_ways(bundle.dir()).map(drop);
    }
    let program = std::env::current_exe().map_err(|e| no_child(bundle, &e))?;
    try_with(&program, bundle, abandon)
}

fn try_with(program: &Path, bundle: &Bundle, abandon: &Abandon) -> Result<()> {
    let mut child = Command::new(program)
        .args([OsStr::new(COMMAND), bundle.dir().as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| no_child(bundle, &e))?;
    // The pipes are read meanwhile: a child that writes into a full one would wait.
    let (said, complaint) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let ended = wait(&mut child, abandon);
    if !matches!(ended, Ok(Some(_))) {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (said, complaint) = (said.join().unwrap_or_default(), complaint.join().unwrap_or_default());
    match ended.map_err(|e| no_child(bundle, &e))? {
        Some(status) if status.success() && said.trim() == bundle.id() => Ok(()),
        Some(status) => Err(reason(bundle, status, &complaint)),
        None if abandon.is_abandoned() => Err(failed(bundle, "the request was given up meanwhile; send it again")),
        None => Err(failed(bundle, &format!("opening it takes more than {} s; {SMALLER}", PATIENCE.as_secs()))),
    }
}

/// Waits for the end of the child; `None` when it does not end in time.
fn wait(child: &mut Child, abandon: &Abandon) -> io::Result<Option<ExitStatus>> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE && !abandon.is_abandoned() {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(PAUSE);
    }
    Ok(None)
}

/// Why a child that ended did not open the bundle.
fn reason(bundle: &Bundle, status: ExitStatus, complaint: &str) -> Error {
    if let Some(message) = complaint.lines().find_map(|line| line.strip_prefix("counterfoil-edge: ")) {
        return Error::Trial(message.to_owned());
    }
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    if is(Signal::ABORT) {
        return failed(bundle, &format!("opening it takes more memory than a network may have; {SMALLER}"));
    }
    if is(Signal::XCPU) || is(Signal::KILL) {
        let limit = format!("more than {PROCESSOR_SECONDS} s of processor time or more memory than there is");
        return failed(bundle, &format!("opening it takes {limit}; {SMALLER}"));
    }
    failed(bundle, &format!("opening it ended with {status}; {SMALLER}"))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let (mut text, Some(mut pipe)) = (Vec::new(), pipe) else { return String::new() };
        let _ = pipe.by_ref().take(MOST_OUTPUT).read_to_end(&mut text);
        // The rest is read and dropped.
        let _ = io::copy(&mut pipe, &mut io::sink());
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn failed(bundle: &Bundle, what: &str) -> Error {
    Error::Trial(format!("{}: {what}", bundle.dir().display()))
}

fn no_child(bundle: &Bundle, error: &io::Error) -> Error {
    failed(bundle, &format!("this program cannot be started again to try it ({error}); restart the box"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn pretrained() -> Bundle {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained/specimen-note-statistics");
        Bundle::open(&dir).unwrap()
    }

    /// Tries the pretrained bundle with a shell script as the child.
    fn with(script: &str, abandon: &Abandon) -> Result<(), String> {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("child");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        try_with(&program, &pretrained(), abandon).map_err(|e| e.to_string())
    }

    #[test]
    fn only_the_fingerprint_says_that_a_bundle_came_out_well() {
        let here = Abandon::default();
        with(&format!("echo {}", pretrained().id()), &here).unwrap();
        for script in ["true", "echo well", &format!("echo {}; exit 1", pretrained().id())] {
            assert!(with(script, &here).unwrap_err().contains("ended with"), "{script}");
        }
    }

    #[test]
    fn what_ended_the_child_is_said() {
        let here = Abandon::default();
        assert!(with("echo 'counterfoil-edge: no good' >&2; exit 2", &here).unwrap_err().contains("no good"));
        assert!(with("kill -ABRT $$", &here).unwrap_err().contains("memory"));
        assert!(with("kill -XCPU $$", &here).unwrap_err().contains("processor time"));
        // More output than a pipe holds does not stop the child.
        assert!(with("head -c 1000000 /dev/zero; exit 3", &here).unwrap_err().contains("exit status: 3"));
    }

    #[test]
    fn an_abandoned_trial_ends_its_child() {
        let abandon = Abandon::default();
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("pid");
        let (script, waits) = (format!("echo $$ > {}; exec sleep 60", place.display()), abandon.clone());
        let trial = thread::spawn(move || with(&script, &waits));
        while fs::read_to_string(&place).unwrap_or_default().trim().is_empty() {
            thread::sleep(PAUSE);
        }
        let child = fs::read_to_string(&place).unwrap();
        abandon.abandon();
        assert!(trial.join().unwrap().unwrap_err().contains("given up"));
        assert!(!Path::new("/proc").join(child.trim()).exists(), "the child is gone");
    }
}

//! Support for the end-to-end tests: runs the built programs, checks their output, and trains one small bundle
//! that all tests share.
//!
//! A test reads like a story: `counterfoil(["train", ...]).ok()`, `edge([...]).says("cut short").code(2)`.

#![expect(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "assertions are called for what they assert"
)]

mod served;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub use served::{Environment, Served, Watching, at_another_time, found_in, status_and_answer};

/// Path of the box's program for aarch64, relative to the target folder. `scripts/cross` builds it.
const AARCH64: &str = "aarch64-unknown-linux-gnu/box/counterfoil-edge";
/// Command that runs the aarch64 program on this machine, with a Raspberry Pi 4's processor. The emulator's default
/// processor has SVE, which no Raspberry Pi has and which makes the emulation ten times slower.
const EMULATOR: [&str; 5] = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu"];

/// Time between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `holds` returns true, and looks every 10 ms.
///
/// # Panics
/// When it does not hold within `limit`; `what` is what was waited for.
pub fn until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < limit, "waited {} s in vain: {what}", limit.as_secs());
        thread::sleep(PAUSE);
    }
}

/// Flags for a training that takes only a moment: a small network and small pictures.
pub const SMALL: [&str; 8] = ["--batch", "8", "--width", "4", "--latent", "8", "--size", "28"];

/// The outcome of a program that has ended: its command line, exit status and output.
#[derive(Debug)]
pub struct Ran {
    command: String,
    output: Output,
}

impl Ran {
    /// Asserts the exit code. It is 101 after a panic; there is none after a signal.
    ///
    /// # Panics
    /// When the exit code differs.
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{self}");
        self
    }

    /// Asserts exit code 0.
    ///
    /// # Panics
    /// When the exit code differs.
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// Asserts that stderr contains a text.
    ///
    /// # Panics
    /// When stderr does not contain it.
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr().contains(text), "expected to hear {text:?}\n{self}");
        self
    }

    /// The exit code, or `None` after a signal.
    pub fn exit(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Standard output as JSON values, one per line.
    ///
    /// # Panics
    /// When a line is not valid JSON.
    pub fn lines(&self) -> Vec<Value> {
        let parse =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?} is no JSON ({e})\n{self}"));
        self.stdout().lines().map(parse).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ {}\n{:?}\n{}{}", self.command, self.output.status, self.stdout(), self.stderr())
    }
}

fn run(mut command: Command, stdin: Option<&[u8]>) -> Ran {
    use std::io::Write;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut child =
        command.spawn().unwrap_or_else(|e| panic!("{shown}: {e}; run scripts/test, which builds the programs"));
    if let Some(mut pipe) = child.stdin.take() {
        // A program that does not read its input closes the pipe. That is not an error.
        let _ = pipe.write_all(stdin.unwrap_or_default());
    }
    let output = child.wait_with_output().expect("a child that was spawned can be waited for");
    Ran { command: shown, output }
}

/// The folder that cargo built the programs into.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    test.ancestors().nth(2).expect("tests lie in PROFILE/deps").to_path_buf()
}

/// Runs `counterfoil` with these arguments and waits for its end.
pub fn counterfoil<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Ran {
    let mut command = Command::new(target().join("counterfoil"));
    command.args(arguments);
    run(command, None)
}

/// Starts `counterfoil`, then writes the text that `typed` returns to its stdin.
///
/// # Panics
/// When the program cannot be started.
pub fn counterfoil_reading<I: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = I>,
    typed: impl FnOnce() -> String,
) -> Ran {
    let mut command = Command::new(target().join("counterfoil"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}");
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{shown}: {e}"));
    let typed = typed();
    if let Some(mut pipe) = child.stdin.take() {
        use std::io::Write;
        let _ = pipe.write_all(typed.as_bytes());
    }
    Ran { command: shown, output: child.wait_with_output().expect("a child that was spawned can be waited for") }
}

/// Runs `counterfoil` until the file `ready` exists, interrupts it as Ctrl-C does, and waits for its end.
///
/// # Panics
/// When the program ends before that, or cannot be interrupted.
pub fn counterfoil_interrupted<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, ready: &Path) -> Ran {
    let mut command = Command::new(target().join("counterfoil"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}, interrupted");
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{shown}: {e}"));
    while !ready.exists() {
        assert!(
            child.try_wait().expect("a child can be asked").is_none(),
            "{shown}: it ended before {}",
            ready.display()
        );
        thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("a system with kill");
    assert!(killed.success());
    Ran { command: shown, output: child.wait_with_output().expect("a child that was spawned can be waited for") }
}

/// Runs `counterfoil` and ends it as `kill -9` does. It is killed at the time `after` its start; with folders to
/// `watch`, as soon as a file is being written in one of them after that time. The program may end by itself
/// earlier; a killed program has no exit code.
///
/// # Panics
/// When the program cannot be started or killed.
pub fn counterfoil_killed<I: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = I>,
    after: Duration,
    watch: &[PathBuf],
) -> Ran {
    let mut command = Command::new(target().join("counterfoil"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = format!("{command:?}, killed after {after:?}");
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{shown}: {e}"));
    let started = Instant::now();
    // The programs write a file under this name in the same folder before they rename it.
    let is_writing = || watch.is_empty() || watch.iter().any(|folder| folder.join(".part").exists());
    while (started.elapsed() < after || !is_writing()) && child.try_wait().expect("a child can be asked").is_none() {
        thread::sleep(Duration::from_micros(50));
    }
    child.kill().expect("a child can be killed");
    Ran { command: shown, output: child.wait_with_output().expect("a child that was spawned can be waited for") }
}

/// Runs `counterfoil-edge` with these arguments and waits for its end.
pub fn edge<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Ran {
    edge_reading(arguments, &[])
}

/// Runs `counterfoil-edge` with these bytes on its stdin.
pub fn edge_reading<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, stdin: &[u8]) -> Ran {
    let mut command = Command::new(target().join("counterfoil-edge"));
    command.args(arguments);
    run(command, Some(stdin))
}

/// A copy, in `dir`, of the pretrained bundle `name` with this counter: the same network with another fingerprint.
///
/// # Panics
/// When it cannot be written.
pub fn numbered(name: &str, dir: &Path, counter: u64) -> PathBuf {
    let (from, to) = (root().join("models/pretrained").join(name), dir.join(format!("bundle-{counter}")));
    for folder in ["", "golden"] {
        fs::create_dir_all(to.join(folder)).expect("a folder can be made");
        for entry in fs::read_dir(from.join(folder)).expect("it is in the repository").flatten() {
            if entry.path().is_file() {
                fs::copy(entry.path(), to.join(folder).join(entry.file_name())).expect("a file can be copied");
            }
        }
    }
    let manifest = fs::read(to.join("manifest.json")).expect("a bundle has a manifest");
    let mut manifest: Value = serde_json::from_slice(&manifest).expect("a manifest is JSON");
    manifest["counter"] = counter.into();
    fs::write(to.join("manifest.json"), manifest.to_string()).expect("a manifest can be written");
    to
}

/// Path of a program that was built for this machine.
pub fn built(name: &str) -> PathBuf {
    target().join(name)
}

/// Runs the box's program for aarch64 under emulation. Without the program or the emulator, the test is skipped
/// ([`skip`]) and `None` is returned.
pub fn edge_on_aarch64<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Option<Ran> {
    let program = target().ancestors().nth(1)?.join(AARCH64);
    let emulator = Command::new(EMULATOR[0]).arg("--version").output();
    if !program.exists() || emulator.is_err() {
        skip("no aarch64 program or emulator; scripts/setup and scripts/cross make them");
        return None;
    }
    let mut command = Command::new(EMULATOR[0]);
    command.args(&EMULATOR[1..]).arg(program).args(arguments);
    Some(run(command, None))
}

/// Prints that a test cannot run on this machine, and why. With `CI=true` no test may be skipped.
///
/// # Panics
/// When the environment has `CI=true`.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "with CI=true nothing is skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

/// The root folder of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads a picture file and encodes it as a JPEG, as a camera sends it.
///
/// # Panics
/// When the file is not a picture.
pub fn jpeg(picture: &Path) -> Vec<u8> {
    let picture = image::open(picture).expect("a picture of the stage").into_rgb8();
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    picture.write_with_encoder(encoder).expect("memory takes a picture");
    bytes
}

/// Fixture for all tests: a few specimen notes and two bundles trained on them, made once per test run.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// The fixture. The first call sets it up.
    ///
    /// # Panics
    /// When the programs that set it up fail.
    pub fn get() -> &'static Self {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        STAGE.get_or_init(Self::set_up)
    }

    fn set_up() -> Self {
        let stage = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let path = |name: &str| stage.path(name).display().to_string();
        counterfoil(["dataset", "specimen", "--out", &path("notes"), "--real", "150", "--fakes", "0"]).ok();
        counterfoil(["dataset", "specimen", "--out", &path("test"), "--real", "12", "--fakes", "2", "--seed", "9"])
            .ok();
        counterfoil([
            "train",
            "--data",
            &path("notes"),
            "--out",
            &path("run"),
            "--steps",
            "12",
            "--batch",
            "8",
            "--width",
            "4",
            "--latent",
            "8",
            "--seed",
            "5",
        ])
        .ok();
        counterfoil(["train", "--data", &path("notes"), "--out", &path("run-statistics"), "--net", "statistics"]).ok();
        counterfoil(["export", &path("run"), "--out", &path("gan"), "--alpha", "0.05"]).ok();
        counterfoil(["export", &path("run-statistics"), "--out", &path("statistics"), "--alpha", "0.05"]).ok();
        stage
    }

    /// Path of an item: the data sets `notes` and `test`, the runs `run` and `run-statistics`, or the bundles `gan`
    /// and `statistics`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies a bundle into the folder `to`, so that a test can damage it. Returns the path of the copy.
    ///
    /// # Panics
    /// When the bundle cannot be copied.
    pub fn copy(&self, bundle: &str, to: &Path) -> PathBuf {
        let (from, to) = (self.path(bundle), to.join(bundle));
        for folder in ["", "golden"] {
            fs::create_dir_all(to.join(folder)).expect("a folder for the copy");
            for entry in fs::read_dir(from.join(folder)).expect("a bundle to copy").flatten() {
                if entry.path().is_file() {
                    fs::copy(entry.path(), to.join(folder).join(entry.file_name())).expect("a file to copy");
                }
            }
        }
        to
    }
}

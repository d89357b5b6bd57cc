//! The rig of the end-to-end tests: the programs as built, what they said, and one small trained bundle for all.
//!
//! Tests read as stories: `counterfoil(["train", ...]).ok()`, `edge([...]).says("cut short").code(2)`.

#![expect(
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "assertions are called for what they assert"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The box's program for aarch64, relative to the target folder; `scripts/cross` builds it.
const AARCH64: &str = "aarch64-unknown-linux-gnu/box/counterfoil-edge";
/// Runs it here, on a Raspberry Pi 4's processor. The emulator's own choice has SVE, which no Pi has and which takes ten times as long.
const EMULATOR: [&str; 5] = ["qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu"];

/// The flags of a training that takes a moment.
pub const SMALL: [&str; 8] = ["--batch", "8", "--width", "4", "--latent", "8", "--size", "28"];

/// What a program did.
#[derive(Debug)]
pub struct Ran {
    command: String,
    output: Output,
}

impl Ran {
    /// Asserts an exit code. A panic's would be 101, a signal's none.
    ///
    /// # Panics
    /// When it was another.
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{self}");
        self
    }

    /// Asserts success.
    ///
    /// # Panics
    /// When it was none.
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// Asserts that stderr holds a text.
    ///
    /// # Panics
    /// When it does not.
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr().contains(text), "expected to hear {text:?}\n{self}");
        self
    }

    /// The exit code; none after a signal.
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

    /// Standard output as JSON, an object a line.
    ///
    /// # Panics
    /// When a line is no JSON.
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
        // A program that does not read its input closes the pipe; that is its right.
        let _ = pipe.write_all(stdin.unwrap_or_default());
    }
    let output = child.wait_with_output().expect("a child that was spawned can be waited for");
    Ran { command: shown, output }
}

/// The folder the programs were built into.
fn target() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    test.ancestors().nth(2).expect("tests lie in PROFILE/deps").to_path_buf()
}

/// Runs `counterfoil`.
pub fn counterfoil<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Ran {
    let mut command = Command::new(target().join("counterfoil"));
    command.args(arguments);
    run(command, None)
}

/// Runs `counterfoil` and, once it runs, types something in.
///
/// # Panics
/// When it cannot be started.
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

/// Runs `counterfoil` until `ready` exists, interrupts it as Ctrl-C does, and waits for its end.
///
/// # Panics
/// When it ends before, or cannot be interrupted.
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

/// Runs `counterfoil` and ends it as `kill -9` does: `after` its start and then, with folders to `watch`, as soon as a file is being written
/// in one of them. It may end by itself before; a killed one has no exit code.
///
/// # Panics
/// When it cannot be started or killed.
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
    // Files are written beside their place, under this name.
    let is_writing = || watch.is_empty() || watch.iter().any(|folder| folder.join(".part").exists());
    while (started.elapsed() < after || !is_writing()) && child.try_wait().expect("a child can be asked").is_none() {
        thread::sleep(Duration::from_micros(50));
    }
    child.kill().expect("a child can be killed");
    Ran { command: shown, output: child.wait_with_output().expect("a child that was spawned can be waited for") }
}

/// Runs `counterfoil-edge`.
pub fn edge<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Ran {
    edge_reading(arguments, &[])
}

/// Runs `counterfoil-edge` with something on its stdin.
pub fn edge_reading<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, stdin: &[u8]) -> Ran {
    let mut command = Command::new(target().join("counterfoil-edge"));
    command.args(arguments);
    run(command, Some(stdin))
}

/// `counterfoil-edge` while it runs.
#[derive(Debug)]
pub struct Watching {
    child: Child,
    lines: Mutex<Receiver<Value>>,
    talk: Arc<Mutex<String>>,
    /// Its stdin, until it is closed.
    pub stdin: Option<ChildStdin>,
}

/// A program under test that says nothing for so long is stuck.
const STUCK: Duration = Duration::from_mins(1);

impl Watching {
    /// Starts it, with other programs found in `path` first.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, path: Option<&Path>) -> Self {
        let mut command = Command::new(target().join("counterfoil-edge"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(path) = path {
            let usual = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{usual}", path.display()));
        }
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout.expect("it is piped")).lines().map_while(Result::ok) {
                let parsed = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if send.send(parsed).is_err() {
                    return;
                }
            }
        });
        let talk = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&talk);
        thread::spawn(move || {
            for line in BufReader::new(stderr.expect("it is piped")).lines().map_while(Result::ok) {
                let mut heard = heard.lock().expect("nobody panics with it");
                *heard += &line;
                heard.push('\n');
            }
        });
        Self { child, lines: Mutex::new(lines), talk, stdin }
    }

    /// The next thing it says.
    ///
    /// # Panics
    /// When it says nothing.
    pub fn next(&self) -> Value {
        self.lines
            .lock()
            .expect("nobody panics with it")
            .recv_timeout(STUCK)
            .unwrap_or_else(|_| panic!("it says nothing\n{}", self.talk()))
    }

    /// What it said in the meantime, and does not say any more within a moment.
    pub fn rest(&self, moment: Duration) -> Vec<Value> {
        std::iter::from_fn(|| self.lines.lock().ok()?.recv_timeout(moment).ok()).collect()
    }

    /// Everything it said on stderr so far.
    ///
    /// # Panics
    /// When whoever listens panicked.
    pub fn talk(&self) -> String {
        self.talk.lock().expect("nobody panics with it").clone()
    }

    /// Waits until stderr holds a text.
    ///
    /// # Panics
    /// When it does not say so.
    pub fn hears(&self, text: &str) {
        let begun = Instant::now();
        while !self.talk().contains(text) {
            assert!(begun.elapsed() < STUCK, "expected to hear {text:?}\n{}", self.talk());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends it a signal: TERM, HUP, ...
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("a system with kill").success());
    }

    /// Waits for its end; gives its exit code and what it said on stderr.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                break status;
            }
            assert!(begun.elapsed() < STUCK, "it does not end\n{}", self.talk());
            thread::sleep(Duration::from_millis(10));
        };
        // The listeners may be a line behind.
        thread::sleep(Duration::from_millis(100));
        (status.code(), self.talk())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A box on this machine's own network, and a token that lets in.
#[derive(Debug)]
pub struct Served {
    /// The box.
    pub watching: Watching,
    /// What it is called.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Its certificate's.
    pub fingerprint: String,
    /// Lets in.
    pub token: String,
    /// Its state folder.
    pub state: PathBuf,
    _folder: TempDir,
}

impl Served {
    /// Starts a box by the name, on any port.
    ///
    /// # Panics
    /// When it does not listen.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::prepared(None, name, arguments, |_| {})
    }

    /// The same, with something done to its state folder before.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(name: &str, arguments: &[&str], prepare: impl FnOnce(&str)) -> Self {
        Self::prepared(None, name, arguments, prepare)
    }

    /// The same, with other programs found in `path` first.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_by(path: &Path, name: &str, arguments: &[&str]) -> Self {
        Self::prepared(Some(path), name, arguments, |_| {})
    }

    fn prepared(path: Option<&Path>, name: &str, arguments: &[&str], prepare: impl FnOnce(&str)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("state");
        std::fs::create_dir(&state).expect("a folder of its own");
        let config = folder.path().join("edge.toml");
        // Announcing would tell this machine's whole network of a test.
        let text = format!(
            "state = \"{}\"\nlights = \"none\"\nscreen = -1\n[network]\nname = {name:?}\nannounce = false\n",
            state.display()
        );
        std::fs::write(&config, text).expect("a file of its own");
        let kept = state.display().to_string();
        prepare(&kept);
        let given = edge(["token", "--state", &kept, "new", "referee"]).ok().lines().remove(0);
        let text = |key: &str| given[key].as_str().expect("it is text").to_owned();
        let config = config.display().to_string();
        let all = ["serve", "--config", &config, "--listen", "127.0.0.1:0"];
        let watching = Watching::start(all.iter().chain(arguments), path);
        watching.hears("listening on https://");
        let talk = watching.talk();
        let address = talk.split("https://").nth(1).and_then(|rest| rest.split(';').next()).expect("it says where");
        Self {
            address: address.to_owned(),
            name: name.to_owned(),
            fingerprint: text("fingerprint"),
            token: text("token"),
            watching,
            state,
            _folder: folder,
        }
    }

    /// Its entry in a file of boxes.
    pub fn entry(&self) -> String {
        let Self { name, address, fingerprint, token, .. } = self;
        format!("[[box]]\nname = {name:?}\naddress = {address:?}\nfingerprint = {fingerprint:?}\ntoken = {token:?}\n")
    }

    /// Status and answer of a request with the token; what is sent, in curl's words.
    pub fn asks(&self, path: &str, what: &[&str]) -> (u16, Value) {
        self.asks_as(&self.token, path, what)
    }

    /// The same with another token.
    pub fn asks_as(&self, token: &str, path: &str, what: &[&str]) -> (u16, Value) {
        let authorization = format!("Authorization: Bearer {token}");
        let text = self.curl(path, &[&["--header", &authorization, "--write-out", "\n%{http_code}"], what].concat());
        let text = String::from_utf8_lossy(&text);
        let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), serde_json::from_str(body).unwrap_or(Value::Null))
    }

    /// Status and answer of a request without a token.
    pub fn reads(&self, path: &str) -> (u16, Value) {
        self.asks_as("", path, &[])
    }

    /// What is to be read there by everybody.
    pub fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.bytes(path)).into_owned()
    }

    /// The same, and what comes for so long.
    pub fn text_for(&self, long: Duration, path: &str) -> String {
        let text = self.curl(path, &["--no-buffer", "--max-time", &long.as_secs_f64().to_string()]);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The same, as bytes.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        self.curl(path, &[])
    }

    fn curl(&self, path: &str, what: &[&str]) -> Vec<u8> {
        let url = format!("https://{}{path}", self.address);
        let mut command = Command::new("curl");
        // The certificate is nobody's but the box's own; that it is pinned is tested by the referee.
        command.args(["--silent", "--insecure", "--max-time", "60"]).args(what).arg(url);
        command.output().expect("a system with curl; scripts/setup installs it").stdout
    }
}

/// Starts `counterfoil-edge`, ends it as `kill -9` does after a while, and says whether it had ended by itself.
///
/// # Panics
/// When it cannot be started or killed.
pub fn edge_killed<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, after: Duration) -> bool {
    let mut command = Command::new(target().join("counterfoil-edge"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    thread::sleep(after);
    let ended = child.try_wait().expect("a child can be asked").is_some();
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    ended
}

/// The box's program as built for this machine.
pub fn edge_program() -> PathBuf {
    target().join("counterfoil-edge")
}

/// Runs the box's own program for aarch64 under emulation, or says that it cannot; with CI=true that is a failure.
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

/// Says that a test cannot run here. With CI=true nothing may be skipped.
///
/// # Panics
/// With CI=true.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "with CI=true nothing is skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A picture file as a camera's JPEG.
///
/// # Panics
/// When it is no picture.
pub fn jpeg(picture: &Path) -> Vec<u8> {
    let picture = image::open(picture).expect("a picture of the stage").into_rgb8();
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    picture.write_with_encoder(encoder).expect("memory takes a picture");
    bytes
}

/// What every story starts from: a few specimen notes and bundles trained on them, made once.
#[derive(Debug)]
pub struct Stage {
    folder: TempDir,
}

impl Stage {
    /// The stage, set up by the first who asks.
    ///
    /// # Panics
    /// When the programs cannot set it up.
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

    /// `notes`, `test`, `run`, `run-statistics`, or the bundles `gan` and `statistics`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A copy of a bundle, to damage.
    ///
    /// # Panics
    /// When it cannot be copied.
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

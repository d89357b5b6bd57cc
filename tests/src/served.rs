//! The box's program in the background: alone ([`Watching`]) or with its network service on the loopback address
//! ([`Served`]).

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::{PAUSE, edge, skip, target, until};

/// Environment variables for a program: names and values.
pub type Environment = [(&'static str, String)];

/// A `PATH` variable that has the folder `path` in front.
pub fn found_in(path: &Path) -> (&'static str, String) {
    let usual = std::env::var("PATH").unwrap_or_default();
    ("PATH", format!("{}:{usual}", path.display()))
}

/// Environment in which a program's clock starts at another time, such as `1970-01-02 00:00:00` (libfaketime).
/// Without libfaketime the test is skipped and `None` is returned.
pub fn at_another_time(time: &str) -> Option<[(&'static str, String); 3]> {
    let library = format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH);
    if !Path::new(&library).exists() {
        skip("no libfaketime; scripts/setup installs it");
        return None;
    }
    // The monotonic clock must stay real, because waits with a timeout depend on it.
    Some([("LD_PRELOAD", library), ("FAKETIME", format!("@{time}")), ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into())])
}

/// A running `counterfoil-edge`. It is killed when this value is dropped.
#[derive(Debug)]
pub struct Watching {
    child: Child,
    lines: Mutex<Receiver<Value>>,
    messages: Arc<Mutex<String>>,
    /// The threads that read stdout and stderr; they end with the program.
    readers: Vec<JoinHandle<()>>,
    /// Stdin of the program, until it is closed.
    pub stdin: Option<ChildStdin>,
}

/// A program under test that prints nothing for this time is stuck.
const STUCK: Duration = Duration::from_mins(1);

impl Watching {
    /// Starts `counterfoil-edge` with these arguments and these additional environment variables.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>, environment: &Environment) -> Self {
        let mut command = Command::new(target().join("counterfoil-edge"));
        command.args(arguments).envs(environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (send, lines) = mpsc::channel();
        let reads_stdout = thread::spawn(move || {
            for line in BufReader::new(stdout.expect("it is piped")).lines().map_while(Result::ok) {
                let parsed = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if send.send(parsed).is_err() {
                    return;
                }
            }
        });
        let messages = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&messages);
        let reads_stderr = thread::spawn(move || {
            for line in BufReader::new(stderr.expect("it is piped")).lines().map_while(Result::ok) {
                let mut heard = heard.lock().expect("no thread panics with it");
                *heard += &line;
                heard.push('\n');
            }
        });
        Self { child, lines: Mutex::new(lines), messages, readers: vec![reads_stdout, reads_stderr], stdin }
    }

    /// Writes a picture to the program's `camera` every 300 ms until it prints a line. Returns the line.
    ///
    /// # Panics
    /// When no line comes within one minute, or the program does not read.
    pub fn next_while_filming(&self, camera: &mut ChildStdin, picture: &[u8]) -> Value {
        let mut line = None;
        until(STUCK, "a verdict on what is filmed", || {
            camera.write_all(picture).expect("the program reads its stdin");
            line = self.lines.lock().expect("no thread panics with it").recv_timeout(Duration::from_millis(300)).ok();
            line.is_some()
        });
        line.expect("it was waited for")
    }

    /// The next line of stdout, parsed as JSON; a line that is not JSON becomes a string.
    ///
    /// # Panics
    /// When no line comes within one minute.
    pub fn next(&self) -> Value {
        self.lines
            .lock()
            .expect("no thread panics with it")
            .recv_timeout(STUCK)
            .unwrap_or_else(|_| panic!("it says nothing\n{}", self.messages()))
    }

    /// The remaining lines of stdout, read until none comes for the time `moment`.
    pub fn rest(&self, moment: Duration) -> Vec<Value> {
        std::iter::from_fn(|| self.lines.lock().ok()?.recv_timeout(moment).ok()).collect()
    }

    /// All of stderr so far.
    ///
    /// # Panics
    /// When the thread that reads stderr panicked.
    pub fn messages(&self) -> String {
        self.messages.lock().expect("no thread panics with it").clone()
    }

    /// Waits until stderr contains a text.
    ///
    /// # Panics
    /// When stderr does not contain it within one minute.
    pub fn wait_for_message(&self, text: &str) {
        let begun = Instant::now();
        while !self.messages().contains(text) {
            assert!(begun.elapsed() < STUCK, "expected {text:?} on stderr\n{}", self.messages());
            thread::sleep(PAUSE);
        }
    }

    /// Sends a signal to the program: `TERM`, `HUP`, ...
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("a system with kill").success());
    }

    /// Closes stdin and waits for the program's end. Returns its exit code and all of stderr.
    ///
    /// # Panics
    /// When the program does not end within one minute.
    pub fn end(mut self) -> (Option<i32>, String) {
        drop(self.stdin.take());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                break status;
            }
            assert!(begun.elapsed() < STUCK, "it does not end\n{}", self.messages());
            thread::sleep(PAUSE);
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("a reader does not panic");
        }
        (status.code(), self.messages())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// HTTP status and JSON answer from the output of curl with `--write-out "\n%{http_code}"`.
pub fn status_and_answer(printed: &[u8]) -> (u16, Value) {
    let text = String::from_utf8_lossy(printed);
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    (status.parse().unwrap_or(0), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// A running box that listens on the loopback address, with a token for access to it.
#[derive(Debug)]
pub struct Served {
    /// The program of the box.
    pub watching: Watching,
    /// Name of the box.
    pub name: String,
    /// Address and port of its TLS listener.
    pub address: String,
    /// Fingerprint of its certificate.
    pub fingerprint: String,
    /// Token for requests to the box.
    pub token: String,
    /// State folder of the box.
    pub state: PathBuf,
    _folder: TempDir,
}

impl Served {
    /// Starts a box with this name on any free port.
    ///
    /// # Panics
    /// When the box does not listen within one minute.
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        Self::prepared(&[], name, arguments, |_| {})
    }

    /// Starts a box as [`start`](Self::start) does, after `prepare` was called with the path of its state folder.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(name: &str, arguments: &[&str], prepare: impl FnOnce(&str)) -> Self {
        Self::prepared(&[], name, arguments, prepare)
    }

    /// Starts a box as [`start`](Self::start) does, with additional environment variables.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_in(environment: &Environment, name: &str, arguments: &[&str]) -> Self {
        Self::prepared(environment, name, arguments, |_| {})
    }

    fn prepared(environment: &Environment, name: &str, arguments: &[&str], prepare: impl FnOnce(&str)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let state = folder.path().join("state");
        std::fs::create_dir(&state).expect("a folder of its own");
        let config = folder.path().join("edge.toml");
        // No announcement: mDNS would announce the test to the whole local network.
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
        let watching = Watching::start(all.iter().chain(arguments), environment);
        watching.wait_for_message("listening on https://");
        let messages = watching.messages();
        let address = messages.split("https://").nth(1).and_then(|rest| rest.split(';').next()).expect("it says where");
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

    /// The entry for this box in the file of known boxes (TOML).
    pub fn entry(&self) -> String {
        let Self { name, address, fingerprint, token, .. } = self;
        format!("[[box]]\nname = {name:?}\naddress = {address:?}\nfingerprint = {fingerprint:?}\ntoken = {token:?}\n")
    }

    /// Sends a request with the token. `what` are arguments of curl. Returns the HTTP status and the JSON answer.
    pub fn asks(&self, path: &str, what: &[&str]) -> (u16, Value) {
        self.asks_as(&self.token, path, what)
    }

    /// Sends a request as [`asks`](Self::asks) does, with another token.
    pub fn asks_as(&self, token: &str, path: &str, what: &[&str]) -> (u16, Value) {
        let authorization = format!("Authorization: Bearer {token}");
        let text = self.curl(path, &[&["--header", &authorization, "--write-out", "\n%{http_code}"], what].concat());
        status_and_answer(&text)
    }

    /// Sends a request without a token. Returns the HTTP status and the JSON answer.
    pub fn reads(&self, path: &str) -> (u16, Value) {
        self.asks_as("", path, &[])
    }

    /// The body of a public resource as text.
    pub fn text(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.bytes(path)).into_owned()
    }

    /// The body of a public resource as text, read for the time `long`; for streams that do not end.
    pub fn text_for(&self, long: Duration, path: &str) -> String {
        let text = self.curl(path, &["--no-buffer", "--max-time", &long.as_secs_f64().to_string()]);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The body of a public resource as bytes.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        self.curl(path, &[])
    }

    fn curl(&self, path: &str, what: &[&str]) -> Vec<u8> {
        let url = format!("https://{}{path}", self.address);
        let mut command = Command::new("curl");
        // The certificate is self-signed. The face-off tests check that the referee pins it.
        command.args(["--silent", "--insecure", "--max-time", "60"]).args(what).arg(url);
        command.output().expect("a system with curl; scripts/setup installs it").stdout
    }
}

//! A model that ends the process while it is opened: the box goes back to the one before.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use counterfoil_tests::numbered;
use serde_json::Value;

use super::cli::{edge, lines, stderr};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

/// A state folder in which number 2 was selected after number 1.
fn two(dir: &Path) -> PathBuf {
    let state = dir.join("state");
    for counter in [1, 2] {
        let install =
            ["model".as_ref(), "install".as_ref(), "--select".as_ref(), "--state".as_ref(), state.as_os_str()];
        let output = edge().args(install).arg(numbered("specimen-note", dir, counter)).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    state
}

fn current(state: &Path) -> u64 {
    let output = edge().args(["model", "list", "--json", "--state"]).arg(state).output().unwrap();
    let slot = lines(&output).into_iter().find(|slot| slot["current"] == true).unwrap();
    slot["counter"].as_u64().unwrap()
}

/// Watches an empty stdin: the model is opened, and gives no verdict.
fn watch(state: &Path, limit: &str) -> Output {
    let command = format!(
        "{limit} exec \"{}\" watch --source stdin --lights none --state \"$0\"",
        env!("CARGO_BIN_EXE_counterfoil-edge")
    );
    Command::new("sh").args(["-c", &command]).arg(state).stdin(Stdio::null()).output().unwrap()
}

fn starts(state: &Path) -> u64 {
    let text = fs::read(state.join("models/unproven")).unwrap_or_default();
    serde_json::from_slice::<Value>(&text).ok().and_then(|unproven| unproven["starts"].as_u64()).unwrap_or_default()
}

#[test]
fn a_model_that_aborts_while_it_is_opened_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = two(dir.path());
    for start in 1..=3 {
        let output = watch(&state, "ulimit -d 12000;");
        assert_eq!(output.status.signal(), Some(SIGABRT), "{}", stderr(&output));
        assert_eq!((starts(&state), current(&state)), (start, 2));
    }
    let output = watch(&state, "");
    assert!(stderr(&output).contains("was rolled back: it gave no verdict in 3 starts"), "{}", stderr(&output));
    assert_eq!(current(&state), 1);
}

#[test]
fn a_model_that_is_killed_while_it_is_opened_is_rolled_back() {
    let dir = tempfile::tempdir().unwrap();
    let state = two(dir.path());
    for start in 1..=3 {
        let mut child = edge()
            .args(["watch", "--source", "stdin", "--lights", "none", "--state"])
            .arg(&state)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The start is written down before the model is opened, which takes a tenth of a second.
        while starts(&state) < start {
            assert!(child.try_wait().unwrap().is_none(), "it ended before");
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL));
        assert_eq!(current(&state), 2);
    }
    assert!(stderr(&watch(&state, "")).contains("was rolled back"));
    assert_eq!(current(&state), 1);
}

#[test]
fn what_a_killed_box_left_is_swept_when_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let state = two(dir.path());
    fs::create_dir_all(state.join(".incoming-a1B2c3/golden")).unwrap();
    fs::write(state.join("models/.tmpAbCdEf"), "x").unwrap();
    watch(&state, "");
    assert!(!state.join(".incoming-a1B2c3").exists() && !state.join("models/.tmpAbCdEf").exists());
    assert_eq!(current(&state), 2);
}

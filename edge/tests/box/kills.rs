//! The program is killed before each call that changes a file, one run a call: its state folder holds what was there
//! before, or what was to be there, and the same command succeeds afterwards.
//!
//! strace does the killing. It counts the calls of each thread by itself, so the thread that comes to a number first
//! is the one that is killed there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Bundle, Calibration, Overlay};

use super::bundle::{Fixture, png};
use super::calibrate::Site;
use super::cli::{edge, lines, stderr};

/// The calls that change a file or a folder; `?` precedes those that some processors do not have.
const CHANGES: &str = "write,pwrite64,writev,?rename,?renameat,renameat2,?link,linkat,?symlink,symlinkat,?unlink,unlinkat,\
                       ?mkdir,mkdirat,?rmdir,fsync,fdatasync,ftruncate,?chmod,fchmod,fchmodat";
/// More calls than any of the commands makes in one thread.
const MOST: usize = 400;

/// The command, killed before the `number`th change that a thread makes; its process id is written to `pid`.
fn killed(command: &Command, number: usize, folder: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(folder.join("strace"));
    strace.args(["-e", &format!("trace={CHANGES}"), "-e", &format!("inject={CHANGES}:signal=KILL:when={number}")]);
    strace.args(["sh", "-c", "echo $$ > \"$0\"; exec \"$@\""]).arg(folder.join("pid"));
    strace.arg(command.get_program()).args(command.get_args());
    command.get_current_dir().map(|folder| strace.current_dir(folder));
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    strace
}

/// Runs a command until it was killed before each of its changes, from a fresh folder each time, and looks at what it
/// left. `meanwhile` is done while it runs. Returns the number of kills.
fn at_each_change(
    arrange: impl Fn() -> Fixture,
    command: impl Fn(&Fixture) -> Command,
    meanwhile: impl Fn(&Fixture, &mut dyn FnMut() -> bool),
    check: impl Fn(&Fixture),
) -> usize {
    for number in 1..MOST {
        let fixture = arrange();
        let traced = tempfile::tempdir().unwrap();
        let mut child = match killed(&command(&fixture), number, traced.path()).spawn() {
            Ok(child) => child,
            Err(error) => panic!("strace: {error}; scripts/setup installs it"),
        };
        meanwhile(&fixture, &mut || child.try_wait().unwrap().is_none());
        let pid = fs::read_to_string(traced.path().join("pid")).unwrap_or_default();
        if child.try_wait().unwrap().is_none() && !pid.is_empty() {
            Command::new("kill").args(["-TERM", pid.trim()]).stderr(Stdio::null()).status().unwrap();
        }
        let status = child.wait().unwrap();
        check(&fixture);
        if !fs::read_to_string(traced.path().join("strace")).unwrap().contains("killed by SIGKILL") {
            assert!(status.success(), "{status}");
            return number - 1;
        }
    }
    panic!("still killed at change {MOST}");
}

/// For a command that ends by itself.
fn nothing(_: &Fixture, is_running: &mut dyn FnMut() -> bool) {
    while is_running() {
        thread::sleep(Duration::from_millis(5));
    }
}

fn state(fixture: &Fixture) -> PathBuf {
    fixture.path("state")
}

/// A command with `--state`.
fn with_state(fixture: &Fixture, arguments: &[&str]) -> Command {
    let mut command = edge();
    command.args(arguments).arg("--state").arg(state(fixture)).current_dir(fixture.path(""));
    command
}

/// Runs a command with `--state` that must succeed.
fn done(fixture: &Fixture, arguments: &[&str]) -> std::process::Output {
    let output = with_state(fixture, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    output
}

/// The names of unfinished bundles in a folder.
fn unfinished(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".bundle")).collect()
}

/// A box with the model `bundle`, and the bundle `two` that is not installed.
fn with_model() -> Fixture {
    let fixture = Fixture::new();
    fixture.write_bundle("two", "Identity", |manifest| (manifest.name, manifest.counter) = ("bundle".into(), 2));
    done(&fixture, &["model", "install", "--select", "bundle"]);
    fixture
}

/// The id of the one model that is selected, which passes its self test.
fn selected(fixture: &Fixture) -> String {
    let slots = lines(&done(fixture, &["model", "list", "--json"]));
    let current: Vec<_> = slots.iter().filter(|slot| slot["current"] == true).collect();
    assert_eq!(current.len(), 1, "{slots:?}");
    let id = current[0]["id"].as_str().unwrap().to_owned();
    let slot = state(fixture).join("models").join(&id);
    assert!(edge().arg("selftest").arg("--bundle").arg(slot).output().unwrap().status.success());
    id
}

#[test]
fn an_install_leaves_the_old_model_or_the_new_one() {
    let kills = at_each_change(
        with_model,
        |fixture| with_state(fixture, &["model", "install", "--select", "two"]),
        nothing,
        |fixture| {
            selected(fixture);
            done(fixture, &["model", "install", "--select", "two"]);
            assert_eq!(unfinished(&state(fixture).join("models")), [""; 0]);
        },
    );
    assert!(kills > 10, "{kills}");
}

#[test]
fn a_selection_and_a_rollback_leave_the_old_model_or_the_new_one() {
    let arrange = || {
        let fixture = with_model();
        done(&fixture, &["model", "install", "--select", "two"]);
        fixture
    };
    let two = selected(&arrange());
    let other = {
        let fixture = arrange();
        done(&fixture, &["model", "rollback"]);
        selected(&fixture)
    };
    for change in [&["model", "rollback"][..], &["model", "select", &other]] {
        let kills = at_each_change(
            arrange,
            |fixture| with_state(fixture, change),
            nothing,
            |fixture| {
                let found = selected(fixture);
                assert!([&two, &other].contains(&&found), "{found}");
                done(fixture, &["model", "select", &other]);
                assert_eq!(selected(fixture), other);
            },
        );
        assert!(kills > 1, "{change:?}: {kills}");
    }
}

#[test]
fn a_key_is_installed_or_not() {
    let kills = at_each_change(
        || {
            let fixture = Fixture::new();
            let key =
                "untrusted comment: minisign public key 0\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n";
            fs::write(fixture.path("ours.pub"), key).unwrap();
            fixture
        },
        |fixture| with_state(fixture, &["key", "install", "ours.pub"]),
        nothing,
        |fixture| {
            let listed = done(fixture, &["key", "list"]).stdout;
            let install = with_state(fixture, &["model", "install", "bundle"]).output().unwrap();
            let is_known = String::from_utf8_lossy(&listed).contains(".pub");
            assert_eq!(install.status.success(), !is_known, "{}", stderr(&install));
            done(fixture, &["key", "install", "ours.pub"]);
            assert!(!with_state(fixture, &["model", "install", "bundle"]).output().unwrap().status.success());
        },
    );
    assert!(kills > 3, "{kills}");
}

/// Number of scores in the calibration of the site.
fn scores(fixture: &Fixture) -> Option<usize> {
    let overlay = Overlay::of(&state(fixture), &Bundle::open(&fixture.bundle()).unwrap());
    overlay.calibration().unwrap().map(|calibration| calibration.scores().len())
}

#[test]
fn a_calibration_is_the_one_before_or_the_new_one() {
    let calibrate = ["calibrate", "--bundle", "bundle", "here"];
    let kills = at_each_change(
        || {
            let site = Site::new();
            site.darker("here", 12);
            site.overlay().calibrate(&Calibration::new(0.1, vec![0.5; 9]).unwrap()).unwrap();
            site.0
        },
        |fixture| with_state(fixture, &calibrate),
        nothing,
        |fixture| {
            let found = scores(fixture).unwrap();
            assert!([9, 12].contains(&found), "{found}");
            done(fixture, &calibrate);
            assert_eq!(scores(fixture), Some(12));
            done(fixture, &["calibrate", "--bundle", "bundle", "--undo"]);
            assert!(scores(fixture).is_some());
        },
    );
    assert!(kills > 5, "{kills}");
}

#[test]
fn an_undone_calibration_is_the_one_before_or_the_last_one() {
    let undo = ["calibrate", "--bundle", "bundle", "--undo"];
    let kills = at_each_change(
        || {
            let site = Site::new();
            for pieces in [9, 12] {
                site.overlay().calibrate(&Calibration::new(0.1, vec![0.5; pieces]).unwrap()).unwrap();
            }
            site.0
        },
        |fixture| with_state(fixture, &undo),
        nothing,
        |fixture| {
            let found = scores(fixture).unwrap();
            assert!([9, 12].contains(&found), "{found}");
            done(fixture, &undo);
            assert!(scores(fixture).is_none_or(|found| found == 9));
        },
    );
    assert!(kills > 3, "{kills}");
}

#[test]
fn a_doubt_is_dismissed_or_not() {
    let dismiss = ["calibrate", "--bundle", "bundle", "--dismiss"];
    let doubted = |fixture: &Fixture| {
        let overlay = Overlay::of(&state(fixture), &Bundle::open(&fixture.bundle()).unwrap());
        overlay.drift(&[1.0]).unwrap().is_some()
    };
    at_each_change(
        || {
            let site = Site::new();
            site.overlay().set_drift(Some(Drift::Changed { since_ms: 1 }), &[1.0]).unwrap();
            site.0
        },
        |fixture| with_state(fixture, &dismiss),
        nothing,
        |fixture| {
            doubted(fixture);
            done(fixture, &dismiss);
            assert!(!doubted(fixture));
        },
    );
}

#[test]
fn enrolled_references_are_there_or_not() {
    let enroll = ["enroll", "--bundle", "items", "--name", "ada", "own.png"];
    let remove = ["enroll", "--bundle", "items", "--name", "ada", "--remove"];
    let arrange = || {
        let fixture = Fixture::new();
        fixture.write_bundle("items", "Identity", super::enrolment::knows_items);
        fixture.picture("own.png", 200);
        fixture
    };
    let list = |fixture: &Fixture| lines(&done(fixture, &["enroll", "--bundle", "items", "--list", "--json"]));
    let enrolled = at_each_change(
        arrange,
        |fixture| with_state(fixture, &enroll),
        nothing,
        |fixture| {
            let listed = list(fixture);
            assert_eq!(with_state(fixture, &enroll).output().unwrap().status.success(), listed.is_empty());
            done(fixture, &["detect", "--bundle", "items", "--as", "ada", "own.png"]);
        },
    );
    let removed = at_each_change(
        || {
            let fixture = arrange();
            done(&fixture, &enroll);
            fixture
        },
        |fixture| with_state(fixture, &remove),
        nothing,
        |fixture| {
            let is_listed = !list(fixture).is_empty();
            assert_eq!(with_state(fixture, &remove).output().unwrap().status.success(), is_listed);
            done(fixture, &enroll);
        },
    );
    assert!(enrolled > 3 && removed > 0, "{enrolled} {removed}");
}

#[test]
fn a_token_is_issued_or_not_and_a_revoked_one_does_not_come_back() {
    let names = |fixture: &Fixture| String::from_utf8(done(fixture, &["token", "list"]).stdout).unwrap();
    let arrange = || {
        let fixture = Fixture::new();
        done(&fixture, &["token", "new", "first"]);
        fixture
    };
    let issued = at_each_change(
        || {
            let fixture = Fixture::new();
            fs::create_dir(state(&fixture)).unwrap();
            fixture
        },
        |fixture| with_state(fixture, &["token", "new", "first"]),
        nothing,
        |fixture| {
            names(fixture);
            done(fixture, &["token", "new", "second"]);
            assert!(names(fixture).contains("second"));
        },
    );
    let revoked = at_each_change(
        arrange,
        |fixture| with_state(fixture, &["token", "revoke", "first"]),
        nothing,
        |fixture| {
            let is_revoked = !names(fixture).contains("first");
            done(fixture, &["token", "new", "second"]);
            assert_eq!(!names(fixture).contains("first"), is_revoked);
        },
    );
    assert!(issued > 5 && revoked > 2, "{issued} {revoked}");
}

/// Number of verdicts that are waited for.
const VERDICTS: usize = 3;

/// Number of verdicts in the journal, of which no line is damaged.
fn journal(fixture: &Fixture) -> usize {
    let output = done(fixture, &["journal"]);
    assert_eq!(stderr(&output), "");
    String::from_utf8(output.stdout).unwrap().lines().skip(1).count()
}

/// Lays one picture after another into the folder until enough are judged or the program has ended.
fn lay(fixture: &Fixture, is_running: &mut dyn FnMut() -> bool) {
    let judged =
        || fs::read_to_string(state(fixture).join("journal/journal.jsonl")).unwrap_or_default().lines().count();
    for laid in 0u8..100 {
        fs::write(fixture.path("in/.part"), png(150 + laid)).unwrap();
        fs::rename(fixture.path("in/.part"), fixture.path(&format!("in/{laid:03}.png"))).unwrap();
        let next = Instant::now() + Duration::from_millis(300);
        while Instant::now() < next {
            if !is_running() || judged() >= VERDICTS {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_box_starts_again_and_its_journal_is_whole() {
    let kills = at_each_change(
        || {
            let fixture = Fixture::new();
            fs::create_dir(fixture.path("in")).unwrap();
            let config = "state = \"state\"\nsource = \"dir:in\"\nbundle = \"bundle\"\nlights = \"none\"\nscreen = -1\n\
                          [network]\nname = \"till\"\nlisten = \"127.0.0.1:0\"\nannounce = false\n";
            fs::write(fixture.path("edge.toml"), config).unwrap();
            fixture
        },
        |fixture| {
            let mut watch = edge();
            watch.args(["watch", "--config", "edge.toml"]).current_dir(fixture.path(""));
            watch
        },
        lay,
        |fixture| {
            if state(fixture).join("journal").exists() {
                journal(fixture);
            }
            done(fixture, &["token", "new", "referee"]);
        },
    );
    assert!(kills > 15, "{kills}");
}

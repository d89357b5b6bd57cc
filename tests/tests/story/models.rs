//! Model slots: install, select, roll back, sign; and the state after an install is killed at a random moment.

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil_tests::{Ran, Watching, counterfoil, edge, edge_killed, root};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// A copy of a pretrained bundle with this counter: the same network with another fingerprint.
fn numbered(dir: &Path, counter: u64) -> PathBuf {
    let (from, to) = (root().join("models/pretrained/specimen-note-statistics"), dir.join(format!("bundle-{counter}")));
    for folder in ["", "golden"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
        }
    }
    let mut manifest: Value = serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap();
    manifest["counter"] = counter.into();
    fs::write(to.join("manifest.json"), manifest.to_string()).unwrap();
    to
}

fn model(state: &Path, arguments: &[&str]) -> Ran {
    edge([&["model", "--json", "--state", &state.display().to_string()], arguments].concat())
}

#[test]
fn a_running_box_takes_another_model_without_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let [one, two] = [1, 2].map(|counter| numbered(dir.path(), counter).display().to_string());
    model(&state, &["install", &one, "--select"]).ok();
    let kept = state.display().to_string();
    let watching = Watching::start(["watch", "--source", "stdin", "--state", &kept, "--lights", "none"], &[]);
    watching.wait_for_message("by specimen-note-statistics (number 1)");
    model(&state, &["install", &two, "--select"]).ok();
    watching.wait_for_message("judging by specimen-note-statistics (number 2)");
    model(&state, &["rollback"]).ok();
    watching.signal("HUP");
    watching.wait_for_message("judging by specimen-note-statistics (number 1)");
    assert_eq!(watching.end().0, Some(2), "stdin ended without a picture");

    // The SD card loses a file: the box starts with the previous model.
    let current = model(&state, &["list"]).ok().lines().into_iter().find(|slot| slot["current"] == true).unwrap();
    fs::remove_file(state.join("models").join(current["id"].as_str().unwrap()).join("discriminator.onnx")).unwrap();
    edge(["watch", "--source", "stdin", "--state", &kept, "--lights", "none"])
        .code(2)
        .says("was rolled back")
        .says("(number 2)");
}

#[test]
fn only_signed_bundles_are_installed_once_a_key_is() {
    let dir = tempfile::tempdir().unwrap();
    let (state, bundle) = (dir.path().join("state"), numbered(dir.path(), 1).display().to_string());
    let name = |name: &str| dir.path().join(name).display().to_string();
    let [ours, public, secret] = ["ours", "ours.pub", "ours.key"].map(name);
    counterfoil(["key", "new", "--out", &ours]).ok();
    counterfoil(["key", "new", "--out", &ours]).code(2).says("move the key");
    edge(["key", "install", "--state", &state.display().to_string(), &public]).ok();
    model(&state, &["install", &bundle]).code(2).says("not signed");
    counterfoil(["key", "sign", "--key", &secret, &bundle]).ok();
    assert!(counterfoil(["key", "show", "--key", &public, &bundle]).ok().stdout().contains("is signed"));
    model(&state, &["install", &bundle, "--select"]).ok();
    // A bundle that is signed with another key, which has a password.
    let [theirs, their_secret, password] = ["theirs", "theirs.key", "password"].map(name);
    fs::write(&password, "correct horse\n").unwrap();
    counterfoil(["key", "new", "--out", &theirs, "--password-file", &password]).ok();
    let other = numbered(dir.path(), 2).display().to_string();
    counterfoil(["key", "sign", "--key", &their_secret, &other]).code(2).says("--password-file");
    counterfoil(["key", "sign", "--key", &their_secret, "--password-file", &password, &other]).ok();
    model(&state, &["install", &other]).code(2).says("none of the installed keys");
    assert_eq!(model(&state, &["list"]).ok().lines().len(), 1);
}

#[test]
fn an_install_that_is_killed_at_any_moment_leaves_the_old_model_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let bundles: Vec<String> = (1..=100).map(|counter| numbered(dir.path(), counter).display().to_string()).collect();
    model(&state, &["install", &bundles[0], "--select"]).ok();
    let whole = std::time::Instant::now();
    model(&state, &["install", &bundles[1], "--select"]).ok();
    // The time of an install changes with the load of the machine, so the range of kill times is adapted to it.
    let mut takes = whole.elapsed();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut ended = 0;
    for bundle in &bundles[2..] {
        let kept = state.display().to_string();
        let install = ["model", "--state", &kept, "install", bundle, "--select"];
        let by_itself = edge_killed(install, takes.mul_f64(rng.random_range(0.0..1.2)));
        takes = takes.mul_f64(if by_itself { 0.97 } else { 1.03 });
        ended += usize::from(by_itself);
        let slots = model(&state, &["list"]).ok().lines();
        let current: Vec<_> = slots.iter().filter(|slot| slot["current"] == true).collect();
        assert_eq!(current.len(), 1, "{slots:?}");
        // The current model is complete and passes the self test.
        let id = current[0]["id"].as_str().unwrap();
        edge(["selftest", "--bundle", &state.join("models").join(id).display().to_string()]).ok();
    }
    assert!((5..95).contains(&ended), "{ended} of 98 installs were not killed: the moments are not spread");
    let last = numbered(dir.path(), 101).display().to_string();
    model(&state, &["install", &last, "--select"]).ok();
    let left: Vec<_> = fs::read_dir(state.join("models"))
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(".bundle"))
        .collect();
    assert!(left.is_empty(), "what was left by the killed is swept");
}

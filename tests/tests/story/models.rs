//! Model slots: install, select, roll back, sign.

use std::fs;
use std::path::Path;

use counterfoil_tests::{Ran, Watching, counterfoil, edge, numbered};

/// The pretrained bundle of which copies are installed.
const BUNDLE: &str = "specimen-note-statistics";

fn model(state: &Path, arguments: &[&str]) -> Ran {
    edge([&["model", "--json", "--state", &state.display().to_string()], arguments].concat())
}

#[test]
fn a_running_box_takes_another_model_without_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let [one, two] = [1, 2].map(|counter| numbered(BUNDLE, dir.path(), counter).display().to_string());
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
    let (state, bundle) = (dir.path().join("state"), numbered(BUNDLE, dir.path(), 1).display().to_string());
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
    let other = numbered(BUNDLE, dir.path(), 2).display().to_string();
    counterfoil(["key", "sign", "--key", &their_secret, &other]).code(2).says("--password-file");
    counterfoil(["key", "sign", "--key", &their_secret, "--password-file", &password, &other]).ok();
    model(&state, &["install", &other]).code(2).says("none of the installed keys");
    assert_eq!(model(&state, &["list"]).ok().lines().len(), 1);
}

//! Training as a user does it: resumed, misconfigured, on the wrong folder, on a full disk.

use std::fs;
use std::process::Command;

use counterfoil_tests::{Stage, counterfoil, counterfoil_interrupted, skip};

const SMALL: [&str; 8] = ["--batch", "8", "--width", "4", "--latent", "8", "--size", "28"];

#[test]
fn a_run_goes_on_where_it_stopped_and_gives_the_same_bytes() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let train =
        |out: &str, more: &[&str]| counterfoil([&["train", "--data", &notes, "--out", out], more, &SMALL[..]].concat());
    train(&path("whole"), &["--steps", "6"]).ok();
    train(&path("parts"), &["--steps", "3"]).ok().says("counterfoil export");
    train(&path("parts"), &["--steps", "6"]).code(2).says("--resume");
    counterfoil(["train", "--out", &path("parts"), "--resume", "--steps", "6"]).ok();
    for file in ["checkpoints/step-00000006.safetensors", "metrics.jsonl", "run.json"] {
        let read = |run: &str| fs::read(dir.path().join(run).join(file)).unwrap();
        assert!(read("whole") == read("parts"), "{file} differs");
    }
}

#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run").display().to_string();
    let endless = [&["train", "--data", &notes, "--out", &out, "--steps", "1000000"], &SMALL[..]].concat();
    counterfoil_interrupted(endless, &dir.path().join("run/samples/step-00000000.png")).ok().says("--resume");
    let checkpoints = fs::read_dir(dir.path().join("run/checkpoints")).unwrap().count();
    assert_eq!(checkpoints, 1, "the step it stopped at is saved");
    counterfoil(["export", &out, "--out", &dir.path().join("bundle").display().to_string(), "--alpha", "0.05"]).ok();
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (empty, out) = (dir.path().join("empty").display().to_string(), dir.path().join("run").display().to_string());
    fs::create_dir(&empty).unwrap();
    let train = |more: &[&str]| counterfoil([&["train", "--out", &out], more].concat());
    train(&["--data", &empty]).code(2).says("holds no picture");
    let missing = train(&["--data", "no/such/folder"]).code(2).says("no/such/folder").stderr();
    assert_eq!(missing.matches("No such file").count(), 1, "a cause is said once: {missing}");
    train(&["--data", &notes, "--batch", "1"]).code(2).says("batch");
    train(&["--data", &notes, "--size", "33"]).code(2).says("33");
    train(&["--data", &notes, "--region", "0,0,2,1"]).code(2).says("regions");
    train(&["--data", &notes, "--group", "["]).code(2).says("--group");
    train(&[]).code(2).says("--data");
    let config = dir.path().join("train.toml");
    fs::write(&config, "learning_rate = 3").unwrap();
    train(&["--data", &notes, "--config", &config.display().to_string()]).code(2).says("learning_rate");
}

/// A folder on a disk of its own, which can be filled.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_ends_a_run_with_a_message_and_keeps_the_last_checkpoint() {
    let Some(disk) = SmallDisk::mount("5m") else {
        skip("mounting a small disk needs root");
        return;
    };
    let notes = Stage::get().path("notes").display().to_string();
    let out = disk.0.path().join("run").display().to_string();
    let train = |more: &[&str]| counterfoil([&["train", "--out", &out], more].concat());
    train(&[&["--data", &notes, "--steps", "2"], &SMALL[..]].concat()).ok();
    let last = disk.0.path().join("run/checkpoints/step-00000002.safetensors");
    let before = fs::read(&last).unwrap();
    // Fill what is left but for a few kilobytes.
    let mut filler = vec![0u8; 8 << 20];
    while fs::write(disk.0.path().join("filler"), &filler).is_err() {
        filler.truncate(filler.len() - (16 << 10));
    }
    train(&["--resume", "--steps", "4"]).code(2).says("step-00000002");
    assert!(fs::read(&last).unwrap() == before);
    fs::remove_file(disk.0.path().join("filler")).unwrap();
    train(&["--resume", "--steps", "4"]).ok();
}

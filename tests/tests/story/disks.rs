//! Disks that are full, read-only or missing, and the backup of a run on a second disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use counterfoil_tests::{SMALL, Stage, Watching, counterfoil, edge, root, skip};

/// A folder on its own small file system, which a test can fill.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts a tmpfs of this size. Without root the test is skipped and `None` is returned.
    fn mount(size: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], disk.0.path());
        if !mounted {
            skip("mounting a small disk needs root");
        }
        mounted.then_some(disk)
    }

    /// Mounts the file system again with another option: `ro`, `rw` or `size=50m`.
    fn remount(&self, option: &str) {
        assert!(mount(&["-o", &format!("remount,{option}")], self.0.path()));
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

fn mount(arguments: &[&str], place: &Path) -> bool {
    Command::new("mount").args(arguments).arg(place).status().is_ok_and(|status| status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_ends_a_run_with_a_message_and_keeps_the_last_checkpoint() {
    let Some(disk) = SmallDisk::mount("5m") else { return };
    let notes = Stage::get().path("notes").display().to_string();
    let out = disk.path("run");
    let train = |more: &[&str]| counterfoil([&["train", "--out", &out], more].concat());
    train(&[&["--data", &notes, "--steps", "2"], &SMALL[..]].concat()).ok();
    let last = disk.0.path().join("run/checkpoints/step-00000002.safetensors");
    let before = fs::read(&last).unwrap();
    // Fill the disk except for a few kilobytes.
    let mut filler = vec![0u8; 8 << 20];
    while fs::write(disk.0.path().join("filler"), &filler).is_err() {
        filler.truncate(filler.len() - (16 << 10));
    }
    train(&["--resume", "--steps", "4"]).code(2).says("step-00000002");
    assert!(fs::read(&last).unwrap() == before);
    fs::remove_file(disk.0.path().join("filler")).unwrap();
    train(&["--resume", "--steps", "4"]).ok();
}

#[test]
fn a_disk_that_became_read_only_ends_a_run_with_a_message_and_keeps_the_last_checkpoint() {
    let Some(disk) = SmallDisk::mount("5m") else { return };
    let notes = Stage::get().path("notes").display().to_string();
    let out = disk.path("run");
    let train = |more: &[&str]| counterfoil([&["train", "--out", &out], more].concat());
    train(&[&["--data", &notes, "--steps", "2"], &SMALL[..]].concat()).ok();
    let last = disk.path("run/checkpoints/step-00000002.safetensors");
    let before = fs::read(&last).unwrap();
    disk.remount("ro");
    train(&["--resume", "--steps", "4"]).code(2).says("Read-only").says("make it writable").says("step-00000002");
    let other = disk.path("other");
    counterfoil([&["train", "--data", &notes, "--out", &other], &SMALL[..]].concat())
        .code(2)
        .says(&other)
        .says("Read-only");
    assert!(fs::read(&last).unwrap() == before);
    disk.remount("rw");
    train(&["--resume", "--steps", "4"]).ok().says("going on from step 2");
}

#[test]
fn a_backup_stands_in_for_a_run_that_is_lost() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("train.toml"), "checkpoint_every = 2\nkeep = 1").unwrap();
    let start = |out: &str, steps: &str| {
        let (out, config) = (path(out), path("train.toml"));
        let what = ["train", "--data", &notes, "--out", &out, "--config", &config, "--steps", steps];
        [&what, &SMALL[..]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let backed = |out: &str| [start(out, "4"), vec!["--backup".to_owned(), path("copy")]].concat();
    counterfoil(start("whole", "8")).ok();
    counterfoil(backed("run")).ok();
    fs::remove_dir_all(path("run")).unwrap();
    // A new run must not overwrite the backup that is left.
    counterfoil(backed("run")).code(2).says("--resume");
    counterfoil(["train", "--out", &path("copy"), "--resume", "--steps", "8"]).ok().says("going on from step 4");
    for file in ["checkpoints/step-00000008.safetensors", "metrics.jsonl", "held-out.safetensors", "run.json"] {
        let read = |run: &str| fs::read(dir.path().join(run).join(file)).unwrap();
        assert!(read("whole") == read("copy"), "{file} differs");
    }
    counterfoil(["export", &path("copy"), "--out", &path("bundle"), "--alpha", "0.05"]).ok();
}

#[test]
fn a_backup_that_fails_stops_nothing_and_catches_up() {
    let Some(disk) = SmallDisk::mount("100k") else { return };
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (out, config, copy) = (dir.path().join("run"), dir.path().join("train.toml"), disk.path("copy"));
    let [out_name, config] = [&out, &config].map(|path| path.display().to_string());
    fs::write(&config, "checkpoint_every = 2").unwrap();
    let start = ["train", "--data", &notes, "--out", &out_name, "--config", &config, "--steps", "6", "--backup", &copy];
    let said = counterfoil([&start, &SMALL[..]].concat()).ok().says("No space left").says("is behind").stderr();
    assert_eq!(said.matches("training goes on").count(), 1, "one warning, not one a checkpoint: {said}");
    disk.remount("size=50m");
    let resumed = ["train", "--out", &out_name, "--resume", "--steps", "8", "--backup", &copy];
    assert!(!counterfoil(resumed).ok().stderr().contains("behind"));
    let last = "checkpoints/step-00000008.safetensors";
    assert!(fs::read(out.join(last)).unwrap() == fs::read(Path::new(&copy).join(last)).unwrap());
}

/// A disk that is read-only when the box starts, without and with a network. The emulated Raspberry Pi has a full one.
#[test]
fn a_box_goes_on_judging_while_its_state_folder_cannot_be_written_and_writes_again_afterwards() {
    let Some(disk) = SmallDisk::mount("8m") else { return };
    let dir = tempfile::tempdir().unwrap();
    let [inbox, config] = ["inbox", "edge.toml"].map(|name| dir.path().join(name).display().to_string());
    fs::create_dir(&inbox).unwrap();
    let pretrained = root().join("models/pretrained");
    let picture = fs::read(pretrained.join("specimen-note/golden/weave.png")).unwrap();
    let state = disk.path("state");
    let bundle = pretrained.join("specimen-note-statistics").display().to_string();
    edge(["model", "install", &bundle, "--select", "--state", &state]).ok();
    for (recorded, network) in ["", "[network]\nlisten = \"127.0.0.1:0\"\n"].into_iter().enumerate() {
        fs::write(&config, format!("source = \"dir:{inbox}\"\nstate = {state:?}\nlights = \"none\"\n{network}"))
            .unwrap();
        disk.remount("ro");
        let watching = Watching::start(["watch", "--json", "--config", &config], &[]);
        watching.wait_for_message("files were in");
        let show = |name: &str| {
            fs::write(Path::new(&inbox).join(format!("{recorded}-{name}.png")), &picture).unwrap();
            assert_ne!(watching.next()["said"], "unjudged");
        };
        show("unrecorded");
        watching.wait_for_message("so verdicts are not recorded");
        assert_eq!(
            watching.messages().contains("no client can connect"),
            !network.is_empty(),
            "{}",
            watching.messages()
        );
        disk.remount("rw");
        show("recorded");
        watching.signal("TERM");
        assert_eq!(watching.end().0, Some(0));
        let journal = edge(["journal", "--state", &state]).ok().stdout();
        assert_eq!(journal.matches("-recorded.png").count(), recorded + 1, "{journal}");
        assert_eq!(journal.lines().count(), recorded + 2, "{journal}");
    }
}

//! Training as a user does it: with resume, with wrong settings, with a wrong folder, and export from any checkpoint.

use std::fs;

use counterfoil_tests::{SMALL, Stage, counterfoil, counterfoil_interrupted};

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
    let names = |folder: &str| {
        let files = fs::read_dir(dir.path().join("run").join(folder)).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().path().file_stem().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("checkpoints").len(), 1, "the step it stopped at is saved");
    assert_eq!(names("samples").last(), names("checkpoints").last(), "and what the forger draws there");
    counterfoil(["export", &out, "--out", &dir.path().join("bundle").display().to_string(), "--alpha", "0.05"]).ok();
}

#[test]
fn any_checkpoint_that_is_kept_can_be_exported() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("train.toml"), "checkpoint_every = 2\nkeep = 1").unwrap();
    let train = ["train", "--data", &notes, "--out", &path("run"), "--config", &path("train.toml"), "--steps", "9"];
    counterfoil([&train, &SMALL[..]].concat()).ok();
    let export = |which: &str| {
        let out = path(which);
        let ran = counterfoil(["export", &path("run"), "--out", &out, "--alpha", "0.05", "--checkpoint", which]);
        let manifest = fs::read(dir.path().join(which).join("manifest.json")).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap_or_default();
        (ran, manifest["training"]["steps"].as_u64())
    };
    // Two checkpoints remain: the newest, step 9, which is not on the schedule, and the best of the scheduled ones.
    let names: Vec<_> =
        fs::read_dir(dir.path().join("run/checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let steps = |which: &str| {
        let (ran, steps) = export(which);
        ran.ok();
        steps.unwrap()
    };
    assert_eq!((steps("newest"), steps("9")), (9, 9));
    let best = steps("best");
    assert!(names.iter().any(|name| *name == *format!("step-{best:08}.safetensors")), "{best} of {names:?}");
    export("7").0.code(2).says("no checkpoint of step 7").says("step-00000009");
    assert_eq!(steps("best:distance"), best);
    export("latest").0.code(2).says("expected newest, best, best:METRIC or a step");
    export("best:beauty").0.code(2).says("`beauty` is no quality metric; expected distance");
}

#[test]
fn two_at_once_are_kept_apart_and_a_resume_keeps_its_recipe() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run").display().to_string();
    let endless = [&["train", "--data", &notes, "--out", &out, "--steps", "1000000"], &SMALL[..]].concat();
    std::thread::scope(|scope| {
        let (first, ready) = (endless.clone(), dir.path().join("now"));
        let run = scope.spawn(move || counterfoil_interrupted(first, &ready));
        while !dir.path().join("run/samples/step-00000000.png").exists() && !run.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        counterfoil(&endless).code(2).says("by another process");
        fs::write(dir.path().join("now"), "").unwrap();
        run.join().unwrap().ok();
    });
    let other = ["train", "--out", &out, "--resume", "--steps", "1000001", "--lr-g", "0.001"];
    counterfoil(other).code(2).says("lr_g = 0.0002, not 0.001");
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (empty, out) = (dir.path().join("empty").display().to_string(), dir.path().join("run").display().to_string());
    fs::create_dir(&empty).unwrap();
    let train = |more: &[&str]| counterfoil([&["train", "--out", &out], more].concat());
    train(&["--resume"]).code(2).says("counterfoil train --data PATH");
    train(&["--data", &empty]).code(2).says("holds no picture");
    let missing = train(&["--data", "no/such/folder"]).code(2).says("no/such/folder").stderr();
    assert_eq!(missing.matches("No such file").count(), 1, "a cause is said once: {missing}");
    train(&["--data", &notes, "--batch", "1"]).code(2).says("batch");
    train(&["--data", &notes, "--size", "33"]).code(2).says("33");
    train(&["--data", &notes, "--region", "0,0,2,1"]).code(2).says("regions");
    train(&["--data", &notes, "--group", "["]).code(2).says("--group");
    train(&[]).code(2).says("--data");
    train(&["--data", &notes, "--backup", &out]).code(2).says("another disk");
    let config = dir.path().join("train.toml");
    fs::write(&config, "learning_rate = 3").unwrap();
    train(&["--data", &notes, "--config", &config.display().to_string()]).code(2).says("learning_rate");
}

#[test]
fn pictures_a_box_was_unsure_of_come_back_once_a_person_labelled_them() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let unsure = dir.path().join("unsure");
    std::fs::create_dir(&unsure).unwrap();
    let (run, kept) = (dir.path().join("run").display().to_string(), unsure.display().to_string());
    let notes = stage.path("notes").display().to_string();
    let train = || {
        counterfoil(
            [&["train", "--data", &notes, "--out", &run, "--unsure", &kept, "--steps", "2"], &SMALL[..]].concat(),
        )
    };
    train().code(2).says("are not labelled yet").says("real/");
    let mut fakes: Vec<_> = walk(&stage.path("test/fake"));
    for (label, picture) in [("real", walk(&stage.path("test/real")).remove(0)), ("fake", fakes.remove(0))] {
        std::fs::create_dir(unsure.join(label)).unwrap();
        std::fs::copy(picture, unsure.join(label).join("one.png")).unwrap();
    }
    train().ok().says("121 genuine pictures to learn from");
}

/// All files below a folder, sorted by path.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .flat_map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { vec![entry.path()] })
        .collect();
    found.sort();
    found
}

/// Folders of large pictures without a word about regions: what most people bring.
#[test]
fn large_pictures_are_judged_as_a_whole_too() {
    let notes = Stage::get().path("notes/real").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let train = |out: &str, more: &[&str]| {
        counterfoil([&["train", "--data", &notes, "--out", out, "--held-out", "0.8", "--batch", "8"], more].concat())
    };
    train(&path("run"), &["--steps", "2"]).ok().says("counterfoil export");
    let read = |run: &str| fs::read(dir.path().join(run).join("appearance.safetensors")).unwrap();
    counterfoil(["train", "--out", &path("run"), "--resume", "--steps", "3", "--backup", &path("mirror")]).ok();
    assert!(read("run") == read("mirror"), "the backup has all that an export needs");
    train(&path("run"), &["--resume", "--tolerate", "none", "--steps", "4"]).code(2).says("--tolerate = ");
    counterfoil(["export", &path("mirror"), "--out", &path("bundle"), "--alpha", "0.1"]).ok();
    // The GAN's own discriminator judges alone, at the game's size.
    fs::write(path("alone.toml"), "detective = false").unwrap();
    train(&path("alone"), &["--config", &path("alone.toml"), "--steps", "1"]).ok();
    counterfoil(["export", &path("alone"), "--out", &path("plain"), "--alpha", "0.1"]).ok();
    let card = fs::read_to_string(dir.path().join("bundle/README.md")).unwrap();
    assert!(card.contains("million multiply-adds") && card.contains("| handheld | "), "{card}");
    let [real, fakes] = ["test/real", "test/fake"].map(|name| Stage::get().path(name).display().to_string());
    let eval = ["eval", "--bundle", &path("bundle"), "--genuine", &real, "--fake", &fakes, "--reference", &notes];
    let judged = counterfoil([&eval[..], &["--json"]].concat()).ok();
    let judged: serde_json::Value = serde_json::from_str(&judged.stdout()).unwrap();
    let rows: Vec<&str> =
        judged["baselines"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(rows.contains(&"CNN on generated fakes") && rows.contains(&"hand statistics"), "{rows:?}");
}

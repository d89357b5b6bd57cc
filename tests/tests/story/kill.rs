//! Training under `kill -9`: no saved data is lost, no run needs repair by hand, and the resumed run ends with the
//! same bytes as an uninterrupted run.
//!
//! The tests here kill eight times; `scripts/kill-train` asks for a hundred kills through `COUNTERFOIL_KILLS`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use counterfoil_tests::{SMALL, Stage, counterfoil, counterfoil_killed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KILLS: usize = 8;

/// All files below a folder, with their bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn assert_same(expected: &BTreeMap<PathBuf, Vec<u8>>, found: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (file, bytes) in expected {
        assert!(*bytes == found[file], "{} has other bytes than in the uninterrupted run", file.display());
    }
}

/// The step of the newest complete checkpoint: one that has its final file name.
fn newest(run: &Path) -> Option<u64> {
    let files = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().to_str()?.strip_prefix("step-")?.split('.').next()?.parse().ok()).max()
}

/// The step from which a run resumed according to its stderr, or `None` if it did not get so far.
fn resumed_at(stderr: &str) -> Option<u64> {
    stderr.lines().find_map(|line| line.strip_prefix("counterfoil: going on from step ")?.parse().ok())
}

#[test]
fn a_run_killed_halfway_goes_on_to_the_same_bytes() {
    let notes = Stage::get().path("notes").display().to_string();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("train.toml").display().to_string();
    fs::write(&config, "checkpoint_every = 20").unwrap();
    let [whole, killed] = ["whole", "killed"].map(|name| dir.path().join(name));
    let train = |out: &Path, steps: &str| {
        let out = out.display().to_string();
        [&["train", "--data", &notes, "--out", &out, "--config", &config, "--steps", steps], &SMALL[..]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    counterfoil(train(&whole, "40")).ok();
    let half = killed.join("checkpoints/step-00000020.safetensors");
    // The same command with a step count it never reaches, killed when half of the wanted steps are saved.
    let watched = std::thread::scope(|scope| {
        let run =
            scope.spawn(|| counterfoil_killed(train(&killed, "1000000"), Duration::ZERO, &[dir.path().join("now")]));
        while !half.exists() && !run.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::create_dir_all(dir.path().join("now/.part")).unwrap();
        run.join().unwrap()
    });
    assert_eq!(watched.exit(), None, "{watched}");
    let resumed = counterfoil(["train", "--out", &killed.display().to_string(), "--resume", "--steps", "40"]).ok();
    assert_eq!(resumed_at(&resumed.stderr()), Some(20), "{resumed}");
    let mut expected = tree(&whole);
    // Only `config.toml` may differ: it holds the step count of the first command.
    expected.insert("config.toml".into(), fs::read(killed.join("config.toml")).unwrap());
    assert_same(&expected, &tree(&killed));
}

#[test]
fn killed_at_random_moments_a_run_loses_nothing_and_comes_to_the_same_bytes() {
    let wanted = std::env::var("COUNTERFOIL_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number of kills"));
    let dir = tempfile::tempdir().unwrap();
    // Fewer notes than in the shared data set, because every start reads all of them.
    let notes = dir.path().join("notes").display().to_string();
    counterfoil(["dataset", "specimen", "--out", &notes, "--real", "60", "--fakes", "0"]).ok();
    let config = dir.path().join("train.toml").display().to_string();
    fs::write(&config, "checkpoint_every = 3\nkeep = 2\nsample_every = 4").unwrap();
    let start = |out: &str| {
        let what = ["train", "--data", &notes, "--out", out, "--config", &config, "--steps", "60"];
        [&what, &SMALL[..]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let whole = dir.path().join("whole");
    let began = Instant::now();
    counterfoil(start(&whole.display().to_string())).ok();
    let span = began.elapsed().as_secs_f64() / 2.0;
    let whole = tree(&whole);

    let mut moments = ChaCha8Rng::seed_from_u64(1);
    let (mut kills, mut writing, mut early, mut runs) = (0, 0, 0, 0);
    while kills < wanted {
        runs += 1;
        let [out, copy] = ["run", "copy"].map(|name| dir.path().join(format!("{name}-{runs}")));
        let [run, backup] = [&out, &copy].map(|folder| folder.display().to_string());
        let folders = [out.clone(), out.join("checkpoints"), out.join("samples"), copy.join("checkpoints")];
        loop {
            // The command that a person would type, or a script that knows only what the last run printed.
            let saved = newest(&out);
            let resume = ["train", "--out", &run, "--resume", "--backup", &backup].map(str::to_owned).to_vec();
            let arguments = if out.join("run.json").exists() {
                resume
            } else {
                counterfoil(resume).code(2).says("start one: counterfoil train --data");
                [start(&run), vec!["--backup".to_owned(), backup.clone()]].concat()
            };
            let ran = if kills < wanted {
                // Before the first checkpoint a run is killed sooner. Every second kill waits, after its random
                // moment, until a file is half written.
                let span = if saved.is_none() { span / 3.0 } else { span };
                let watch = if kills % 2 == 1 { &folders[..] } else { &[] };
                counterfoil_killed(arguments, Duration::from_secs_f64(moments.random_range(0.0..span)), watch)
            } else {
                counterfoil(arguments)
            };
            let said = ran.stderr();
            assert!(!said.contains("damaged") && !said.contains("the backup"), "{ran}");
            if said.contains("counterfoil: ") {
                assert_eq!(resumed_at(&said), saved, "it goes on from the newest checkpoint\n{ran}");
            }
            assert!(newest(&out) >= saved, "the checkpoint of step {saved:?} is lost\n{ran}");
            if ran.exit().is_some() {
                ran.ok();
                break;
            }
            kills += 1;
            writing += usize::from(folders.iter().any(|folder| folder.join(".part").exists()));
            early += usize::from(newest(&out).is_none());
        }
        assert_same(&whole, &tree(&out));
        // The backup holds the same files, but only the newest of the sample grids.
        let mut copied = whole.clone();
        copied.retain(|file, _| !file.starts_with("samples") || file.ends_with("step-00000060.png"));
        assert_same(&copied, &tree(&copy));
        fs::remove_dir_all(&out).unwrap();
        fs::remove_dir_all(&copy).unwrap();
    }
    eprintln!(
        "{kills} of {wanted} kills survived, {runs} of {runs} runs have the bytes of the uninterrupted one; {writing} struck while a file was being written, {early} before the first checkpoint"
    );
}

//! The whole pipeline: specimen notes, a training run, a bundle, and the same verdict from every program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use counterfoil_models::game::Seal;
use counterfoil_tests::{Stage, counterfoil, edge, edge_reading, root, skip};
use serde_json::Value;

/// The score of each path as printed, digit for digit.
fn scores(lines: &[String]) -> BTreeMap<String, String> {
    lines
        .iter()
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let score = line.split("\"score\":").nth(1).unwrap().split([',', '}']).next().unwrap();
            (value["path"].as_str().unwrap().to_owned(), score.to_owned())
        })
        .collect()
}

#[test]
fn eval_and_detect_print_the_same_digits() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("scores.jsonl");
    let (real, fake) = (stage.path("test/real"), stage.path("test/fake"));
    for bundle in ["gan", "statistics"] {
        let bundle = stage.path(bundle);
        let arguments = [
            "eval".as_ref(),
            "--bundle".as_ref(),
            bundle.as_os_str(),
            "--genuine".as_ref(),
            real.as_os_str(),
            "--fake".as_ref(),
            fake.as_os_str(),
            "--scores".as_ref(),
            file.as_os_str(),
            "--force".as_ref(),
            "--json".as_ref(),
        ];
        let evaluation = counterfoil(arguments).ok().lines().remove(0);
        for key in ["auroc", "eer", "tpr_at_fpr01", "false_alarm_rate"] {
            for suffix in ["", "_low", "_high"] {
                assert!(evaluation[format!("{key}{suffix}")].is_number(), "{key}{suffix} in {evaluation}");
            }
        }
        let evaluated: Vec<String> = fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect();
        let detect = [
            "detect".as_ref(),
            "--bundle".as_ref(),
            bundle.as_os_str(),
            real.as_os_str(),
            fake.as_os_str(),
            "--json".as_ref(),
        ];
        let detected: Vec<String> = edge(detect).stdout().lines().map(str::to_owned).collect();
        assert_eq!(scores(&evaluated), scores(&detected));
        assert_eq!(detected.len(), 12 + 2 * fs::read_dir(&fake).unwrap().count());
    }
}

#[test]
fn exit_codes_tell_clean_counterfeit_and_trouble_apart() {
    let stage = Stage::get();
    let bundle = stage.path("statistics");
    let lines = edge([
        "detect".as_ref(),
        "--bundle".as_ref(),
        bundle.as_os_str(),
        stage.path("test").as_os_str(),
        "--json".as_ref(),
    ])
    .lines();
    let find = |verdict: &str| {
        lines.iter().find(|line| line["verdict"] == verdict).unwrap_or_else(|| panic!("no {verdict} among {lines:?}"))["path"].as_str().unwrap()
    };
    let detect = |paths: &[&str]| {
        let bundle = bundle.display().to_string();
        edge([&["detect", "--bundle", &bundle], paths].concat())
    };
    let genuine = find("genuine");
    detect(&[genuine]).code(0);
    detect(&[genuine, find("counterfeit")]).code(1);
    detect(&[find("counterfeit"), "no-such-file.png"]).code(2);
    let bytes = fs::read(genuine).unwrap();
    let table = edge_reading(["detect", "--bundle", &bundle.display().to_string(), "-"], &bytes).code(0).stdout();
    assert!(table.contains("genuine"), "{table}");
}

#[test]
fn a_face_off_is_sealed_played_and_opened() {
    let stage = Stage::get();
    let [gan, statistics, real, fake] =
        ["gan", "statistics", "test/real", "test/fake"].map(|n| stage.path(n).display().to_string());
    let play = [
        "faceoff",
        "--bundle",
        &gan,
        "--bundle",
        &statistics,
        "--genuine",
        &real,
        "--fake",
        &fake,
        "--rounds",
        "10",
        "--json",
    ];
    let lines = edge(play).code(0).lines();
    assert_eq!(lines.len(), 12, "a seal, ten rounds and an outcome: {lines:?}");
    let outcome = &lines[11];
    let seal: Seal = serde_json::from_value(outcome["opened"].clone()).unwrap();
    assert!(seal.opens(lines[0]["sealed"].as_str().unwrap()), "the seal opens to what was published before the game");
    assert_eq!(seal.genuine.len(), 10);
    for standing in outcome["standings"].as_array().unwrap() {
        let count = |key: &str| standing[key].as_u64().unwrap();
        assert_eq!(count("right") + count("wrong") + count("abstained"), 10);
    }
}

#[test]
fn the_box_tests_and_times_itself() {
    let bundle = Stage::get().path("gan").display().to_string();
    let said = edge(["selftest", "--bundle", &bundle, "--json"]).ok().lines().remove(0);
    assert!(said.to_string().contains("golden"), "{said}");
    let bench = edge(["bench", "--bundle", &bundle, "--seconds", "0.3", "--json"]).ok().lines().remove(0);
    assert!(bench.to_string().contains("p99"), "{bench}");
}

#[test]
fn a_report_is_one_page_that_fetches_nothing() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("report.html").display().to_string();
    let [gan, run, real, fake] = ["gan", "run", "test/real", "test/fake"].map(|n| stage.path(n).display().to_string());
    counterfoil(["report", "--bundle", &gan, "--run", &run, "--genuine", &real, "--fake", &fake, "--out", &page]).ok();
    let html = fs::read_to_string(page).unwrap();
    assert!(html.contains("<svg") && html.contains("data:image/png;base64,") && html.contains("rescan"));
    assert!(!html.contains("src=\"http") && !html.contains("<script"));
    // The run is shorter than an epoch. The report still shows the trained generator, not the untrained one.
    assert!(html.contains("forger draws at step 12<"), "the newest grid is of the last step, and is called so");
}

#[test]
fn inspecting_the_notes_finds_no_leak() {
    let test = Stage::get().path("test").display().to_string();
    let found = counterfoil(["dataset", "inspect", &test, "--json"]).ok().lines().remove(0);
    assert_eq!(found["genuine"], 12);
    assert_eq!(found["duplicates"].as_array().unwrap().len(), 0);
    assert!(found["fake"].as_object().unwrap().len() >= 10);
}

#[test]
fn the_oldest_onnx_runtime_that_is_said_to_do_agrees_and_an_older_one_is_refused_in_words() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let export = |library: &Path| {
        let [run, out, library] =
            [&stage.path("run"), &dir.path().join("bundle"), library].map(|p| p.display().to_string());
        counterfoil(["export", &run, "--out", &out, "--alpha", "0.05", "--onnxruntime", &library])
    };
    let older = dir.path().join("libonnxruntime.so.1.22.1");
    fs::write(&older, "VERS_1.22.1\0").unwrap();
    export(&older).code(2).says("is ONNX Runtime 1.22.1").says("1.23 to 1.32").says("scripts/onnxruntime");
    assert!(!dir.path().join("bundle").exists());
    let oldest = root().join(".venv/onnxruntime-1.23.0/onnxruntime/capi/libonnxruntime.so.1.23.0");
    if !oldest.exists() {
        return skip("there is no ONNX Runtime 1.23.0: run scripts/onnxruntime 1.23.0");
    }
    export(&oldest).ok().says("onnxruntime 1.23.0 agrees");
}

#[test]
fn what_a_person_has_is_not_overwritten_unasked() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let [gan, notes, real, fake] =
        ["gan", "notes", "test/real", "test/fake"].map(|n| stage.path(n).display().to_string());
    let mine = || fs::read_to_string(dir.path().join("mine/me.jpg")).unwrap();
    fs::create_dir(dir.path().join("mine")).unwrap();
    for file in ["mine/me.jpg", "page.html"] {
        fs::write(dir.path().join(file), "years of work").unwrap();
    }

    let folder = path("mine");
    for arguments in [
        vec!["dataset", "specimen", "--out", &folder, "--real", "1", "--fakes", "0"],
        vec!["dataset", "specimen", "--zoo", "--out", &folder, "--real", "1", "--fakes", "1"],
        vec!["demo", "--out", &folder, "--steps", "1"],
        vec!["train", "--data", &notes, "--out", &folder, "--net", "statistics"],
        vec!["train", "--data", &notes, "--out", &path("run"), "--backup", &folder, "--steps", "1"],
        vec!["faceoff", "--bundle", &gan, "--exhibits", &stage.path("test").display().to_string(), "--out", &folder],
        vec!["league", &gan, "--genuine", &real, "--matches", "2", "--out", &folder],
    ] {
        counterfoil(&arguments).code(2).says("mine").says("me.jpg").says("empty folder");
        assert_eq!((mine(), fs::read_dir(&folder).unwrap().count()), ("years of work".to_owned(), 1), "{arguments:?}");
    }

    fs::write(path("mine.pub"), "years of work").unwrap();
    counterfoil(["key", "new", "--out", &folder]).code(2).says("mine.pub exists already");
    assert!(!dir.path().join("mine.key").exists() && fs::read_to_string(path("mine.pub")).unwrap() == "years of work");

    let page = path("page.html");
    let report = ["report", "--bundle", &gan, "--genuine", &real, "--fake", &fake, "--out", &page];
    let eval = ["eval", "--bundle", &gan, "--genuine", &real, "--fake", &fake, "--no-baselines", "--scores", &page];
    let cards = ["faceoff", "cards", "--genuine", "1", "--counterfeit", "1", "--out", &page];
    let note = stage.path("test/real/note_000001.png").display().to_string();
    let explain = ["detect", "--bundle", &gan, &note, "--explain", &page];
    let export = ["export", &stage.path("run").display().to_string(), "--alpha", "0.05", "--out", &page];
    for arguments in [&report[..], &eval, &cards, &export] {
        counterfoil(arguments).code(2).says("page.html exists already").says("--force");
    }
    edge(explain).code(2).says("page.html exists already").says("--force");
    assert_eq!(fs::read_to_string(&page).unwrap(), "years of work");
    counterfoil([&cards[..], &["--force"]].concat()).ok();
    assert!(fs::read_to_string(&page).unwrap().contains("<html"));
}

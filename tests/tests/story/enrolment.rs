//! Adaptation on site: enrolment of a writer's references, and calibration for the box's own camera.

use std::fs;

use counterfoil_tests::{Stage, counterfoil, edge};

#[test]
fn a_writer_is_enrolled_and_a_camera_calibrated_for() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let [run, bundle, state] = ["run", "bundle", "state"].map(path);
    let [notes, test, gan] = ["notes", "test/real", "gan"].map(|name| stage.path(name).display().to_string());

    // Ten consecutive notes stand for the signatures of one writer.
    let group = r"(\d+)\d\.png";
    let grouped =
        ["train", "--data", &notes, "--out", &run, "--net", "statistics", "--held-out", "0.5", "--group", group];
    counterfoil(grouped).ok();
    counterfoil(["export", &run, "--out", &bundle, "--alpha", "0.05"])
        .ok()
        .says("enrols with references: 1 (from 60 pictures of 6 groups");
    let card = fs::read_to_string(dir.path().join("bundle/README.md")).unwrap();
    assert!(card.contains("| references |"), "{card}");

    let mut pictures: Vec<String> =
        fs::read_dir(&test).unwrap().map(|entry| entry.unwrap().path().display().to_string()).collect();
    pictures.sort();
    let box_with = |bundle: &str, arguments: &[&str]| {
        edge([&arguments[..1], &["--bundle", bundle, "--state", &state, "--json"], &arguments[1..]].concat())
    };
    let enroll = ["enroll", "--name", "ada", &pictures[0], &pictures[1], &pictures[2]];
    let enrolled = box_with(&bundle, &enroll).ok().lines().remove(0);
    assert_eq!((&enrolled["references"], &enrolled["calibrated_for"]), (&3.into(), &2.into()));
    let line = box_with(&bundle, &["detect", "--as", "ada", &pictures[3]]).lines().remove(0);
    assert_eq!(
        (&line["calibration"], &line["name"], &line["references"]),
        (&"enrolled".into(), &"ada".into(), &3.into())
    );
    box_with(&gan, &enroll).code(2).says("--group");
    box_with(&gan, &["detect", "--as", "ada", &pictures[3]]).code(2).says("cannot enrol");

    // The notes of every writer are compared with two references of the same writer, then with four. The number of a
    // counterfeit tells which writer it imitates. Numbers start at 1, so one writer has nine notes and note 150 has a
    // separate group: 149 of the 150 notes remain.
    let fake = stage.path("test/fake").display().to_string();
    let pictures_of = ["--genuine", &*notes, "--fake", &fake, "--group", group, "--json"];
    let eval = |rest: &[&str]| counterfoil([&["eval", "--bundle", &bundle], &pictures_of[..], rest].concat());
    let lines = eval(&["--enroll", "2", "--enroll", "4", "--draws", "3"]).ok().lines();
    assert_eq!(lines.iter().map(|line| line["references"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 4]);
    assert!(lines.iter().all(|line| line["groups"] == 15 && line["baselines"][0]["eer"].is_f64()), "{lines:?}");
    assert_eq!((&lines[0]["genuine"], &lines[1]["genuine"]), (&119.into(), &89.into()));
    eval(&["--enroll", "10"]).code(2).says("ask for fewer references");

    let calibrate =
        |genuine: &str| counterfoil(["calibrate", "--bundle", &bundle, "--genuine", genuine, "--state", &state]);
    calibrate(&test).code(2).says("needs at least 19").says("--alpha");
    let before = box_with(&bundle, &["detect", &pictures[3]]).lines().remove(0);
    calibrate(&notes).ok().says("150 genuine pictures");
    // A calibration takes a person much time at the camera, so it is not overwritten without `--force`.
    calibrate(&test).code(2).says("exists already").says("--force");
    let after = box_with(&bundle, &["detect", &pictures[3]]).lines().remove(0);
    assert_eq!(
        (&before["calibration"], &after["calibration"], &after["pictures"]),
        (&"bundle".into(), &"site".into(), &150.into())
    );
    assert_eq!(before["score"], after["score"], "a calibration moves verdicts and no score");
}

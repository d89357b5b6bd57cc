//! The program as a script runs it: exit codes, lines, stdin, closed pipes.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::bundle::{Fixture, png};

pub(super) fn edge() -> Command {
    Command::new(env!("CARGO_BIN_EXE_counterfoil-edge"))
}

fn detect(fixture: &Fixture, arguments: &[&OsStr]) -> Output {
    edge().arg("detect").arg("--bundle").arg(fixture.bundle()).args(arguments).output().unwrap()
}

pub(super) fn lines(output: &Output) -> Vec<Value> {
    output.stdout.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}

pub(super) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_codes_say_clean_found_and_trouble() {
    let fixture = Fixture::new();
    let (good, bad) = (fixture.picture("good.png", 230), fixture.picture("bad.png", 10));
    let code = |paths: &[&OsStr]| detect(&fixture, paths).status.code();
    assert_eq!(code(&[good.as_ref()]), Some(0));
    assert_eq!(code(&[good.as_ref(), bad.as_ref()]), Some(1));
    assert_eq!(code(&[bad.as_ref(), "lost.png".as_ref(), good.as_ref()]), Some(2));
}

#[test]
fn json_is_a_line_a_picture_and_the_talk_is_on_stderr() {
    let fixture = Fixture::new();
    fixture.picture("in/a.png", 230);
    fs::write(fixture.path("in/b.png"), "").unwrap();
    let output = detect(&fixture, &[fixture.path("in").as_ref(), "--json".as_ref()]);
    let [judged, broken] = &lines(&output)[..] else { panic!("two pictures") };
    assert_eq!(judged["path"], fixture.path("in/a.png").to_string_lossy().as_ref());
    assert_eq!((&judged["verdict"], &judged["p_value"]), (&"genuine".into(), &1.0.into()));
    assert_eq!(judged.as_object().unwrap().len(), 4);
    assert!(broken["error"].as_str().unwrap().contains("empty"), "{broken}");
    assert!(stderr(&output).contains("1 judged: 1 genuine, 0 unsure, 0 counterfeit; 1 not judged"));
}

#[test]
fn the_score_has_the_digits_serde_gives_an_f32() {
    let fixture = Fixture::new();
    let path = fixture.picture("a.png", 100);
    let detector = counterfoil_edge::Detector::open(&fixture.bundle()).unwrap();
    let judgement = detector.judge(&counterfoil_models::Frame::decode(&png(100)).unwrap()).unwrap();
    let expected = format!("\"score\":{},", serde_json::to_string(&judgement.score()).unwrap());
    let output = detect(&fixture, &[path.as_ref(), "--json".as_ref()]);
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.contains(&expected), "{line} has no {expected}");
}

#[test]
fn a_name_that_is_not_utf8_is_judged_and_shown_lossily() {
    let fixture = Fixture::new();
    fixture.picture(OsString::from_vec(b"in/caf\xe9.png".to_vec()), 230);
    let output = detect(&fixture, &[fixture.path("in").as_ref(), "--json".as_ref()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(lines(&output)[0]["path"].as_str().unwrap().ends_with("caf\u{fffd}.png"));
}

#[test]
fn a_picture_comes_by_stdin() {
    let fixture = Fixture::new();
    let mut child = edge()
        .args(["detect", "--json", "-", "--bundle"])
        .arg(fixture.bundle())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&png(10)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!((&lines(&output)[0]["path"], &lines(&output)[0]["verdict"]), (&"-".into(), &"counterfeit".into()));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let fixture = Fixture::new();
    let path = fixture.picture("a.png", 230);
    let mut child = edge()
        .args(["detect", "--bundle"])
        .arg(fixture.bundle())
        .args(std::iter::repeat_n(&path, 2000))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), ""));
}

#[test]
fn a_full_disk_is_told_of() {
    let fixture = Fixture::new();
    let path = fixture.picture("a.png", 230);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = edge().args(["detect", "--bundle"]).arg(fixture.bundle()).arg(path).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the results cannot be written: No space left"), "{}", stderr(&output));
}

#[test]
fn lights_on_the_console_end_dark_and_a_missing_header_names_its_remedy() {
    let fixture = Fixture::new();
    let path = fixture.picture("a.png", 230);
    let shown = detect(&fixture, &[path.as_ref(), "--lights".as_ref(), "console".as_ref()]);
    assert_eq!(shown.status.code(), Some(0));
    let talk = stderr(&shown);
    assert!(talk.contains("[green on]\n[green off]") && !talk.contains("[red on]"), "{talk}");
    let missing = detect(&fixture, &[path.as_ref(), "--lights".as_ref(), "rpi".as_ref()]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("--lights console"), "{}", stderr(&missing));
}

#[test]
fn a_terminated_program_leaves_no_light_on() {
    let fixture = Fixture::new();
    let path = fixture.picture("a.png", 230);
    let mut child = edge()
        .args(["detect", "--lights", "console", "--bundle"])
        .arg(fixture.bundle())
        .args(std::iter::repeat_n(&path, 100))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(talk.any(|line| line == "[green on]"));
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let last: Vec<String> = talk.collect();
    assert_eq!(last[last.len() - 3..], ["[green off]", "[red off]", "[buzzer off]"]);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_missing_bundle_option_says_where_bundles_are() {
    let output = edge().args(["detect", "a.png"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("models/pretrained/"));
}

#[test]
fn selftest_says_what_it_checked_and_refuses_a_changed_byte() {
    let fixture = Fixture::new();
    let selftest = || edge().args(["selftest", "--json", "--bundle"]).arg(fixture.bundle()).output().unwrap();
    let sound = selftest();
    assert_eq!((sound.status.code(), &lines(&sound)[0]["golden"]), (Some(0), &1.into()));
    fs::write(fixture.bundle().join("golden/grey.png"), png(205)).unwrap();
    let changed = selftest();
    assert_eq!(changed.status.code(), Some(2));
    assert!(stderr(&changed).contains("golden/grey.png is not the file that was exported"), "{}", stderr(&changed));
}

#[test]
fn bench_measures_every_stage_and_takes_turns_by_lines() {
    let fixture = Fixture::new();
    let bench = |more: &[&str]| {
        let mut child = edge()
            .args(["bench", "--json", "--bundle"])
            .arg(fixture.bundle())
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // `bench --seconds` reads no stdin and may be done with it already.
        let _ = child.stdin.take().unwrap().write_all(b"go\ngo\n");
        lines(&child.wait_with_output().unwrap())
    };
    let report = &bench(&["--seconds", "0.3"])[0];
    assert!(report["whole"]["p99_us"].as_f64() >= report["score"]["median_us"].as_f64(), "{report}");
    assert!(report["pictures_per_second_all_threads"].as_f64().unwrap() > 0.0);
    let blocks = bench(&["--blocks", "5"]);
    assert!(blocks.len() == 2 && blocks[1]["median_us"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_faceoff_ends_with_the_seal_opened_and_a_sentence() {
    let fixture = Fixture::new();
    fixture.picture("real/a.png", 230);
    fixture.picture("fake/b.png", 10);
    let twin = fixture.write_bundle("twin", "Identity", |manifest| manifest.name = "bundle".into());
    let play = |more: &[&str]| {
        let mut command = edge();
        command.args(["faceoff", "--bundle"]).arg(fixture.bundle()).arg("--bundle").arg(&twin);
        command.arg("--genuine").arg(fixture.path("real")).arg("--fake").arg(fixture.path("fake"));
        command.args(more).output().unwrap()
    };
    let output = play(&["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = lines(&output);
    let [sealed, _, last, closing] = &told[..] else { panic!("a seal, two rounds, an end") };
    assert_eq!((&sealed["rounds"], &last["round"]), (&2.into(), &2.into()));
    assert!(closing["sentence"].as_str().unwrap().starts_with("too close to call"));
    assert_ne!(closing["standings"][0]["name"], closing["standings"][1]["name"], "twins are told apart");
    let table = String::from_utf8(play(&[]).stdout).unwrap();
    assert!(table.contains("SHA-256") && table.contains("the seal is opened"), "{table}");
}

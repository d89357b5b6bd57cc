//! Face-offs over the network: complete games, and games that are interrupted or that a box leaves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use counterfoil_tests::{
    Environment, Served, Stage, at_another_time, counterfoil, counterfoil_killed, counterfoil_reading, found_in, jpeg,
    root, status_and_answer, until,
};
use serde_json::{Value, json};

fn pretrained(name: &str) -> String {
    root().join("models/pretrained").join(name).display().to_string()
}

/// A box without a camera that judges the pictures it receives, with additional environment variables.
fn contestant(name: &str, environment: &Environment) -> Served {
    Served::start_in(environment, name, &["--source", "none", "--bundle", &pretrained("specimen-note-statistics")])
}

/// Writes the file with addresses and tokens that gives the referee access to these boxes, and returns its path.
fn known(served: &[Served]) -> String {
    let boxes = served[0].state.join("boxes.toml");
    fs::write(&boxes, served.iter().map(Served::entry).collect::<String>()).unwrap();
    boxes.display().to_string()
}

/// Two boxes and the file that gives the referee access to them.
fn two_boxes() -> (Served, Served, String) {
    let served = ["till", "desk"].map(|name| contestant(name, &[]));
    let boxes = known(&served);
    let [till, desk] = served;
    (till, desk, boxes)
}

/// Waits until the record of the game in this folder has at least this number of lines.
fn wait_for_lines(game: &Path, lines: usize) {
    let recorded = || fs::read_to_string(game.join("transcript.jsonl")).unwrap_or_default().lines().count();
    until(Duration::from_mins(2), "the game's record grows", || recorded() >= lines);
}

fn exhibits() -> String {
    Stage::get().path("test").display().to_string()
}

fn game(boxes: &str, out: &Path) -> Vec<String> {
    game_of(&["till", "desk"], boxes, out)
}

fn game_of(names: &[&str], boxes: &str, out: &Path) -> Vec<String> {
    let (exhibits, out) = (exhibits(), out.display().to_string());
    let players = names.iter().flat_map(|name| ["--box", name]);
    let rest = ["--boxes", boxes, "--exhibits", &exhibits, "--rounds", "12", "--json", "--out", &out];
    ["faceoff"].into_iter().chain(players).chain(rest).map(str::to_owned).collect()
}

#[test]
fn two_boxes_play_and_the_record_stands_up() {
    let (_till, _desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game");
    let played = counterfoil(game(&boxes, &out)).ok();
    let lines = played.lines();
    assert_eq!(lines.len(), 13);
    let end = &lines[12];
    let truths: Vec<bool> = lines[..12].iter().map(|line| line["genuine"].as_bool().unwrap()).collect();
    assert_eq!(truths.iter().filter(|genuine| **genuine).count(), 6, "fairly mixed");
    assert_eq!(end["opened"]["genuine"], serde_json::json!(truths));
    // All boxes get the same bytes and have the same detector, so their answers differ only in time.
    for line in &lines[..12] {
        assert_eq!(line["answers"]["till"]["verdict"], line["answers"]["desk"]["verdict"], "{line}");
    }
    assert!(end["outcome"]["p_value"] == 1.0 && end["outcome"]["decided"] == false, "{end}");
    assert!(!out.join("secret.json").exists());
    let verify = || counterfoil(["faceoff", "verify", &out.display().to_string()]);
    let sound = verify().ok().stdout();
    assert!(
        sound.starts_with("sound: 12 rounds, 12 exhibits as they were shown, the seal opens; too close to call"),
        "{sound}"
    );
    // Change one byte of the record, then one byte of an exhibit.
    for file in ["transcript.jsonl", "exhibits/0007.png"] {
        let sound = fs::read(out.join(file)).unwrap();
        let mut changed = sound.clone();
        changed[sound.len() / 2] ^= 1;
        fs::write(out.join(file), changed).unwrap();
        verify().code(2);
        fs::write(out.join(file), sound).unwrap();
    }
    verify().ok();
    // A second game in the same folder is refused, and the finished game stays unchanged.
    counterfoil(game(&boxes, &out)).code(2).says("finished game").says("another --out");
    counterfoil([game(&boxes, &out), vec!["--resume".to_owned()]].concat()).code(2).says("it was finished");
    verify().ok();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["game"], "nothing is left beside it");
}

#[test]
fn a_game_is_not_resumed_while_it_is_played() {
    let (_till, _desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game");
    let mut arguments = game(&boxes, &out);
    arguments.extend(["--pace", "0.5s"].map(str::to_owned));
    thread::scope(|scope| {
        let playing = scope.spawn(|| counterfoil(&arguments).ok());
        wait_for_lines(&out, 2);
        counterfoil([game(&boxes, &out), vec!["--resume".to_owned()]].concat())
            .code(2)
            .says("in use by another process");
        counterfoil(game(&boxes, &out)).code(2).says("not over").says("--resume");
        assert_eq!(playing.join().unwrap().lines().len(), 13);
    });
    counterfoil(["faceoff", "verify", &out.display().to_string()]).ok();
}

#[test]
fn a_box_that_dies_scores_nothing_and_the_game_goes_on() {
    let (till, desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game");
    let mut arguments = game(&boxes, &out);
    arguments.extend(["--pace", "0.3s", "--deadline", "2s"].map(str::to_owned));
    let end = thread::scope(|scope| {
        let playing = scope.spawn(|| counterfoil(arguments).ok());
        wait_for_lines(&out, 4);
        desk.watching.signal("KILL");
        playing.join().unwrap().lines().pop().unwrap()
    });
    let standing = |name: &str| {
        end["outcome"]["standings"].as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone()
    };
    let (till_stands, desk_stands) = (standing("till"), standing("desk"));
    let answered = |s: &Value| s["right"].as_u64().unwrap() + s["wrong"].as_u64().unwrap();
    assert!(
        desk_stands["abstained"].as_u64().unwrap() >= 6 && answered(&till_stands) > answered(&desk_stands),
        "{end}"
    );
    counterfoil(["faceoff", "verify", &out.display().to_string()]).ok();
    drop(till);
}

#[test]
fn a_referee_that_is_killed_goes_on_where_it_was() {
    let (_till, _desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game");
    let mut arguments = game(&boxes, &out);
    arguments.extend(["--pace", "0.1s"].map(str::to_owned));
    let mut sealed = None;
    let mut kills = 0;
    loop {
        let mut again = arguments.clone();
        if out.join("secret.json").exists() {
            again.push("--resume".into());
        }
        let ran = counterfoil_killed(&again, Duration::from_millis(900 + 150 * kills), &[]);
        let first =
            fs::read_to_string(out.join("transcript.jsonl")).unwrap_or_default().lines().next().map(str::to_owned);
        assert!(sealed.is_none() || sealed == first, "sealed once");
        sealed = sealed.or(first);
        if ran.exit() == Some(0) {
            break;
        }
        assert!(ran.exit().is_none() || !out.join("secret.json").exists(), "{ran}");
        kills += 1;
        assert!(kills < 60, "it never gets to the end: {ran}");
    }
    assert!(kills > 0, "it was never killed");
    assert!(
        counterfoil(["faceoff", "verify", &out.display().to_string()]).ok().stdout().starts_with("sound: 12 rounds")
    );
}

#[test]
fn two_referees_cannot_have_one_box() {
    let (_till, _desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let mut first = game(&boxes, &dir.path().join("first"));
    first.extend(["--pace", "0.5s"].map(str::to_owned));
    thread::scope(|scope| {
        let playing = scope.spawn(|| counterfoil(first).ok());
        wait_for_lines(&dir.path().join("first"), 2);
        counterfoil(game(&boxes, &dir.path().join("second"))).code(2).says("plays a game that referee referees");
        playing.join().unwrap();
    });
}

#[test]
fn an_exhibit_that_is_changed_in_mid_game_stops_it_until_it_is_given_back() {
    let (_till, _desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game");
    let mut arguments = game(&boxes, &out);
    arguments.extend(["--pace", "0.3s"].map(str::to_owned));
    let last = out.join("exhibits/0012.png");
    let sound = thread::scope(|scope| {
        let playing = scope.spawn(|| counterfoil(&arguments).code(2));
        wait_for_lines(&out, 3);
        let sound = fs::read(&last).unwrap();
        fs::write(&last, b"another").unwrap();
        playing.join().unwrap().says("0012.png was changed since the labels were sealed");
        sound
    });
    fs::write(&last, sound).unwrap();
    arguments.push("--resume".into());
    counterfoil(&arguments).ok();
    counterfoil(["faceoff", "verify", &out.display().to_string()]).ok();
}

#[test]
fn what_cannot_be_played_is_said_before_the_game() {
    let (till, _desk, boxes) = two_boxes();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game").display().to_string();
    let say =
        |arguments: &[&str]| counterfoil(["faceoff", "--boxes", &boxes, "--out", &out].iter().chain(arguments)).code(2);
    say(&["--exhibits", &exhibits()]).says("there are no contestants");
    say(&["--box", "other", "--exhibits", &exhibits()]).says("counterfoil pair other");
    say(&["--box", "till", "--box", "till", "--exhibits", &exhibits()]).says("two contestants are called till");
    say(&["--box", "till"]).says("nothing is shown");
    say(&["--box", "till", "--look"]).says("--cards");
    say(&["--box", "till", "--exhibits", "/nowhere"]).says("cannot open /nowhere");
    say(&["--box", "till", "--exhibits", &exhibits(), "--rounds", "5000"]).says("--rounds");
    say(&["--box", "till", "--exhibits", &exhibits(), "--pace", "soon"]).says("such as 5s");
    counterfoil(["faceoff", "verify", &out]).code(2).says("transcript.jsonl");
    // Another box answers at the address of the paired one.
    let another = fs::read_to_string(&boxes).unwrap().replace(&till.fingerprint, &"0".repeat(64));
    let forged = dir.path().join("boxes.toml");
    fs::write(&forged, another).unwrap();
    let forged = forged.display().to_string();
    counterfoil([
        "faceoff",
        "--boxes",
        &forged,
        "--box",
        "till",
        "--exhibits",
        &exhibits(),
        "--rounds",
        "2",
        "--out",
        &out,
    ])
    .code(2)
    .says("shows another certificate");
}

#[test]
fn a_table_with_sealed_cards_is_played_by_two_cameras() {
    let stage = Stage::get();
    let laid = |folder: &str| {
        let mut files = walk(&stage.path(folder));
        files.sort();
        jpeg(&files[0])
    };
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("table.jpg");
    fs::write(&table, laid("test/real")).unwrap();
    // The camera above the table sends the picture of the table ten times a second.
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!("#!/bin/sh\nwhile cat {}; do sleep 0.1; done\n", table.display());
    fs::write(bin.join("rpicam-vid"), script).unwrap();
    Command::new("chmod").args(["+x", &bin.join("rpicam-vid").display().to_string()]).status().unwrap();
    let served = ["till", "desk"].map(|name| {
        Served::start_in(
            &[found_in(&bin)],
            name,
            &["--source", "rpicam", "--bundle", &pretrained("specimen-note-statistics")],
        )
    });
    let boxes = known(&served);
    let cards = dir.path().join("cards.html");
    counterfoil(["faceoff", "cards", "--genuine", "1", "--counterfeit", "1", "--out", &cards.display().to_string()])
        .ok();
    let page = fs::read_to_string(&cards).unwrap();
    let codes: Vec<&str> = page.split("<code>").skip(1).map(|rest| rest.split("</code>").next().unwrap()).collect();
    let [genuine_face, genuine_back, fake_face, fake_back] = codes[..] else { panic!("{codes:?}") };
    let out = dir.path().join("game");
    let hall = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let arguments = [
        "faceoff",
        "--box",
        "till",
        "--box",
        "desk",
        "--boxes",
        &boxes,
        "--look",
        "--cards",
        "2",
        "--web",
        &hall,
        "--lobby",
        "1",
        "--json",
        "--out",
        &out.display().to_string(),
    ]
    .map(str::to_owned);
    let fake = laid("test/fake");
    let ann = thread::spawn({
        let hall = hall.clone();
        move || plays_along(&hall, "Ann", &[true, true])
    });
    let played = counterfoil_reading(arguments, || {
        // The scanner input is written in advance. The picture of the table changes when the first round is recorded.
        let (out, table) = (out.clone(), table.clone());
        thread::spawn(move || {
            wait_for_lines(&out, 2);
            let new = table.with_extension("new");
            fs::write(&new, fake).unwrap();
            fs::rename(new, table).unwrap();
        });
        format!("{genuine_face}\n\n{genuine_back}\n{fake_face}\n\n{fake_back}\n")
    })
    .ok();
    let lines = played.lines();
    assert_eq!([&lines[0]["genuine"], &lines[1]["genuine"]], [true, false]);
    for line in &lines[..2] {
        assert!(
            line["answers"]["till"]["verdict"].is_string() && line["answers"]["desk"]["verdict"].is_string(),
            "{line}"
        );
        assert_eq!(line["answers"]["Ann"]["verdict"], "genuine", "{line}");
    }
    ann.join().unwrap();
    let ann = lines[2]["outcome"]["standings"].as_array().unwrap().iter().find(|standing| standing["name"] == "Ann");
    let points = |s: &Value| [&s["right"], &s["wrong"], &s["points"]].map(|n| n.as_i64().unwrap());
    assert_eq!(points(ann.unwrap()), [1, 1, 0]);
    assert!(counterfoil(["faceoff", "verify", &out.display().to_string()]).ok().stdout().contains("all cards open"));
}

/// A person in the audience who answers every round with a phone, as soon as the scoreboard accepts the answer.
fn plays_along(hall: &str, name: &str, says: &[bool]) {
    let asks = |path: &str, what: &Value| {
        let url = format!("http://{hall}/api/{path}");
        let what = what.to_string();
        let json = ["--json", &what, "--silent", "--write-out", "\n%{http_code}", &url];
        status_and_answer(&Command::new("curl").args(json).output().unwrap().stdout)
    };
    let accepted = |wanted: u16, path: &str, what: &Value| {
        let mut answer = Value::Null;
        until(Duration::from_mins(1), &format!("the scoreboard takes {path} {what}"), || {
            let (status, said) = asks(path, what);
            answer = said;
            status == wanted
        });
        answer
    };
    let id = accepted(200, "join", &json!({ "name": name }))["id"].clone();
    for (number, genuine) in says.iter().enumerate() {
        accepted(204, "answer", &json!({ "id": id, "round": number + 1, "genuine": genuine }));
    }
}

#[test]
fn ten_boxes_play_at_one_table() {
    let names: Vec<String> = (1..=10).map(|number| format!("box-{number}")).collect();
    let served: Vec<Served> = names.iter().map(|name| contestant(name, &[])).collect();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("game");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let lines = counterfoil(game_of(&names, &known(&served), &out)).ok().lines();
    assert_eq!(lines.len(), 13);
    for line in &lines[..12] {
        let answers = line["answers"].as_object().unwrap();
        let verdicts: BTreeSet<_> = answers.values().map(|answer| answer["verdict"].as_str().unwrap()).collect();
        assert!(answers.len() == 10 && verdicts.len() == 1, "all have the same detector, and time to answer: {line}");
    }
    assert_eq!(lines[12]["outcome"]["standings"].as_array().unwrap().len(), 10);
    counterfoil(["faceoff", "verify", &out.display().to_string()]).ok();
}

#[test]
fn clocks_that_disagree_decide_nothing() {
    let Some(past) = at_another_time("1970-01-02 00:00:00") else { return };
    let Some(future) = at_another_time("2093-01-01 00:00:00") else { return };
    // Certificates, tokens and answer times do not depend on the clock of a box.
    let served = [contestant("till", &past), contestant("desk", &future)];
    let dir = tempfile::tempdir().unwrap();
    let lines = counterfoil(game(&known(&served), &dir.path().join("game"))).ok().lines();
    for line in &lines[..12] {
        let said = ["till", "desk"].map(|name| line["answers"][name].clone());
        assert!(said[0]["verdict"].is_string() && said[0]["verdict"] == said[1]["verdict"], "{line}");
        // Measured with the referee's clock.
        assert!(said.iter().all(|answer| answer["seconds"].as_f64().unwrap() < 10.0), "{line}");
    }
    assert!(lines[12]["outcome"]["decided"] == false, "{}", lines[12]);
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[test]
fn a_league_is_played_once_and_rates_everybody() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    for (name, seed) in [("one", "1"), ("two", "2")] {
        let run = path(&format!("run-{name}"));
        let notes = stage.path("notes").display().to_string();
        counterfoil([
            "train", "--data", &notes, "--out", &run, "--steps", "6", "--batch", "8", "--width", "4", "--latent", "8",
            "--seed", seed,
        ])
        .ok();
        counterfoil(["export", &run, "--out", &path(name), "--alpha", "0.05"]).ok();
    }
    let genuine = stage.path("test/real").display().to_string();
    let league = || {
        counterfoil([
            "league",
            &path("one"),
            &path("two"),
            "--genuine",
            &genuine,
            "--matches",
            "20",
            "--out",
            &path("league"),
            "--json",
        ])
        .ok()
    };
    let first = league();
    let result = &first.lines()[0];
    assert_eq!(result["pairs"].as_array().unwrap().len(), 4);
    assert_eq!(result["rated"].as_array().unwrap().len(), 4);
    assert!(result["pairs"][0]["matches"].as_str().unwrap().len() == 20, "{result}");
    let again = league();
    assert_eq!(&again.lines()[0], result);
    assert!(!again.stderr().contains("for the detective"), "nothing is played twice: {again}");
    assert!(fs::read_to_string(dir.path().join("league/matrix.svg")).unwrap().contains("coin toss"));
    counterfoil([
        "league",
        &path("one"),
        &path("two"),
        "--genuine",
        &genuine,
        "--matches",
        "100",
        "--out",
        &path("league"),
    ])
    .code(2)
    .says("--matches 24");
}

//! The `watch` command: cameras that are lost and come back, folders that receive files, and the messages about them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use counterfoil_tests::{Stage, Watching, edge, found_in, jpeg, root};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

const MOMENT: Duration = Duration::from_millis(1500);

fn bundle() -> String {
    root().join("models/pretrained/specimen-note-statistics").display().to_string()
}

/// A camera picture (JPEG) for which the bundle gives this verdict.
fn judged(verdict: &str) -> Vec<u8> {
    let stage = Stage::get();
    for folder in ["notes/real", "test/fake"] {
        for line in edge(["detect", "--json", "--bundle", &bundle(), &stage.path(folder).display().to_string()]).lines()
        {
            let picture = jpeg(&PathBuf::from(line["path"].as_str().unwrap()));
            let again = counterfoil_tests::edge_reading(["detect", "--json", "--bundle", &bundle(), "-"], &picture)
                .lines()
                .remove(0);
            if again["verdict"] == verdict {
                return picture;
            }
        }
    }
    panic!("the stage has no picture that is {verdict}");
}

/// Writes a program `rpicam-vid` that runs this shell script. Returns the folder that holds it.
fn rpicam(dir: &Path, script: &str) -> PathBuf {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let program = bin.join("rpicam-vid");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    bin
}

#[test]
fn frames_that_agree_are_a_verdict_and_one_that_does_not_is_none() {
    let (genuine, counterfeit) = (judged("genuine"), judged("counterfeit"));
    let mut watching =
        Watching::start(["watch", "--source", "stdin", "--json", "--lights", "console", "--bundle", &bundle()], &[]);
    let mut show = |picture: &[u8], times: usize| {
        for _ in 0..times {
            // Slow enough that every frame is judged; frames that come too fast would be dropped.
            std::thread::sleep(Duration::from_millis(400));
            watching.stdin.as_mut().unwrap().write_all(picture).unwrap();
        }
    };
    show(&genuine, 4);
    show(&counterfeit, 1);
    show(&genuine, 2);
    show(&counterfeit, 4);
    let said: Vec<_> = [watching.next(), watching.next()].iter().map(|line| line["said"].clone()).collect();
    assert_eq!(said, ["genuine", "counterfeit"]);
    assert!(watching.rest(MOMENT).is_empty(), "nothing else was said");
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");
    assert!(messages.contains("frames judged"), "{messages}");
    let (lit, dark) = (messages.rfind("[green on]").unwrap(), messages.rfind("[green off]").unwrap());
    assert!(lit < dark && messages.contains("[red on]"), "{messages}");
}

/// The arguments of a box that watches a folder.
fn in_folder<'a>(source: &'a str, state: &'a str, bundle: &'a str) -> [&'a str; 8] {
    ["watch", "--source", source, "--json", "--bundle", bundle, "--state", state]
}

#[test]
fn a_folder_is_watched_and_every_verdict_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let [inbox, state] = ["inbox", "state"].map(|name| dir.path().join(name));
    fs::create_dir(&inbox).unwrap();
    fs::write(inbox.join("old.jpg"), judged("genuine")).unwrap();
    let [source, kept, bundle] = [format!("dir:{}", inbox.display()), state.display().to_string(), bundle()];
    let watching = Watching::start(in_folder(&source, &kept, &bundle).iter().chain(&["--lights", "console"]), &[]);
    watching.wait_for_message("1 files were in");
    fs::write(inbox.join("1.jpg"), judged("counterfeit")).unwrap();
    assert_eq!(watching.next()["said"], "counterfeit");
    fs::write(inbox.join("2.jpg"), "no picture").unwrap();
    let line = watching.next();
    assert!(line["said"] == "unjudged" && line["error"].as_str().unwrap().contains("not a picture"), "{line}");
    // The folder disappears and comes back. The fault ends as soon as the folder can be listed again.
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(&inbox, &elsewhere).unwrap();
    watching.wait_for_message("cannot be listed");
    fs::write(elsewhere.join("3.jpg"), judged("genuine")).unwrap();
    fs::rename(&elsewhere, &inbox).unwrap();
    watching.wait_for_message("there are pictures again");
    let line = watching.next();
    assert!(line["said"] == "genuine" && line["path"].as_str().unwrap().ends_with("3.jpg"), "{line}");
    watching.signal("TERM");
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");

    let journal = edge(["journal", "--state", &kept]).ok().stdout();
    let verdicts: Vec<_> = journal.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(verdicts, ["counterfeit", "genuine"], "{journal}");
    assert!(journal.lines().nth(2).unwrap().ends_with("inbox/3.jpg"), "{journal}");
}

#[test]
fn each_file_of_a_folder_has_a_verdict_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let [inbox, state] = ["inbox", "state"].map(|name| dir.path().join(name));
    fs::create_dir(&inbox).unwrap();
    let [source, kept, bundle] = [format!("dir:{}", inbox.display()), state.display().to_string(), bundle()];
    let watching = Watching::start(in_folder(&source, &kept, &bundle), &[]);
    watching.wait_for_message("0 files were in");
    let (genuine, fake) = (judged("genuine"), judged("counterfeit"));
    // Sixty files in quick succession, equal and different ones, each renamed into place.
    for number in 0..60 {
        let picture = if number % 10 < 7 { &genuine } else { &fake };
        fs::write(inbox.join("scan.part"), picture).unwrap();
        fs::rename(inbox.join("scan.part"), inbox.join(format!("{number:02}.jpg"))).unwrap();
    }
    for number in 0..60 {
        let line = watching.next();
        let verdict = if number % 10 < 7 { "genuine" } else { "counterfeit" };
        assert!(line["path"].as_str().unwrap().ends_with(&format!("/{number:02}.jpg")), "{number}: {line}");
        assert_eq!(line["said"], verdict, "{line}");
    }
    // The same file is written again.
    fs::write(inbox.join("07.jpg"), &genuine).unwrap();
    let line = watching.next();
    assert!(line["said"] == "genuine" && line["path"].as_str().unwrap().ends_with("/07.jpg"), "{line}");
    assert!(watching.rest(MOMENT).is_empty(), "nothing else was said");
    watching.signal("TERM");
    assert_eq!(watching.end().0, Some(0));
    let journal = edge(["journal", "--state", &kept]).ok().stdout();
    assert_eq!(journal.lines().count(), 1 + 61, "{journal}");
}

#[test]
fn half_a_file_is_not_judged() {
    let dir = tempfile::tempdir().unwrap();
    let [inbox, state] = ["inbox", "state"].map(|name| dir.path().join(name));
    fs::create_dir(&inbox).unwrap();
    let [source, kept, bundle] = [format!("dir:{}", inbox.display()), state.display().to_string(), bundle()];
    let watching = Watching::start(in_folder(&source, &kept, &bundle), &[]);
    watching.wait_for_message("0 files were in");
    let picture = judged("genuine");
    let mut copy = fs::File::create(inbox.join("slow.jpg")).unwrap();
    let (first, rest) = picture.split_at(picture.len() / 2);
    copy.write_all(first).unwrap();
    watching.wait_for_message("slow.jpg is cut short; waiting for the rest");
    assert!(watching.rest(MOMENT).is_empty(), "half a file has no verdict");
    copy.write_all(rest).unwrap();
    let line = watching.next();
    assert!(line["said"] == "genuine" && line["path"].as_str().unwrap().ends_with("slow.jpg"), "{line}");
    watching.signal("TERM");
    let (code, messages) = watching.end();
    assert!(code == Some(0) && messages.matches("cut short").count() == 1, "{messages}");
}

/// Opening a pipe waits until somebody writes into it, as a driver may wait for its camera for ever.
#[test]
fn a_camera_that_never_answers_does_not_keep_the_box_from_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("video0");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let source = format!("v4l2:{}", pipe.display());
    let watching =
        Watching::start(["watch", "--source", &source, "--json", "--lights", "none", "--bundle", &bundle()], &[]);
    watching.wait_for_message("watching");
    std::thread::sleep(MOMENT);
    let asked = Instant::now();
    watching.signal("TERM");
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{messages}");
}

#[test]
fn damaged_frames_are_counted_and_are_no_part_of_a_verdict() {
    let genuine = judged("genuine");
    // A JPEG that lost everything except its start and its end in transfer.
    let damaged = b"\xFF\xD8\xFF\xE0\x00\x04ab\xFF\xD9";
    let mut watching =
        Watching::start(["watch", "--source", "stdin", "--json", "--lights", "console", "--bundle", &bundle()], &[]);
    let mut camera = watching.stdin.take().unwrap();
    let mut show = |picture: &[u8], times: usize| {
        for _ in 0..times {
            std::thread::sleep(Duration::from_millis(400));
            camera.write_all(picture).unwrap();
        }
    };
    for _ in 0..3 {
        show(damaged, 2);
        show(&genuine, 1);
    }
    assert_eq!(watching.next()["said"], "genuine");
    assert!(!watching.messages().contains("trying again"), "{}", watching.messages());
    // Only damaged frames for a while are a fault. Intact frames end it.
    show(damaged, 16);
    watching.wait_for_message("every frame has been damaged for 5 s");
    watching.wait_for_message("check the camera's cable");
    show(&genuine, 3);
    watching.wait_for_message("there are pictures again");
    assert_eq!(watching.next()["said"], "genuine");
    assert!(watching.rest(MOMENT).is_empty(), "nothing was said of damaged frames");
    drop(camera);
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");
    let counted =
        messages.split(" were damaged").next().and_then(|before| before.rsplit(' ').next()?.parse::<u32>().ok());
    assert!(counted.is_some_and(|counted| (20..=22).contains(&counted)), "{messages}");
}

#[test]
fn a_stream_that_is_no_mjpeg_is_a_fault_with_a_remedy() {
    let source = ["watch", "--source", "stdin", "--json", "--bundle", &bundle()];
    // Stdin that stays open without a byte and then ends without a picture.
    let watching = Watching::start(source, &[]);
    watching.wait_for_message("stdin has given nothing for 5 s; start what feeds it");
    let (code, messages) = watching.end();
    assert!(code == Some(2) && messages.contains("stdin ended without a byte"), "{messages}");
    let mut watching = Watching::start(source, &[]);
    let mut film = vec![0x5A; 100_000];
    film[..8].copy_from_slice(b"\0\0\0\x01\x67\x42\0\x1f");
    watching.stdin.as_mut().unwrap().write_all(&film).unwrap();
    watching.wait_for_message("stdin gives H.264 video and no JPEG pictures; start what feeds it");
    watching.wait_for_message("ffmpeg -i INPUT -f mjpeg -");
    watching.stdin.as_mut().unwrap().write_all(&judged("genuine").repeat(3)).unwrap();
    watching.wait_for_message("there are pictures again");
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");
    // An endless stream of bytes that contains no picture.
    let mut watching = Watching::start(source, &[]);
    let mut pipe = watching.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || while pipe.write_all(&b"\xFF\xD8\xFF\x00".repeat(1 << 14)).is_ok() {});
    watching.wait_for_message("stdin has given no whole JPEG picture for 5 s or 2 MB");
    watching.signal("TERM");
    assert_eq!(watching.end().0, Some(0), "a flood of bytes does not hold it up");
    feeding.join().unwrap();
}

#[test]
fn a_fault_is_left_though_only_the_button_has_pictures_judged() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("picture.jpg");
    fs::write(&picture, judged("genuine")).unwrap();
    let [plugged, picture] = [dir.path().join("plugged"), picture].map(|path| path.display().to_string());
    let bin = rpicam(
        dir.path(),
        &format!("[ -e {plugged} ] || exit 3; while [ -e {plugged} ]; do cat {picture}; sleep 0.2; done; exit 3"),
    );
    let watching = Watching::start(
        ["watch", "--source", "rpicam", "--on-button", "--lights", "console", "--bundle", &bundle()],
        &[found_in(&bin)],
    );
    for times in 1..3 {
        while watching.messages().matches("the camera's program ended").count() < times {
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::write(&plugged, "").unwrap();
        while watching.messages().matches("there are pictures again").count() < times {
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::remove_file(&plugged).unwrap();
    }
    watching.signal("TERM");
    assert_eq!(watching.end().0, Some(0));
}

#[test]
fn a_cameras_program_that_dies_is_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("picture.jpg");
    fs::write(&picture, judged("genuine")).unwrap();
    let script = format!(
        "for i in 1 2 3; do cat {0}; sleep 0.3; done; head -c 500 {0}; echo 'no frames: the cable is loose' >&2; exit 3",
        picture.display()
    );
    let bin = rpicam(dir.path(), &script);
    let watching = Watching::start(
        ["watch", "--source", "rpicam", "--json", "--lights", "console", "--bundle", &bundle()],
        &[found_in(&bin)],
    );
    assert_eq!(watching.next()["said"], "genuine");
    watching.wait_for_message("the cable is loose");
    assert_eq!(watching.next()["said"], "genuine", "another start, another verdict");
    // A fault blinks red and never shows green.
    let messages = watching.messages();
    let fault = &messages[messages.find("cable is loose").unwrap()..];
    assert!(!fault[..fault.find("[red on]").unwrap_or(fault.len())].contains("[green on]"), "{messages}");
    watching.signal("INT");
    assert_eq!(watching.end().0, Some(0));
}

#[test]
fn a_cameras_raw_pictures_are_judged_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    // Two and a half grey pictures of 1280 x 720. The content does not matter; only complete pictures must be judged.
    let bin = rpicam(dir.path(), "head -c 3456000 /dev/zero | tr '\\000' '\\200'; sleep 60");
    let arguments = ["watch", "--source", "rpicam:yuv420", "--json", "--bundle", &bundle()];
    let watching = Watching::start(arguments, &[found_in(&bin)]);
    watching.wait_for_message("watching rpicam:yuv420");
    std::thread::sleep(Duration::from_secs(3));
    watching.signal("TERM");
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");
    assert!(
        messages.contains("2 frames judged")
            || messages.contains("1 frames judged") && messages.contains("1 were dropped"),
        "{messages}"
    );
}

#[test]
fn what_is_missing_is_said_once_and_tried_again() {
    let watching = Watching::start(["watch", "--source", "v4l2:/dev/video-nowhere", "--bundle", &bundle()], &[]);
    watching.wait_for_message("there is no camera at /dev/video-nowhere; plug it in");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(watching.messages().matches("no camera").count(), 1, "{}", watching.messages());
    watching.signal("TERM");
    assert_eq!(watching.end().0, Some(0));
    edge(["watch", "--source", "webcam", "--bundle", "x"]).code(2).says("expected rpicam");
    edge(["watch", "--source", "stdin"]).code(2).says("--bundle");
}

#[test]
fn a_configuration_is_checked_before_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("edge.toml");
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        edge(["check-config", &path.display().to_string()])
    };
    check("source = \"stdin\"\n[pins]\ngreen = 5\n").ok();
    check("source = \"stdin\"\nligths = \"none\"\n").code(2).says("line 2").says("did you mean `lights`?");
    edge(["watch", "--config", &path.display().to_string()]).code(2).says("did you mean `lights`?");
    check("[network]\npage = \"0.0.0.0:8080\"\n").code(2).says("`page` has no effect: set `listen` too");
    check("[mqtt]\nbroker = \"mqtt://home.local:1883\"\n").ok();
    check("[mqtt]\nbroker = \"mqtts://home.local\"\n").code(2).says("mqtts:// is not spoken here");
    check("[network]\nlisten = \"http://0.0.0.0:7443\"\n").code(2).says("expected ADDRESS:PORT");
}

/// A note of the fixture, rotated on a dark table.
fn on_a_table(picture: &Path) -> image::RgbImage {
    let note = image::open(picture).unwrap().into_rgb8();
    let (width, height) = (note.width() as f64, note.height() as f64);
    let (turn, table) = ((0.995f64, 0.1f64), (1.5 * width, 2.2 * height));
    image::RgbImage::from_fn(table.0 as u32, table.1 as u32, |x, y| {
        let (dx, dy) = (f64::from(x) - table.0 / 2.0, f64::from(y) - table.1 / 2.0);
        let (u, v) = (dx * turn.0 + dy * turn.1 + width / 2.0, dy * turn.0 - dx * turn.1 + height / 2.0);
        let inside = u >= 0.0 && v >= 0.0 && u < width - 1.0 && v < height - 1.0;
        if inside { *note.get_pixel(u as u32, v as u32) } else { image::Rgb([45, 40, 38]) }
    })
}

#[test]
fn an_article_askew_is_found_for_training_and_for_judging_alike() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    fs::create_dir(&photos).unwrap();
    for entry in fs::read_dir(stage.path("notes/real")).unwrap().flatten().take(40) {
        on_a_table(&entry.path()).save(photos.join(entry.file_name())).unwrap();
    }
    // The file that `capture --article outlined` writes beside its pictures.
    fs::write(photos.join("dataset.toml"), "article = \"outlined\"\n").unwrap();
    let [run, bundle] = ["run", "bundle"].map(|name| dir.path().join(name).display().to_string());
    let photos = photos.display().to_string();
    let trained = counterfoil_tests::counterfoil([
        "train",
        "--data",
        &photos,
        "--out",
        &run,
        "--net",
        "statistics",
        "--held-out",
        "0.5",
    ])
    .ok();
    assert!(trained.stderr().contains("20 genuine pictures to learn from"), "{trained}");
    counterfoil_tests::counterfoil(["export", &run, "--out", &bundle, "--alpha", "0.1"]).ok();
    let lines = edge(["detect", "--json", "--bundle", &bundle, &photos]).lines();
    assert!(lines.iter().all(|line| line["verdict"].is_string()), "{lines:?}");
    // An empty table is not called counterfeit.
    let table = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([60 + ((x * 7 + y * 13) % 9) as u8; 3]));
    let bare = dir.path().join("bare.png");
    table.save(&bare).unwrap();
    edge(["detect", "--bundle", &bundle, &bare.display().to_string()]).code(2);
    let said = edge(["detect", "--json", "--bundle", &bundle, &bare.display().to_string()]).lines().remove(0);
    assert!(said["error"].as_str().unwrap().contains("nothing stands out"), "{said}");
}

#[test]
fn pictures_worth_learning_from_are_captured_and_others_said_why_not() {
    let stage = Stage::get();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("photos").display().to_string();
    let real = stage.path("notes/real");
    let mut notes: Vec<_> = fs::read_dir(real).unwrap().flatten().map(|entry| entry.path()).collect();
    notes.sort();
    let mut watching = Watching::start(
        ["capture", "--source", "stdin", "--out", &out, "--count", "3", "--every", "0", "--config", "/nonexistent"],
        &[],
    );
    let mut show = |picture: &[u8]| {
        std::thread::sleep(Duration::from_millis(700));
        // The program may have ended already because it has enough pictures.
        let _ = watching.stdin.as_mut().unwrap().write_all(picture);
    };
    let dark = image::RgbImage::from_pixel(640, 480, image::Rgb([3; 3]));
    let mut black = Vec::new();
    JpegEncoder::new(&mut black).encode(&dark, 640, 480, ExtendedColorType::Rgb8).unwrap();
    show(&black);
    let one = jpeg(&notes[0]);
    for _ in 0..2 {
        show(&one);
    }
    let white = image::RgbImage::from_pixel(640, 480, image::Rgb([254; 3]));
    let mut glare = Vec::new();
    JpegEncoder::new(&mut glare).encode(&white, 640, 480, ExtendedColorType::Rgb8).unwrap();
    show(&glare);
    let (code, messages) = watching.end();
    assert_eq!(code, Some(0), "{messages}");
    for expected in ["too dark", "the same as the last", "too bright"] {
        assert!(messages.contains(expected), "{expected}: {messages}");
    }
    let taken = fs::read_dir(dir.path().join("photos"))
        .unwrap()
        .flatten()
        .filter(|e| e.path().extension().is_some_and(|x| x == "png"));
    assert_eq!(taken.count(), 1);
    assert_eq!(fs::read_to_string(dir.path().join("photos/dataset.toml")).unwrap(), "article = \"whole\"\n");
}

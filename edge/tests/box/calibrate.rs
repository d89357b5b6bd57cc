//! `calibrate`: a site's own calibration from pictures and from the camera, and the way back.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Bundle, Calibration, Overlay};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, GrayImage, Luma};

use super::bundle::Fixture;
use super::cli::{edge, lines, stderr};

/// A bundle, and a state folder that is not there yet.
pub(super) struct Site(pub(super) Fixture);

impl Site {
    pub(super) fn new() -> Self {
        Self(Fixture::new())
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = edge();
        command.arg(verb).arg("--bundle").arg(self.0.bundle()).arg("--state").arg(self.0.path("state"));
        command.current_dir(self.0.path(""));
        command
    }

    fn calibrate(&self, arguments: &[&str]) -> Output {
        self.command("calibrate").args(arguments).output().unwrap()
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.calibrate(arguments);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{}", stderr(&output));
        stderr(&output)
    }

    /// Writes this many pictures, whose scores are those of a darker camera.
    pub(super) fn darker(&self, folder: &str, pictures: u8) {
        (0..pictures).for_each(|i| drop(self.0.picture(format!("{folder}/{i:02}.png"), 20 + i)));
    }

    pub(super) fn overlay(&self) -> Overlay {
        Overlay::of(&self.0.path("state"), &Bundle::open(&self.0.bundle()).unwrap())
    }

    fn verdict(&self, picture: &str) -> String {
        let line = lines(&self.command("detect").args([picture, "--json"]).output().unwrap()).remove(0);
        line["verdict"].as_str().unwrap().to_owned()
    }
}

#[test]
fn few_pictures_raise_the_rate_and_say_so_and_undo_goes_back() {
    let site = Site::new();
    site.darker("here", 36);
    site.0.picture("a.png", 40);
    assert_eq!(site.verdict("a.png"), "counterfeit", "by the bundle's calibration");
    let output = site.calibrate(&["here"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("2.71 % from 36 genuine pieces") && said.contains("have refused 32"), "{said}");
    assert!(stderr(&output).contains("do not support the bundle's rate of 1 %, which needs 99"), "{}", stderr(&output));
    assert_eq!(site.verdict("a.png"), "genuine");

    site.darker("more", 99);
    let line = lines(&site.calibrate(&["more", "--json"])).remove(0);
    assert_eq!((&line["alpha"], &line["pieces"], &line["refused_before"]), (&0.01.into(), &99.into(), &0.into()));
    assert_eq!(site.calibrate(&["--undo"]).status.code(), Some(0));
    assert_eq!(site.overlay().calibration().unwrap().unwrap().scores().len(), 36);
    assert_eq!(site.calibrate(&["--undo"]).status.code(), Some(0));
    assert_eq!(site.verdict("a.png"), "counterfeit");
    assert!(site.refused(&["--undo"]).contains("no calibration of this site to undo"));
}

#[test]
fn what_supports_no_calibration_is_refused_and_leaves_the_earlier_one() {
    let site = Site::new();
    let earlier = Calibration::new(0.1, vec![0.5; 9]).unwrap();
    site.overlay().calibrate(&earlier).unwrap();
    site.darker("few", 8);
    site.darker("some", 20);
    fs::write(site.0.path("broken.png"), "no picture").unwrap();
    assert!(site.refused(&["few"]).contains("8 genuine pieces support no false-alarm rate; expected 9 or more"));
    assert!(site.refused(&["some", "broken.png"]).contains("broken.png: "));
    let strict = site.refused(&["some", "--alpha", "0.01"]);
    assert!(strict.contains("at least 99") && strict.contains("--alpha 0.0477"), "{strict}");
    assert!(site.refused(&["--source", "stdin", "--alpha", "0.01"]).contains("at least 99"), "before the first piece");
    assert!(site.refused(&["--source", "dir:some"]).contains("calibrate FOLDER"));
    assert!(site.refused(&["--config", "lost.toml", "some"]).contains("lost.toml: there is no such file"));
    assert_eq!(site.overlay().calibration().unwrap(), Some(earlier));
}

#[test]
fn a_calibration_and_a_dismissal_end_the_doubt() {
    let site = Site::new();
    site.darker("here", 36);
    let doubt = || site.overlay().set_drift(Some(Drift::Changed { since_ms: 1 }), &[1.0]).unwrap();
    let doubted = || site.overlay().drift(&[1.0]).unwrap().is_some();
    doubt();
    assert_eq!(site.calibrate(&["here"]).status.code(), Some(0));
    assert!(!doubted());
    doubt();
    let dismissed = site.calibrate(&["--dismiss"]);
    assert!(stderr(&dismissed).contains("no longer doubted") && !doubted(), "{}", stderr(&dismissed));
    assert!(stderr(&site.calibrate(&["--dismiss"])).contains("no verdict was doubted"));
    assert!(site.overlay().calibration().unwrap().is_some());
}

/// A table with an article of this shade on a third of it, as a camera's JPEG picture; `None` for the empty table.
fn frame(article: Option<u8>) -> Vec<u8> {
    let image = GrayImage::from_fn(96, 64, |x, _| Luma([article.filter(|_| x < 32).unwrap_or(90)]));
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode(image.as_raw(), 96, 64, ExtendedColorType::L8).unwrap();
    bytes
}

/// Shows frames on stdin until the program says this on stderr.
fn show(stdin: &mut impl Write, talk: &mpsc::Receiver<String>, article: Option<u8>, until: &str) {
    let (frame, patience) = (frame(article), Instant::now() + Duration::from_mins(1));
    let mut said = Vec::new();
    while Instant::now() < patience {
        // The program may have ended after the last piece.
        let _ = stdin.write_all(&frame);
        if let Ok(line) = talk.recv_timeout(Duration::from_millis(20)) {
            let found = line.contains(until);
            said.push(line);
            if found {
                return;
            }
        }
    }
    panic!("it never said {until:?}: {said:?}");
}

#[test]
fn pieces_before_the_camera_are_counted_and_an_interrupted_row_changes_nothing() {
    let site = Site::new();
    let begin = || {
        let mut child = site
            .command("calibrate")
            .args(["--source", "stdin", "--count", "9", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (line, talk) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|said| line.send(said)));
        let stdin = child.stdin.take().unwrap();
        (child, stdin, talk)
    };
    let (child, mut stdin, talk) = begin();
    show(&mut stdin, &talk, None, "0 of 9: lay the next piece");
    show(&mut stdin, &talk, Some(200), "0 of 9: take it away");
    show(&mut stdin, &talk, None, "1 of 9: lay the next piece");
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(talk.iter().any(|line| line.contains("the pictures ended, after 1 of 9 pieces; nothing was changed")));
    assert_eq!(site.overlay().calibration().unwrap(), None);
    assert!(!site.0.path("state").exists());

    let (child, mut stdin, talk) = begin();
    show(&mut stdin, &talk, None, "0 of 9: lay the next piece");
    for piece in 0..9 {
        show(&mut stdin, &talk, Some(200 + 2 * piece), &format!("{piece} of 9: take it away"));
        show(&mut stdin, &talk, None, &format!("{} of 9", piece + 1));
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(lines(&output)[0]["pieces"], 9);
    let calibration = site.overlay().calibration().unwrap().unwrap();
    assert!(calibration.scores().is_sorted_by(|a, b| a < b), "nine pieces, nine scores: {calibration:?}");
    assert!(site.0.path("state/empty-scene.json").exists());
}

//! A box that doubts its verdicts, as those who read its page and its metrics see it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use counterfoil_models::Frame;
use image::{GrayImage, Luma};
use serde_json::Value;

use super::bundle::Fixture;
use super::cli::edge;

/// A box that judges the files put into a folder, with a page.
struct Served<'a> {
    fixture: &'a Fixture,
    child: Child,
    page: u16,
}

impl<'a> Served<'a> {
    fn start(fixture: &'a Fixture) -> Self {
        fs::create_dir_all(fixture.path("in")).unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (listen, page) = (free(), free());
        let path = |name: &str| fixture.path(name).display().to_string();
        let config = format!(
            "source = \"dir:{}\"\nbundle = \"{}\"\nstate = \"{}\"\nlights = \"none\"\nscreen = -1\n[network]\n\
             listen = \"127.0.0.1:{listen}\"\npage = \"127.0.0.1:{page}\"\nannounce = false\n",
            path("in"),
            path("bundle"),
            path("state"),
        );
        fs::write(fixture.path("edge.toml"), config).unwrap();
        let mut serve = edge();
        serve.args(["serve", "--json", "--config"]).arg(fixture.path("edge.toml"));
        let mut child = serve.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(talk.any(|line| line.contains("each new one is")), "it has ended");
        std::thread::spawn(move || talk.for_each(drop));
        Self { fixture, child, page }
    }

    /// Puts in pictures of these shades.
    fn show(&self, name: &str, shades: impl IntoIterator<Item = u8>) {
        for (at, shade) in shades.into_iter().enumerate() {
            // One pixel differs from picture to picture, because copies of a picture count once.
            let mut image = GrayImage::from_pixel(40, 30, Luma([shade]));
            image.put_pixel(0, 0, Luma([at as u8]));
            let bytes = Frame::Grey(image).to_png().unwrap();
            fs::write(self.fixture.path(&format!("in/{name}-{at:02}.png")), bytes).unwrap();
        }
    }

    fn reads(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Waits until the status says this kind of doubt.
    fn doubts(&self, kind: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let status: Value = serde_json::from_str(&self.reads("/v1/status")).unwrap();
            if status["drift"]["kind"] == kind {
                return status;
            }
            assert!(Instant::now() < end, "never {kind}: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_doubt_is_in_the_status_and_the_metrics_and_a_change_survives_a_killed_box() {
    let fixture = Fixture::new();
    let served = Served::start(&fixture);
    served.show("dark", [10; 6]);
    let asking = served.doubts("rejections");
    assert_eq!((&asking["drift"]["counterfeit"], &asking["drift"]["of"]), (&6.into(), &6.into()));
    assert_eq!(asking["seen"]["said"], "counterfeit", "red stays red");
    let metrics = served.reads("/metrics");
    assert!(metrics.contains("counterfoil_drift{kind=\"rejections\"} 1"), "{metrics}");

    // All in the upper tenth of the calibration.
    served.show("light", (0..30).map(|at| 97 + at % 5));
    let changed = served.doubts("changed");
    let since = changed["drift"]["since_ms"].clone();
    served.show("last", [101]);
    let metrics = served.reads("/metrics");
    let holds = ["counterfoil_drift{kind=\"changed\"} 1", "counterfoil_drift{kind=\"rejections\"} 0"];
    assert!(holds.iter().all(|line| metrics.contains(line)), "{metrics}");
    drop(served);

    let again = Served::start(&fixture);
    assert_eq!(again.doubts("changed")["drift"]["since_ms"], since);
    again.show("again", [101]);
    let end = Instant::now() + Duration::from_secs(30);
    let seen = loop {
        let seen = again.doubts("changed")["seen"].clone();
        if seen["p_value"].is_f64() {
            break seen;
        }
        assert!(Instant::now() < end, "it judges nothing: {seen}");
    };
    assert_eq!(seen["said"], "unsure");
    assert!(seen["why"].as_str().unwrap().contains("calibrate"), "{seen}");
}

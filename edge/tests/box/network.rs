//! The box's program under requests that are too many, too large, too slow or not meant for it: its memory, and who
//! still gets in.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use image::{ImageFormat, RgbImage};
use serde_json::Value;

use super::bundle::{Fixture, png};
use super::cli::edge;

/// The most memory that the box may take under any load, in MB.
const BOUND: u64 = 96;

/// A running box with a folder as its camera. It is killed when this value is dropped.
struct Served {
    fixture: Fixture,
    child: Child,
    /// URLs of the TLS listener and of the plain page.
    tls: String,
    page: String,
    token: String,
}

impl Served {
    fn start(public: bool) -> Self {
        let fixture = Fixture::new();
        let at = |name: &str| fixture.path(name).display().to_string();
        fs::create_dir(at("in")).unwrap();
        fs::create_dir(at("state")).unwrap();
        let page = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let plain = if public { format!("page = {page:?}") } else { "public = false".into() };
        let config = format!(
            "state = {:?}\nsource = \"dir:{}\"\nbundle = {:?}\nlights = \"none\"\nscreen = -1\n\
             [network]\nname = \"till\"\nannounce = false\nhosts = [\"till.example.org\"]\n{plain}\n",
            at("state"),
            at("in"),
            at("bundle")
        );
        fs::write(at("edge.toml"), config).unwrap();
        let token = new_token(&fixture.path("state"), "referee");
        let mut command = edge();
        command.args(["serve", "--config", &at("edge.toml"), "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let tls = lines.find_map(|line| Some(line.split("https://").nth(1)?.split(';').next()?.to_owned())).unwrap();
        thread::spawn(move || lines.for_each(drop));
        Self { fixture, child, tls: format!("https://{tls}"), page: format!("http://{page}"), token }
    }

    fn state(&self) -> String {
        self.fixture.path("state").display().to_string()
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// Status and body of a request from one of this machine's addresses, 127.0.0.N.
    fn ask(&self, number: usize, path: &str, what: &[&str]) -> (u16, String) {
        let output = curl(number, &format!("{}{path}", self.tls), what).output().unwrap();
        status_and_body(&output)
    }

    /// The statuses of many requests at once, with this header of authorization, from eight addresses.
    fn many(&self, count: usize, path: &str, authorization: &str, what: &[&str]) -> Vec<u16> {
        let what = [&["--header", authorization], what].concat();
        let ask = |number: usize| self.ask(1 + number % 8, path, &what).0;
        thread::scope(|scope| {
            let asked: Vec<_> = (0..count).map(|number| scope.spawn(move || ask(number))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap()).collect()
        })
    }

    /// A picture that the camera sees: noise, so that it is large.
    fn show(&self, width: u32, height: u32) {
        let mut seed = 1u32;
        let mut noise = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        let picture = RgbImage::from_fn(width, height, |_, _| image::Rgb([noise(), noise(), noise()]));
        let (part, bearer) = (self.fixture.path("noise.png"), self.bearer());
        picture.save_with_format(&part, ImageFormat::Png).unwrap();
        let mut number = 0;
        until("the picture is judged", || {
            // What is there before the folder is first listed is not judged.
            number += 1;
            fs::copy(&part, self.fixture.path("part.png")).unwrap();
            fs::rename(self.fixture.path("part.png"), self.fixture.path(&format!("in/{number}.png"))).unwrap();
            thread::sleep(Duration::from_secs(1));
            self.ask(1, "/v1/picture.jpg", &["--output", "/dev/null", "--header", &bearer]).0 == 200
        });
    }

    /// Number of open sockets.
    fn sockets(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().flatten();
        let is_socket = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket"));
        open.filter(|entry| is_socket(&entry.path())).count()
    }

    /// Resident memory in MB: now, and at most since the last call.
    fn memory(&self) -> (u64, u64) {
        let at = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{at}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
        };
        let memory = (field("VmRSS:"), field("VmHWM:"));
        fs::write(format!("{at}/clear_refs"), "5").unwrap();
        memory
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn new_token(state: &Path, name: &str) -> String {
    let output = edge().args(["token", "new", name, "--state"]).arg(state).output().unwrap();
    let given: Value = serde_json::from_slice(&output.stdout).unwrap();
    given["token"].as_str().unwrap().to_owned()
}

fn curl(number: usize, url: &str, what: &[&str]) -> Command {
    let mut command = Command::new("curl");
    let from = format!("127.0.0.{number}");
    command.args(["--silent", "--insecure", "--max-time", "60", "--write-out", "\n%{http_code}", "--interface", &from]);
    command.args(what).arg(url);
    command
}

fn status_and_body(output: &Output) -> (u16, String) {
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    (status.parse().unwrap_or(0), body.to_owned())
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn end(children: Vec<Child>) {
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn requests_at_once_do_not_fill_memory_and_what_they_took_is_given_back() {
    let served = Served::start(true);
    served.show(2400, 1600);
    let (before, _) = served.memory();
    let within_bound = |what: &str| {
        let (now, most) = served.memory();
        assert!(most < BOUND && now < before + 32, "{what}: {before} MB before, {most} MB at most, {now} MB after");
    };
    let statuses = served.many(128, "/v1/picture.jpg", &served.bearer(), &["--output", "/dev/null"]);
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 64, "{statuses:?}");
    within_bound("128 requests for a picture");
    for (count, megabytes) in [(128, 1), (32, 20)] {
        let body = served.fixture.path("body");
        fs::write(&body, vec![b'x'; (megabytes << 20) - 1]).unwrap();
        let data = format!("@{}", body.display());
        let post = ["--data-binary", &data, "--header", "Content-Type:"];
        let statuses = served.many(count, "/v1/detect", &served.bearer(), &post);
        assert!(statuses.contains(&422), "some are judged, and are no pictures: {statuses:?}");
        // A client that still sends when its connection is closed reads no status, or the one that let it send.
        assert!(statuses.iter().all(|status| [422, 503, 100, 0].contains(status)), "{statuses:?}");
        within_bound(&format!("{count} bodies of {megabytes} MB"));
        let statuses = served.many(count, "/v1/detect", "Authorization: none", &post);
        assert!(statuses.iter().all(|status| [401, 100, 0].contains(status)), "{statuses:?}");
        within_bound(&format!("{count} bodies of {megabytes} MB without a token"));
    }
    let (status, judged) =
        served.ask(1, "/v1/detect", &["--header", &served.bearer(), "--data-binary", &picture(&served)]);
    assert_eq!(status, 200, "{judged}");
}

/// The argument of curl for a picture to judge.
fn picture(served: &Served) -> String {
    let path = served.fixture.path("small.png");
    fs::write(&path, png(230)).unwrap();
    format!("@{}", path.display())
}

#[test]
fn a_revoked_token_is_cut_off_from_what_it_reads() {
    let served = Served::start(false);
    served.show(64, 48);
    let [ann, bob] = ["ann", "bob"].map(|name| new_token(&served.fixture.path("state"), name));
    let listen = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let mut command = curl(1, &format!("{}/v1/events", served.tls), &["--no-buffer", "--header", &header]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().starts_with("data:"), "the last statement");
        child
    };
    let (mut ann, mut bob) = (listen(&ann), listen(&bob));
    let revoked = edge().args(["token", "revoke", "ann", "--state", &served.state()]).output().unwrap();
    assert!(revoked.status.success());
    let begun = Instant::now();
    until("the stream ends", || ann.try_wait().unwrap().is_some());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    thread::sleep(Duration::from_millis(500));
    assert!(bob.try_wait().unwrap().is_none(), "another's stream goes on");
    end(vec![bob]);
}

#[test]
fn a_revoked_token_stays_revoked_whoever_else_is_let_in_meanwhile() {
    let fixture = Fixture::new();
    let state = fixture.path("state");
    fs::create_dir(&state).unwrap();
    let begin = |what: &[&str]| {
        edge().arg("token").args(what).arg("--state").arg(&state).stdout(Stdio::null()).spawn().unwrap()
    };
    for _ in 0..10 {
        new_token(&state, "ann");
        let children = [begin(&["new", "bob"]), begin(&["revoke", "ann"]), begin(&["new", "cyd"])];
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        let list = edge().args(["token", "list", "--state"]).arg(&state).output().unwrap();
        let list = String::from_utf8(list.stdout).unwrap();
        assert!(!list.contains("ann") && list.contains("bob") && list.contains("cyd"), "{list}");
    }
}

#[test]
fn unfinished_bodies_do_not_keep_a_paired_visitor_out() {
    let served = Served::start(false);
    let hold = |number: usize| {
        let mut command =
            curl(1 + number % 4, &format!("{}/v1/status", served.tls), &["--request", "GET", "--upload-file", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"the beginning").unwrap();
        child
    };
    let held: Vec<Child> = (0..127).map(hold).collect();
    thread::sleep(Duration::from_secs(1));
    for number in [1, 5] {
        let begun = Instant::now();
        let asked =
            served.ask(number, "/v1/detect", &["--header", &served.bearer(), "--data-binary", &picture(&served)]);
        assert_eq!(asked.0, 200, "from 127.0.0.{number}: {}", asked.1);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let begun = Instant::now();
    until("every unfinished request is answered and closed", || served.sockets() < 10);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    end(held);
}

#[test]
fn streams_without_a_token_leave_places_for_the_paired() {
    let served = Served::start(true);
    let listen = |url: &str, number: usize| {
        let mut command = curl(1 + number % 4, &format!("{url}/v1/events"), &["--no-buffer"]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<Child> = (0..128).map(|number| listen(&served.tls, number)).collect();
    let plain: Vec<Child> = (0..128).map(|number| listen(&served.page, number)).collect();
    thread::sleep(Duration::from_secs(3));
    let bearer = served.bearer();
    for number in [1, 5] {
        let post = ["--header", &bearer, "--data-binary", &picture(&served)];
        let (status, judged) = served.ask(number, "/v1/detect", &post);
        assert_eq!(status, 200, "from 127.0.0.{number}: {judged}");
    }
    let stream =
        curl(1, &format!("{}/v1/events", served.tls), &["--max-time", "1", "--header", &bearer]).output().unwrap();
    assert_eq!(status_and_body(&stream).0, 200);
    let (status, why) = served.ask(1, "/v1/events", &["--max-time", "5"]);
    assert!(status == 503 && why.contains("too many"), "one address has its share: {status} {why}");
    end(all);
    end(plain);
    let page = curl(1, &format!("{}/v1/status", served.page), &[]).output().unwrap();
    assert_eq!(status_and_body(&page).0, 200);
}

#[test]
fn a_request_has_the_boxs_own_name_and_no_body_where_none_belongs() {
    let served = Served::start(true);
    served.show(64, 48);
    let bearer = served.bearer();
    for host in ["evil.example", "till.evil.example", "127.0.0.1.evil.example", ""] {
        let host = format!("Host: {host}");
        let foreign = ["--header", &host];
        for path in ["/", "/v1/status", "/v1/picture.jpg", "/v1/events", "/metrics"] {
            assert_eq!(served.ask(1, path, &foreign).0, 421, "{path} {host}");
            let page = curl(1, &format!("{}{path}", served.page), &foreign).output().unwrap();
            assert_eq!(status_and_body(&page).0, 421, "{path} {host}");
        }
        let begin = ["--header", &host, "--json", r#"{"name":"ann"}"#];
        assert_eq!(served.ask(1, "/v1/pair/begin", &begin).0, 421);
        assert_eq!(
            served.ask(1, "/v1/status", &["--header", &host, "--header", &bearer]).0,
            200,
            "a token is no page's"
        );
    }
    for host in ["till", "till.local:7443", "localhost", "counterfoil", "till.example.org"] {
        assert_eq!(served.ask(1, "/v1/status", &["--header", &format!("Host: {host}")]).0, 200, "{host}");
    }
    for what in [["--request", "GET", "--data", "x"], ["--request", "GET", "--upload-file", "/dev/null"]] {
        let (status, why) = served.ask(1, "/v1/status", &what);
        assert!(status == 413 && why.contains("no body") || what[3] == "/dev/null", "{status} {why}");
    }
    let look = ["--header", bearer.as_str(), "--data", "x"];
    assert_eq!(served.ask(1, "/v1/leave", &look).0, 413);
}

#[test]
fn wrong_codes_from_one_address_keep_no_other_out() {
    let served = Served::start(true);
    let begin = |number: usize| served.ask(number, "/v1/pair/begin", &["--json", r#"{"name":"ann"}"#]);
    for _ in 0..6 {
        assert_eq!(begin(2).0, 200);
    }
    let (status, why) = begin(2);
    assert!(status == 429 && why.contains("press the button"), "{status} {why}");
    assert_eq!(begin(1).0, 200);
}

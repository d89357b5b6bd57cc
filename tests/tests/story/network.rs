//! A box on the network: access with tokens and pairing, its answers, and its behaviour under slow, faulty and
//! excessive requests.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use counterfoil_tests::{
    Served, Stage, Watching, built, counterfoil, counterfoil_reading, edge, jpeg, root, skip, until,
};
use serde_json::Value;

fn bundle() -> String {
    root().join("models/pretrained/specimen-note-statistics").display().to_string()
}

fn note() -> String {
    let stage = Stage::get();
    let mut notes: Vec<_> = fs::read_dir(stage.path("test/real")).unwrap().map(|entry| entry.unwrap().path()).collect();
    notes.sort();
    notes.remove(0).display().to_string()
}

#[test]
fn a_paired_visitor_gets_the_verdict_that_the_box_itself_would_give() {
    let served = Served::start("till", &["--source", "none", "--bundle", &bundle()]);
    let (status, judged) = served.asks("/v1/detect", &["--data-binary", &format!("@{}", note())]);
    assert_eq!(status, 200, "{judged}");
    let own = edge(["detect", "--json", "--bundle", &bundle(), &note()]).lines().remove(0);
    for key in ["score", "p_value", "verdict"] {
        assert_eq!(judged[key], own[key], "{judged} {own}");
    }
    assert_eq!(judged["model"].as_str().unwrap().len(), 64);
    let (_, status) = served.reads("/v1/status");
    assert_eq!(status["name"], "till");
    assert_eq!((&status["source"], &status["judged"]), (&"none".into(), &1.into()));
    assert_eq!(status["bounds"], serde_json::json!({ "counterfeit": 0.01, "unsure": 0.05 }), "what the page draws");
    let (_, refused) = served.asks("/v1/look", &["--data", ""]);
    assert!(refused["error"].as_str().unwrap().contains("no camera"), "{refused}");
    let page = served.text("/");
    // The namespace of SVG is a name; nothing is fetched from it.
    let elsewhere = page.replace("http://www.w3.org/2000/svg", "");
    assert!(page.contains("<title>Counterfoil</title>") && !elsewhere.contains("http"), "fetches nothing");
    let metrics = served.text("/metrics");
    assert!(
        metrics.contains("counterfoil_pictures_judged_total 1") && metrics.contains("counterfoil_model_info{"),
        "{metrics}"
    );
}

#[test]
fn nobody_gets_in_without_a_token_that_counts() {
    let served = Served::start("till", &["--source", "none", "--bundle", &bundle()]);
    let picture = format!("@{}", note());
    let post = ["--data-binary", &picture];
    for token in ["", "0", &"f".repeat(64), &served.token[1..], &served.token.to_uppercase()] {
        let (status, refused) = served.asks_as(token, "/v1/detect", &post);
        assert_eq!(status, 401, "{refused}");
        assert!(refused["error"].as_str().unwrap().contains("counterfoil pair"), "{refused}");
        assert_eq!(served.asks_as(token, "/v1/look", &["--data", ""]).0, 401);
        assert_eq!(served.asks_as(token, "/v1/bundle", &["--upload-file", &note()]).0, 401);
    }
    assert_eq!(served.asks("/v1/detect", &post).0, 200);
    let state = served.state.display().to_string();
    assert!(edge(["token", "--state", &state, "list"]).ok().stdout().starts_with("referee "));
    edge(["token", "--state", &state, "revoke", "referee"]).ok();
    assert_eq!(served.asks("/v1/detect", &post).0, 401, "revoked is out at once");
    edge(["token", "--state", &state, "revoke", "referee"]).code(2).says("token list");
}

#[test]
fn bad_requests_get_clear_answers() {
    let served = Served::start("till", &["--source", "none", "--bundle", &bundle()]);
    let large = served.state.join("large");
    fs::File::create(&large).unwrap().set_len(100 << 20).unwrap();
    let large = format!("@{}", large.display());
    let refused = |path: &str, what: &[&str]| {
        let (status, answer) = served.asks(path, what);
        (status, answer["error"].as_str().unwrap_or_default().to_owned())
    };
    let (status, why) = refused("/v1/detect", &["--data-binary", "no picture"]);
    assert!(status == 422 && why.contains("PNG"), "{status} {why}");
    let cut = fs::read(note()).unwrap();
    fs::write(served.state.join("cut"), &cut[..cut.len() * 9 / 10]).unwrap();
    let (status, why) = refused("/v1/detect", &["--data-binary", &format!("@{}", served.state.join("cut").display())]);
    assert_eq!(status, 422, "a damaged picture has no verdict: {why}");
    let (status, why) = refused("/v1/detect", &["--form", &format!("picture=@{}", note())]);
    assert!(status == 415 && why.contains("curl --data-binary @picture.jpg"), "{status} {why}");
    assert_eq!(refused("/v1/detect", &["--json", "{}"]).0, 415);
    assert_eq!(refused("/v1/detect", &["--data-binary", &large]).0, 413);
    assert_eq!(refused("/v1/detect", &["--header", "Expect:", "--data-binary", &large]).0, 413);
    assert_eq!(refused("/v1/nothing", &[]).0, 404);
    assert_eq!(refused("/v1/../../etc/passwd", &["--path-as-is"]).0, 404);
    assert_eq!(refused("/v1/detect", &[]).0, 405);
    assert_eq!(refused("/v1/pair/begin", &["--json", "{}"]).0, 422);
    assert_eq!(refused("/v1/pair/begin", &["--json", r#"{"name":"a b"}"#]).0, 400);
    assert_eq!(refused("/v1/pair/confirm", &["--json", r#"{"id":"0","proof":"0"}"#]).0, 403);
    assert_eq!(served.asks("/v1/detect", &["--data-binary", &format!("@{}", note())]).0, 200, "and goes on");
}

#[test]
fn a_code_that_the_box_shows_pairs_and_another_does_not() {
    let served = Served::start("till", &["--source", "none", "--bundle", &bundle()]);
    let boxes = served.state.join("boxes.toml").display().to_string();
    let pair = |typed: &dyn Fn(&str) -> String| {
        let before = served.watching.messages().matches("the code is").count();
        counterfoil_reading(["pair", &served.address, "--visitor", "desk", "--boxes", &boxes], || {
            let mut code = None;
            until(Duration::from_mins(1), "the box shows a code", || {
                let messages = served.watching.messages();
                let line = messages.lines().filter(|line| line.contains("the code is")).nth(before);
                code = line.and_then(|line| line.rsplit(' ').next()).map(str::to_owned);
                code.is_some()
            });
            typed(&code.unwrap()) + "\n"
        })
    };
    let wrong = |code: &str| format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
    pair(&wrong).code(2).says("not the code the box shows");
    assert!(!served.state.join("boxes.toml").exists());
    assert!(pair(&str::to_owned).ok().stdout().contains(&served.fingerprint));
    let kept = fs::read_to_string(&boxes).unwrap();
    assert!(kept.contains("name = \"till\"") && kept.contains(&served.fingerprint), "{kept}");
    counterfoil(["pair", "127.0.0.1:1", "--boxes", &boxes]).code(2).says("counterfoil-edge serve");
}

#[test]
fn who_dawdles_or_floods_holds_up_nobody() {
    let jpeg = jpeg(Path::new(&note()));
    let mut served = Served::start("till", &["--source", "stdin", "--json", "--bundle", &bundle()]);
    // Incomplete handshakes, half-closed sockets, and bytes that are not TLS.
    let mut dawdlers = Vec::new();
    for number in 0..60 {
        let mut stream = TcpStream::connect(&served.address).unwrap();
        match number % 3 {
            0 => {
                let _ = stream.write_all(&[0x16, 3, 1]);
            }
            1 => {
                let _ = stream.shutdown(Shutdown::Write);
            }
            _ => {
                let _ = stream.write_all(&[b'A'; 4096]);
            }
        }
        dawdlers.push(stream);
    }
    let mut camera = served.watching.stdin.take().unwrap();
    let seen = served.watching.next_while_filming(&mut camera, &jpeg);
    assert!(seen["said"].is_string(), "the camera's loop goes on: {seen}");
    // Another address still gets a connection. This address gets one again when the idle connections are closed.
    let elsewhere = served.asks("/v1/detect", &["--interface", "127.0.0.2", "--data-binary", &format!("@{}", note())]);
    assert_eq!(elsewhere.0, 200, "{}", elsewhere.1);
    until(Duration::from_secs(30), "idle connections are closed", || served.reads("/v1/status").0 == 200);
    for mut stream in dawdlers {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    // More requests at once than the box can judge: each one gets a verdict or status 503; none waits for ever.
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = || served.asks("/v1/detect", &["--data-binary", &format!("@{}", note())]).0;
        let asking: Vec<_> = (0..24).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| [200, 503].contains(status)) && statuses.contains(&200), "{statuses:?}");
    drop(camera);
}

#[test]
fn a_box_looks_when_it_is_asked_and_tells_all_who_listen() {
    let jpeg = jpeg(Path::new(&note()));
    let mut served = Served::start("till", &["--source", "stdin", "--json", "--bundle", &bundle()]);
    let mut camera = served.watching.stdin.take().unwrap();
    let filming = thread::spawn(move || {
        for _ in 0..100 {
            if camera.write_all(&jpeg).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    });
    let said = served.watching.next();
    let (status, seen) = served.asks("/v1/look", &["--data", ""]);
    assert_eq!((status, &seen["said"]), (200, &said["said"]), "{seen}");
    assert!(seen["picture"].as_str().unwrap().len() == 64 && seen["p_value"].is_f64(), "{seen}");
    let shown = served.bytes("/v1/picture.jpg");
    assert!(shown.starts_with(b"\xff\xd8"), "the camera's own JPEG");
    let events = served.text_for(Duration::from_secs(2), "/v1/events");
    let event = events.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_else(|| panic!("{events}"));
    assert_eq!(serde_json::from_str::<Value>(event).unwrap()["said"], said["said"]);
    drop(served);
    filming.join().unwrap();
}

#[test]
fn a_fault_is_left_on_the_network_too() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = dir.path().join("inbox");
    let source = format!("dir:{}", inbox.display());
    let served = Served::start("till", &["--source", &source, "--bundle", &bundle()]);
    let status_until = |what: &str, holds: &dyn Fn(&Value) -> bool| {
        until(Duration::from_secs(30), what, || holds(&served.reads("/v1/status").1));
    };
    status_until("a fault", &|status| status["fault"].as_str().is_some_and(|fault| fault.contains("cannot be listed")));
    assert_eq!(served.reads("/v1/status").1["seen"]["said"], "fault");
    assert!(served.text("/metrics").contains("counterfoil_camera_fault 1"));
    fs::create_dir(&inbox).unwrap();
    status_until("no fault, with nothing to judge", &|status| {
        status["fault"].is_null() && status["seen"]["said"] == "nothing"
    });
    assert!(served.text("/metrics").contains("counterfoil_camera_fault 0"));
    fs::copy(note(), inbox.join("a.png")).unwrap();
    status_until("the file's verdict, by its name", &|status| {
        status["seen"]["file"] == "a.png" && status["seen"]["p_value"].is_f64()
    });
}

#[test]
fn a_bundle_comes_over_the_network_only_if_it_is_signed_by_a_key_of_the_box() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    for key in ["ours", "theirs"] {
        counterfoil(["key", "new", "--out", &path(key)]).ok();
    }
    let stage = Stage::get();
    let bundle = stage.copy("statistics", &dir.path().join("bundle"));
    let pack = |name: &str| {
        let packed = Command::new("tar").args(["-C", &bundle.display().to_string(), "-cf", &path(name), "."]).status();
        assert!(packed.unwrap().success());
        path(name)
    };
    let served = Served::start_with("till", &["--source", "none"], |state| {
        edge(["model", "install", &self::bundle(), "--select", "--state", state]).ok();
    });
    let put = |tar: &str| served.asks("/v1/bundle", &["--upload-file", tar]);
    let unsigned = pack("unsigned.tar");
    let (status, why) = put(&unsigned);
    assert!(status == 403 && why["error"].as_str().unwrap().contains("key install"), "{status} {why}");
    let state = served.state.display().to_string();
    edge(["key", "install", &path("ours.pub"), "--state", &state]).ok();
    assert_eq!(put(&unsigned).0, 403, "not signed");
    // The network of an unsigned bundle is not looked at, whatever is in it.
    let network = fs::read(bundle.join("discriminator.onnx")).unwrap();
    fs::write(bundle.join("discriminator.onnx"), vec![0x0a; 1 << 20]).unwrap();
    assert_eq!(put(&pack("bomb.tar")).0, 403, "not signed");
    assert_eq!(served.reads("/v1/status").0, 200, "the box lives");
    fs::write(bundle.join("discriminator.onnx"), network).unwrap();
    counterfoil(["key", "sign", &bundle.display().to_string(), "--key", &path("theirs.key")]).ok();
    assert_eq!(put(&pack("theirs.tar")).0, 403, "signed by another");
    fs::remove_file(bundle.join("manifest.json.minisig")).unwrap();
    counterfoil(["key", "sign", &bundle.display().to_string(), "--key", &path("ours.key"), "--force"]).ok();
    let signed = pack("ours.tar");
    let cut = fs::read(&signed).unwrap();
    fs::write(path("cut.tar"), &cut[..cut.len() / 2]).unwrap();
    assert_eq!(put(&path("cut.tar")).0, 422);
    let (status, installed) = put(&signed);
    assert_eq!(status, 200, "{installed}");
    // The new model is activated, and the old one can be activated again.
    until(Duration::from_secs(20), "the new model runs", || {
        served.reads("/v1/status").1["model"]["id"] == installed["model"]["id"]
    });
    assert_eq!(
        fs::read_dir(&served.state)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with(".incoming"))
            .count(),
        0
    );
    edge(["model", "rollback", "--state", &state]).ok();
}

#[test]
fn a_home_automation_hears_of_the_box() {
    if Command::new("mosquitto").arg("-h").output().is_err() {
        counterfoil_tests::skip("no mosquitto; scripts/setup installs it");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut broker = Command::new("mosquitto").args(["-p", &port]).spawn().unwrap();
    let jpeg = jpeg(Path::new(&note()));
    let config = dir.path().join("edge.toml");
    let text = format!(
        "source = \"stdin\"\nbundle = {:?}\nstate = {:?}\nlights = \"none\"\nscreen = -1\n[network]\nname = \"till\"\n[mqtt]\nbroker = \"127.0.0.1:{port}\"\n",
        bundle(),
        dir.path().join("state")
    );
    fs::write(&config, text).unwrap();
    let mut watching = Watching::start(["watch", "--config", &config.display().to_string(), "--json"], &[]);
    let mut camera = watching.stdin.take().unwrap();
    let said = watching.next_while_filming(&mut camera, &jpeg)["said"].clone();
    let heard = |topic: &str| {
        let output = Command::new("mosquitto_sub")
            .args(["-p", &port, "-t", topic, "-C", "1", "-W", "20"])
            .output()
            .expect("mosquitto-clients come with mosquitto");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let discovery: Value = serde_json::from_str(&heard("homeassistant/device/+/config")).unwrap();
    assert_eq!(discovery["dev"]["name"], "till");
    let topic = |of: &str| discovery.pointer(of).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (seen, online) = (topic("/cmps/verdict/state_topic"), topic("/availability_topic"));
    assert!(seen.starts_with("counterfoil/") && !seen.contains("till"), "a name may be another box's too: {seen}");
    assert_eq!(heard(&online), "online");
    assert_eq!(serde_json::from_str::<Value>(&heard(&seen)).unwrap()["said"], said);
    // A second box with the same name does not disconnect this one.
    let other = dir.path().join("other.toml");
    let text = fs::read_to_string(&config).unwrap().replace("/state\"", "/other\"");
    fs::write(&other, text).unwrap();
    let second = Watching::start(["watch", "--config", &other.display().to_string(), "--json"], &[]);
    let devices = Command::new("mosquitto_sub")
        .args(["-p", &port, "-t", "homeassistant/device/+/config", "-C", "2", "-W", "20", "-F", "%t"])
        .output()
        .unwrap();
    let devices = String::from_utf8(devices.stdout).unwrap();
    let topics: std::collections::BTreeSet<&str> = devices.lines().collect();
    assert_eq!(topics.len(), 2, "{devices}");
    // Two clients that throw each other out do so as fast as they connect. That it does not happen takes time to see.
    thread::sleep(Duration::from_secs(6));
    assert!(
        !watching.messages().contains("MQTT") && !second.messages().contains("MQTT"),
        "{}{}",
        watching.messages(),
        second.messages()
    );
    drop(second);
    // When the power of a box is cut, its last will reports it as offline.
    watching.signal("KILL");
    until(Duration::from_mins(1), "the last will", || heard(&online) == "offline");
    broker.kill().unwrap();
    broker.wait().unwrap();
}

/// Shell script that plays a face-off with a box on another machine. The other machine is a network namespace at the
/// other end of a virtual Ethernet cable.
const FROM_ANOTHER_MACHINE: &str = r#"
set -e
counterfoil=$1 edge=$2 folder=$3 bundle=$4 exhibits=$5
ip link set lo up
ip link add here type veth peer name there
ip addr add 10.9.8.1/24 dev here
ip link set here up
unshare -n sleep 120 & machine=$!
trap 'kill $machine $box' EXIT
while [ "$(readlink /proc/$machine/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link set there netns $machine
on_it() { nsenter -n -t $machine "$@"; }
on_it ip addr add 10.9.8.2/24 dev there
on_it ip link set there up
nsenter -n -t $machine "$edge" serve --config "$folder/edge.toml" --source none --bundle "$bundle" 2>"$folder/talk" & box=$!
until grep -q 'listening on' "$folder/talk"; do kill -0 $box; sleep 0.05; done
"$counterfoil" faceoff --boxes "$folder/boxes.toml" --box till.local --exhibits "$exhibits" --rounds 2 --json --out "$folder/game"
"#;

#[test]
fn a_box_is_found_by_its_name_from_another_machine() {
    let namespaces = Command::new("unshare").args(["--map-root-user", "--net", "ip", "link"]).output();
    if !namespaces.is_ok_and(|tried| tried.status.success()) {
        return skip("no network namespaces of one's own (unshare, ip); scripts/setup installs ip");
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let given = edge(["token", "--state", &folder, "new", "referee"]).ok().lines().remove(0);
    let config = format!(
        "state = {folder:?}\nlights = \"none\"\nscreen = -1\n[network]\nname = \"till\"\nlisten = \"10.9.8.2:0\"\n"
    );
    fs::write(dir.path().join("edge.toml"), config).unwrap();
    let known = format!(
        "[[box]]\nname = \"till\"\naddress = \"till.local:7443\"\nfingerprint = {}\ntoken = {}\n",
        given["fingerprint"], given["token"]
    );
    fs::write(dir.path().join("boxes.toml"), known).unwrap();
    let exhibits = Stage::get().path("test");
    let played = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", FROM_ANOTHER_MACHINE, "sh"])
        .args([built("counterfoil"), built("counterfoil-edge"), dir.path().to_owned(), bundle().into(), exhibits])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&played.stdout);
    let messages = String::from_utf8_lossy(&played.stderr);
    let box_says = fs::read_to_string(dir.path().join("talk")).unwrap_or_default();
    assert!(played.status.success() && said.lines().count() == 3, "{said}{messages}{box_says}");
    for line in said.lines().take(2) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["answers"]["till"]["verdict"].is_string(), "{line}");
    }
}

//! Bundles whose networks would fill the memory or run for minutes. Each is refused in words, in a moment and in little
//! memory, by every command that opens a bundle.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use counterfoil_models::{DISCRIMINATOR, MANIFEST, sha256_hex};
use serde_json::Value;

use super::bundle::{Fixture, bytes, network, node, number, value};
use super::cli::{edge, stderr};

/// Time in which a bundle is refused.
const SECONDS: u64 = 5;
/// Memory in which a bundle is refused, in kB.
const MEMORY_KB: u64 = 200 << 10;

/// Replaces the network of a bundle and adapts the manifest to it, as an attacker would.
fn forge(bundle: &Path, network: &[u8]) {
    fs::write(bundle.join(DISCRIMINATOR), network).unwrap();
    let mut manifest: Value = serde_json::from_slice(&fs::read(bundle.join(MANIFEST)).unwrap()).unwrap();
    let entry = &mut manifest["files"][DISCRIMINATOR];
    entry["sha256"] = sha256_hex(network).into();
    entry["bytes"] = network.len().into();
    fs::write(bundle.join(MANIFEST), manifest.to_string()).unwrap();
}

/// Runs the program with a limit on its memory, over which it aborts.
fn limited(arguments: &[&str]) -> (Output, Duration) {
    let begun = Instant::now();
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -d {MEMORY_KB}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_counterfoil-edge")])
        .args(arguments)
        .output()
        .unwrap();
    (output, begun.elapsed())
}

fn int64s(name: &str, values: &[i64]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes(5, &[number(1, values.len() as u64), number(2, 7), bytes(8, name.as_bytes()), bytes(9, &raw)].concat())
}

fn float(name: &str) -> Vec<u8> {
    bytes(5, &[number(1, 1), number(2, 1), bytes(8, name.as_bytes()), bytes(9, &1f32.to_le_bytes())].concat())
}

/// The largest value of `big` is added to the score.
fn scored(big: &[Vec<u8>]) -> Vec<u8> {
    let score = [node("ReduceMax", &["big"], "most"), node("Add", &["flat", "most"], "score")].concat();
    network(&[big.concat(), score].concat(), &[])
}

/// A chain of nodes from `first` to `big`.
fn chain(length: usize, operator: &str, first: &str, inputs: impl Fn(&str) -> Vec<String>) -> Vec<u8> {
    let mut nodes = Vec::new();
    let mut last = first.to_owned();
    for i in 0..length {
        let next = if i + 1 == length { "big".to_owned() } else { format!("c{i}") };
        let inputs = inputs(&last);
        nodes.extend(node(operator, &inputs.iter().map(String::as_str).collect::<Vec<_>>(), &next));
        last = next;
    }
    nodes
}

fn with_attribute(node: &[u8], attribute: &[u8]) -> Vec<u8> {
    // The content of the field follows its tag and length.
    let length = node[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 2;
    bytes(1, &[&node[length..], &bytes(5, attribute)[..]].concat())
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let one = |last: &str| vec![last.to_owned()];
    let twice = |last: &str| vec![last.to_owned(), last.to_owned()];
    let shape = |lengths: &[i64]| int64s("lengths", lengths);
    let axis = [bytes(1, b"axis"), number(3, 2), number(20, 2)].concat();
    let doubled = |i: usize, from: &str, to: &str| {
        assert!(i < 40);
        with_attribute(&node("Concat", &[from, from], to), &axis)
    };
    let doubling: Vec<Vec<u8>> = (0..40)
        .map(|i| {
            let name = |i: usize| {
                if i == 0 {
                    "image".into()
                } else if i == 40 {
                    "big".into()
                } else {
                    format!("d{i}")
                }
            };
            doubled(i, &name(i), &name(i + 1))
        })
        .collect();
    let outputs: Vec<u8> = (0..100_000).flat_map(|_| bytes(12, &value("score", &[-1, 1]))).collect();
    let identity = node("Identity", &["flat"], "score");
    let graph = [bytes(1, b"body"), bytes(6, &bytes(2, b"inner")), number(20, 5)].concat();
    vec![
        ("filled", scored(&[shape(&[1 << 28]), node("ConstantOfShape", &["lengths"], "big")])),
        ("filled beyond 32 bits", scored(&[shape(&[1 << 33]), node("ConstantOfShape", &["lengths"], "big")])),
        ("padded", scored(&[shape(&[0, 1 << 28]), float("one"), node("Pad", &["one", "lengths"], "big")])),
        (
            "padded beyond 32 bits",
            scored(&[shape(&[0, 1 << 33]), float("one"), node("Pad", &["one", "lengths"], "big")]),
        ),
        ("tiled", scored(&[shape(&[1, 1, 1 << 15, 1 << 15]), node("Tile", &["image", "lengths"], "big")])),
        ("expanded", scored(&[shape(&[1 << 20, 1, 16, 16]), node("Expand", &["image", "lengths"], "big")])),
        ("doubled", scored(&doubling)),
        ("a chain", scored(&[chain(20_000, "Relu", "image", one)])),
        (
            "a heavy chain",
            scored(&[
                shape(&[2048, 2048]),
                node("ConstantOfShape", &["lengths"], "square"),
                chain(100, "MatMul", "square", twice),
            ]),
        ),
        (
            "squared lengths",
            scored(&[node("Shape", &["image"], "lengths"), chain(60, "Mul", "lengths", twice).into_iter().collect()]),
        ),
        ("a high rank", scored(&[shape(&[1; 100_000]), node("Reshape", &["image", "lengths"], "big")])),
        ("many outputs", network(&identity, &outputs)),
        ("empty nodes", network(&identity, &bytes(1, b"").repeat(4_000_000))),
        ("empty descriptions", network(&identity, &bytes(13, b"").repeat(8_000_000))),
        ("a graph in a node", network(&identity, &with_attribute(&node("Scan", &["flat"], "scanned"), &graph))),
    ]
}

#[test]
fn a_network_that_costs_too_much_is_refused_in_a_moment_and_little_memory() {
    let fixture = Fixture::new();
    let (bundle, state) = (fixture.bundle().display().to_string(), fixture.path("state").display().to_string());
    // The limit leaves room for a bundle that is sound.
    let (sound, _) = limited(&["selftest", "--bundle", &bundle]);
    assert!(sound.status.success(), "{}", stderr(&sound));
    for (what, network) in bombs() {
        forge(&fixture.bundle(), &network);
        let commands: [&[&str]; 2] =
            [&["selftest", "--bundle", &bundle], &["model", "install", "--state", &state, &bundle, "--select"]];
        for command in commands {
            let (output, took) = limited(command);
            let message = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{what}: {message}");
            assert!(message.contains("discriminator.onnx: ") && message.contains("export"), "{what}: {message}");
            assert!(took < Duration::from_secs(SECONDS), "{what} took {took:?}");
        }
    }
    let listed = edge().args(["model", "list", "--json", "--state", &state]).output().unwrap();
    assert!(listed.stdout.is_empty(), "none is installed");
}

#[test]
fn a_bundle_is_tried_within_limits_on_memory() {
    // The limit of a trial is above what a sound bundle takes, and a lower one that is set already stays.
    let bundle = |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../models/pretrained").join(name);
    for name in ["specimen-note", "specimen-note-statistics"] {
        let tried = edge().arg("try-bundle").arg(bundle(name)).output().unwrap();
        assert!(tried.status.success(), "{}", stderr(&tried));
        assert_eq!(tried.stdout.trim_ascii().len(), 64, "the fingerprint");
    }
    let command = format!(
        "ulimit -d 12000; exec \"{}\" model install --state \"$0\" \"$1\"",
        env!("CARGO_BIN_EXE_counterfoil-edge")
    );
    let dir = tempfile::tempdir().unwrap();
    let output =
        Command::new("sh").args(["-c", &command]).arg(dir.path()).arg(bundle("specimen-note")).output().unwrap();
    // The child is ended by its limit; the process that installs says so.
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("more memory than a network may have"), "{}", stderr(&output));
}

//! The parsers of bytes that come from elsewhere. Each target has seeds, which are good files, and a function that
//! feeds an input to the parser the way the programs do, and tells the outcome in words. New outcomes become
//! seeds.

#![expect(
    clippy::unnecessary_wraps,
    reason = "all functions of a target have one type, and most seeds can fail to be made"
)]

use std::fs;
use std::io::Cursor;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, ensure};
use counterfoil_edge::camera::Splitter;
use counterfoil_edge::config::Config;
use counterfoil_edge::inference::Engine;
use counterfoil_edge::net::bundle::unpack;
use counterfoil_edge::net::pairing::{Pairing, Tokens};
use counterfoil_edge::store::trust::Trust;
use counterfoil_host::data::{Idx, Samples};
use counterfoil_host::game::record;
use counterfoil_host::gan::{self, Net};
use counterfoil_host::onnx::{Attribute, Dim, Graph};
use counterfoil_models::protocol::{
    Begin, Bounds, CameraStatement, Confirm, DetectResponse, Drift, Exchange, Model, Refusal, Status,
};
use counterfoil_models::{Bundle, Draft, Frame, MANIFEST, Name, Overlay, SIGNATURE, Verdict};
use image::{ColorType, DynamicImage, ImageFormat, Rgb, RgbImage};
use minisign::KeyPair;
use serde::de::DeserializeOwned;

/// One parser.
pub(crate) struct Target {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// Good inputs. The folder is empty, and the target's own from then on.
    pub(crate) seeds: fn(&Path) -> Result<Vec<Vec<u8>>>,
    /// Feeds one input to the parser. Returns the outcome in words; a panic is a finding.
    pub(crate) run: fn(&[u8], &Path) -> String,
}

/// Every target.
pub(crate) const TARGETS: [Target; 11] = [
    Target { name: "picture", seeds: pictures, run: |bytes, _| outcome(Frame::decode(bytes).map(|_| "decoded")) },
    Target { name: "mjpeg", seeds: streams, run: split },
    Target { name: "onnx", seeds: graphs, run: load },
    Target { name: "bundle", seeds: manifests, run: open },
    Target { name: "tar", seeds: tars, run: untar },
    Target { name: "overlay", seeds: overlays, run: overlay },
    Target { name: "http", seeds: messages, run: message },
    Target { name: "edge-toml", seeds: configurations, run: configure },
    Target { name: "transcript", seeds: transcripts, run: verify },
    Target { name: "idx", seeds: digits, run: read_digits },
    Target { name: "checkpoint", seeds: checkpoints, run: reopen },
];

/// The outcome as one class of outcomes: the plain words of a message. Numbers, and most of what an input put into the
/// message, are left out.
fn outcome<T: Into<String>, E: std::fmt::Display>(result: Result<T, E>) -> String {
    let text = result.map_or_else(|error| error.to_string(), Into::into);
    let is_plain = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || b",.:;()".contains(&byte));
    text.split_ascii_whitespace().filter(is_plain).take(30).collect::<Vec<_>>().join(" ")
}

/// Writes a file into a target's folder and returns its path.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("the temporary folder can be written to");
    path
}

/// A small picture with an edge and a gradient, so that encoders write more than one kind of block.
fn drawing() -> DynamicImage {
    RgbImage::from_fn(24, 20, |x, y| if x > y { Rgb([(x * 10) as u8, (y * 12) as u8, 90]) } else { Rgb([250, 3, 7]) })
        .into()
}

fn pictures(_: &Path) -> Result<Vec<Vec<u8>>> {
    let formats =
        [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::WebP];
    let mut seeds = Vec::new();
    for format in formats {
        for picture in [drawing(), drawing().to_luma8().into()] {
            let mut bytes = Cursor::new(Vec::new());
            // GIF and WebP have no grey.
            match picture.write_to(&mut bytes, format) {
                Err(_) if picture.color() == ColorType::L8 => continue,
                written => written.with_context(|| format!("cannot write {format:?}"))?,
            }
            seeds.push(bytes.into_inner());
        }
    }
    for picture in fs::read_dir(pretrained("golden"))? {
        seeds.push(fs::read(picture?.path())?);
    }
    Ok(seeds)
}

fn streams(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let pictures = pictures(folder)?;
    let jpegs: Vec<_> = pictures.into_iter().filter(|bytes| bytes.starts_with(&[0xFF, 0xD8])).take(2).collect();
    ensure!(jpegs.len() == 2, "no JPEG among the seeds");
    Ok(vec![jpegs.concat(), [b"--boundary\r\n".as_slice(), &jpegs[0], &jpegs[1], &jpegs[0]].concat()])
}

/// In pieces of a length that the input itself decides.
fn split(bytes: &[u8], _: &Path) -> String {
    let piece = 1 + bytes.iter().fold(0usize, |sum, byte| (sum * 31 + usize::from(*byte)) % 5000);
    let mut splitter = Splitter::default();
    let pictures: usize = bytes.chunks(piece).map(|piece| splitter.push(piece).len()).sum();
    format!("{} pictures", "x".repeat(pictures.min(20)))
}

/// Side of the pictures that the small graphs take.
const SIDE: usize = 8;

fn graphs(_: &Path) -> Result<Vec<Vec<u8>>> {
    let mut graph = Graph::new("discriminator");
    let image = graph.image((1, SIDE, SIDE));
    let (weight, bias) = (graph.constant(&[2, 1, 3, 3], &[0.1; 18]), graph.constant(&[2], &[0.0, 0.5]));
    let window = [
        ("kernel_shape", Attribute::Ints(&[3, 3])),
        ("strides", Attribute::Ints(&[2, 2])),
        ("pads", Attribute::Ints(&[1, 1, 1, 1])),
    ];
    let maps = graph.node("Conv", &[&image, &weight, &bias], &window); // [N, 2, 4, 4]
    let maps = graph.node("LeakyRelu", &[&maps], &[("alpha", Attribute::Float(0.2))]);
    let rows = graph.node("Flatten", &[&maps], &[("axis", Attribute::Int(1))]); // [N, 32]
    let head = graph.constant(&[32, 1], &[0.01; 32]);
    let score = graph.node("MatMul", &[&rows, &head], &[]); // [N, 1]
    for name in ["score", "logit"] {
        graph.output(&score, name, &[Dim::Batch, Dim::Fixed(1)]);
    }
    graph.output(&rows, "embedding", &[Dim::Batch, Dim::Fixed(32)]);
    Ok(vec![graph.finish(&[("regions".to_owned(), "1".to_owned())])])
}

/// Checks, plans and runs.
fn load(bytes: &[u8], _: &Path) -> String {
    outcome(Engine::load(bytes, 1, 1, SIDE, SIDE).and_then(|engine| engine.run(&[0.5; SIDE * SIDE]).map(|_| "ran")))
}

/// A file of the pretrained bundle.
fn pretrained(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/pretrained/specimen-note-statistics").join(name)
}

/// Copies a whole bundle into the folder and installs a key, so that the mutated file stands beside good ones and
/// a signature is looked at.
fn manifests(folder: &Path) -> Result<Vec<Vec<u8>>> {
    Draft::copy(pretrained_bundle()?, &folder.join("bundle"))?;
    let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair()?;
    Trust::install(folder, &write(folder, "key.pub", pk.to_box()?.into_string().as_bytes()))?;
    let manifest = fs::read(pretrained(MANIFEST))?;
    let signature = minisign::sign(None, &sk, &manifest[..], None, None)?.into_string().into_bytes();
    Ok(vec![manifest, signature])
}

/// JSON is the manifest, anything else the signature of the good one.
fn open(bytes: &[u8], folder: &Path) -> String {
    let dir = folder.join("bundle");
    if bytes.starts_with(b"{") {
        write(&dir, MANIFEST, bytes);
    } else {
        fs::copy(pretrained(MANIFEST), dir.join(MANIFEST)).expect("the temporary folder can be written to");
        write(&dir, SIGNATURE, bytes);
    }
    let signed = |bundle: Bundle| {
        outcome(Trust::of(folder).and_then(|trust| trust.check(&bundle)).map(|()| "opened and trusted"))
    };
    Bundle::open(&dir).map_or_else(|error| outcome(Err::<String, _>(error)), signed)
}

fn tars(_: &Path) -> Result<Vec<Vec<u8>>> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in ["manifest.json", "README.md"] {
        tar.append_path_with_name(pretrained(name), name)?;
    }
    tar.append_dir("golden", pretrained("golden"))?;
    Ok(vec![tar.into_inner()?])
}

fn untar(bytes: &[u8], folder: &Path) -> String {
    let dir = tempfile::tempdir_in(folder).expect("the temporary folder can be written to");
    let result = outcome(unpack(bytes, dir.path()).map(|()| "unpacked").map_err(|(_, why)| why));
    let outside = fs::read_dir(folder).expect("the temporary folder can be read").count();
    assert_eq!(outside, 1, "a tar wrote outside of its folder");
    result
}

const REFERENCE: &str = "ada";

fn overlays(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let bundle = pretrained_bundle()?;
    let overlay = Overlay::of(folder, bundle);
    overlay.calibrate(&bundle.manifest().calibration)?;
    overlay.set_drift(Some(Drift::Changed { since_ms: 1 }), &[])?;
    let calibration = overlay.calibration_file();
    Ok(vec![fs::read(calibration.with_file_name("drift.json"))?, fs::read(calibration)?])
}

/// The pretrained bundle, opened once.
fn pretrained_bundle() -> Result<&'static Bundle> {
    static BUNDLE: OnceLock<Bundle> = OnceLock::new();
    if BUNDLE.get().is_none() {
        let _ = BUNDLE.set(Bundle::open(&pretrained(""))?);
    }
    BUNDLE.get().context("it was set above")
}

/// The input is the site's calibration, an enrolled reference and a doubt.
fn overlay(bytes: &[u8], folder: &Path) -> String {
    let overlay = Overlay::of(folder, pretrained_bundle().expect("the pretrained bundle opens"));
    let file = overlay.calibration_file();
    let enrolled = file.with_file_name("enrolled");
    fs::create_dir_all(&enrolled).expect("the temporary folder can be written to");
    fs::write(&file, bytes).expect("the temporary folder can be written to");
    write(&enrolled, &format!("{REFERENCE}.json"), bytes);
    fs::write(file.with_file_name("drift.json"), bytes).expect("the temporary folder can be written to");
    let name: Name = REFERENCE.parse().expect("it is a name");
    let references = outcome(overlay.references(&name).map(|_| "references"));
    let drift = outcome(overlay.drift(&[]).map(|_| "drift"));
    format!("{} / {references} / {drift}", outcome(overlay.calibration().map(|_| "calibration")))
}

fn messages(_: &Path) -> Result<Vec<Vec<u8>>> {
    let (p_value, score) = (0.25, 1.5);
    let model = Model { name: "label".into(), counter: 1, id: "ab".repeat(32) };
    let seen = CameraStatement {
        said: "genuine".into(),
        p_value: Some(p_value),
        score: Some(score),
        why: None,
        picture: Some("cd".repeat(32)),
        file: Some("note.jpg".into()),
    };
    let status = Status {
        name: "till".into(),
        version: "0.1.0".into(),
        model,
        source: "rpicam".into(),
        fault: Some("unplugged".into()),
        seen: Some(seen.clone()),
        frames: 3,
        frame_ms: 20.5,
        judged: 1,
        uptime: 60,
        bounds: Some(Bounds { counterfeit: 0.01, unsure: 0.05 }),
        drift: Some(Drift::Changed { since_ms: 1 }),
    };
    let judged = DetectResponse { verdict: Verdict::Genuine, p_value, score, seconds: 0.01, model: "ab".repeat(32) };
    Ok(vec![
        serde_json::to_vec(&Begin { name: "ann".into() })?,
        serde_json::to_vec(&Exchange { id: "01".repeat(16), message: "02".repeat(33) })?,
        serde_json::to_vec(&Confirm { id: "01".repeat(16), proof: "03".repeat(32) })?,
        serde_json::to_vec(&judged)?,
        serde_json::to_vec(&seen)?,
        serde_json::to_vec(&status)?,
        serde_json::to_vec(&Refusal { error: "busy".into() })?,
    ])
}

/// As the body of each request, and as each answer of a box.
fn message(bytes: &[u8], folder: &Path) -> String {
    fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
    let pairing = Pairing::new(Tokens::of(folder), "00".repeat(32));
    let begun = read::<Begin>(bytes).and_then(|Begin { name }| {
        let (id, _) = pairing.begin(&name, Ipv4Addr::LOCALHOST.into(), None).map_err(|error| error.to_string())?;
        pairing.exchange(&id, &name).map_err(|error| error.to_string())
    });
    let exchanged = read::<Exchange>(bytes)
        .and_then(|Exchange { id, message }| pairing.exchange(&id, &message).map_err(|error| error.to_string()));
    let confirmed = read::<Confirm>(bytes)
        .and_then(|Confirm { id, proof }| pairing.confirm(&id, &proof).map_err(|error| error.to_string()));
    let seen = read::<CameraStatement>(bytes).map(|seen| format!("{:?}", seen.verdict()));
    [
        outcome(begun),
        outcome(exchanged),
        outcome(confirmed.map(|_| "confirmed")),
        outcome(seen),
        outcome(read::<DetectResponse>(bytes).map(|_| "judged")),
        outcome(read::<Status>(bytes).map(|_| "status")),
        outcome(read::<Refusal>(bytes).map(|_| "refused")),
    ]
    .join(" / ")
}

fn configurations(_: &Path) -> Result<Vec<Vec<u8>>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../edge/debian/edge.toml");
    let text = fs::read_to_string(file)?;
    // The same file with all keys that it only shows.
    let all = text.replace("#= ", "");
    Ok(vec![text.into_bytes(), all.into_bytes(), b"source = \"stdin\"\n[pins]\ngreen = 5\n".to_vec()])
}

fn configure(bytes: &[u8], folder: &Path) -> String {
    let file = write(folder, "edge.toml", bytes);
    outcome(Config::read(&file).map(|config| config.without_effect().concat()))
}

fn transcripts(folder: &Path) -> Result<Vec<Vec<u8>>> {
    use record::{Begin, Entry, Round, Transcript};
    let file = folder.join("transcript.jsonl");
    let mut transcript = Transcript::create(&file)?;
    let contestants = vec!["till".to_owned(), "desk".to_owned()];
    let seal = Some("ab".repeat(32));
    transcript.write(&Entry::Begin(Begin {
        game: "0123456789abcdef".into(),
        contestants: contestants.clone(),
        rounds: 1,
        deadline: 5.0,
        seal,
        look: false,
    }))?;
    let answers =
        contestants.into_iter().map(|name| (name, counterfoil_models::game::Answer { verdict: None, seconds: 0.5 }));
    transcript.write(&Entry::Round(Round {
        round: 1,
        exhibit: Some("cd".repeat(32)),
        card: None,
        answers: answers.collect(),
    }))?;
    Ok(vec![fs::read(file)?])
}

/// As a record that is verified, and as one that is resumed.
fn verify(bytes: &[u8], folder: &Path) -> String {
    let file = write(folder, "resumed.jsonl", bytes);
    let resumed = outcome(record::Transcript::resume(&file).map(|_| "resumed").map_err(|error| format!("{error:#}")));
    format!(
        "{} / {resumed}",
        outcome(record::verified(bytes).map(|_| "verified").map_err(|error| format!("{error:#}")))
    )
}

fn digits(_: &Path) -> Result<Vec<Vec<u8>>> {
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 5];
    idx.extend((0..4 * 6 * 5).map(|pixel| (pixel * 2) as u8));
    Ok(vec![idx])
}

fn read_digits(bytes: &[u8], folder: &Path) -> String {
    let read = |name: &str| {
        outcome(Idx::read(&write(folder, name, bytes)).map(|idx| {
            (0..idx.len().min(50)).for_each(|index| drop(idx.picture(index)));
            "read"
        }))
    };
    format!("{} / {}", read("train-images-idx3-ubyte"), read("train-images-idx3-ubyte.gz"))
}

fn checkpoints(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let run = folder.join("run");
    let samples = Samples::new(1, SIDE, SIDE, (0..16 * SIDE * SIDE).map(|pixel| (pixel * 7 % 251) as u8).collect())?;
    let config = gan::Config {
        batch: 8,
        width: 4,
        latent: 8,
        checkpoint_every: 1,
        steps: Some(1),
        ..gan::Config::new(Net::Mlp)
    };
    gan::train(&config, (&samples).into(), &run, false, &AtomicBool::new(false), true, &mut || ())?;
    gan::checkpoints(&run).iter().map(|file| Ok(fs::read(file)?)).collect()
}

fn reopen(bytes: &[u8], folder: &Path) -> String {
    let file = write(folder, "step-00000001.safetensors", bytes);
    outcome(gan::Checkpoint::open(&file).map(|_| "opened"))
}

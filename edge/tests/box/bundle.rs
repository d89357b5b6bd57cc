//! Bundles to test with: their network's score is the picture's mean brightness, or what is left of it after one more
//! operator; and pictures of one shade of grey, so that every score is known.
//!
//! The crate reads ONNX and writes none, so the model is written here field by field, as `onnx.proto` numbers them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use counterfoil_models::{
    Article, Calibration, Color, DISCRIMINATOR, Draft, Golden, Join, Manifest, Preprocess, Region, Resize, SCHEMA,
    Training, Verdict, sketch,
};
use image::{DynamicImage, GrayImage, ImageFormat, Luma};

/// Side of the network's input.
const SIDE: u32 = 16;
/// The golden picture's shade.
const GOLDEN: u8 = 204;

/// A folder with a bundle and, beside it, pictures.
pub(super) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    /// A bundle whose score is the mean brightness: below 0.2 is counterfeit, below 0.28 unsure.
    pub(super) fn new() -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        fixture.write_bundle("bundle", "Identity", |_| {});
        fixture
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn bundle(&self) -> PathBuf {
        self.path("bundle")
    }

    /// Writes a PNG of one shade.
    pub(super) fn picture(&self, name: impl AsRef<Path>, shade: u8) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, png(shade)).unwrap();
        path
    }

    /// Writes a bundle whose score is `operator` of the mean brightness, its manifest changed by `alter`.
    pub(super) fn write_bundle(&self, name: &str, operator: &str, alter: impl FnOnce(&mut Manifest)) -> PathBuf {
        let golden = f32::from(GOLDEN) / 255.0;
        let sign = if operator == "Neg" { -1.0 } else { 1.0 };
        let score = sign * if operator == "Log" { golden.ln() } else { golden };
        let draft = Draft::begin(&self.path(name), false).unwrap();
        draft.add(DISCRIMINATOR, &onnx(operator)).unwrap();
        draft.add("golden/grey.png", &png(GOLDEN)).unwrap();
        let mut manifest = Manifest {
            schema: SCHEMA,
            name: name.into(),
            counter: 1,
            input: Preprocess {
                width: SIDE,
                height: SIDE,
                color: Color::Grey,
                resize: Resize::Stretch,
                article: Article::Whole,
                reference: None,
                regions: vec![Region::WHOLE],
            },
            join: Join::single(),
            // 0.200, 0.201, ... 0.398
            calibration: Calibration::new(0.01, (200..399).map(|i| 0.001 * i as f32).collect()).unwrap(),
            enrolment: None,
            latent: None,
            training: Training::default(),
            engines: Vec::new(),
            golden: vec![Golden {
                file: "golden/grey.png".into(),
                plane_sha256: counterfoil_models::sha256_hex(&[GOLDEN; (SIDE * SIDE) as usize]),
                rows: vec![score],
                embedding: sketch(&[golden; (SIDE * SIDE) as usize]),
                score,
                verdict: if score < 0.2 { Verdict::Counterfeit } else { Verdict::Genuine },
            }],
            files: BTreeMap::new(),
        };
        alter(&mut manifest);
        draft.finish(manifest).unwrap().dir().to_path_buf()
    }
}

pub(super) fn png(shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(GrayImage::from_pixel(40, 30, Luma([shade]))).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The operator that adds the mean over all rows to each row: the regions of a picture are then scored together.
pub(super) const COUPLED: &str = "Coupled";

/// image [N, 1, 16, 16] -> `GlobalAveragePool` -> `operator` -> score [N, 1], the same as logit, and embedding [N, 256].
fn onnx(operator: &str) -> Vec<u8> {
    let score = if operator == COUPLED {
        [node("ReduceMean", &["flat"], "together"), node("Add", &["flat", "together"], "score")].concat()
    } else {
        node(operator, &["flat"], "score")
    };
    network(&score, &[])
}

/// The network with `score` as the node of that name, and with further nodes, tensors and outputs of the graph.
pub(super) fn network(score: &[u8], more: &[u8]) -> Vec<u8> {
    let side = i64::from(SIDE);
    let graph = [
        node("GlobalAveragePool", &["image"], "mean"),
        node("Flatten", &["mean"], "flat"),
        score.to_vec(),
        node("Identity", &["score"], "logit"),
        node("Flatten", &["image"], "embedding"),
        bytes(2, b"brightness"),
        bytes(11, &value("image", &[-1, 1, side, side])),
        bytes(12, &value("score", &[-1, 1])),
        bytes(12, &value("logit", &[-1, 1])),
        bytes(12, &value("embedding", &[-1, side * side])),
        more.to_vec(),
    ];
    // ModelProto: ir_version, graph, opset_import { version }
    [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 17))].concat()
}

/// `GraphProto.node`: inputs, output, name, `op_type`.
pub(super) fn node(operator: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let fields = inputs.iter().map(|input| (1, *input)).chain([(2, output), (3, output), (4, operator)]);
    bytes(1, &fields.flat_map(|(field, text)| bytes(field, text.as_bytes())).collect::<Vec<_>>())
}

/// `ValueInfoProto`: name, type { `tensor_type` { `elem_type`: float, shape { dim { `dim_value` or `dim_param` } } } }.
pub(super) fn value(name: &str, dims: &[i64]) -> Vec<u8> {
    let dim = |n: &i64| bytes(1, &if *n < 0 { bytes(2, b"N") } else { number(1, *n as u64) });
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let tensor = [number(1, 1), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

pub(super) fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

pub(super) fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(content.len() as u64), content.to_vec()].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

//! A trained detector in inference form: the layers of its averaged networks and its constants. It is exported as
//! an ONNX file, and candle evaluates it for comparison.

use candle_core::{Result as TensorResult, Tensor};

use super::super::appearance::{Appearance, level};
use super::features::pca::{self, PcaFeatures};
use super::features::{Features, Input};
use super::{HIDDEN, Part};
use crate::math::tail::Tail;
use crate::nn::Layer;
use crate::onnx::{self, Append, Dim, Eager, Graph, OnnxError, Operators, Ops, Value, Var};

/// All parts of a detector for inference, in the order of computation.
#[derive(Clone, Debug)]
pub struct InferenceModel {
    /// Channels, height, width of a row.
    pub(super) shape: (usize, usize, usize),
    /// Principal components, whose maps the trunk gets beside the row itself.
    pub(super) pca: PcaFeatures,
    /// Computed features, which follow those of the trunk.
    pub(super) features: Features,
    /// Convolutions that end in the trunk's features, the first [`HIDDEN`] of the feature vector.
    pub(super) trunk: Vec<Layer>,
    /// Subtracted from the features, [1, F].
    pub(super) mean: Tensor,
    /// Factor on the features after that, [1, F].
    pub(super) inverse: Tensor,
    /// Features to the hidden layer, which is the embedding, and from there to the logit.
    pub(super) head: Vec<Layer>,
    /// Scaled typicality to the term that is added to the logit; the sum is the score.
    pub(super) typicality_head: Vec<Layer>,
}

/// Weight of the detector's level in the sum beside an appearance, whose views see many times as many pixels (decision
/// 12).
const DETECTOR_WEIGHT: f32 = 0.5;

/// What judges beside a detector, and how their scores are joined.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The appearance of whole pictures.
    appearance: Appearance,
    /// Width and height of the blocks of the picture's pixels that make one pixel of the detector's row.
    pool: [usize; 2],
    /// The tail of the detector's own score, negated.
    tail: Tail,
}

impl Beside {
    /// Joins an appearance and a detector whose row is made of blocks of `pool` (width, height) pixels. `scores` are
    /// the detector's own scores of genuine pictures that it did not see in training.
    #[must_use]
    pub fn new(appearance: Appearance, pool: [usize; 2], scores: &[f32]) -> Self {
        Self { appearance, pool, tail: Tail::fit(scores.iter().map(|score| -score).collect()) }
    }
}

/// The outputs of a detector for N rows.
#[derive(Debug)]
pub struct DetectorOutput {
    /// The embedding of each row in the detector's own space, `[N, E]`.
    pub embedding: Tensor,
    /// The logit of the head, `[N]`; higher is more genuine.
    pub logit: Tensor,
    /// The score, `[N]`: the logit with the terms for typicality; higher is more genuine.
    pub score: Tensor,
}

/// The outputs as values of a computation.
struct OutputVars {
    /// [N, E]
    embedding: Var,
    /// [N, 1]
    logit: Var,
    /// [N, 1]
    score: Var,
}

impl InferenceModel {
    /// Computes the outputs for rows `[N, C, H, W]` in -1..1 with candle. The rows of one picture must be adjacent.
    ///
    /// # Errors
    /// When the rows do not have the detector's input shape.
    pub fn judge(&self, rows: &Tensor) -> TensorResult<DetectorOutput> {
        let mut ops = Eager::default();
        let unit = ops.var(rows.affine(0.5, 0.5)?);
        let centred = ops.var(rows.clone());
        let OutputVars { embedding, logit, score } = self.express(&mut ops, unit, centred)?;
        Ok(DetectorOutput {
            embedding: ops.tensor(embedding).clone(),
            logit: ops.tensor(logit).flatten_all()?,
            score: ops.tensor(score).flatten_all()?,
        })
    }

    /// Writes the detector as an ONNX file with the inputs and outputs of [`crate::onnx::discriminator`]. N is a
    /// multiple of the number of regions per picture, and the rows of one picture are adjacent. If `plain` holds
    /// the layers of the GAN's own discriminator, the file has a fourth output, `plain` `[N, 1]`: the
    /// discriminator's logit, for comparison. An engine that does not compute this output leaves its layers out.
    ///
    /// With `beside`, the input is the whole picture, of which blocks are averaged for the detector. `score` is then
    /// minus ln(1 + s), where s is the weighted sum of the levels of both (see [`crate::detector::appearance`]), and
    /// `logit` is the detector's score.
    ///
    /// # Errors
    /// Returns an [`OnnxError`] when a layer cannot be written, or when `plain` does not end in one number.
    pub fn to_onnx(
        &self,
        beside: Option<&Beside>,
        plain: Option<&[Layer]>,
        operators: Operators,
        metadata: &[(String, String)],
    ) -> Result<Vec<u8>, OnnxError> {
        let (c, h, w) = self.shape;
        let mut graph = Graph::new("detective").of(operators);
        let [across, down] = beside.map_or([1, 1], |beside| beside.pool);
        let picture = graph.image((c, h * down, w * across)); // [N, C, H, W]
        let image = if beside.is_some() { pooled(&mut graph, &picture, [across, down]) } else { picture.clone() };
        let centred = onnx::centred(&mut graph, &image);
        let mut ops = Append::new(&mut graph);
        let (unit, rows) = (ops.var(image), ops.var(centred.clone()));
        let judged = self.express(&mut ops, unit, rows)?;
        let [embedding, mut logit, mut score] =
            [judged.embedding, judged.logit, judged.score].map(|var| ops.name(var).to_owned());
        if let Some(Beside { appearance, tail, .. }) = beside {
            let distance = graph.node("Neg", &[&score], &[]);
            let own = level(&mut graph, &distance, *tail);
            let own = graph.with_number("Mul", &own, DETECTOR_WEIGHT);
            let others = appearance.append(&mut graph, &picture);
            let sum = graph.node("Add", &[&own, &others], &[]);
            // Far from the genuine pictures, only the magnitude of the sum is known to the engines' precision.
            let raised = graph.with_number("Add", &sum, 1.0);
            let magnitude = graph.node("Log", &[&raised], &[]);
            (logit, score) = (score, graph.node("Neg", &[&magnitude], &[]));
        }
        let plain = plain.map(|plain| {
            let plain = onnx::append(&mut graph, plain, 0, Value { name: centred, shape: vec![c, h, w] })?;
            Ok::<_, OnnxError>(onnx::flat(&mut graph, &plain)) // [N, 1]
        });
        let plain = plain.transpose()?;
        if let Some(plain) = plain.as_ref().filter(|plain| plain.shape != [1]) {
            let found = plain.shape.clone();
            return Err(OnnxError::Ending { network: "detective", found, expected: "[1]".to_owned() });
        }
        graph.output(&score, "score", &[Dim::Batch, Dim::Fixed(1)]);
        graph.output(&logit, "logit", &[Dim::Batch, Dim::Fixed(1)]);
        graph.output(&embedding, "embedding", &[Dim::Batch, Dim::Fixed(HIDDEN)]);
        if let Some(plain) = plain {
            graph.output(&plain.name, "plain", &[Dim::Batch, Dim::Fixed(1)]);
        }
        Ok(graph.finish(metadata))
    }

    /// Builds the computation. `unit` and `centred` are the rows in 0..1 and in -1..1, `[N, C, H, W]`.
    fn express(&self, ops: &mut dyn Ops, unit: Var, centred: Var) -> TensorResult<OutputVars> {
        let (channels, height, width) = self.shape;
        let mut input = Input::new(self.shape, unit, centred);
        let maps = [vec![centred], self.pca.maps(ops, &mut input)?].concat();
        let maps = ops.concat(&maps)?;
        let seen = [channels + pca::count(channels), height, width];
        let whole = ops.layers(&self.trunk, 0, maps, &seen)?;
        let whole = ops.flatten(whole)?; // [N, HIDDEN]
        let features = [vec![whole], self.features.express(ops, &mut input)?].concat();
        let features = ops.concat(&features)?; // [N, F]
        let (mean, inverse) = (ops.constant(&self.mean)?, ops.constant(&self.inverse)?);
        let features = ops.sub(features, mean)?;
        let features = ops.mul(features, inverse)?;

        let (hidden, last) = self.head.split_at(self.head.len() - 1);
        let (first, count) = (self.trunk.len(), self.mean.elem_count());
        let embedding = ops.layers(hidden, first, features, &[count])?;
        let logit = ops.layers(last, first + hidden.len(), embedding, &[HIDDEN])?;
        let typicality = self.features.range(Part::Usual, HIDDEN);
        let typicality = ops.window(features, &[(1, typicality.start, typicality.len())])?;
        let added = ops.layers(&self.typicality_head, 0, typicality, &[1])?;
        let mut score = ops.add(logit, added)?;
        if let Some(added) = self.features.typicality.of_pictures(ops, &mut input)? {
            score = ops.add(score, added)?;
        }
        Ok(OutputVars { embedding, logit, score })
    }
}

/// Appends the averages of blocks of pixels, rounded to whole levels as [`crate::data::pool`] does. The rounding is
/// the same in every engine: an average of up to 49 levels is no nearer than 0.01 to the place where it jumps.
fn pooled(graph: &mut Graph, picture: &str, [across, down]: [usize; 2]) -> String {
    let mean = graph.average_pool(picture, (down, across));
    let levels = graph.with_number("Mul", &mean, 255.0);
    let levels = graph.with_number("Add", &levels, 0.51);
    let levels = graph.node("Floor", &[&levels], &[]);
    graph.with_number("Mul", &levels, 1.0 / 255.0)
}

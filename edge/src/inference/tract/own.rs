//! Operators of our own in tract's plan: each does at once what takes many nodes of ONNX.
//!
//! A file holds such an operator as a node of the domain [`OWN_OPERATORS`] and as a function, which other engines
//! compute.

use counterfoil_kernels::{histograms, patterns};
use tract_onnx::model::OnnxOpRegister;
use tract_onnx::tract_core::op_out_of_plan;
use tract_onnx::tract_hir::internal::{
    Datum, DatumExt, DimLike, EvalContext, EvalOp, Expansion, InferenceResult, Op, OutletId, ShapeFactoid, Solver,
    SpecialOps, StaticName, TDim, TValue, TVec, Tensor, TensorProxy, ToDim, TractErrorContext, TractResult, TypedFact,
    TypedModel, TypedOp, args_1, as_op, bail, check_input_arity, check_output_arity, expand, op_as_typed_op, tvec,
};

use super::convolution;

/// The domain of our own operators in an ONNX file.
pub const OWN_OPERATORS: &str = "counterfoil";

/// An operator that describes each picture of `[N, C, H, W]` by some numbers, `[N, K]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::inference) enum Own {
    /// [`histograms::joint_histograms`] of a picture with 1 or 3 channels.
    JointHistograms,
    /// [`patterns::local_patterns`] of a grey picture.
    LocalPatterns,
}

impl Own {
    const ALL: [Self; 2] = [Self::JointHistograms, Self::LocalPatterns];

    /// The operator of this name.
    pub(in crate::inference) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|own| own.operator() == name)
    }

    /// The name in a file.
    const fn operator(self) -> &'static str {
        match self {
            Self::JointHistograms => "JointHistograms",
            Self::LocalPatterns => "LocalPatterns",
        }
    }

    /// Multiply-adds for one number of the picture, about.
    pub(in crate::inference) fn work(self) -> u64 {
        match self {
            Self::JointHistograms => 100,
            Self::LocalPatterns => 200,
        }
    }

    /// How many numbers describe a picture `[C, H, W]`.
    fn count(self, picture: &[usize]) -> TractResult<usize> {
        let &[channels, height, width] = picture else { bail!("{} takes pictures", self.operator()) };
        let (channel_counts, side): (&[usize], usize) = match self {
            Self::JointHistograms => (&[1, 3], histograms::MIN_SIDE),
            Self::LocalPatterns => (&[1], patterns::MIN_SIDE),
        };
        if !channel_counts.contains(&channels) || height.min(width) < side {
            bail!("{} takes pictures with {channel_counts:?} channels and sides of at least {side}", self.operator());
        }
        Ok(match self {
            Self::JointHistograms => histograms::count(channels),
            Self::LocalPatterns => patterns::COUNT,
        })
    }

    fn describe(self, picture: &[f32], (channels, height, width): (usize, usize, usize)) -> Vec<f32> {
        match self {
            Self::JointHistograms => histograms::joint_histograms(picture, (channels, height, width)),
            Self::LocalPatterns => patterns::local_patterns(picture, (height, width)),
        }
    }
}

/// Makes the operators known to the reader of ONNX files.
pub(super) fn register(operators: &mut OnnxOpRegister) {
    operators.insert(convolution::OPERATOR, |_, node| Ok((convolution::read(node), vec![])));
    for own in Own::ALL {
        operators.insert(own.operator(), |_, node| {
            let own = Own::named(&node.op_type).with_context(|| format!("no operator {}", node.op_type))?;
            Ok((expand(own), vec![]))
        });
    }
}

impl Expansion for Own {
    fn name(&self) -> StaticName {
        self.operator().into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&inputs[0].datum_type, f32::datum_type())?;
        solver.equals(&outputs[0].datum_type, f32::datum_type())?;
        solver.equals(&inputs[0].rank, 4)?;
        solver.given(&inputs[0].shape, move |solver, shape| {
            let picture = shape[1..].iter().map(TDim::to_usize).collect::<Result<Vec<_>, _>>()?;
            let made: TVec<TDim> = tvec!(shape[0].clone(), self.count(&picture)?.to_dim());
            solver.equals(&outputs[0].shape, ShapeFactoid::from(made))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        model.wire_node(prefix, *self, inputs)
    }
}

impl Op for Own {
    fn name(&self) -> StaticName {
        self.operator().into()
    }

    op_as_typed_op!();
}

impl EvalOp for Own {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let &[rows, channels, height, width] = input.shape() else { bail!("{} takes pictures", self.operator()) };
        let count = self.count(&input.shape()[1..])?;
        let plain = input.try_as_plain_ram()?;
        let pictures = plain.as_slice::<f32>()?.chunks_exact(channels * height * width);
        let all: Vec<f32> = pictures.flat_map(|picture| self.describe(picture, (channels, height, width))).collect();
        Ok(tvec!(Tensor::from_shape(&[rows, count], &all)?.into()))
    }
}

impl TypedOp for Own {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shape = &inputs[0].shape;
        let picture = shape.iter().skip(1).map(TDim::to_usize).collect::<Result<Vec<_>, _>>()?;
        Ok(tvec!(f32::fact([shape[0].clone(), self.count(&picture)?.to_dim()])))
    }

    as_op!();
}

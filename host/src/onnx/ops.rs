//! Computations that are written once and used twice: [`Eager`] evaluates them with candle, [`Append`] adds their
//! nodes to a graph.
//!
//! A function of a detector that is written over `dyn` [`Ops`] has one definition, for training, for candle's
//! evaluation at export and for the exported file. A step that needs its own loop in training is a [`DualOp`]: it
//! has two definitions, which the parity check of every export compares.

use candle_core::{DType, Device, Result, Tensor};

use super::layers::{self, Value};
use super::writer::{Attribute, Graph};
use crate::nn::{Layer, infer};

/// A tensor of a computation: its index in the [`Ops`] that made it. The first axis is the batch, N.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Var(usize);

/// The operations of a computation. Shapes are given without the batch where the batch does not matter. Every
/// operation returns an error when it cannot be evaluated or written, for example because shapes do not fit.
pub trait Ops {
    /// Adds a constant, which broadcasts with its own shape.
    fn constant(&mut self, tensor: &Tensor) -> Result<Var>;

    /// Computes `a + b`, with broadcasting.
    fn add(&mut self, a: Var, b: Var) -> Result<Var>;

    /// Computes `a - b`, with broadcasting.
    fn sub(&mut self, a: Var, b: Var) -> Result<Var>;

    /// Computes `a * b` element by element, with broadcasting.
    fn mul(&mut self, a: Var, b: Var) -> Result<Var>;

    /// Computes `a * number`.
    fn scale(&mut self, a: Var, number: f32) -> Result<Var>;

    /// Computes `a + number`.
    fn shift(&mut self, a: Var, number: f32) -> Result<Var>;

    /// Computes the natural logarithm of each element.
    fn log(&mut self, a: Var) -> Result<Var>;

    /// Computes the matrix product over the last two axes. `b` is a matrix, or has the axes of `a`.
    fn matmul(&mut self, a: Var, b: Var) -> Result<Var>;

    /// Multiplies the rows `a` `[N, K]` with the transpose of the matrix `b` `[D, K]`: `[N, D]`.
    fn matmul_transposed(&mut self, a: Var, b: Var) -> Result<Var>;

    /// Exchanges the last two axes of `a` `[N, C, H, W]`: `[N, C, W, H]`.
    fn transpose(&mut self, a: Var) -> Result<Var>;

    /// Computes the weighted sum of all maps, with weights `shares`: `[N, C, H, W]` to `[N, 1, H, W]`.
    fn mix(&mut self, maps: Var, shares: &[f32]) -> Result<Var>;

    /// Computes means over adjacent windows of (height, width) pixels: `[N, C, H, W]` to
    /// `[N, C, H / height, W / width]`.
    fn pool(&mut self, maps: Var, window: (usize, usize)) -> Result<Var>;

    /// Repeats each pixel of `channels` maps in a square of `side` pixels: `[N, C, H, W]` to
    /// `[N, C, H * side, W * side]`.
    fn enlarge(&mut self, maps: Var, channels: usize, side: usize) -> Result<Var>;

    /// Computes the mean of each map, `[N, C, H, W]` to `[N, C, 1, 1]`, so that rounding does not depend on
    /// the order of an engine's sums.
    fn mean_of_maps(&mut self, maps: Var) -> Result<Var>;

    /// Computes the mean over axis `axis`, which is kept with length 1.
    fn mean(&mut self, a: Var, axis: usize) -> Result<Var>;

    /// Computes the minimum over the first axis, which is removed.
    fn min_over_first(&mut self, a: Var) -> Result<Var>;

    /// Cuts out a part of `a`. For each (axis, start, length) in `ranges`, that part of the axis is kept.
    fn window(&mut self, a: Var, ranges: &[(usize, usize, usize)]) -> Result<Var>;

    /// Joins the parts along axis 1.
    fn concat(&mut self, parts: &[Var]) -> Result<Var>;

    /// Flattens `[N, ...]` to `[N, product]`.
    fn flatten(&mut self, a: Var) -> Result<Var>;

    /// Changes the shape of `a`: 0 keeps an axis, and -1 stands for what is left.
    fn reshape(&mut self, a: Var, shape: &[i64]) -> Result<Var>;

    /// Applies the layers of a network. The first of them is layer number `first` in messages, and `shape` is the
    /// shape of `a` without the batch.
    fn layers(&mut self, layers: &[Layer], first: usize, a: Var, shape: &[usize]) -> Result<Var>;

    /// Applies a step that has two definitions.
    fn dual(&mut self, step: &dyn DualOp, a: Var) -> Result<Var>;
}

/// A step that is defined twice: by hand for speed in training, and as ONNX nodes.
pub trait DualOp {
    /// Evaluates the step on a tensor.
    fn evaluate(&self, a: &Tensor) -> Result<Tensor>;

    /// Appends the step to a graph. `a` and the result are names of values.
    fn append(&self, graph: &mut Graph, a: &str) -> String;
}

/// Evaluates a computation at once, with candle's operations.
#[derive(Debug, Default)]
pub struct Eager {
    values: Vec<Tensor>,
}

impl Eager {
    /// Adds a tensor as an input of the computation.
    pub fn var(&mut self, tensor: Tensor) -> Var {
        self.values.push(tensor);
        Var(self.values.len() - 1)
    }

    /// The tensor of a variable.
    #[must_use]
    pub fn tensor(&self, a: Var) -> &Tensor {
        &self.values[a.0]
    }

    fn map(&mut self, a: Var, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Var> {
        let tensor = f(self.tensor(a))?;
        Ok(self.var(tensor))
    }

    fn map2(&mut self, a: Var, b: Var, f: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>) -> Result<Var> {
        let tensor = f(self.tensor(a), self.tensor(b))?;
        Ok(self.var(tensor))
    }
}

impl Ops for Eager {
    fn constant(&mut self, tensor: &Tensor) -> Result<Var> {
        Ok(self.var(tensor.clone()))
    }

    fn add(&mut self, a: Var, b: Var) -> Result<Var> {
        self.map2(a, b, Tensor::broadcast_add)
    }

    fn sub(&mut self, a: Var, b: Var) -> Result<Var> {
        self.map2(a, b, Tensor::broadcast_sub)
    }

    fn mul(&mut self, a: Var, b: Var) -> Result<Var> {
        self.map2(a, b, Tensor::broadcast_mul)
    }

    fn scale(&mut self, a: Var, number: f32) -> Result<Var> {
        self.map(a, |a| a * f64::from(number))
    }

    fn shift(&mut self, a: Var, number: f32) -> Result<Var> {
        self.map(a, |a| a + f64::from(number))
    }

    fn log(&mut self, a: Var) -> Result<Var> {
        self.map(a, Tensor::log)
    }

    fn matmul(&mut self, a: Var, b: Var) -> Result<Var> {
        self.map2(a, b, |a, b| {
            if b.rank() > 2 || a.rank() == 2 {
                return a.matmul(b);
            }
            // One product over all rows, for any number of axes before them.
            let (inner, columns) = b.dims2()?;
            let mut shape = a.dims().to_vec();
            *shape.last_mut().expect("a has rows") = columns;
            a.contiguous()?.reshape(((), inner))?.matmul(b)?.reshape(shape)
        })
    }

    fn matmul_transposed(&mut self, a: Var, b: Var) -> Result<Var> {
        self.map2(a, b, |a, b| a.matmul(&b.t()?.contiguous()?))
    }

    fn transpose(&mut self, a: Var) -> Result<Var> {
        self.map(a, |a| a.transpose(2, 3)?.contiguous())
    }

    fn mix(&mut self, maps: Var, shares: &[f32]) -> Result<Var> {
        let shares = Tensor::from_slice(shares, (1, shares.len(), 1, 1), &Device::Cpu)?;
        self.map(maps, |maps| maps.broadcast_mul(&shares)?.sum_keepdim(1))
    }

    fn pool(&mut self, maps: Var, window: (usize, usize)) -> Result<Var> {
        self.map(maps, |maps| maps.avg_pool2d(window))
    }

    fn enlarge(&mut self, maps: Var, _: usize, side: usize) -> Result<Var> {
        self.map(maps, |maps| {
            let (_, _, height, width) = maps.dims4()?;
            maps.upsample_nearest2d(height * side, width * side)
        })
    }

    /// The sum is in float64.
    fn mean_of_maps(&mut self, maps: Var) -> Result<Var> {
        self.map(maps, |maps| maps.to_dtype(DType::F64)?.mean_keepdim((2, 3))?.to_dtype(DType::F32))
    }

    fn mean(&mut self, a: Var, axis: usize) -> Result<Var> {
        self.map(a, |a| a.mean_keepdim(axis))
    }

    fn min_over_first(&mut self, a: Var) -> Result<Var> {
        self.map(a, |a| a.min(0))
    }

    fn window(&mut self, a: Var, ranges: &[(usize, usize, usize)]) -> Result<Var> {
        self.map(a, |a| {
            let part = ranges.iter().try_fold(a.clone(), |a, (axis, start, length)| a.narrow(*axis, *start, *length));
            part?.contiguous()
        })
    }

    fn concat(&mut self, parts: &[Var]) -> Result<Var> {
        let parts: Vec<&Tensor> = parts.iter().map(|part| self.tensor(*part)).collect();
        let all = Tensor::cat(&parts, 1)?;
        Ok(self.var(all))
    }

    fn flatten(&mut self, a: Var) -> Result<Var> {
        self.map(a, |a| a.flatten_from(1)?.contiguous())
    }

    fn reshape(&mut self, a: Var, shape: &[i64]) -> Result<Var> {
        self.map(a, |a| {
            let known = |(axis, length): (usize, &i64)| if *length == 0 { a.dims()[axis] } else { *length as usize };
            let rest = |length: &i64| *length < 0;
            let product: usize = shape.iter().enumerate().filter(|(_, length)| !rest(length)).map(known).product();
            let lengths = shape.iter().enumerate();
            let lengths: Vec<usize> = lengths
                .map(|(axis, length)| if rest(length) { a.elem_count() / product } else { known((axis, length)) })
                .collect();
            a.reshape(lengths)
        })
    }

    fn layers(&mut self, layers: &[Layer], _: usize, a: Var, _: &[usize]) -> Result<Var> {
        self.map(a, |a| infer(layers, a))
    }

    fn dual(&mut self, step: &dyn DualOp, a: Var) -> Result<Var> {
        self.map(a, |a| step.evaluate(a))
    }
}

/// Appends the nodes of a computation to a graph.
#[derive(Debug)]
pub struct Append<'g> {
    graph: &'g mut Graph,
    names: Vec<String>,
}

impl<'g> Append<'g> {
    /// Creates a computation whose nodes are appended to `graph`.
    pub fn new(graph: &'g mut Graph) -> Self {
        Self { graph, names: Vec::new() }
    }

    /// Adds a value of the graph, given by its name, as an input of the computation.
    pub fn var(&mut self, name: impl Into<String>) -> Var {
        self.names.push(name.into());
        Var(self.names.len() - 1)
    }

    /// The name of a variable's value in the graph.
    #[must_use]
    pub fn name(&self, a: Var) -> &str {
        &self.names[a.0]
    }

    fn node(&mut self, op: &str, inputs: &[Var], attributes: &[(&str, Attribute)]) -> Var {
        let inputs: Vec<&str> = inputs.iter().map(|input| self.names[input.0].as_str()).collect();
        let name = self.graph.node(op, &inputs, attributes);
        self.var(name)
    }

    fn integers(&mut self, values: &[i64]) -> Var {
        let name = self.graph.integers(values);
        self.var(name)
    }

    fn with_number(&mut self, op: &str, a: Var, number: f32) -> Var {
        let name = self.graph.with_number(op, &self.names[a.0], number);
        self.var(name)
    }

    fn numbers(&mut self, dims: &[usize], values: &[f32]) -> Var {
        let name = self.graph.constant(dims, values);
        self.var(name)
    }
}

impl Ops for Append<'_> {
    fn constant(&mut self, tensor: &Tensor) -> Result<Var> {
        let name = layers::tensor(self.graph, tensor)?;
        Ok(self.var(name))
    }

    fn add(&mut self, a: Var, b: Var) -> Result<Var> {
        Ok(self.node("Add", &[a, b], &[]))
    }

    fn sub(&mut self, a: Var, b: Var) -> Result<Var> {
        Ok(self.node("Sub", &[a, b], &[]))
    }

    fn mul(&mut self, a: Var, b: Var) -> Result<Var> {
        Ok(self.node("Mul", &[a, b], &[]))
    }

    fn scale(&mut self, a: Var, number: f32) -> Result<Var> {
        Ok(self.with_number("Mul", a, number))
    }

    fn shift(&mut self, a: Var, number: f32) -> Result<Var> {
        Ok(self.with_number("Add", a, number))
    }

    fn log(&mut self, a: Var) -> Result<Var> {
        Ok(self.node("Log", &[a], &[]))
    }

    fn matmul(&mut self, a: Var, b: Var) -> Result<Var> {
        Ok(self.node("MatMul", &[a, b], &[]))
    }

    fn matmul_transposed(&mut self, a: Var, b: Var) -> Result<Var> {
        Ok(self.node("Gemm", &[a, b], &[("transB", Attribute::Int(1))]))
    }

    fn transpose(&mut self, a: Var) -> Result<Var> {
        Ok(self.node("Transpose", &[a], &[("perm", Attribute::Ints(&[0, 1, 3, 2]))]))
    }

    fn mix(&mut self, maps: Var, shares: &[f32]) -> Result<Var> {
        let shares = self.numbers(&[1, shares.len(), 1, 1], shares);
        Ok(self.node("Conv", &[maps, shares], &[]))
    }

    fn pool(&mut self, maps: Var, block: (usize, usize)) -> Result<Var> {
        let name = self.graph.average_pool(&self.names[maps.0], block);
        Ok(self.var(name))
    }

    fn enlarge(&mut self, maps: Var, channels: usize, side: usize) -> Result<Var> {
        // Each number fills its square in its own channel.
        let own =
            |index: usize| if index / (channels * side * side) == index / (side * side) % channels { 1.0 } else { 0.0 };
        let fill: Vec<f32> = (0..channels * channels * side * side).map(own).collect();
        let fill = self.numbers(&[channels, channels, side, side], &fill);
        Ok(self.node("ConvTranspose", &[maps, fill], &[("strides", Attribute::Ints(&[side as i64; 2]))]))
    }

    /// Takes the mean of each row, then of the rows: a sum of a thousand equal numbers drifts with the
    /// order in which an engine adds them.
    fn mean_of_maps(&mut self, maps: Var) -> Result<Var> {
        let rows = self.mean(maps, 3)?;
        self.mean(rows, 2)
    }

    fn mean(&mut self, a: Var, axis: usize) -> Result<Var> {
        let name = self.graph.mean_over(&self.names[a.0], axis);
        Ok(self.var(name))
    }

    fn min_over_first(&mut self, a: Var) -> Result<Var> {
        Ok(self.node("ReduceMin", &[a], &[("axes", Attribute::Ints(&[0])), ("keepdims", Attribute::Int(0))]))
    }

    fn window(&mut self, a: Var, ranges: &[(usize, usize, usize)]) -> Result<Var> {
        let list = |number: fn(&(usize, usize, usize)) -> usize| -> Vec<i64> {
            ranges.iter().map(|range| number(range) as i64).collect()
        };
        let starts = self.integers(&list(|range| range.1));
        let ends = self.integers(&list(|range| range.1 + range.2));
        let axes = self.integers(&list(|range| range.0));
        Ok(self.node("Slice", &[a, starts, ends, axes], &[]))
    }

    fn concat(&mut self, parts: &[Var]) -> Result<Var> {
        Ok(self.node("Concat", parts, &[("axis", Attribute::Int(1))]))
    }

    fn flatten(&mut self, a: Var) -> Result<Var> {
        Ok(self.node("Flatten", &[a], &[("axis", Attribute::Int(1))]))
    }

    fn reshape(&mut self, a: Var, shape: &[i64]) -> Result<Var> {
        let shape = self.integers(shape);
        Ok(self.node("Reshape", &[a, shape], &[]))
    }

    fn layers(&mut self, layers: &[Layer], first: usize, a: Var, shape: &[usize]) -> Result<Var> {
        let input = Value { name: self.names[a.0].clone(), shape: shape.to_vec() };
        let last = layers::append(self.graph, layers, first, input).map_err(candle_core::Error::wrap)?;
        Ok(self.var(last.name))
    }

    fn dual(&mut self, step: &dyn DualOp, a: Var) -> Result<Var> {
        let name = step.append(self.graph, &self.names[a.0]);
        Ok(self.var(name))
    }
}

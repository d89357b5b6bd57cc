//! Features of a row that are computed, not trained, beside those that the trunk learns.
//!
//! To add a feature: write a file here and add it to `Features::list` and `Features::list_mut`. Ranges in the
//! feature vector are derived from the list.

pub(super) mod pca;
mod spectrum;
pub(super) mod texture;
pub(super) mod typicality;

use std::fmt::Debug;
use std::ops::Range;

use candle_core::{Result, Tensor};

use super::Part;
use crate::onnx::{Ops, Var};
use counterfoil_kernels::luma::luma;
use texture::Texture;
use typicality::Typicality;

/// Channels, height and width of a row.
pub(super) type Shape = (usize, usize, usize);

/// A part of the feature vector that is computed from a row.
pub(super) trait Feature: Debug {
    /// The part of the detector that this feature is; an ablation leaves it out by this name.
    fn part(&self) -> Part;

    /// How many numbers the feature has for each row.
    fn len(&self) -> usize;

    /// Probability of dropping a row's numbers in training, so that the trunk also learns what they already contain.
    fn dropout(&self) -> f64 {
        0.0
    }

    /// Computes the feature of each row, `[N, len]`.
    fn express(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var>;

    /// Fits the feature to genuine rows `[N, C, H, W]` in -1..1. The rows of one picture must be adjacent.
    fn fit(&mut self, _genuine: &Tensor) -> Result<()> {
        Ok(())
    }

    /// The fitted constants with their names in checkpoints.
    fn constants(&self) -> Vec<(String, &Tensor)> {
        Vec::new()
    }

    /// The fitted constants with their names in checkpoints, mutable, to be filled.
    fn constants_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        Vec::new()
    }
}

/// The rows that enter a computation, with intermediate results that several features share.
pub(super) struct Input {
    shape: Shape,
    /// [N, C, H, W] in 0..1.
    pub(super) unit: Var,
    /// [N, C, H, W] in -1..1.
    pub(super) centred: Var,
    grey: Option<Var>,
    power: Option<Var>,
}

impl Input {
    pub(super) fn new(shape: Shape, unit: Var, centred: Var) -> Self {
        Self { shape, unit, centred, grey: None, power: None }
    }

    /// The grey of each row, [N, 1, H, W] in -1..1.
    pub(super) fn grey(&mut self, ops: &mut dyn Ops) -> Result<Var> {
        if self.grey.is_none() {
            self.grey = Some(ops.mix(self.centred, luma(self.shape.0))?);
        }
        Ok(self.grey.expect("it was just made"))
    }

    /// The power of each frequency, `[N, F * H]`, see [`spectrum::power`].
    pub(super) fn power(&mut self, ops: &mut dyn Ops) -> Result<Var> {
        if self.power.is_none() {
            let grey = self.grey(ops)?;
            self.power = Some(spectrum::power(ops, grey, (self.shape.1, self.shape.2))?);
        }
        Ok(self.power.expect("it was just made"))
    }
}

/// The computed features of a detector, in the order of its feature vector, where they follow those of the trunk.
#[derive(Clone, Debug)]
pub(super) struct Features {
    /// How typical a row is among genuine rows.
    pub(super) typicality: Typicality,
    texture: Texture,
}

impl Features {
    /// Features before fitting, for rows of `shape` and `regions` rows per picture.
    pub(super) fn untrained(regions: usize, shape: Shape) -> Result<Self> {
        Ok(Self { typicality: Typicality::untrained(regions, shape)?, texture: Texture::new(shape.0) })
    }

    /// All features, in the order of the feature vector.
    pub(super) fn list(&self) -> [&dyn Feature; 2] {
        [&self.typicality, &self.texture]
    }

    fn list_mut(&mut self) -> [&mut dyn Feature; 2] {
        [&mut self.typicality, &mut self.texture]
    }

    /// How many numbers all features have together.
    pub(super) fn len(&self) -> usize {
        self.list().iter().map(|feature| feature.len()).sum()
    }

    /// Each feature with its range in the feature vector, which begins with `trunk` numbers of the trunk.
    pub(super) fn ranges(&self, trunk: usize) -> impl Iterator<Item = (&dyn Feature, Range<usize>)> {
        let place = |start: &mut usize, feature: &dyn Feature| {
            let range = *start..*start + feature.len();
            *start = range.end;
            Some(range)
        };
        let ranges = self.list().into_iter().scan(trunk, place);
        self.list().into_iter().zip(ranges)
    }

    /// The range of one feature in the feature vector.
    pub(super) fn range(&self, part: Part, trunk: usize) -> Range<usize> {
        let found = self.ranges(trunk).find(|(feature, _)| feature.part() == part);
        found.expect("it is on the list").1
    }

    /// Computes all features of the rows, `[N, V]` each.
    pub(super) fn express(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Vec<Var>> {
        self.list().iter().map(|feature| feature.express(ops, input)).collect()
    }

    /// Fits the features that are not in `without` to genuine rows `[N, C, H, W]` in -1..1.
    pub(super) fn fit(&mut self, genuine: &Tensor, without: &[Part]) -> Result<()> {
        let mut wanted = self.list_mut().into_iter().filter(|feature| !without.contains(&feature.part()));
        wanted.try_for_each(|feature| feature.fit(genuine))
    }

    pub(super) fn constants(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.list().into_iter().flat_map(Feature::constants)
    }

    pub(super) fn constants_mut(&mut self) -> impl Iterator<Item = (String, &mut Tensor)> {
        self.list_mut().into_iter().flat_map(Feature::constants_mut)
    }
}

//! What is known of a row beside what the trunk learns to see: features that are computed, not trained.
//!
//! A new one is a file here and a line in [`Features::list`] and its twin. Their places in the feature vector are
//! named, not counted.

pub(super) mod pca;
mod spectrum;
pub(super) mod texture;
pub(super) mod typicality;

use std::fmt::Debug;
use std::ops::Range;

use candle_core::{Result, Tensor};

use super::Part;
use crate::math::luma::luma;
use crate::onnx::{Ops, Var};
use texture::Texture;
use typicality::Typicality;

/// Channels, height, width.
pub(super) type Shape = (usize, usize, usize);

/// A part of the feature vector that is computed from a row.
pub(super) trait Feature: Debug {
    /// The part of the detective that it is, to be left out in an ablation.
    fn part(&self) -> Part;

    /// How many numbers it gives for a row.
    fn len(&self) -> usize;

    /// Probability of dropping a row's numbers in training, so that the trunk learns what they tell already.
    fn dropout(&self) -> f64 {
        0.0
    }

    /// Its numbers, [N, len].
    fn express(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Var>;

    /// Fits it to genuine rows [N, C, H, W] in -1..1, those of a picture adjacent.
    fn fit(&mut self, _genuine: &Tensor) -> Result<()> {
        Ok(())
    }

    /// What was fitted, by the names that checkpoints give it.
    fn constants(&self) -> Vec<(String, &Tensor)> {
        Vec::new()
    }

    /// The same, to be filled.
    fn constants_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        Vec::new()
    }
}

/// Rows on their way into a computation, with what several features need of them.
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

    /// The power of each frequency, [N, F * H], see [`spectrum::power`].
    pub(super) fn power(&mut self, ops: &mut dyn Ops) -> Result<Var> {
        if self.power.is_none() {
            let grey = self.grey(ops)?;
            self.power = Some(spectrum::power(ops, grey, (self.shape.1, self.shape.2))?);
        }
        Ok(self.power.expect("it was just made"))
    }
}

/// The features of a detective, in the order of its feature vector, where they stand after the trunk's.
#[derive(Clone, Debug)]
pub(super) struct Features {
    /// How typical a row is of the genuine ones.
    pub(super) typicality: Typicality,
    texture: Texture,
}

impl Features {
    /// Before anything was fitted, for rows of `shape`, `regions` of them a picture.
    pub(super) fn untrained(regions: usize, shape: Shape) -> Result<Self> {
        Ok(Self { typicality: Typicality::untrained(regions, shape)?, texture: Texture::new(shape.0) })
    }

    /// All of them.
    pub(super) fn list(&self) -> [&dyn Feature; 2] {
        [&self.typicality, &self.texture]
    }

    fn list_mut(&mut self) -> [&mut dyn Feature; 2] {
        [&mut self.typicality, &mut self.texture]
    }

    /// How many numbers they give together.
    pub(super) fn len(&self) -> usize {
        self.list().iter().map(|feature| feature.len()).sum()
    }

    /// Each with its place in a feature vector that begins with `trunk` numbers of the trunk's.
    pub(super) fn ranges(&self, trunk: usize) -> impl Iterator<Item = (&dyn Feature, Range<usize>)> {
        let place = |start: &mut usize, feature: &dyn Feature| {
            let range = *start..*start + feature.len();
            *start = range.end;
            Some(range)
        };
        let ranges = self.list().into_iter().scan(trunk, place);
        self.list().into_iter().zip(ranges)
    }

    /// The place of one of them.
    pub(super) fn range(&self, part: Part, trunk: usize) -> Range<usize> {
        let found = self.ranges(trunk).find(|(feature, _)| feature.part() == part);
        found.expect("it is on the list").1
    }

    /// All features of rows, [N, V] each.
    pub(super) fn express(&self, ops: &mut dyn Ops, input: &mut Input) -> Result<Vec<Var>> {
        self.list().iter().map(|feature| feature.express(ops, input)).collect()
    }

    /// Fits those that are not left out to genuine rows [N, C, H, W] in -1..1.
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

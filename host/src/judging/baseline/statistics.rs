//! The Mahalanobis distance of the hand statistics, at their own size and over the whole picture: with crops of
//! different places the statistics would be less distinct.

use std::path::Path;

use anyhow::Result;
use counterfoil_edge::inference::Engine;
use counterfoil_models::Plane;
use rayon::prelude::*;

use super::eval_planes::EvalPlanes;
use super::fit::{self, Scorer};
use crate::data::{InputRule, Item, Preview, Samples, Settings};
use crate::detector::{Kind, statistics};
use crate::eval::Scored;

/// Scores the pictures with statistics fitted to the reference, or to halves of the judged genuine pictures.
pub(super) fn scores(items: &[Item], reference: Option<&[Item]>) -> Result<Vec<Scored>> {
    let preview = Preview::new(items, Path::new("what is judged"));
    let input = InputRule::default().resolve(&Settings::default(), &Kind::Statistics.recipe().input(), &preview)?.input;
    let eval_planes = EvalPlanes::of(items, &input);
    let reference = reference.map(|reference| EvalPlanes::of(reference, &input));
    fit::scores(&eval_planes, reference.as_ref(), Statistics::fit)
}

struct Statistics {
    engine: Engine,
}

impl Statistics {
    fn fit(planes: &[&Plane]) -> Result<Self> {
        let [rows, c, h, w] = planes[0].shape();
        let pixels: Vec<u8> = planes.iter().flat_map(|plane| plane.bytes()).copied().collect();
        let onnx = statistics::fit(&Samples::new(c, h, w, pixels)?, &[])?;
        Ok(Self { engine: Engine::load(&onnx, rows, c, h, w)? })
    }
}

impl Scorer for Statistics {
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
        planes.par_iter().map(|plane| Ok(self.engine.run(&plane.to_f32())?.score)).collect()
    }
}

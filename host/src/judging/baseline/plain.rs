//! The GAN's discriminator at the end of the training: the bundle's `plain` output, where a detective is the
//! detector.

use anyhow::Result;
use counterfoil_edge::inference::Graph;
use counterfoil_models::{Bundle, DISCRIMINATOR};
use rayon::prelude::*;

use super::eval_planes::EvalPlanes;
use super::fit::joined;
use crate::eval::Scored;

/// The discriminator's score of every picture, with the regions joined. `None` where the discriminator itself is the
/// bundle's detector.
pub(super) fn scores(bundle: &Bundle, eval_planes: &EvalPlanes) -> Result<Option<Vec<Scored>>> {
    let graph = Graph::load(&bundle.read(DISCRIMINATOR)?, &bundle.manifest().input.shape())?;
    let Some(slot) = graph.outputs().position(|(name, _)| name == "plain") else { return Ok(None) };
    let plain = |plane: &&counterfoil_models::Plane| Ok(graph.run(&plane.to_f32())?.swap_remove(slot).values);
    let logits: Vec<Vec<f32>> = eval_planes.planes().par_iter().map(plain).collect::<Result<_>>()?; // [pictures][regions]
    let genuine = logits.iter().zip(eval_planes.genuine()).filter(|(_, genuine)| *genuine).map(|(row, _)| row.clone());
    Ok(Some(eval_planes.scored(&joined(&genuine.collect::<Vec<_>>(), &logits)?)))
}

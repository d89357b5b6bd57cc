//! The game's own discriminator as it left the game: the bundle's `plain` output, where a detective judges in its place.

use anyhow::Result;
use counterfoil_edge::inference::Graph;
use counterfoil_models::{Bundle, DISCRIMINATOR};
use rayon::prelude::*;

use super::exhibits::Exhibits;
use super::fit::joined;
use crate::eval::Scored;

/// What it says of every picture, its regions joined; `None` where it is itself the bundle's detector.
pub(super) fn scores(bundle: &Bundle, exhibits: &Exhibits) -> Result<Option<Vec<Scored>>> {
    let graph = Graph::load(&bundle.read(DISCRIMINATOR)?, &bundle.manifest().input.shape())?;
    let Some(slot) = graph.outputs().position(|(name, _)| name == "plain") else { return Ok(None) };
    let plain = |plane: &&counterfoil_models::Plane| Ok(graph.run(&plane.to_f32())?.swap_remove(slot).values);
    let logits: Vec<Vec<f32>> = exhibits.planes().par_iter().map(plain).collect::<Result<_>>()?; // [pictures][regions]
    let genuine = logits.iter().zip(exhibits.genuine()).filter(|(_, genuine)| *genuine).map(|(row, _)| row.clone());
    Ok(Some(exhibits.scored(&joined(&genuine.collect::<Vec<_>>(), &logits)?)))
}

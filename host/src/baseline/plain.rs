//! The GAN's own discriminator as it left the game: the bundle's `logit`, where what is judged (`score`) is more than that.

use anyhow::Result;
use counterfoil_edge::engine::{Engine, Outputs};
use counterfoil_models::{Bundle, DISCRIMINATOR, Plane};
use rayon::prelude::*;

use super::exhibits::Exhibits;
use super::fit::joined;
use crate::eval::Scored;

/// Scores and logits nearer than this are the same number.
const SAME: f32 = 1e-6;

/// The logits of every picture, their regions joined; `None` when they are the bundle's scores.
pub(super) fn scores(bundle: &Bundle, exhibits: &Exhibits) -> Result<Option<Vec<Scored>>> {
    let [rows, channels, height, width] = bundle.manifest().input.shape();
    let engine = Engine::load(&bundle.read(DISCRIMINATOR)?, rows, channels, height, width)?;
    let planes = exhibits.planes();
    let outputs = planes.par_iter().map(|plane| run(&engine, plane)).collect::<Result<Vec<Outputs>>>()?;
    let differ = |(score, logit): (&f32, &f32)| (score - logit).abs() > SAME * score.abs().max(1.0);
    if !outputs.iter().any(|one| one.score.iter().zip(&one.logit).any(differ)) {
        return Ok(None);
    }
    let logits: Vec<Vec<f32>> = outputs.into_iter().map(|one| one.logit).collect(); // [pictures][regions]
    let genuine = logits.iter().zip(exhibits.genuine()).filter(|(_, genuine)| *genuine).map(|(row, _)| row.clone());
    Ok(Some(exhibits.scored(&joined(&genuine.collect::<Vec<_>>(), &logits)?)))
}

fn run(engine: &Engine, plane: &Plane) -> Result<Outputs> {
    Ok(engine.run(&plane.to_f32())?)
}

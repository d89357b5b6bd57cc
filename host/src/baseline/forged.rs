//! What a bundle's generator draws, as bytes: the counterfeits that a supervised network is taught when nobody names others.

use anyhow::{Result, ensure};
use counterfoil_edge::inference::Graph;
use counterfoil_models::{Bundle, GENERATOR};

use crate::math::random::{normal, stream};

/// Latents of one run.
const BATCH: usize = 50;

/// `count` rows of [C, H, W] bytes, rounded up to whole batches; `None` when the bundle holds no generator.
pub(super) fn forged(bundle: &Bundle, count: usize) -> Result<Option<Vec<Vec<u8>>>> {
    let Some(latent) = bundle.manifest().latent else { return Ok(None) };
    let graph = Graph::load(&bundle.read(GENERATOR)?, &[BATCH, latent])?;
    let [_, channels, height, width] = bundle.manifest().input.shape();
    let row = channels * height * width;
    let mut rows = Vec::with_capacity(count);
    for batch in 0..count.div_ceil(BATCH) {
        let z = normal(&mut stream(0, "baseline latent", batch as u64), BATCH * latent);
        let pictures = graph.run(&z)?.swap_remove(0); // [B, C, H, W] in 0..1
        ensure!(
            pictures.values.len() == BATCH * row,
            "{GENERATOR} draws pictures of shape {:?} where the manifest's input is {channels}x{height}x{width}; export the bundle again",
            pictures.shape
        );
        let bytes = |picture: &[f32]| picture.iter().map(|x| (x * 255.0).round() as u8).collect();
        rows.extend(pictures.values.chunks_exact(row).map(bytes));
    }
    Ok(Some(rows))
}

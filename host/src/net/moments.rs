//! What a map says on the whole: maps go in, the mean and the spread of each channel over each picture come out, and gradients come back.
//!
//! Texture and tone are statistics of places, whatever the place; a tapped network gives them of every layer (see `Network::tapped`).

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::floats::with_floats;
use super::norm::EPSILON;

/// Mean and deviation of each channel over the pixels of each picture: maps [B, H, W, C] to [B, 2C], the means before the deviations.
pub(super) fn moments(maps: &[f32], (pictures, channels): (usize, usize)) -> Vec<f32> {
    let mut rows = vec![0.0; pictures * 2 * channels];
    let picture = maps.len() / pictures.max(1);
    rows.par_chunks_mut(2 * channels).zip(maps.par_chunks(picture)).for_each(|(row, map)| {
        let (mean, deviation) = row.split_at_mut(channels);
        let share = channels as f32 / picture as f32;
        for pixel in map.chunks_exact(channels) {
            mean.iter_mut().zip(pixel).for_each(|(mean, x)| *mean += x);
        }
        for mean in &mut *mean {
            *mean *= share;
        }
        for pixel in map.chunks_exact(channels) {
            for ((square, mean), x) in deviation.iter_mut().zip(&*mean).zip(pixel) {
                *square += (x - mean) * (x - mean);
            }
        }
        for square in deviation {
            *square = (*square * share + EPSILON).sqrt();
        }
    });
    rows
}

/// Adds to the gradient of maps [B, H, W, C] what the gradient of their moments, each picture's in `columns` of its row, brings:
/// dx = dmean / HW + ddeviation (x - mean) / (HW deviation).
pub(super) fn add_gradient(
    grad: &mut [f32],
    maps: &[f32],
    moments: &[f32],
    dmoments: &[f32],
    (pictures, channels): (usize, usize),
) {
    let picture = maps.len() / pictures.max(1);
    let share = channels as f32 / picture as f32;
    grad.par_chunks_mut(picture)
        .zip(maps.par_chunks(picture))
        .zip(moments.par_chunks(2 * channels).zip(dmoments.par_chunks(2 * channels)))
        .for_each(|((grad, map), (moments, dmoments))| {
            let (mean, deviation) = moments.split_at(channels);
            let (dmean, ddeviation) = dmoments.split_at(channels);
            let slope: Vec<f32> = ddeviation.iter().zip(deviation).map(|(d, s)| d * share / s).collect();
            let offset: Vec<f32> =
                dmean.iter().zip(&slope).zip(mean).map(|((d, slope), mean)| d * share - slope * mean).collect();
            for (grad, pixel) in grad.chunks_exact_mut(channels).zip(map.chunks_exact(channels)) {
                for (((grad, x), slope), offset) in grad.iter_mut().zip(pixel).zip(&slope).zip(&offset) {
                    *grad += slope * x + offset;
                }
            }
        });
}

/// The same of maps as a tensor, without a gradient.
pub(crate) fn map_moments(maps: &Tensor) -> Result<Tensor> {
    let (pictures, _, _, channels) = maps.dims4()?;
    let rows = with_floats(maps, "moments", |maps| moments(maps, (pictures, channels)))?;
    Tensor::from_vec(rows, (pictures, 2 * channels), maps.device())
}

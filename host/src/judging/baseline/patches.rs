//! The distance of the most unusual place of a picture to the nearest place of the genuine ones, in the features of the
//! trunk, as `PatchCore` does (Roth et al. 2022, 2106.08265): a peer on the features that the detector's appearance
//! uses.

use anyhow::Result;
use candle_core::{Device, Tensor};
use counterfoil_models::Plane;
use rand::seq::index;
use rayon::prelude::*;

use super::eval_planes::region;
use super::fit::Scorer;
use crate::data::Samples;
use crate::detector::appearance::LocalFeatures;
use crate::math::nearest::Nearest;
use crate::math::random::stream;

/// Number of places that are drawn from the genuine pictures at random.
const DRAWN: usize = 20_000;
/// Number of them that are kept, far from each other.
const KEPT: usize = 1_000;

pub(super) struct Patches {
    features: LocalFeatures,
    nearest: Nearest,
}

impl Patches {
    /// Fits to genuine pictures of one region, whose sides are multiples of 32.
    pub(super) fn fit(planes: &[&Plane]) -> Result<Self> {
        let [_, c, h, w] = planes[0].shape();
        let pixels: Vec<u8> = planes.iter().flat_map(|plane| region(plane, 0)).copied().collect();
        let features = LocalFeatures::fit(&Samples::new(c, h, w, pixels)?)?;
        let places: Vec<Vec<f32>> =
            planes.par_iter().map(|plane| features.of(region(plane, 0))).collect::<Result<_>>()?;
        let places = places.concat();
        let count = places.len() / LocalFeatures::COUNT;
        let drawn = index::sample(&mut stream(1, "patches", 0), count, DRAWN.min(count)).into_vec();
        let place = |at: usize| &places[at * LocalFeatures::COUNT..][..LocalFeatures::COUNT];
        let nearest = Nearest::fit(&drawn.into_iter().map(place).collect::<Vec<_>>(), KEPT)?;
        Ok(Self { features, nearest })
    }
}

impl Scorer for Patches {
    fn score(&self, planes: &[&Plane]) -> Result<Vec<Vec<f32>>> {
        let one = |plane: &&Plane| {
            let places = self.features.of(region(plane, 0))?;
            let places = Tensor::from_vec(places, ((), LocalFeatures::COUNT), &Device::Cpu)?;
            Ok(vec![-self.nearest.furthest(&places)?])
        };
        planes.par_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_models::{Color, Frame, Preprocess};
    use image::{GrayImage, Luma};

    use super::*;

    #[test]
    fn a_hole_in_a_pattern_is_the_most_unusual_place() {
        let input = Preprocess::whole(64, 64, Color::Grey);
        let picture = |phase: u32, hole: bool| {
            let level = |x: u32, y: u32| {
                if hole && x.abs_diff(40) < 6 && y.abs_diff(24) < 6 {
                    30
                } else {
                    120 + 60 * ((x + phase) / 4 % 2) + y % 3
                }
            };
            input.plane(&Frame::Grey(GrayImage::from_fn(64, 64, |x, y| Luma([level(x, y) as u8])))).unwrap()
        };
        let genuine: Vec<Plane> = (0..24).map(|phase| picture(phase % 8, false)).collect();
        let patches = Patches::fit(&genuine.iter().collect::<Vec<_>>()).unwrap();
        let scores = patches.score(&[&picture(3, false), &picture(3, true)]).unwrap();
        assert!(scores[1][0] < 2.0 * scores[0][0] - 0.1, "{scores:?}");
    }
}

//! Turns listed pictures into planes, in the same way for all baselines. A picture that cannot be read is left out,
//! as it is when the detector judges.

use counterfoil_models::{Plane, Preprocess, Verdict};
use rayon::prelude::*;

use crate::data::Item;
use crate::eval::Scored;

/// Pictures in the form in which a baseline uses them.
#[derive(Debug)]
pub(super) struct EvalPlanes<'a> {
    items: Vec<&'a Item>,
    planes: Vec<Plane>,
    input: &'a Preprocess,
}

impl<'a> EvalPlanes<'a> {
    /// Reads and preprocesses the pictures.
    pub(super) fn of(items: &'a [Item], input: &'a Preprocess) -> Self {
        let read = |item: &'a Item| Some((item, input.plane(&*item.frame().ok()?).ok()?));
        let (items, planes) = items.par_iter().filter_map(read).unzip();
        Self { items, planes, input }
    }

    /// The preprocessing rule of the planes.
    pub(super) fn input(&self) -> &'a Preprocess {
        self.input
    }

    /// The planes, in the order of the items.
    pub(super) fn planes(&self) -> Vec<&Plane> {
        self.planes.iter().collect()
    }

    /// Whether each picture is genuine, in the order of the items.
    pub(super) fn genuine(&self) -> Vec<bool> {
        self.items.iter().map(|item| item.family.is_none()).collect()
    }

    /// The pictures with their scores, given in the same order. There are no p-values and no verdicts.
    pub(super) fn scored(&self, scores: &[f32]) -> Vec<Scored> {
        let one = |(item, &score): (&&Item, &f32)| Scored {
            path: item.name.clone(),
            family: item.family.clone(),
            group: Some(item.group.clone()),
            score,
            p_value: f64::NAN,
            verdict: Verdict::Unsure,
        };
        self.items.iter().zip(scores).map(one).collect()
    }
}

/// The bytes of one region of a picture, `[C, H, W]`.
pub(super) fn region(plane: &Plane, index: usize) -> &[u8] {
    let [rows, ..] = plane.shape();
    let size = plane.bytes().len() / rows;
    &plane.bytes()[index * size..(index + 1) * size]
}

//! RUN/appearance.safetensors: the fitted appearance, float32 numbers by name.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::features::{CHANNELS, FEATURES};
use super::views::View;
use super::{Appearance, COMPONENTS, cells_of};
use crate::math::tail::Tail;
use crate::math::whitening::Whitening;

impl Appearance {
    /// The appearance as a file.
    ///
    /// # Errors
    /// Never in practice: tensors in memory fit the format.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (channels, height, width) = self.shape;
        let numbers = |numbers: &[f32]| -> Vec<u8> { numbers.iter().flat_map(|x| x.to_le_bytes()).collect() };
        let joined =
            |of: fn(&Whitening) -> &[f32]| self.cells.iter().flat_map(|cell| of(cell).iter().copied()).collect();
        let views = self.views.iter().flat_map(|view| [view.tail.location, view.tail.scale, view.weight]).collect();
        let shape = vec![channels as f32, height as f32, width as f32];
        let parts: Vec<(&str, Vec<f32>)> = vec![
            ("shape", shape),
            ("channels", self.channels.concat()),
            ("scale", self.scale.concat()),
            ("components", self.components.clone()),
            ("cells.mean", joined(|cell| &cell.mean)),
            ("cells.matrix", joined(|cell| &cell.matrix)),
            ("pooled.mean", self.pooled.mean.clone()),
            ("pooled.matrix", self.pooled.matrix.clone()),
            ("statistics.mean", self.statistics.mean.clone()),
            ("statistics.matrix", self.statistics.matrix.clone()),
            ("places", self.places.clone()),
            ("views", views),
        ];
        let bytes: Vec<(&str, usize, Vec<u8>)> =
            parts.iter().map(|(name, part)| (*name, part.len(), numbers(part))).collect();
        let views = bytes.iter().map(|(name, len, bytes)| Ok((*name, TensorView::new(Dtype::F32, vec![*len], bytes)?)));
        Ok(safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None)?)
    }

    /// Reads the file of an appearance.
    ///
    /// # Errors
    /// When the bytes are not such a file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes)?;
        let mut parts: BTreeMap<String, Vec<f32>> = BTreeMap::new();
        for (name, view) in file.tensors() {
            let numbers = view.data().as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
            parts.insert(name, numbers.collect());
        }
        let mut take = |name: &str| parts.remove(name).with_context(|| format!("it holds no {name}"));
        let sides = take("shape")?;
        ensure!(sides.len() == 3, "its shape has {} numbers", sides.len());
        let shape = (sides[0] as usize, sides[1] as usize, sides[2] as usize);
        let cells = cells_of(shape);
        let halves = |numbers: Vec<f32>| {
            let (one, other) = numbers.split_at(numbers.len() / 2);
            [one.to_vec(), other.to_vec()]
        };
        let (channels, scale) = (halves(take("channels")?), halves(take("scale")?));
        let components = take("components")?;
        let (means, matrices) = (take("cells.mean")?, take("cells.matrix")?);
        let pooled = Whitening { mean: take("pooled.mean")?, matrix: take("pooled.matrix")? };
        let statistics = Whitening { mean: take("statistics.mean")?, matrix: take("statistics.matrix")? };
        let places = take("places")?;
        let views = take("views")?;
        let square = |whitening: &Whitening| whitening.matrix.len() == whitening.mean.len().pow(2);
        let fits = channels[0].len() == CHANNELS
            && scale[0].len() == FEATURES * cells
            && components.len() == COMPONENTS * FEATURES
            && means.len() == COMPONENTS * cells
            && matrices.len() == COMPONENTS * COMPONENTS * cells
            && square(&pooled)
            && square(&statistics)
            && places.len().is_multiple_of(CHANNELS)
            && !places.is_empty()
            && views.len() == 12;
        ensure!(fits, "its parts do not fit together");
        let each = means.chunks_exact(COMPONENTS).zip(matrices.chunks_exact(COMPONENTS * COMPONENTS));
        let cells = each.map(|(mean, matrix)| Whitening { mean: mean.to_vec(), matrix: matrix.to_vec() }).collect();
        let view = |view: usize| {
            let [location, scale, weight] = [0, 1, 2].map(|number| views[3 * view + number]);
            View { tail: Tail { location, scale }, weight }
        };
        let views = [view(0), view(1), view(2), view(3)];
        Ok(Self { shape, channels, scale, components, cells, pooled, statistics, places, views })
    }
}

//! A detective's average in inference form: layers and constants, for the ONNX writer and for candle's own opinion of what it writes.

use candle_core::{Result, Tensor};

use super::genuine::Genuine;
use super::texture::texture;
use super::usual::Usual;
use crate::net::{Layer, infer};

/// The parts of a detective, first to last. Maps are [N, C, H, W] here, in -1..1 at the entrance.
#[derive(Clone, Debug)]
pub struct Anatomy {
    /// What genuine pictures are made up of: maps for the trunk, beside the picture's own.
    pub genuine: Genuine,
    /// What is usual in them: one more feature, after those of the trunk.
    pub usual: Usual,
    /// Convolutions, and at their end features of the whole, which are the first.
    pub trunk: Vec<Layer>,
    /// What is subtracted from the features, the last of which are the texture, [1, F].
    pub mean: Tensor,
    /// What they are multiplied with then, [1, F].
    pub inverse: Tensor,
    /// Features to a hidden layer, which is the embedding, and on to the logit.
    pub head: Vec<Layer>,
    /// The usualness, scaled, to what it adds to the logit: the score.
    pub odds: Vec<Layer>,
}

/// What a detective says of some pictures.
#[derive(Debug)]
pub struct Judged {
    /// Where each lies in the detective's own space, [N, E].
    pub embedding: Tensor,
    /// How genuine the head finds each, [N].
    pub logit: Tensor,
    /// How genuine each is, [N].
    pub score: Tensor,
}

impl Anatomy {
    /// Judges rows [N, C, H, W] in -1..1, those of a picture next to each other, by candle's own operations.
    ///
    /// # Errors
    /// When the pictures do not fit.
    pub fn judge(&self, pictures: &Tensor) -> Result<Judged> {
        let whole = infer(&self.trunk, &Tensor::cat(&[pictures, &self.genuine.beside(pictures)?], 1)?)?; // [N, T]
        let rows = pictures.permute((0, 2, 3, 1))?;
        let texture = texture(&rows)?;
        let after = texture.dim(1)?;
        let features = Tensor::cat(&[whole, self.usual.of_rows(&rows)?, texture], 1)?
            .broadcast_sub(&self.mean)?
            .broadcast_mul(&self.inverse)?; // [N, F]
        let (hidden, last) = self.head.split_at(self.head.len() - 1);
        let embedding = infer(hidden, &features)?;
        let logit = infer(last, &embedding)?;
        let usualness = features.narrow(1, features.dim(1)? - after - 1, 1)?.contiguous()?;
        let alone = (infer(&self.odds, &usualness)? + self.usual.of_pictures(&rows)?)?;
        let score = (&logit + alone)?.flatten_all()?;
        Ok(Judged { embedding, logit: logit.flatten_all()?, score })
    }
}

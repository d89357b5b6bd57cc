//! Decodes the listed pictures into rows and fingerprints, in the order of the list.
//!
//! Every picture is decoded once, on all cores and in small batches. Only the name, group, hash and traits of a
//! picture always stay in memory; the rest goes into [`Rows`], which bounds the memory.

use counterfoil_models::{Article, Frame, Plane, Preprocess};
use rayon::prelude::*;

use super::rows::{Rows, StorageLimits};
use super::{DataError, Fingerprint, Item, Result, Traits};

/// Pictures per core and batch: enough that cores seldom wait for the last picture of a batch.
const PICTURES_PER_CORE: usize = 16;

/// Appends a row for another shot of each picture, made by `vary` from the picture and its place in the list. Where the
/// article is not found in that shot, the row is the picture's own.
///
/// # Errors
/// [`DataError::Spill`] when the rows cannot be stored.
pub(crate) fn append_shots(
    decoded: &mut Decoded,
    input: &Preprocess,
    vary: &(dyn Fn(&Frame, usize) -> Frame + Sync),
) -> Result<()> {
    let shot = |index: usize| input.plane(&vary(&*decoded.items[index].frame().ok()?, index)).ok();
    let row: usize = input.shape().iter().product();
    for start in (0..decoded.items.len()).step_by(PICTURES_PER_CORE * rayon::current_num_threads()) {
        let end = (start + PICTURES_PER_CORE * rayon::current_num_threads()).min(decoded.items.len());
        let shots: Vec<Option<Plane>> = (start..end).into_par_iter().map(shot).collect();
        for (index, plane) in (start..end).zip(shots) {
            let mut own = vec![0; row];
            match plane {
                Some(plane) => own.copy_from_slice(plane.bytes()),
                None => decoded.rows.read(index * input.rows(), &mut own)?,
            }
            decoded.rows.push(&own)?;
        }
    }
    Ok(())
}

/// The pictures of a list that could be read, decoded.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The pictures that could be read.
    pub(crate) items: Vec<Item>,
    /// The pictures' planes, `[R, C, H, W]` bytes each, stored as `R` rows.
    pub(crate) rows: Rows,
    /// SHA-256 of each plane, in hex.
    pub(crate) hashes: Vec<String>,
    /// The pictures' fingerprints for the search for near-duplicates.
    pub(crate) prints: Rows,
    /// The pictures' colour and size.
    pub(crate) traits: Vec<Traits>,
    /// Why each of the other pictures could not be read.
    pub(crate) unreadable: Vec<String>,
}

/// Decodes and preprocesses every picture. A picture that cannot be read is recorded and does not stop the others.
///
/// # Errors
/// [`DataError::Spill`] when the rows cannot be stored.
pub(crate) fn decode(items: Vec<Item>, input: &Preprocess, room: &StorageLimits) -> Result<Decoded> {
    let [regions, channels, height, width] = input.shape();
    let mut decoded = Decoded {
        rows: Rows::new(channels * height * width, items.len() * regions, room)?,
        prints: Rows::new(Fingerprint::BYTES, items.len(), room)?,
        items: Vec::with_capacity(items.len()),
        hashes: Vec::with_capacity(items.len()),
        traits: Vec::with_capacity(items.len()),
        unreadable: Vec::new(),
    };
    let look = |item: &Item| {
        let frame = item.frame()?;
        let unfit =
            |source: counterfoil_models::Error| DataError::Picture { name: item.name.clone(), source: source.into() };
        let article = input.article_in(&frame).map_err(unfit)?;
        let plane = input.laid_out(&article).map_err(unfit)?;
        let hash = plane.sha256();
        // Two genuine articles that were brought to the same place are as alike as copies; their pictures are not.
        let seen = if input.article == Article::Outlined { &*article } else { &*frame };
        Ok((plane, hash, Fingerprint::of(seen).to_bytes(), Traits::of(&frame)))
    };
    let mut items = items.into_iter();
    loop {
        let batch: Vec<Item> = items.by_ref().take(PICTURES_PER_CORE * rayon::current_num_threads()).collect();
        if batch.is_empty() {
            return Ok(decoded);
        }
        let looked: Vec<Result<_>> = batch.par_iter().map(look).collect();
        for (item, looked) in batch.into_iter().zip(looked) {
            match looked {
                Ok((plane, hash, print, traits)) => {
                    decoded.rows.push(plane.bytes())?;
                    decoded.prints.push(&print)?;
                    decoded.hashes.push(hash);
                    decoded.traits.push(traits);
                    decoded.items.push(item);
                }
                Err(reason) => decoded.unreadable.push(reason.to_string()),
            }
        }
    }
}

//! Listed pictures enter, rows and fingerprints leave, in the order of the list.
//!
//! Every picture is decoded once, on all cores and a few at a time, so that memory is bounded by what is kept of a picture: its name,
//! group and hash. The rest goes into [`Rows`].

use counterfoil_models::Preprocess;
use rayon::prelude::*;

use super::rows::{Room, Rows};
use super::{DataError, Fingerprint, Item, Result, Traits};

/// Pictures a core decodes before the batch they are in is written down: enough that cores seldom wait for the last of a batch.
const A_CORE: usize = 16;

/// What could be read of a list.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// The pictures that could be read.
    pub(crate) items: Vec<Item>,
    /// Their planes, [R, C, H, W] bytes each, as R rows.
    pub(crate) rows: Rows,
    /// Their planes' SHA-256, in hex.
    pub(crate) hashes: Vec<String>,
    /// Their fingerprints.
    pub(crate) prints: Rows,
    /// Their colour and size.
    pub(crate) traits: Vec<Traits>,
    /// The pictures that could not be read, each with its reason.
    pub(crate) unreadable: Vec<String>,
}

/// Decodes and preprocesses every picture; one that cannot be read never stops the others.
///
/// # Errors
/// [`DataError::Spill`], when there is no room for the rows.
pub(crate) fn decode(items: Vec<Item>, input: &Preprocess, room: &Room) -> Result<Decoded> {
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
        Ok((plane, hash, Fingerprint::of(&article).to_bytes(), Traits::of(&frame)))
    };
    let mut items = items.into_iter();
    loop {
        let batch: Vec<Item> = items.by_ref().take(A_CORE * rayon::current_num_threads()).collect();
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

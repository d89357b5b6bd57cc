//! Reference embeddings: genuine pictures of one item or writer, as the network represents them.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Largest number of references of one item. [`References::new`] refuses more, because they would add next to
/// nothing.
pub const MAX_REFERENCES: usize = 20;

/// Embeddings of 1 to [`MAX_REFERENCES`] genuine pictures of one item or writer, all of the same length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct References {
    pub(crate) embeddings: Vec<Vec<f32>>,
}

/// References as stored in a file, not yet validated. One flat list, so that reading a file never takes much more
/// memory than the file's own length.
#[derive(Serialize, Deserialize)]
struct Stored {
    references: usize,
    embeddings: Vec<f32>,
}

impl TryFrom<Stored> for References {
    type Error = Error;
    fn try_from(stored: Stored) -> Result<Self> {
        let (k, numbers) = (stored.references, stored.embeddings.len());
        if k == 0 || k > MAX_REFERENCES || !numbers.is_multiple_of(k) || numbers == 0 {
            return Err(Error::References(format!(
                "{numbers} numbers are no {k} embeddings; enrol the pictures again"
            )));
        }
        Self::new(stored.embeddings.chunks_exact(numbers / k).map(<[f32]>::to_vec).collect())
    }
}

impl From<References> for Stored {
    fn from(references: References) -> Self {
        Self { references: references.len(), embeddings: references.embeddings.concat() }
    }
}

impl References {
    /// Takes one embedding for each genuine picture: the embeddings of the picture's rows, one after the other.
    ///
    /// # Errors
    /// [`Error::References`] when there is no embedding or more than [`MAX_REFERENCES`], when an embedding is empty
    /// or they differ in length, or when two are equal (the same picture given twice makes the item look less
    /// variable than it is). [`Error::NotFinite`] when a number is NaN or infinite.
    pub fn new(embeddings: Vec<Vec<f32>>) -> Result<Self> {
        let k = embeddings.len();
        if k == 0 || k > MAX_REFERENCES {
            return Err(Error::References(format!("there are {k}; expected 1 to {MAX_REFERENCES} pictures")));
        }
        let length = embeddings[0].len();
        if length == 0 || embeddings.iter().any(|other| other.len() != length) {
            return Err(Error::References("their embeddings differ in length; enrol the pictures again".into()));
        }
        if let Some(bad) = embeddings.iter().flatten().find(|x| !x.is_finite()) {
            return Err(Error::NotFinite(*bad));
        }
        for (i, a) in embeddings.iter().enumerate() {
            if let Some(j) = embeddings[..i].iter().position(|b| a == b) {
                return Err(Error::References(format!(
                    "pictures {} and {} are the same to the network; give each once",
                    j + 1,
                    i + 1
                )));
            }
        }
        Ok(Self { embeddings })
    }

    /// Number of references K, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "never empty: `new` refuses that")]
    pub fn len(&self) -> usize {
        self.embeddings.len()
    }

    /// Length of each embedding.
    #[must_use]
    pub fn embedding_len(&self) -> usize {
        self.embeddings[0].len()
    }
}

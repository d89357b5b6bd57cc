//! Errors in the pictures that are passed to an evaluation.

/// Why an evaluation is refused.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// There is no genuine picture to measure error rates on.
    #[error(
        "no genuine picture to evaluate on: every rate is measured against genuine pictures; \
         give at least one, better some hundred, with `--genuine DIR`"
    )]
    NoGenuine,
    /// A score is not finite and cannot be ranked.
    #[error(
        "{path}: the score is {score}, expected a finite number; judge the picture again with \
         `counterfoil-edge detect`, and export the bundle anew if it says the same"
    )]
    Unranked {
        /// The picture with this score.
        path: String,
        /// The score.
        score: f64,
    },
    /// The number of a picture's cues differs from the number of names.
    #[error("{path}: it has {found} cues, expected {expected}, one for each name; measure the pictures again")]
    CueCount {
        /// The offending picture.
        path: String,
        /// Number of the picture's cues.
        found: usize,
        /// Number of names.
        expected: usize,
    },
}

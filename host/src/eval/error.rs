//! What can be wrong with the pictures handed to an evaluation.

/// Why an evaluation is refused.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// Error rates need genuine pictures to be rates of.
    #[error(
        "no genuine picture to evaluate on: every rate is measured against genuine pictures; \
         give at least one, better some hundred, with `--genuine DIR`"
    )]
    NoGenuine,
    /// A score that cannot be ranked.
    #[error(
        "{path}: the score is {score}, expected a finite number; judge the picture again with \
         `counterfoil-edge detect`, and export the bundle anew if it says the same"
    )]
    Unranked {
        /// The picture whose score it is.
        path: String,
        /// The score as it came.
        score: f64,
    },
    /// A picture whose cues do not fit their names.
    #[error("{path}: it has {found} cues, expected {expected}, one for each name; measure the pictures again")]
    CueCount {
        /// The offending picture.
        path: String,
        /// Its cues.
        found: usize,
        /// Names in the head.
        expected: usize,
    },
}

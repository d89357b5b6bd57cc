//! A verdict and the score it rests on. Only a [`Calibration`](crate::Calibration) makes a [`Judgement`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Score;

/// What is said of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Looks like the genuine article.
    Genuine,
    /// Rarer among the genuine than the caller would like, not rare enough to say counterfeit.
    Unsure,
    /// Rarer among the genuine than the false-alarm rate that was asked for.
    Counterfeit,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Genuine => "genuine",
            Self::Unsure => "unsure",
            Self::Counterfeit => "counterfeit",
        })
    }
}

/// A judged picture: score, p-value and verdict, which always belong together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judgement {
    score: Score,
    p_value: f64,
    verdict: Verdict,
}

impl Judgement {
    /// Made by [`Calibration::judge`](crate::Calibration::judge) alone.
    pub(crate) fn new(score: Score, p_value: f64, verdict: Verdict) -> Self {
        Self { score, p_value, verdict }
    }

    /// The detector's score; higher is more genuine.
    #[must_use]
    pub fn score(&self) -> Score {
        self.score
    }

    /// How rare a score this low is among the genuine, 0..=1.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        self.p_value
    }

    /// What is said.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

//! A verdict, and the judgement it is part of. Only a [`Calibration`](crate::Calibration) creates a [`Judgement`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Score;

/// The verdict on a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The picture looks like the genuine article: its p-value is above five times the false-alarm rate.
    Genuine,
    /// The p-value is above the false-alarm rate, but at most five times that rate.
    Unsure,
    /// The p-value is at most the false-alarm rate that was asked for.
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

/// The judgement of one picture: its score, p-value and verdict, which always belong together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judgement {
    score: Score,
    p_value: f64,
    verdict: Verdict,
}

impl Judgement {
    /// Only [`Calibration::judge`](crate::Calibration::judge) calls this.
    pub(crate) fn new(score: Score, p_value: f64, verdict: Verdict) -> Self {
        Self { score, p_value, verdict }
    }

    /// The detector's score; higher is more genuine.
    #[must_use]
    pub fn score(&self) -> Score {
        self.score
    }

    /// The p-value, above 0 and at most 1: the share of genuine pictures, this one included, that score as low or
    /// lower.
    #[must_use]
    pub fn p_value(&self) -> f64 {
        self.p_value
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

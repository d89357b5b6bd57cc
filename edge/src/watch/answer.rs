//! A new statement about what is in front of the box, and how it is shown: a verdict, or unsure while the genuine ones
//! look different.

use std::path::PathBuf;

use counterfoil_models::protocol::Drift;
use counterfoil_models::{Judgement, Verdict};

use super::vote::Statement;
use crate::Error;
use crate::show::indicator::Signal;
use crate::show::panel::News;
use crate::show::screen::Words;

/// A new statement about what is in front of the box.
#[derive(Debug)]
pub struct Answer {
    /// The statement on which the frames agree.
    pub said: Statement,
    /// Path of the picture's file, if it came from one.
    pub name: Option<PathBuf>,
    /// SHA-256 of the last picture on which the statement is based.
    pub picture: String,
    /// Why the last picture could not be judged, if that is the case.
    pub why: Option<Error>,
    /// Whether the button or the network asked for this answer.
    pub asked: bool,
    /// Why the box doubts its verdicts, while it does.
    pub drift: Option<Drift>,
}

impl Answer {
    /// The statement as it is shown and published. While the genuine ones look different, no p-value holds, so every
    /// verdict is shown as unsure; the journal has the verdict itself.
    #[must_use]
    pub fn shown(&self) -> Statement {
        match (self.said, self.drift) {
            (Statement::Verdict(_, judgement), Some(Drift::Changed { .. })) => {
                Statement::Verdict(Verdict::Unsure, judgement)
            }
            (said, _) => said,
        }
    }

    /// Why there is no verdict, or why it is doubted.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let doubt = || match (self.said, self.drift) {
            (Statement::Verdict(..), Some(drift @ Drift::Changed { .. })) => Some(drift.to_string()),
            _ => None,
        };
        self.why.as_ref().map(ToString::to_string).or_else(doubt)
    }

    /// The answer as news for lights and display.
    #[must_use]
    pub fn news(&self) -> News {
        let judged = |judgement: &Judgement| {
            [format!("p {:.4}", judgement.p_value()), format!("score {:.2}", judgement.score().get())]
        };
        let (signal, large, small) = match (&self.said, &self.drift) {
            (Statement::Nothing, _) => (Signal::Nothing, "READY", [String::new(), String::new()]),
            (Statement::Verdict(_, judgement), Some(drift @ Drift::Changed { .. })) => (
                Signal::Unsure,
                "CALIBRATE",
                [format!("since {}", drift.time()), format!("p {:.4}", judgement.p_value())],
            ),
            (Statement::Verdict(Verdict::Counterfeit, _), Some(Drift::Rejections { .. })) => {
                (Signal::Counterfeit, "COUNTERFEIT", ["one that is genuine?".into(), "lay it, hold button".into()])
            }
            (Statement::Verdict(Verdict::Genuine, judgement), _) => (Signal::Genuine, "GENUINE", judged(judgement)),
            (Statement::Verdict(Verdict::Unsure, judgement), _) => (Signal::Unsure, "UNSURE", judged(judgement)),
            (Statement::Verdict(Verdict::Counterfeit, judgement), _) => {
                (Signal::Counterfeit, "COUNTERFEIT", judged(judgement))
            }
            (Statement::Unjudged, _) => (
                Signal::Fault,
                "NOT JUDGED",
                [self.why.as_ref().map(ToString::to_string).unwrap_or_default(), String::new()],
            ),
        };
        News { signal, words: Words { large: large.to_owned(), small } }
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_models::{Calibration, Score};

    use super::*;

    fn news(score: f32, drift: Option<Drift>) -> News {
        let calibration = Calibration::new(0.05, (0..19u8).map(f32::from).collect()).unwrap();
        let judgement = calibration.judge(Score::new(score).unwrap());
        let said = Statement::Verdict(judgement.verdict(), judgement);
        Answer { said, name: None, picture: String::new(), why: None, asked: false, drift }.news()
    }

    #[test]
    fn a_change_is_amber_whatever_the_verdict_and_a_row_of_counterfeits_is_red() {
        let changed = Some(Drift::Changed { since_ms: 63_600_000 });
        let row = Some(Drift::Rejections { since_ms: 63_600_000, counterfeit: 6, of: 10 });
        for score in [-1.0, 2.0, 15.0] {
            let news = news(score, changed);
            assert_eq!((news.signal, news.words.large.as_str()), (Signal::Unsure, "CALIBRATE"));
            assert_eq!(news.words.small[0], "since 17:40 UTC");
        }
        assert_eq!(news(-1.0, None).signal, Signal::Counterfeit);
        assert_eq!(news(-1.0, row).signal, Signal::Counterfeit);
        assert!(news(-1.0, row).words.small.iter().all(|line| line.len() <= 21), "both lines fit on the display");
        assert_eq!(news(15.0, row).signal, Signal::Genuine);
    }
}

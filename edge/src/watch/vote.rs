//! What single frames say becomes what the box says: only what N of the last M frames agree on.
//!
//! A file because of what must not come through: one lucky frame in a stream of bad ones, a light that flickers, or the verdict on
//! the article before this one.

use std::collections::VecDeque;

use counterfoil_models::{Judgement, Verdict};

/// What one frame showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FrameResult {
    /// No article.
    Nothing,
    /// An article, judged.
    Judged(Judgement),
    /// Something that cannot be judged: blurred, cut off, damaged.
    Unjudged,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statement {
    /// There is no article.
    Nothing,
    /// There is one, and this is what the frames agree on. Where they contradict each other, the verdict is unsure and the judgement is
    /// that of the least genuine of them.
    Verdict(Verdict, Judgement),
    /// There is something, and it cannot be judged.
    Unjudged,
}

impl From<FrameResult> for Statement {
    /// What a picture that speaks for itself says.
    fn from(glimpse: FrameResult) -> Self {
        match glimpse {
            FrameResult::Nothing => Self::Nothing,
            FrameResult::Judged(judgement) => Self::Verdict(judgement.verdict(), judgement),
            FrameResult::Unjudged => Self::Unjudged,
        }
    }
}

/// How many frames have to agree, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    needed: usize,
    of: usize,
}

/// As many frames as anybody may wait for.
const MOST: usize = 100;

impl Quorum {
    /// Every frame for itself.
    pub const ONE: Self = Self { needed: 1, of: 1 };

    /// `needed` of the last `of` frames; more than half, so that two answers cannot both have it.
    #[must_use]
    pub fn new(needed: usize, of: usize) -> Option<Self> {
        (2 * needed > of && needed <= of && of <= MOST).then_some(Self { needed, of })
    }

    /// Frames it is of.
    #[must_use]
    pub fn of(self) -> usize {
        self.of
    }
}

impl Default for Quorum {
    fn default() -> Self {
        Self { needed: 3, of: 5 }
    }
}

/// Frames on their way to an answer.
#[derive(Debug)]
pub struct Vote {
    quorum: Quorum,
    last: VecDeque<FrameResult>,
    said: Option<Statement>,
}

impl Vote {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, last: VecDeque::new(), said: None }
    }

    /// Forgets what was seen and said: the next answer is about what comes now.
    pub fn forget(&mut self) {
        self.last.clear();
        self.said = None;
    }

    /// Adds what a frame showed. Gives an answer when there is one and it is another than the last.
    pub fn add(&mut self, glimpse: FrameResult) -> Option<Statement> {
        if self.last.len() == self.quorum.of {
            self.last.pop_front();
        }
        self.last.push_back(glimpse);
        let answer = self.answer()?;
        let news = self.said.is_none_or(|said| Kind::of_said(said) != Kind::of_said(answer));
        news.then(|| {
            self.said = Some(answer);
            answer
        })
    }

    fn answer(&self) -> Option<Statement> {
        let newest = *self.last.back()?;
        let agree = |glimpse: FrameResult| {
            let same = self.last.iter().filter(|other| Kind::of(**other) == Kind::of(glimpse));
            same.count() >= self.quorum.needed
        };
        // The newest frame is among those that agree, so that an answer is never about what is gone.
        if agree(newest) {
            return Some(newest.into());
        }
        if self.last.len() < self.quorum.of || self.last.iter().any(|glimpse| agree(*glimpse)) {
            return None;
        }
        let judged =
            |glimpse: &FrameResult| if let FrameResult::Judged(judgement) = glimpse { Some(*judgement) } else { None };
        let contradicting = self.last.iter().map(judged).collect::<Option<Vec<_>>>()?;
        let least = contradicting.into_iter().min_by(|a, b| a.score().get().total_cmp(&b.score().get()))?;
        Some(Statement::Verdict(Verdict::Unsure, least))
    }
}

/// Glimpses that say the same.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nothing,
    Verdict(Verdict),
    Unjudged,
}

impl Kind {
    fn of(glimpse: FrameResult) -> Self {
        match glimpse {
            FrameResult::Nothing => Self::Nothing,
            FrameResult::Judged(judgement) => Self::Verdict(judgement.verdict()),
            FrameResult::Unjudged => Self::Unjudged,
        }
    }

    fn of_said(said: Statement) -> Self {
        match said {
            Statement::Nothing => Self::Nothing,
            Statement::Verdict(verdict, _) => Self::Verdict(verdict),
            Statement::Unjudged => Self::Unjudged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::{Calibration, Score};
    use proptest::prelude::*;

    /// `g`, `u`, `c` for frames judged, `.` for nothing there, `x` for what cannot be judged.
    fn glimpse(letter: char) -> FrameResult {
        let calibration = Calibration::new(0.05, (0..19).map(|i| i as f32).collect()).unwrap();
        let judged = |score| FrameResult::Judged(calibration.judge(Score::new(score).unwrap()));
        match letter {
            'g' => judged(15.0),
            'u' => judged(2.0),
            'c' => judged(-1.0),
            '.' => FrameResult::Nothing,
            _ => FrameResult::Unjudged,
        }
    }

    fn letter(said: Statement) -> char {
        match said {
            Statement::Nothing => '.',
            Statement::Verdict(Verdict::Genuine, _) => 'g',
            Statement::Verdict(Verdict::Unsure, _) => 'u',
            Statement::Verdict(Verdict::Counterfeit, _) => 'c',
            Statement::Unjudged => 'x',
        }
    }

    /// What is said after each frame; `-` for nothing new.
    fn say(quorum: Quorum, frames: &str) -> String {
        let mut agreement = Vote::new(quorum);
        frames.chars().map(|frame| agreement.add(glimpse(frame)).map_or('-', letter)).collect()
    }

    #[test]
    fn three_of_five_frames_speak_once() {
        let quorum = Quorum::default();
        assert_eq!(say(quorum, "gggggg"), "--g---");
        assert_eq!(say(quorum, "gcgcg"), "----g");
        assert_eq!(say(quorum, "...gggg...ccc"), "--.--g---.--c", "an article that left is not the one before");
        assert_eq!(say(quorum, "ggggcgggg"), "--g------", "one frame says nothing");
        assert_eq!(say(quorum, "xxxggg"), "--x--g");
    }

    #[test]
    fn frames_that_contradict_each_other_are_unsure() {
        assert_eq!(say(Quorum::new(4, 5).unwrap(), "gcgcgcgc"), "----u---");
        let Some(Statement::Verdict(_, least)) = "gcgcg"
            .chars()
            .fold((Vote::new(Quorum::new(4, 5).unwrap()), None), |(mut agreement, _), frame| {
                let said = agreement.add(glimpse(frame));
                (agreement, said)
            })
            .1
        else {
            panic!("five frames that do not agree")
        };
        assert_eq!(least.score().get(), -1.0);
    }

    #[test]
    fn every_frame_for_itself() {
        assert_eq!(say(Quorum::ONE, "gc.xg"), "gc.xg");
    }

    #[test]
    fn half_is_no_quorum() {
        assert!(Quorum::new(2, 4).is_none() && Quorum::new(0, 0).is_none() && Quorum::new(6, 5).is_none());
        assert!(Quorum::new(3, 4).is_some() && Quorum::new(1, 1).is_some() && Quorum::new(51, 101).is_none());
    }

    proptest! {
        #[test]
        fn genuine_is_never_said_of_fewer_frames_than_it_takes(frames in "[guc.x]{0,60}", needed in 1usize..8, more in 0usize..7) {
            let of = (needed + more).min(2 * needed - 1);
            let mut agreement = Vote::new(Quorum::new(needed, of).unwrap());
            let frames: Vec<char> = frames.chars().collect();
            for (at, frame) in frames.iter().enumerate() {
                if let Some(Statement::Verdict(Verdict::Genuine, _)) = agreement.add(glimpse(*frame)) {
                    let window = &frames[(at + 1).saturating_sub(of)..=at];
                    prop_assert!(window.iter().filter(|frame| **frame == 'g').count() >= needed);
                    prop_assert_eq!(*frame, 'g');
                }
            }
        }
    }
}

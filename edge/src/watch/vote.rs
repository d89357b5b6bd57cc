//! Combines the results of single frames into a statement: one on which N of the last M frames agree.
//!
//! A file of its own because of what must not become a statement: one lucky frame among bad ones, flickering
//! light, or the verdict on the previous article.

use std::collections::VecDeque;

use counterfoil_models::{Judgement, Verdict};

/// The result of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FrameResult {
    /// The frame shows no article.
    Nothing,
    /// The frame shows an article, which was judged.
    Judged(Judgement),
    /// The frame shows something that cannot be judged: blurred, cut off or damaged.
    Unjudged,
}

/// A statement about what is in front of the camera.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statement {
    /// There is no article.
    Nothing,
    /// There is an article, and the frames agree on this verdict. If they contradict each other, the verdict is
    /// unsure and the judgement is that of the frame with the lowest score.
    Verdict(Verdict, Judgement),
    /// There is something that cannot be judged.
    Unjudged,
}

impl From<FrameResult> for Statement {
    /// The statement of a single picture that needs no vote.
    fn from(result: FrameResult) -> Self {
        match result {
            FrameResult::Nothing => Self::Nothing,
            FrameResult::Judged(judgement) => Self::Verdict(judgement.verdict(), judgement),
            FrameResult::Unjudged => Self::Unjudged,
        }
    }
}

/// How many of the last frames must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    needed: usize,
    of: usize,
}

/// Largest number of frames that a quorum can count.
const MOST: usize = 100;

impl Quorum {
    /// Each frame counts alone.
    pub const ONE: Self = Self { needed: 1, of: 1 };

    /// `needed` of the last `of` frames. Requires more than half, so that two statements cannot both reach it,
    /// and at most 100 frames; otherwise `None`.
    #[must_use]
    pub fn new(needed: usize, of: usize) -> Option<Self> {
        (2 * needed > of && needed <= of && of <= MOST).then_some(Self { needed, of })
    }

    /// Number of frames that must agree.
    #[must_use]
    pub fn needed(self) -> usize {
        self.needed
    }

    /// Number of frames that the quorum counts.
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

/// A running vote over the last frames.
#[derive(Debug)]
pub struct Vote {
    quorum: Quorum,
    last: VecDeque<FrameResult>,
    said: Option<Statement>,
}

impl Vote {
    /// A vote without frames.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self { quorum, last: VecDeque::new(), said: None }
    }

    /// Forgets the frames and the last statement: the next statement is about the frames from now on.
    pub fn forget(&mut self) {
        self.last.clear();
        self.said = None;
    }

    /// Adds the result of a frame. Returns the statement if there is one and it differs from the last one.
    pub fn add(&mut self, result: FrameResult) -> Option<Statement> {
        if self.last.len() == self.quorum.of {
            self.last.pop_front();
        }
        self.last.push_back(result);
        let answer = self.answer()?;
        let news = self.said.is_none_or(|said| Kind::of_said(said) != Kind::of_said(answer));
        news.then(|| {
            self.said = Some(answer);
            answer
        })
    }

    fn answer(&self) -> Option<Statement> {
        let newest = *self.last.back()?;
        let agree = |result: FrameResult| {
            let same = self.last.iter().filter(|other| Kind::of(**other) == Kind::of(result));
            same.count() >= self.quorum.needed
        };
        // The newest frame must be among those that agree, so that a statement is never about an
        // article that is gone.
        if agree(newest) {
            return Some(newest.into());
        }
        if self.last.len() < self.quorum.of || self.last.iter().any(|result| agree(*result)) {
            return None;
        }
        let judged =
            |result: &FrameResult| if let FrameResult::Judged(judgement) = result { Some(*judgement) } else { None };
        let contradicting = self.last.iter().map(judged).collect::<Option<Vec<_>>>()?;
        let least = contradicting.into_iter().min_by(|a, b| a.score().get().total_cmp(&b.score().get()))?;
        Some(Statement::Verdict(Verdict::Unsure, least))
    }
}

/// The kind of a result or statement; two results agree if their kinds are equal.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nothing,
    Verdict(Verdict),
    Unjudged,
}

impl Kind {
    fn of(result: FrameResult) -> Self {
        match result {
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

    /// `g`, `u`, `c` are judged frames, `.` is nothing there, `x` cannot be judged.
    fn result(letter: char) -> FrameResult {
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

    /// The statement after each frame; `-` for nothing new.
    fn say(quorum: Quorum, frames: &str) -> String {
        let mut agreement = Vote::new(quorum);
        frames.chars().map(|frame| agreement.add(result(frame)).map_or('-', letter)).collect()
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
                let said = agreement.add(result(frame));
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
                if let Some(Statement::Verdict(Verdict::Genuine, _)) = agreement.add(result(*frame)) {
                    let window = &frames[(at + 1).saturating_sub(of)..=at];
                    prop_assert!(window.iter().filter(|frame| **frame == 'g').count() >= needed);
                    prop_assert_eq!(*frame, 'g');
                }
            }
        }
    }
}

//! The rules of a face-off: sealed labels, points, and the statistics that show whether a win is significant.

use serde::{Deserialize, Serialize};

use crate::{Verdict, sha256_hex};

/// 97.5 % quantile of the normal distribution: 95 % intervals reach this many standard errors to each side.
const Z95: f64 = 1.959_963_984_540_054;

/// Significance level: a win with a smaller p-value of McNemar's test counts as more than luck.
const SIGNIFICANT: f64 = 0.05;

/// The true labels of a game's exhibits, and the salt that keeps them from being guessed.
///
/// The referee publishes [`digest`](Self::digest) before the first round, and the seal itself at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// 32 random bytes in hex.
    pub salt: String,
    /// Whether each exhibit is genuine, in the order in which they are shown.
    pub genuine: Vec<bool>,
}

impl Seal {
    /// SHA-256 of salt and labels, in hex. It is published before the game.
    #[must_use]
    pub fn digest(&self) -> String {
        let labels: String = self.genuine.iter().map(|genuine| if *genuine { 'G' } else { 'C' }).collect();
        sha256_hex(format!("counterfoil-seal-1\n{}\n{labels}\n", self.salt).as_bytes())
    }

    /// Whether the published digest is that of this seal.
    #[must_use]
    pub fn opens(&self, digest: &str) -> bool {
        self.digest() == digest
    }
}

/// A contestant's answer to one exhibit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Verdict at the contestant's own calibrated threshold; `None` when no answer came in time.
    pub verdict: Option<Verdict>,
    /// Time that the answer took, in seconds.
    pub seconds: f64,
}

impl Answer {
    /// Points of the answer: +1 when right, -1 when wrong, 0 when unsure or late.
    #[must_use]
    pub fn points(&self, genuine: bool) -> i64 {
        match (self.verdict, genuine) {
            (Some(Verdict::Genuine), true) | (Some(Verdict::Counterfeit), false) => 1,
            (Some(Verdict::Genuine), false) | (Some(Verdict::Counterfeit), true) => -1,
            (Some(Verdict::Unsure) | None, _) => 0,
        }
    }
}

/// A contestant's result over a whole game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Name of the contestant.
    pub name: String,
    /// Points: right minus wrong answers.
    pub points: i64,
    /// Number of exhibits judged right.
    pub right: u64,
    /// Number of exhibits judged wrong.
    pub wrong: u64,
    /// Number of answers that were unsure or late.
    pub abstained: u64,
    /// Share of all answers that were right, 0..1.
    pub accuracy: f64,
    /// Lower end of the 95 % Wilson interval of the accuracy.
    pub accuracy_low: f64,
    /// Upper end of the 95 % Wilson interval of the accuracy.
    pub accuracy_high: f64,
    /// Time of all answers together, in seconds; of two with equal points, the faster comes first.
    pub seconds: f64,
}

impl Standing {
    /// Sums up a contestant's answers, each compared with the opened label in the same place.
    #[must_use]
    pub fn new(name: &str, answers: &[Answer], genuine: &[bool]) -> Self {
        let points: Vec<i64> = answers.iter().zip(genuine).map(|(answer, truth)| answer.points(*truth)).collect();
        let count = |wanted: i64| points.iter().filter(|p| **p == wanted).count() as u64;
        let (right, wrong, abstained) = (count(1), count(-1), count(0));
        let all = right + wrong + abstained;
        let (accuracy_low, accuracy_high) = wilson(right, all);
        Self {
            name: name.to_owned(),
            points: points.iter().sum(),
            right,
            wrong,
            abstained,
            accuracy: if all == 0 { 0.0 } else { right as f64 / all as f64 },
            accuracy_low,
            accuracy_high,
            seconds: answers.iter().map(|answer| answer.seconds).sum(),
        }
    }
}

/// The result of a game.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Results of the contestants, the best first: by points, then by time.
    pub standings: Vec<Standing>,
    /// Exact p-value of McNemar's test of the first against the second, right against not right; 1 for a single
    /// contestant.
    pub p_value: f64,
    /// Whether the first may be called the winner: more points than the second, and a p-value below 0.05.
    pub decided: bool,
}

impl Outcome {
    /// Ranks the contestants, each given by a name and an answer to each exhibit.
    #[must_use]
    pub fn new(contestants: &[(String, Vec<Answer>)], genuine: &[bool]) -> Self {
        let mut ranked: Vec<(Standing, &Vec<Answer>)> =
            contestants.iter().map(|(name, answers)| (Standing::new(name, answers, genuine), answers)).collect();
        ranked.sort_by(|(a, _), (b, _)| b.points.cmp(&a.points).then(a.seconds.total_cmp(&b.seconds)));
        let p_value = match ranked.as_slice() {
            [(_, first), (_, second), ..] => {
                let only = |a: &[Answer], b: &[Answer]| {
                    let pairs = a.iter().zip(b).zip(genuine);
                    pairs.filter(|((a, b), truth)| a.points(**truth) == 1 && b.points(**truth) != 1).count() as u64
                };
                mcnemar(only(first, second), only(second, first))
            }
            _ => 1.0,
        };
        let standings: Vec<Standing> = ranked.into_iter().map(|(standing, _)| standing).collect();
        let ahead = standings.len() < 2 || standings[0].points > standings[1].points;
        Self { decided: ahead && p_value < SIGNIFICANT, standings, p_value }
    }

    /// Formats the standings as a table for a terminal, with [`sentence`](Self::sentence) below it.
    #[must_use]
    pub fn table(&self) -> String {
        let names = self.standings.iter().map(|standing| standing.name.chars().count());
        let width = names.max().unwrap_or(0).max("contestant".len());
        let row = |(place, s): (usize, &Standing)| {
            let accuracy = [s.accuracy, s.accuracy_low, s.accuracy_high].map(|share| 100.0 * share);
            let interval = format!("{:.1} % ({:.1} to {:.1})", accuracy[0], accuracy[1], accuracy[2]);
            let Standing { name, points, right, wrong, abstained, seconds, .. } = s;
            format!(
                "{:>5}  {name:<width$}  {points:>+6}  {right:>6}  {wrong:>6}  {abstained:>6}  {interval:<22}  {seconds:>8.3}\n",
                place + 1
            )
        };
        let rows: String = self.standings.iter().enumerate().map(row).collect();
        let [contestant, accuracy] = ["contestant", "accuracy (95 %)"];
        format!(
            "place  {contestant:<width$}  points   right   wrong  unsure  {accuracy:<22}   seconds\n{rows}\n{}\n",
            self.sentence()
        )
    }

    /// States the result in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self.standings.first() {
            None => "no contestant played".to_owned(),
            Some(first) if self.decided => format!("{} wins (McNemar p = {:.2e})", first.name, self.p_value),
            Some(first) if self.standings.len() == 1 => format!("{} played alone", first.name),
            Some(first) => {
                format!("too close to call: {} is ahead, McNemar p = {:.2}", first.name, self.p_value)
            }
        }
    }
}

/// The Wilson score interval of a proportion at 95 % (Wilson 1927); `(0, 1)` when nothing was counted.
///
/// ```
/// let (low, high) = counterfoil_models::game::wilson(8, 10);
/// assert!((low - 0.490).abs() < 1e-3 && (high - 0.943).abs() < 1e-3);
/// ```
#[must_use]
pub fn wilson(successes: u64, all: u64) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let n = all as f64;
    let p = successes as f64 / n;
    let z2 = Z95 * Z95;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The p-value of McNemar's exact two-sided test. Only the first was right on `b` exhibits, only the second on `c`.
///
/// Under the null hypothesis each discordant exhibit is a fair coin: `p = min(1, 2 P(Bin(b + c, 1/2) <= min(b, c)))`.
#[must_use]
pub fn mcnemar(b: u64, c: u64) -> f64 {
    let n = b + c;
    // P(Bin = k) from P(Bin = k - 1), in logarithms so that 2^-n does not underflow.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut sum = log_term.exp();
    for k in 1..=b.min(c) {
        log_term += ((n - k + 1) as f64 / k as f64).ln();
        sum += log_term.exp();
    }
    (2.0 * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_only_with_its_own_salt_and_labels() {
        let seal = Seal { salt: "00ff".into(), genuine: vec![true, false, true] };
        let digest = seal.digest();
        assert!(seal.opens(&digest));
        assert!(!Seal { genuine: vec![true, true, true], ..seal.clone() }.opens(&digest));
        assert!(!Seal { salt: "00fe".into(), ..seal }.opens(&digest));
    }

    #[test]
    fn points_are_as_agreed() {
        let points = |verdict, genuine| Answer { verdict, seconds: 0.0 }.points(genuine);
        use Verdict::{Counterfeit, Genuine, Unsure};
        assert_eq!([points(Some(Genuine), true), points(Some(Counterfeit), false)], [1, 1]);
        assert_eq!([points(Some(Genuine), false), points(Some(Counterfeit), true)], [-1, -1]);
        assert_eq!([points(Some(Unsure), true), points(None, false)], [0, 0]);
    }

    // from math import comb, sqrt
    // def wilson(k, n, z=1.959963984540054):
    //     p=k/n; c=(p+z*z/(2*n))/(1+z*z/n); h=z/(1+z*z/n)*sqrt(p*(1-p)/n+z*z/(4*n*n)); return c-h, c+h
    // def mcnemar(b, c): n=b+c; return min(1, 2*sum(comb(n,k) for k in range(min(b,c)+1))/2**n)
    // print(wilson(8, 10), wilson(0, 10)); print(mcnemar(1, 9), mcnemar(5, 5), mcnemar(300, 400))
    #[test]
    fn statistics_are_those_of_the_textbook() {
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9 * b.abs().max(1.0);
        let (low, high) = wilson(8, 10);
        assert!(near(low, 0.490_162_471_536_641_8) && near(high, 0.943_317_848_545_624_7), "{low} {high}");
        assert_eq!(wilson(0, 10).0, 0.0);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert!(near(mcnemar(1, 9), 0.021_484_375));
        assert_eq!([mcnemar(5, 5), mcnemar(0, 0)], [1.0, 1.0]);
        let far = mcnemar(300, 400);
        assert!((far / 0.000_178_476_314_485_624_45 - 1.0).abs() < 1e-6, "{far:e}");
    }

    #[test]
    fn a_narrow_lead_is_too_close_to_call_and_ties_go_to_the_quicker() {
        let genuine = vec![true; 20];
        let player = |right: usize, seconds: f64| {
            (0..20)
                .map(|i| Answer {
                    verdict: Some(if i < right { Verdict::Genuine } else { Verdict::Counterfeit }),
                    seconds,
                })
                .collect::<Vec<_>>()
        };
        let game = |players: &[(&str, Vec<Answer>)]| {
            let players: Vec<_> = players.iter().map(|(n, a)| ((*n).to_owned(), a.clone())).collect();
            Outcome::new(&players, &genuine)
        };
        let close = game(&[("slow", player(15, 2.0)), ("ahead", player(16, 3.0))]);
        assert_eq!((close.standings[0].name.as_str(), close.decided), ("ahead", false));
        assert!(close.sentence().contains("too close to call"));
        let tie = game(&[("slow", player(15, 2.0)), ("quick", player(15, 1.0))]);
        assert_eq!(tie.standings[0].name, "quick");
        assert!(!tie.decided);
        let clear = game(&[("good", player(20, 1.0)), ("bad", player(5, 1.0))]);
        assert!(clear.decided && clear.sentence().contains("good wins"));
    }
}

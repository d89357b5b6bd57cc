//! The pictures with the worst errors of a detector, for a person to look at first; and its surest detections, for
//! comparison.

use std::collections::BTreeMap;

use counterfoil_models::Verdict;

use super::Scored;

/// The hardest pictures of each side, hardest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardest<'a> {
    /// Genuine pictures with the lowest scores.
    pub genuine: Vec<&'a Scored>,
    /// Counterfeits with the highest scores.
    pub fakes: Vec<&'a Scored>,
}

/// Finds the `count` hardest pictures of each side, or all if there are fewer. Equal scores are sorted by path.
#[must_use]
pub fn hardest(scored: &[Scored], count: usize) -> Hardest<'_> {
    let (mut fakes, mut genuine): (Vec<_>, Vec<_>) = scored.iter().partition(|one| one.family.is_some());
    genuine.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| a.path.cmp(&b.path)));
    fakes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.path.cmp(&b.path)));
    genuine.truncate(count);
    fakes.truncate(count);
    Hardest { genuine, fakes }
}

/// Finds counterfeits that were judged counterfeit: the one with the lowest score of each family, lowest first, for
/// at most `count` families.
#[must_use]
pub fn caught(scored: &[Scored], count: usize) -> Vec<&Scored> {
    let mut lowest: BTreeMap<&str, &Scored> = BTreeMap::new();
    for one in scored.iter().filter(|one| one.verdict == Verdict::Counterfeit) {
        let Some(family) = &one.family else { continue };
        let best = lowest.entry(family).or_insert(one);
        if one.score < best.score {
            *best = one;
        }
    }
    let mut found: Vec<&Scored> = lowest.into_values().collect();
    found.sort_by(|a, b| a.score.total_cmp(&b.score));
    found.truncate(count);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, family: Option<&str>, score: f32) -> Scored {
        let verdict = if score < 0.0 { Verdict::Counterfeit } else { Verdict::Genuine };
        Scored { path: path.to_owned(), family: family.map(str::to_owned), group: None, score, p_value: 0.5, verdict }
    }

    #[test]
    fn the_surest_catch_of_each_family() {
        let scored = [
            one("a", None, -9.0),
            one("b", Some("f"), -1.0),
            one("c", Some("f"), -2.0),
            one("d", Some("g"), -3.0),
            one("e", Some("h"), 1.0),
        ];
        let paths = |count| caught(&scored, count).iter().map(|one| one.path.as_str()).collect::<Vec<_>>();
        assert_eq!((paths(4), paths(1)), (vec!["d", "c"], vec!["d"]));
    }

    #[test]
    fn lowest_genuine_and_highest_fakes() {
        let scored = [one("a", None, 3.0), one("b", None, 1.0), one("c", Some("f"), 0.0), one("d", Some("f"), 2.0)];
        let found = hardest(&scored, 1);
        assert_eq!((found.genuine[0].path.as_str(), found.fakes[0].path.as_str()), ("b", "d"));
        assert_eq!(hardest(&scored, 9).genuine.len(), 2);
    }
}

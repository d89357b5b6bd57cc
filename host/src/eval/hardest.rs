//! The pictures a detector was most wrong about: what a person should look at first.

use super::Scored;

/// The hardest pictures, hardest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardest<'a> {
    /// Genuine pictures with the lowest scores.
    pub genuine: Vec<&'a Scored>,
    /// Counterfeits with the highest scores.
    pub fakes: Vec<&'a Scored>,
}

/// The `count` hardest pictures of each side, or all when there are fewer. Equal scores go by path.
#[must_use]
pub fn hardest(scored: &[Scored], count: usize) -> Hardest<'_> {
    let (mut fakes, mut genuine): (Vec<_>, Vec<_>) = scored.iter().partition(|one| one.family.is_some());
    genuine.sort_by(|a, b| a.score.total_cmp(&b.score).then_with(|| a.path.cmp(&b.path)));
    fakes.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.path.cmp(&b.path)));
    genuine.truncate(count);
    fakes.truncate(count);
    Hardest { genuine, fakes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_models::Verdict;

    #[test]
    fn lowest_genuine_and_highest_fakes() {
        let one = |path: &str, family: Option<&str>, score| Scored {
            path: path.to_owned(),
            family: family.map(str::to_owned),
            group: None,
            score,
            p_value: 0.5,
            verdict: Verdict::Genuine,
        };
        let scored = [one("a", None, 3.0), one("b", None, 1.0), one("c", Some("f"), 0.0), one("d", Some("f"), 2.0)];
        let found = hardest(&scored, 1);
        assert_eq!((found.genuine[0].path.as_str(), found.fakes[0].path.as_str()), ("b", "d"));
        assert_eq!(hardest(&scored, 9).genuine.len(), 2);
    }
}

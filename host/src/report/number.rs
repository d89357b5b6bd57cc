//! Numbers as text: a share in per cent, an area with three decimals, and a dash for an unknown number.

use serde::Serialize;

use crate::eval::Estimate;

/// Text for an unknown number.
const UNKNOWN: &str = "–";

/// A number with its interval, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Printed {
    pub(super) value: String,
    /// Empty when unknown.
    pub(super) interval: String,
}

/// An area under a curve: `0.957`, `0.941–0.970`.
pub(super) fn area(estimate: Estimate) -> Printed {
    printed(estimate, |x| decimals(x, 3), "", "–")
}

/// A difference of areas: `+0.012`, `−0.003 to 0.027`.
pub(super) fn difference(estimate: Estimate) -> Printed {
    // Between signed numbers, a dash looks like a minus sign.
    let Printed { value, interval } = printed(estimate, |x| decimals(x, 3), "", " to ");
    Printed { value: if estimate.value > 0.0 { format!("+{value}") } else { value }, interval }
}

/// A rate: `93.1%`, `90.2–95.7%`.
pub(super) fn rate(estimate: Estimate) -> Printed {
    printed(estimate, |x| decimals(100.0 * x, 1), "%", "–")
}

fn printed(estimate: Estimate, digits: impl Fn(f64) -> String, unit: &str, between: &str) -> Printed {
    let with_unit = |text: String| if text == UNKNOWN { text } else { text + unit };
    Printed {
        value: with_unit(digits(estimate.value)),
        interval: match (estimate.low.is_finite(), estimate.high.is_finite()) {
            (true, true) => format!("{}{between}{}{unit}", digits(estimate.low), digits(estimate.high)),
            _ => String::new(),
        },
    }
}

/// A number with `places` decimals, a true minus sign, and no "-0.0".
pub(super) fn decimals(number: f64, places: usize) -> String {
    if !number.is_finite() {
        return UNKNOWN.to_owned();
    }
    let digits = format!("{:.places$}", number.abs());
    let vanished = digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    if number < 0.0 && !vanished { format!("−{digits}") } else { digits }
}

/// A p-value: `0.042`, `0.0013`, `3.1e−7`.
pub(super) fn p_value(p: f64) -> String {
    match p {
        p if p >= 0.01 || p == 0.0 || !p.is_finite() => decimals(p, 3),
        p if p >= 0.0001 => decimals(p, 4),
        p => format!("{p:.1e}").replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints() {
        let estimate = Estimate { value: 0.9571, low: 0.9412, high: 1.0 };
        assert_eq!((area(estimate).value, area(estimate).interval), ("0.957".into(), "0.941–1.000".into()));
        assert_eq!(rate(estimate).interval, "94.1–100.0%");
        assert_eq!((decimals(-1.26, 1), decimals(-0.04, 1)), ("−1.3".into(), "0.0".into()));
        assert_eq!((p_value(0.0417), p_value(3.14e-7)), ("0.042".into(), "3.1e−7".into()));
    }

    #[test]
    fn the_unknown_is_a_dash() {
        assert_eq!((area(Estimate::UNKNOWN).value.as_str(), rate(Estimate::UNKNOWN).value.as_str()), ("–", "–"));
        assert_eq!(rate(Estimate::UNKNOWN).interval, "");
        assert_eq!((decimals(f64::INFINITY, 2), p_value(f64::NAN)), ("–".into(), "–".into()));
    }
}

//! Shows a [`Signal`] on two lights and a buzzer, over any `embedded-hal` pins.
//!
//! A file of its own because of what the lights must never do: show green for a fault, keep green on for longer
//! than a pulse, or stop a verdict by failing. Green is lit only after the red pin was set without an error, so
//! that "unsure" cannot look like "genuine".

use counterfoil_models::{Judgement, Verdict};
use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{Error as _, ErrorKind, OutputPin};

/// Length of a pulse of the green light, in milliseconds.
const PULSE_MS: u32 = 700;
/// Length of each half of a blink, lit or dark, in milliseconds.
const BLINK_MS: u32 = 120;
/// Number of blinks for a fault.
const BLINKS: usize = 3;
/// Length of the buzz for a counterfeit, in milliseconds.
const BUZZ_MS: u32 = 400;

/// The signals that lights and buzzer can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Dark: there is nothing to judge.
    Nothing,
    /// A pulse of the green light.
    Genuine,
    /// A pulse of both lights, which a two-colour light shows as amber.
    Unsure,
    /// The red light until the next signal, and a buzz.
    Counterfeit,
    /// Blinks of the red light: there is no verdict.
    Fault,
}

impl<E> From<&Result<Judgement, E>> for Signal {
    fn from(outcome: &Result<Judgement, E>) -> Self {
        match outcome.as_ref().map(Judgement::verdict) {
            Ok(Verdict::Genuine) => Self::Genuine,
            Ok(Verdict::Unsure) => Self::Unsure,
            Ok(Verdict::Counterfeit) => Self::Counterfeit,
            Err(_) => Self::Fault,
        }
    }
}

/// A pin could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pin of the {part} failed ({kind}); check its wiring. Verdicts go on without it")]
pub struct PinFault {
    part: &'static str,
    kind: ErrorKind,
}

/// The two lights and the buzzer. They go out when this is dropped, also on a panic.
#[derive(Debug)]
pub struct Indicator<G: OutputPin, R: OutputPin, B: OutputPin, D: DelayNs> {
    green: G,
    red: R,
    buzzer: B,
    delay: D,
    reported: bool,
}

impl<G: OutputPin, R: OutputPin, B: OutputPin, D: DelayNs> Indicator<G, R, B, D> {
    /// Takes the pins as they are. High turns a light or the buzzer on.
    pub fn new(green: G, red: R, buzzer: B, delay: D) -> Self {
        Self { green, red, buzzer, delay, reported: false }
    }

    /// Shows a signal. Returns when its pulse, buzz or blinks are over. Only the first failure of a pin is reported.
    ///
    /// # Errors
    /// [`PinFault`], the first time only.
    pub fn show(&mut self, signal: Signal) -> Result<(), PinFault> {
        let shown = match signal {
            Signal::Nothing => self.dark(),
            Signal::Genuine => self.genuine(),
            Signal::Unsure => self.unsure(),
            Signal::Counterfeit => self.counterfeit(),
            Signal::Fault => self.fault(),
        };
        if shown.is_ok() || std::mem::replace(&mut self.reported, true) { Ok(()) } else { shown }
    }

    /// Turns everything off, green first. The other pins are set even if one fails.
    ///
    /// # Errors
    /// [`PinFault`] for the first pin that fails.
    pub fn dark(&mut self) -> Result<(), PinFault> {
        let green = self.set_green(false);
        let red = self.set_red(false);
        green.and(red).and(self.set_buzzer(false))
    }

    fn genuine(&mut self) -> Result<(), PinFault> {
        self.set_red(false)?;
        self.pulse_green()
    }

    fn unsure(&mut self) -> Result<(), PinFault> {
        self.set_red(true)?;
        let pulsed = self.pulse_green();
        pulsed.and(self.set_red(false))
    }

    fn counterfeit(&mut self) -> Result<(), PinFault> {
        let green = self.set_green(false);
        let red = self.set_red(true);
        let loud = self.set_buzzer(true);
        self.delay.delay_ms(BUZZ_MS);
        green.and(red).and(loud).and(self.set_buzzer(false))
    }

    fn fault(&mut self) -> Result<(), PinFault> {
        let mut shown = self.dark();
        for lit in [true, false].repeat(BLINKS) {
            shown = shown.and(self.set_red(lit));
            self.delay.delay_ms(BLINK_MS);
        }
        shown
    }

    /// Turns green on and off again, even if turning it on failed.
    fn pulse_green(&mut self) -> Result<(), PinFault> {
        let lit = self.set_green(true);
        self.delay.delay_ms(PULSE_MS);
        lit.and(self.set_green(false))
    }

    fn set_green(&mut self, lit: bool) -> Result<(), PinFault> {
        self.green.set_state(lit.into()).map_err(|e| PinFault { part: "green light", kind: e.kind() })
    }

    fn set_red(&mut self, lit: bool) -> Result<(), PinFault> {
        self.red.set_state(lit.into()).map_err(|e| PinFault { part: "red light", kind: e.kind() })
    }

    fn set_buzzer(&mut self, loud: bool) -> Result<(), PinFault> {
        self.buzzer.set_state(loud.into()).map_err(|e| PinFault { part: "buzzer", kind: e.kind() })
    }
}

impl<G: OutputPin, R: OutputPin, B: OutputPin, D: DelayNs> Drop for Indicator<G, R, B, D> {
    fn drop(&mut self) {
        // Nothing can receive the error here.
        let _ = self.dark();
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::delay::NoopDelay;
    use embedded_hal_mock::eh1::digital::State::{High, Low};
    use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};

    use super::*;

    /// Shows the signals and then drops the indicator, which sets each pin to Low once more.
    fn show(
        signals: &[Signal],
        green: &[Transaction],
        red: &[Transaction],
        buzzer: &[Transaction],
    ) -> Vec<Result<(), PinFault>> {
        let last = [Transaction::set(Low)];
        let [mut green, mut red, mut buzzer] = [green, red, buzzer].map(|pin| Mock::new(&[pin, &last].concat()));
        let mut indicator = Indicator::new(green.clone(), red.clone(), buzzer.clone(), NoopDelay);
        let shown = signals.iter().map(|signal| indicator.show(*signal)).collect();
        drop(indicator);
        green.done();
        red.done();
        buzzer.done();
        shown
    }

    fn sets(states: &[State]) -> Vec<Transaction> {
        states.iter().map(|state| Transaction::set(*state)).collect()
    }

    fn fails(state: State) -> Transaction {
        Transaction::set(state).with_error(MockError::Io(std::io::ErrorKind::Other))
    }

    #[test]
    fn green_is_a_pulse_that_ends_by_itself() {
        assert_eq!(show(&[Signal::Genuine], &sets(&[High, Low]), &sets(&[Low]), &[]), [Ok(())]);
        assert_eq!(show(&[Signal::Unsure], &sets(&[High, Low]), &sets(&[High, Low]), &[]), [Ok(())]);
    }

    #[test]
    fn red_stays_until_the_next_signal_and_the_buzz_does_not() {
        let both = [Signal::Counterfeit, Signal::Genuine];
        assert_eq!(show(&both, &sets(&[Low, High, Low]), &sets(&[High, Low]), &sets(&[High, Low])), [Ok(()); 2]);
        let gone = [Signal::Counterfeit, Signal::Nothing];
        assert_eq!(show(&gone, &sets(&[Low, Low]), &sets(&[High, Low]), &sets(&[High, Low, Low])), [Ok(()); 2]);
    }

    #[test]
    fn a_fault_blinks_red_and_never_shows_green() {
        let blinks = sets(&[Low, High, Low, High, Low, High, Low]);
        assert_eq!(show(&[Signal::Fault], &sets(&[Low]), &blinks, &sets(&[Low])), [Ok(())]);
        // Not even if the red pin always fails.
        let dead: Vec<Transaction> = [Low, High, Low, High, Low, High, Low].map(fails).to_vec();
        assert!(show(&[Signal::Fault], &sets(&[Low]), &dead, &sets(&[Low]))[0].is_err());
    }

    #[test]
    fn a_failing_pin_is_told_of_once_and_green_does_not_stand_in_for_unsure() {
        let shown = show(
            &[Signal::Unsure, Signal::Counterfeit],
            &sets(&[Low]),
            &[fails(High), fails(High)],
            &sets(&[High, Low]),
        );
        assert!(shown[0].unwrap_err().to_string().contains("red light failed"));
        assert_eq!(shown[1], Ok(()));
    }

    #[test]
    fn red_is_lit_though_green_and_the_buzzer_fail() {
        assert!(show(&[Signal::Counterfeit], &[fails(Low)], &sets(&[High]), &[fails(High), fails(Low)])[0].is_err());
    }
}

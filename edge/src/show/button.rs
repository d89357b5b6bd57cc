//! A push button to ground becomes [`Press`]es: contacts that bounce are one press, and a long one is another than a short one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use embedded_hal::digital::InputPin;

/// Time between two readings of the pin.
const POLL: Duration = Duration::from_millis(5);
/// How long a pin must stand still before it is believed.
const STILL: Duration = Duration::from_millis(20);
/// A press is long from here on.
const LONG: Duration = Duration::from_secs(2);

/// What a finger did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Pressed and let go: judge this.
    Short,
    /// Held for two seconds; said while it is still held.
    Long,
}

/// A button between a pin that is pulled up and ground.
#[derive(Debug)]
pub struct Button<P> {
    pin: P,
    /// The pin as it was read last, and since when.
    read: (bool, Option<Instant>),
    /// Since when the button is down, and whether that was called long already.
    down: Option<(Instant, bool)>,
}

impl<P: InputPin> Button<P> {
    /// A button that is not pressed.
    pub fn new(pin: P) -> Self {
        Self { pin, read: (false, None), down: None }
    }

    /// Looks at the pin; to be called every few milliseconds.
    ///
    /// # Errors
    /// The pin's own, when it cannot be read; the button then counts as let go.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Press>, P::Error> {
        let low = match self.pin.is_low() {
            Ok(low) => low,
            Err(error) => {
                (self.read, self.down) = ((false, None), None);
                return Err(error);
            }
        };
        if self.read.0 != low || self.read.1.is_none() {
            self.read = (low, Some(now));
        }
        let still = self.read.1.is_some_and(|since| now.duration_since(since) >= STILL);
        Ok(match self.down {
            None if low && still => {
                self.down = Some((now, false));
                None
            }
            Some((_, long)) if !low && still => {
                self.down = None;
                (!long).then_some(Press::Short)
            }
            Some((since, false)) if now.duration_since(since) >= LONG => {
                self.down = Some((since, true));
                Some(Press::Long)
            }
            _ => None,
        })
    }
}

impl<P: InputPin + Send + 'static> Button<P> {
    /// Reads the pin on a thread of its own until `stop` is set or the receiver is dropped. A pin that cannot be read is
    /// reported to `log` once, and read again.
    pub fn listen(mut self, stop: Arc<AtomicBool>, log: impl Fn(&str) + Send + 'static) -> mpsc::Receiver<Press> {
        let (presses, pressed) = mpsc::channel();
        thread::spawn(move || {
            let mut failing = false;
            while !stop.load(Ordering::Relaxed) {
                match self.poll(Instant::now()) {
                    Ok(press) => {
                        failing = false;
                        if press.is_some_and(|press| presses.send(press).is_err()) {
                            return;
                        }
                    }
                    Err(_) if failing => {}
                    Err(error) => {
                        failing = true;
                        log(&format!(
                            "the button's pin cannot be read ({error:?}); check its wiring. Verdicts go on without it"
                        ));
                    }
                }
                thread::sleep(POLL);
            }
        });
        pressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal_mock::eh1::MockError;
    use embedded_hal_mock::eh1::digital::State::{High, Low};
    use embedded_hal_mock::eh1::digital::{Mock, Transaction};

    /// What is said while the pin reads `!` failing, `_` low, `-` high, every 5 ms; each letter is one look.
    fn presses(pin: &str) -> Vec<(usize, Press)> {
        let look = |letter| match letter {
            '_' => Transaction::get(Low),
            '-' => Transaction::get(High),
            _ => Transaction::get(Low).with_error(MockError::Io(std::io::ErrorKind::Other)),
        };
        let mut mock = Mock::new(&pin.chars().map(look).collect::<Vec<_>>());
        let mut button = Button::new(mock.clone());
        let start = Instant::now();
        let mut said = Vec::new();
        for (at, _) in pin.chars().enumerate() {
            if let Ok(Some(press)) = button.poll(start + Duration::from_millis(5 * at as u64)) {
                said.push((at, press));
            }
        }
        mock.done();
        said
    }

    #[test]
    fn contacts_that_bounce_are_one_press() {
        assert_eq!(presses("----_-_-_______________-_--_----------"), [(32, Press::Short)]);
        assert_eq!(presses("---_--_---__---------"), [], "a touch is none");
    }

    #[test]
    fn a_long_press_is_said_once_while_it_is_held() {
        let held = "_".repeat(500);
        assert_eq!(presses(&format!("----{held}---------")), [(408, Press::Long)]);
    }

    #[test]
    fn a_pin_that_fails_presses_nothing() {
        assert_eq!(presses("--______!!!------------"), []);
    }
}

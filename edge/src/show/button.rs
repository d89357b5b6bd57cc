//! Turns the level of a pin with a push button to ground into [`Press`]es: debounced, and split into
//! short and long ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use embedded_hal::digital::InputPin;

/// Time between two readings of the pin.
const POLL: Duration = Duration::from_millis(5);
/// Debounce time: how long the level must stay the same before it counts.
const STILL: Duration = Duration::from_millis(20);
/// A press of at least this time is long.
const LONG: Duration = Duration::from_secs(2);

/// One press of the button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Press {
    /// Pressed and released: judge what is in front of the camera.
    Short,
    /// Held for two seconds; reported while it is still held.
    Long,
}

/// A button between a pin with a pull-up and ground.
#[derive(Debug)]
pub struct Button<P> {
    pin: P,
    /// Whether the pin was low at the last reading, and since when it has been so.
    read: (bool, Option<Instant>),
    /// Since when the button is down, and whether a long press was already reported.
    down: Option<(Instant, bool)>,
}

impl<P: InputPin> Button<P> {
    /// A button that is not pressed.
    pub fn new(pin: P) -> Self {
        Self { pin, read: (false, None), down: None }
    }

    /// Reads the pin once. To be called every few milliseconds.
    ///
    /// # Errors
    /// The error of the pin when it cannot be read; the button then counts as released.
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
    /// Reads the pin in a new thread until `stop` is set or the receiver is dropped. A pin that cannot be read is
    /// reported to `log` once, and reading goes on.
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

    /// The presses that are reported while the pin reads `_` low, `-` high or `!` failing; each letter
    /// is one reading, every 5 ms.
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

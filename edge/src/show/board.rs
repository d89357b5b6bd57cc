//! The pins that this computer has become one type: [`Board`], lights, buzzer and button by rppal, by the kernel's GPIO devices, on the
//! console, or none.
//!
//! rppal reads and writes the registers of a Raspberry Pi's header, and is no longer kept: where it does not know the machine (a Pi 5 with a
//! recent kernel) the kernel's own devices are asked, by the label of the header's chip. Lights go out when dropped, on a panic too.

#[cfg(feature = "gpio")]
mod gpiochip;
#[cfg(feature = "gpio")]
mod rpi;

use std::io::Write as _;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin};
use serde::Deserialize;

use crate::Result;
use crate::show::button::Button;
use crate::show::indicator::{Indicator, PinFault, Signal};
use crate::show::panel::{News, Shows};

/// Which pins are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Those of this computer's header where it has one, otherwise none.
    #[default]
    Auto,
    /// The header's, by rppal.
    Rpi,
    /// The header's, by the kernel's GPIO devices.
    Gpiochip,
    /// Lines on stderr.
    Console,
    /// None.
    None,
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [
            ("auto", Self::Auto),
            ("rpi", Self::Rpi),
            ("gpiochip", Self::Gpiochip),
            ("console", Self::Console),
            ("none", Self::None),
        ];
        let found = known.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
        found.ok_or_else(|| {
            format!("`{text}` is no kind of lights; expected {}", known.map(|(name, _)| name).join(", "))
        })
    }
}

/// BCM numbers of the header's pins; `None` for what is not wired.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pins {
    /// The green light.
    pub green: u8,
    /// The red light.
    pub red: u8,
    /// The buzzer.
    pub buzzer: Option<u8>,
    /// The button.
    pub button: Option<u8>,
}

impl Default for Pins {
    /// Green on header pin 11, red on 13, the buzzer on 15, the button on 16.
    fn default() -> Self {
        Self { green: 17, red: 27, buzzer: Some(22), button: Some(23) }
    }
}

/// What stands before a person: lights, a buzzer, and a button.
#[derive(Debug)]
pub struct Board {
    /// How its pins are had, for people.
    pub name: String,
    /// Its lights and buzzer.
    pub lights: Option<Lights>,
    /// Its button.
    pub button: Option<Button<Input>>,
}

impl Board {
    /// Takes the pins.
    ///
    /// # Errors
    /// [`Error::Board`] when they cannot be had; never for [`Kind::Auto`], [`Kind::Console`] and [`Kind::None`].
    pub fn open(kind: Kind, pins: &Pins) -> Result<Self> {
        let none = |name: String| Self { name, lights: None, button: None };
        match kind {
            Kind::None => Ok(none("none".into())),
            Kind::Console => {
                let [green, red, buzzer] = ["green", "red", "buzzer"].map(Output::Console);
                Ok(Self { name: "console".into(), lights: Some(Lights::new(green, red, buzzer)), button: None })
            }
            Kind::Rpi => Ok(Self::wired("rppal", rpi(pins)?)),
            Kind::Gpiochip => {
                let (label, wires) = gpiochip(pins)?;
                Ok(Self::wired(&format!("gpiochip {label}"), wires))
            }
            Kind::Auto => Self::open(Kind::Rpi, pins).or_else(|by_rppal| {
                Self::open(Kind::Gpiochip, pins).or_else(|by_kernel| Ok(none(format!("none: {by_rppal}; {by_kernel}"))))
            }),
        }
    }

    fn wired(name: &str, Wires { green, red, buzzer, button }: Wires) -> Self {
        let lights = Lights::new(green, red, buzzer.unwrap_or(Output::None));
        Self { name: name.to_owned(), lights: Some(lights), button: button.map(Button::new) }
    }
}

/// The pins that were asked for.
struct Wires {
    green: Output,
    red: Output,
    buzzer: Option<Output>,
    button: Option<Input>,
}

#[cfg(feature = "gpio")]
use {gpiochip::wires as gpiochip, rpi::wires as rpi};

#[cfg(not(feature = "gpio"))]
fn rpi(_: &Pins) -> Result<Wires> {
    Err(crate::Error::Board {
        board: "rpi",
        what: "this program was built without the feature gpio".into(),
        remedy: "build it with default features, or use --lights console",
    })
}

#[cfg(not(feature = "gpio"))]
fn gpiochip(pins: &Pins) -> Result<(String, Wires)> {
    rpi(pins).map(|wires| (String::new(), wires))
}

type Shared = Indicator<Output, Output, Output, Sleep>;

/// The box's lights and buzzer, to be put out by whoever ends the program.
#[derive(Clone, Debug)]
pub struct Lights(Arc<Mutex<Shared>>);

impl Lights {
    fn new(green: Output, red: Output, buzzer: Output) -> Self {
        Self(Arc::new(Mutex::new(Indicator::new(green, red, buzzer, Sleep))))
    }

    /// Shows a signal; returns when its pulse or blinks are over.
    ///
    /// # Errors
    /// [`PinFault`], the first time only: see [`Indicator::show`].
    pub fn show(&self, signal: Signal) -> Result<(), PinFault> {
        self.hold().show(signal)
    }

    /// Puts them out once the pulse that is being shown is over, and keeps anybody from lighting them again for as long as what
    /// comes back is held.
    #[must_use]
    pub fn put_out(&self) -> impl Sized + '_ {
        let mut held = self.hold();
        // A pin that fails was told of when it was to shine.
        let _ = held.dark();
        held
    }

    fn hold(&self) -> MutexGuard<'_, Shared> {
        // Lights have no state that a panic could leave half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shows for Lights {
    fn show(&mut self, news: &News) -> Option<String> {
        Self::show(self, news.signal).err().map(|fault| fault.to_string())
    }
}

/// A pin that is written to, wherever it is.
#[derive(Debug)]
pub enum Output {
    /// By rppal.
    #[cfg(feature = "gpio")]
    Rpi(rppal::gpio::OutputPin),
    /// By the kernel.
    #[cfg(feature = "gpio")]
    Gpiochip(gpiocdev_embedded_hal::OutputPin),
    /// A line on stderr.
    Console(&'static str),
    /// Nowhere.
    None,
}

impl ErrorType for Output {
    type Error = ErrorKind;
}

impl OutputPin for Output {
    fn set_low(&mut self) -> Result<(), ErrorKind> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), ErrorKind> {
        self.set(true)
    }
}

impl Output {
    #[cfg_attr(not(feature = "gpio"), expect(clippy::unnecessary_wraps, reason = "a console does not fail"))]
    fn set(&mut self, high: bool) -> Result<(), ErrorKind> {
        match self {
            #[cfg(feature = "gpio")]
            Self::Rpi(pin) => pin.write(high.into()),
            #[cfg(feature = "gpio")]
            Self::Gpiochip(pin) => return pin.set_state(high.into()).map_err(|_| ErrorKind::Other),
            // A console that is gone is no reason to fail.
            Self::Console(part) => {
                let _ = writeln!(std::io::stderr(), "[{part} {}]", if high { "on" } else { "off" });
            }
            Self::None => {}
        }
        Ok(())
    }
}

/// A pin that is read, wherever it is.
#[derive(Debug)]
pub enum Input {
    /// By rppal.
    #[cfg(feature = "gpio")]
    Rpi(rppal::gpio::InputPin),
    /// By the kernel.
    #[cfg(feature = "gpio")]
    Gpiochip(gpiocdev_embedded_hal::InputPin),
}

impl ErrorType for Input {
    type Error = ErrorKind;
}

impl InputPin for Input {
    fn is_high(&mut self) -> Result<bool, ErrorKind> {
        match *self {
            #[cfg(feature = "gpio")]
            Self::Rpi(ref pin) => Ok(pin.is_high()),
            #[cfg(feature = "gpio")]
            Self::Gpiochip(ref mut pin) => pin.is_high().map_err(|_| ErrorKind::Other),
        }
    }

    fn is_low(&mut self) -> Result<bool, ErrorKind> {
        self.is_high().map(|high| !high)
    }
}

/// Waiting, by the operating system.
#[derive(Debug)]
pub struct Sleep;

impl DelayNs for Sleep {
    fn delay_ns(&mut self, ns: u32) {
        thread::sleep(Duration::from_nanos(ns.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_without_a_header_has_no_pins_and_says_why() {
        let board = Board::open(Kind::Auto, &Pins::default()).unwrap();
        assert!(board.name.starts_with("none: "), "{}", board.name);
        assert!(board.lights.is_none() && board.button.is_none());
        let error = Board::open(Kind::Gpiochip, &Pins::default()).unwrap_err().to_string();
        assert!(error.contains("pinctrl-rp1"), "{error}");
    }
}

//! Access to the pins of this computer as one type: a [`Board`] has lights, buzzer and button through rppal, through
//! the kernel's GPIO devices, on the console, or not at all.
//!
//! rppal reads and writes the registers of a Raspberry Pi's header, and is no longer maintained. If it does not know
//! the machine (a Pi 5 with a recent kernel), the kernel's GPIO devices are used, found by the label of the header's
//! chip. The lights go out when they are dropped, also on a panic.

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
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::Result;
use crate::show::button::Button;
use crate::show::indicator::{Indicator, PinFault, Signal};
use crate::show::panel::{News, NewsDevice};

/// How the pins are accessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Through rppal or the kernel if this computer has a header, otherwise no pins.
    #[default]
    Auto,
    /// The pins of the header, through rppal.
    Rpi,
    /// The pins of the header, through the kernel's GPIO devices.
    Gpiochip,
    /// No pins: lights and buzzer are lines on stderr.
    Console,
    /// No pins, and no output.
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

/// BCM numbers of the pins on the header; `None`, in a file -1, for a pin that is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pins {
    /// Pin of the green light.
    pub green: u8,
    /// Pin of the red light.
    pub red: u8,
    /// Pin of the buzzer.
    #[serde(deserialize_with = "pin_or_none")]
    pub buzzer: Option<u8>,
    /// Pin of the button.
    #[serde(deserialize_with = "pin_or_none")]
    pub button: Option<u8>,
}

/// Reads a pin's number; -1 stands for none, since TOML has no null.
fn pin_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
    match i64::deserialize(from)? {
        -1 => Ok(None),
        pin => u8::try_from(pin)
            .map(Some)
            .map_err(|_| D::Error::custom(format!("{pin} is no pin: expected 0 to 255, or -1 for none"))),
    }
}

impl Default for Pins {
    /// The green light on header pin 11, the red one on 13, the buzzer on 15, the button on 16.
    fn default() -> Self {
        Self { green: 17, red: 27, buzzer: Some(22), button: Some(23) }
    }
}

/// The devices in front of a person: lights, buzzer and button.
#[derive(Debug)]
pub struct Board {
    /// How the pins are accessed, as text for people.
    pub name: String,
    /// The lights and the buzzer, if there are any.
    pub lights: Option<Lights>,
    /// The button, if there is one.
    pub button: Option<Button<Input>>,
}

impl Board {
    /// Opens the pins.
    ///
    /// # Errors
    /// [`Error::Board`](crate::Error::Board) when the pins cannot be used; never for [`Kind::Auto`],
    /// [`Kind::Console`] and [`Kind::None`].
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

/// The opened pins.
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

/// The lights and the buzzer. Clones share them, so that the part of the program that ends it can turn them off.
#[derive(Clone, Debug)]
pub struct Lights(Arc<Mutex<Shared>>);

impl Lights {
    fn new(green: Output, red: Output, buzzer: Output) -> Self {
        Self(Arc::new(Mutex::new(Indicator::new(green, red, buzzer, Sleep))))
    }

    /// Shows a signal. Returns when its pulse, buzz or blinks are over.
    ///
    /// # Errors
    /// [`PinFault`], the first time only: see [`Indicator::show`].
    pub fn show(&self, signal: Signal) -> Result<(), PinFault> {
        self.hold().show(signal)
    }

    /// Turns lights and buzzer off once the current pulse is over. They stay off for as long as the
    /// returned guard is held.
    #[must_use]
    pub fn put_out(&self) -> impl Sized + '_ {
        let mut held = self.hold();
        // A failing pin was already reported when it was to be lit.
        let _ = held.dark();
        held
    }

    fn hold(&self) -> MutexGuard<'_, Shared> {
        // The indicator has no state that a panic could leave half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewsDevice for Lights {
    fn show(&mut self, news: &News) -> Option<String> {
        Self::show(self, news.signal).err().map(|fault| fault.to_string())
    }
}

/// An output pin of any kind.
#[derive(Debug)]
pub enum Output {
    /// A pin through rppal.
    #[cfg(feature = "gpio")]
    Rpi(rppal::gpio::OutputPin),
    /// A pin through the kernel.
    #[cfg(feature = "gpio")]
    Gpiochip(gpiocdev_embedded_hal::OutputPin),
    /// A line on stderr, with the name of the part.
    Console(&'static str),
    /// No output.
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
            // A closed console is no reason to fail.
            Self::Console(part) => {
                let _ = writeln!(std::io::stderr(), "[{part} {}]", if high { "on" } else { "off" });
            }
            Self::None => {}
        }
        Ok(())
    }
}

/// An input pin of any kind.
#[derive(Debug)]
pub enum Input {
    /// A pin through rppal.
    #[cfg(feature = "gpio")]
    Rpi(rppal::gpio::InputPin),
    /// A pin through the kernel.
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

/// Delays by sleeping in the operating system.
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

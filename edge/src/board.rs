//! The lights that this computer has become one type: [`Lights`], on a Raspberry Pi's header or on the console.
//!
//! They go out when dropped, on a panic, and on SIGINT, SIGTERM and SIGHUP; only SIGKILL during a pulse can leave one on.

use std::convert::Infallible;
use std::io::Write as _;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{ErrorType, OutputPin};

use crate::indicator::{Indicator, PinFault, Signal};
use crate::{Error, Result};

/// BCM number of the green light's pin: number 11 on the header.
pub const GREEN_PIN: u8 = 17;
/// BCM number of the red light's pin: number 13 on the header.
pub const RED_PIN: u8 = 27;
/// What a shell shows for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

type Shared = Mutex<Indicator<Pin, Pin, Sleep>>;

/// The box's green and red light.
#[derive(Debug)]
pub struct Lights(Arc<Shared>);

impl Lights {
    /// Lights for a computer that has none: lines on stderr.
    ///
    /// # Errors
    /// [`Error::Lights`] when something else handles this program's signals already.
    pub fn console() -> Result<Self> {
        Self::new("console", Pin::Console("green"), Pin::Console("red"))
    }

    /// Lights on [`GREEN_PIN`] and [`RED_PIN`] of a Raspberry Pi's header, each with its resistor to ground.
    ///
    /// # Errors
    /// [`Error::Lights`] on anything but a Raspberry Pi, or where its pins are not ours to use.
    pub fn raspberry_pi() -> Result<Self> {
        let (green, red) = header()?;
        Self::new("rpi", green, red)
    }

    fn new(board: &'static str, green: Pin, red: Pin) -> Result<Self> {
        let lights = Arc::new(Mutex::new(Indicator::new(green, red, Sleep)));
        let handled = Arc::downgrade(&lights);
        // Waits for the end of a pulse at most; holding the lights, it lets nobody light them again.
        ctrlc::set_handler(move || {
            let lights = handled.upgrade();
            let mut held = lights.as_deref().map(hold);
            if let Some(lights) = &mut held {
                let _ = lights.dark();
            }
            process::exit(INTERRUPTED);
        })
        .map_err(|e| Error::Lights {
            board,
            what: format!("signals cannot be caught, so the lights could stay on ({e})"),
            remedy: "use --lights none",
        })?;
        Ok(Self(lights))
    }

    /// Shows a signal; returns when its pulse or blinks are over.
    ///
    /// # Errors
    /// [`PinFault`], the first time only: see [`Indicator::show`].
    pub fn show(&self, signal: Signal) -> Result<(), PinFault> {
        hold(&self.0).show(signal)
    }
}

fn hold(lights: &Shared) -> MutexGuard<'_, Indicator<Pin, Pin, Sleep>> {
    // Lights have no state that a panic could leave half-changed.
    lights.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "gpio")]
fn header() -> Result<(Pin, Pin)> {
    let refused = |e: rppal::gpio::Error| Error::Lights {
        board: "rpi",
        what: format!("the header's pins cannot be had ({e})"),
        remedy: "run it on a Raspberry Pi, as a user of the group gpio, or use --lights console",
    };
    let gpio = rppal::gpio::Gpio::new().map_err(refused)?;
    let lamp = |pin| gpio.get(pin).map(|pin| Pin::Header(pin.into_output_low())).map_err(refused);
    Ok((lamp(GREEN_PIN)?, lamp(RED_PIN)?))
}

#[cfg(not(feature = "gpio"))]
fn header() -> Result<(Pin, Pin)> {
    Err(Error::Lights {
        board: "rpi",
        what: "this program was built without the feature gpio".into(),
        remedy: "build it with default features, or use --lights console",
    })
}

/// A light, wherever it is.
#[derive(Debug)]
enum Pin {
    #[cfg(feature = "gpio")]
    Header(rppal::gpio::OutputPin),
    Console(&'static str),
}

impl Pin {
    fn set(&mut self, lit: bool) {
        match self {
            #[cfg(feature = "gpio")]
            Self::Header(pin) => pin.write(lit.into()),
            // A console that is gone is no reason to fail.
            Self::Console(light) => {
                let _ = writeln!(std::io::stderr(), "[{light} {}]", if lit { "on" } else { "off" });
            }
        }
    }
}

impl ErrorType for Pin {
    type Error = Infallible;
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true);
        Ok(())
    }
}

/// Waiting, by the operating system.
#[derive(Debug)]
struct Sleep;

impl DelayNs for Sleep {
    fn delay_ns(&mut self, ns: u32) {
        thread::sleep(Duration::from_nanos(ns.into()));
    }
}

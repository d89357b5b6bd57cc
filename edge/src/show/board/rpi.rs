//! The pins of the header through rppal.

use rppal::gpio::{Error as GpioError, Gpio};

use super::{Input, Output, Pins, Wires};
use crate::{Error, Result};

pub(super) fn wires(pins: &Pins) -> Result<Wires> {
    let refused = |e: GpioError| Error::Board {
        board: "rpi",
        what: format!("rppal cannot have the header's pins ({e})"),
        remedy: "run it on a Raspberry Pi, as a user of the group gpio, or use --lights console",
    };
    let gpio = Gpio::new().map_err(refused)?;
    let output = |pin| gpio.get(pin).map(|pin| Output::Rpi(pin.into_output_low())).map_err(refused);
    let input = |pin| gpio.get(pin).map(|pin| Input::Rpi(pin.into_input_pullup())).map_err(refused);
    Ok(Wires {
        green: output(pins.green)?,
        red: output(pins.red)?,
        buzzer: pins.buzzer.map(output).transpose()?,
        button: pins.button.map(input).transpose()?,
    })
}

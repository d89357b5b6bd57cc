//! The pins of the header through the kernel's GPIO character devices. The device numbers differ
//! between kernels; the labels do not.

use std::path::PathBuf;

use gpiocdev::line::{Bias, Value};
use gpiocdev::{Request, chip::Chip};

use super::{Input, Output, Pins, Wires};
use crate::{Error, Result};

/// Labels of the chips that drive a Raspberry Pi's header: Pi 5, Pi 4, Pi 3 and older.
const LABELS: [&str; 3] = ["pinctrl-rp1", "pinctrl-bcm2711", "pinctrl-bcm2835"];

/// The label of the chip, and its opened pins.
pub(super) fn wires(pins: &Pins) -> Result<(String, Wires)> {
    let (label, chip) = header()?;
    let refused = |pin: u8, what: String| Error::Board {
        board: "gpiochip",
        what: format!("GPIO {pin} of {} ({label}) cannot be had ({what})", chip.display()),
        remedy: "add the user to the group gpio, and end other programs that use the pin (`gpioinfo`)",
    };
    let request = |pin: u8, set: &dyn Fn(&mut gpiocdev::request::Builder)| {
        let mut builder = Request::builder();
        builder.on_chip(&chip).with_consumer("counterfoil").with_line(pin.into());
        set(&mut builder);
        builder.request().map_err(|e| refused(pin, e.to_string()))
    };
    let output = |pin| {
        let line = request(pin, &|builder| {
            builder.as_output(Value::Inactive);
        })?;
        Ok::<_, Error>(Output::Gpiochip(line.try_into().map_err(|e| refused(pin, format!("{e}")))?))
    };
    let input = |pin| {
        let line = request(pin, &|builder| {
            builder.as_input().with_bias(Bias::PullUp);
        })?;
        Ok::<_, Error>(Input::Gpiochip(line.try_into().map_err(|e| refused(pin, format!("{e}")))?))
    };
    let wires = Wires {
        green: output(pins.green)?,
        red: output(pins.red)?,
        buzzer: pins.buzzer.map(output).transpose()?,
        button: pins.button.map(input).transpose()?,
    };
    Ok((label.to_owned(), wires))
}

/// Finds the chip of the header by its label.
fn header() -> Result<(&'static str, PathBuf)> {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    let label = |path: &PathBuf| Chip::from_path(path).and_then(|chip| chip.info()).map(|info| info.label);
    let found: Vec<(PathBuf, String)> =
        chips.iter().filter_map(|path| Some((path.clone(), label(path).ok()?))).collect();
    let wanted =
        LABELS.iter().find_map(|wanted| Some((*wanted, found.iter().find(|(_, label)| label == wanted)?.0.clone())));
    wanted.ok_or_else(|| Error::Board {
        board: "gpiochip",
        what: format!(
            "none of {} is a Raspberry Pi's header ({})",
            if chips.is_empty() { "the GPIO devices, of which there are none," } else { "the GPIO devices" },
            LABELS.join(", ")
        ),
        remedy: "run it on a Raspberry Pi, as a user of the group gpio, or use --lights console",
    })
}

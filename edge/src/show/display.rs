//! Opens the display on an I2C bus as a [`NewsDevice`].

use crate::show::panel::NewsDevice;

/// Opens the display on the I2C bus `bus`; `None` for a negative number.
#[cfg(feature = "gpio")]
#[must_use]
pub fn open(bus: i16) -> Option<Box<dyn NewsDevice>> {
    use crate::show::panel::News;
    use crate::show::screen::{Screen, Words};
    use rppal::i2c::I2c;

    struct Display {
        bus: u8,
        screen: Option<Screen<I2c>>,
        reported: bool,
    }

    impl NewsDevice for Display {
        fn show(&mut self, news: &News) -> Option<String> {
            self.reword(&news.words)
        }

        fn reword(&mut self, words: &Words) -> Option<String> {
            if self.screen.is_none() {
                match I2c::with_bus(self.bus) {
                    Ok(bus) => self.screen = Some(Screen::new(bus)),
                    Err(_) if self.reported => return None,
                    Err(error) => {
                        self.reported = true;
                        let bus = self.bus;
                        return Some(format!(
                            "no display: /dev/i2c-{bus} cannot be had ({error}); `screen = -1` if there is none"
                        ));
                    }
                }
            }
            self.screen.as_mut()?.show(words).err().map(|fault| fault.to_string())
        }
    }

    let bus = u8::try_from(bus).ok()?;
    Some(Box::new(Display { bus, screen: None, reported: false }))
}

/// Without the feature `gpio` there is no display.
#[cfg(not(feature = "gpio"))]
#[must_use]
pub fn open(_: i16) -> Option<Box<dyn NewsDevice>> {
    None
}

//! Shows words on a small display: an SSD1306 with 128 x 64 pixels on an I2C bus.
//!
//! A display that is missing or fails is reported once. It is initialised again before the next words,
//! because it may have been plugged in again.

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::{FONT_6X10, FONT_10X20};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::*;
use embedded_graphics::text::{Baseline, Text};
use embedded_hal::i2c::I2c;
use ssd1306::mode::{BufferedGraphicsMode, DisplayConfig};
use ssd1306::prelude::{DisplayRotation, I2CInterface};
use ssd1306::size::DisplaySize128x64;
use ssd1306::{I2CDisplayInterface, Ssd1306};

/// Number of letters in a small line.
const SMALL: usize = 21;

/// The text on the display: one line in large letters and two in small ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The large line; 12 letters of it fit.
    pub large: String,
    /// The two small lines; 21 letters of each fit.
    pub small: [String; 2],
}

/// The display does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the display at 0x3c does not answer; check its wiring and that I2C is enabled (`raspi-config`). Verdicts go on without it"
)]
pub struct ScreenFault;

type Display<I> = Ssd1306<I2CInterface<I>, DisplaySize128x64, BufferedGraphicsMode<DisplaySize128x64>>;

/// The display and its state.
pub struct Screen<I> {
    display: Display<I>,
    working: bool,
    reported: bool,
}

impl<I: I2c> Screen<I> {
    /// A display on `bus` at address 0x3c. Nothing is sent yet.
    pub fn new(bus: I) -> Self {
        let interface = I2CDisplayInterface::new(bus);
        let display =
            Ssd1306::new(interface, DisplaySize128x64, DisplayRotation::Rotate0).into_buffered_graphics_mode();
        Self { display, working: false, reported: false }
    }

    /// Replaces the words on the display.
    ///
    /// # Errors
    /// [`ScreenFault`], the first time only.
    pub fn show(&mut self, words: &Words) -> Result<(), ScreenFault> {
        self.working = (self.working || self.display.init().is_ok()) && self.draw(words);
        if self.working {
            self.reported = false;
            return Ok(());
        }
        if std::mem::replace(&mut self.reported, true) { Ok(()) } else { Err(ScreenFault) }
    }

    fn draw(&mut self, words: &Words) -> bool {
        let [large, small] = [&FONT_10X20, &FONT_6X10].map(|font| MonoTextStyle::new(font, BinaryColor::On));
        let lines = [(&words.large, large, 4), (&words.small[0], small, 34), (&words.small[1], small, 50)];
        self.display.clear(BinaryColor::Off).is_ok()
            && lines.into_iter().all(|(text, style, y)| {
                let shown: String =
                    text.chars().take(SMALL).map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
                Text::with_baseline(&shown, Point::new(0, y), style, Baseline::Top).draw(&mut self.display).is_ok()
            })
            && self.display.flush().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// A bus with a display that can be unplugged; records the bytes that were sent.
    #[derive(Clone, Default)]
    struct Bus(Rc<RefCell<(bool, Vec<u8>)>>);

    impl ErrorType for Bus {
        type Error = ErrorKind;
    }

    impl I2c for Bus {
        fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            assert_eq!(address, 0x3c);
            let (unplugged, sent) = &mut *self.0.borrow_mut();
            if *unplugged {
                return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
            }
            for operation in operations {
                let Operation::Write(bytes) = operation else { panic!("a display is written to") };
                sent.extend_from_slice(bytes);
            }
            Ok(())
        }
    }

    fn words(large: &str) -> Words {
        Words { large: large.into(), small: ["p-value 0.012".into(), "specimen-note \u{1F600}".into()] }
    }

    #[test]
    fn other_words_are_other_points() {
        let bus = Bus::default();
        let mut screen = Screen::new(bus.clone());
        let mut sent = |large| {
            bus.0.borrow_mut().1.clear();
            screen.show(&words(large)).unwrap();
            bus.0.borrow().1.clone()
        };
        let genuine = sent("GENUINE");
        assert!(genuine.len() > 1024, "128 x 64 points and the setting up");
        assert_ne!(sent("COUNTERFEIT"), sent("GENUINE"));
    }

    #[test]
    fn a_display_that_fails_is_told_of_once_and_comes_back_by_itself() {
        let bus = Bus::default();
        let mut screen = Screen::new(bus.clone());
        let mut show = |unplugged| {
            bus.0.borrow_mut().0 = unplugged;
            screen.show(&words("UNSURE")).is_ok()
        };
        assert_eq!([true, true, false, false, true, true].map(&mut show), [false, true, true, true, false, true]);
    }
}

//! The individual properties of one note, drawn at random: serial number, inks, register, line weight, paper and wear.
//!
//! Everything that differs between two genuine notes is drawn here, within the printer's tolerances. A forger starts
//! from the same piece (see `forge`), so that a forgery differs only by the forger's mistake.

use rand::Rng;

use super::lettering::{NUMBERING, Typeface};
use super::plates::{Line, Tint};
use super::stream::{Stream, within};
use super::wear::Wear;

/// Share of red, green and blue that a colour transmits or reflects, 0..1.
pub(super) type Colour = [f32; 3];

/// The tint inks at the sides and in the middle of the note: one plate with two colours that blend (an iris print).
pub(super) const IRIS: [Colour; 2] = [[0.10, 0.50, 0.54], [0.88, 0.46, 0.20]];
/// The dark ink of the line plate.
pub(super) const INDIGO: Colour = [0.14, 0.13, 0.32];
/// The red ink of the numbering machine.
pub(super) const VERMILION: Colour = [0.80, 0.15, 0.14];
/// The colour of fresh paper.
const COTTON: Colour = [0.965, 0.950, 0.905];

/// The impression of one plate.
#[derive(Clone, Copy)]
pub(super) struct Impression {
    /// Amount of ink on the plate; 1 is the nominal value.
    pub(super) density: f32,
    /// How much wider than engraved a line prints on each side, in plate cells.
    pub(super) weight: f32,
    /// Share of the darkness that depends on the depth of a line; 0 is flat colour.
    pub(super) depth: f32,
    /// Misplacement of the plate, in picture pixels.
    pub(super) shift: [f32; 2],
}

/// The dot screen that a forger's printer uses for the tints.
#[derive(Clone, Copy)]
pub(super) struct Screen {
    /// Distance between dots, in pixels.
    pub(super) period: f32,
    /// Sine and cosine of the screen's angle.
    pub(super) turn: [f32; 2],
}

/// The serial numbers and their typesetting.
#[derive(Clone)]
pub(super) struct Numbering {
    pub(super) face: Typeface,
    /// The upper left and the lower right serial number: equal on one note.
    pub(super) serials: [String; 2],
    pub(super) ink: Colour,
    pub(super) shift: [f32; 2],
}

/// One note, ready to print.
pub(super) struct Piece {
    pub(super) paper: Colour,
    pub(super) tint_plate: Tint,
    pub(super) tint: Impression,
    pub(super) tint_inks: [Colour; 2],
    pub(super) line_plate: Line,
    pub(super) line: Impression,
    pub(super) line_ink: Colour,
    pub(super) numbering: Numbering,
    pub(super) screen: Option<Screen>,
    pub(super) wear: Wear,
}

impl Piece {
    /// A genuine note after use.
    pub(super) fn genuine(rng: &mut Stream) -> Self {
        let fresh = Self::fresh(rng);
        Self { wear: Wear::used(rng), ..fresh }
    }

    /// A genuine note as it leaves the press.
    pub(super) fn fresh(rng: &mut Stream) -> Self {
        let serial = serial(rng);
        // A print run affects ink and pressure of both plates in the same way, and each plate a little by itself.
        let (pressure, inking) = (within(rng, 0.30), within(rng, 0.16));
        let mut impression = |depth: f32| Impression {
            density: 1.0 + inking + within(rng, 0.10),
            weight: pressure + within(rng, 0.16),
            depth,
            shift: [within(rng, 0.28), within(rng, 0.28)],
        };
        let (tint, line) = (impression(0.12), impression(0.34));
        let shade = within(rng, 0.02);
        let paper = COTTON.map(|c| (c + shade + within(rng, 0.008)).min(1.0));
        let mut mixed = |ink: Colour| ink.map(|c| c + within(rng, 0.02));
        Self {
            paper,
            tint_plate: Tint::True,
            tint,
            tint_inks: [mixed(IRIS[0]), mixed(IRIS[1])],
            line_plate: Line::True,
            line,
            line_ink: mixed(INDIGO),
            numbering: Numbering {
                face: NUMBERING,
                serials: [serial.clone(), serial],
                ink: mixed(VERMILION),
                shift: [within(rng, 0.8), within(rng, 0.6)],
            },
            screen: None,
            wear: Wear::none(),
        }
    }
}

/// A serial number: two letters that cannot be mistaken for figures, and seven figures.
pub(super) fn serial(rng: &mut Stream) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ";
    let mut letter = || char::from(LETTERS[rng.random_range(0..LETTERS.len())]);
    let series = [letter(), letter()];
    format!("{}{} {:07}", series[0], series[1], rng.random_range(0..10_000_000))
}

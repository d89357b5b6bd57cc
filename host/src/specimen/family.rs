//! The counterfeiters, by what they do wrong.

/// A family of forgers: one way of getting the note wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Scanned a genuine note and printed the scan: a second pass through print and camera.
    Rescan,
    /// Printed the tints with a coarse dot screen in place of fine lines.
    CoarseHalftone,
    /// Turned the rosettes with other periods than the plate's.
    WrongGuilloche,
    /// Could not hold the microprint: its letters ran together.
    SmearedMicroprint,
    /// Mixed the dark ink to the right darkness and the wrong hue.
    InkShift,
    /// Printed the second ink out of register with the first.
    Misregistered,
    /// Printed from a plate whose lines came out too thick, with thinner ink to make up for it.
    ThickenedLines,
    /// Joined the halves of two notes.
    Patchwork,
    /// Printed with a copier: flat toner in place of engraved ink, and stray specks of it.
    FlatToner,
    /// Set the serial numbers in another typeface.
    WrongTypeface,
    /// Redrew the emblem by eye: other veins, a sky hatched the other way.
    RedrawnEmblem,
    /// Raised a smaller note: the old numeral still shows under the new one.
    RaisedNumeral,
}

impl Family {
    /// Every family.
    pub const ALL: &[Self] = &[
        Self::Rescan,
        Self::CoarseHalftone,
        Self::WrongGuilloche,
        Self::SmearedMicroprint,
        Self::InkShift,
        Self::Misregistered,
        Self::ThickenedLines,
        Self::Patchwork,
        Self::FlatToner,
        Self::WrongTypeface,
        Self::RedrawnEmblem,
        Self::RaisedNumeral,
    ];

    /// The family's name, as its folder is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rescan => "rescan",
            Self::CoarseHalftone => "coarse-halftone",
            Self::WrongGuilloche => "wrong-guilloche",
            Self::SmearedMicroprint => "smeared-microprint",
            Self::InkShift => "ink-shift",
            Self::Misregistered => "misregistered",
            Self::ThickenedLines => "thickened-lines",
            Self::Patchwork => "patchwork",
            Self::FlatToner => "flat-toner",
            Self::WrongTypeface => "wrong-typeface",
            Self::RedrawnEmblem => "redrawn-emblem",
            Self::RaisedNumeral => "raised-numeral",
        }
    }

    /// What it gets wrong, in a word: families that do alike are kin in a zoo.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Rescan | Self::CoarseHalftone | Self::FlatToner => "reproduction",
            Self::SmearedMicroprint | Self::Misregistered | Self::ThickenedLines => "press",
            Self::WrongGuilloche | Self::WrongTypeface | Self::RedrawnEmblem => "plate",
            Self::Patchwork | Self::RaisedNumeral => "alteration",
            Self::InkShift => "ink",
        }
    }

    /// Its fold in a zoo, 1 to 3: each kind is spread.
    #[must_use]
    pub fn fold(self) -> usize {
        self as usize % 3 + 1
    }

    /// The number its random streams carry: stable, and never 0, which is the genuine article's.
    pub(super) fn purpose(self) -> u64 {
        self as u64 + 1
    }
}

//! The forger families of the specimen notes, named after their mistake.

/// A forger family: one way of getting the note wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Scanned a genuine note and printed the scan: the note goes through print and camera twice.
    Rescan,
    /// Printed the tints with a coarse dot screen instead of fine lines.
    CoarseHalftone,
    /// Engraved the rosettes with other periods than those of the genuine plate.
    WrongGuilloche,
    /// Could not hold the microprint: its letters ran together.
    SmearedMicroprint,
    /// Mixed the dark ink with the right darkness and the wrong hue.
    InkShift,
    /// Printed the second ink out of register with the first.
    Misregistered,
    /// Printed from a plate with lines that are too thick, with thinner ink to compensate.
    ThickenedLines,
    /// Joined the halves of two notes.
    Patchwork,
    /// Printed with a copier: flat toner instead of engraved ink, with stray specks.
    FlatToner,
    /// Set the serial numbers in another typeface.
    WrongTypeface,
    /// Redrew the emblem by eye: another number of veins, and a sky hatched in another direction.
    RedrawnEmblem,
    /// Altered a note of lower value: the old numeral still shows under the new one.
    RaisedNumeral,
}

impl Family {
    /// All families.
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

    /// Name of the family, which is also the name of its folder.
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

    /// The kind of mistake. In a zoo, families of the same kind are kin.
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

    /// Fold of the family in a zoo, 1 to 3.
    #[must_use]
    pub fn fold(self) -> usize {
        self as usize % 3 + 1
    }

    /// Number of the family's random streams: stable, and never 0, which is the number of genuine notes.
    pub(super) fn purpose(self) -> u64 {
        self as u64 + 1
    }
}

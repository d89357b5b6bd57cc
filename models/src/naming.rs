//! The rule for names that are shown to people: of boxes, contestants, visitors and the audience.
//!
//! One file because a name enters in many places and is shown in many more: in a terminal, on a page, on a display, in
//! Home Assistant. A name that passes here is plain text in all of them, and does not look like another one.

/// Maximum length of a name, in characters.
pub const MAX_NAME: usize = 40;
/// Maximum length of a name, in bytes: what one label of mDNS holds (RFC 6763, section 4.1.1).
const MAX_BYTES: usize = 63;
/// Characters of a name besides letters, digits and spaces.
const MARKS: &str = "-_.,'\u{2019}()&+#!/:@";
/// Letters that are another letter in another form, or invisible: their ranges.
const FORMS: [(char, char); 14] = [
    ('\u{aa}', '\u{aa}'),
    ('\u{b2}', '\u{ba}'),
    ('\u{115f}', '\u{1160}'),   // Hangul fillers
    ('\u{2b0}', '\u{2ff}'),     // modifier letters
    ('\u{1d00}', '\u{1dbf}'),   // phonetic extensions
    ('\u{2070}', '\u{209f}'),   // superscripts and subscripts
    ('\u{2100}', '\u{218f}'),   // letter-like symbols, number forms
    ('\u{2460}', '\u{24ff}'),   // enclosed letters and digits
    ('\u{3164}', '\u{3164}'),   // Hangul filler
    ('\u{a720}', '\u{a7ff}'),   // Latin Extended-D
    ('\u{fb00}', '\u{fdff}'),   // ligatures and presentation forms
    ('\u{fe70}', '\u{ffff}'),   // presentation forms, full and half width
    ('\u{10780}', '\u{107bf}'), // Latin Extended-F
    ('\u{1d400}', '\u{1f1ff}'), // mathematical and enclosed letters
];
/// Latin letters and the letters and digits that look like each of them.
const LOOKALIKES: [(char, &str); 26] = [
    ('a', "àáâãäåāăąǎαаɑ"),
    ('b', "ьƅъ"),
    ('c', "çćĉċčсϲ"),
    ('d', "ďđԁ"),
    ('e', "èéêëēĕėęěеёεҽ"),
    ('f', "ƒ"),
    ('g', "ĝğġģɡԍ"),
    ('h', "ĥħнһ"),
    ('j', "ĵјϳ"),
    ('k', "ķĸκкқ"),
    ('l', "1iìíîïĩīĭįıιіїĺļľŀłӏɩ|"),
    ('m', "мμ"),
    ('n', "ñńņňŋηпո"),
    ('o', "0òóôõöøōŏőοоσօө"),
    ('p', "þρр"),
    ('q', "ԛ"),
    ('r', "ŕŗřг"),
    ('s', "śŝşšѕ5"),
    ('t', "ţťŧτт"),
    ('u', "ùúûüũūŭůűųυцս"),
    ('v', "νѵ"),
    ('w', "ŵωшԝ"),
    ('x', "χхҳ"),
    ('y', "ýÿŷуүγ"),
    ('z', "źżžζ2"),
    ('æ', "ӕ"),
];

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It is empty or too long.
    #[error("a name has 1 to {MAX_NAME} characters, a letter or digit among them, and {found} were given")]
    Length {
        /// Number of characters that were found.
        found: usize,
    },
    /// It contains a character that no name contains.
    #[error("a name has letters, digits, spaces and {MARKS}, and `{}` was given", .0.escape_unicode())]
    Character(char),
    /// Its letters are of several alphabets that look alike.
    #[error("a name has letters of one alphabet, and {0} and {1} letters were given; write it in one of them")]
    Alphabets(&'static str, &'static str),
    /// It is no name of a visitor.
    #[error("a visitor's name has 1 to {MAX_NAME} letters, digits, dots, dashes or underlines")]
    Visitor,
}

/// Checks a name, and returns it with single spaces and none at its ends.
///
/// # Errors
/// [`NameError`] when the text is no name.
pub fn name(text: &str) -> Result<String, NameError> {
    if let Some(bad) = text.chars().find(|c| !is_allowed(*c)) {
        return Err(NameError::Character(bad));
    }
    let name = text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let found = name.chars().count();
    if found > MAX_NAME || name.len() > MAX_BYTES || !name.chars().any(char::is_alphanumeric) {
        return Err(NameError::Length { found });
    }
    let mut alphabets = name.chars().filter_map(alphabet);
    let first = alphabets.next();
    match alphabets.find(|other| Some(*other) != first) {
        Some(other) => Err(NameError::Alphabets(first.unwrap_or_default(), other)),
        None => Ok(name),
    }
}

/// Checks the name under which a visitor's token is listed: it is typed at a command line.
///
/// # Errors
/// [`NameError::Visitor`] when the text is no such name.
pub fn visitor(text: &str) -> Result<(), NameError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = (1..=MAX_NAME).contains(&text.len()) && text.chars().all(fits);
    if is_name { Ok(()) } else { Err(NameError::Visitor) }
}

/// Whether two names look alike: in the same letters, apart from case, accents, spaces and marks, and letters that are
/// written the same.
#[must_use]
pub fn look_alike(one: &str, other: &str) -> bool {
    skeleton(one) == skeleton(other)
}

/// A text from another machine in a form that can be printed: characters that control a terminal or the direction of
/// writing are escaped.
#[must_use]
pub fn printable(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || !(c.is_control() || c.is_whitespace() || is_invisible(c));
    let shown = |c: char| if is_plain(c) { vec![c] } else { c.escape_unicode().collect() };
    text.chars().flat_map(shown).collect()
}

/// Whether a text can stand for a detector where its name is shown: one line of at most 100 characters, none of which
/// controls a terminal or the direction of writing.
#[must_use]
pub fn is_title(text: &str) -> bool {
    (1..=100).contains(&text.chars().count()) && printable(text) == text && !text.trim().is_empty()
}

fn is_allowed(c: char) -> bool {
    let is_form = FORMS.iter().any(|(first, last)| (*first..=*last).contains(&c));
    c == ' ' || MARKS.contains(c) || c.is_alphanumeric() && !is_form
}

/// Characters that format text and are not seen: zero width, direction of writing, variation, tags.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The alphabet of a letter, if it has letters that look like those of another.
fn alphabet(c: char) -> Option<&'static str> {
    match c {
        'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some("Latin"),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some("Greek"),
        '\u{400}'..='\u{52f}' => Some("Cyrillic"),
        '\u{530}'..='\u{58f}' => Some("Armenian"),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Some("Cherokee"),
        _ => None,
    }
}

/// What is left of a name when everything that is easily overlooked is taken away.
fn skeleton(name: &str) -> String {
    let letters = name.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric());
    let plain = |c: char| LOOKALIKES.iter().find(|(_, alike)| alike.contains(c)).map_or(c, |(letter, _)| *letter);
    letters.map(plain).collect::<String>().replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_text_of_one_alphabet() {
        for good in
            ["till", "J.-Doe_2", "Ann Müller", "Łódź", "касса", "ταμείο", "レジ", "kasse #3 (left)", "O'Neill", "7"]
        {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        assert_eq!(name("  Ann   Lee ").unwrap(), "Ann Lee");
        for empty in ["", "   ", "...", &"n".repeat(41), &"å".repeat(32)] {
            assert!(matches!(name(empty), Err(NameError::Length { .. })), "{empty:?}");
        }
        for bad in [
            "a\nb",
            "a\tb",
            "\u{1b}[31mred",
            "a\u{7}",
            "a\u{9b}31m",
            "\u{202e}llit",
            "ti\u{200b}ll",
            "a\u{2066}b",
            "a\u{301}",
            "a\u{a0}b",
            "<b>",
            "\u{3164}",
            "ｔill",
            "𝐭ill",
            "a\"b",
            "a\\b",
            "a{b}",
            "a;b",
            "a$b",
            "a`b",
            "\u{feff}a",
        ] {
            assert!(matches!(name(bad), Err(NameError::Character(_))), "{bad:?}");
        }
        let mixed = name("tіll").unwrap_err();
        assert_eq!(mixed, NameError::Alphabets("Latin", "Cyrillic"));
    }

    #[test]
    fn names_that_are_easily_taken_for_each_other_look_alike() {
        for [one, other] in [
            ["till", "Till"],
            ["till", "ti11"],
            ["till", "t i l l"],
            ["till", "tìll"],
            ["coco", "сосо"],
            ["box-0", "box-O"],
            ["modern", "modem"],
            ["Ann Lee", "ann-lee"],
        ] {
            assert!(look_alike(one, other), "{one} {other}");
        }
        for [one, other] in [["till", "desk"], ["box-1", "box-2"], ["box-1", "box-10"], ["Ann", "Anna"]] {
            assert!(!look_alike(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_title_is_one_printable_line() {
        assert!(["specimen-note", "Note, v2 (\u{201e}neu\u{201c}) {a;b}"].into_iter().all(is_title));
        let long = "n".repeat(101);
        assert!(!["", " ", "a\nb", "\u{1b}[31m", "\u{202e}eton", &long].into_iter().any(is_title));
    }

    #[test]
    fn what_is_printed_controls_nothing() {
        assert_eq!(printable("no, Ann's näme"), "no, Ann's näme");
        assert_eq!(printable("a\u{1b}[2Jb\r\u{202e}"), "a\\u{1b}[2Jb\\u{d}\\u{202e}");
    }
}

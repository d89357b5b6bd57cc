//! Maps a folder's name to its meaning: genuine or counterfeit, for training or for testing, or masks.
//!
//! All known names are in this file. A name is split into words, so that `Real`, `real_images`, `notOK`, `train-fake`
//! and `Fälschungen` are understood. A name that contains words of both sides (`real-vs-fake`) states neither.

/// The side of a folder's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Genuine,
    Fake,
}

/// The part of a folder that is divided into pictures to train on and pictures to test with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Pictures to train on (`train/`).
    Train,
    /// Pictures to test with (`test/`, `val/`).
    Test,
}

/// The meaning of a folder's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) class: Option<Class>,
    pub(super) part: Option<Part>,
    /// Masks and other annotations, made by a person or a program; never pictures of the article.
    pub(super) mask: bool,
    /// Whether the name is one of industrial inspection (`good`, `ok`): other folders beside it are kinds of defects.
    pub(super) inspection: bool,
    /// The pair of names to which this one belongs, and whether it is the first of the two; such a pair does not
    /// state which side is genuine.
    pub(super) pair: Option<(&'static str, bool)>,
}

const GENUINE: &[&str] = &[
    "real",
    "genuine",
    "genuines",
    "authentic",
    "authentics",
    "original",
    "originals",
    "orig",
    "legit",
    "legitimate",
    "bonafide",
    // German, Dutch, French, Italian, Spanish, Portuguese, Polish, Czech, Scandinavian, Finnish, Russian
    "echt",
    "echte",
    "origineel",
    "vrai",
    "vrais",
    "vraie",
    "vraies",
    "authentique",
    "authentiques",
    "originaux",
    "vero",
    "veri",
    "autentico",
    "autentici",
    "autentica",
    "autenticos",
    "autenticas",
    "genuino",
    "genuini",
    "genuinos",
    "originale",
    "originali",
    "originales",
    "originais",
    "reales",
    "verdadero",
    "verdaderos",
    "verdadeiro",
    "verdadeiros",
    "prawdziwe",
    "oryginalne",
    "prave",
    "originaly",
    "akta",
    "aegte",
    "ekte",
    "aito",
    "aidot",
    "подлинные",
    "настоящие",
    "оригинал",
    "оригиналы",
];
/// Words for genuine articles in defect inspection.
const GOOD: &[&str] = &[
    "good",
    "goods",
    "ok",
    "okay",
    "normal",
    "normals",
    "pass",
    "passed",
    "accept",
    "accepted",
    "intact",
    "flawless",
    "undamaged",
    "faultless",
    "gut",
    "bueno",
    "buenos",
    "buono",
    "buoni",
    "goed",
    "dobre",
];
const FAKE: &[&str] = &[
    "fake",
    "fakes",
    "faked",
    "counterfeit",
    "counterfeits",
    "counterfeited",
    "forged",
    "forgery",
    "forgeries",
    "forge",
    "forg",
    "fraud",
    "frauds",
    "fraudulent",
    "bogus",
    "phony",
    "phoney",
    "imitation",
    "imitations",
    "replica",
    "replicas",
    "knockoff",
    "knockoffs",
    "spoof",
    "spoofs",
    "spoofed",
    "tampered",
    "inauthentic",
    "unauthentic",
    "unreal",
    "illegitimate",
    "bad",
    "ng",
    "nok",
    "abnormal",
    "abnormals",
    "anomaly",
    "anomalies",
    "anomalous",
    "defect",
    "defects",
    "defective",
    "defectives",
    "faulty",
    "fail",
    "failed",
    "reject",
    "rejects",
    "rejected",
    "damaged",
    // In the languages listed above.
    "falsch",
    "falsche",
    "gefalscht",
    "gefalschte",
    "gefaelscht",
    "falschung",
    "falschungen",
    "faelschung",
    "faelschungen",
    "schlecht",
    "ausschuss",
    "vals",
    "valse",
    "vervalst",
    "vervalsing",
    "vervalsingen",
    "namaak",
    "slecht",
    "faux",
    "fausse",
    "fausses",
    "contrefacon",
    "contrefacons",
    "contrefait",
    "contrefaits",
    "mauvais",
    "falso",
    "falsi",
    "falsa",
    "falsos",
    "falsas",
    "falsificato",
    "falsificati",
    "falsificado",
    "falsificados",
    "falsificacion",
    "falsificaciones",
    "contraffatto",
    "contraffatti",
    "malo",
    "malos",
    "falszywe",
    "podrobka",
    "podrobki",
    "padelek",
    "padelky",
    "falsk",
    "falska",
    "falske",
    "forfalskning",
    "forfalskningar",
    "vaarennos",
    "vaarennokset",
    "поддельные",
    "подделки",
    "подделка",
    "фальшивые",
];
/// Names that state a side only if they are the whole name. As one word of several they are too short to be
/// unambiguous.
const WHOLE: &[(&str, Class)] = &[
    ("ko", Class::Fake),
    ("nio", Class::Fake),
    ("io", Class::Genuine),
    ("invalid", Class::Fake),
    ("假", Class::Fake),
    ("假货", Class::Fake),
    ("赝品", Class::Fake),
    ("偽物", Class::Fake),
    ("真", Class::Genuine),
    ("真品", Class::Genuine),
    ("本物", Class::Genuine),
];
const TRAIN: &[&str] = &["train", "training", "trn"];
const TEST: &[&str] = &[
    "test",
    "tests",
    "testing",
    "tst",
    "eval",
    "evaluation",
    "val",
    "valid",
    "validate",
    "validation",
    "dev",
    "holdout",
];
const MASKS: &[&str] = &[
    "mask",
    "masks",
    "groundtruth",
    "gt",
    "segmentation",
    "segmentations",
    "annotation",
    "annotations",
    "anno",
    "annos",
];
/// Words that negate the next word.
const NOT: &[&str] = &["not", "non", "no", "nicht", "pas", "niet"];
/// Words that may follow a side without a separator, as in `realnotes`.
const THINGS: &[&str] = &[
    "image",
    "images",
    "img",
    "imgs",
    "pic",
    "pics",
    "picture",
    "pictures",
    "photo",
    "photos",
    "note",
    "notes",
    "banknote",
    "banknotes",
    "bill",
    "bills",
    "coin",
    "coins",
    "scan",
    "scans",
    "sample",
    "samples",
    "data",
    "dataset",
    "set",
    "sign",
    "signature",
    "signatures",
    "sig",
    "sigs",
    "product",
    "products",
    "part",
    "parts",
    "train",
    "test",
];
/// The pair that is also used for other classes than genuine and counterfeit.
pub(super) const DIGITS: &str = "0 and 1";
/// Pairs that do not state which side is genuine: the pair's name and the words for each side.
const PAIRS: &[(&str, &[&str], &[&str])] = &[
    ("positive and negative", &["pos", "positive", "positives"], &["neg", "negative", "negatives"]),
    ("true and false", &["true"], &["false"]),
    ("yes and no", &["yes"], &["no"]),
    (DIGITS, &["0", "00"], &["1", "01"]),
];
/// Words against which a name is checked for spelling mistakes.
const SPELT: &[(&str, Class)] = &[
    ("real", Class::Genuine),
    ("genuine", Class::Genuine),
    ("authentic", Class::Genuine),
    ("original", Class::Genuine),
    ("normal", Class::Genuine),
    ("fake", Class::Fake),
    ("fakes", Class::Fake),
    ("counterfeit", Class::Fake),
    ("counterfeits", Class::Fake),
    ("forged", Class::Fake),
    ("forgery", Class::Fake),
    ("forgeries", Class::Fake),
    ("abnormal", Class::Fake),
    ("anomaly", Class::Fake),
    ("anomalous", Class::Fake),
    ("defect", Class::Fake),
    ("defective", Class::Fake),
];

impl Meaning {
    /// The meaning of a folder's name.
    pub(super) fn of(name: &str) -> Self {
        // Hidden folders are made by programs, and their names may be random.
        if name.starts_with('.') {
            return Self::default();
        }
        let words = words(name);
        let whole = words.concat();
        let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
        let (mut genuine, mut fake, mut inspection) = (false, false, false);
        for (at, word) in words.iter().enumerate() {
            let Some(class) = class(word) else { continue };
            let before = at.checked_sub(1).map(|at| words[at].as_str());
            let turned = before.is_some_and(|word| NOT.contains(&word))
                || class == Class::Fake && words.get(at + 1).is_some_and(|word| word == "free");
            if (class == Class::Genuine) == turned {
                fake = true;
            } else {
                genuine = true;
            }
            inspection |= GOOD.contains(&word.as_str()) || turned;
        }
        if let Some((_, class)) = WHOLE.iter().find(|(known, _)| *known == whole) {
            (genuine, fake) = (*class == Class::Genuine, *class == Class::Fake);
            inspection = true;
        }
        let class = match (genuine, fake) {
            (true, false) => Some(Class::Genuine),
            (false, true) => Some(Class::Fake),
            _ => None,
        };
        let part = match (has(TRAIN), has(TEST)) {
            (true, false) => Some(Part::Train),
            (false, true) => Some(Part::Test),
            _ => None,
        };
        let pair = PAIRS.iter().find_map(|(pair, one, other)| {
            let side = |known: &[&str]| known.contains(&whole.as_str()) || (words.len() == 2 && has(known));
            (side(one) || side(other)).then(|| (*pair, side(one)))
        });
        let mask = class.is_none() && (has(MASKS) || whole.contains("groundtruth"));
        Self { class, part, mask, inspection: inspection && class == Some(Class::Genuine), pair }
    }
}

/// The known word that a name was probably meant to be. `None` if the name states a side already, or resembles no
/// known word.
pub(super) fn resembled(name: &str) -> Option<(&'static str, Class)> {
    let words = words(name);
    if Meaning::of(name).class.is_some() {
        return None;
    }
    SPELT.iter().copied().find(|(known, _)| {
        let allowed = if known.len() < 6 { 1 } else { 2 };
        words.iter().any(|word| strsim::damerau_levenshtein(word, known) <= allowed)
    })
}

/// The side that one word states.
fn class(word: &str) -> Option<Class> {
    let known = |word: &str| {
        if GENUINE.contains(&word) || GOOD.contains(&word) {
            Some(Class::Genuine)
        } else if FAKE.contains(&word) {
            Some(Class::Fake)
        } else {
            None
        }
    };
    known(word).or_else(|| {
        let thing = THINGS.iter().filter_map(|thing| word.strip_suffix(thing)).find(|side| side.len() >= 4);
        let not = || Some(known(word.strip_prefix("not").or_else(|| word.strip_prefix("non"))?)?.other());
        thing.and_then(known).or_else(not)
    })
}

impl Class {
    fn other(self) -> Self {
        match self {
            Self::Genuine => Self::Fake,
            Self::Fake => Self::Genuine,
        }
    }
}

/// Splits a name into words, in lower case and without accents: at every character that is not a letter or digit,
/// between letters and digits, and before an upper-case letter that follows a lower-case one.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last = ' ';
    for c in name.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c)) {
        let boundary =
            !c.is_alphanumeric() || c.is_numeric() != last.is_numeric() || (c.is_uppercase() && last.is_lowercase());
        if boundary && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase().map(plain));
        }
        last = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Removes the accent of a letter.
fn plain(letter: char) -> char {
    match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' => 'a',
        'ç' | 'č' | 'ć' => 'c',
        'è' | 'é' | 'ê' | 'ë' | 'ě' | 'ę' => 'e',
        'ì' | 'í' | 'î' | 'ï' => 'i',
        'ł' => 'l',
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' => 'o',
        'ù' | 'ú' | 'û' | 'ü' => 'u',
        'ý' => 'y',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_known_in_any_spelling() {
        let genuine = "real Real REAL genuine Genuine_Notes real_images realnotes train-real Real(2) good OK ok_01 normal authentic \
                       bona-fide.BonaFide Originals non_defective defect-free NoDefects not_fake echt Äkta i.O. 真品";
        let fake = "fake Fake FAKES fake-notes fakeImages counterfeit Counterfeits forged forgeries Forgery training_fake NG not_ok notOK \
                    nok KO bad abnormal anomalous Anomaly defects defective not-genuine nongenuine Fälschung Gefälscht contrefaçons falsos \
                    n.i.O. invalid 假";
        for (names, class) in [(genuine, Class::Genuine), (fake, Class::Fake)] {
            for name in names.split(' ').filter(|name| !name.is_empty() && !name.starts_with("bona")) {
                assert_eq!(Meaning::of(name).class, Some(class), "{name}");
            }
        }
        for name in ["real-vs-fake", "heads", "reals", "fakse", "fakir", "really", "photos", "0", "test", "negative"] {
            assert_eq!(Meaning::of(name).class, None, "{name}");
        }
    }

    #[test]
    fn parts_masks_pairs_and_misspellings_are_known() {
        assert_eq!(Meaning::of("test_public").part, Some(Part::Test));
        assert_eq!((Meaning::of("Training").part, Meaning::of("train_test").part), (Some(Part::Train), None));
        assert!(Meaning::of("ground_truth").mask && Meaning::of("GroundTruth").mask && Meaning::of("Masks").mask);
        assert!(Meaning::of("good").inspection && !Meaning::of("real").inspection);
        assert_eq!(Meaning::of("class_0").pair, Some(("0 and 1", true)));
        assert_eq!(Meaning::of("negatives").pair, Some(("positive and negative", false)));
        assert_eq!(resembled("fakse"), Some(("fake", Class::Fake)));
        assert_eq!(resembled("reals"), Some(("real", Class::Genuine)));
        assert_eq!(resembled("Counterfiets"), Some(("counterfeit", Class::Fake)));
        assert_eq!((resembled("real"), resembled("heads")), (None, None));
    }

    #[test]
    fn no_family_of_ours_is_called_genuine() {
        let specimen = crate::synthetic::specimen::Family::ALL.iter().map(|family| family.name());
        for name in specimen.chain(crate::synthetic::zoo::FAMILIES.iter().map(|family| family.name)) {
            assert_ne!(Meaning::of(name).class, Some(Class::Genuine), "{name}");
        }
    }
}

//! The skeletons of the characters on a note: capitals, figures and a few marks.
//!
//! A skeleton is written like an SVG path, in hundredths of the cap height with y downwards: `M` starts a stroke, `L`
//! draws a straight line, `C` a cubic curve. The letters are a table instead of code, so that a letter can be
//! corrected by looking at it.

/// One stroke of a letter: points with the cap line at y = 0 and the baseline at y = 1.
pub(super) type Path = Vec<[f32; 2]>;

/// Number of points that approximate a curve.
const CURVE_STEPS: usize = 10;

/// Character, width in hundredths of the cap height, skeleton.
const GLYPHS: &[(char, u8, &str)] = &[
    ('A', 70, "M0 100 L35 0 L70 100 M13 64 L57 64"),
    ('B', 58, "M0 0 L0 100 M0 0 L28 0 C58 0 58 47 28 47 L0 47 M28 47 C68 47 68 100 28 100 L0 100"),
    ('C', 64, "M62 22 C54 -8 0 -12 0 50 C0 112 54 108 64 76"),
    ('D', 66, "M0 0 L0 100 M0 0 L24 0 C80 0 80 100 24 100 L0 100"),
    ('E', 52, "M0 0 L0 100 M0 0 L50 0 M0 48 L38 48 M0 100 L52 100"),
    ('F', 50, "M0 0 L0 100 M0 0 L50 0 M0 48 L36 48"),
    ('G', 68, "M62 20 C52 -8 0 -10 0 50 C0 110 54 106 66 86 L66 56 L44 56"),
    ('H', 64, "M0 0 L0 100 M64 0 L64 100 M0 48 L64 48"),
    ('I', 6, "M3 0 L3 100"),
    ('J', 40, "M38 0 L38 70 C38 106 4 106 0 78"),
    ('K', 62, "M0 0 L0 100 M58 0 L0 58 M18 42 L62 100"),
    ('L', 50, "M0 0 L0 100 M0 100 L50 100"),
    ('M', 82, "M4 100 L6 0 L41 84 L76 0 L78 100"),
    ('N', 66, "M0 100 L0 0 L66 100 L66 0"),
    ('O', 74, "M37 0 C-12 0 -12 100 37 100 C86 100 86 0 37 0"),
    ('P', 54, "M0 100 L0 0 L26 0 C64 0 64 54 26 54 L0 54"),
    ('Q', 74, "M37 0 C-12 0 -12 100 37 100 C86 100 86 0 37 0 M44 74 L76 110"),
    ('R', 62, "M0 100 L0 0 L26 0 C64 0 64 52 26 52 L0 52 M26 52 L60 100"),
    ('S', 54, "M50 18 C40 -8 0 -6 2 26 C4 56 52 42 52 74 C52 108 8 108 1 80"),
    ('T', 62, "M0 0 L62 0 M31 0 L31 100"),
    ('U', 64, "M0 0 L0 62 C0 112 64 112 64 62 L64 0"),
    ('V', 68, "M0 0 L34 100 L68 0"),
    ('W', 96, "M0 0 L24 100 L48 10 L72 100 L96 0"),
    ('X', 64, "M0 0 L64 100 M64 0 L0 100"),
    ('Y', 64, "M0 0 L32 52 M64 0 L32 52 L32 100"),
    ('Z', 58, "M2 0 L58 0 L0 100 L58 100"),
    ('0', 56, "M28 0 C-9 0 -9 100 28 100 C65 100 65 0 28 0"),
    ('1', 56, "M12 18 L30 0 L30 100"),
    ('2', 56, "M2 26 C2 -8 54 -10 54 28 C54 52 12 74 0 100 L56 100"),
    ('3', 56, "M4 12 C18 -8 52 -2 52 24 C52 46 32 48 22 48 C38 48 56 52 56 74 C56 106 14 108 0 86"),
    ('4', 56, "M42 100 L42 0 L0 68 L56 68"),
    ('5', 56, "M52 0 L10 0 L6 46 C22 32 56 38 56 68 C56 106 12 110 0 84"),
    ('6', 56, "M48 10 C30 -10 2 14 2 66 C2 112 56 112 56 68 C56 32 8 34 3 64"),
    ('7', 56, "M0 0 L56 0 C40 40 24 60 20 100"),
    ('8', 56, "M28 48 C-6 44 -2 0 28 0 C58 0 62 44 28 48 C-12 52 -8 100 28 100 C64 100 68 52 28 48"),
    ('9', 56, "M8 90 C26 110 54 86 54 34 C54 -12 0 -12 0 32 C0 68 48 66 53 36"),
    ('-', 34, "M0 52 L34 52"),
    ('.', 6, "M2 98 L4 98"),
    ('/', 40, "M0 104 L40 -4"),
    (' ', 30, ""),
];

/// Width (in cap heights) and strokes of a character. A character that is not in the table is a blank.
pub(super) fn glyph(c: char) -> (f32, Vec<Path>) {
    let known = GLYPHS.iter().find(|(name, _, _)| *name == c);
    known.map_or((0.3, Vec::new()), |(_, width, skeleton)| (f32::from(*width) / 100.0, strokes(skeleton)))
}

fn strokes(skeleton: &str) -> Vec<Path> {
    skeleton.split('M').map(stroke).filter(|path| path.len() > 1).collect()
}

/// Parses one `M` part of a skeleton, without the letter `M`.
fn stroke(part: &str) -> Path {
    let mut path = Path::new();
    let mut curve = false;
    let mut pending: Vec<f32> = Vec::new();
    for word in part.split_whitespace() {
        let digits = word.trim_start_matches(['L', 'C']);
        if word.len() > digits.len() {
            curve = word.starts_with('C');
        }
        pending.push(digits.parse::<f32>().map_or(0.0, |v| v / 100.0));
        if !curve && pending.len() == 2 {
            path.push([pending[0], pending[1]]);
            pending.clear();
        } else if curve && pending.len() == 6 {
            let from = path.last().copied().unwrap_or([0.0, 0.0]);
            path.extend((1..=CURVE_STEPS).map(|i| cubic(from, &pending, i as f32 / CURVE_STEPS as f32)));
            pending.clear();
        }
    }
    path
}

fn cubic(from: [f32; 2], p: &[f32], t: f32) -> [f32; 2] {
    let u = 1.0 - t;
    [0, 1].map(|k| u * u * u * from[k] + 3.0 * u * u * t * p[k] + 3.0 * u * t * t * p[2 + k] + t * t * t * p[4 + k])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_skeleton_parses_and_stays_near_its_box() {
        for (c, width, skeleton) in GLYPHS {
            let paths = strokes(skeleton);
            assert_eq!(paths.len(), skeleton.matches('M').count(), "{c}");
            for point in paths.iter().flatten() {
                assert!((-0.2..=f32::from(*width) / 100.0 + 0.2).contains(&point[0]), "{c}: {point:?}");
                assert!((-0.2..=1.2).contains(&point[1]), "{c}: {point:?}");
            }
        }
    }
}

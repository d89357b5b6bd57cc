//! The emblem: a ginkgo leaf (the foil of Counterfoil) in an oval medallion, engraved.
//!
//! A forger who redraws it by hand gets the outline right and the details wrong: the number of veins, and the
//! direction of the lines in the sky. Both versions are the same code with another [`EngravingStyle`].

use super::canvas::Canvas;
use super::guilloche::{Ring, ring};

/// Centre of the oval, in pixels.
pub(super) const CENTRE: [f32; 2] = [82.0, 95.0];
/// Half axes of the oval inside its ring, in pixels.
const OVAL: [f32; 2] = [40.0, 52.0];
/// Point at which the blade joins the stem, in pixels.
const BASE: [f32; 2] = [79.5, 122.0];
/// Length of the longest vein, in pixels.
const BLADE: f32 = 54.0;
/// Half the angle that the blade spans, in radians.
const SPAN: f32 = 0.78;

/// The details by which an engraver's drawing of the emblem differs from a copy.
#[derive(Clone, Copy)]
pub(super) struct EngravingStyle {
    /// Number of veins in the blade.
    veins: u16,
    /// Slope of the lines in the sky.
    slope: f32,
    /// Distance between the lines in the sky, in pixels.
    pitch: f32,
}

/// The engraver of the genuine plate.
pub(super) const ENGRAVER: EngravingStyle = EngravingStyle { veins: 34, slope: 0.0, pitch: 2.75 };
/// A forger who redrew the emblem by eye.
pub(super) const COPYIST: EngravingStyle = EngravingStyle { veins: 27, slope: 0.5, pitch: 3.07 };

/// Draws the medallion: ring, sky and leaf.
pub(super) fn draw(canvas: &mut Canvas, hand: EngravingStyle) {
    let blade = blade();
    let mut leaf = veins(hand);
    leaf.within(&blade, 0.0);
    leaf.add(&blade.outline(0.42));
    leaf.add(&stem());
    let mut solid = blade;
    solid.add(&stem());
    let mut sky = sky(hand);
    sky.cut(&solid, 0.9);
    canvas.add(&sky);
    canvas.add(&leaf);
    frame(canvas);
}

/// Distance inside the oval enlarged by `grow` pixels, in pixels; accurate near the edge.
pub(super) fn oval(x: f32, y: f32, grow: f32) -> f32 {
    let (a, b) = (OVAL[0] + grow, OVAL[1] + grow);
    let (u, v) = ((x - CENTRE[0]) / a, (y - CENTRE[1]) / b);
    let radius = (u * u + v * v).sqrt();
    // First-order distance to an ellipse: (1 - r) divided by the length of the gradient.
    let gradient = ((u / a).powi(2) + (v / b).powi(2)).sqrt() / radius.max(1e-3);
    (1.0 - radius) / gradient.max(1e-4)
}

/// Length of the blade at an angle from its axis, in pixels: a scalloped fan with a cleft.
fn reach(angle: f32) -> f32 {
    let cleft = 0.34 * (-(angle - 0.03).powi(2) / 0.004).exp();
    let scallop = 0.022 * (19.0 * angle).cos() + 0.012 * (31.0 * angle + 1.0).cos();
    BLADE * (0.97 - cleft + scallop - 0.1 * angle * angle)
}

/// The point of the blade at an angle and a share of its length. The edges of the fan sag like those of a real leaf.
fn on_blade(angle: f32, share: f32) -> [f32; 2] {
    let r = reach(angle) * share;
    let bent = angle * (0.72 + 0.34 * share) + 0.06;
    [BASE[0] + r * bent.sin(), BASE[1] - r * bent.cos()]
}

fn blade() -> Canvas {
    let steps = 240_u16;
    let angle = |i: u16| -SPAN + 2.0 * SPAN * f32::from(i) / f32::from(steps);
    let mut rim: Vec<[f32; 2]> = (0..=20).map(|i| on_blade(-SPAN, f32::from(i as u8) / 20.0)).collect();
    rim.extend((0..=steps).map(|i| on_blade(angle(i), 1.0)));
    rim.extend((0..=20).rev().map(|i| on_blade(SPAN, f32::from(i as u8) / 20.0)));
    let mut edge = Canvas::new().reaching(24.0);
    edge.stroke(&rim, 0.0);
    let mut inside = Canvas::new();
    inside.shape(|x, y| if encloses(&rim, x, y) { 1e3 } else { -1e3 });
    // Inside, the distance to the rim; outside, the negative distance.
    let mut solid = inside.clone();
    solid.cut(&edge, 0.0);
    let mut fringe = edge;
    fringe.cut(&inside, 0.0);
    solid.add(&fringe);
    solid
}

/// Whether a closed line encloses a point (even-odd rule).
fn encloses(rim: &[[f32; 2]], x: f32, y: f32) -> bool {
    let mut inside = false;
    for (a, b) in rim.iter().zip(rim.iter().cycle().skip(1)) {
        if (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]) {
            inside = !inside;
        }
    }
    inside
}

/// The veins of the blade: fine on the lit upper left, thicker towards the rim and the shaded side.
fn veins(hand: EngravingStyle) -> Canvas {
    let mut canvas = Canvas::new();
    for vein in 0..hand.veins {
        let across = (f32::from(vein) + 0.5) / f32::from(hand.veins);
        let angle = -SPAN + 2.0 * SPAN * across;
        // Veins fork: every second one starts halfway.
        let start = if vein % 2 == 0 { 0.06 } else { 0.44 };
        let line: Vec<[f32; 3]> = (0..=28_u8)
            .map(|i| {
                let share = start + (1.0 - start) * f32::from(i) / 28.0;
                let [x, y] = on_blade(angle, share);
                let roll = (5.2 * angle - 2.4 * share).sin();
                let shade = 0.26 + 0.16 * across + 0.15 * share * roll + 0.1 * (share - 0.6).max(0.0);
                [x, y, shade]
            })
            .collect();
        canvas.swelling(&line);
    }
    canvas
}

fn stem() -> Canvas {
    let mut canvas = Canvas::new().reaching(8.0);
    let line: Vec<[f32; 3]> = (0..=16_u8)
        .map(|i| {
            let t = f32::from(i) / 16.0;
            [BASE[0] + 0.5 - 1.0 * t + 13.0 * t * t, BASE[1] - 1.5 + 23.0 * t, 0.75 + 0.55 * t * t]
        })
        .collect();
    canvas.swelling(&line);
    canvas
}

/// The sky of the medallion: level lines that get thicker towards the edge of the oval.
fn sky(hand: EngravingStyle) -> Canvas {
    let mut canvas = Canvas::new();
    let lines = ((2.0 * OVAL[1] + 2.0 * OVAL[0] * hand.slope) / hand.pitch) as u16 + 2;
    for line in 0..lines {
        let level = CENTRE[1] - OVAL[1] - OVAL[0] * hand.slope + f32::from(line) * hand.pitch;
        let points: Vec<[f32; 3]> = (0..=80_u8)
            .map(|i| {
                let x = CENTRE[0] - OVAL[0] + 2.0 * OVAL[0] * f32::from(i) / 80.0;
                let y = level + hand.slope * (x - CENTRE[0]);
                let (u, v) = ((x - CENTRE[0]) / OVAL[0], (y - CENTRE[1]) / OVAL[1]);
                let depth = (0.62 * (u * u + v * v) + 0.16 * (u + v)).clamp(0.0, 1.2);
                [x, y, 0.26 + 0.42 * depth]
            })
            .collect();
        canvas.swelling(&points);
    }
    canvas.clip(|x, y| oval(x, y, -0.8));
    canvas
}

/// The ring around the oval: lines, and a braid of engine turning between them.
fn frame(canvas: &mut Canvas) {
    let mut rings = Canvas::new();
    for (grow, half) in [(0.0, 0.55), (1.5, 0.25), (8.4, 0.3), (9.8, 0.6)] {
        rings.shape(|x, y| half - oval(x, y, grow).abs());
    }
    canvas.add(&rings);
    let stretch = [1.0, (OVAL[1] + 5.0) / (OVAL[0] + 5.0)];
    let turning = Ring { radii: [OVAL[0] + 1.8, OVAL[0] + 7.8], lobes: 22.0, strands: 3, half: 0.3, overtone: 0.0 };
    ring(canvas, CENTRE, stretch, &turning);
}

//! Tests on sets of pictures that are numerically hard for float32; each set is trained on briefly and exported.
//! Users' pictures have constant borders, two levels, saturated areas and parts that never vary, and still all
//! available engines must agree on the network's outputs.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use counterfoil_edge::Detector;
use counterfoil_models::{Color, JoinRule, Region};
use image::imageops::FilterType;
use image::{Rgb, RgbImage};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::runtime::testing::onnx_runtime;
use super::{Request, export, supported_alpha};
use crate::data::{InputRule, StorageLimits};
use crate::detector::Kind;
use crate::detector::appearance::Tolerance;
use crate::gan::{CheckpointSelector, Config, train};
use crate::math::random::stream;
use crate::onnx::Operators;
use crate::run::{self, Prepared};

const SIDE: u32 = 32;
const PICTURES: u64 = 60;

/// Draws one picture of a set.
type Draw = fn(&mut ChaCha8Rng) -> RgbImage;

/// A grey picture of the given size; `at` gives the level of each pixel, 0..255.
fn grey(width: u32, height: u32, mut at: impl FnMut(u32, u32) -> f32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([at(x, y).clamp(0.0, 255.0).round() as u8; 3]))
}

fn noise(rng: &mut ChaCha8Rng, by: f32) -> f32 {
    rng.random_range(-by..by)
}

/// A textured disc at a random place on a constant background.
fn disc(rng: &mut ChaCha8Rng, ground: f32) -> RgbImage {
    let (x0, y0, radius) = (rng.random_range(12.0..20f32), rng.random_range(12.0..20f32), rng.random_range(6.0..9f32));
    let shade = rng.random_range(60.0..160.0);
    grey(SIDE, SIDE, |x, y| {
        let within = (x as f32 - x0).hypot(y as f32 - y0) < radius;
        if within { shade + noise(rng, 30.0) } else { ground }
    })
}

fn in_color(picture: &RgbImage, tint: [f32; 3]) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let level = f32::from(picture.get_pixel(x, y)[0]);
        Rgb(tint.map(|share| (level * share).round() as u8))
    })
}

/// The sets: name, colour of the network's input, and drawing function.
const SETS: [(&str, Color, Draw); 16] = [
    ("white border", Color::Grey, |rng| disc(rng, 255.0)),
    ("grey border", Color::Grey, |rng| disc(rng, 137.0)),
    ("grey border in RGB", Color::Rgb, |rng| disc(rng, 137.0)),
    ("coloured border", Color::Rgb, |rng| in_color(&disc(rng, 251.0), [0.9, 0.5, 0.1])),
    ("two levels", Color::Grey, |rng| {
        let (a, b) = (rng.random_range(0.2..0.7f32), rng.random_range(0.2..0.7f32));
        grey(SIDE, SIDE, |x, y| if (a * x as f32).sin() + (b * y as f32).cos() > 0.3 { 255.0 } else { 0.0 })
    }),
    ("saturated", Color::Grey, |rng| {
        let (gain, shift) = (rng.random_range(5.0..30.0f32), rng.random_range(-40.0..200.0));
        grey(SIDE, SIDE, |x, y| gain * (x as f32 - 8.0) + noise(rng, 40.0) + shift + y as f32)
    }),
    ("specks", Color::Rgb, |rng| {
        let picture = grey(SIDE, SIDE, |_, _| if rng.random_bool(0.02) { 30.0 } else { 204.0 });
        in_color(&picture, [1.0, 0.6, 0.8])
    }),
    ("one percent of noise", Color::Grey, |rng| grey(SIDE, SIDE, |_, _| 119.0 + noise(rng, 5.0))),
    ("one corner", Color::Grey, |rng| {
        grey(SIDE, SIDE, |x, y| if x < 8 && y < 8 { 128.0 + noise(rng, 120.0) } else { 3.0 * (x + y) as f32 })
    }),
    ("strips", Color::Grey, |rng| {
        let (pitch, level) = (rng.random_range(0.02..0.08f32), rng.random_range(60.0..200.0));
        grey(1500, 64, |x, y| level + 50.0 * (pitch * x as f32).sin() + y as f32 + noise(rng, 4.0))
    }),
    ("exposures", Color::Grey, |rng| {
        let exposure = rng.random_range(0.1..4.0f32);
        grey(SIDE, SIDE, |x, y| exposure * (70.0 + 20.0 * ((x / 8 + y / 8) % 2) as f32 + noise(rng, 3.0)))
    }),
    ("range", Color::Grey, |rng| grey(SIDE, SIDE, |_, _| 2f32.powf(rng.random_range(-2.0..8.0)))),
    ("ramp", Color::Grey, |rng| {
        let tilt = rng.random_range(1.0..7.0f32);
        grey(SIDE, SIDE, |x, y| tilt * x as f32 + if y == 9 { noise(rng, 250.0) } else { 0.0 })
    }),
    ("dot", Color::Grey, |rng| {
        let (x0, y0) = (rng.random_range(0..SIDE - 8), rng.random_range(0..SIDE - 8));
        let (width, height) = (rng.random_range(3..8), rng.random_range(3..8));
        grey(
            SIDE,
            SIDE,
            |x, y| {
                if (x0..x0 + width).contains(&x) && (y0..y0 + height).contains(&y) { 255.0 } else { 0.0 }
            },
        )
    }),
    ("two flat halves", Color::Rgb, |rng| {
        let (left, right, border): ([u8; 3], [u8; 3], _) = (rng.random(), rng.random(), rng.random_range(4..28));
        RgbImage::from_fn(SIDE, SIDE, |x, _| Rgb(if x < border { left } else { right }))
    }),
    ("chequers", Color::Grey, |rng| {
        let (even, odd, border): (u8, u8, _) = (rng.random(), rng.random(), rng.random_range(4..28));
        grey(SIDE, SIDE, |x, y| {
            f32::from(if y < border {
                255
            } else if (x + y) % 2 == 0 {
                even
            } else {
                odd
            })
        })
    }),
];

/// Writes the `PICTURES` pictures of a set, of 15 writers and `times` their size, and prepares a run on them.
fn prepared(folder: &Path, draw: Draw, times: u32, net: Kind, look: &InputRule) -> anyhow::Result<Prepared> {
    for number in 0..PICTURES {
        let picture = draw(&mut stream(7, "hard set", number));
        let (width, height) = picture.dimensions();
        let picture = image::imageops::resize(&picture, times * width, times * height, FilterType::Nearest);
        picture.save(folder.join(format!("w{:02}_{number:02}.png", number / 4)))?;
    }
    let group = (net == Kind::Strokes).then_some(r"w(\d+)");
    let (join, held_out, seed, room) = (JoinRule::Shortfall, 0.4, 1, StorageLimits::of(folder));
    let (known_fakes, more, tolerance) = (&[], &[], Tolerance::Fixed);
    run::prepare(
        &run::Request { net, data: folder, group, known_fakes, more, look, tolerance, join, held_out, seed, room },
        &|_| (),
    )
}

/// Trains on a set and exports the run; the bundle must open. Returns the largest difference between engines.
fn exported(draw: Draw, times: u32, net: Kind, look: &InputRule) -> anyhow::Result<f64> {
    let (data, runs) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let prepared = prepared(data.path(), draw, times, net, look)?;
    let (run, out) = (runs.path().join("run"), runs.path().join("bundle"));
    if let Some(gan) = net.gan() {
        let config = Config { batch: 16, width: 4, latent: 8, steps: Some(12), ..Config::new(gan) };
        prepared.write(&run, Some(&config))?;
        prepared.fit_beside(&run, &|_| ())?;
        train(&config, prepared.training_set(), &run, false, &AtomicBool::new(false), true, &mut || ())?;
    } else {
        prepared.write(&run, None)?;
        prepared.fit(&run)?;
    }
    let runtime = onnx_runtime();
    let alpha = supported_alpha(prepared.record.held_out, prepared.record.is_scaled()).unwrap();
    let (checkpoint, force, lean, name, runtime) = (CheckpointSelector::Newest, false, false, "hard", runtime.as_ref());
    let operators = Operators::Own;
    let bundle =
        export(&Request { run: &run, checkpoint, out: &out, force, name, alpha, runtime, lean, operators }, None)?;
    Detector::open(bundle.dir())?;
    Ok(bundle.manifest().engines.iter().map(|engine| engine.max_difference).fold(0.0, f64::max))
}

/// Exports every set, its pictures `times` their size, and prints how far the engines differ on each.
fn export_all<'a>(sets: impl IntoIterator<Item = (&'a str, Color, Draw)>, times: u32, net: Kind, regions: &[Region]) {
    let mut refused = Vec::new();
    for (name, color, draw) in sets {
        let look = InputRule {
            color: Some(color),
            size: (times == 1 && net.gan().is_some()).then_some([SIDE; 2]),
            regions: (!regions.is_empty()).then(|| regions.to_vec()),
            ..InputRule::default()
        };
        match exported(draw, times, net, &look) {
            Ok(apart) => eprintln!("{net}, {name}: {apart:.1e} apart"),
            Err(error) => refused.push(format!("{net}, {name}: {error:#}")),
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn every_hard_set_is_exported_for_a_dcgan() {
    export_all(SETS, 1, Kind::Dcgan, &[]);
}

/// Large pictures are judged by their appearance, too. In these sets many of its features never vary.
#[test]
fn hard_sets_are_exported_beside_an_appearance() {
    let sets = ["grey border in RGB", "specks"];
    export_all(SETS.into_iter().filter(|(name, ..)| sets.contains(name)), 2, Kind::Dcgan, &[]);
}

#[test]
fn every_hard_set_is_exported_for_an_mlp() {
    export_all(SETS, 1, Kind::Mlp, &[]);
}

#[test]
fn every_hard_set_is_exported_for_statistics() {
    export_all(SETS, 1, Kind::Statistics, &[]);
}

#[test]
fn regions_of_which_some_never_vary_are_exported() {
    let regions = [[0.0, 0.0, 0.25, 0.25], [0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.5, 0.5]].map(Region::from);
    let sets = ["white border", "grey border in RGB", "one corner", "specks", "dot"];
    export_all(SETS.into_iter().filter(|(name, ..)| sets.contains(name)), 1, Kind::Dcgan, &regions);
}

#[test]
fn ink_is_exported_for_strokes() {
    let bars: Draw = |rng| {
        let (pitch, turned, shift) = (rng.random_range(5..12), rng.random_bool(0.5), rng.random_range(0..12));
        let (x0, y0) = (rng.random_range(0..60), rng.random_range(0..30));
        let bar = |x: u32, y: u32| ((if turned { x } else { y }) + shift) / pitch % 2 == 0;
        grey(120, 60, |x, y| if bar(x, y) && x >= x0 && y >= y0 { 0.0 } else { 255.0 })
    };
    let wave: Draw =
        |rng| {
            let (pitch, phase, pen) = (rng.random_range(0.05..0.2f32), noise(rng, 3.0), rng.random_range(1.0..3.0));
            grey(120, 60, |x, y| {
                if (y as f32 - 30.0 - 20.0 * (pitch * x as f32 + phase).sin()).abs() < pen { 0.0 } else { 255.0 }
            })
        };
    let faint: Draw = |rng| {
        let (pitch, phase) = (rng.random_range(0.05..0.2f32), noise(rng, 3.0));
        grey(120, 60, |x, y| {
            127.0 + 10.0 * ((y as f32 - 30.0 - 20.0 * (pitch * x as f32 + phase).sin()).abs() - 2.0) + noise(rng, 2.0)
        })
    };
    export_all(
        [("bars", Color::Grey, bars), ("wave", Color::Grey, wave), ("faint", Color::Grey, faint)],
        1,
        Kind::Strokes,
        &[],
    );
}

#[test]
fn pictures_that_are_all_the_same_are_refused_before_the_training() {
    let same: Draw = |_| grey(SIDE, SIDE, |x, y| (3 * x + 4 * y) as f32);
    for net in Kind::ALL {
        let folder = tempfile::tempdir().unwrap();
        let error = prepared(folder.path(), same, 1, net, &InputRule::default()).unwrap_err().to_string();
        assert!(error.contains("near-duplicates"), "{error}");
    }
}

//! A report of synthetic data, to test and view the page without training.

use std::collections::BTreeMap;

use counterfoil_models::Verdict;
use counterfoil_models::game::{Answer, Outcome};
use image::{GrayImage, ImageFormat, Luma};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::eval::{
    Baseline, Bootstrap, Kinship, Measured, Scored, StatisticTable, best_single_number, caught, evaluate, hardest,
};
use crate::judging::drift::{Curve, Kind, STRENGTHS};

const FAMILIES: [(&str, f64); 6] = [
    ("coarse halftone", 2.9),
    ("ink shift", 1.4),
    ("missing microprint", 0.6),
    ("patchwork", 2.2),
    ("rescan", 1.0),
    ("wrong guilloche", 1.8),
];

/// An approximately standard normal number (Irwin-Hall).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

fn scored(skill: f64, seed: u64) -> Vec<Scored> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut one = |index: usize, family: Option<&str>, shift: f64| {
        let score = normal(&mut rng) - shift * skill;
        // The true distribution function, by the logistic approximation of the normal distribution.
        let p_value = 1.0 / (1.0 + (-1.702 * score).exp());
        let verdict = match score {
            s if s < -2.33 => Verdict::Counterfeit,
            s if s < -1.64 => Verdict::Unsure,
            _ => Verdict::Genuine,
        };
        let folder = family.map_or("real".to_owned(), |name| format!("fake/{}", name.replace(' ', "-")));
        let path = format!("notes/test/{folder}/{index:05}.png");
        Scored { path, family: family.map(str::to_owned), group: None, score: score as f32, p_value, verdict }
    };
    let mut all: Vec<Scored> = (0..400).map(|index| one(index, None, 0.0)).collect();
    for (family, shift) in FAMILIES {
        all.extend((0..80).map(|index| one(index, Some(family), shift)));
    }
    all
}

fn detector(name: &str, role: Role, skill: f64, seed: u64) -> Detector {
    let scored = scored(skill, seed);
    Detector {
        name: name.to_owned(),
        role,
        evaluation: evaluate(&scored, Bootstrap::default()).unwrap(),
        scored,
        stated: Some(Stated { alpha: 0.01, calibration: 299 }),
        notes: BTreeMap::new(),
    }
}

fn single_number() -> Detector {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut rows = |family: Option<&str>, count: usize, shift: f64| -> Vec<Measured> {
        let one = |index: usize| Measured {
            path: index.to_string(),
            family: family.map(str::to_owned),
            group: None,
            values: vec![normal(&mut rng), normal(&mut rng) - 0.4 * shift],
        };
        (0..count).map(one).collect()
    };
    let mut pictures = rows(None, 400, 0.0);
    for (family, shift) in FAMILIES {
        pictures.extend(rows(Some(family), 80, shift));
    }
    let table = StatisticTable { names: vec!["mean".to_owned(), "sharpness".to_owned()], pictures };
    Detector::single_numbers(&best_single_number(&table, Bootstrap::default()).unwrap())
}

/// A rosette, `size` pixels wide.
fn png(size: u32, petals: f64) -> Vec<u8> {
    let picture = GrayImage::from_fn(size, size, |x, y| {
        let (dx, dy) = (f64::from(x) / f64::from(size) - 0.5, f64::from(y) / f64::from(size) - 0.5);
        let wave = (petals * dy.atan2(dx)).sin() * 6.0 + dx.hypot(dy) * 60.0;
        Luma([(150.0 + 100.0 * wave.sin()) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn training(network: &str, fault: bool) -> Training {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let point = |index: u64| {
        let (t, noise) = (index as f64 / 900.0, 0.05 * normal(&mut rng));
        let decay = (-4.0 * t).exp();
        Point {
            step: index * 25,
            loss_d: if fault && index == 450 { f64::NAN } else { 1.25 - 0.7 * decay + noise },
            loss_g: if index == 7 { 400.0 } else { 0.9 + 2.2 * decay - 2.0 * noise },
            d_real: (0.56 + 0.4 * decay + noise).clamp(0.0, 1.0),
            d_fake: (0.44 - 0.4 * decay - noise).clamp(0.0, 1.0),
        }
    };
    let points = (0..900).map(point).collect();
    let probe = |index: u64| {
        let t = index as f64 / 150.0;
        Probe { step: index * 150, auroc: 0.97 - 0.4 * (-6.0 * t).exp() + 0.004 * (17.0 * t).sin() }
    };
    let probes = if fault { Vec::new() } else { (1..=150).map(probe).collect() };
    Training { network: network.to_owned(), points, probes }
}

/// A baseline that only ranks pictures.
fn ranked(name: &str, skill: f64, seed: u64) -> Detector {
    Detector::baseline(Baseline::ranked(name, scored(skill, seed)).unwrap())
}

fn drift() -> Vec<Curve> {
    let curve = |(kind, speed): (Kind, f64)| {
        let point = |strength: u8| {
            let far = speed * f64::from(strength);
            crate::judging::drift::Point {
                strength,
                false_alarm_rate: 1.0 - 0.99 * (-far).exp(),
                mean_p: 0.5 * (-far).exp(),
            }
        };
        Curve { kind, points: (0..=STRENGTHS).map(point).collect() }
    };
    Kind::ALL.into_iter().zip([0.02, 0.2, 0.06, 0.5]).map(curve).collect()
}

fn face_off() -> FaceOff {
    let genuine: Vec<bool> = (0..60).map(|index| index % 2 == 0).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut play = |skill: f64| -> Vec<Answer> {
        let answer = |truth: &bool| {
            let luck = rng.random::<f64>();
            let verdict = match luck {
                l if l < skill => Some(if *truth { Verdict::Genuine } else { Verdict::Counterfeit }),
                l if l < skill + 0.06 => Some(Verdict::Unsure),
                _ => Some(if *truth { Verdict::Counterfeit } else { Verdict::Genuine }),
            };
            Answer { verdict, seconds: 0.002 }
        };
        genuine.iter().map(answer).collect()
    };
    let players = [("DCGAN’s detective", 0.86), ("statistics", 0.82), ("MLP’s detective", 0.62)];
    let players: Vec<_> = players.into_iter().map(|(name, skill)| (name.to_owned(), play(skill))).collect();
    FaceOff { exhibits: 60, seal: "3f9a".repeat(16), outcome: Outcome::new(&players, &genuine) }
}

/// A report with every part.
fn report() -> Report {
    let detectors = vec![
        detector("DCGAN’s detective", Role::Ours, 1.0, 1),
        detector("MLP’s detective", Role::Ours, 0.35, 2),
        detector("statistics", Role::Baseline, 0.75, 4),
        ranked("PCA reconstruction", 0.6, 6),
        ranked("nearest neighbours", 1.3, 7),
        single_number(),
    ];
    let hard = hardest(&detectors[0].scored, 4);
    let exhibit = |(index, one): (usize, &&Scored)| Exhibit {
        png: png(64, 5.0 + index as f64),
        map: png(128, 5.0 + index as f64),
        scored: (*one).clone(),
    };
    let caught = caught(&detectors[0].scored, 4);
    let kinship = FAMILIES.iter().enumerate().map(|(index, (family, _))| {
        ((*family).to_owned(), if index % 2 == 0 { Kinship::Seen } else { Kinship::Unseen })
    });
    Report {
        title: "Specimen note, first issue".to_owned(),
        about: "A GAN trained on 2,000 genuine specimen notes, and its discriminator judged on forgers it never met."
            .to_owned(),
        facts: vec![
            Fact::new("Bundle", "specimen-note 0.1.0, counter 3"),
            Fact::new("Data", "2,000 genuine notes, drawn from seed 7"),
            Fact::new("Network", "DCGAN, 64 × 64, grey"),
            Fact::new("Steps", "22,500 (seed 7)"),
            Fact::new("Time", "171 s on 2 cores"),
            Fact::new("Families held out", "coarse halftone, ink shift, patchwork, rescan"),
        ],
        training: vec![training("DCGAN", false), training("MLP", true)],
        seen: Some(Picture {
            png: png(256, 5.0),
            caption: "Genuine pictures, then counterfeits, as they are.".to_owned(),
        }),
        grids: vec![
            Picture { png: png(256, 7.0), caption: "DCGAN, after 22,500 steps".to_owned() },
            Picture { png: png(256, 3.0), caption: "MLP, after 22,500 steps".to_owned() },
        ],
        kinship: Some(kinship.collect()),
        hardest_genuine: hard.genuine.iter().enumerate().map(exhibit).collect(),
        hardest_counterfeits: hard.fakes.iter().enumerate().map(exhibit).collect(),
        caught: caught.iter().enumerate().map(exhibit).collect(),
        detectors,
        drift: drift(),
        face_off: Some(face_off()),
        environment: vec![
            Fact::new("Counterfoil", "0.1.0"),
            Fact::new("Machine", "2 cores, x86-64, Linux"),
            Fact::new("Engines that agreed", "candle 0.11.1, tract 0.23.9, ONNX Runtime 1.31.1"),
        ],
        reproduce: vec![
            "counterfoil dataset specimen --out notes --seed 7".to_owned(),
            "counterfoil train --data notes --out run --steps 22500 --seed 7 --net dcgan".to_owned(),
            "counterfoil export run --out bundle && counterfoil report run --bundle bundle".to_owned(),
        ],
    }
}

#[test]
fn shows_everything_and_fetches_nothing() {
    let html = render(&report()).unwrap();
    std::fs::write(std::env::temp_dir().join("counterfoil-report.html"), &html).unwrap(); // for viewing in a browser
    for (family, _) in FAMILIES {
        assert!(html.contains(&format!("<th scope=\"row\">{family}<small>")), "{family}");
    }
    for said in [
        "When the camera drifts",
        "too close to call",
        "sharpness, low",
        "the last 20 probes, since step 19650: 0.96",
        "Families of a kind that another fold has (3)",
        "mean AUROC",
        "and caught",
    ] {
        assert!(html.contains(said), "{said}");
    }
    let said_of = |name: &str| {
        let heading = format!("“{name}”, mean AUROC 0.");
        html.split_once(&heading).and_then(|(_, rest)| rest.split_once("</table>")).unwrap().0
    };
    let (dcgan, mlp) = (said_of("DCGAN’s detective"), said_of("MLP’s detective"));
    assert!(
        dcgan.contains(">beats “statistics”<") && dcgan.contains(">does not beat “nearest neighbours”<"),
        "{dcgan}"
    );
    assert!(mlp.contains(">does not beat “statistics”<"), "{mlp}");
    for outside in ["http", "<script", "<link", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    // The colours of plotters must all be replaced, and no path may contain a number that is not finite.
    let drawn: String = html.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next()).collect();
    assert!(!drawn.contains("=\"#") && !drawn.contains("NaN") && !drawn.contains("inf"));
    assert_eq!(html.matches("data:image/png;base64,").count(), 3 + 2 * 12);
}

/// The page without what is drawn: charts, pictures and the style sheet.
fn text_of(html: &str) -> String {
    let mut text = html.to_owned();
    for (start, end, stands_for) in
        [("<svg", "</svg>", "[chart]"), ("<style", "</style>", "[style]"), ("data:image", "\"", "[picture]\"")]
    {
        let mut rest = text.as_str();
        let mut without = String::new();
        while let Some((before, drawn)) = rest.split_once(start) {
            without = without + before + stands_for;
            rest = drawn.split_once(end).unwrap().1;
        }
        text = without + rest;
    }
    text
}

#[test]
fn the_page_reads_as_it_did() {
    insta::assert_snapshot!(text_of(&render(&report()).unwrap()));
}

#[test]
fn what_is_written_by_others_is_escaped() {
    let odd = "<b onclick=\"x\">&</b>";
    let mut hostile = report();
    hostile.title = odd.to_owned();
    hostile.detectors[0].name = odd.to_owned();
    hostile.training[0].network = odd.to_owned();
    hostile.hardest_genuine[0].scored.path = odd.to_owned();
    hostile.reproduce = vec![odd.to_owned()];
    assert!(!render(&hostile).unwrap().contains("<b onclick"));
}

#[test]
fn the_unknown_is_a_dash_and_the_missing_is_left_out() {
    let mut bare = Report { title: "bare".to_owned(), ..Report::default() };
    let html = render(&bare).unwrap();
    assert!(!html.contains("<section") && !html.contains("<table"));
    let genuine: Vec<Scored> = scored(1.0, 1).into_iter().filter(|one| one.family.is_none()).collect();
    let evaluation = evaluate(&genuine, Bootstrap::default()).unwrap();
    bare.detectors.push(Detector { evaluation, scored: genuine, ..detector("no fakes", Role::Ours, 1.0, 1) });
    let html = render(&bare).unwrap();
    assert!(html.contains("<span>–</span>") && !html.contains("NaN"));
}

#[test]
fn a_picture_that_is_none_is_named() {
    let mut report = report();
    report.grids[0].png = b"JFIF".to_vec();
    let message = render(&report).unwrap_err().to_string();
    assert!(message.starts_with("DCGAN, after 22,500 steps: not a PNG"), "{message}");
}

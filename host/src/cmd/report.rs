//! `counterfoil report`: runs, bundles and pictures of known truth become one HTML page.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::source::Source;
use counterfoil_host::data::{Dataset, Item};
use counterfoil_host::drift;
use counterfoil_host::eval::{Scored, hardest};
use counterfoil_host::judge::{self, Judged};
use counterfoil_host::report::{self, Fact, HardCase, Picture, Point, Report as Page, Role, Stated, Training, render};
use counterfoil_host::run::{Record, fitted};
use counterfoil_host::train::{METRICS, grids};
use counterfoil_models::Frame;
use image::ImageFormat;
use serde::Deserialize;

use super::beside::{Beside, Lessons};

/// Hard cases shown of each kind.
const HARD_CASES: usize = 8;
/// Points of a training curve; more than a page is wide would only make it slow.
const CURVE_POINTS: usize = 400;

/// Writes one self-contained HTML page: curves, samples, ROC, families, the hardest cases, baselines beside them
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil report --bundle bundles/label --run runs/label --genuine test/real --fake test/fake --out report.html")]
pub(crate) struct Report {
    /// The bundle to report on
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The run it came from, for its curves and samples
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// Genuine pictures the training never saw
    #[arg(long, value_name = "DIR")]
    genuine: PathBuf,
    /// Counterfeits; folders in it are families
    #[arg(long, value_name = "DIR")]
    fake: PathBuf,
    #[command(flatten)]
    beside: Beside,
    /// The page
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
}

/// A detector that is to appear in a report.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Its bundle.
    pub(crate) bundle: PathBuf,
    /// The run it came from.
    pub(crate) run: Option<PathBuf>,
    /// Ours or a baseline.
    pub(crate) role: Role,
}

impl Report {
    pub(crate) fn run(self) -> Result<()> {
        let mut shown = vec![Shown { bundle: self.bundle.clone(), run: self.run.clone(), role: Role::Ours }];
        shown.extend(self.beside.bundles.iter().map(|b| Shown { bundle: b.clone(), run: None, role: Role::Baseline }));
        let items = [Dataset::open(&self.genuine, None)?.genuine, Dataset::open_fakes(&self.fake, None)?].concat();
        let mut page = gather(&shown, &items, &self.beside.lessons()?)?;
        page.reproduce = vec![std::env::args().collect::<Vec<_>>().join(" ")];
        write(&page, &self.out)?;
        eprintln!("{} is ready", self.out.display());
        Ok(())
    }
}

/// Judges the pictures with every detector and collects all that a page shows; the first detector is its subject.
pub(crate) fn gather(shown: &[Shown], items: &[Item], lessons: &Lessons) -> Result<Page> {
    let mut page = Page::default();
    let mut simpler = Vec::new();
    for one in shown {
        let detector = Detector::open(&one.bundle)?;
        let judged = judge::judge(&detector, items);
        let manifest = detector.bundle().manifest();
        if page.detectors.is_empty() {
            ensure!(!judged.scored.is_empty(), "none of the pictures could be judged");
            super::tell_unreadable(&judged.unreadable);
            describe(&mut page, &detector, &judged)?;
            simpler = lessons.rows(&detector, items);
            page.drift = drift::curves(&detector, items)?;
        }
        let calibration = &manifest.calibration;
        page.detectors.push(report::Detector {
            name: manifest.name.clone(),
            role: one.role,
            evaluation: judge::rates(&judged)?,
            scored: judged.scored,
            stated: Some(Stated { alpha: calibration.alpha(), calibration: calibration.scores().len() as u64 }),
            notes: std::collections::BTreeMap::new(),
        });
        if let Some(run) = &one.run {
            add_run(&mut page, &manifest.name, run)?;
        }
    }
    page.detectors.extend(simpler.into_iter().map(report::Detector::baseline));
    page.detectors.push(report::Detector::single_numbers(&judge::single_number(items)?));
    page.environment.push(Fact::new("Counterfoil", counterfoil_host::run::revision()));
    page.environment
        .push(Fact::new("Processors", std::thread::available_parallelism().map_or(1, usize::from).to_string()));
    Ok(page)
}

/// Title, facts and hard cases of the page's subject.
fn describe(page: &mut Page, detector: &Detector, judged: &Judged) -> Result<()> {
    let manifest = detector.bundle().manifest();
    let training = &manifest.training;
    page.title.clone_from(&manifest.name);
    page.about = "A counterfeit detector, judged on pictures that its training never saw.".to_owned();
    page.facts = vec![
        Fact::new("Network", &training.net),
        Fact::new("Learned from", format!("{} genuine pictures", training.genuine)),
        Fact::new("Calibrated on", format!("{} held-out genuine pictures", manifest.calibration.scores().len())),
        Fact::new("Steps", training.steps.to_string()),
        Fact::new("Seed", training.seed.to_string()),
        Fact::new("Bundle", &detector.bundle().id()[..12]),
    ];
    for engine in &manifest.engines {
        let value =
            format!("{}, {} pictures, at most {:.1e} apart", engine.version, engine.pictures, engine.max_difference);
        page.environment.push(Fact::new(&engine.engine, value));
    }
    let hard = hardest(&judged.scored, HARD_CASES);
    page.doubted = hard.genuine.iter().map(|scored| hard_case(scored)).collect::<Result<_>>()?;
    page.believed = hard.fakes.iter().map(|scored| hard_case(scored)).collect::<Result<_>>()?;
    Ok(())
}

/// A hard case with its picture, as PNG whatever the file was. A picture inside an IDX file has no file to show.
fn hard_case(scored: &Scored) -> Result<HardCase> {
    let path = Path::new(&scored.path);
    let picture = match Source::File(path.to_path_buf()).read() {
        Ok(bytes) => Frame::decode(&bytes)?.to_rgb(),
        Err(_) => image::RgbImage::from_pixel(8, 8, image::Rgb([200; 3])),
    };
    let mut png = Vec::new();
    picture.write_to(&mut Cursor::new(&mut png), ImageFormat::Png)?;
    Ok(HardCase { png, scored: scored.clone() })
}

/// A run's curves and newest grid of samples; a detective that played no game has neither.
fn add_run(page: &mut Page, name: &str, run: &Path) -> Result<()> {
    if fitted(&Record::open(run)?.net).is_some() {
        return Ok(());
    }
    let path = run.join(METRICS);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let points: Vec<Point> = text
        .lines()
        .map(|line| serde_json::from_str::<Metrics>(line).map(Metrics::point))
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is damaged", path.display()))?;
    let stride = points.len().div_ceil(CURVE_POINTS).max(1);
    page.training.push(Training { network: name.to_owned(), points: points.into_iter().step_by(stride).collect() });

    if let Some(grid) = grids(run).last() {
        let png = fs::read(grid).with_context(|| format!("cannot read {}", grid.display()))?;
        let caption = format!("What {name}'s forger draws at the end: {}", super::name_of(grid));
        page.grids.push(Picture { png, caption });
    }
    Ok(())
}

/// A line of metrics.jsonl; a loss that was no number is null there.
#[derive(Deserialize)]
struct Metrics {
    step: u64,
    loss_d: Option<f64>,
    loss_g: Option<f64>,
    d_real: Option<f64>,
    d_fake: Option<f64>,
}

impl Metrics {
    fn point(self) -> Point {
        let number = |n: Option<f64>| n.unwrap_or(f64::NAN);
        Point {
            step: self.step,
            loss_d: number(self.loss_d),
            loss_g: number(self.loss_g),
            d_real: number(self.d_real),
            d_fake: number(self.d_fake),
        }
    }
}

/// Renders the page into a file.
pub(crate) fn write(page: &Page, out: &Path) -> Result<()> {
    fs::write(out, render(page)?).with_context(|| format!("cannot write {}", out.display()))
}

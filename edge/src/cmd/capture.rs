//! `capture`: takes genuine pictures with the box's own camera for the next training, and only those
//! that are useful for it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use counterfoil_edge::camera::{CameraEvent, CameraThread, Shot, Spec};
use counterfoil_edge::config::{CONFIG_PATH, Config};
use counterfoil_edge::show::board::Board;
use counterfoil_edge::show::display;
use counterfoil_edge::show::indicator::Signal;
use counterfoil_edge::show::panel::{News, NewsDevice, Panel};
use counterfoil_edge::show::screen::Words;
use counterfoil_edge::signals;
use counterfoil_edge::watch::empty_scene::EmptyScene;
use counterfoil_models::{
    Article, Color, Exposure, Frame, Light, Region, SHARP, ensure_folder_free, lock_folder, sharpness, write_whole,
};

use super::watch::say;

/// How long the loop waits for a picture before it checks whether it must stop.
const PATIENCE: Duration = Duration::from_millis(200);
/// Message for a picture that is too similar to the last one to be useful: the article must be moved.
const STILL: &str = "move it: the same as the last";

/// Collects genuine pictures from the camera for a training: sharp ones, well lit, no two alike
#[derive(Args)]
#[command(after_help = "\
Examples:
  counterfoil-edge capture --source rpicam --out photos --count 500
  counterfoil-edge capture --source v4l2:/dev/video0 --article outlined --out photos

Lay one genuine article after the other before the camera, turn and move them, change the light. Green is a picture taken; the display and
the terminal say what keeps the next one. Then, on the workstation: counterfoil train --data photos --out runs/label")]
pub(crate) struct Cmd {
    /// Where pictures come from [default: the configuration's]
    #[arg(long, value_name = "SPEC")]
    source: Option<Spec>,
    /// The folder for the pictures: a new or empty one, or one of an earlier capture, to which pictures are added
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of pictures to take
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// What the article is in a picture: `whole` (the guide frame), `outlined` (four sides: found, turned and
    /// straightened), or, on a plain ground, `cropped` (as it lies), `upright` or `aligned` (turned along its length)
    #[arg(long, default_value = "whole", value_parser = article)]
    article: Article,
    /// Seconds between two pictures
    #[arg(long, default_value_t = 1.0)]
    every: f64,
    /// The box's configuration, for its source, guide frame, lights and display
    #[arg(long, value_name = "FILE", default_value = CONFIG_PATH)]
    config: PathBuf,
}

fn article(text: &str) -> Result<Article, String> {
    let named = Article::ALL.into_iter().find(|article| article.name() == text);
    named.ok_or_else(|| format!("expected one of {}", Article::ALL.map(Article::name).join(", ")))
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let config = if self.config.exists() { Config::read(&self.config)? } else { Config::default() };
        if !(self.every >= 0.0 && self.every <= 3600.0) {
            bail!("--every {}: expected seconds, 0 to 3600", self.every);
        }
        let mut album = Album::open(&self.out, self.article)?;
        let board = Board::open(config.lights, &config.pins)?;
        let mut parts: Vec<Box<dyn NewsDevice>> = Vec::new();
        parts.extend(board.lights.map(|lights| Box::new(lights) as Box<dyn NewsDevice>));
        parts.extend(display::open(config.screen));
        let panel = Panel::new(parts, |fault| say(&fault));
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        signals::listen(move |_| asked.store(true, Ordering::Relaxed))?;

        let source = self.source.clone().unwrap_or(config.source);
        say(&format!("taking {} pictures from {source} to {}", self.count, self.out.display()));
        let guide = Guide { region: config.guide, article: self.article };
        let eye = CameraThread::open(source, config.size.into());
        let (mut taken, mut said, mut kept_back) = (0, String::new(), BTreeMap::<String, usize>::new());
        let mut last: Option<(Instant, EmptyScene)> = None;
        while taken < self.count && !stop.load(Ordering::Relaxed) {
            let problem = match eye.newest(PATIENCE) {
                None | Some(CameraEvent::Works) => continue,
                Some(CameraEvent::Note(note)) => {
                    say(&note);
                    continue;
                }
                Some(CameraEvent::End(Some(fault))) => bail!("{fault}"),
                Some(CameraEvent::End(None)) => break,
                Some(CameraEvent::Fault(fault)) => Some(fault.to_string()),
                Some(CameraEvent::Shot(_))
                    if last.as_ref().is_some_and(|(then, _)| then.elapsed().as_secs_f64() < self.every) =>
                {
                    continue;
                }
                Some(CameraEvent::Shot(shot)) => match guide.judge(&shot, last.as_ref().map(|(_, scene)| scene)) {
                    Err(problem) => Some(problem),
                    Ok((frame, scene)) => {
                        album.add(&frame)?;
                        taken += 1;
                        last = Some((Instant::now(), scene));
                        None
                    }
                },
            };
            let signal = if problem.is_none() { Signal::Genuine } else { Signal::Nothing };
            let small = [problem.clone().unwrap_or_default(), format!("{taken} of {}", self.count)];
            panel.show(News {
                signal,
                words: Words { large: if problem.is_none() { "TAKEN" } else { "WAIT" }.into(), small },
            });
            if let Some(problem) = problem {
                if problem != said {
                    say(&problem);
                }
                *kept_back.entry(problem.clone()).or_default() += 1;
                said = problem;
            } else {
                said.clear();
            }
        }
        writeln!(out, "{taken} pictures taken, {} in {}", album.held, self.out.display())?;
        for (problem, times) in kept_back {
            writeln!(out, "{times:>6} not taken: {problem}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The requirements on a picture.
struct Guide {
    region: Region,
    article: Article,
}

impl Guide {
    /// The guide frame of a useful shot, and the scene to compare the next shot with; or a message about what to do.
    fn judge(&self, shot: &Shot, last: Option<&EmptyScene>) -> Result<(Frame, EmptyScene), String> {
        let frame = shot.frame(Color::Rgb).and_then(|frame| Ok(frame.crop(self.region)?)).map_err(|e| e.to_string())?;
        // As in training.
        let article = self.article.of(&frame).map_err(|e| e.to_string())?;
        match Exposure::of(&article).light() {
            Light::TooDark => return Err("too dark: more light".into()),
            Light::TooBright => return Err("too bright: less light, or turn the glare away".into()),
            Light::Right => {}
        }
        match sharpness(&article) {
            None => return Err("nothing there with an edge to it: lay an article before the camera".into()),
            Some(sharp) if sharp < SHARP => return Err("blurred: hold it still, or set the lens".into()),
            Some(_) => {}
        }
        if let Some(last) = last
            && last.is(&frame).map_err(|e| e.to_string())?
        {
            return Err(STILL.into());
        }
        let scene = EmptyScene::learn(&frame).map_err(|e| e.to_string())?;
        drop(article);
        Ok((frame, scene))
    }
}

/// File with settings for the training. It also shows that an earlier capture created the folder.
const SETTINGS: &str = "dataset.toml";

/// A folder of pictures that `counterfoil train --data` can use as it is.
struct Album {
    /// Keeps a second capture from using the same numbers.
    _claim: File,
    folder: PathBuf,
    held: usize,
    next: usize,
}

impl Album {
    fn open(folder: &Path, article: Article) -> anyhow::Result<Self> {
        // Pictures of another origin may need another setting, and a folder `real/` would hide these
        // pictures from a training.
        ensure_folder_free(folder, &[SETTINGS])?;
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let claim = lock_folder(folder)?;
        let settings = folder.join(SETTINGS);
        let wanted = format!("article = \"{}\"\n", article.name());
        if !settings.exists() {
            write_whole(&settings, wanted.as_bytes())?;
        } else if !fs::read_to_string(&settings)?.contains(wanted.trim()) {
            bail!(
                "{} does not say {}, so its pictures would be looked at in another way; choose another --out, or add that line",
                settings.display(),
                wanted.trim()
            );
        }
        let numbers: Vec<usize> = fs::read_dir(folder)?
            .flatten()
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_prefix("picture-")?.strip_suffix(".png")?.parse().ok()
            })
            .collect();
        Ok(Self {
            _claim: claim,
            folder: folder.to_path_buf(),
            held: numbers.len(),
            next: numbers.into_iter().max().map_or(1, |last| last + 1),
        })
    }

    fn add(&mut self, frame: &Frame) -> anyhow::Result<()> {
        write_whole(&self.folder.join(format!("picture-{:06}.png", self.next)), &frame.to_png()?)?;
        (self.held, self.next) = (self.held + 1, self.next + 1);
        Ok(())
    }
}

//! `doctor`: checks what this box has and what it lacks, each with a remedy.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use counterfoil_edge::camera;
use counterfoil_edge::config::{CONFIG_PATH, Config};
use counterfoil_edge::show::board::{Board, Kind};
use counterfoil_edge::store::slots::{Slots, short};
use serde::Serialize;

/// Checks camera, lights, display, model, temperature and power of this box, and says what to do about each
#[derive(Args)]
#[command(after_help = "\
Example:
  counterfoil-edge doctor

Exit codes: 0 nothing is amiss, 2 something is.")]
pub(crate) struct Cmd {
    /// The box's configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG_PATH)]
    config: PathBuf,
    /// Print one JSON object per line: `what`, `well`, `found`, and `remedy` if something is wrong
    #[arg(long)]
    json: bool,
}

/// The result of one check.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    well: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<&'static str>,
}

impl Finding {
    fn well(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, well: true, found: found.into(), remedy: None }
    }

    fn amiss(what: &'static str, found: impl Into<String>, remedy: &'static str) -> Self {
        Self { what, well: false, found: found.into(), remedy: Some(remedy) }
    }
}

impl Cmd {
    pub(crate) fn run(self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let (configuration, config) = match Config::read(&self.config) {
            Ok(config) => (configured(&self.config, &config), config),
            Err(error) => (
                Finding::amiss(
                    "configuration",
                    error.to_string(),
                    "mend the file; until then the defaults are looked at",
                ),
                Config::default(),
            ),
        };
        let mut findings = vec![computer(), configuration];
        findings.extend(cameras());
        findings.extend([lights(&config), display(config.screen), model(&config), state(&config)]);
        findings.extend([temperature(), power()].into_iter().flatten());
        for finding in &findings {
            if self.json {
                writeln!(out, "{}", serde_json::to_string(finding)?)?;
            } else {
                let Finding { what, well, found, remedy } = finding;
                writeln!(out, "{} {what:<14} {found}", if *well { " ok " } else { "LOOK" })?;
                remedy.map_or(Ok(()), |remedy| writeln!(out, "     {:<14} -> {remedy}", ""))?;
            }
        }
        Ok(if findings.iter().all(|finding| finding.well) { ExitCode::SUCCESS } else { ExitCode::from(2) })
    }
}

fn configured(path: &Path, config: &Config) -> Finding {
    let idle = config.without_effect();
    if idle.is_empty() {
        Finding::well("configuration", path.display().to_string())
    } else {
        Finding::amiss("configuration", idle.join("; "), "set what these keys need, or leave them out")
    }
}

fn computer() -> Finding {
    let model = fs::read_to_string("/proc/device-tree/model").ok();
    Finding::well("computer", model.map_or("no Raspberry Pi".into(), |model| model.trim_end_matches('\0').to_owned()))
}

fn cameras() -> Vec<Finding> {
    let ribbon = ["rpicam-vid", "libcamera-vid"].into_iter().find(|program| {
        ["/usr/bin", "/usr/local/bin"].iter().any(|folder| PathBuf::from(folder).join(program).exists())
    });
    let mut found: Vec<Finding> =
        ribbon.map(|program| Finding::well("camera", format!("rpicam, by {program}"))).into_iter().collect();
    for camera in camera::list().unwrap_or_default() {
        let (path, formats) = (camera.path.display(), camera.formats.join(", "));
        let known = camera.formats.iter().any(|format| ["MJPG", "JPEG", "YUYV"].contains(&format.as_str()));
        let text = format!("v4l2:{path}  {} ({formats})", camera.card);
        // The V4L2 device of a ribbon camera is listed too, but this program cannot use it.
        if known {
            found.push(Finding::well("camera", text));
        }
    }
    if found.is_empty() {
        found.push(Finding::amiss(
            "camera",
            "none",
            "plug one in, and let this user read it (group video); for a ribbon camera `sudo apt install rpicam-apps-lite`",
        ));
    }
    found
}

fn lights(config: &Config) -> Finding {
    match Board::open(config.lights, &config.pins) {
        Ok(board) if board.lights.is_none() && config.lights == Kind::Auto => Finding::amiss(
            "lights",
            board.name,
            "run it on a Raspberry Pi as a user of the group gpio, or say `lights = \"none\"`",
        ),
        Ok(board) => Finding::well("lights", board.name),
        Err(error) => {
            Finding::amiss("lights", error.to_string(), "see docs/wiring.md; end other programs that use the pins")
        }
    }
}

fn display(bus: i16) -> Finding {
    let device = format!("/dev/i2c-{bus}");
    match bus {
        ..0 => Finding::well("display", "none is configured"),
        _ if fs::File::options().read(true).write(true).open(&device).is_ok() => Finding::well("display", device),
        _ => Finding::amiss(
            "display",
            format!("{device} cannot be had"),
            "enable I2C (`sudo raspi-config nonint do_i2c 0`) and use the group i2c, or say `screen = -1`",
        ),
    }
}

fn model(config: &Config) -> Finding {
    if let Some(bundle) = &config.bundle {
        return match counterfoil_edge::Detector::open(bundle) {
            Ok(detector) => {
                Finding::well("model", format!("{} at {}", detector.bundle().manifest().name, bundle.display()))
            }
            Err(error) => Finding::amiss("model", error.to_string(), "copy the bundle again"),
        };
    }
    let slots = Slots::of(&config.state);
    match (slots.current(), slots.list()) {
        (Some(id), Ok(slots)) => match slots.iter().find(|slot| slot.id == id) {
            Some(slot) => Finding::well("model", format!("{} (number {}), {}", slot.name, slot.counter, short(&id))),
            None => Finding::amiss(
                "model",
                format!("{} is damaged", short(&id)),
                "`counterfoil-edge model rollback`, or install it again",
            ),
        },
        _ => Finding::amiss("model", "none is selected", "`counterfoil-edge model install BUNDLE --select`"),
    }
}

fn state(config: &Config) -> Finding {
    let folder = &config.state;
    match tempfile::tempfile_in(folder) {
        Ok(_) => Finding::well("state folder", folder.display().to_string()),
        Err(error) => Finding::amiss(
            "state folder",
            format!("{} cannot be written to ({error})", folder.display()),
            "make it, and give it to the service's user: `sudo install -d -o counterfoil /var/lib/counterfoil`",
        ),
    }
}

fn temperature() -> Option<Finding> {
    let text = fs::read_to_string("/sys/class/thermal/thermal_zone0/temp").ok()?;
    let degrees = text.trim().parse::<f64>().ok()? / 1000.0;
    let found = format!("{degrees:.0} degrees");
    // A Raspberry Pi slows down at 80 degrees Celsius; the warning comes at 75.
    Some(if degrees < 75.0 {
        Finding::well("temperature", found)
    } else {
        Finding::amiss("temperature", found, "give it air or a heat sink: from 80 degrees on it slows down")
    })
}

fn power() -> Option<Finding> {
    let text = fs::read_to_string("/sys/devices/platform/soc/soc:firmware/get_throttled").ok()?;
    let bits = u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()?;
    // Bit 0: under-voltage now. Bit 16: under-voltage since the start.
    Some(if bits & 0x1_0001 == 0 {
        Finding::well("power", "enough")
    } else {
        Finding::amiss(
            "power",
            "too little, now or since the start",
            "use the power supply made for this Raspberry Pi, and a short cable",
        )
    })
}

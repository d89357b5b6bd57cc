//! `counterfoil deploy`: copies a bundle, and optionally package and configuration, to a running box with the system's
//! ssh.
//!
//! Everything is copied and checked on the box before anything is changed. If a later step fails, it is rolled back.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::config::{CONFIG_PATH, Config, STATE};

/// Deploys a bundle to a running box, and rolls back if the box does not become healthy with it
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil deploy pi@box.local --bundle bundles/label

It needs `ssh` here, and on the box a user who may `sudo` without being asked. The first time, give --package too.")]
pub(crate) struct Deploy {
    /// The box, as ssh knows it
    #[arg(value_name = "USER@HOST")]
    host: String,
    /// The bundle
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The box's package, installed or updated before the bundle
    #[arg(long, value_name = "DEB")]
    package: Option<PathBuf>,
    /// A configuration file that replaces the box's own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The box's state folder
    #[arg(long, value_name = "DIR", default_value = STATE)]
    state: String,
    /// The box's program, if it is not in its PATH
    #[arg(long, value_name = "PATH", default_value = "counterfoil-edge")]
    program: String,
    /// Prefix that runs a command as root on the box; empty if the user is root
    #[arg(long, default_value = "sudo -n")]
    sudo: String,
    /// An option for ssh, such as Port=2222; may be repeated
    #[arg(long = "ssh-option", value_name = "OPTION")]
    ssh_options: Vec<String>,
}

/// Time in seconds within which the box's service must run the new model.
const HEALTHY_WITHIN: u32 = 60;

impl Deploy {
    pub(crate) fn run(self) -> Result<()> {
        // What the box would reject is rejected here first.
        let detector = Detector::open(&self.bundle)?;
        let id = detector.bundle().id().to_owned();
        if let Some(config) = &self.config {
            Config::read(config)?;
        }
        let folder = self.ask("mktemp -d").context("the box cannot be reached")?;
        let folder = folder.trim();
        let done = self.deploy(folder, &id);
        // The copies are no longer needed.
        let _ = self.ask(&format!("rm -rf {folder}"));
        done
    }

    fn deploy(&self, folder: &str, id: &str) -> Result<()> {
        let (sudo, program, state) = (&self.sudo, &self.program, quoted(&self.state));
        // The command that restores the box's former configuration.
        let mut restore = String::new();
        self.copy(&self.bundle, &format!("{folder}/bundle"))?;
        if let Some(package) = &self.package {
            eprintln!("installing {} ...", package.display());
            self.copy(package, folder)?;
            let name = package.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
            self.ask(&format!("{sudo} dpkg --force-confold -i {folder}/{}", quoted(&name)))
                .context("the package was not installed")?;
        }
        if let Some(config) = &self.config {
            self.copy(config, folder)?;
            let name = config.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
            self.ask(&format!("{program} check-config {folder}/{}", quoted(&name)))
                .context("the box does not take the configuration")?;
            // Every former configuration is kept: the newest as .before, older ones numbered.
            let kept = self.ask(&format!(
                "{sudo} install -D -m 644 {folder}/{} {CONFIG_PATH}.new && \
                 if [ -e {CONFIG_PATH} ]; then {sudo} cp -p --backup=numbered {CONFIG_PATH} {CONFIG_PATH}.before && echo kept; fi && \
                 {sudo} mv {CONFIG_PATH}.new {CONFIG_PATH}",
                quoted(&name)
            ))?;
            if kept.trim().is_empty() {
                restore = format!("{sudo} rm {CONFIG_PATH}");
            } else {
                eprintln!("the box's former configuration is kept as {CONFIG_PATH}.before");
                restore = format!("{sudo} mv {CONFIG_PATH}.before {CONFIG_PATH}");
            }
        }
        eprintln!("checking the bundle on the box ...");
        self.ask(&format!("{sudo} {program} model install --state {state} {folder}/bundle"))
            .context("the box does not take the bundle")?;
        let selected = self.ask(&format!("{sudo} {program} model select --state {state} {id}"));
        let healthy = selected.and_then(|_| self.healthy(&state, id));
        if let Err(error) = healthy {
            eprintln!("taking it back ...");
            let back = self.ask(&format!("{sudo} {program} model rollback --state {state}"));
            if !restore.is_empty() {
                let _ = self.ask(&format!("{restore} && {sudo} systemctl restart counterfoil-edge"));
            }
            let taken = if back.is_ok() {
                "the model before it runs again"
            } else {
                "and there is no model before it to go back to"
            };
            return Err(error.context(format!("the box did not get well with it; {taken}")));
        }
        eprintln!("{} judges by {}", self.host, &id[..12]);
        Ok(())
    }

    /// Sets the owner, restarts the service, and checks after a while that the service judges with the model.
    fn healthy(&self, state: &str, id: &str) -> Result<()> {
        let (sudo, program) = (&self.sudo, &self.program);
        self.ask(&format!(
            "getent passwd counterfoil >/dev/null && {sudo} chown -R counterfoil:counterfoil {state} || true"
        ))?;
        let service = self.ask(
            "test -d /run/systemd/system && systemctl list-unit-files counterfoil-edge.service --no-legend || true",
        )?;
        if service.trim().is_empty() {
            eprintln!(
                "note: there is no service on the box; start `counterfoil-edge watch` by hand, or deploy with --package"
            );
        } else {
            self.ask(&format!("{sudo} systemctl restart counterfoil-edge"))?;
            let waits = format!(
                "for i in $(seq {HEALTHY_WITHIN}); do systemctl is-active --quiet counterfoil-edge && exit 0; sleep 1; done; \
                 journalctl -u counterfoil-edge -n 5 --no-pager >&2; exit 1"
            );
            self.ask(&waits).with_context(|| format!("the service did not start within {HEALTHY_WITHIN} s"))?;
        }
        let list = self.ask(&format!("{program} model list --json --state {state}"))?;
        let runs = list.lines().any(|line| line.contains(id) && line.contains("\"current\":true"));
        if runs {
            Ok(())
        } else {
            bail!("it rolled the model back; `journalctl -u counterfoil-edge` on the box says why")
        }
    }

    /// Runs a command on the box and returns its stdout.
    fn ask(&self, command: &str) -> Result<String> {
        let output = self
            .ssh()
            .arg(&self.host)
            .arg(command)
            .stderr(Stdio::piped())
            .output()
            .context("`ssh` cannot be started")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        bail!("{}: {}", self.host, String::from_utf8_lossy(&output.stderr).trim())
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        ssh.args(self.ssh_options.iter().flat_map(|option| ["-o", option]));
        ssh
    }

    /// Copies a file or folder to a path on the box.
    fn copy(&self, from: &Path, to: &str) -> Result<()> {
        let mut scp = Command::new("scp");
        scp.args(["-q", "-r", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        scp.args(self.ssh_options.iter().flat_map(|option| ["-o", option]));
        let output = scp.arg(from).arg(format!("{}:{to}", self.host)).output().context("`scp` cannot be started")?;
        if !output.status.success() {
            bail!("{} cannot be copied: {}", from.display(), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

/// Quotes a text as one word for the box's shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

//! `counterfoil flash`: a freshly written Raspberry Pi OS card gets the box's program, a bundle, and what its first start has to do.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::config::Config;
use counterfoil_models::{MANIFEST, SIGNATURE, write_whole};

/// The folder on the boot partition.
const FOLDER: &str = "counterfoil";
/// Where the boot partition is when the card runs.
const MOUNTED: &str = "/boot/firmware";

/// Puts package, bundle and first-start instructions onto the boot partition of a Raspberry Pi OS card
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil flash /media/me/bootfs --package counterfoil-edge_0.1.0_arm64.deb --bundle bundles/label --dry-run

Write Raspberry Pi OS Lite (64-bit, Trixie or newer) to the card first, with Raspberry Pi Imager; its first start is done by cloud-init, which
reads `user-data` on this partition. The box then comes up working with no network.")]
pub(crate) struct Flash {
    /// The card's boot partition, where it is mounted
    boot: PathBuf,
    /// The box's package, as `scripts/package` makes it
    #[arg(long, value_name = "DEB")]
    package: PathBuf,
    /// The bundle it is to judge by
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Its /etc/counterfoil/edge.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The public key whose bundles alone it shall take
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Show every file and what would be in it, and write none
    #[arg(long)]
    dry_run: bool,
}

impl Flash {
    pub(crate) fn run(self) -> Result<()> {
        let files = self.files()?;
        if self.dry_run {
            for (name, bytes) in &files {
                super::print(&format!("{} ({} bytes)\n", self.boot.join(name).display(), bytes.len()))?;
                let is_read = ["user-data", "counterfoil/install.sh"].contains(&name.as_str());
                for line in std::str::from_utf8(bytes).into_iter().filter(|_| is_read).flat_map(str::lines) {
                    super::print(&format!("    {line}\n"))?;
                }
            }
            return Ok(());
        }
        // user-data comes last: a card that was pulled out too early starts as if nothing had been done.
        for (name, bytes) in &files {
            write_whole(&self.boot.join(name), bytes)?;
        }
        eprintln!("the card is ready: unmount it, put it into the Raspberry Pi, and wait for its first verdict");
        Ok(())
    }

    /// What is written, in this order.
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let is_card = ["config.txt", "cmdline.txt"].iter().all(|name| self.boot.join(name).is_file());
        if !is_card {
            bail!(
                "{} is no boot partition of a Raspberry Pi OS card (there is no config.txt or cmdline.txt in it); write the system to the \
                 card with Raspberry Pi Imager, take the card out and in again, and give the folder that shows up as `bootfs`",
                self.boot.display()
            );
        }
        let user_data = self.boot.join("user-data");
        if is_somebodys(&user_data)? {
            bail!(
                "{} has instructions of its own, which would be lost; add these lines to it by hand, copy the folder that --dry-run on \
                 a fresh card shows, and let that be all:\n\nruncmd:\n  - [sh, {MOUNTED}/{FOLDER}/install.sh]",
                user_data.display()
            );
        }
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let package = read(&self.package)?;
        // A Debian package is an `ar` archive.
        if !package.starts_with(b"!<arch>\n") {
            bail!("--package {} is no Debian package; scripts/package makes one", self.package.display());
        }
        let mut files = vec![(format!("{FOLDER}/counterfoil-edge.deb"), package)];

        // What would be refused on the box is refused here, where somebody looks.
        let detector = Detector::open(&self.bundle)?;
        let bundle = detector.bundle();
        for name in bundle.manifest().files.keys() {
            files.push((format!("{FOLDER}/bundle/{name}"), bundle.read(name)?));
        }
        files.push((format!("{FOLDER}/bundle/{MANIFEST}"), read(&self.bundle.join(MANIFEST))?));
        if self.bundle.join(SIGNATURE).exists() {
            files.push((format!("{FOLDER}/bundle/{SIGNATURE}"), read(&self.bundle.join(SIGNATURE))?));
        }
        if let Some(path) = &self.config {
            Config::read(path)?;
            files.push((format!("{FOLDER}/edge.toml"), read(path)?));
        }
        if let Some(path) = &self.key {
            counterfoil_edge::trust::Trust::of_key(path)?.check(bundle)?;
            files.push((format!("{FOLDER}/key.pub"), read(path)?));
        }
        files.push((format!("{FOLDER}/install.sh"), self.install().into_bytes()));
        if !self.boot.join("meta-data").exists() {
            files.push(("meta-data".into(), b"instance-id: counterfoil\n".to_vec()));
        }
        files.push((
            "user-data".into(),
            format!("#cloud-config\nruncmd:\n  - [sh, {MOUNTED}/{FOLDER}/install.sh]\n").into_bytes(),
        ));
        Ok(files)
    }

    /// What the first start does, as root, with no network.
    fn install(&self) -> String {
        let config = self.config.as_ref().map_or("", |_| "install -D -m 644 edge.toml /etc/counterfoil/edge.toml\n");
        let key = self.key.as_ref().map_or("", |_| "counterfoil-edge key install --state $state key.pub\n");
        format!(
            "#!/bin/sh
# Written by `counterfoil flash`; run once, by cloud-init, at the first start.
set -eu
cd {MOUNTED}/{FOLDER}
state=/var/lib/counterfoil
{config}dpkg --force-confold -i counterfoil-edge.deb
install -d -o counterfoil -g counterfoil $state
{key}counterfoil-edge model install --state $state --select bundle
chown -R counterfoil:counterfoil $state
raspi-config nonint do_i2c 0 || true
systemctl enable --now counterfoil-edge
systemctl restart counterfoil-edge
"
        )
    }
}

/// Whether a `user-data` says anything; the one on a fresh card is comments.
fn is_somebodys(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#')))
}

//! `counterfoil flash`: puts the box's program, a bundle and the first-start commands onto a new Raspberry Pi OS card.

mod user_data;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use counterfoil_edge::Detector;
use counterfoil_edge::config::Config;
use counterfoil_models::{MANIFEST, SIGNATURE, ensure_folder_free, write_whole};

/// The folder on the boot partition.
const FOLDER: &str = "counterfoil";
/// Mount point of the boot partition on the running card.
const MOUNTED: &str = "/boot/firmware";
/// The box's package, written first into our folder: a folder that contains it was made by this command.
const PACKAGE: &str = "counterfoil-edge.deb";
/// The script of the first start, written last into our folder.
const INSTALL: &str = "install.sh";
/// The card's cloud-init metadata, for a card that has none.
const META_DATA: &str = "instance-id: counterfoil\n";
/// Kernels of a 32-bit system, which cannot run the 64-bit package.
const KERNELS_32: [&str; 2] = ["kernel7.img", "kernel7l.img"];

/// Puts package, bundle and first-start instructions onto the boot partition of a Raspberry Pi OS card
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil flash /media/me/bootfs --package counterfoil-edge_0.1.0_arm64.deb --bundle bundles/label --dry-run

Write Raspberry Pi OS Lite (64-bit, Trixie or newer) to the card first, with Raspberry Pi Imager; its first start is done by cloud-init, which
reads `user-data` on this partition. What Imager was asked to set up (user, network, ssh) stays. A card that was flashed before and not yet
started is flashed anew. The box then comes up working with no network.")]
pub(crate) struct Flash {
    /// Mount point of the card's boot partition
    boot: PathBuf,
    /// The box's package, as `scripts/package` makes it
    #[arg(long, value_name = "DEB")]
    package: PathBuf,
    /// The bundle that the box shall judge with
    #[arg(long, value_name = "BUNDLE")]
    bundle: PathBuf,
    /// The box's /etc/counterfoil/edge.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Public key; the box will accept only bundles signed with it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Show the files and the text of the scripts, and write nothing
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
        let ours = self.boot.join(FOLDER);
        let again = ours.exists();
        if again {
            // Files of an earlier flash must not mix with the new ones.
            fs::remove_dir_all(&ours).with_context(|| format!("cannot remove {}", ours.display()))?;
        }
        // user-data comes last: if the card is removed too early, it starts as if it had not been flashed.
        for (name, bytes) in &files {
            write_whole(&self.boot.join(name), bytes)?;
        }
        if again {
            eprintln!(
                "note: the card was flashed before. If a Raspberry Pi has started from it since, its first start is over: write the system to \
                 it again, or send the bundle with `counterfoil deploy`"
            );
        }
        eprintln!("the card is ready: unmount it, put it into the Raspberry Pi, and wait for its first verdict");
        Ok(())
    }

    /// Returns an error for a card whose system will not read the written files.
    fn check_card(&self) -> Result<()> {
        let boot = self.boot.display();
        let has = |name: &str| self.boot.join(name).is_file();
        if !(has("config.txt") && has("cmdline.txt")) {
            bail!(
                "{boot} is no boot partition of a Raspberry Pi OS card (there is no config.txt or cmdline.txt in it); write the system to the \
                 card with Raspberry Pi Imager, take the card out and in again, and give the folder that shows up as `bootfs`"
            );
        }
        const REMEDY: &str =
            "write Raspberry Pi OS Lite (64-bit), Trixie or newer, to it with Raspberry Pi Imager, and run this again";
        if let Some(kernel) = KERNELS_32.into_iter().find(|kernel| has(kernel)) {
            bail!("{boot} is of a 32-bit system ({kernel} is in it), which cannot run the box's program; {REMEDY}");
        }
        // Images with cloud-init bring these files. Files that this command wrote prove nothing: an earlier flash may
        // have written them to a system without cloud-init.
        let is_others =
            |name: &str, ours: &str| fs::read(self.boot.join(name)).is_ok_and(|found| found != ours.as_bytes());
        if !(is_others("meta-data", META_DATA) || is_others("user-data", &fresh()) || has("network-config")) {
            let issue = fs::read_to_string(self.boot.join("issue.txt")).unwrap_or_default();
            let issue = issue.lines().next().map_or_else(String::new, |line| format!(" (issue.txt: {line})"));
            bail!(
                "{boot} is of a system without cloud-init{issue}, such as Raspberry Pi OS Bookworm and older, where nothing would read what is \
                 written here; {REMEDY}; a 64-bit box that runs already can be sent to with `counterfoil deploy --package`"
            );
        }
        ensure_folder_free(&self.boot.join(FOLDER), &[PACKAGE, INSTALL])?;
        Ok(())
    }

    /// The card's user-data for the first start, with our script added.
    fn user_data(&self) -> Result<String> {
        let path = self.boot.join("user-data");
        let text = if path.exists() {
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?
        } else {
            String::new()
        };
        user_data::with_script(&text, &script()).map_err(|why| {
            anyhow!(
                "{} cannot be added to, since {why}. Add to it by hand:\n\
                 1. open the file in a text editor; where it is a shell script, add the line `sh {}` to it and go on with 4\n\
                 2. find the line `runcmd:`, or add it at the end, at the start of a line\n\
                 3. below it, after other commands that are there, add the line\n     - {}\n   with as many spaces before it as they have\n\
                 4. save the file and run this command again: it finds that line and does the rest",
                path.display(),
                script(),
                user_data::item(&script())
            )
        })
    }

    /// The files to write, in this order.
    fn files(&self) -> Result<Vec<(String, Vec<u8>)>> {
        self.check_card()?;
        let user_data = self.user_data()?;
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let package = read(&self.package)?;
        // A Debian package is an `ar` archive.
        if !package.starts_with(b"!<arch>\n") {
            bail!("--package {} is no Debian package; scripts/package makes one", self.package.display());
        }
        let mut files = vec![(format!("{FOLDER}/{PACKAGE}"), package)];

        // What the box would reject is rejected here, where the user sees the message.
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
            counterfoil_edge::store::trust::Trust::of_key(path)?.check(bundle)?;
            files.push((format!("{FOLDER}/key.pub"), read(path)?));
        }
        files.push((format!("{FOLDER}/{INSTALL}"), self.install().into_bytes()));
        if !self.boot.join("meta-data").exists() {
            files.push(("meta-data".into(), META_DATA.into()));
        }
        files.push(("user-data".into(), user_data.into_bytes()));
        Ok(files)
    }

    /// The script of the first start. It runs as root and needs no network.
    fn install(&self) -> String {
        let config = self.config.as_ref().map_or("", |_| "install -D -m 644 edge.toml /etc/counterfoil/edge.toml\n");
        let key = self.key.as_ref().map_or("", |_| "counterfoil-edge key install --state $state key.pub\n");
        format!(
            "#!/bin/sh
# Written by `counterfoil flash`; run once, by cloud-init, at the first start.
set -eu
cd {MOUNTED}/{FOLDER}
state=/var/lib/counterfoil
{config}dpkg --force-confold -i {PACKAGE}
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

/// The script that cloud-init runs, by its path on the mounted card.
fn script() -> String {
    format!("{MOUNTED}/{FOLDER}/{INSTALL}")
}

/// The `user-data` that is written to a card without one.
fn fresh() -> String {
    format!("#cloud-config\nruncmd:\n  - {}\n", user_data::item(&script()))
}

//! `counterfoil key`: minisign keys for bundles, so that a box accepts only its owner's bundles.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use counterfoil_edge::store::trust;
use counterfoil_models::{Bundle, MANIFEST, SIGNATURE, ensure_free, write_whole};
use minisign::{KeyPair, SecretKey, SecretKeyBox};

/// Makes keys, signs bundles with them, and shows who signed
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil key new --out counterfoil               # counterfoil.key stays here, counterfoil.pub goes to the boxes
  counterfoil key sign --key counterfoil.key bundles/label
  counterfoil-edge key install counterfoil.pub        # on the box: from now on it takes signed bundles only
  counterfoil key show --key counterfoil.pub bundles/label

The signature is minisign's: `minisign -V -p counterfoil.pub -m bundles/label/manifest.json` checks it too.")]
pub(crate) struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Makes a pair of keys: NAME.key, the secret key that signs, and NAME.pub
    New {
        /// The files' name, without .key and .pub
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
        /// Encrypt the secret key with the password on this file's first line
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Signs a bundle's manifest, which names every other file's SHA-256
    Sign {
        /// The secret key's file
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// File with the password of the secret key on its first line
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Replace an existing signature
        #[arg(long)]
        force: bool,
        /// The bundle
        bundle: PathBuf,
    },
    /// Shows whether a bundle is signed with the secret half of a key
    Show {
        /// The public key's file
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The bundle
        bundle: PathBuf,
    },
}

impl Key {
    pub(crate) fn run(self) -> Result<()> {
        match self.what {
            What::New { out, password_file } => new(&out, password_file.as_deref()),
            What::Sign { key, password_file, force, bundle } => sign(&key, password_file.as_deref(), force, &bundle),
            What::Show { key, bundle } => show(&key, &bundle),
        }
    }
}

fn new(out: &Path, password_file: Option<&Path>) -> Result<()> {
    let [secret, public] = ["key", "pub"].map(|kind| out.with_added_extension(kind));
    let KeyPair { pk, sk } = match password(password_file)? {
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password)),
        None => KeyPair::generate_unencrypted_keypair(),
    }
    .context("no keys could be made")?;
    let text = sk.to_box(Some("counterfoil secret key")).context("no keys could be made")?.into_string();
    // Never overwrite a key, even if only one half of its pair is here: without the public key, bundles signed with
    // it could not be told from forged ones.
    let taken =
        |key: &Path| format!("{} exists already; choose another --out, or move the key that is there", key.display());
    ensure!(public.symlink_metadata().is_err(), taken(&public));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret).map_err(|error| {
        let is_there = error.kind() == ErrorKind::AlreadyExists;
        let what = if is_there { taken(&secret) } else { format!("{} cannot be made", secret.display()) };
        anyhow::Error::from(error).context(what)
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("cannot write {}", secret.display()))?;
    write_whole(&public, pk.to_box().context("no keys could be made")?.into_string().as_bytes())?;
    eprintln!(
        "keep {} secret, it signs; {} goes to the boxes: counterfoil-edge key install",
        secret.display(),
        public.display()
    );
    Ok(())
}

fn sign(key: &Path, password_file: Option<&Path>, force: bool, bundle: &Path) -> Result<()> {
    let bundle = Bundle::open(bundle)?;
    let place = bundle.dir().join(SIGNATURE);
    ensure_free(&place, force)?;
    let secret = secret(key, password_file)?;
    let path = bundle.dir().join(MANIFEST);
    let manifest = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let said = bundle.manifest();
    let comment = format!("{} number {}, sha256 {}", said.name, said.counter, bundle.id());
    let signature = minisign::sign(None, &secret, &manifest[..], Some(&comment), None)
        .with_context(|| format!("{} cannot sign", key.display()))?;
    write_whole(&place, signature.into_string().as_bytes())?;
    eprintln!("{} is signed: {comment}", bundle.dir().display());
    Ok(())
}

fn show(key: &Path, bundle: &Path) -> Result<()> {
    let bundle = Bundle::open(bundle)?;
    trust::Trust::of_key(key)?.check(&bundle)?;
    let said = bundle.manifest();
    super::print(&format!("{} number {} is signed with {}'s secret half\n", said.name, said.counter, key.display()))
}

fn secret(key: &Path, password_file: Option<&Path>) -> Result<SecretKey> {
    let text = fs::read_to_string(key).with_context(|| format!("cannot read --key {}", key.display()))?;
    let sealed = SecretKeyBox::from_string(&text)
        .with_context(|| format!("--key {} is no minisign secret key", key.display()))?;
    let password = password(password_file)?;
    let open = if password.is_some() { sealed.into_secret_key(password) } else { sealed.into_unencrypted_secret_key() };
    open.with_context(|| format!("--key {} cannot be opened; give its password with --password-file", key.display()))
}

fn password(file: Option<&Path>) -> Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let text = fs::read_to_string(file).with_context(|| format!("cannot read --password-file {}", file.display()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Some(line.to_owned())),
        _ => bail!("--password-file {}: its first line is empty; expected the password", file.display()),
    }
}

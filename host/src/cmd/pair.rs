//! `counterfoil pair`: a box shows a code; a user who types it in may then let the box judge.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use counterfoil_host::game::boxes::{self, known};

/// Pairs with a box: it shows a code, which is typed in here
#[derive(Args, Debug)]
#[command(after_help = "Example:
  counterfoil pair till.local

The box then judges what this user sends it. `counterfoil-edge token revoke NAME`, on the box, ends that.")]
pub(crate) struct Pair {
    /// The box: a name or an address, with a port unless it is 7443
    #[arg(value_name = "BOX")]
    address: String,
    /// Name by which the box knows this workstation; it replaces another workstation of that name [default: the
    /// machine's own name]
    #[arg(long, value_name = "NAME")]
    visitor: Option<String>,
    /// Let this box take the place of a paired box that has its name and another certificate
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    boxes: Boxes,
}

/// Where the list of paired boxes is stored.
#[derive(Args, Clone, Debug)]
pub(crate) struct Boxes {
    /// The file of paired boxes [default: counterfoil/boxes.toml in the user's folder of configuration]
    #[arg(long, value_name = "FILE")]
    boxes: Option<PathBuf>,
}

impl Boxes {
    pub(crate) fn open(self) -> Result<known::Boxes> {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let place = match self.boxes {
            Some(file) => file,
            None => known::place(folder("XDG_CONFIG_HOME").as_deref(), folder("HOME").as_deref())?,
        };
        Ok(known::Boxes::of(place))
    }
}

impl Pair {
    pub(crate) fn run(self) -> Result<()> {
        let boxes = self.boxes.open()?;
        let runtime = super::runtime()?;
        let visitor = self.visitor.unwrap_or_else(machine);
        let pairing = runtime.block_on(boxes::begin(&self.address, &visitor))?;
        if !self.replace {
            boxes.refuse_namesake(&pairing.name, &pairing.address, &pairing.fingerprint)?;
        }
        eprint!("{} shows a code for {} s; type it in: ", pairing.name, pairing.seconds);
        io::stderr().flush().context("cannot write to stderr")?;
        let mut code = String::new();
        io::stdin().read_line(&mut code).context("no code was typed in")?;
        let known = runtime.block_on(pairing.finish(&code))?;
        super::print(&format!(
            "paired with {} at {}; its certificate is {}\n",
            known.name, known.address, known.fingerprint
        ))?;
        boxes.keep(known)
    }
}

/// The machine's hostname, reduced to the characters that a box accepts. On a box, two workstations of the same name
/// replace each other.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = name.chars().filter(fits).take(40).collect();
    if name.is_empty() { "workstation".to_owned() } else { name }
}

//! The file of boxes that this workstation is paired with, which only its user can read; and the lookup of a box by
//! name.
//!
//! ```toml
//! [[box]]
//! name = "till"
//! address = "till.local:7443"
//! fingerprint = "..."
//! token = "..."
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use counterfoil_models::naming::{self, printable};
use counterfoil_models::protocol::{PORT, SERVICE};
use counterfoil_models::write_private;
use mdns_sd::{ServiceDaemon, ServiceEvent};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::CONNECT;

/// How long the network is searched for a box whose address the system cannot resolve.
const LOOK: Duration = Duration::from_secs(2);

/// A paired box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Name of the box.
    pub name: String,
    /// Host and port.
    pub address: String,
    /// SHA-256 of the box's certificate, in hex.
    pub fingerprint: String,
    /// Bearer token that authenticates this workstation at the box.
    pub token: String,
}

/// The file with the list of paired boxes.
#[derive(Clone, Debug)]
pub struct Boxes {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "box", default)]
    boxes: Vec<Known>,
}

impl Boxes {
    /// The list in the file at `path`, which need not exist yet.
    #[must_use]
    pub fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads all paired boxes. The list is empty when the file does not exist.
    ///
    /// # Errors
    /// Returns an error when the file cannot be read or parsed, or holds a name that cannot be shown.
    pub fn list(&self) -> Result<Vec<Known>> {
        match fs::read_to_string(&self.path) {
            Ok(text) => {
                let file: File = toml::from_str(&text).with_context(|| {
                    format!("{} is no list of boxes; mend it, or remove it and pair again", self.path.display())
                })?;
                for known in &file.boxes {
                    naming::name(&known.name).with_context(|| {
                        format!("{}: box \"{}\"; change its name there", self.path.display(), printable(&known.name))
                    })?;
                }
                Ok(file.boxes)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", self.path.display())),
        }
    }

    /// Finds a box by name or address.
    ///
    /// # Errors
    /// Returns an error when no such box is paired, or the file cannot be read.
    pub fn find(&self, name: &str) -> Result<Known> {
        let address = with_port(name);
        let boxes = self.list()?;
        boxes.into_iter().find(|known| known.name == name || known.address == address).ok_or_else(|| {
            anyhow!(
                "{name} was not paired with; `counterfoil pair {name}` does that ({} was looked at)",
                self.path.display()
            )
        })
    }

    /// Refuses a box with another certificate than a stored box has whose name is the same or looks like it: a box
    /// chooses its name itself, and would take the other's place.
    ///
    /// # Errors
    /// Returns an error when there is such a box, or the file cannot be read.
    pub fn refuse_namesake(&self, name: &str, address: &str, fingerprint: &str) -> Result<()> {
        let is_other = |known: &&Known| naming::look_alike(&known.name, name) && known.fingerprint != fingerprint;
        match self.list()?.iter().find(is_other) {
            None => Ok(()),
            Some(other) => bail!(
                "{address} is called {name}, and {} with another certificate, at {}, was paired with; if this is that box, set \
                 up anew, say --replace; otherwise give this one a `name` of its own under [network] in its edge.toml \
                 (paired boxes are in {})",
                other.name,
                other.address,
                self.path.display()
            ),
        }
    }

    /// Stores a box. It replaces a stored box whose name is the same or looks like it, or that has the same certificate.
    ///
    /// # Errors
    /// Returns an error when the file cannot be read or written.
    pub fn keep(&self, known: Known) -> Result<()> {
        let mut boxes = self.list()?;
        boxes.retain(|other| !naming::look_alike(&other.name, &known.name) && other.fingerprint != known.fingerprint);
        boxes.push(known);
        let text = toml::to_string(&File { boxes }).context("a list of boxes is TOML")?;
        Ok(write_private(&self.path, text.as_bytes())?)
    }
}

/// Default path of the list of paired boxes, in the user's configuration folder.
///
/// # Errors
/// Returns an error when neither `config_home` nor `home` is given.
pub fn place(config_home: Option<&Path>, home: Option<&Path>) -> Result<PathBuf> {
    let folder = config_home.map(Path::to_path_buf).or_else(|| home.map(|home| home.join(".config")));
    let folder = folder.context("neither XDG_CONFIG_HOME nor HOME is set; name the file with --boxes")?;
    Ok(folder.join("counterfoil/boxes.toml"))
}

/// The address with a port: the box's default port is appended to an address without one.
#[must_use]
pub fn with_port(address: &str) -> String {
    let has_port =
        address.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && !host.ends_with(':'));
    if has_port { address.to_owned() } else { format!("{address}:{PORT}") }
}

/// Connects to an address. A `.local` name that the system cannot connect to is looked up on the network with mDNS.
pub(super) async fn reach(address: &str) -> Result<TcpStream> {
    let first = match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => return Ok(stream),
        Ok(Err(error)) => anyhow!(error),
        Err(_) => anyhow!("no answer in {} s", CONNECT.as_secs()),
    };
    let Some(instance) = address.rsplit_once(':').and_then(|(host, _)| host.strip_suffix(".local")) else {
        bail!(first)
    };
    let instance = instance.to_owned();
    let found = tokio::task::spawn_blocking(move || announced(&instance)).await??;
    let Some(found) = found else { bail!(first) };
    Ok(timeout(CONNECT, TcpStream::connect(&found[..])).await??)
}

/// The addresses of the box that announces itself under this name, or `None` when there is no such box.
fn announced(instance: &str) -> Result<Option<Vec<std::net::SocketAddr>>> {
    let daemon = ServiceDaemon::new()?;
    let events = daemon.browse(SERVICE)?;
    let until = Instant::now() + LOOK;
    let mut found = None;
    while let Ok(event) = events.recv_deadline(until) {
        if let ServiceEvent::ServiceResolved(service) = event
            && service.get_fullname() == format!("{instance}.{SERVICE}")
        {
            let port = service.get_port();
            found = Some(service.get_addresses_v4().into_iter().map(|ip| (ip, port).into()).collect());
            break;
        }
    }
    let _ = daemon.shutdown();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn boxes_are_kept_where_nobody_else_reads_them() {
        let dir = tempfile::tempdir().unwrap();
        let boxes = Boxes::of(dir.path().join("deep/boxes.toml"));
        assert!(boxes.list().unwrap().is_empty());
        let known = |name: &str, token: &str| Known {
            name: name.into(),
            address: format!("{name}.local:7443"),
            fingerprint: format!("{name}'s"),
            token: token.into(),
        };
        for (name, token) in [("till", "1"), ("desk", "2"), ("till", "3")] {
            boxes.keep(known(name, token)).unwrap();
        }
        assert_eq!(boxes.list().unwrap(), [known("desk", "2"), known("till", "3")]);
        assert_eq!(boxes.find("till").unwrap(), boxes.find("till.local").unwrap());
        boxes.refuse_namesake("till", "10.0.0.2:7443", "till's").unwrap();
        boxes.refuse_namesake("counter", "10.0.0.2:7443", "00").unwrap();
        for (name, address) in [("till", "till.local:7443"), ("till", "10.0.0.2:7443"), ("Ti11", "10.0.0.2:7443")] {
            let namesake = boxes.refuse_namesake(name, address, "00").unwrap_err().to_string();
            assert!(namesake.contains("till.local:7443") && namesake.contains("--replace"), "{namesake}");
        }
        boxes.keep(Known { name: "shop".into(), ..known("till", "4") }).unwrap();
        let names: Vec<String> = boxes.list().unwrap().into_iter().map(|known| known.name).collect();
        assert_eq!(names, ["desk", "shop"], "a box with a new name is still one box");
        boxes.keep(known("till", "3")).unwrap();
        let error = boxes.find("other").unwrap_err().to_string();
        assert!(error.contains("counterfoil pair other"), "{error}");
        let mode = fs::metadata(dir.path().join("deep/boxes.toml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(dir.path().join("deep/boxes.toml"), "boxes = 1").unwrap();
        assert!(boxes.list().is_err());
    }

    #[test]
    fn an_address_without_a_port_gets_the_boxes_own() {
        for (typed, meant) in [
            ("till.local", "till.local:7443"),
            ("10.0.0.2:80", "10.0.0.2:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::1]", "[::1]:7443"),
        ] {
            assert_eq!(with_port(typed), meant);
        }
    }
}

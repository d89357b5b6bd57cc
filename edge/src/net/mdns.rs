//! The box among the services of its network: `_counterfoil._tcp`, with its name, port and certificate's fingerprint.

use counterfoil_models::protocol::SERVICE;
use mdns_sd::{ServiceDaemon, ServiceInfo};

use crate::{Error, Result};

/// Told of until it is dropped.
pub(super) struct Announced {
    daemon: ServiceDaemon,
    fullname: String,
}

/// Tells the network of a box.
pub(super) fn announce(name: &str, port: u16, fingerprint: &str) -> Result<Announced> {
    let fault = |e: mdns_sd::Error| Error::Network {
        what: format!("the box cannot be announced on the network: {e}"),
        remedy: "name it by its address instead, or set `announce = false`",
    };
    let daemon = ServiceDaemon::new().map_err(fault)?;
    let properties = [("fingerprint", fingerprint), ("version", env!("CARGO_PKG_VERSION"))];
    let host: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let host = format!("{host}.local.");
    let info = ServiceInfo::new(SERVICE, name, &host, "", port, &properties[..]).map_err(fault)?.enable_addr_auto();
    let fullname = info.get_fullname().to_owned();
    daemon.register(info).map_err(fault)?;
    Ok(Announced { daemon, fullname })
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Whoever looked it up finds out soon enough.
        if let Ok(gone) = self.daemon.unregister(&self.fullname) {
            let _ = gone.recv_timeout(std::time::Duration::from_millis(200));
        }
        let _ = self.daemon.shutdown();
    }
}

//! The box among the services of its network: `_counterfoil._tcp`, with its name, port and certificate's fingerprint.

use std::thread;

use counterfoil_models::protocol::SERVICE;
use mdns_sd::{DaemonEvent, ServiceDaemon, ServiceInfo};

use crate::{Error, Result};

/// Told of until it is dropped.
pub(super) struct Announced {
    daemon: ServiceDaemon,
    fullname: String,
}

/// Tells the network of a box. Where another has its name already, it is told of under another name, and `complain` says so.
pub(super) fn announce(
    name: &str,
    port: u16,
    fingerprint: &str,
    complain: impl Fn(&str) + Send + 'static,
) -> Result<Announced> {
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
    let events = daemon.monitor().map_err(fault)?;
    daemon.register(info).map_err(fault)?;
    // Ends with the daemon.
    thread::spawn(move || {
        let mut last = String::new();
        while let Ok(event) = events.recv() {
            if let Some((taken, instead)) = renamed(&event)
                && last != instead
            {
                complain(&format!(
                    "another box on this network is called {taken}; this one is announced as {instead}. Give each a name of its own: `name` in [network]"
                ));
                last = instead;
            }
        }
    });
    Ok(Announced { daemon, fullname })
}

/// The box's name that another has, and the one that took its place (RFC 6762, section 9). The machine's own name is not ours to tell of.
fn renamed(event: &DaemonEvent) -> Option<(String, String)> {
    let DaemonEvent::NameChange(change) = event else { return None };
    let instance = |name: &str| Some(name.strip_suffix(SERVICE)?.trim_end_matches('.').to_owned());
    Some((instance(&change.original)?, instance(&change.new_name)?))
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

//! Announces the box on its network by mDNS: `_counterfoil._tcp`, with its name, port and certificate fingerprint.

use std::thread;

use counterfoil_models::protocol::SERVICE;
use mdns_sd::{DaemonEvent, ServiceDaemon, ServiceInfo};

use crate::{Error, Result};

/// A running announcement. Dropping it withdraws the announcement.
pub(super) struct Announced {
    daemon: ServiceDaemon,
    fullname: String,
}

/// Announces the box. If another box already uses its name, it is announced under another name, and
/// `complain` reports that.
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
    // Ends when the daemon ends.
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

/// The name of this box that another box uses, and the name that replaces it (RFC 6762, section 9). `None` for other
/// events, such as a conflict of the host name, which this program does not report.
fn renamed(event: &DaemonEvent) -> Option<(String, String)> {
    let DaemonEvent::NameChange(change) = event else { return None };
    let instance = |name: &str| Some(name.strip_suffix(SERVICE)?.trim_end_matches('.').to_owned());
    Some((instance(&change.original)?, instance(&change.new_name)?))
}

impl Drop for Announced {
    fn drop(&mut self) {
        // Clients that have looked the box up also notice later that it is gone.
        if let Ok(gone) = self.daemon.unregister(&self.fullname) {
            let _ = gone.recv_timeout(std::time::Duration::from_millis(200));
        }
        let _ = self.daemon.shutdown();
    }
}

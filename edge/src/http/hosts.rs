//! The names under which a server may be addressed.
//!
//! A web page of another site can have its own name lead to this server's address (DNS rebinding) and would then read
//! what the browser's user may read. The header `Host` tells: the page's name is in it, and no such page can change
//! it. Addresses in numbers are accepted, because a name is needed for the attack.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::refusal::refuse;

/// Suffixes that no public name has (RFC 6762, RFC 8375, and ICANN's `internal`).
const PRIVATE: [&str; 5] = ["", ".local", ".home.arpa", ".internal", ".lan"];

/// Names of a server, in lower case.
#[derive(Clone, Debug)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// A server that is addressed by numbers, as `localhost`, by one of `names` alone or below a domain that is
    /// private by its definition (`till`, `till.local`), or by one of `full` names.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>, full: &[String]) -> Self {
        let names = names.into_iter().chain(["localhost"]).map(|name| name.trim().to_lowercase());
        let names = names.flat_map(|name| PRIVATE.map(|suffix| format!("{name}{suffix}")));
        Self(names.chain(full.iter().map(|name| name.to_lowercase())).collect())
    }

    /// Whether the value of a `Host` header is one of this server's names or an address, with or without a port.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        if let Some(inside) = host.strip_prefix('[') {
            return inside.split_once(']').is_some_and(|(address, _)| address.parse::<IpAddr>().is_ok());
        }
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
        name.parse::<IpAddr>().is_ok() || self.0.contains(&name)
    }

    /// Whether a request is addressed to this server, by its `Host` header and by its target if that has a host.
    #[must_use]
    pub fn are_asked(&self, request: &Request) -> bool {
        let header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let target = request.uri().host();
        header.or(target).is_some() && header.into_iter().chain(target).all(|host| self.contains(host))
    }
}

/// Middleware that refuses requests which are addressed to another server, with status 421.
pub async fn only_own(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.are_asked(&request) { next.run(request).await } else { refuse(StatusCode::MISDIRECTED_REQUEST, FOREIGN) }
}

/// What a request with a foreign name is answered.
pub const FOREIGN: &str = "this server has another name; ask for it by its address in numbers, or by its own name";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_and_addresses_are_accepted_and_no_others() {
        let hosts = Hosts::of(["Till"], &["till.example.org".into()]);
        for own in [
            "till",
            "till:7443",
            "TILL.local",
            "till.local.",
            "till.lan:80",
            "localhost:7443",
            "127.0.0.1:7443",
            "10.0.0.2",
            "[::1]:7443",
            "[fe80::1]",
            "till.example.org:443",
        ] {
            assert!(hosts.contains(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "till.evil.example",
            "till.local.evil.example",
            "127.0.0.1.evil.example",
            "[evil]",
            "other.local",
            "10.0.0.2.nip.io",
            ":7443",
        ] {
            assert!(!hosts.contains(foreign), "{foreign}");
        }
    }
}

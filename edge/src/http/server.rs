//! Accepts connections and serves an [`axum`] router on them, with and without TLS.
//!
//! No client can exhaust the server. The number of connections is limited, in total and per address, and so is
//! the time for the TLS handshake, for the head of a request and for a client that does not read. A connection
//! over a limit is closed without a response.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Maximum number of open connections.
const MAX_CONNECTIONS: usize = 128;
/// Maximum number of open connections from one address.
const MAX_PER_ADDRESS: usize = 32;
/// Time limit for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Time limit for the head of a request, which is also the time that a connection may be idle.
const HEAD: Duration = Duration::from_secs(15);
/// How long a client may leave sent data unacknowledged, in milliseconds (`TCP_USER_TIMEOUT`).
const STUCK_MS: u32 = 20_000;

/// The open connections of each address.
#[derive(Debug, Default)]
struct ConnectionLimit(Mutex<HashMap<IpAddr, usize>>);

/// A connection within the limits. Dropping it makes room for another.
struct Permit {
    limit: Arc<ConnectionLimit>,
    from: IpAddr,
}

impl ConnectionLimit {
    /// Counts a connection from `from`; `None` when a limit is reached.
    fn admit(self: &Arc<Self>, from: IpAddr) -> Option<Permit> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, here) = (open.values().sum::<usize>(), open.get(&from).copied().unwrap_or(0));
        if all >= MAX_CONNECTIONS || here >= MAX_PER_ADDRESS {
            return None;
        }
        open.insert(from, here + 1);
        Some(Permit { limit: Arc::clone(self), from })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.limit.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = open.get_mut(&self.from) {
            *here -= 1;
            if *here == 0 {
                open.remove(&self.from);
            }
        }
    }
}

/// Serves `app` on `listener`, only over TLS if `tls` is given. Runs until its future is dropped.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, app: Router) {
    let limit = Arc::new(ConnectionLimit::default());
    let tls = tls.map(TlsAcceptor::from);
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // For example, no file descriptor is left: another connection has to close first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(permit) = limit.admit(from.ip()) else { continue };
        let (tls, app) = (tls.clone(), app.clone());
        tokio::spawn(async move {
            serve_connection(stream, from, tls, app).await;
            drop(permit);
        });
    }
}

async fn serve_connection(stream: TcpStream, from: SocketAddr, tls: Option<TlsAcceptor>, app: Router) {
    // A connection on which an option cannot be set is served anyway.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, STUCK_MS);
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve_http(stream, from, app).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                serve_http(stream, from, app).await;
            }
        }
    }
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, from: SocketAddr, app: Router) {
    let service = TowerToHyperService::new(app.layer(axum::Extension(from)));
    // An error means that the client has left or sent no valid HTTP. Neither is the server's fault.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_limited_in_all_and_by_address() {
        let limit = Arc::new(ConnectionLimit::default());
        let from = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mut open: Vec<Permit> = (0..MAX_PER_ADDRESS).map(|_| limit.admit(from(1)).unwrap()).collect();
        assert!(limit.admit(from(1)).is_none());
        for number in 2..=(MAX_CONNECTIONS / MAX_PER_ADDRESS) as u8 {
            open.extend((0..MAX_PER_ADDRESS).map(|_| limit.admit(from(number)).unwrap()));
        }
        assert!(limit.admit(from(9)).is_none(), "all connections are taken");
        open.truncate(1);
        assert!(limit.admit(from(9)).is_some() && limit.admit(from(1)).is_some());
        open.clear();
        assert!(limit.0.lock().unwrap().is_empty(), "closed connections leave no entry");
    }
}

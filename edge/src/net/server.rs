//! Connections enter, requests leave to the [`api`](super::api): the part that must not be worn down by anyone.
//!
//! Every connection costs a little memory and has little time: so many in all and from one address, so long for the handshake, for a request's
//! head and for the whole of it. What is over the limits is closed without an answer.

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

/// Connections at a time,
const MOST: usize = 128;
/// and from one address.
const MOST_FROM_ONE: usize = 32;
/// A TLS handshake takes at most so long,
const HANDSHAKE: Duration = Duration::from_secs(5);
/// the head of a request likewise, which is also how long a connection may idle,
const HEAD: Duration = Duration::from_secs(15);
/// and a peer that takes nothing of what it is sent is given up after so many milliseconds.
const STUCK_MS: u32 = 20_000;

/// Connections, counted by address.
#[derive(Debug, Default)]
struct Guests(Mutex<HashMap<IpAddr, usize>>);

/// One of them; leaving is counted when it is dropped.
struct Guest {
    guests: Arc<Guests>,
    from: IpAddr,
}

impl Guests {
    fn enter(self: &Arc<Self>, from: IpAddr) -> Option<Guest> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, here) = (guests.values().sum::<usize>(), guests.get(&from).copied().unwrap_or(0));
        if all >= MOST || here >= MOST_FROM_ONE {
            return None;
        }
        guests.insert(from, here + 1);
        Some(Guest { guests: Arc::clone(self), from })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = guests.get_mut(&self.from) {
            *here -= 1;
            if *here == 0 {
                guests.remove(&self.from);
            }
        }
    }
}

/// Serves until the listener's end, which never comes: whoever wants it to stop drops it. With `tls`, over TLS and nothing else.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, app: Router) {
    let guests = Arc::new(Guests::default());
    let tls = tls.map(TlsAcceptor::from);
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // No file descriptors left, for one: others have to leave first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(guest) = guests.enter(from.ip()) else { continue };
        let (tls, app) = (tls.clone(), app.clone());
        tokio::spawn(async move {
            attend(stream, from, tls, app).await;
            drop(guest);
        });
    }
}

async fn attend(stream: TcpStream, from: SocketAddr, tls: Option<TlsAcceptor>, app: Router) {
    // A connection on which this cannot be set is served all the same.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, STUCK_MS);
    let _ = stream.set_nodelay(true);
    match tls {
        None => talk(stream, from, app).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                talk(stream, from, app).await;
            }
        }
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, from: SocketAddr, app: Router) {
    let service = TowerToHyperService::new(app.layer(axum::Extension(from)));
    // However it ends: the peer has left, or spoke no HTTP.
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
    fn guests_are_counted_in_all_and_by_address() {
        let guests = Arc::new(Guests::default());
        let from = |number: u8| IpAddr::from([10, 0, 0, number]);
        let mut inside: Vec<Guest> = (0..MOST_FROM_ONE).map(|_| guests.enter(from(1)).unwrap()).collect();
        assert!(guests.enter(from(1)).is_none());
        for number in 2..=(MOST / MOST_FROM_ONE) as u8 {
            inside.extend((0..MOST_FROM_ONE).map(|_| guests.enter(from(number)).unwrap()));
        }
        assert!(guests.enter(from(9)).is_none(), "the house is full");
        inside.truncate(1);
        assert!(guests.enter(from(9)).is_some() && guests.enter(from(1)).is_some());
        inside.clear();
        assert!(guests.0.lock().unwrap().is_empty(), "nothing is kept of who has left");
    }
}

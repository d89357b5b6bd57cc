//! Accepts connections and serves an [`axum`] router on them, with and without TLS.
//!
//! No client can exhaust the server. Every connection needs one of the [`Places`], and there is a time limit for the
//! TLS handshake, for the head of a request and for a client that does not read. A connection without a place is
//! closed without a response. The requests of a connection carry its [`Place`] as an extension.

use std::sync::Arc;
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

use super::places::{Place, Places};

/// Time limit for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Time limit for the head of a request, which is also the time that a connection may be idle.
const HEAD: Duration = Duration::from_secs(15);
/// How long a client may leave sent data unacknowledged, in milliseconds (`TCP_USER_TIMEOUT`).
const STUCK_MS: u32 = 20_000;
/// Bytes of a connection that are buffered, and so the longest head of a request.
const BUFFER: usize = 32 << 10;

/// Serves `app` on `listener`, only over TLS if `tls` is given. Runs until its future is dropped.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, app: Router, places: Arc<Places>) {
    let tls = tls.map(TlsAcceptor::from);
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // For example, no file descriptor is left: another connection has to close first.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = places.admit(from.ip()) else { continue };
        let (tls, app, place) = (tls.clone(), app.clone(), Arc::new(place));
        tokio::spawn(async move {
            tokio::select! {
                () = serve_connection(stream, &place, tls, app) => {}
                () = place.closed() => {}
            }
        });
    }
}

async fn serve_connection(stream: TcpStream, place: &Arc<Place>, tls: Option<TlsAcceptor>, app: Router) {
    // A connection on which an option cannot be set is served anyway.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, STUCK_MS);
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve_http(stream, place, app).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                serve_http(stream, place, app).await;
            }
        }
    }
}

async fn serve_http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, place: &Arc<Place>, app: Router) {
    let service = TowerToHyperService::new(app.layer(axum::Extension(Arc::clone(place))));
    // An error means that the client has left or sent no valid HTTP. Neither is the server's fault.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

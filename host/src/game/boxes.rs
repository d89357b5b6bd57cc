//! Client for a box on the network: one TLS connection, kept open. Only its certificate identifies the box.

mod certificate;
pub mod known;
mod pair;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use counterfoil_models::naming::printable;
use counterfoil_models::protocol::{CERTIFIED, GAME, Refusal};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

pub use known::Known;
pub use pair::{Pairing, begin};

/// Time limit for connecting to a box. A box that takes longer counts as unreachable.
const CONNECT: Duration = Duration::from_secs(5);
/// Maximum size of an answer, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Why a request to a box failed.
#[derive(Debug, thiserror::Error)]
pub enum BoxError {
    /// The box cannot be reached, or the connection to it broke.
    #[error(
        "{box_} cannot be reached ({why}); check that it is on, on this network, and runs `counterfoil-edge serve`"
    )]
    Away {
        /// Name of the box.
        box_: String,
        /// The underlying error.
        why: String,
    },
    /// A box with another certificate answers at the box's address.
    #[error(
        "{box_} shows another certificate than the one it was paired with; if it was set up anew, `counterfoil pair --replace` it again, otherwise another machine pretends to be the box"
    )]
    NotThisBox {
        /// Name of the box.
        box_: String,
    },
    /// The box refused the request.
    #[error("{box_} says no ({}): {why}", status.as_u16())]
    No {
        /// Name of the box.
        box_: String,
        /// HTTP status of the answer.
        status: StatusCode,
        /// The reason that the box gave.
        why: String,
    },
    /// The answer does not follow the protocol.
    #[error("{box_} speaks another language ({why}); update it, or this program")]
    Garbled {
        /// Name of the box.
        box_: String,
        /// What is wrong with the answer.
        why: String,
    },
}

/// A paired box on the network.
pub struct Remote {
    known: Known,
    tls: Arc<rustls::ClientConfig>,
    line: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Remote {
    /// Creates a client for a paired box. It connects at the first request.
    #[must_use]
    pub fn new(known: Known) -> Self {
        let tls = certificate::only(&known.fingerprint);
        Self { known, tls, line: Mutex::new(None) }
    }

    /// Name of the box.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.known.name
    }

    /// Sends a request and parses the JSON answer. Reuses the open connection. If the box has closed that connection,
    /// a new one is opened before anything is sent. A request that fails while it is sent is not repeated.
    ///
    /// # Errors
    /// Returns a [`BoxError`] when the box cannot be reached, has another certificate, refuses, or does not answer
    /// with a `T`.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        game: Option<&str>,
        body: Bytes,
    ) -> Result<T, BoxError> {
        let mut line = self.line.lock().await;
        let mut sender = match line.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.known.address)
            .header(AUTHORIZATION, format!("Bearer {}", self.known.token))
            .header(CONTENT_TYPE, "application/octet-stream");
        let request = game.into_iter().fold(request, |request, game| request.header(GAME, game));
        let request = request.body(Full::new(body)).map_err(|e| self.garbled(&e))?;
        if let Err(error) = sender.ready().await {
            return Err(self.away(&error));
        }
        let response = sender.send_request(request).await.map_err(|e| self.away(&e))?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| self.garbled(&*e))?.to_bytes();
        *line = Some(sender);
        if !status.is_success() {
            let why =
                serde_json::from_slice(&body).map_or_else(|_| "no reason".into(), |no: Refusal| printable(&no.error));
            return Err(BoxError::No { box_: self.known.name.clone(), status, why });
        }
        serde_json::from_slice(&body).map_err(|e| self.garbled(&e))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, BoxError> {
        let stream = known::reach(&self.known.address).await.map_err(|e| self.away(&*e))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let name = ServerName::try_from(CERTIFIED).expect("it is a name");
        let stream = match timeout(CONNECT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.to_string().contains(certificate::ANOTHER) => {
                return Err(BoxError::NotThisBox { box_: self.known.name.clone() });
            }
            Ok(Err(error)) => return Err(self.away(&error)),
            Err(_) => return Err(self.away(&"no handshake")),
        };
        open(stream).await.map_err(|e| self.away(&*e))
    }

    fn away(&self, why: &(impl ToString + ?Sized)) -> BoxError {
        BoxError::Away { box_: self.known.name.clone(), why: why.to_string() }
    }

    fn garbled(&self, why: &(impl ToString + ?Sized)) -> BoxError {
        BoxError::Garbled { box_: self.known.name.clone(), why: why.to_string() }
    }
}

/// Starts HTTP/1.1 on a TLS stream. The connection lives as long as the returned sender.
async fn open(stream: tokio_rustls::client::TlsStream<TcpStream>) -> Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // The task ends when the sender is dropped or the box closes the connection. The next request then notices the
    // closed connection.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

//! A box on the network, as a visitor sees it: asked over TLS by one connection that is kept, and known by its certificate alone.

mod certificate;
pub mod known;
mod pair;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use counterfoil_models::protocol::{GAME, Refusal};
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

/// A box answers a call within so long, or it is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// An answer has at most so many bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Why a box did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It is not there, or went away.
    #[error(
        "{box_} cannot be reached ({why}); check that it is on, on this network, and runs `counterfoil-edge serve`"
    )]
    Away {
        /// The box.
        box_: String,
        /// What happened.
        why: String,
    },
    /// Another box answers at its address.
    #[error(
        "{box_} shows another certificate than the one it was paired with; if it was set up anew, `counterfoil pair` it again, otherwise somebody sits between"
    )]
    NotThisBox {
        /// The box.
        box_: String,
    },
    /// It says no.
    #[error("{box_} says no ({}): {why}", status.as_u16())]
    No {
        /// The box.
        box_: String,
        /// Its status.
        status: StatusCode,
        /// Its reason.
        why: String,
    },
    /// It says something that is none of the protocol's.
    #[error("{box_} speaks another language ({why}); update it, or this program")]
    Garbled {
        /// The box.
        box_: String,
        /// What was wrong.
        why: String,
    },
}

/// A box.
pub struct Remote {
    known: Known,
    tls: Arc<rustls::ClientConfig>,
    line: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Remote {
    /// A box that was paired with.
    #[must_use]
    pub fn new(known: Known) -> Self {
        let tls = certificate::only(&known.fingerprint);
        Self { known, tls, line: Mutex::new(None) }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.known.name
    }

    /// Asks it something. A line that was cut is taken up once more where nothing was sent by it.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        game: Option<&str>,
        body: Bytes,
    ) -> Result<T, Trouble> {
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
            let why = serde_json::from_slice(&body).map_or_else(|_| "no reason".into(), |no: Refusal| no.error);
            return Err(Trouble::No { box_: self.known.name.clone(), status, why });
        }
        serde_json::from_slice(&body).map_err(|e| self.garbled(&e))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let stream = known::reach(&self.known.address).await.map_err(|e| self.away(&*e))?;
        let tls = TlsConnector::from(Arc::clone(&self.tls));
        let name = ServerName::try_from("counterfoil").expect("it is a name");
        let stream = match timeout(CONNECT, tls.connect(name, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.to_string().contains(certificate::ANOTHER) => {
                return Err(Trouble::NotThisBox { box_: self.known.name.clone() });
            }
            Ok(Err(error)) => return Err(self.away(&error)),
            Err(_) => return Err(self.away(&"no handshake")),
        };
        open(stream).await.map_err(|e| self.away(&*e))
    }

    fn away(&self, why: &(impl ToString + ?Sized)) -> Trouble {
        Trouble::Away { box_: self.known.name.clone(), why: why.to_string() }
    }

    fn garbled(&self, why: &(impl ToString + ?Sized)) -> Trouble {
        Trouble::Garbled { box_: self.known.name.clone(), why: why.to_string() }
    }
}

/// HTTP on a TLS stream; the connection lives as long as what is returned.
async fn open(stream: tokio_rustls::client::TlsStream<TcpStream>) -> Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends when the sender is dropped, or the box hangs up: the next request finds out.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

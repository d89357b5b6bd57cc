//! Pairing, on the workstation's side: requests a code, and sends the code that the user types in.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use counterfoil_models::naming::{self, printable};
use counterfoil_models::pairing::Side;
use counterfoil_models::protocol::{Begin, Begun, CERTIFIED, Confirm, Exchange, Paired, Refusal};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{CONNECT, Known, MAX_ANSWER, certificate, known, open};

/// A pairing in progress: the box shows a code.
pub struct Pairing {
    sender: SendRequest<Full<Bytes>>,
    /// Host and port of the box.
    pub address: String,
    /// SHA-256 of the certificate that the box shows, in hex.
    pub fingerprint: String,
    id: String,
    /// Name that the box gives itself.
    pub name: String,
    /// Seconds for which the box shows the code.
    pub seconds: u64,
}

/// Asks the box at an address to show a pairing code for `visitor`.
///
/// # Errors
/// Returns an error when the box cannot be reached, or shows no code.
pub async fn begin(address: &str, visitor: &str) -> Result<Pairing> {
    let address = known::with_port(address);
    let away = || {
        format!("no box answers at {address}; check that it is on, on this network, and runs `counterfoil-edge serve`")
    };
    let stream = known::reach(&address).await.with_context(away)?;
    let (tls, seen) = certificate::any();
    let host = ServerName::try_from(CERTIFIED).expect("it is a name");
    let stream =
        timeout(CONNECT, TlsConnector::from(Arc::clone(&tls)).connect(host, stream)).await.context("no handshake")?;
    let mut sender = open(stream.with_context(away)?).await?;
    let fingerprint = seen.get().cloned().context("the box showed no certificate")?;
    let begin = Begin { name: visitor.to_owned() };
    let begun: Begun = ask(&mut sender, Method::POST, &address, "/v1/pair/begin", &begin).await?;
    let name = naming::name(&begun.name).with_context(|| {
        format!("{address} gives itself a name that is none; set `name` under [network] in its edge.toml")
    })?;
    Ok(Pairing { sender, address, fingerprint, id: begun.id, name, seconds: begun.seconds })
}

impl Pairing {
    /// Finishes the pairing with the code that the user typed in.
    ///
    /// # Errors
    /// Returns an error when the code is wrong, or when another machine answers between the workstation and the box.
    pub async fn finish(mut self, code: &str) -> Result<Known> {
        let (waiting, message) = Side::Visitor.start(code.trim(), &self.fingerprint);
        let exchange = Exchange { id: self.id.clone(), message };
        let theirs: Exchange =
            ask(&mut self.sender, Method::POST, &self.address, "/v1/pair/exchange", &exchange).await?;
        let agreed = waiting.finish(&theirs.message).context("the box's message is none of the protocol's")?;
        let confirm = Confirm { id: self.id, proof: agreed.proof() };
        let paired: Paired = ask(&mut self.sender, Method::POST, &self.address, "/v1/pair/confirm", &confirm).await?;
        if !agreed.accepts(&paired.proof) {
            bail!(
                "the machine that answers at {} does not know the code: it is not the box that shows it",
                self.address
            );
        }
        Ok(Known { name: self.name, address: self.address, fingerprint: self.fingerprint, token: paired.token })
    }
}

async fn ask<T: DeserializeOwned>(
    sender: &mut SendRequest<Full<Bytes>>,
    method: Method,
    address: &str,
    path: &str,
    what: &impl Serialize,
) -> Result<T> {
    let body = if method == Method::GET { Bytes::new() } else { serde_json::to_vec(what)?.into() };
    let request =
        Request::builder().method(method).uri(path).header(HOST, CERTIFIED).header(CONTENT_TYPE, "application/json");
    sender.ready().await?;
    let response = sender.send_request(request.body(Full::new(body))?).await?;
    let status = response.status();
    let body =
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|e| anyhow::anyhow!(e))?.to_bytes();
    if !status.is_success() {
        let no: Refusal = serde_json::from_slice(&body).with_context(|| format!("{address} answers {status}"))?;
        bail!("{address} says no: {}", printable(&no.error));
    }
    serde_json::from_slice(&body)
        .with_context(|| format!("{address} speaks another language; update it, or this program"))
}

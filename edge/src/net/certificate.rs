//! The certificate of the box: created once, kept in the state folder, and identified by its fingerprint.
//!
//! It is self-signed. A client that has paired with the box knows the fingerprint and accepts no other
//! certificate; clocks and host names do not matter.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use counterfoil_models::protocol::CERTIFIED;
use counterfoil_models::{sha256_hex, write_private, write_whole};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Error, Result};

const CERTIFICATE: &str = "network/certificate.pem";
const KEY: &str = "network/key.pem";

/// A certificate and its private key.
#[derive(Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// Reads the certificate from a state folder, or creates one if there is none: its file or that of its key is missing
    /// or empty.
    ///
    /// # Errors
    /// [`Error::State`] when the certificate exists but cannot be used: a new one would lock out every
    /// client that has paired.
    pub fn of(state: &Path) -> Result<Self> {
        let (certificate, key) = (state.join(CERTIFICATE), state.join(KEY));
        let is_there = |path: &Path| fs::metadata(path).is_ok_and(|found| found.len() > 0);
        if !is_there(&certificate) || !is_there(&key) {
            Self::make(state)?;
        }
        let damaged = |path: &Path, what: String| Error::State {
            path: path.to_path_buf(),
            what,
            remedy: "give the file back, or remove it and pair everyone anew",
        };
        let der = CertificateDer::from_pem_file(&certificate)
            .map_err(|e| damaged(&certificate, format!("is no certificate ({e})")))?;
        let key = PrivateKeyDer::from_pem_file(&key).map_err(|e| damaged(&key, format!("is no key ({e})")))?;
        Ok(Self { der, key })
    }

    /// The SHA-256 of the certificate, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.der)
    }

    /// The TLS configuration of a server with this certificate.
    ///
    /// # Errors
    /// [`Error::Network`] when certificate and key do not belong together.
    pub fn server(&self) -> Result<Arc<ServerConfig>> {
        let fault = |e: rustls::Error| Error::Network {
            what: format!("the box's certificate cannot be shown: {e}"),
            remedy: "remove network/ in the state folder and pair everyone anew",
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(fault)?
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .map_err(fault)?;
        Ok(Arc::new(config))
    }

    fn make(state: &Path) -> Result<()> {
        let folder = state.join("network");
        let trouble = |what: String| Error::State {
            path: folder.clone(),
            what,
            remedy: "make room on the disk, or give the folder to the user who runs this program",
        };
        let made = |e: rcgen::Error| trouble(format!("gets no certificate ({e})"));
        let key = KeyPair::generate().map_err(made)?;
        // Valid from 1975 to 4096, because the clock of a box may be wrong.
        let certificate =
            CertificateParams::new(vec![CERTIFIED.into()]).and_then(|params| params.self_signed(&key)).map_err(made)?;
        // The key is written first: a certificate without a key is created again.
        let written = write_private(&state.join(KEY), key.serialize_pem().as_bytes())
            .and_then(|()| write_whole(&state.join(CERTIFICATE), certificate.pem().as_bytes()));
        written.map_err(|e| trouble(format!("cannot be filled ({e})")))
    }
}

//! TLS that trusts one certificate by its fingerprint, or tells the fingerprint of whichever is shown.

use std::sync::{Arc, OnceLock};

use counterfoil_models::sha256_hex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// What the error says when it is another certificate.
pub(super) const ANOTHER: &str = "another certificate than the one that was paired with";

/// Trusts the certificate of that SHA-256 and no other; neither names nor clocks count.
pub(super) fn only(fingerprint: &str) -> Arc<ClientConfig> {
    config(Which::Only(fingerprint.to_owned()))
}

/// Takes any certificate and tells its SHA-256: for pairing, where a code is what counts.
pub(super) fn any() -> (Arc<ClientConfig>, Arc<OnceLock<String>>) {
    let seen = Arc::new(OnceLock::new());
    (config(Which::Any(Arc::clone(&seen))), seen)
}

fn config(which: Which) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Pinned { which, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS needs")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
enum Which {
    Only(String),
    Any(Arc<OnceLock<String>>),
}

#[derive(Debug)]
struct Pinned {
    which: Which,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let fingerprint = sha256_hex(shown);
        match &self.which {
            Which::Only(expected) if *expected != fingerprint => return Err(Error::General(ANOTHER.into())),
            Which::Only(_) => {}
            Which::Any(seen) => {
                // Each connection has its own.
                let _ = seen.set(fingerprint);
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

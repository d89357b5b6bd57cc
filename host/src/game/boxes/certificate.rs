//! TLS that trusts one certificate by its fingerprint, or accepts any certificate and reports its fingerprint.

use std::sync::{Arc, OnceLock};

use counterfoil_models::sha256_hex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// Text of the error for a certificate with another fingerprint.
pub(super) const ANOTHER: &str = "another certificate than the one that was paired with";

/// A configuration that trusts only the certificate with this SHA-256 (hex). Host name and dates are not checked.
pub(super) fn only(fingerprint: &str) -> Arc<ClientConfig> {
    config(Which::Only(fingerprint.to_owned()))
}

/// A configuration that accepts any certificate and stores its SHA-256 (hex): for pairing, which the code secures.
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
                // Each connection has its own configuration, so the value is set only once.
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

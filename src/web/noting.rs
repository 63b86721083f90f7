//! Notes until when certificates are good, while they are verified: whether one is taken is decided by what is wrapped
//! here, and by nothing else.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::tls::end_of;
use crate::base::certificates::SeenCertificates;

/// What rustls itself verifies by, with these roots.
///
/// # Errors
/// There are none.
pub(crate) fn by_roots(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    Ok(verifier.map_err(|error| format!("TLS cannot be set up: {error}"))?)
}

/// The same verifier, for one service; what it takes, and what it refuses for having ended, is noted.
pub(crate) fn noting(verifier: Arc<dyn ServerCertVerifier>, seen: &SeenCertificates) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Noting { verifier, seen: seen.of_service() })
}

#[derive(Debug)]
struct Noting {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: SeenCertificates,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let has_ended = matches!(
            verified,
            Err(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }))
        );
        if (verified.is_ok() || has_ended)
            && let Some(end) = end_of(end_entity)
        {
            self.seen.note(&server_name.to_str(), end);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

//! Trust in one named certificate (`tls_pin`), for servers whose certificate has no subject alternative name.
//!
//! The fingerprint stands in for the name and the chain, and for nothing else: the server must still prove that
//! it holds the certificate's key, and a certificate that has run out is refused. Every other certificate is
//! refused, whoever signed it.

use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use x509_parser::x509::X509Version;

use super::certificate;
use crate::base::secret::sha256;

/// SHA-256 of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin([u8; 32]);

impl Pin {
    /// Reads 64 hex digits, with or without colons and `sha256:` in front: as openssl and others print them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim();
        let bare = match bare.split_at_checked(7) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("sha256:") => rest,
            _ => bare,
        };
        let digits: String = bare.chars().filter(|&c| c != ':').collect();
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or_else(|| {
            format!("`{text}` is not the SHA-256 of a certificate, 64 hex digits as \"openssl x509 -noout -fingerprint -sha256\" prints them")
        })
    }
}

/// Why a certificate is not taken for a pinned one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinFault {
    /// Its fingerprint is not among the pins.
    #[error(
        "the server's certificate is not a pinned one: its SHA-256 is {0}; if that is what the server's administrator says as well, set tls_pin to it"
    )]
    Other(String),
    /// The TLS library takes only version 3.
    #[error("the server's certificate is of an old X.509 version, which cannot be used: make one of version 3 there")]
    Old,
}

impl From<PinFault> for Error {
    fn from(fault: PinFault) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
    }
}

/// Accepts exactly the pinned certificates.
#[derive(Debug)]
pub(crate) struct PinVerifier {
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl PinVerifier {
    pub(crate) fn new(pins: Vec<Pin>, provider: Arc<CryptoProvider>) -> Self {
        Self { pins, provider }
    }

    fn check(&self, der: &[u8], now: UnixTime) -> Result<(), Error> {
        let found = sha256(der);
        if !self.pins.contains(&Pin(found)) {
            return Err(PinFault::Other(certificate::shown(&found)).into());
        }
        let parsed = certificate::parse(der).ok_or(CertificateError::BadEncoding)?;
        if parsed.version() != X509Version::V3 {
            return Err(PinFault::Old.into());
        }
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let validity = parsed.validity();
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        Ok(())
    }
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, now).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate::tests::{SHA256, sample};
    use super::*;
    use std::time::Duration;

    fn verifier(pins: &[&str]) -> PinVerifier {
        let pins = pins.iter().map(|pin| Pin::parse(pin).unwrap()).collect();
        PinVerifier::new(pins, Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
    }

    fn check(verifier: &PinVerifier, der: &[u8], at: u64) -> Result<(), String> {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(at));
        verifier.check(der, now).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn pins_are_read_as_they_are_printed() {
        let plain = SHA256.replace(':', "");
        let forms = [SHA256.to_owned(), plain.to_lowercase(), format!("sha256:{plain}"), format!(" SHA256:{SHA256} ")];
        for form in forms {
            assert_eq!(Pin::parse(&form), Pin::parse(SHA256), "{form}");
        }
        for bad in ["", "sha256:", "ab", &plain[2..], &format!("{plain}00"), &plain.replace('C', "x"), "sha1:é"] {
            assert!(Pin::parse(bad).unwrap_err().contains("openssl"), "{bad}");
        }
    }

    #[test]
    fn only_the_pinned_certificate_passes_and_only_in_its_time() {
        let (day, other) = (1_800_000_000, "0".repeat(64));
        let pinned = verifier(&[&other, SHA256]);
        assert_eq!(check(&pinned, &sample(), day), Ok(()));
        assert!(check(&pinned, &sample(), 2_200_000_000).unwrap_err().contains("Expired"));
        assert!(check(&pinned, &sample(), 1_700_000_000).unwrap_err().contains("NotValidYet"));
        assert!(check(&verifier(&[&other]), &sample(), day).unwrap_err().contains(SHA256));
        assert!(check(&verifier(&[]), &sample(), day).is_err());
        let mut changed = sample();
        *changed.last_mut().unwrap() ^= 1;
        assert!(check(&pinned, &changed, day).unwrap_err().contains("Other"));
    }
}

//! TLS towards directory servers: one provider, the system's or the configured roots, always verified.
//!
//! The name in the URL must be among the certificate's subject alternative names (RFC 4513 §3.1.3,
//! RFC 6125); the common name is not looked at. There is no switch to turn any of this off: `tls_pin` names
//! the one certificate that is taken instead.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{AlertDescription, CertificateError, ClientConfig};

use super::identity::{self, IdentityFiles};
use super::pin::{Pin, PinFault, PinVerifier};
use crate::base::certificates::SeenCertificates;
use crate::web::noting::{by_roots, noting};
use crate::web::tls::{provider, roots};

/// What the settings say of TLS.
#[derive(Clone)]
pub(crate) struct TlsSettings {
    /// The roots; the system's own where `None`.
    pub(crate) ca_file: Option<PathBuf>,
    /// The only certificates that are taken, where there are any: no roots then.
    pub(crate) pins: Vec<Pin>,
    /// Who we are.
    pub(crate) identity: Option<IdentityFiles>,
}

/// The TLS configuration for one source. Reads files: not for the runtime's own threads.
///
/// # Errors
/// The roots, the client certificate or its key cannot be read.
pub(crate) fn client_config(settings: &TlsSettings, seen: &SeenCertificates) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let verifier: Arc<dyn ServerCertVerifier> = if settings.pins.is_empty() {
        by_roots(roots(settings.ca_file.as_deref())?, Arc::clone(&provider))?
    } else {
        Arc::new(PinVerifier::new(settings.pins.clone(), Arc::clone(&provider)))
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(noting(verifier, seen));
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let key = identity::read(files, &provider).map_err(|(key, problem)| format!("{key}: {problem}"))?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
    };
    Ok(Arc::new(config))
}

/// The name that the server's certificate must carry: an address (also IPv6) or a host name.
pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(host.to_owned()).map_err(|_| format!("`{host}` in urls is neither a host name nor an address"))
}

/// Did TLS itself fail, rather than the connection below it?
pub(crate) fn is_verdict(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// The server's verdict on our certificate, where an error of the connection is that.
pub(crate) fn refusal(error: &std::io::Error) -> Option<&'static str> {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => refused_identity(*alert),
        _ => None,
    }
}

/// What an alert says of the certificate that we showed, or did not (RFC 8446 §6.2).
fn refused_identity(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired => {
            Some("the server wants a client certificate: set client_cert_file and client_key_file")
        }
        AlertDescription::CertificateExpired => Some("the server says that client_cert_file has expired: renew it"),
        AlertDescription::CertificateRevoked => Some("the server says that client_cert_file is revoked"),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => Some(
            "the server does not trust the client certificate: give it in client_cert_file, signed by an authority that the server knows",
        ),
        _ => None,
    }
}

/// What went wrong in a handshake, with the setting to look at.
pub(crate) fn explain(error: &std::io::Error, host: &str) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(fault)) => explain_certificate(fault, host),
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS here: check port and scheme in urls".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => match refused_identity(*alert) {
            Some(why) => why.to_owned(),
            None => format!("the server broke TLS off: {alert:?}"),
        },
        Some(other) => format!("TLS failed: {other}"),
        None => format!("the connection was lost while TLS began: {error}"),
    }
}

fn explain_certificate(fault: &CertificateError, host: &str) -> String {
    match fault {
        CertificateError::UnknownIssuer => {
            "the server's certificate is not signed by a trusted authority: set ca_file to the certificate of the one that signed it".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the server's certificate is not for `{host}`: use a name in urls that is among its subject alternative names; for a certificate without any, set tls_pin to its SHA-256")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired: renew it there".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: is the time right here and there?".to_owned()
        }
        CertificateError::Other(inner) if inner.0.is::<PinFault>() => inner.0.to_string(),
        other => format!("the server's certificate is refused: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_addresses_can_be_verified() {
        for host in ["ldap.example.org", "127.0.0.1", "::1"] {
            assert!(server_name(host).is_ok(), "{host}");
        }
        assert!(server_name("a b").is_err());
    }
}

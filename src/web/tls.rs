//! TLS towards servers: one provider, the system's or the configured roots, always verified.
//!
//! There is no switch to turn verification off.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use super::noting::{by_roots, noting};
use crate::base::certificates::SeenCertificates;

/// The certificates of a PEM file.
///
/// # Errors
/// The file cannot be read or holds no certificate.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{shown} cannot be read as PEM certificates: {error}"))?;
    if certificates.is_empty() { Err(format!("{shown} holds no certificate")) } else { Ok(certificates) }
}

/// Until when each certificate of a PEM file is good; nothing of a file that cannot be read.
pub(crate) fn ends_of(path: &Path) -> Vec<Timestamp> {
    read_certificates(path).unwrap_or_default().iter().filter_map(|certificate| end_of(certificate)).collect()
}

/// Until when a certificate is good; `None` where it is none.
pub(crate) fn end_of(der: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// The roots to trust: those of the file, or the system's.
///
/// # Errors
/// There are none that can be used.
pub(crate) fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match ca_file {
        Some(path) => read_certificates(path).map_err(|problem| format!("ca_file: {problem}"))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(certificates);
    match (roots.is_empty(), ca_file) {
        (false, _) => Ok(roots),
        (true, Some(path)) => Err(format!("ca_file: {} holds no certificate that can be used", path.display())),
        (true, None) => Err("the system has no root certificates: install them, or set ca_file".to_owned()),
    }
}

/// The provider of all algorithms.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// TLS by these roots and without a certificate of our own. Reads files: not for the runtime's own threads.
///
/// # Errors
/// The roots cannot be read.
fn client_config(ca_file: Option<&Path>, seen: &SeenCertificates) -> Result<Arc<ClientConfig>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("TLS cannot be set up: {error}");
    let provider = Arc::new(provider());
    let verifier = by_roots(roots(ca_file)?, Arc::clone(&provider))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(&error))?
        .dangerous()
        .with_custom_certificate_verifier(noting(verifier, seen))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// How TLS is done towards one service: made when it is first needed, and kept.
pub(crate) struct Tls {
    ca_file: Option<PathBuf>,
    made: OnceCell<Arc<ClientConfig>>,
    seen: OnceLock<SeenCertificates>,
}

impl Tls {
    /// By the roots of this file, or the system's.
    pub(crate) fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file, made: OnceCell::new(), seen: OnceLock::new() }
    }

    /// Notes there what certificates are seen. The first call counts, and must come before the first connection.
    pub(crate) fn note_in(&self, seen: &SeenCertificates) {
        self.seen.get_or_init(|| seen.clone());
    }

    /// The configuration. Roots are read once; what could not be read is read again the next time.
    ///
    /// # Errors
    /// The roots cannot be read.
    pub(crate) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let made = self.made.get_or_try_init(|| async {
            let (ca_file, seen) = (self.ca_file.clone(), self.seen.get().cloned().unwrap_or_default());
            let made = tokio::task::spawn_blocking(move || client_config(ca_file.as_deref(), &seen)).await;
            made.unwrap_or_else(|_| Err("TLS cannot be set up".to_owned()))
        });
        made.await.map(Arc::clone)
    }
}

//! Who musterd is to a directory server: a client certificate and its key, read from their files.
//!
//! It refuses a key that everybody on the machine may read, and a key that is not the certificate's.

use std::path::{Path, PathBuf};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;

use crate::base::private_file;
use crate::web::tls::read_certificates;

/// The name of the setting with the certificate.
pub(crate) const CERTIFICATE: &str = "client_cert_file";
/// The name of the setting with its key.
pub(crate) const KEY: &str = "client_key_file";

/// Where the certificate and its key are.
#[derive(Clone)]
pub(crate) struct IdentityFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Reads both files and sees that they belong together; else the setting, and what is wrong with it.
pub(crate) fn read(files: &IdentityFiles, provider: &CryptoProvider) -> Result<CertifiedKey, (&'static str, String)> {
    let chain = read_certificates(&files.certificate).map_err(|problem| (CERTIFICATE, problem))?;
    let key = read_key(&files.key).map_err(|problem| (KEY, problem))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let shown = files.certificate.display();
            (KEY, format!("{} is not the key of the first certificate in {shown}", files.key.display()))
        }
        error => (KEY, format!("{} cannot be used: {error}", files.key.display())),
    })
}

/// The first private key of a PEM file.
fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = private_file::read(path)?;
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|error| format!("{} holds no private key in PEM without a passphrase: {error}", path.display()))
}

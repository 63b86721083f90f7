//! How mail leaves the daemon.

use crate::base::secret::Secret;

/// The settings of the mail channel.
#[derive(Clone)]
pub struct Settings {
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The name to log in with, where the server asks for one.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<Secret>,
    /// The address that mail comes from: `Directory <directory@example.org>`.
    pub from: String,
}

/// How the connection to the mail server is protected; certificates are always verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Plain first, then STARTTLS; refused where the server does not offer it.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this machine only.
    None,
}

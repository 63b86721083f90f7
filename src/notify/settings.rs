//! How mail leaves the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::base::secret::Secret;
use crate::directory::language::Language;
use crate::web::tls::read_certificates;

/// The settings of the mail channel.
#[derive(Clone)]
pub struct Settings {
    /// The server's name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The authorities whose certificates are believed, as PEM; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// The name to log in with, where the server asks for one.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<Secret>,
    /// The address that mail comes from: `Directory <directory@example.org>`.
    pub from: String,
    /// The address that answers go to, where it is another.
    pub reply_to: Option<String>,
    /// How many mails are under way at once, each on a connection of its own.
    pub connections: usize,
    /// The longest time until the server has taken the login.
    pub connect_timeout: Duration,
    /// The longest time of one mail after that.
    pub send_timeout: Duration,
    /// The language of readers of whom none is known.
    pub language: Language,
    /// The zone in which times are told.
    pub time_zone: TimeZone,
    /// The folder of the operator's own templates.
    pub templates: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: MailTls::StartTls,
            ca_file: None,
            username: None,
            password: None,
            from: String::new(),
            reply_to: None,
            connections: 4,
            connect_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(30),
            language: Language::English,
            time_zone: TimeZone::UTC,
            templates: None,
        }
    }
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

/// Looks whether a file holds authorities that can be believed.
///
/// # Errors
/// Why not.
pub fn look_at_authorities(path: &Path) -> Result<(), String> {
    read_certificates(path).map(drop)
}

//! Which provider compares faces, and how its word is known.

use std::path::PathBuf;
use std::time::Duration;

use super::result::Key;
use crate::base::secret::Secret;
use crate::web::place::Place;
use crate::web::tls;

/// How long the provider may take by default.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// The provider.
#[derive(Clone)]
pub struct Settings {
    /// The address under which its verifications and subjects lie.
    pub url: String,
    /// The token that it lets us in by.
    pub token: Secret,
    /// PEM certificates that sign the provider's; the system's own where `None`.
    pub ca_file: Option<PathBuf>,
    /// What its results are signed with.
    pub key: Key,
    /// The least score that counts as a match, besides the provider's own word.
    pub min_score: Option<f64>,
    /// One request, to the last byte of its answer.
    pub timeout: Duration,
}

impl Settings {
    /// What cannot be used, each by its key.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if let Err(problem) = Place::parse(&self.url) {
            faults.push(("url", problem));
        }
        if !self.token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            faults.push(("token", "must be printable ASCII without blanks: it stands in a header".to_owned()));
        }
        if let Some(path) = &self.ca_file
            && let Err(problem) = tls::read_certificates(path)
        {
            faults.push(("ca_file", problem));
        }
        faults
    }
}

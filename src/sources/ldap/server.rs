//! Which of the configured servers is used: the first that connects, with our own bind done.
//!
//! A full reading begins at the first URL and thereby brings logins back to it; logins stay with the server
//! that answered last, so that a dead first server costs them nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::OnceCell;

use super::settings::Settings;
use super::wire::endpoint::Endpoint;
use super::wire::error::{LinkError, explain_code};
use super::wire::link::Link;

/// The servers of one source.
pub(super) struct Servers {
    endpoints: Vec<Endpoint>,
    /// Index of the one that answered last.
    preferred: AtomicUsize,
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Servers {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { endpoints: settings.endpoints(), preferred: AtomicUsize::new(0), tls: OnceCell::new() }
    }

    /// The servers in the order of the settings.
    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The TLS configuration; read from the files once.
    pub(super) async fn tls(&self, settings: &Settings) -> Result<&Arc<ClientConfig>, LinkError> {
        let path = settings.ca_file.clone();
        let read = || async move {
            match tokio::task::spawn_blocking(move || super::wire::tls::client_config(path.as_deref())).await {
                Ok(config) => config.map_err(LinkError::Settings),
                Err(_) => Err(LinkError::Settings("TLS cannot be set up".to_owned())),
            }
        };
        self.tls.get_or_try_init(read).await
    }

    /// Notes which server answered.
    pub(super) fn prefer(&self, index: usize) {
        self.preferred.store(index, Ordering::Relaxed);
    }

    /// Connects to the first server that answers, from the first URL on.
    pub(super) async fn connect_from_first(&self, settings: &Settings) -> Result<Link, LinkError> {
        self.prefer(0);
        self.connect(settings, settings.connect_timeout).await
    }

    /// Connects for a login: from the server that answered last on, all within the login's time.
    pub(super) async fn connect_for_login(&self, settings: &Settings) -> Result<Link, LinkError> {
        let count = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX).max(1);
        self.connect(settings, settings.connect_timeout.min(settings.login_timeout / count)).await
    }

    async fn connect(&self, settings: &Settings, limit: Duration) -> Result<Link, LinkError> {
        let tls = self.tls(settings).await?;
        let start = self.preferred.load(Ordering::Relaxed);
        let mut problems: Vec<LinkError> = Vec::new();
        for (index, endpoint) in self.endpoints.iter().enumerate().cycle().skip(start).take(self.endpoints.len()) {
            match Link::open(endpoint, tls, limit).await {
                Ok(link) => {
                    self.prefer(index);
                    return Ok(link);
                }
                Err(error) => problems.push(error),
            }
        }
        let all = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        Err(match problems.pop() {
            None => LinkError::Settings("no URL can be used: check urls".to_owned()),
            Some(LinkError::Tls(_)) => LinkError::Tls(all),
            Some(LinkError::Settings(_)) => LinkError::Settings(all),
            Some(LinkError::Slow(_)) => LinkError::Slow(all),
            Some(LinkError::Lost(_)) => LinkError::Lost(all),
        })
    }
}

/// Binds as the reader that the settings name; an anonymous reader needs no bind.
pub(super) async fn bind_reader(link: &mut Link, settings: &Settings) -> Result<(), LinkError> {
    let Some(password) = settings.bind_password.as_ref().filter(|_| !settings.bind_dn.is_empty()) else {
        return match settings.bind_dn.is_empty() {
            true => Ok(()),
            false => Err(LinkError::Settings("bind_dn is set, but bind_password is not".to_owned())),
        };
    };
    let result = link.bind(&settings.bind_dn, password, settings.operation_timeout).await?;
    match result.rc {
        0 => Ok(()),
        51 | 52 => Err(LinkError::Lost(explain_code(result.rc, &result.text))),
        code => Err(LinkError::Settings(format!("bind as {}: {}", settings.bind_dn, explain_code(code, &result.text)))),
    }
}

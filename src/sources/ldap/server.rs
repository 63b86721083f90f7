//! Which of the configured servers is used: the first that works, with our own bind done.
//!
//! Full readings and logins alike prefer the order of the settings, and stay away from a server that failed a
//! short while ago: a dead first server costs a login its share of the time once in a while, not each time.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::sync::OnceCell;

use super::settings::Settings;
use super::wire::endpoint::Endpoint;
use super::wire::error::{LinkError, explain_code, explain_external};
use super::wire::health::{Board, Watch};
use super::wire::link::Link;
use crate::base::certificates::SeenCertificates;
use crate::sources::ServerHealth;

/// The servers of one source.
pub(super) struct Servers {
    endpoints: Vec<Endpoint>,
    board: Arc<Board>,
    tls: OnceCell<Arc<ClientConfig>>,
    /// Where certificates are noted.
    seen: OnceLock<SeenCertificates>,
}

impl Servers {
    pub(super) fn new(settings: &Settings) -> Self {
        let endpoints = settings.endpoints();
        Self { board: Board::new(endpoints.len()), endpoints, tls: OnceCell::new(), seen: OnceLock::new() }
    }

    /// Notes there what certificates are seen. The first call counts, and must come before the first connection.
    pub(super) fn note_in(&self, seen: &SeenCertificates) {
        self.seen.get_or_init(|| seen.clone());
    }

    /// The servers in the order of the settings.
    pub(super) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// How each server stands, in the order of the settings.
    pub(super) fn health(&self) -> Vec<ServerHealth> {
        self.board.shown(self.endpoints.iter().map(ToString::to_string))
    }

    /// The TLS configuration; read from the files once.
    pub(super) async fn tls(&self, settings: &Settings) -> Result<&Arc<ClientConfig>, LinkError> {
        let (tls, seen) = (settings.tls(), self.seen.get().cloned().unwrap_or_default());
        let read = || async move {
            match tokio::task::spawn_blocking(move || super::wire::tls::client_config(&tls, &seen)).await {
                Ok(config) => config.map_err(LinkError::Settings),
                Err(_) => Err(LinkError::Settings("TLS cannot be set up".to_owned())),
            }
        };
        self.tls.get_or_try_init(read).await
    }

    /// The first server that takes our own bind, for a reading; each gets the whole time.
    pub(super) async fn for_reading(&self, settings: &Settings) -> Result<Link, LinkError> {
        self.first(settings, settings.connect_timeout, Some(settings.operation_timeout)).await
    }

    /// The first server that takes our own bind, for the search of a login, all within the login's time.
    pub(super) async fn for_login(&self, settings: &Settings) -> Result<Link, LinkError> {
        let share = self.share(settings);
        self.first(settings, settings.connect_timeout.min(share), Some(settings.operation_timeout.min(share))).await
    }

    /// The first server that can be connected to, for the bind of a user.
    pub(super) async fn unbound(&self, settings: &Settings) -> Result<Link, LinkError> {
        self.first(settings, settings.connect_timeout.min(self.share(settings)), None).await
    }

    /// What one server may take of a login's time.
    fn share(&self, settings: &Settings) -> Duration {
        settings.login_timeout / u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX).max(1)
    }

    async fn first(
        &self,
        settings: &Settings,
        limit: Duration,
        bind_limit: Option<Duration>,
    ) -> Result<Link, LinkError> {
        let tls = self.tls(settings).await?;
        let mut problems: Vec<LinkError> = Vec::new();
        for index in self.board.order() {
            let Some(endpoint) = self.endpoints.get(index) else { continue };
            let mut watch = Watch::start(&self.board, index);
            let mut link = match Link::open(endpoint, tls, limit).await {
                Ok(link) => link,
                Err(error) => {
                    watch.failed(&error.to_string());
                    problems.push(error);
                    continue;
                }
            };
            watch.connected();
            link.watched_by(watch);
            let Some(limit) = bind_limit else { return Ok(link) };
            match bind_reader(&mut link, settings, limit).await {
                Ok(()) => return Ok(link),
                // Another server would say the same.
                Err(error @ LinkError::Settings(_)) => return Err(error),
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

/// Binds as the reader that the settings name. Without a DN the client certificate says who we are (SASL EXTERNAL,
/// RFC 4513 §5.2.3); without either, nobody needs a bind.
pub(super) async fn bind_reader(link: &mut Link, settings: &Settings, limit: Duration) -> Result<(), LinkError> {
    let (who, result) = match (settings.bind_dn.is_empty(), &settings.bind_password) {
        (false, Some(password)) => (settings.bind_dn.as_str(), link.bind(&settings.bind_dn, password, limit).await?),
        (false, None) => return Err(LinkError::Settings("bind_dn is set, but bind_password is not".to_owned())),
        (true, _) if settings.client_cert_file.is_none() => return Ok(()),
        (true, _) => ("the one that client_cert_file names", link.bind_external(limit).await?),
    };
    let why = match result.rc {
        0 => return Ok(()),
        code if settings.bind_dn.is_empty() => explain_external(code, &result.text),
        code => explain_code(code, &result.text),
    };
    Err(LinkError::Settings(format!("bind as {who}: {why}")))
}

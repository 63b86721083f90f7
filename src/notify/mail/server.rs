//! The connections to one mail server: made when they are needed, used for many mails, and never after a doubt.
//!
//! lettre's own pool takes a connection back whose use was cut off by a timeout. The late answer to the one mail is then
//! read as that to the next, which would be lost. Here a connection that did not end a mail in order is closed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;

use super::MailError;
use super::fault::{Server as Named, connecting, refusal};
use crate::base::certificates::SeenCertificates;
use crate::base::clock::Stopwatch;
use crate::notify::channel::DeliveryError;
use crate::notify::settings::{MailTls, Settings};
use crate::web::tls::{end_of, read_certificates};

/// Mails of one connection: servers count them.
const MAILS: u32 = 100;
/// A connection that lay idle for longer is closed: servers and what lies between forget it.
const IDLE: Duration = Duration::from_secs(30);

/// One mail server.
pub(super) struct Server {
    named: Named,
    tls: MailTls,
    parameters: Option<TlsParameters>,
    credentials: Option<Credentials>,
    hello: ClientId,
    connect_timeout: Duration,
    send_timeout: Duration,
    connections: usize,
    idle: Mutex<Vec<Line>>,
    /// Where it is noted until when its certificate is good.
    pub(super) seen: SeenCertificates,
}

/// A connection on which the server has taken the login.
pub(super) struct Line {
    connection: AsyncSmtpConnection,
    mails: u32,
    idle: Stopwatch,
}

impl Server {
    /// The server of the settings. Reads the root certificates.
    pub(super) fn new(settings: &Settings) -> Result<Self, MailError> {
        let login = settings.username.as_ref().zip(settings.password.as_ref());
        Ok(Self {
            named: Named { host: settings.host.clone(), port: settings.port },
            tls: settings.tls,
            parameters: if settings.tls == MailTls::None { None } else { Some(parameters(settings)?) },
            credentials: login.map(|(name, password)| Credentials::new(name.clone(), password.expose().to_owned())),
            hello: ClientId::default(),
            connect_timeout: settings.connect_timeout,
            send_timeout: settings.send_timeout,
            connections: settings.connections,
            idle: Mutex::default(),
            seen: SeenCertificates::default(),
        })
    }

    /// Sends one letter, and gives what the server said when it took it.
    pub(super) async fn send(&self, letter: &lettre::Message) -> Result<String, DeliveryError> {
        let (mut line, was_idle) = match self.idle_line().await {
            Some(line) => (line, true),
            None => (self.open().await?, false),
        };
        let mut sent = self.send_over(&mut line, letter).await;
        // A server may end a connection at any time, and says so (RFC 5321 §3.8): it took nothing then.
        if was_idle && sent.as_ref().is_err_and(|error| error.text.contains(CLOSING)) {
            line = self.open().await?;
            sent = self.send_over(&mut line, letter).await;
        }
        if sent.is_ok() {
            self.park(line);
        }
        sent
    }

    /// Sends one letter over a connection. After an error the connection is closed when it is dropped.
    pub(super) async fn send_over(&self, line: &mut Line, letter: &lettre::Message) -> Result<String, DeliveryError> {
        let bytes = letter.formatted();
        line.mails = line.mails.saturating_add(1);
        // lettre's own limit ends with the connect.
        match tokio::time::timeout(self.send_timeout, line.connection.send(letter.envelope(), &bytes)).await {
            Ok(Ok(answer)) => {
                let words: Vec<&str> = answer.message().collect();
                Ok(format!("{} {}", answer.code(), words.join(" ")))
            }
            Ok(Err(error)) => Err(refusal(&error, needs_unicode(letter))),
            Err(_) => Err(DeliveryError::passing(format!("the mail server took longer than {:?}", self.send_timeout))),
        }
    }

    /// Opens a connection and logs in.
    pub(super) async fn open(&self) -> Result<Line, DeliveryError> {
        let late = |_| {
            let Named { host, port } = &self.named;
            DeliveryError::passing(format!(
                "{host}:{port} did not take the connection within {:?}",
                self.connect_timeout
            ))
        };
        let connection = tokio::time::timeout(self.connect_timeout, self.connect()).await.map_err(late)??;
        if let Some(end) = connection.peer_certificate().ok().and_then(|certificate| end_of(&certificate)) {
            self.seen.note(&self.named.host, end);
        }
        Ok(Line { connection, mails: 0, idle: Stopwatch::start() })
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let failed = |error| connecting(&error, &self.named);
        let mut connection = match self.parameters.clone().filter(|_| self.tls == MailTls::Tls) {
            Some(wrapper) => {
                let (address, limit) = ((self.named.host.as_str(), self.named.port), Some(self.connect_timeout));
                AsyncSmtpConnection::connect_tokio1(address, limit, &self.hello, Some(wrapper), None).await
            }
            None => AsyncSmtpConnection::connect_with_transport(Box::new(self.dial().await?), &self.hello).await,
        }
        .map_err(failed)?;
        if let Some(parameters) = self.parameters.clone().filter(|_| self.tls == MailTls::StartTls) {
            if !connection.can_starttls() {
                return Err(DeliveryError::passing(
                    "the mail server offers no STARTTLS: set mail.tls to \"tls\" and mail.port to its port for that, \
                     or have the server offer it",
                ));
            }
            connection.starttls(parameters, &self.hello).await.map_err(failed)?;
        }
        if let Some(credentials) = &self.credentials {
            if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
                return Err(DeliveryError::passing(
                    "the mail server offers no login by password on this connection: take mail.username and \
                     mail.password away, or see which port and mail.tls it wants for that",
                ));
            }
            connection.auth(DEFAULT_MECHANISMS, credentials).await.map_err(failed)?;
        }
        Ok(connection)
    }

    /// A connection that sends at once what is written. lettre writes the end of a text by itself: without this, that
    /// waits some 40 ms for the server's word on what came before.
    async fn dial(&self) -> Result<TcpStream, DeliveryError> {
        let Named { host, port } = &self.named;
        let failed = |error| DeliveryError::passing(format!("{host}:{port} cannot be reached: {error}"));
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(stream)
    }

    /// A connection that is there and lives.
    async fn idle_line(&self) -> Option<Line> {
        loop {
            let mut line = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if line.idle.elapsed() > IDLE {
                continue;
            }
            let lives = tokio::time::timeout(self.connect_timeout, line.connection.test_connected());
            if lives.await.is_ok_and(|lives| lives) {
                return Some(line);
            }
        }
    }

    fn park(&self, line: Line) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if line.mails < MAILS && idle.len() < self.connections {
            idle.push(Line { idle: Stopwatch::start(), ..line });
        }
    }

    /// How a connection is protected, in words.
    pub(super) fn protection(&self, line: &Line) -> String {
        let how = match self.tls {
            MailTls::StartTls => "STARTTLS",
            MailTls::Tls => "TLS from the first byte",
            MailTls::None => "",
        };
        if line.connection.is_encrypted() {
            format!("{how}, and the certificate is one for {}", self.named.host)
        } else {
            "not protected (mail.tls is \"none\")".to_owned()
        }
    }
}

/// What the text of an error says where the server closes the connection.
const CLOSING: &str = " 421";

/// Does one of the addresses need SMTPUTF8?
fn needs_unicode(letter: &lettre::Message) -> bool {
    let envelope = letter.envelope();
    envelope.from().into_iter().chain(envelope.to()).any(|address| !address.to_string().is_ascii())
}

fn parameters(settings: &Settings) -> Result<TlsParameters, MailError> {
    let host = &settings.host;
    let failed = |why: String| MailError::Tls { host: host.clone(), why };
    let mut builder: TlsParametersBuilder = TlsParameters::builder(host.clone());
    if let Some(path) = &settings.ca_file {
        builder = builder.certificate_store(CertificateStore::None);
        for root in read_certificates(path).map_err(|why| failed(format!("mail.ca_file: {why}")))? {
            let root = Certificate::from_der(root.to_vec()).map_err(|error| failed(error.to_string()))?;
            builder = builder.add_root_certificate(root);
        }
    }
    builder.build_rustls().map_err(|error| failed(error.to_string()))
}

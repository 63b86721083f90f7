//! Mail by SMTP. lettre is used here and in the files below, and nowhere else.
//!
//! Certificates are always verified; there is no switch to turn that off. A failure on the way to the server, its
//! greeting, TLS and the login included, never counts against a message: only what the server says about the message
//! itself is final. Each attempt is the same letter with the same id, so that a repetition can be told.

mod fault;
mod letter;
mod server;

use crate::base::certificates::SeenCertificates;
use crate::base::clock::Stopwatch;
use crate::directory::message::Message;
use crate::notify::channel::{Answer, Channel, DeliveryError};
use crate::notify::settings::Settings;
use crate::notify::templates::{Product, Templates, Voice, one_line};

use letter::Sender;
use server::Server;

/// Settings with which no mail can be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// An address of the sender's.
    #[error("mail.{key} is no address that mail can come from: {why}")]
    Address {
        /// The setting.
        key: &'static str,
        /// Why.
        why: String,
    },
    /// TLS.
    #[error("TLS towards {host} cannot be set up: {why}")]
    Tls {
        /// The server.
        host: String,
        /// Why.
        why: String,
    },
    /// Templates of the operator.
    #[error("{}", .0.join("\n"))]
    Templates(Vec<String>),
}

/// The mail channel.
pub struct Mail {
    server: Server,
    sender: Sender,
    templates: Templates,
    voice: Voice,
}

/// What came of one mail that was sent at once, for whoever tries the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Did the server take it?
    pub accepted: bool,
    /// How the connection was protected, in words.
    pub tls: String,
    /// What the server said in its own words, or what went wrong.
    pub said: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// Most characters that are told of what a server said.
const SAID: usize = 300;

impl Mail {
    /// A channel to the configured server. Connects to nothing, but reads the root certificates and the templates.
    ///
    /// # Errors
    /// When no mail can be sent with these settings.
    pub fn new(settings: &Settings) -> Result<Self, MailError> {
        let voice =
            Voice { language: settings.language, product: Product::default(), zone: settings.time_zone.clone() };
        Ok(Self {
            server: Server::new(settings)?,
            sender: Sender::read(settings)?,
            templates: Templates::load(settings.templates.as_deref()).map_err(MailError::Templates)?,
            voice,
        })
    }

    /// The same, in the name of this product.
    #[must_use]
    pub fn of(self, product: Product) -> Self {
        Self { voice: Voice { product, ..self.voice }, ..self }
    }

    /// The same; it is noted there until when the server's certificate is good, from the first connection on.
    #[must_use]
    pub fn noting_certificates(mut self, seen: &SeenCertificates) -> Self {
        self.server.seen = seen.clone();
        self
    }

    /// Sends one message at once, and tells how it went. Takes at most the two timeouts of the settings.
    pub async fn test(&self, message: &Message) -> Trial {
        let watch = Stopwatch::start();
        let trial = |accepted, tls, said| Trial { accepted, tls, said, took_ms: watch.elapsed_ms() };
        let letter = match self.sender.letter(message, &self.templates, &self.voice) {
            Ok(letter) => letter,
            Err(error) => return trial(false, "not tried".to_owned(), error.text),
        };
        let mut line = match self.server.open().await {
            Ok(line) => line,
            Err(error) => return trial(false, "no protected connection came about".to_owned(), error.text),
        };
        let tls = self.server.protection(&line);
        match self.server.send_over(&mut line, &letter).await {
            Ok(said) => trial(true, tls, one_line(&said).chars().take(SAID).collect()),
            Err(error) => trial(false, tls, error.text),
        }
    }
}

impl Channel for Mail {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            let letter = self.sender.letter(message, &self.templates, &self.voice)?;
            self.server.send(&letter).await.map(drop)
        })
    }
}

#[cfg(test)]
mod tests;

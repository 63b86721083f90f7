//! Mail by SMTP: the only file that knows lettre.
//!
//! Certificates are always verified against the system's roots; there is no switch to turn that off. A failure
//! on the way to the server, its greeting, TLS and the login included, never counts against a message: only what
//! the server says about the message itself is final.

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::AsyncSmtpTransportBuilder;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::directory::message::Message;
use crate::notify::channel::{Answer, Channel, DeliveryError};
use crate::notify::settings::{MailTls, Settings};
use crate::notify::templates::{Product, one_line, words};

/// One delivery, from the connection to the server's last word.
const LIMIT: Duration = Duration::from_secs(30);
/// To connect alone.
const CONNECT: Duration = Duration::from_secs(10);
/// Connections that are kept; the outbox sends one message at a time.
const CONNECTIONS: u32 = 2;
/// The server wants a login, or did not like it: nothing about the message (RFC 4954 §6).
const ABOUT_THE_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// Settings with which no mail can be sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The sender's address.
    #[error("mail.from is no address that mail can come from: {0}")]
    From(String),
    /// TLS.
    #[error("TLS towards {host} cannot be set up")]
    Tls {
        /// The server.
        host: String,
        /// Why.
        #[source]
        source: lettre::transport::smtp::Error,
    },
}

/// The mail channel.
pub struct Mail {
    from: Mailbox,
    builder: AsyncSmtpTransportBuilder,
    /// Made at the first delivery, since its pool needs the runtime.
    transport: OnceLock<AsyncSmtpTransport<Tokio1Executor>>,
    limit: Duration,
    product: Product,
}

impl Mail {
    /// A channel to the configured server. Connects to nothing, but reads the system's root certificates.
    ///
    /// # Errors
    /// When no mail can be sent with these settings.
    pub fn new(settings: &Settings) -> Result<Self, MailError> {
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.host)
            .port(settings.port)
            .tls(tls(settings)?)
            .timeout(Some(CONNECT))
            .hello_name(ClientId::default())
            .pool_config(PoolConfig::new().max_size(CONNECTIONS));
        if let (Some(name), Some(password)) = (&settings.username, &settings.password) {
            builder = builder.credentials(Credentials::new(name.clone(), password.expose().to_owned()));
        }
        Ok(Self {
            from: sender(&settings.from)?,
            builder,
            transport: OnceLock::new(),
            limit: LIMIT,
            product: Product::default(),
        })
    }

    /// The same with another time for one delivery.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The same, for codes of this product.
    #[must_use]
    pub fn of(self, product: Product) -> Self {
        Self { product, ..self }
    }

    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let letter = self.letter(message)?;
        let transport = self.transport.get_or_init(|| self.builder.clone().build());
        let Err(error) = transport.send(letter).await else { return Ok(()) };
        let mut refused = refusal(&error, message);
        // A server may also refuse by its greeting, at TLS or at the login. Then a connection without a message does
        // not come about either, and nothing was said about this one.
        if !refused.retry && error.is_permanent() && !matches!(transport.test_connection().await, Ok(true)) {
            refused.retry = true;
        }
        Err(refused)
    }

    /// The message as it travels. Its id stays the same over all attempts, so that a repetition can be told.
    fn letter(&self, message: &Message) -> Result<lettre::Message, DeliveryError> {
        let unusable = |_| DeliveryError::lasting("the stored address is none that mail can go to");
        let to = message.to.parse::<Address>().map_err(unusable)?;
        let words = words(message, &self.product);
        let id = (message.created_at.as_millisecond(), message.concerns(), message.body.kind());
        lettre::Message::builder()
            .date(SystemTime::from(message.created_at))
            .message_id(Some(format!("<{}.{}.{}@{}>", id.0, id.1, id.2, self.from.email.domain())))
            .from(self.from.clone())
            .to(Mailbox::new(Some(one_line(&message.name)), to))
            .subject(words.subject)
            .header(AutoSubmitted)
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(words.text))
            .map_err(|_| DeliveryError::lasting("no mail can be made of the message"))
    }
}

impl Channel for Mail {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            // lettre's own limit ends with the connect.
            let sent = tokio::time::timeout(self.limit, self.send(message)).await;
            let late = || DeliveryError::passing(format!("the mail server took longer than {:?}", self.limit));
            sent.unwrap_or_else(|_| Err(late()))
        })
    }
}

fn tls(settings: &Settings) -> Result<Tls, MailError> {
    let host = &settings.host;
    let parameters =
        || TlsParameters::new_rustls(host.clone()).map_err(|source| MailError::Tls { host: host.clone(), source });
    Ok(match settings.tls {
        MailTls::StartTls => Tls::Required(parameters()?),
        MailTls::Tls => Tls::Wrapper(parameters()?),
        MailTls::None => Tls::None,
    })
}

/// Reads `directory@example.org` or `Directory <directory@example.org>`.
fn sender(text: &str) -> Result<Mailbox, MailError> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    };
    let address =
        address.trim().parse().map_err(|error: lettre::address::AddressError| MailError::From(error.to_string()))?;
    let name = one_line(name);
    Ok(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
}

/// What the server's or lettre's refusal of one message means.
fn refusal(error: &lettre::transport::smtp::Error, message: &Message) -> DeliveryError {
    let code = error.status().map(u16::from);
    // lettre's own refusal: the server knows no address outside ASCII (RFC 6531 §3.2).
    let needs_unicode = error.is_client() && !message.to.is_ascii();
    let lasting = error.is_permanent() && !code.is_some_and(|code| ABOUT_THE_LOGIN.contains(&code));
    DeliveryError { retry: !lasting && !needs_unicode, text: describe(error), wait: None }
}

/// A failure in words. What the server wrote is left out: it may repeat the address.
fn describe(error: &lettre::transport::smtp::Error) -> String {
    if let Some(code) = error.status() {
        let said = error.source().map(ToString::to_string).unwrap_or_default();
        let detail = said.split_whitespace().next().filter(|word| is_enhanced(word));
        return format!("the mail server answered {code}{}", detail.map(|word| format!(" {word}")).unwrap_or_default());
    }
    if error.is_response() {
        return "the mail server answered something that is no SMTP".to_owned();
    }
    error.to_string()
}

/// Is it a status code such as 5.1.1 (RFC 3463 §2)?
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<_> = word.split('.').collect();
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number)
}

/// `Auto-Submitted: auto-generated` (RFC 3834 §5): no holiday notes come back.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::id::UserId;
    use crate::base::rng::Rng;
    use crate::directory::message::Body;

    fn mail(from: &str) -> Result<Mail, MailError> {
        let (host, tls) = ("localhost".to_owned(), MailTls::None);
        Mail::new(&Settings { host, port: 25, tls, username: None, password: None, from: from.to_owned() })
    }

    fn letter(name: &str, to: &str) -> Result<String, DeliveryError> {
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let message = Message {
            created_at: at,
            expires_at: at,
            user: Some(UserId::from_bytes(*UserId::new(at, &Rng::seeded(1)).as_bytes())),
            to: to.to_owned(),
            name: name.to_owned(),
            body: Body::SetPassword { url: "https://id.example.org/a".to_owned() },
            attempts: 0,
            due_at: at,
        };
        let letter = mail("Directory <directory@example.org>").unwrap().letter(&message)?;
        Ok(String::from_utf8(letter.formatted()).unwrap())
    }

    fn headers(letter: &str) -> Vec<&str> {
        let (head, _) = letter.split_once("\r\n\r\n").unwrap();
        head.split("\r\n").filter(|line| !line.starts_with(' ')).map(|line| line.split(':').next().unwrap()).collect()
    }

    const HEADERS: [&str; 9] = [
        "Date",
        "Message-ID",
        "From",
        "To",
        "Subject",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];

    #[test]
    fn a_letter_is_the_same_at_every_attempt() {
        let first = letter("Ada", "ada@example.org").unwrap();
        assert_eq!(first, letter("Ada", "ada@example.org").unwrap());
        for line in [
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "From: Directory <directory@example.org>\r\n",
            "To: Ada <ada@example.org>\r\n",
            "Subject: Set your password\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "\r\n\r\nHello Ada,\r\n",
        ] {
            assert!(first.contains(line), "{line:?} is missing in {first}");
        }
    }

    #[test]
    fn nobody_can_add_a_header() {
        for name in [
            "Ada\r\nBcc: eve@example.org",
            "Ada\n\nHello",
            "\"Ada\" <eve@example.org>",
            "Ada, eve@example.org,",
            "Zoë 王",
        ] {
            let letter = letter(name, "ada@example.org").unwrap();
            assert_eq!(headers(&letter), HEADERS, "{letter}");
            let to: Vec<_> = letter.lines().skip_while(|line| !line.starts_with("To:")).collect();
            let to = to.iter().take_while(|line| line.starts_with("To:") || line.starts_with(' ')).copied();
            assert!(to.collect::<String>().ends_with(" <ada@example.org>"), "{letter}");
        }
        for to in [
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org, eve@example.org",
            "ada",
            "",
            "<ada@example.org>",
        ] {
            assert!(!letter("Ada", to).unwrap_err().retry, "{to:?}");
        }
    }

    #[test]
    fn the_sender_is_an_address_with_or_without_a_name() {
        for good in ["directory@example.org", "Directory <directory@example.org>", "\"A, B\" <a@example.org>"] {
            assert!(mail(good).is_ok(), "{good}");
        }
        for bad in ["", "Directory", "a@example.org, b@example.org", "Directory <a@example.org> x"] {
            assert!(mail(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_status_code_is_taken_from_what_a_server_writes() {
        assert!(is_enhanced("5.1.1") && is_enhanced("4.7.10"));
        for other in ["ada@example.org", "5.1", "5.1.1.1", "5.1.x", "", "5..1"] {
            assert!(!is_enhanced(other), "{other}");
        }
    }
}

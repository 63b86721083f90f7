//! One message as it travels: its headers, and its words as text and as page.

use std::error::Error;
use std::time::SystemTime;

use data_encoding::HEXLOWER;
use lettre::address::AddressError;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message as Letter};
use url::Host;

use super::MailError;
use crate::base::secret::sha256;
use crate::directory::language::Language;
use crate::directory::message::Message;
use crate::notify::channel::DeliveryError;
use crate::notify::settings::Settings;
use crate::notify::templates::{Templates, Voice, one_line};

/// Who mail comes from.
pub(super) struct Sender {
    from: Mailbox,
    reply_to: Option<Mailbox>,
}

impl Sender {
    /// The sender of the settings.
    pub(super) fn read(settings: &Settings) -> Result<Self, MailError> {
        let reply_to = settings.reply_to.as_deref().map(|text| mailbox("reply_to", text)).transpose()?;
        Ok(Self { from: mailbox("from", &settings.from)?, reply_to })
    }

    /// The letter of a message: the same at each attempt.
    pub(super) fn letter(
        &self,
        message: &Message,
        templates: &Templates,
        voice: &Voice,
    ) -> Result<Letter, DeliveryError> {
        let unusable = |_| DeliveryError::lasting("the stored address is none that mail can go to");
        let to = address(&message.to).map_err(unusable)?;
        let words = templates.words(message, voice);
        let words =
            words.map_err(|why| DeliveryError::lasting(format!("no mail can be made of the message: {why}")))?;
        let id = format!("{}@{}", identity(message), self.from.email.domain());
        let mut letter = Letter::builder()
            .date(SystemTime::from(message.created_at))
            .message_id(Some(format!("<{id}>")))
            .from(self.from.clone())
            .to(Mailbox::new(Some(one_line(&message.name)).filter(|name| !name.is_empty()), to))
            .subject(words.subject)
            .header(AutoSubmitted)
            .header(ContentLanguage(words.language));
        if let Some(reply_to) = &self.reply_to {
            letter = letter.reply_to(reply_to.clone());
        }
        let part = |kind, text: String| SinglePart::builder().header(kind).body(text);
        // Nobody can write the line that parts the two: they had to know its digest before the message was made.
        let parts = MultiPart::alternative()
            .boundary(HEXLOWER.encode(sha256(id.as_bytes()).first_chunk::<16>().unwrap_or(&[0; 16])))
            .singlepart(part(ContentType::TEXT_PLAIN, words.text))
            .singlepart(part(ContentType::TEXT_HTML, words.html));
        letter.multipart(parts).map_err(|_| DeliveryError::lasting("no mail can be made of the message"))
    }
}

/// What tells a message from every other, and says nothing of a code or a link. Two of one kind that are made for one
/// reader in one moment differ in what they say.
fn identity(message: &Message) -> String {
    let said =
        if message.body.is_urgent() { Vec::new() } else { serde_json::to_vec(&message.body).unwrap_or_default() };
    let digest = sha256(&[message.to.as_bytes(), &[0], &said].concat());
    let digest = HEXLOWER.encode(digest.first_chunk::<8>().unwrap_or(&[0; 8]));
    let (made, kind) = (message.created_at.as_millisecond(), message.body.kind());
    match message.user {
        Some(user) => format!("{made}.{user}.{kind}.{digest}"),
        None => format!("{made}.{kind}.{digest}"),
    }
}

/// Reads `directory@example.org` or `Directory <directory@example.org>`.
fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, MailError> {
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    };
    let address = self::address(address.trim()).map_err(|error| MailError::Address { key, why: error.to_string() })?;
    let name = one_line(name);
    Ok(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
}

/// Reads an address. A domain outside ASCII is written as DNS knows it (RFC 5891), which every server takes; where what
/// stands before it needs SMTPUTF8 (RFC 6531) anyhow, it stays as it is.
fn address(text: &str) -> Result<Address, AddressError> {
    let address = text.parse::<Address>()?;
    if address.user().is_ascii()
        && !address.domain().is_ascii()
        && let Ok(Host::Domain(domain)) = Host::parse(address.domain())
    {
        return Address::new(address.user(), domain);
    }
    Ok(address)
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

/// `Content-Language` (RFC 3282).
#[derive(Clone)]
struct ContentLanguage(Language);

impl Header for ContentLanguage {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Language")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Language::of(text).map(Self).ok_or_else(|| "another language".into())
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), self.0.tag().to_owned())
    }
}

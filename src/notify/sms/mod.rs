//! Codes to phones: the seam to the companies that send texts, and the way through several of them.
//!
//! A text is handed to the first provider; the next one is asked only where it is certain that the one before did not
//! send. What may have been sent is never sent again. Neither a code nor a whole number stands in an error or the log.

mod alibaba;
mod call;
mod http;
pub mod settings;
pub(super) mod sign;
mod smpp;
mod template;
mod tencent;
mod twilio;

use std::time::Duration;

use data_encoding::HEXLOWER;

use crate::base::certificates::SeenCertificates;
use crate::base::clock::{Clock, Stopwatch};
use crate::base::rng::Rng;
use crate::base::secret::{Secret, sha256};
use crate::base::text;
use crate::directory::message::{Body, Message, OneTimeCode};
use crate::directory::quota::SmsPolicy;
use crate::notify::channel::{Answer, Channel, DeliveryError};
use crate::notify::templates::{Product, text_message};

use self::settings::{Kind, Provider, Settings};

/// What is sent, whichever way a provider wants it. It cannot be printed.
pub struct Text {
    /// The number, in E.164.
    pub to: String,
    /// The whole text.
    pub text: Secret,
    /// The code in it, for providers that keep the text themselves.
    pub code: OneTimeCode,
    /// How long the code is good for.
    pub minutes: u32,
    /// The same for each attempt to send this text, and for no other text.
    pub key: String,
}

/// What a provider calls the text that it took.
pub type ProviderId = String;

/// Has a text left that was not accepted?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Certainly not.
    No,
    /// It may have.
    Maybe,
}

/// Why a provider has not accepted a text. The words hold neither the code nor the number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// Can a later attempt succeed?
    pub retryable: bool,
    /// Has it left?
    pub sent: Sent,
    /// What happened, for the log.
    pub text: String,
    /// How long the provider asks to wait.
    pub wait: Option<Duration>,
}

impl SendError {
    /// It was refused: that will not change.
    #[must_use]
    pub fn refused(text: impl Into<String>) -> Self {
        Self { retryable: false, sent: Sent::No, text: text.into(), wait: None }
    }

    /// It was not taken now; later it may be.
    #[must_use]
    pub fn busy(text: impl Into<String>, wait: Option<Duration>) -> Self {
        Self { retryable: true, sent: Sent::No, text: text.into(), wait }
    }

    /// Nobody knows whether it was sent: it must not be sent again.
    #[must_use]
    pub fn unsure(text: impl Into<String>) -> Self {
        Self { retryable: false, sent: Sent::Maybe, text: text.into(), wait: None }
    }
}

/// A company that sends texts.
pub trait SmsProvider: Send + Sync {
    /// Its name in the settings.
    fn name(&self) -> &str;

    /// Its kind in the settings.
    fn kind(&self) -> &'static str;

    /// Notes there what certificates its servers show, from the first connection on.
    fn note_certificates(&self, _: &SeenCertificates) {}

    /// Hands a text over; `Ok` once the provider has taken the responsibility for it.
    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>>;
}

/// What one provider did with a text for a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The provider's name.
    pub provider: String,
    /// Its kind.
    pub kind: &'static str,
    /// What it calls the text, or what went wrong; `None`: it was not asked.
    pub outcome: Option<Result<ProviderId, SendError>>,
    /// How long that took.
    pub took: Duration,
}

/// The way to phones.
pub struct Sms {
    providers: Vec<Box<dyn SmsProvider>>,
    policy: SmsPolicy,
    product: Product,
    clock: Clock,
}

impl Sms {
    /// By the configured providers, in their order. Connects to nothing yet.
    ///
    /// # Errors
    /// What is wrong with the settings of a provider: its name, the key, and the words.
    pub fn new(settings: &Settings, product: Product, clock: &Clock, rng: &Rng) -> Result<Self, String> {
        let made = settings.providers.iter().map(|one| provider(one, clock, rng)).collect::<Result<_, _>>()?;
        Ok(Self::with(made, settings.policy.clone(), product, clock.clone()))
    }

    /// By these providers.
    #[must_use]
    pub fn with(providers: Vec<Box<dyn SmsProvider>>, policy: SmsPolicy, product: Product, clock: Clock) -> Self {
        Self { providers, policy, product, clock }
    }

    /// Notes there what certificates the providers' servers show, from the first connection on.
    pub fn note_certificates(&self, seen: &SeenCertificates) {
        self.providers.iter().for_each(|provider| provider.note_certificates(seen));
    }

    /// Where texts may go, and how many.
    #[must_use]
    pub fn policy(&self) -> &SmsPolicy {
        &self.policy
    }

    /// The names of the providers, in the order in which they are asked.
    #[must_use]
    pub fn providers(&self) -> Vec<String> {
        self.providers.iter().map(|one| one.name().to_owned()).collect()
    }

    /// Sends one text to see that it works, by the one provider that is named or by all in their order until one takes
    /// it, and tells what each of them said. The code in it opens nothing.
    pub async fn test(&self, to: &str, only: Option<&str>) -> Vec<Attempt> {
        let code = OneTimeCode::new("000000");
        let text = Secret::new(format!("This is a test message of {}. You need not do anything.", self.product.name));
        let key = HEXLOWER.encode(&sha256(format!("test {to} {}", self.clock.now()).as_bytes()));
        let text = Text { to: to.to_owned(), text, code, minutes: 5, key };
        let mut attempts = Vec::new();
        let mut over = false;
        for provider in self.providers.iter().filter(|one| only.is_none_or(|name| one.name() == name)) {
            let watch = Stopwatch::start();
            let outcome = if over { None } else { Some(provider.send(&text).await) };
            over |= !matches!(&outcome, Some(Err(SendError { sent: Sent::No, .. })));
            let (name, kind) = (provider.name().to_owned(), provider.kind());
            attempts.push(Attempt { provider: name, kind, outcome, took: watch.elapsed() });
        }
        attempts
    }

    async fn send(&self, message: &Message) -> Result<(), DeliveryError> {
        let text = self.text(message)?;
        let mut failed: Option<DeliveryError> = None;
        for provider in &self.providers {
            if message.expires_at <= self.clock.now() {
                return Err(DeliveryError::lasting("the code's end came before a provider took it"));
            }
            match provider.send(&text).await {
                Ok(id) => {
                    let (name, to) = (provider.name(), text::masked(&message.to));
                    tracing::info!(sms.provider = name, sms.id = id, sms.to = to, "a text was accepted");
                    return Ok(());
                }
                Err(error) if error.sent == Sent::Maybe => {
                    let why = "it may have been sent, so it is not sent again";
                    return Err(DeliveryError::lasting(format!("{}: {error}: {why}", provider.name())));
                }
                Err(error) => failed = Some(worse(failed, provider.name(), error)),
            }
        }
        Err(failed.unwrap_or_else(|| DeliveryError::lasting("no provider is configured")))
    }

    fn text(&self, message: &Message) -> Result<Text, DeliveryError> {
        let Body::Code { code, minutes, .. } = &message.body else {
            return Err(DeliveryError::lasting("only codes go to phones"));
        };
        if !self.policy.admits(&message.to) {
            return Err(DeliveryError::lasting("no text may go to numbers that begin so (sms.calling_codes)"));
        }
        // The code is not in it: of six digits, a digest hides nothing.
        let key = format!("{} {} {}", message.concerns(), message.created_at, message.to);
        Ok(Text {
            to: message.to.clone(),
            text: text_message(code, *minutes, &self.product),
            code: code.clone(),
            minutes: *minutes,
            key: HEXLOWER.encode(&sha256(key.as_bytes())),
        })
    }
}

/// What several providers said, in one error: where one of them may take it later, it is tried again then.
fn worse(before: Option<DeliveryError>, name: &str, error: SendError) -> DeliveryError {
    let text = format!("{name}: {error}");
    let Some(before) = before else {
        return DeliveryError { retry: error.retryable, wait: error.wait, ..DeliveryError::passing(text) };
    };
    let wait = match (before.wait, error.wait) {
        (Some(before), Some(wait)) => Some(before.min(wait)),
        (before, wait) => before.or(wait),
    };
    let retry = before.retry || error.retryable;
    DeliveryError { retry, wait, ..DeliveryError::passing(format!("{}; {text}", before.text)) }
}

impl Channel for Sms {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        Box::pin(self.send(message))
    }
}

fn provider(settings: &Provider, clock: &Clock, rng: &Rng) -> Result<Box<dyn SmsProvider>, String> {
    let named = |(key, problem): settings::Fault| format!("sms.{}.{key} {problem}", settings.name);
    if let Some(fault) = settings.faults().into_iter().next() {
        return Err(named(fault));
    }
    let stamps = sign::Stamps::new(clock, rng);
    Ok(match &settings.kind {
        Kind::Http(http) => Box::new(http::Http::new(settings, http, stamps).map_err(named)?),
        Kind::Twilio(twilio) => Box::new(twilio::Twilio::new(settings, twilio).map_err(named)?),
        Kind::Alibaba(alibaba) => Box::new(alibaba::Alibaba::new(settings, alibaba, stamps).map_err(named)?),
        Kind::Tencent(tencent) => Box::new(tencent::Tencent::new(settings, tencent, stamps).map_err(named)?),
        Kind::Smpp(smpp) => Box::new(smpp::Smpp::new(settings, smpp, rng).map_err(named)?),
    })
}

#[cfg(test)]
mod tests;

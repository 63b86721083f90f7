//! Joins the way to phones with the API that tries it, and says what codes are for.

use std::sync::Arc;

use crate::directory::quota::SmsPolicy;
use crate::http::state::{Texts, Trial, TriedProvider};
use crate::notify::sms::settings::Settings;
use crate::notify::sms::{Attempt, SendError, Sent, Sms};
use crate::notify::templates::Product;
use crate::store::Store;

/// What codes are for: the issuer's name, and the host of the public address.
pub(super) fn product(issuer: &str, public_url: &str) -> Product {
    let url = url::Url::parse(public_url).ok();
    Product::new(issuer, url.as_ref().and_then(url::Url::host_str))
}

/// The way to phones; `None` where no provider is configured.
///
/// # Errors
/// What is wrong with the settings of a provider.
pub(super) fn sms(settings: &Settings, product: &Product, store: &Store) -> Result<Option<Arc<Sms>>, String> {
    if settings.providers.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Sms::new(settings, product.clone(), store.clock(), store.rng())?)))
}

/// The way to phones as the API sees it.
pub(super) fn tried(sms: Arc<Sms>) -> Arc<dyn Texts> {
    Arc::new(Tried(sms))
}

struct Tried(Arc<Sms>);

impl Texts for Tried {
    fn policy(&self) -> &SmsPolicy {
        self.0.policy()
    }

    fn providers(&self) -> Vec<String> {
        self.0.providers()
    }

    fn test(&self, to: String, only: Option<String>) -> Trial<'_> {
        Box::pin(async move { self.0.test(&to, only.as_deref()).await.into_iter().map(told).collect() })
    }
}

fn told(attempt: Attempt) -> TriedProvider {
    let (outcome, detail) = match attempt.outcome {
        None => ("not_asked", String::new()),
        Some(Ok(id)) => ("accepted", id),
        Some(Err(SendError { sent: Sent::Maybe, text, .. })) => ("unsure", text),
        Some(Err(SendError { retryable: true, text, .. })) => ("busy", text),
        Some(Err(SendError { text, .. })) => ("refused", text),
    };
    let took_ms = u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX);
    TriedProvider { provider: attempt.provider, kind: attempt.kind, outcome, detail, took_ms }
}

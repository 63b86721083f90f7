//! Joins the outbox with its ways out, and the way of mail with the API that tries it.

use std::sync::Arc;
use std::time::Duration;

use crate::auth::factors::face::Face;
use crate::base::certificates::SeenCertificates;
use crate::directory::message::{Message, Via};
use crate::http::state::{Mails, TrialOfMail, TriedMail};
use crate::notify::channel::Channel;
use crate::notify::dispatch::Outbox;
use crate::notify::mail::{Mail, Trial};
use crate::notify::settings::Settings;
use crate::notify::sms::Sms;
use crate::notify::templates::Product;
use crate::store::Store;

use super::faces::Forgetting;

/// Texts that are under way at once.
const TEXTS: usize = 4;
/// How long somebody who tries mail waits; less than a request may take.
const TRIAL: Duration = Duration::from_secs(20);
/// Requests to the provider of faces that are under way at once.
const FACES: usize = 2;

/// The way by mail; `None` where none is configured.
///
/// # Errors
/// What is wrong with the settings.
pub(super) fn mail(
    settings: Option<&Settings>,
    product: &Product,
    seen: &SeenCertificates,
) -> Result<Option<Arc<Mail>>, String> {
    let mail = settings.map(Mail::new).transpose().map_err(|error| format!("mail: {error}"))?;
    Ok(mail.map(|mail| Arc::new(mail.of(product.clone()).noting_certificates(seen))))
}

/// The outbox with its ways out; without settings for one, messages wait until they are of no use. The provider of faces
/// is told to forget people even where faces are asked for no more.
pub(super) fn outbox(
    store: &Arc<Store>,
    (mail, at_once): (Option<Arc<Mail>>, usize),
    sms: Option<Arc<Sms>>,
    face: Option<Arc<Face>>,
) -> Arc<Outbox> {
    let mail = mail.map(|mail| -> Arc<dyn Channel> { mail });
    let sms = sms.map(|sms| -> Arc<dyn Channel> { sms });
    let face = face.map(|face| -> Arc<dyn Channel> { Arc::new(Forgetting(face)) });
    let outbox = Outbox::new(store.clone()).with(Via::Mail, mail, at_once);
    Arc::new(outbox.with(Via::Sms, sms, TEXTS).with(Via::Face, face, FACES))
}

/// The way by mail as the API sees it.
pub(super) fn tried(mail: Arc<Mail>) -> Arc<dyn Mails> {
    Arc::new(Tried(mail))
}

struct Tried(Arc<Mail>);

impl Mails for Tried {
    fn test(&self, message: Message) -> TrialOfMail<'_> {
        Box::pin(async move {
            match tokio::time::timeout(TRIAL, self.0.test(&message)).await {
                Ok(Trial { accepted, tls, said, took_ms }) => TriedMail { accepted, tls, said, took_ms },
                Err(_) => TriedMail {
                    accepted: false,
                    tls: "unknown".to_owned(),
                    said: format!("the mail server did not answer within {TRIAL:?}"),
                    took_ms: u64::try_from(TRIAL.as_millis()).unwrap_or(u64::MAX),
                },
            }
        })
    }
}

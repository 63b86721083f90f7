//! Twilio: one message resource for each text (`POST /2010-04-01/Accounts/{sid}/Messages.json`).
//!
//! A 429 was never processed and may be tried again; an error of theirs (5xx) may have sent the text.

use super::call::{Caller, id, json, refused, word};
use super::http::basic;
use super::settings::{Fault, Provider, Twilio as Settings};
use super::{ProviderId, SendError, SmsProvider, Text};
use crate::base::certificates::SeenCertificates;
use crate::notify::channel::Answer;
use crate::web::Method;
use crate::web::client::Ask;
use crate::web::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};

pub(super) struct Twilio {
    name: String,
    settings: Settings,
    caller: Caller,
}

impl Twilio {
    pub(super) fn new(settings: &Provider, twilio: &Settings) -> Result<Self, Fault> {
        let caller = Caller::new(&twilio.url, settings)?;
        Ok(Self { name: settings.name.clone(), settings: twilio.clone(), caller })
    }

    fn form(&self, text: &Text) -> String {
        let from = self.settings.from.iter().map(|from| ("From", from.as_str()));
        let service = self.settings.messaging_service.iter().map(|service| ("MessagingServiceSid", service.as_str()));
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("To", &text.to).extend_pairs(from).extend_pairs(service);
        form.append_pair("Body", text.text.expose()).finish()
    }

    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        let Settings { account_sid, api_key, auth_token, .. } = &self.settings;
        let target = format!("{}/2010-04-01/Accounts/{account_sid}/Messages.json", self.caller.place.path);
        let headers = vec![
            (CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned()),
            (ACCEPT, "application/json".to_owned()),
            (AUTHORIZATION, basic(api_key.as_ref().unwrap_or(account_sid), auth_token.expose())),
        ];
        let ask = Ask { method: Method::POST, target: &target, headers, body: self.form(text) };
        let answer = self.caller.call(&ask).await?;
        let said = json(&answer).unwrap_or_default();
        match answer.status {
            201 => Ok(id(said.get("sid"))),
            200..=299 => Err(SendError::unsure(format!("the provider answers {}, no success", answer.status))),
            _ => Err(refused(&answer, &word(said.get("code")))),
        }
    }
}

impl SmsProvider for Twilio {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "twilio"
    }

    fn note_certificates(&self, seen: &SeenCertificates) {
        self.caller.tls.note_in(seen);
    }

    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>> {
        Box::pin(self.send(text))
    }
}

//! Alibaba Cloud Short Message Service: `SendSms` of 2017-05-25, signed by ACS3-HMAC-SHA256 (signature V3).
//!
//! The text is a template there; the code goes along as its parameter. Success is `Code` `OK` in the answer.

use data_encoding::HEXLOWER;
use serde_json::{Map, Value};

use super::call::{Caller, id, json, refused, word};
use super::settings::{Alibaba as Settings, Fault, Provider};
use super::sign::{Stamp, Stamps, hmac_sha256, sha256_hex};
use super::{ProviderId, SendError, SmsProvider, Text};
use crate::base::certificates::SeenCertificates;
use crate::notify::channel::Answer;
use crate::web::Method;
use crate::web::client::Ask;
use crate::web::header::{ACCEPT, AUTHORIZATION, HeaderName};
use crate::web::place::encode;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

pub(super) struct Alibaba {
    name: String,
    settings: Settings,
    caller: Caller,
    stamps: Stamps,
}

impl Alibaba {
    pub(super) fn new(settings: &Provider, alibaba: &Settings, stamps: Stamps) -> Result<Self, Fault> {
        let caller = Caller::new(&alibaba.url, settings)?;
        Ok(Self { name: settings.name.clone(), settings: alibaba.clone(), caller, stamps })
    }

    /// The parameters in the order of their names, percent-encoded (RFC 3986 §2.3).
    fn query(&self, text: &Text) -> String {
        let mut values = Map::new();
        values.insert(self.settings.code_parameter.clone(), text.code.expose().into());
        if !self.settings.minutes_parameter.is_empty() {
            values.insert(self.settings.minutes_parameter.clone(), text.minutes.to_string().into());
        }
        let pairs = [
            ("PhoneNumbers", text.to.trim_start_matches('+').to_owned()),
            ("SignName", self.settings.sign_name.clone()),
            ("TemplateCode", self.settings.template_code.clone()),
            ("TemplateParam", Value::from(values).to_string()),
        ];
        pairs.map(|(name, value)| format!("{name}={}", encode(&value))).join("&")
    }

    /// The headers that are signed, and the signature.
    fn headers(&self, query: &str, stamp: &Stamp) -> Vec<(HeaderName, String)> {
        let payload = sha256_hex(b"");
        let date = stamp.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        // In the order of their names.
        let signed = [
            ("host", self.caller.place.authority()),
            ("x-acs-action", "SendSms".to_owned()),
            ("x-acs-content-sha256", payload.clone()),
            ("x-acs-date", date),
            ("x-acs-signature-nonce", stamp.nonce.clone()),
            ("x-acs-version", "2017-05-25".to_owned()),
        ];
        let names = signed.each_ref().map(|(name, _)| *name).join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let path = self.caller.target("");
        let canonical = format!("POST\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let to_sign = format!("{ALGORITHM}\n{}", sha256_hex(canonical.as_bytes()));
        let key = self.settings.access_key_secret.expose().as_bytes();
        let signature = HEXLOWER.encode(&hmac_sha256(key, to_sign.as_bytes()));
        let credential = &self.settings.access_key_id;
        let authorization = format!("{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}");
        let own = signed.into_iter().filter(|(name, _)| *name != "host");
        let own = own.map(|(name, value)| (HeaderName::from_static(name), value));
        own.chain([(AUTHORIZATION, authorization), (ACCEPT, "application/json".to_owned())]).collect()
    }

    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        let query = self.query(text);
        let headers = self.headers(&query, &self.stamps.next());
        let target = self.caller.target(&query);
        let ask = Ask { method: Method::POST, target: &target, headers, body: String::new() };
        let answer = self.caller.call(&ask).await?;
        let said = json(&answer).unwrap_or_default();
        let code = word(said.get("Code"));
        match (answer.status, code.as_str()) {
            (200, "OK") => Ok(id(said.get("BizId"))),
            (_, code) if code.starts_with("Throttling") => {
                Err(SendError::busy(format!("the provider answers {code}"), None))
            }
            (200, "") => Err(SendError::unsure("the provider answers 200, and no code")),
            // Their own faults may come after the text has left.
            (200, code) if code.starts_with("isp.") => Err(SendError::unsure(format!("the provider answers {code}"))),
            (200, code) => Err(SendError::refused(format!("the provider answers {code}"))),
            (_, code) => Err(refused(&answer, code)),
        }
    }
}

impl SmsProvider for Alibaba {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "alibaba"
    }

    fn note_certificates(&self, seen: &SeenCertificates) {
        self.caller.tls.note_in(seen);
    }

    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>> {
        Box::pin(self.send(text))
    }
}

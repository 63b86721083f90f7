//! Tencent Cloud Short Message Service: `SendSms` of 2021-01-11, signed by TC3-HMAC-SHA256.
//!
//! The text is a template there. A failure, too, comes with 200: success is `Ok` for the number in `SendStatusSet`.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::call::{self, Caller, id, refused, word};
use super::settings::{Fault, Parameter, Provider, Tencent as Settings};
use super::sign::{Stamp, Stamps, hmac_sha256, sha256_hex};
use super::{ProviderId, SendError, SmsProvider, Text};
use crate::base::certificates::SeenCertificates;
use crate::notify::channel::Answer;
use crate::web::Method;
use crate::web::client::Ask;
use crate::web::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const JSON: &str = "application/json";
const SIGNED: &str = "content-type;host";

pub(super) struct Tencent {
    name: String,
    settings: Settings,
    caller: Caller,
    stamps: Stamps,
}

impl Tencent {
    pub(super) fn new(settings: &Provider, tencent: &Settings, stamps: Stamps) -> Result<Self, Fault> {
        let caller = Caller::new(&tencent.url, settings)?;
        Ok(Self { name: settings.name.clone(), settings: tencent.clone(), caller, stamps })
    }

    fn body(&self, text: &Text) -> String {
        let value = |parameter: &Parameter| match parameter {
            Parameter::Code => text.code.expose().to_owned(),
            Parameter::Minutes => text.minutes.to_string(),
        };
        let values: Vec<_> = self.settings.template_parameters.iter().map(value).collect();
        let mut body = json!({
            "PhoneNumberSet": [text.to],
            "SmsSdkAppId": self.settings.app_id,
            "TemplateId": self.settings.template_id,
            "TemplateParamSet": values,
        });
        if let (Some(name), Some(body)) = (&self.settings.sign_name, body.as_object_mut()) {
            body.insert("SignName".to_owned(), name.as_str().into());
        }
        body.to_string()
    }

    fn headers(&self, body: &str, stamp: &Stamp) -> Vec<(HeaderName, String)> {
        let at = stamp.at.as_second().to_string();
        let date = stamp.at.strftime("%Y-%m-%d").to_string();
        let host = self.caller.place.authority();
        let (path, hash) = (self.caller.target(""), sha256_hex(body.as_bytes()));
        let canonical = format!("POST\n{path}\n\ncontent-type:{JSON}\nhost:{host}\n\n{SIGNED}\n{hash}");
        let scope = format!("{date}/sms/tc3_request");
        let to_sign = format!("{ALGORITHM}\n{at}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        // A key for the day, the service and this purpose, from the one before.
        let key = format!("TC3{}", self.settings.secret_key.expose());
        let key = hmac_sha256(key.as_bytes(), date.as_bytes());
        let key = hmac_sha256(&hmac_sha256(&key, b"sms"), b"tc3_request");
        let signature = HEXLOWER.encode(&hmac_sha256(&key, to_sign.as_bytes()));
        let credential = format!("{}/{scope}", self.settings.secret_id);
        let authorization =
            format!("{ALGORITHM} Credential={credential}, SignedHeaders={SIGNED}, Signature={signature}");
        let own = [("x-tc-action", "SendSms"), ("x-tc-version", "2021-01-11")];
        let own = own.map(|(name, value)| (HeaderName::from_static(name), value.to_owned()));
        let mut headers = vec![
            (CONTENT_TYPE, JSON.to_owned()),
            (AUTHORIZATION, authorization),
            (HeaderName::from_static("x-tc-timestamp"), at),
            (HeaderName::from_static("x-tc-region"), self.settings.region.clone()),
        ];
        headers.extend(own);
        headers
    }

    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        let body = self.body(text);
        let headers = self.headers(&body, &self.stamps.next());
        let target = self.caller.target("");
        let answer = self.caller.call(&Ask { method: Method::POST, target: &target, headers, body }).await?;
        if answer.status != 200 {
            return Err(refused(&answer, ""));
        }
        let said = call::json(&answer).unwrap_or_default();
        if let Some(error) = said.pointer("/Response/Error") {
            return Err(failed(&word(error.get("Code"))));
        }
        let sent = said.pointer("/Response/SendStatusSet").and_then(Value::as_array);
        match sent.map(Vec::as_slice) {
            Some([one]) if word(one.get("Code")) == "Ok" => Ok(id(one.get("SerialNo"))),
            Some([one]) => Err(failed(&word(one.get("Code")))),
            _ => Err(SendError::unsure("the provider answers 200, and no status of the text")),
        }
    }
}

/// What a code of an error means for the text.
fn failed(code: &str) -> SendError {
    let said = format!("the provider answers {code}");
    match code {
        "" => SendError::unsure("the provider answers an error without a code"),
        _ if code.starts_with("RequestLimitExceeded") => SendError::busy(said, None),
        // Their own faults may come after the text has left.
        _ if code.starts_with("InternalError") => SendError::unsure(said),
        _ => SendError::refused(said),
    }
}

impl SmsProvider for Tencent {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "tencent"
    }

    fn note_certificates(&self, seen: &SeenCertificates) {
        self.caller.tls.note_in(seen);
    }

    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>> {
        Box::pin(self.send(text))
    }
}

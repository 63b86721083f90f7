//! Any company with an HTTP interface: the settings describe the request, and what is a success.

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use super::call::{Caller, id, json, refused};
use super::settings::{Access, Encoding, Fault, Format, Http as Settings, HttpMethod, Provider, Signature};
use super::sign::{Stamp, Stamps, hmac_sha256};
use super::template::{Field, IN_BODY, IN_HEADER, SIGNED, Template, Writing};
use super::{ProviderId, SendError, SmsProvider, Text};
use crate::base::certificates::SeenCertificates;
use crate::notify::channel::Answer;
use crate::web::Method;
use crate::web::client::Ask;
use crate::web::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};

/// A request of the settings, read.
pub(super) struct Request {
    method: Method,
    query: Vec<(String, Template)>,
    headers: Vec<(HeaderName, Template)>,
    body: Option<(Template, Writing, &'static str)>,
    over: Option<Template>,
}

/// One company.
pub(super) struct Http {
    name: String,
    settings: Settings,
    request: Request,
    caller: Caller,
    stamps: Stamps,
}

impl Request {
    pub(super) fn new(settings: &Settings) -> Result<Self, Fault> {
        let method = match settings.method {
            HttpMethod::Post => Method::POST,
            HttpMethod::Get => Method::GET,
            HttpMethod::Put => Method::PUT,
        };
        let query = settings.query.iter().map(|text| parameter(text)).collect::<Result<_, _>>()?;
        let headers = settings.headers.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
        let over = settings.signature.as_ref().map(|signature| Template::parse(&signature.over, SIGNED));
        let over = over.transpose().map_err(|problem| ("hmac_over", problem))?;
        let request = Self { method, query, headers, body: body(settings)?, over };
        request.check(settings)?;
        Ok(request)
    }

    fn check(&self, settings: &Settings) -> Result<(), Fault> {
        let mut all = self.query.iter().map(|(_, template)| template).chain(self.headers.iter().map(|(_, one)| one));
        if all.any(|template| template.has(Field::Signature)) != self.over.is_some() {
            let problem = "and {signature} in query or headers belong together: give both or none";
            return Err(("hmac_key", problem.to_owned()));
        }
        let says = |field| {
            let body = self.body.as_ref().map(|(template, ..)| template);
            self.query.iter().map(|(_, template)| template).chain(body).any(|template| template.has(field))
        };
        if !says(Field::To) && !says(Field::Digits) {
            return Err(("body", "names no {to}: nobody would get the text".to_owned()));
        }
        if !says(Field::Text) && !says(Field::Code) {
            return Err(("body", "names neither {text} nor {code}".to_owned()));
        }
        match &settings.success_pointer {
            Some(pointer) if !pointer.starts_with('/') => {
                Err(("success_pointer", "must begin with /, such as /status (RFC 6901)".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

fn parameter(text: &str) -> Result<(String, Template), Fault> {
    let (name, value) = text.split_once('=').ok_or_else(|| ("query", "each must be name=value".to_owned()))?;
    let allowed: Vec<Field> = IN_BODY.iter().copied().chain([Field::Signature]).collect();
    Ok((name.to_owned(), Template::parse(value, &allowed).map_err(|problem| ("query", problem))?))
}

fn header(text: &str) -> Result<(HeaderName, Template), Fault> {
    let (name, value) = text.split_once(':').ok_or_else(|| ("headers", "each must be Name: value".to_owned()))?;
    let parsed = name.trim().parse::<HeaderName>().map_err(|_| ("headers", format!("`{name}` is no header")))?;
    if ["host", "content-length", "transfer-encoding", "connection"].contains(&parsed.as_str()) {
        return Err(("headers", format!("{name} is not yours to set")));
    }
    if value.contains(char::is_control) {
        return Err(("headers", format!("{name} holds a control character")));
    }
    Ok((parsed, Template::parse(value.trim(), IN_HEADER).map_err(|problem| ("headers", problem))?))
}

/// The body's template; tried out with a text that would break out of a place without quotes.
fn body(settings: &Settings) -> Result<Option<(Template, Writing, &'static str)>, Fault> {
    if settings.method == HttpMethod::Get {
        return match settings.body.is_empty() {
            true => Ok(None),
            false => Err(("body", "is sent by POST and PUT only: use query".to_owned())),
        };
    }
    let template = Template::parse(&settings.body, IN_BODY).map_err(|problem| ("body", problem))?;
    let (writing, content_type) = match settings.format {
        Format::Json => (Writing::Json, "application/json"),
        Format::Form => (Writing::Form, "application/x-www-form-urlencoded"),
        Format::Xml => (Writing::Xml, "application/xml"),
    };
    if settings.format == Format::Json {
        let numbers = [Field::Minutes, Field::Timestamp];
        let tried = template.fill(writing, |field| if numbers.contains(&field) { "5" } else { "a\"b\\" }.to_owned());
        if serde_json::from_str::<Value>(&tried).is_err() {
            return Err(("body", "is no JSON once it is filled in: placeholders belong inside quotes".to_owned()));
        }
    }
    Ok(Some((template, writing, content_type)))
}

impl Http {
    pub(super) fn new(settings: &Provider, http: &Settings, stamps: Stamps) -> Result<Self, Fault> {
        let (request, caller) = (Request::new(http)?, Caller::new(&http.url, settings)?);
        Ok(Self { name: settings.name.clone(), settings: http.clone(), request, caller, stamps })
    }

    async fn send(&self, text: &Text) -> Result<ProviderId, SendError> {
        let stamp = self.stamps.next();
        let (target, headers, body) = self.filled(text, &stamp);
        let ask = Ask { method: self.request.method.clone(), target: &target, headers, body };
        let answer = self.caller.call(&ask).await?;
        if self.settings.retry_status.contains(&answer.status) {
            let error = refused(&answer, "");
            return Err(SendError::busy(format!("the provider answers {}", answer.status), error.wait));
        }
        if !self.settings.success_status.contains(&answer.status) {
            return Err(match answer.status {
                200..=299 => SendError::unsure(format!("the provider answers {}, no success", answer.status)),
                _ => refused(&answer, ""),
            });
        }
        let said = json(&answer);
        if let Some(pointer) = &self.settings.success_pointer {
            let found = said.as_ref().and_then(|said| said.pointer(pointer));
            let found = found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            match found {
                Some(found) if found == self.settings.success_value => {}
                Some(_) => {
                    let status = answer.status;
                    return Err(SendError::refused(format!(
                        "the provider answers {status}, but no success at {pointer}"
                    )));
                }
                None => {
                    let why = format!("the provider answers {}, and nothing at {pointer}", answer.status);
                    return Err(SendError::unsure(why));
                }
            }
        }
        let ids = ["id", "sid", "message_id", "messageId"];
        Ok(said.as_ref().map(|said| id(ids.iter().find_map(|name| said.get(name)))).unwrap_or_default())
    }

    /// The target, the headers and the body.
    fn filled(&self, text: &Text, stamp: &Stamp) -> (String, Vec<(HeaderName, String)>, String) {
        let plain = |field: Field| plain(field, text, stamp);
        let body = self.request.body.as_ref().map(|(template, writing, _)| template.fill(*writing, plain));
        let body = body.unwrap_or_default();
        let query = |signature: &str| {
            let value = |field| if field == Field::Signature { signature.to_owned() } else { plain(field) };
            let pairs = self.request.query.iter().map(|(name, template)| {
                format!("{}={}", Writing::Form.write(name), template.fill(Writing::Form, value))
            });
            pairs.collect::<Vec<_>>().join("&")
        };
        let signature = match (&self.settings.signature, &self.request.over) {
            (Some(signature), Some(over)) => {
                let value = |field| match field {
                    Field::Method => self.request.method.as_str().to_owned(),
                    Field::Target => self.caller.target(&query("")),
                    Field::Body => body.clone(),
                    other => plain(other),
                };
                sign(signature, &over.fill(Writing::Plain, value))
            }
            _ => String::new(),
        };
        let value = |field| if field == Field::Signature { signature.clone() } else { plain(field) };
        let mut headers: Vec<_> = vec![(ACCEPT, "application/json, */*;q=0.5".to_owned())];
        headers.extend(self.request.body.as_ref().map(|(.., content_type)| (CONTENT_TYPE, (*content_type).to_owned())));
        headers.extend(self.authorization().map(|text| (AUTHORIZATION, text)));
        // What the settings name themselves takes the place of ours.
        for (name, template) in &self.request.headers {
            headers.retain(|(other, _)| other != name);
            headers.push((name.clone(), template.fill(Writing::Plain, value)));
        }
        (self.caller.target(&query(&signature)), headers, body)
    }

    fn authorization(&self) -> Option<String> {
        match &self.settings.access {
            Access::Nothing => None,
            Access::Basic { username, password } => Some(basic(username, password.expose())),
            Access::Token(token) => Some(format!("Bearer {}", token.expose())),
        }
    }
}

/// `Authorization` by name and password (RFC 7617).
pub(super) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{username}:{password}").as_bytes()))
}

fn sign(signature: &Signature, text: &str) -> String {
    let mac = hmac_sha256(signature.key.expose().as_bytes(), text.as_bytes());
    match signature.encoding {
        Encoding::Hex => HEXLOWER.encode(&mac),
        Encoding::Base64 => BASE64.encode(&mac),
    }
}

fn plain(field: Field, text: &Text, stamp: &Stamp) -> String {
    match field {
        Field::To => text.to.clone(),
        Field::Digits => text.to.trim_start_matches('+').to_owned(),
        Field::Text => text.text.expose().to_owned(),
        Field::Code => text.code.expose().to_owned(),
        Field::Minutes => text.minutes.to_string(),
        Field::Key => text.key.clone(),
        Field::Timestamp => stamp.at.as_second().to_string(),
        Field::Nonce => stamp.nonce.clone(),
        Field::Signature | Field::Method | Field::Target | Field::Body => String::new(),
    }
}

impl SmsProvider for Http {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "http"
    }

    fn note_certificates(&self, seen: &SeenCertificates) {
        self.caller.tls.note_in(seen);
    }

    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>> {
        Box::pin(self.send(text))
    }
}

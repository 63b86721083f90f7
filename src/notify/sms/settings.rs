//! What an administrator sets for the companies that send texts, and everything that can be wrong with it.
//!
//! It offers no way to skip the verification of certificates, and no plain text to another host.

use std::path::PathBuf;
use std::time::Duration;

use super::call::Caller;
use crate::base::secret::Secret;
use crate::directory::quota::SmsPolicy;
use crate::web::place::Place;
use crate::web::tls;

/// Where texts may go, and by whom.
#[derive(Clone, Default)]
pub struct Settings {
    /// Where they may go, and how many.
    pub policy: SmsPolicy,
    /// Who is asked to send them, in this order.
    pub providers: Vec<Provider>,
}

/// One company that sends texts.
#[derive(Clone)]
pub struct Provider {
    /// Its name, for logs.
    pub name: String,
    /// PEM certificates that sign the server's; the system's own where `None`.
    pub ca_file: Option<PathBuf>,
    /// TCP and TLS together.
    pub connect_timeout: Duration,
    /// All of it.
    pub timeout: Duration,
    /// How it is spoken to.
    pub kind: Kind,
}

/// How a company is spoken to.
#[derive(Clone)]
pub enum Kind {
    /// By a request that the settings describe.
    Http(Box<Http>),
    /// Twilio.
    Twilio(Twilio),
    /// Alibaba Cloud.
    Alibaba(Alibaba),
    /// Tencent Cloud.
    Tencent(Tencent),
    /// SMPP 3.4.
    Smpp(Smpp),
}

/// A request to any company.
#[derive(Clone)]
pub struct Http {
    /// Where it goes, without a query.
    pub url: String,
    /// How.
    pub method: HttpMethod,
    /// `name=template` each.
    pub query: Vec<String>,
    /// `Name: template` each.
    pub headers: Vec<String>,
    /// How the body is written.
    pub format: Format,
    /// The template of the body.
    pub body: String,
    /// How we show who we are.
    pub access: Access,
    /// What is signed, and with which key.
    pub signature: Option<Signature>,
    /// Statuses that are a success.
    pub success_status: Vec<u16>,
    /// Where in the answer a success is told (RFC 6901); none: the status is enough.
    pub success_pointer: Option<String>,
    /// What stands there.
    pub success_value: String,
    /// Statuses that say for certain that nothing was sent, and that a later attempt may do.
    pub retry_status: Vec<u16>,
}

/// The methods that providers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// `POST`
    Post,
    /// `GET`: everything stands in the query.
    Get,
    /// `PUT`
    Put,
}

impl HttpMethod {
    /// Each with its name in the settings.
    pub const ALL: &'static [(&'static str, Self)] = &[("POST", Self::Post), ("GET", Self::Get), ("PUT", Self::Put)];
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// `application/x-www-form-urlencoded`
    Form,
    /// XML.
    Xml,
}

impl Format {
    /// Each with its name in the settings.
    pub const ALL: &'static [(&'static str, Self)] = &[("json", Self::Json), ("form", Self::Form), ("xml", Self::Xml)];
}

/// How we show who we are.
#[derive(Clone)]
pub enum Access {
    /// Not at all, or by a signature alone.
    Nothing,
    /// By a name and a password (RFC 7617).
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// By a bearer token (RFC 6750).
    Token(Secret),
}

/// An HMAC-SHA256 over a template; `{signature}` stands for it.
#[derive(Clone)]
pub struct Signature {
    /// The key.
    pub key: Secret,
    /// What is signed.
    pub over: String,
    /// How it is written.
    pub encoding: Encoding,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// In lower hexadecimal digits.
    Hex,
    /// In base64.
    Base64,
}

impl Encoding {
    /// Each with its name in the settings.
    pub const ALL: &'static [(&'static str, Self)] = &[("hex", Self::Hex), ("base64", Self::Base64)];
}

/// Twilio: Programmable Messaging.
#[derive(Clone)]
pub struct Twilio {
    /// Where its API is.
    pub url: String,
    /// The account.
    pub account_sid: String,
    /// An API key of the account; the account itself where `None`.
    pub api_key: Option<String>,
    /// The account's token, or the key's secret.
    pub auth_token: Secret,
    /// The number or name that texts come from.
    pub from: Option<String>,
    /// In its place, a messaging service.
    pub messaging_service: Option<String>,
}

/// Alibaba Cloud: `SendSms` of 2017-05-25.
#[derive(Clone)]
pub struct Alibaba {
    /// Where its API is.
    pub url: String,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub access_key_secret: Secret,
    /// The signature that texts bear.
    pub sign_name: String,
    /// The template there.
    pub template_code: String,
    /// What the template calls the code.
    pub code_parameter: String,
    /// What it calls the minutes; the empty text: it has none.
    pub minutes_parameter: String,
}

/// Tencent Cloud: `SendSms` of 2021-01-11.
#[derive(Clone)]
pub struct Tencent {
    /// Where its API is.
    pub url: String,
    /// The key's id.
    pub secret_id: String,
    /// Its secret.
    pub secret_key: Secret,
    /// The region.
    pub region: String,
    /// The application.
    pub app_id: String,
    /// The signature that texts bear; not needed outside China.
    pub sign_name: Option<String>,
    /// The template there.
    pub template_id: String,
    /// What it is given, in its order.
    pub template_parameters: Vec<Parameter>,
}

/// What a template is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// The code.
    Code,
    /// How many minutes it is good for.
    Minutes,
}

impl std::str::FromStr for Parameter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "code" => Ok(Self::Code),
            "minutes" => Ok(Self::Minutes),
            _ => Err(()),
        }
    }
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Code { "code" } else { "minutes" })
    }
}

/// A message centre that speaks SMPP.
#[derive(Clone)]
pub struct Smpp {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// TLS from the first byte.
    pub tls: bool,
    /// Who we are.
    pub system_id: String,
    /// The proof of it.
    pub password: Secret,
    /// What kind of system we are, where the centre asks.
    pub system_type: String,
    /// The number or name that texts come from.
    pub from: String,
    /// All texts in UCS-2; else only those that GSM 03.38 cannot write.
    pub ucs2: bool,
}

/// One thing that is wrong: the key of the setting, and what to do.
pub type Fault = (&'static str, String);

impl Provider {
    /// What a provider has where nothing is set.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// The same.
    pub const TIMEOUT: Duration = Duration::from_secs(10);

    /// Everything that is wrong with these settings, all at once; empty when they can be used.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(path) = &self.ca_file
            && let Err(problem) = tls::read_certificates(path)
        {
            faults.push(("ca_file", problem));
        }
        match &self.kind {
            Kind::Http(http) => {
                faults.extend(super::http::Request::new(http).err());
                self.url_fault(&http.url, &mut faults);
            }
            Kind::Twilio(twilio) => {
                self.url_fault(&twilio.url, &mut faults);
                if twilio.from.is_some() == twilio.messaging_service.is_some() {
                    faults.push(("from", "give it, or messaging_service, but not both".to_owned()));
                }
                if !is_plain(&twilio.account_sid) {
                    faults.push(("account_sid", "must be letters and digits, such as AC0123…".to_owned()));
                }
            }
            Kind::Alibaba(alibaba) => self.url_fault(&alibaba.url, &mut faults),
            Kind::Tencent(tencent) => {
                self.url_fault(&tencent.url, &mut faults);
                if !is_plain(&tencent.region) {
                    faults.push(("region", "must be a region such as ap-guangzhou".to_owned()));
                }
            }
            Kind::Smpp(smpp) => smpp.faults(&mut faults),
        }
        faults
    }

    fn url_fault(&self, url: &str, faults: &mut Vec<Fault>) {
        faults.extend(Caller::new(url, self).err());
    }
}

/// May it stand in a path or a header as it is?
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl Smpp {
    /// SMPP 3.4 §5.2 says how long these may be.
    fn faults(&self, faults: &mut Vec<Fault>) {
        if let Err(problem) = Place::smpp(&self.host, self.port, self.tls) {
            faults.push(("host", problem));
        }
        let fields = [
            ("system_id", self.system_id.as_str(), 15),
            ("password", self.password.expose(), 8),
            ("system_type", self.system_type.as_str(), 12),
            ("from", self.from.as_str(), 20),
        ];
        for (key, text, most) in fields {
            if text.len() > most || !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
                faults.push((key, format!("must be at most {most} characters of ASCII: SMPP takes no more")));
            }
        }
    }
}

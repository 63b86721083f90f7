//! `[sms]`: where codes to phones may go, and `[[sms.providers]]`: who sends them, in the order in which they are asked.
//!
//! What is right and wrong with a provider the room of messages says itself; here each fault finds its key and line.

use std::time::Duration;

use super::super::reader::Reader;
use super::super::section::Section;
use super::SECOND;
use crate::base::secret::Secret;
use crate::directory::quota::SmsPolicy;
use crate::notify::sms::settings::{
    Access, Alibaba, Encoding, Format, Http, HttpMethod, Kind, Parameter, Provider, Settings, Signature, Smpp, Tencent,
    Twilio,
};

#[derive(Clone, Copy, PartialEq)]
enum Word {
    Http,
    Twilio,
    Alibaba,
    Tencent,
    Smpp,
}

/// Reads the section and its providers.
pub(in super::super) fn read(reader: &mut Reader) -> Settings {
    let section = &mut reader.section("sms");
    let default = SmsPolicy::default();
    let policy = SmsPolicy {
        calling_codes: section.list("calling_codes", "a calling code such as +31", default.calling_codes),
        daily_limit: section.integer("daily_limit", 0..=10_000_000, default.daily_limit),
    };
    let mut providers: Vec<Provider> = Vec::new();
    for index in 0..reader.count("sms.providers") {
        let section = &mut reader.section(&format!("sms.providers[{index}]"));
        let Some(provider) = read_one(section) else { continue };
        if providers.iter().any(|other| other.name == provider.name) {
            section.fault("name", "is the name of another provider already");
        }
        providers.push(provider);
    }
    Settings { policy, providers }
}

fn read_one(section: &mut Section<'_>) -> Option<Provider> {
    let name = section.required_text("name", "twilio");
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match &name {
        Some(name) if is_plain(name) => section.rename(format!("sms.{name}")),
        Some(_) => section.fault("name", "must be letters, digits, - and _"),
        None => {}
    }
    let words = [
        ("http", Word::Http),
        ("twilio", Word::Twilio),
        ("alibaba", Word::Alibaba),
        ("tencent", Word::Tencent),
        ("smpp", Word::Smpp),
    ];
    let Some(word) = section.required_choice("kind", &words) else {
        // Which keys there may be depends on the kind.
        section.ignore();
        return None;
    };
    let range = SECOND..=Duration::from_secs(60);
    let provider = Provider {
        name: name?,
        ca_file: section.optional_file("ca_file"),
        connect_timeout: section.duration("connect_timeout", range.clone(), Provider::CONNECT_TIMEOUT),
        timeout: section.duration("timeout", range, Provider::TIMEOUT),
        kind: match word {
            Word::Http => Kind::Http(Box::new(read_http(section))),
            Word::Twilio => Kind::Twilio(read_twilio(section)),
            Word::Alibaba => Kind::Alibaba(read_alibaba(section)),
            Word::Tencent => Kind::Tencent(read_tencent(section)),
            Word::Smpp => Kind::Smpp(read_smpp(section)),
        },
    };
    for (key, problem) in provider.faults() {
        // A key that could not be read has no value here: what is wrong with that is nobody's fault.
        if !section.has_fault(key) && !section.has_secret_fault(key) {
            section.fault(key, problem);
        }
    }
    Some(provider)
}

/// A secret that must be there.
fn secret(section: &mut Section<'_>, key: &str) -> Secret {
    let found = section.secret(key);
    if found.is_none() && !section.has_secret_fault(key) {
        section.fault(key, format!("is missing; give it, or {key}_file"));
    }
    found.unwrap_or_else(|| Secret::new(""))
}

fn required(section: &mut Section<'_>, key: &str, example: &str) -> String {
    section.required_text(key, example).unwrap_or_default()
}

fn read_http(section: &mut Section<'_>) -> Http {
    let statuses = 100..=599_u16;
    let any = "a text";
    let http = Http {
        url: required(section, "url", "https://sms.example.org/v1/send"),
        method: section.choice("method", HttpMethod::ALL, HttpMethod::Post),
        query: section.list("query", any, Vec::new()),
        headers: section.list("headers", any, Vec::new()),
        format: section.choice("format", Format::ALL, Format::Json),
        body: section.optional_text("body", None).unwrap_or_default(),
        access: read_access(section),
        signature: read_signature(section),
        success_status: section.integers("success_status", statuses.clone(), vec![200, 201, 202]),
        success_pointer: section.optional_text("success_pointer", None),
        success_value: section.optional_text("success_value", None).unwrap_or_default(),
        retry_status: section.integers("retry_status", statuses, vec![429]),
    };
    // Many services want their key in one of these.
    ["query", "headers", "body"].into_iter().for_each(|key| section.hide(key));
    http
}

/// A name and a password, or a token, or neither.
fn read_access(section: &mut Section<'_>) -> Access {
    let (username, password) = (section.optional_text("username", None), section.secret("password"));
    let token = section.secret("token");
    match (username, password, token) {
        (None, None, None) => Access::Nothing,
        (None, None, Some(token)) => {
            if !token.expose().bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
                section.fault("token", "holds a space, a line end or another character that no bearer token has");
            }
            Access::Token(token)
        }
        (Some(username), Some(password), None) => Access::Basic { username, password },
        (_, _, Some(_)) => {
            section.fault("token", "username or password is given as well; keep one way");
            Access::Nothing
        }
        (None, Some(_), None) => {
            section.fault("username", "is missing, but password is set");
            Access::Nothing
        }
        (Some(_), None, None) => {
            if !section.has_secret_fault("password") {
                section.fault("password", "is missing, but username is set");
            }
            Access::Nothing
        }
    }
}

fn read_signature(section: &mut Section<'_>) -> Option<Signature> {
    let key = section.secret("hmac_key");
    let over = section.optional_text("hmac_over", None);
    let encoding = section.choice("hmac_encoding", Encoding::ALL, Encoding::Hex);
    match (key, over) {
        (Some(key), Some(over)) => Some(Signature { key, over, encoding }),
        (Some(_), None) => {
            section
                .fault("hmac_over", "is missing, but hmac_key is set; give it, such as \"{timestamp}.{nonce}.{body}\"");
            None
        }
        (None, Some(_)) => {
            if !section.has_secret_fault("hmac_key") {
                section.fault("hmac_key", "is missing, but hmac_over is set");
            }
            None
        }
        (None, None) => None,
    }
}

fn read_twilio(section: &mut Section<'_>) -> Twilio {
    Twilio {
        url: section.text("url", "https://api.twilio.com"),
        account_sid: required(section, "account_sid", "AC0123456789abcdef0123456789abcdef"),
        api_key: section.optional_text("api_key", None),
        auth_token: secret(section, "auth_token"),
        from: section.optional_text("from", None),
        messaging_service: section.optional_text("messaging_service", None),
    }
}

fn read_alibaba(section: &mut Section<'_>) -> Alibaba {
    Alibaba {
        url: section.text("url", "https://dysmsapi.aliyuncs.com"),
        access_key_id: required(section, "access_key_id", "LTAI0123456789"),
        access_key_secret: secret(section, "access_key_secret"),
        sign_name: required(section, "sign_name", "Example"),
        template_code: required(section, "template_code", "SMS_123456789"),
        code_parameter: section.text("code_parameter", "code"),
        minutes_parameter: section.optional_text("minutes_parameter", None).unwrap_or_default(),
    }
}

fn read_tencent(section: &mut Section<'_>) -> Tencent {
    let parameters = vec![Parameter::Code, Parameter::Minutes];
    Tencent {
        url: section.text("url", "https://sms.tencentcloudapi.com"),
        secret_id: required(section, "secret_id", "AKID0123456789"),
        secret_key: secret(section, "secret_key"),
        region: section.text("region", "ap-guangzhou"),
        app_id: required(section, "app_id", "1400000000"),
        sign_name: section.optional_text("sign_name", None),
        template_id: required(section, "template_id", "1234567"),
        template_parameters: section.list("template_parameters", "\"code\" or \"minutes\"", parameters),
    }
}

fn read_smpp(section: &mut Section<'_>) -> Smpp {
    let host = required(section, "host", "smsc.example.org");
    let tls = section.boolean("tls", true);
    Smpp {
        host,
        port: section.integer("port", 1..=u16::MAX, if tls { 3550 } else { 2775 }),
        tls,
        system_id: required(section, "system_id", "directory"),
        password: secret(section, "password"),
        system_type: section.optional_text("system_type", None).unwrap_or_default(),
        from: section.optional_text("from", None).unwrap_or_default(),
        ucs2: section.choice("encoding", &[("auto", false), ("ucs2", true)], false),
    }
}

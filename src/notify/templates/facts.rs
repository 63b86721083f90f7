//! What templates know of a message: its facts by name. PURE.
//!
//! Every text is made one bounded line here, whatever a record or a server wrote; an address is one of http or https.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{Product, one_line};
use crate::base::id::PlanId;
use crate::directory::factor::Method;
use crate::directory::language::Language;
use crate::directory::message::{Body, Changed, Ending, Message, OneTimeCode, Via};

/// Most characters of one text.
const LONGEST: usize = 2_000;
/// Most accounts that one mail lists.
const ACCOUNTS: usize = 200;

/// How a message is told.
#[derive(Clone, Debug)]
pub struct Voice {
    /// The language where the reader has none.
    pub language: Language,
    /// What the reader knows the daemon by.
    pub product: Product,
    /// The zone in which times are told.
    pub zone: TimeZone,
}

impl Default for Voice {
    fn default() -> Self {
        Self { language: Language::default(), product: Product::default(), zone: TimeZone::UTC }
    }
}

/// The facts of a message, for the templates of its kind.
///
/// # Errors
/// What of it cannot be told by mail, without the text itself.
pub(super) fn facts(message: &Message, voice: &Voice) -> Result<Map<String, Value>, &'static str> {
    let at = |at: &Timestamp| shown(*at, &voice.zone);
    let own = match &message.body {
        Body::SetPassword { url } | Body::ResetPassword { url } => json!({"url": address(url)?}),
        Body::Code { code, minutes, .. } => json!({"code": line(code.expose()), "minutes": minutes}),
        Body::FactorEnrolled { method } | Body::FactorRemoved { method } => json!({"method": method.name()}),
        Body::RecoveryCodeUsed { left } => json!({"left": left}),
        Body::AddressChanged { what: Changed::Email } => json!({"what": "email"}),
        Body::AddressChanged { what: Changed::Phone } => json!({"what": "phone"}),
        Body::PasswordElsewhere { source } => json!({"source": line(source)}),
        Body::AccountExpires { at: end } | Body::PasswordExpires { at: end } | Body::InactivityNear { at: end } => {
            json!({"at": at(end)})
        }
        Body::AccountsExpire { accounts, more } => {
            let row =
                |one: &Ending| json!({"at": at(&one.at), "username": line(&one.username), "name": line(&one.name)});
            let more = more.saturating_add(accounts.len().saturating_sub(ACCOUNTS));
            json!({"accounts": accounts.iter().take(ACCOUNTS).map(row).collect::<Vec<_>>(), "more": more})
        }
        Body::RunHeld { of, plan, why } => json!({"of": line(of), "plan": plan.to_string(), "why": line(why)}),
        Body::RunFailed { of, why } => json!({"of": line(of), "why": line(why)}),
        Body::ImportDone { of, created, changed, skipped } => {
            json!({"of": line(of), "created": created, "changed": changed, "skipped": skipped})
        }
        Body::Alarm { cause, detail } => json!({"cause": line(cause), "detail": line(detail)}),
        Body::PasswordChanged
        | Body::FactorAdded
        | Body::FactorsReset
        | Body::SecondFactorRefused
        | Body::DisabledForInactivity
        | Body::MailTest => json!({}),
        Body::ForgetFace { .. } | Body::Event { .. } => return Err("it is for no person"),
    };
    let mut facts = common(&message.name, &voice.product);
    if let Value::Object(own) = own {
        facts.extend(own);
    }
    Ok(facts)
}

/// What the templates of every kind know. The subject and the language are put in beside them.
pub(super) fn common(name: &str, product: &Product) -> Map<String, Value> {
    let known = [("name", line(name)), ("product", product.name.clone())];
    known.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// One bounded line.
fn line(text: &str) -> String {
    let whole = one_line(text);
    if whole.chars().count() <= LONGEST {
        return whole;
    }
    whole.chars().take(LONGEST).chain(['…']).collect()
}

/// A link as it is shown. It holds no blank; one that does would be cut by the reader's program anyway.
fn address(url: &str) -> Result<String, &'static str> {
    let text: String = one_line(url).split(' ').collect();
    let parsed = url::Url::parse(&text).map_err(|_| "its link is no address")?;
    if matches!(parsed.scheme(), "http" | "https") { Ok(text) } else { Err("its link is none of http or https") }
}

/// A time as people read it, to the minute, with its zone.
fn shown(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    let form = if zoned.offset() == jiff::tz::Offset::UTC { "%Y-%m-%d %H:%M UTC" } else { "%Y-%m-%d %H:%M (UTC%:z)" };
    zoned.strftime(form).to_string()
}

/// A message of every kind that goes by mail, in all the forms that templates tell apart. What people typed is as bad as
/// it can be: a template that takes it for something else than text shows here.
pub(super) fn samples() -> Vec<Message> {
    let at = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
    let url = "https://id.example.org/set/sample?a=1&b=2".to_owned();
    let text = || "People & \"Places\" {{7*7}} <b>".to_owned();
    let ending = || Ending { username: "ada".to_owned(), name: "Ada {% if %} <i>".to_owned(), at };
    let plan = PlanId::from_bytes([1; 16]);
    let mut bodies = vec![
        Body::SetPassword { url: url.clone() },
        Body::ResetPassword { url },
        Body::PasswordChanged,
        Body::FactorAdded,
        Body::FactorsReset,
        Body::SecondFactorRefused,
        Body::AddressChanged { what: Changed::Email },
        Body::AddressChanged { what: Changed::Phone },
        Body::PasswordElsewhere { source: text() },
        Body::AccountExpires { at },
        Body::AccountsExpire { accounts: vec![ending(), ending()], more: 0 },
        Body::AccountsExpire { accounts: vec![ending()], more: 3 },
        Body::PasswordExpires { at },
        Body::InactivityNear { at },
        Body::DisabledForInactivity,
        Body::RunHeld { of: text(), plan, why: text() },
        Body::RunFailed { of: text(), why: text() },
        Body::ImportDone { of: text(), created: 12, changed: 3, skipped: 1 },
        Body::Alarm { cause: "mail".to_owned(), detail: text() },
        Body::MailTest,
    ];
    bodies.extend([1, 5].map(|minutes| Body::Code { via: Via::Mail, code: OneTimeCode::new("918273"), minutes }));
    bodies.extend([0, 1, 7].map(|left| Body::RecoveryCodeUsed { left }));
    let methods = Method::FACTORS.map(|(_, method)| method);
    bodies.extend(methods.map(|method| Body::FactorEnrolled { method }));
    bodies.extend(methods.map(|method| Body::FactorRemoved { method }));
    let message = |body: Body| Message::to_address("ada@example.org", body, at, at);
    let named = |body: &Body| Message { name: "Ada {{7*7}} <b>Lovelace</b>".to_owned(), ..message(body.clone()) };
    bodies.iter().map(named).chain(bodies.iter().map(|body| message(body.clone()))).collect()
}

/// Is this a host name that browsers bind a code to? An address is none.
pub(super) fn is_host_name(host: &str) -> bool {
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    named && !host.is_empty() && host.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_with_its_zone() {
        let at: Timestamp = "2026-11-23T12:00:59Z".parse().unwrap();
        assert_eq!(shown(at, &TimeZone::UTC), "2026-11-23 12:00 UTC");
        assert_eq!(shown(at, &TimeZone::get("Asia/Shanghai").unwrap()), "2026-11-23 20:00 (UTC+08:00)");
    }

    #[test]
    fn a_link_is_one_of_the_web_and_one_word() {
        let good = "https://id.example.org/{{7*7}}?a=${b}&c=%7B#x";
        assert_eq!(address(good).as_deref(), Ok(good));
        assert_eq!(
            address("http://id.example.org/a\r\nBcc: eve").as_deref(),
            Ok("http://id.example.org/aBcc:eve"),
            "no line begins inside a link"
        );
        for bad in
            ["", "id.example.org/a", "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "mailto:a@b"]
        {
            assert!(address(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_text_is_longer_than_a_mail_should_be() {
        assert_eq!(line(&"x".repeat(9_000)).chars().count(), LONGEST + 1);
        assert_eq!(line("short"), "short");
    }
}

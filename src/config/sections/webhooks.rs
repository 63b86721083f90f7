//! `[[webhooks]]`: where events go, and which.

use super::super::reader::Reader;
use super::super::section::Section;
use super::{MINUTE, SECOND};
use crate::notify::webhooks::settings::{Settings, read_key};
use crate::notify::webhooks::sign::SigningKey;

/// Most webhooks: each follows the trail by itself, and has its part of the outbox.
const MOST: usize = 10;

/// Reads them.
pub(in super::super) fn read(reader: &mut Reader) -> Vec<Settings> {
    let mut webhooks: Vec<Settings> = Vec::new();
    let count = reader.count("webhooks");
    for index in 0..count {
        let section = &mut reader.section(&format!("webhooks[{index}]"));
        if index == MOST {
            section.fault("name", format!("is one too many: at most {MOST} webhooks may be set up"));
        }
        let Some(webhook) = read_one(section) else { continue };
        if webhooks.iter().any(|other| other.name == webhook.name) {
            section.fault("name", "is the name of another webhook already");
        }
        webhooks.push(webhook);
    }
    webhooks
}

fn read_one(section: &mut Section<'_>) -> Option<Settings> {
    let name = section.required_text("name", "portal");
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match &name {
        Some(name) if is_plain(name) && name.len() <= 64 => section.rename(format!("webhooks.{name}")),
        Some(_) => section.fault("name", "must be at most 64 letters, digits, - and _"),
        None => {}
    }
    let url = section.required_text("url", "https://portal.example.org/hooks/musterd").unwrap_or_default();
    let first = read_signing_key(section, "secret", true);
    let second = read_signing_key(section, "second_secret", false);
    let wanted = "\"*\", a family such as \"user.*\", or an action of the audit trail such as \"login.refused\"";
    let events = section.list("events", wanted, Vec::new());
    if events.is_empty() && !section.has_fault("events") {
        section.fault("events", "names none: give [\"*\"] for all, or a list such as [\"user.*\", \"login.refused\"]");
    }
    let ca_file = section.optional_file("ca_file");
    let timeout = section.duration("timeout", SECOND..=MINUTE, Settings::TIMEOUT);
    let keys = first.into_iter().chain(second).collect();
    let settings = Settings { name: name?, url, keys, events, ca_file, timeout };
    for (key, problem) in settings.faults() {
        if !section.has_fault(key) {
            section.fault(key, problem);
        }
    }
    Some(settings)
}

fn read_signing_key(section: &mut Section<'_>, key: &str, is_required: bool) -> Option<SigningKey> {
    match section.secret(key).map(|secret| read_key(&secret)) {
        Some(Ok(key)) => Some(key),
        Some(Err(problem)) => {
            section.fault(key, problem);
            None
        }
        None => {
            if is_required && !section.has_secret_fault(key) {
                section.fault(key, format!("is missing; give it, or {key}_file"));
            }
            None
        }
    }
}

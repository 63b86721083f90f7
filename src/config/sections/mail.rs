//! `[mail]`: how mail leaves the daemon. Without the section, none does.
//!
//! Refuses an unprotected connection to another host, and templates that could not be rendered.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::super::reader::Reader;
use super::super::section::Section;
use super::{MINUTE, SECOND, is_loopback};
use crate::directory::field::Email;
use crate::directory::language::Language;
use crate::notify::settings::{MailTls, Settings, look_at_authorities};
use crate::notify::templates::Templates;

/// Reads the section where there is one.
pub(in super::super) fn read(reader: &mut Reader) -> Option<Settings> {
    if !reader.is_given("mail") {
        return None;
    }
    let section = &mut reader.section("mail");
    let host = section.required_text("host", "mail.example.org");
    let words = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];
    let tls = section.choice("tls", &words, MailTls::StartTls);
    let usual_port = match tls {
        MailTls::StartTls => 587,
        MailTls::Tls => 465,
        MailTls::None => 25,
    };
    let port = section.integer("port", 1..=u16::MAX, usual_port);
    if tls == MailTls::None && host.as_deref().is_some_and(|host| !is_loopback(host)) {
        section.fault("tls", "may be \"none\" for a server on this machine only; use \"starttls\" or \"tls\"");
    }
    let username = section.optional_text("username", None);
    let password = section.secret("password");
    match (&username, &password) {
        (Some(_), None) if !section.has_secret_fault("password") => {
            section.fault("password", "is missing, but mail.username is set")
        }
        (None, Some(_)) => section.fault("username", "is missing, but mail.password is set"),
        _ => {}
    }
    let defaults = Settings::default();
    let limit = SECOND..=10 * MINUTE;
    Some(Settings {
        from: read_address(section, "from", true).unwrap_or_default(),
        reply_to: read_address(section, "reply_to", false),
        ca_file: read_authorities(section),
        connections: section.integer("connections", 1..=32, defaults.connections),
        connect_timeout: section.duration("connect_timeout", limit.clone(), defaults.connect_timeout),
        send_timeout: section.duration("send_timeout", limit, defaults.send_timeout),
        language: section.choice("language", &languages(), defaults.language),
        time_zone: read_zone(section),
        templates: read_templates(section),
        host: host?,
        port,
        tls,
        username,
        password,
    })
}

fn languages() -> Vec<(&'static str, Language)> {
    Language::ALL.iter().map(|language| (language.tag(), *language)).collect()
}

fn read_address(section: &mut Section<'_>, key: &str, required: bool) -> Option<String> {
    let example = "Directory <directory@example.org>";
    let text = if required { section.required_text(key, example) } else { section.optional_text(key, None) }?;
    let bracketed = text.trim_end().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    let address = bracketed.map_or(text.trim(), |(_, address)| address);
    if Email::parse(address).is_err() || text.contains(char::is_control) {
        section.fault(key, format!("must be an address such as directory@example.org or {example}"));
    }
    Some(text)
}

fn read_authorities(section: &mut Section<'_>) -> Option<PathBuf> {
    let path = section.optional_file("ca_file")?;
    if let Err(why) = look_at_authorities(&path) {
        section.fault("ca_file", why);
    }
    Some(path)
}

fn read_zone(section: &mut Section<'_>) -> TimeZone {
    let name = section.text("time_zone", "UTC");
    TimeZone::get(&name).unwrap_or_else(|_| {
        section.fault("time_zone", format!("{name:?} is no time zone such as Europe/Amsterdam"));
        TimeZone::UTC
    })
}

/// The folder of templates; every one of them is tried here, so that "musterd check" finds what is wrong.
fn read_templates(section: &mut Section<'_>) -> Option<PathBuf> {
    let folder = section.optional_file("templates")?;
    if let Err(faults) = Templates::load(Some(&folder)) {
        section.fault("templates", format!("holds what cannot be used: {}", faults.join("; ")));
    }
    Some(folder)
}

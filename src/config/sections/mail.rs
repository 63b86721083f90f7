//! `[mail]`: how mail leaves the daemon. Without the section, none does.
//!
//! Refuses an unprotected connection to another host.

use super::super::reader::Reader;
use super::super::section::Section;
use super::is_loopback;
use crate::directory::field::Email;
use crate::notify::settings::{MailTls, Settings};

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
    let from = read_from(section);
    Some(Settings { host: host?, port, tls, username, password, from: from? })
}

fn read_from(section: &mut Section<'_>) -> Option<String> {
    let from = section.required_text("from", "Directory <directory@example.org>")?;
    let bracketed = from.trim_end().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    let address = bracketed.map_or(from.trim(), |(_, address)| address);
    if Email::parse(address).is_err() || from.contains(char::is_control) {
        section.fault("from", "must be an address such as directory@example.org or Directory <directory@example.org>");
    }
    Some(from)
}

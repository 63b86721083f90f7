//! The LDAP source against a real server, a failing network and a hostile server.

mod ds389;
mod failover;
mod fake;
mod hostile;
mod login;
mod pass;
mod probe;
mod samba;
mod slapd;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use musterd::base::id::SourceId;
use musterd::base::secret::Secret;
use musterd::sources::ldap::{LdapSource, Settings};
use musterd::sources::{Person, Source, Verdict};

use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd};

/// Settings for a server at this URL, with short deadlines.
fn settings(url: &str, ca_file: Option<PathBuf>) -> Settings {
    Settings {
        id: SourceId::parse("corp").unwrap(),
        urls: vec![url.to_owned()],
        ca_file,
        bind_dn: READER.to_owned(),
        bind_password: Some(Secret::new(READER_PASSWORD)),
        base_dn: format!("ou=people,{BASE}"),
        connect_timeout: Duration::from_secs(2),
        operation_timeout: Duration::from_secs(2),
        ..Settings::default()
    }
}

fn over_tls(slapd: &Slapd) -> Settings {
    settings(&slapd.ldaps_url(), Some(slapd.ca_file()))
}

fn source(settings: Settings) -> LdapSource {
    LdapSource::new(settings).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// A verdict as one word and its text.
async fn verdict(source: &LdapSource, name: &str, password: &str) -> (&'static str, String) {
    shown(source.verify(Person::Named(name), &Secret::new(password)).await)
}

fn shown(verdict: Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Accepted(user) => ("accepted", user.map(|user| user.username).unwrap_or_default()),
        Verdict::Wrong => ("wrong", String::new()),
        Verdict::Unavailable(why) => ("unavailable", why),
        Verdict::Refused(refusal) => ("refused", refusal.text),
    }
}

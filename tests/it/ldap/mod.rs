//! The LDAP source against a real server, a failing network and a hostile server.

mod bad_input;
mod changes;
mod deltas;
mod ds389;
mod failover;
mod fake;
mod groups;
mod hostile;
mod login;
mod openldap;
mod pass;
mod probe;
mod samba;
mod slapd;
mod tls;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use musterd::base::id::SourceId;
use musterd::base::secret::Secret;
use musterd::sources::ldap::{LdapSource, Settings};
use musterd::sources::{
    Bookmark, Output, Person, Piece, PullError, PulledGroup, PulledUser, Read, SkippedEntry, Source, Verdict,
};

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

/// What a reading gave.
#[derive(Debug)]
struct Pulled {
    users: Vec<PulledUser>,
    groups: Vec<PulledGroup>,
    skipped: Vec<SkippedEntry>,
    gone: Vec<String>,
    read: Read,
}

impl Pulled {
    fn user(&self, username: &str) -> &PulledUser {
        self.users.iter().find(|user| user.username == username).unwrap_or_else(|| panic!("{username} in {self:?}"))
    }

    fn group(&self, name: &str) -> &PulledGroup {
        self.groups.iter().find(|group| group.name == name).unwrap_or_else(|| panic!("{name} in {self:?}"))
    }

    fn usernames(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.users.iter().map(|user| user.username.as_str()).collect();
        names.sort_unstable();
        names
    }
}

/// Readings, gathered.
trait Pull {
    /// Reads everything.
    async fn pull(&self) -> Result<Pulled, PullError>;
    /// Reads what changed since an earlier reading.
    async fn since(&self, before: &Pulled) -> Result<Pulled, PullError>;
}

impl Pull for LdapSource {
    async fn pull(&self) -> Result<Pulled, PullError> {
        gather(self, None).await
    }

    async fn since(&self, before: &Pulled) -> Result<Pulled, PullError> {
        gather(self, before.read.next.clone()).await
    }
}

async fn gather(source: &LdapSource, since: Option<Bookmark>) -> Result<Pulled, PullError> {
    let (to, mut from) = tokio::sync::mpsc::channel(4);
    let taking = tokio::spawn(async move {
        let mut pieces = Vec::new();
        while let Some(batch) = from.recv().await {
            pieces.extend(batch);
        }
        pieces
    });
    let read = source.read(since, Output::new(to, Arc::default())).await;
    let pieces = taking.await.unwrap();
    let read = read?;
    let mut pulled = Pulled { users: Vec::new(), groups: Vec::new(), skipped: Vec::new(), gone: Vec::new(), read };
    for piece in pieces {
        match piece {
            Piece::User(user) => pulled.users.push(*user),
            Piece::Group(group) => pulled.groups.push(*group),
            Piece::Skipped(skipped) => pulled.skipped.push(skipped),
            Piece::Gone(id) => pulled.gone.push(id.as_str().to_owned()),
        }
    }
    Ok(pulled)
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

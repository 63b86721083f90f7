//! Another SCIM service as a source: a real one, and one that does what no honest one does.

mod changes;
mod daemon;
mod faults;
mod groups;
mod oauth;
mod pages;
mod real;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use musterd::base::clock::Clock;
use musterd::base::id::SourceId;
use musterd::base::secret::Secret;
use musterd::sources::scim_pull::{Access, ScimSource, Settings};
use musterd::sources::{Bookmark, Output, Piece, PullError, PulledGroup, PulledUser, Read, SkippedEntry, Source};

use crate::harness::daemon::START;
use crate::harness::fake_scim::{FakeScim, TOKEN};

/// Settings for the fake, with short deadlines.
fn settings(fake: &FakeScim) -> Settings {
    Settings {
        id: SourceId::parse("hr").unwrap(),
        url: fake.url.clone(),
        access: Some(Access::Token(Secret::new(TOKEN))),
        operation_timeout: Duration::from_secs(10),
        pass_timeout: Duration::from_secs(60),
        ..Settings::default()
    }
}

fn source(settings: Settings) -> ScimSource {
    let clock = Clock::manual(START.parse::<Timestamp>().unwrap());
    ScimSource::new(settings, clock).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// What a reading gave.
#[derive(Debug)]
struct Pulled {
    users: Vec<PulledUser>,
    groups: Vec<PulledGroup>,
    skipped: Vec<SkippedEntry>,
    read: Read,
}

impl Pulled {
    fn usernames(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.users.iter().map(|user| user.username.as_str()).collect();
        names.sort_unstable();
        names
    }
}

async fn pull(source: &ScimSource) -> Result<Pulled, PullError> {
    gather(source, None).await
}

/// Reads what changed since an earlier reading.
async fn since(source: &ScimSource, before: &Pulled) -> Result<Pulled, PullError> {
    gather(source, before.read.next.clone()).await
}

async fn gather(source: &ScimSource, since: Option<Bookmark>) -> Result<Pulled, PullError> {
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
    let mut pulled = Pulled { users: Vec::new(), groups: Vec::new(), skipped: Vec::new(), read: read? };
    for piece in pieces {
        match piece {
            Piece::User(user) => pulled.users.push(*user),
            Piece::Group(group) => pulled.groups.push(*group),
            Piece::Skipped(skipped) => pulled.skipped.push(skipped),
            Piece::Gone(id) => panic!("{id} is said to be gone"),
        }
    }
    Ok(pulled)
}

/// Why a reading did not come to its end.
async fn incomplete(settings: Settings) -> String {
    match pull(&source(settings)).await {
        Err(PullError::Incomplete { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

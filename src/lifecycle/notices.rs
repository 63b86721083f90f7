//! Notices: who is told ahead that the account or the password ends, or that nobody uses the account. Each is noted in
//! the commit of its message, so that it is written once, whatever happens in between. They go to users of all sources,
//! wherever there is an address.

use std::sync::Arc;

use jiff::Timestamp;

use super::clock;
use super::look::Look;
use super::policy::Steps;
use super::rules;
use super::settings::Settings;
use crate::base::clock::{minus, plus};
use crate::base::id::UserId;
use crate::directory::message::{Body, Ending, Message};
use crate::directory::notice::{About, Told};
use crate::directory::policy::days;
use crate::directory::user::User;
use crate::store::notices::{self, Gathered};
use crate::store::tx::{Reads, Tx};
use crate::store::{Pending, Store, StoreError, credentials, outbox, users};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// The name of the task.
pub const NAME: &str = "notices";
/// Users of one commit.
const BATCH: usize = 100;
/// Users that are looked at before a commit is made.
const CHUNK: usize = 1_000;
/// Commits that are queued at a time.
const UNDER_WAY: usize = 3;

/// The notices of one daemon.
pub struct Notices {
    store: Arc<Store>,
    settings: Arc<Settings>,
    /// Lets one run at a time.
    lease: tokio::sync::Mutex<()>,
}

/// A notice that is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// To whom.
    pub user: User,
    /// As it will be noted.
    pub told: Told,
}

/// Whose notices of a kind may be due between these times, about `most` of them. Reads no record of anybody whose time
/// is far.
///
/// # Errors
/// When the store cannot read.
pub fn candidates(
    look: &Look<'_>,
    about: About,
    from: Timestamp,
    until: Timestamp,
    most: usize,
) -> Result<Vec<UserId>, StoreError> {
    let settings = &look.settings;
    match about {
        About::Account => match settings.notices.account.first {
            Some(first) => users::expiring(look.reads, from, plus(until, first), most),
            None => Ok(Vec::new()),
        },
        About::Password => match (settings.notices.password.first, settings.password_max_age) {
            (Some(first), Some(age)) => {
                users::password_set(look.reads, minus(from, age), plus(minus(until, age), first), most)
            }
            _ => Ok(Vec::new()),
        },
        About::Inactivity if settings.notices.inactivity.first.is_some() => {
            Ok(look.nearly_quiet(until, most)?.into_iter().collect())
        }
        About::Inactivity => Ok(Vec::new()),
    }
}

/// The notices of a kind to these users that are due at `now`.
///
/// # Errors
/// When the store cannot read.
pub fn due(look: &Look<'_>, about: About, ids: &[UserId], now: Timestamp) -> Result<Vec<Due>, StoreError> {
    let settings = look.settings;
    if about == About::Inactivity {
        let people = look.people(ids.iter().copied())?;
        let due = people.into_iter().filter_map(|person| {
            let told = person.notice(settings.notices.inactivity, now)?;
            Some(Due { user: person.user, told })
        });
        return Ok(due.collect());
    }
    let users = users::get_many(look.reads, ids)?;
    let found: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let told = notices::get_many(look.reads, &found, about)?;
    let mut due = Vec::new();
    for (user, told) in users.into_iter().zip(told) {
        let Some(end) = end(look, about, &user)? else { continue };
        if let Some(told) = plain(settings, about, &user, end, told.as_ref(), now) {
            due.push(Due { user, told });
        }
    }
    Ok(due)
}

/// When what a user is told of happens: an account or a password ends.
pub(super) fn end(look: &Look<'_>, about: About, user: &User) -> Result<Option<Timestamp>, StoreError> {
    if about == About::Account {
        return Ok(user.expires_at);
    }
    let Some(age) = look.settings.password_max_age else { return Ok(None) };
    Ok(credentials::get(look.reads, user.id)?.map(|credential| plus(credential.changed_at, age)))
}

/// The notice of the end of an account or a password that is due at `now`.
pub(super) fn plain(
    settings: &Settings,
    about: About,
    user: &User,
    end: Timestamp,
    told: Option<&Told>,
    now: Timestamp,
) -> Option<Told> {
    let steps: Steps = if about == About::Account { settings.notices.account } else { settings.notices.password };
    let copies = about == About::Account && !settings.notices.copy_to.is_empty();
    rules::notice(user, end, steps, copies, told, now)
}

impl Notices {
    /// The notices by these settings.
    #[must_use]
    pub fn new(store: Arc<Store>, settings: Arc<Settings>) -> Self {
        Self { store, settings, lease: tokio::sync::Mutex::default() }
    }

    /// Writes every notice that is due. Gives their number.
    ///
    /// # Errors
    /// When the store fails; a fault of one kind does not end the others. What was written stays, and is not written
    /// again.
    pub async fn write(&self) -> Result<usize, StoreError> {
        let mut kinds = Vec::new();
        for about in [About::Account, About::Password, About::Inactivity] {
            kinds.push(self.write_kind(about).await);
        }
        self.tell_administrators().await?;
        kinds.into_iter().sum()
    }

    async fn write_kind(&self, about: About) -> Result<usize, StoreError> {
        let now = self.store.clock().now();
        let ids = {
            let look = Look { reads: &self.store.view(), settings: &self.settings };
            candidates(&look, about, now, now, usize::MAX)?
        };
        let mut under_way: Vec<Pending<usize, StoreError>> = Vec::new();
        let mut written = 0_usize;
        for chunk in ids.chunks(CHUNK) {
            // Most were told before: only the others are worth a commit.
            let due = due(&Look { reads: &self.store.view(), settings: &self.settings }, about, chunk, now)?;
            let due: Vec<UserId> = due.into_iter().map(|one| one.user.id).collect();
            for batch in due.chunks(BATCH) {
                if under_way.len() >= UNDER_WAY {
                    written = written.saturating_add(under_way.remove(0).done().await?);
                }
                let (batch, settings) = (batch.to_vec(), self.settings.clone());
                under_way.push(self.store.queue_bulk(move |tx: &mut Tx<'_>| tell(tx, &settings, about, &batch)).await?);
            }
        }
        for batch in under_way {
            written = written.saturating_add(batch.done().await?);
        }
        Ok(written)
    }

    /// Tells administrators which accounts end: those that were gathered, also by a run that was cut short. Where no
    /// copy can go anywhere, they stay gathered.
    async fn tell_administrators(&self) -> Result<(), StoreError> {
        if notices::gathered(&self.store.view())?.is_empty() {
            return Ok(());
        }
        let settings = self.settings.clone();
        let write = move |tx: &mut Tx<'_>| {
            let Gathered { mut accounts, more } = notices::gathered(tx)?;
            let now = tx.now();
            accounts.retain(|account| account.at > now);
            let copy_to: &[String] = if accounts.is_empty() { &[] } else { &settings.notices.copy_to };
            let mut unheard = Vec::new();
            for (entry, name) in (1_usize..).zip(copy_to) {
                let body = Body::AccountsExpire { accounts: accounts.clone(), more };
                if !copy(tx, name, body)? {
                    unheard.push(entry);
                }
            }
            let is_kept = !copy_to.is_empty() && unheard.len() == copy_to.len();
            notices::put_gathered(tx, &if is_kept { Gathered { accounts, more } } else { Gathered::default() })?;
            Ok(unheard)
        };
        for entry in self.store.write::<_, StoreError>(write).await? {
            // Not by name: it may be an address.
            tracing::warn!(entry, "an entry of notices.copy_to is nobody who can be told: no copy goes there");
        }
        Ok(())
    }
}

/// Writes the notices to these users that are due now, and are still: decided on what the transaction sees.
fn tell(tx: &mut Tx<'_>, settings: &Settings, about: About, ids: &[UserId]) -> Result<usize, StoreError> {
    let now = tx.now();
    let due = due(&Look { reads: tx, settings }, about, ids, now)?;
    let mut gathered = None;
    let mut written = 0_usize;
    for Due { user, told } in due {
        let before = notices::get(tx, user.id, about)?;
        notices::put(tx, user.id, about, &told)?;
        if told.sent {
            written = written.saturating_add(1);
            outbox::tell_until(tx, &user, body(about, told.due), of_use_until(about, told.due, now))?;
        }
        // Of who only got an address since, administrators know already.
        let is_new = before.is_none_or(|before| before.sent || !told.sent || before.due != told.due);
        if about == About::Account && !settings.notices.copy_to.is_empty() && is_new {
            let gathered = match &mut gathered {
                Some(gathered) => gathered,
                None => gathered.insert(notices::gathered(tx)?),
            };
            let (username, name) = (user.username.as_str().to_owned(), user.name.as_str().to_owned());
            gathered.add(Ending { username, name, at: told.due });
        }
    }
    if let Some(gathered) = gathered {
        notices::put_gathered(tx, &gathered)?;
    }
    Ok(written)
}

/// A notice of inactivity that has not left after half of the time is none: it is written anew, with all of the time, long
/// before a sweep could look.
fn of_use_until(about: About, due: Timestamp, now: Timestamp) -> Timestamp {
    let left = std::time::Duration::try_from(due.duration_since(now)).unwrap_or_default();
    if about == About::Inactivity { plus(now, left / 2) } else { due }
}

fn body(about: About, at: Timestamp) -> Body {
    match about {
        About::Account => Body::AccountExpires { at },
        About::Password => Body::PasswordExpires { at },
        About::Inactivity => Body::InactivityNear { at },
    }
}

/// A copy to somebody by name, if they may come in, or to an address that is nobody's here. `false`: it goes nowhere.
fn copy(tx: &mut Tx<'_>, name: &str, body: Body) -> Result<bool, StoreError> {
    let now = tx.now();
    let reads: &dyn Reads = tx;
    match users::by_login(reads, name)? {
        Some(user) if user.is_valid(now) && user.mailbox().is_some() => outbox::tell(tx, &user, body).map(|()| true),
        None if name.contains('@') => {
            outbox::push(tx, &Message::to_address(name, body, now, plus(now, days(3)))).map(|_| true)
        }
        _ => Ok(false),
    }
}

impl Task for Notices {
    fn name(&self) -> &str {
        NAME
    }

    fn schedule(&self) -> &Schedule {
        &self.settings.notices.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let words = |error: StoreError| error.to_string();
            let _lease = self.lease.lock().await;
            if !self.settings.notices.can_leave {
                return Ok("there is no [mail]: nobody is told".to_owned());
            }
            if let Some(paused) = clock::check(&self.store).await.map_err(words)? {
                return Ok(format!("paused: {}", paused.why));
            }
            let written = self.write().await.map_err(words)?;
            if !notices::gathered(&self.store.view()).map_err(words)?.is_empty() {
                return Err(format!("{written} written; nobody of notices.copy_to can be told which accounts end"));
            }
            Ok(format!("{written} written"))
        })
    }
}

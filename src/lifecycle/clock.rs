//! Is the clock to be believed? Sweep, notices and upkeep ask first, and wait while it is in doubt: no clock locks out
//! everybody.
//!
//! Within one boot of the machine the time since the boot tells how much time has really passed, whether the daemon
//! ran or not: a clock that is more than a day off that is in doubt, until it is right again or a person says that it
//! is. Of the time between two boots nobody knows: up to a day is believed; what lies a day and more ahead may be a
//! long weekend or a clock that is wrong, and what lies behind is wrong, or was: both wait for a person's word. So does
//! a store that comes back from an old backup. What the clock says is noted each quarter of an hour, whatever the
//! other schedules are.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::base::clock::Uptime;
use crate::directory::audit::{Author, Target};
use crate::store::audit::{self, Entry};
use crate::store::clock::{self, Anchor, Paused, Watch};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, tasks};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// A clock that is off by no more than this is believed.
const TOLERANCE: SignedDuration = SignedDuration::from_hours(24);
/// How often the clock is looked at, and noted.
const EVERY: Duration = Duration::from_secs(900);
/// What is done about it.
const HINT: &str = "set the clock right, or, if it is right, say so: musterd sweep --clock-is-right";

/// Why a clock is not believed, if it is not. PURE.
#[must_use]
pub fn doubt(watch: &Watch, now: Timestamp, uptime: Option<&Uptime>) -> Option<String> {
    if let (Some(anchor), Some(uptime)) = (&watch.anchor, uptime)
        && anchor.boot == uptime.boot
    {
        let passed = millis(uptime.up).saturating_sub(i64::try_from(anchor.up_ms).unwrap_or(i64::MAX));
        let ahead = now.duration_since(anchor.at).saturating_sub(SignedDuration::from_millis(passed));
        let way = if ahead.is_negative() { "back" } else { "forward" };
        return (ahead.abs() > TOLERANCE).then(|| format!("it jumped {way} by {}: {HINT}", days(ahead)));
    }
    let gap = now.duration_since(watch.seen);
    if gap.abs() <= TOLERANCE {
        return None;
    }
    let gap_shown = days(gap);
    Some(match gap.is_negative() {
        true => format!("it is {gap_shown} behind {}, when it was believed last: {HINT}", watch.seen),
        false => format!(
            "since it was believed last, at {}, the machine was started and {gap_shown} are gone: was it off for so long? {HINT}",
            watch.seen
        ),
    })
}

fn millis(up: Duration) -> i64 {
    i64::try_from(up.as_millis()).unwrap_or(i64::MAX)
}

fn days(time: SignedDuration) -> String {
    let hours = time.abs().as_hours();
    format!("{} days and {} hours", hours / 24, hours % 24)
}

/// What is known after a look at the clock. PURE.
#[must_use]
pub fn look(watch: Option<&Watch>, now: Timestamp, uptime: Option<&Uptime>) -> Watch {
    let Some(watch) = watch else { return believed(now, uptime) };
    match doubt(watch, now, uptime) {
        Some(why) => {
            let since = watch.paused.as_ref().map_or(now, |paused| paused.since);
            Watch { paused: Some(Paused { since, why }), ..watch.clone() }
        }
        None => {
            let same = watch.anchor.as_ref().map(|anchor| &anchor.boot) == uptime.map(|uptime| &uptime.boot);
            let anchor = if same { watch.anchor.clone() } else { believed(now, uptime).anchor };
            Watch { seen: now, anchor, paused: None }
        }
    }
}

/// The clock is right, somebody says, or nobody knew anything before.
fn believed(now: Timestamp, uptime: Option<&Uptime>) -> Watch {
    let anchor = uptime.map(|uptime| Anchor {
        boot: uptime.boot.clone(),
        up_ms: u64::try_from(uptime.up.as_millis()).unwrap_or(u64::MAX),
        at: now,
    });
    Watch { seen: now, anchor, paused: None }
}

/// Begins to watch, before anything else is written: a store that knows nothing of the clock yet knows when something
/// was done in it last, and no clock is believed that is far from that.
///
/// # Errors
/// When the store fails.
pub async fn begin(store: &Store) -> Result<(), StoreError> {
    let begin = |tx: &mut Tx<'_>| {
        let last_line = audit::list(tx, &audit::Query::default(), None, 1)?.lines.first().map(|line| line.at);
        match tasks::newest_run(tx)?.max(last_line) {
            Some(seen) if clock::get(tx)?.is_none() => clock::put(tx, &Watch { seen, anchor: None, paused: None }),
            _ => Ok(()),
        }
    };
    match clock::get(&store.view())? {
        None => store.write::<_, StoreError>(begin).await,
        Some(_) => Ok(()),
    }
}

/// Looks at the clock and notes what is known: why sweep, notices and upkeep wait, if they do. A commit is made only
/// where there is news.
///
/// # Errors
/// When the store fails.
pub async fn check(store: &Store) -> Result<Option<Paused>, StoreError> {
    let before = clock::get(&store.view())?;
    let now = store.clock().now();
    let after = look(before.as_ref(), now, store.clock().uptime().as_ref());
    let is_news = before.as_ref().is_none_or(|before| {
        let noted = now.duration_since(before.seen).abs() < SignedDuration::from_secs(600);
        before.paused.is_some() != after.paused.is_some() || after.paused.is_none() && !noted
    });
    if is_news { note(store).await } else { Ok(after.paused) }
}

/// Looks and notes in one transaction, so that of several who look at once one tells what is new.
async fn note(store: &Store) -> Result<Option<Paused>, StoreError> {
    let uptime = store.clock().uptime();
    let write = move |tx: &mut Tx<'_>| {
        let before = clock::get(tx)?;
        let after = look(before.as_ref(), tx.now(), uptime.as_ref());
        clock::put(tx, &after)?;
        Ok::<_, StoreError>((before.is_some_and(|before| before.paused.is_some()), after.paused))
    };
    let (was_paused, paused) = store.write(write).await?;
    match &paused {
        Some(paused) if !was_paused => {
            tracing::error!("the clock is in doubt; sweep, notices and upkeep are paused: {}", paused.why);
        }
        None if was_paused => tracing::info!("the clock is right again; sweep, notices and upkeep go on"),
        _ => {}
    }
    Ok(paused)
}

/// Believes the clock because a person says so, and tells the audit trail.
///
/// # Errors
/// When the store fails.
pub async fn confirm(store: &Store, by: &Author) -> Result<(), StoreError> {
    let (uptime, by) = (store.clock().uptime(), by.clone());
    let write = move |tx: &mut Tx<'_>| {
        let mut entry = Entry::new("clock.confirmed", Target::Directory);
        if let Some(paused) = clock::paused(tx)? {
            entry.details.insert("in_doubt_since".to_owned(), paused.since.to_string().into());
        }
        clock::put(tx, &believed(tx.now(), uptime.as_ref()))?;
        audit::append(tx, &by, entry)
    };
    store.write::<_, StoreError>(write).await?;
    tracing::info!("somebody says that the clock is right; sweep, notices and upkeep go on");
    Ok(())
}

/// Looks at the clock now and then, so that a gap is one in which nobody looked.
pub struct ClockWatch {
    store: Arc<Store>,
    schedule: Schedule,
}

impl ClockWatch {
    /// A watch over the clock of this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, schedule: Schedule::every(EVERY) }
    }
}

impl Task for ClockWatch {
    fn name(&self) -> &str {
        "clock"
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let paused = check(&self.store).await.map_err(|error| error.to_string())?;
            Ok(paused.map_or_else(|| "it is believed".to_owned(), |paused| format!("in doubt: {}", paused.why)))
        })
    }
}

#[cfg(test)]
#[path = "clock/tests.rs"]
mod tests;

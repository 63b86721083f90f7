//! Settings that change while the daemon runs: read whole, looked at whole, and taken whole.
//!
//! What policy says is built into [`Inside`] and into the tasks; the next policy makes another of both beside the ones
//! that run, and puts them in their place once its change is on disk. Nothing is changed in place, so that each request
//! and each run goes by one policy from its beginning to its end.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::logins::{self, Ways};
use super::{logging, shown, sources};
use crate::config::{Fault, Faults, Loaded, Origin, Stored, differences, policy};
use crate::directory::audit::Author;
use crate::http::policies::{Outcome, Policies, PolicyError, Settling, Shown, Wish};
use crate::http::routes;
use crate::http::serve::Front;
use crate::http::state::{Inside, SourceInfo};
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{Store, StoreError, settings, users};
use crate::tasks::Task;

/// Until a run that a fault of the store has cut short is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// What runs, and how the next comes in its place.
pub struct Live {
    /// Who answers requests.
    pub(super) front: Arc<Front>,
    ways: Ways,
    /// One change at a time.
    now: Mutex<Now>,
}

/// What runs at present.
struct Now {
    inside: Arc<Inside>,
    loaded: Loaded,
}

/// What would run next.
struct Next {
    inside: Arc<Inside>,
    work: Vec<Arc<dyn Task>>,
    loaded: Loaded,
    outcome: Outcome,
}

impl Live {
    /// This runs.
    pub(super) fn new(inside: Arc<Inside>, loaded: Loaded, ways: Ways) -> Self {
        let front = Arc::new(Front::new(routes::router(inside.clone())));
        Self { front, ways, now: Mutex::new(Now { inside, loaded }) }
    }

    /// Reads the file again, because a signal asks for it. What is wrong with it is in the log.
    pub async fn hang_up(&self) {
        let by = Author::system("reload").because("SIGHUP");
        if let Err(error) = self.reload_as(by).await {
            tracing::error!("the settings stay as they were: {error}");
        }
    }

    /// Goes on with bulk changes and imports that something has cut short: now, and whenever the store cuts one short.
    pub(super) async fn go_on(&self, stop: &CancellationToken) {
        let goes_on = async {
            loop {
                let bulk = self.now.lock().await.inside.bulk.clone();
                if let Err(error) = bulk.resume().await {
                    tracing::error!(error = %error, "a run that was cut short cannot go on: it is tried again");
                }
                bulk.is_cut_short().await;
                tokio::time::sleep(RETRY).await;
            }
        };
        stop.run_until_cancelled(goes_on).await;
    }

    async fn change_as(&self, wish: Wish, by: Author) -> Result<Outcome, PolicyError> {
        let mut now = self.now.lock().await;
        let store = now.inside.store.clone();
        let (seen, stored) = (settings::revision(&store.view())?, stored(&store)?);
        if wish.seen.is_some_and(|expected| expected != seen) {
            return Err(WriteError::Stale { found: seen }.into());
        }
        let wishes = shown::resolve(wish.values, &now.loaded, &stored)?;
        let stored = with_wishes(stored, &wishes);
        let left_out: Vec<_> =
            now.loaded.left_out.iter().filter(|one| !wishes.contains_key(&one.key)).cloned().collect();
        let mut wanted = stored.clone();
        left_out.iter().for_each(|fault| _ = wanted.remove(&fault.key));
        let (written, at) = (now.loaded.written.clone(), store.clock().now());
        let read = tokio::task::spawn_blocking(move || written.with(&wanted, at)).await;
        let mut new = read.map_err(|_| StoreError::Stopped)?.map_err(shown::faults)?;
        shown::only_policy(&wishes)?;
        new.left_out = left_out;
        let keys: Vec<String> = wishes.keys().cloned().collect();
        let next = self.next(&now, new, &keys, &stored, seen)?;
        let mut outcome = next.outcome.clone();
        if wish.dry_run {
            // What would be is no revision that anybody can have seen.
            outcome.revision = seen;
        } else if !wishes.is_empty() {
            let changes = shown::audited(&keys, &now.loaded, &next.loaded);
            let write = move |tx: &mut Tx<'_>| settings::change(tx, &by, seen, &wishes, changes.clone());
            store.write(write).await?;
            self.take(&mut now, next);
        }
        Ok(outcome)
    }

    async fn reload_as(&self, by: Author) -> Result<Outcome, PolicyError> {
        let mut now = self.now.lock().await;
        let store = now.inside.store.clone();
        let (seen, stored) = (settings::revision(&store.view())?, stored(&store)?);
        let (written, wanted, at) = (now.loaded.written.clone(), stored.clone(), store.clock().now());
        let read = tokio::task::spawn_blocking(move || written.again()?.with_what_fits(wanted, at)).await;
        let read = read.map_err(|_| StoreError::Stopped)?;
        let new = read.and_then(|new| without_losses(&now.loaded, new)).map_err(|faults| {
            faults.0.iter().for_each(|fault| tracing::error!("{fault}"));
            shown::faults(faults)
        })?;
        let live = differences(&now.loaded, &new).into_iter();
        let live = live.filter(|one| policy::takes_effect(&one.key, &now.loaded, &new));
        let keys: Vec<String> = live.map(|one| one.key).collect();
        let next = self.next(&now, new, &keys, &stored, seen)?;
        let outcome = next.outcome.clone();
        let (changes, waits) = (shown::audited(&keys, &now.loaded, &next.loaded), outcome.needs_restart.clone());
        let let_in = sources::ways_in(&next.inside.sources);
        let write = move |tx: &mut Tx<'_>| {
            users::let_in(tx, &let_in)?;
            Ok(settings::reloaded(tx, &by, changes.clone(), &waits)?)
        };
        store.write::<_, WriteError>(write).await?;
        self.take(&mut now, next);
        shown::tell(&outcome);
        Ok(outcome)
    }

    /// Everything behind the routes by what was read, beside what runs; `keys` are the ones of what is new.
    fn next(&self, now: &Now, new: Loaded, keys: &[String], stored: &Stored, seen: u64) -> Result<Next, PolicyError> {
        let waits = differences(&now.loaded, &new).into_iter();
        let waits = waits.filter(|one| !policy::takes_effect(&one.key, &now.loaded, &new));
        let needs_restart = shown::shortened(waits);
        let mut loaded = now.loaded.taking(&new);
        let untimely = policy::untimely(&loaded.settings, &now.loaded.settings, &new.settings);
        if !untimely.is_empty() {
            return Err(PolicyError::Unready(format!("{}: restart first", untimely.join("; "))));
        }
        let built = sources::by(&loaded.settings, &now.inside.sources);
        loaded.doubts.extend(shut_out(&now.inside.store, &built)?);
        let revision = if keys.is_empty() { seen } else { seen.saturating_add(1) };
        let shown = shown::shown(&loaded, stored, revision, needs_restart.clone());
        let outcome = Outcome {
            changes: shown::changed(keys, &now.loaded, &loaded),
            needs_restart,
            doubts: shown.doubts.clone(),
            revision,
        };
        let (settings, before) = (&loaded.settings, &now.inside);
        let auth = logins::authenticator(&before.store, settings, &built, &self.ways, Some(&before.auth));
        let life = Arc::new(settings.lifecycle.clone());
        let sweep = Arc::new(before.sweep.by(life.clone()));
        let mut work = crate::lifecycle::work(&before.store, &life, &sweep);
        work.extend(sources::work(settings, &built));
        let inside = Arc::new(Inside {
            settings: settings.http.clone(),
            auth: Arc::new(auth.map_err(PolicyError::Unready)?),
            sources: built,
            sweep,
            bulk: Arc::new(before.bulk.by(super::bulk_rules(&life))),
            users: settings.lifecycle.users.clone(),
            shown: Arc::new(shown),
            ..(**before).clone()
        });
        Ok(Next { inside, work, loaded, outcome })
    }

    /// The next runs.
    fn take(&self, now: &mut Now, next: Next) {
        let Next { inside, work, loaded, .. } = next;
        inside.driver.replace(work);
        self.front.put(routes::router(inside.clone()));
        if let Err(error) = logging::set_level(&loaded.settings.log) {
            tracing::error!("the log goes on as it was: {error}");
        }
        *now = Now { inside, loaded };
    }
}

/// The same settings, with what was set at run time as far as it fits.
///
/// # Errors
/// In words.
pub(super) fn with_stored(loaded: &Loaded, store: &Store) -> Result<Loaded, String> {
    let stored = stored(store).map_err(|error| error.to_string())?;
    let loaded = loaded.written.with_what_fits(stored, store.clock().now()).map_err(|faults| faults.to_string())?;
    loaded.left_out.iter().for_each(|fault| tracing::warn!("{fault}"));
    Ok(loaded)
}

/// What is wrong where no source lets an administrator in.
pub(super) fn shut_out(store: &Store, built: &[SourceInfo]) -> Result<Option<Fault>, StoreError> {
    let shut_out = users::shut_out(&store.view(), &sources::ways_in(built), store.clock().now())?;
    Ok(shut_out.then(|| Fault {
        key: "sources".to_owned(),
        origin: Origin::Default,
        problem: "no administrator can log in: set login = true for the source of one, or make another one by \
                  \"musterd user\" on this machine"
            .to_owned(),
    }))
}

/// What is shown at the start.
///
/// # Errors
/// In words.
pub(super) fn shown(loaded: &Loaded, store: &Store) -> Result<Shown, String> {
    let both = stored(store).and_then(|stored| Ok((stored, settings::revision(&store.view())?)));
    let (stored, revision) = both.map_err(|error| error.to_string())?;
    Ok(shown::shown(loaded, &stored, revision, Vec::new()))
}

/// What was set at run time.
fn stored(store: &Store) -> Result<Stored, StoreError> {
    Ok(settings::list(&store.view())?.into_iter().map(|setting| (setting.key, setting.value)).collect())
}

fn with_wishes(mut stored: Stored, wishes: &BTreeMap<String, Option<Value>>) -> Stored {
    for (key, value) in wishes {
        match value {
            Some(value) => stored.insert(key.clone(), value.clone()),
            None => stored.remove(key),
        };
    }
    stored
}

/// Refuses what leaves out more of what was set at run time than a start did: that is for a person to take back.
fn without_losses(now: &Loaded, new: Loaded) -> Result<Loaded, Faults> {
    let is_known = |key: &str| now.left_out.iter().any(|fault| fault.key == key);
    let lost: Vec<_> = new.left_out.iter().filter(|fault| !is_known(&fault.key)).cloned().collect();
    if lost.is_empty() { Ok(new) } else { Err(Faults(lost)) }
}

/// The way from the routes to what holds them.
#[derive(Default)]
pub(super) struct Link(OnceLock<Weak<Live>>);

impl Link {
    /// Leads there from here on.
    pub(super) fn lead_to(&self, live: &Arc<Live>) {
        self.0.get_or_init(|| Arc::downgrade(live));
    }

    fn live(&self) -> Result<Arc<Live>, StoreError> {
        self.0.get().and_then(Weak::upgrade).ok_or(StoreError::Stopped)
    }
}

impl Policies for Link {
    fn change(&self, wish: Wish, by: Author) -> Settling<'_> {
        Box::pin(async move { self.live()?.change_as(wish, by).await })
    }

    fn reload(&self, by: Author) -> Settling<'_> {
        Box::pin(async move { self.live()?.reload_as(by).await })
    }
}

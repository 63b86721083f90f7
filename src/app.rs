//! The only place where the rooms are wired together: from settings to a daemon that listens.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::auth::factors::face::Face;
use crate::auth::jwt::Signer;
use crate::base::certificates::SeenCertificates;
use crate::base::secret::Secret;
use crate::config::Loaded;
use crate::directory::audit::Author;
use crate::http::scim::journal;
use crate::http::serve::Listeners;
use crate::http::state::Inside;
use crate::lifecycle::settings::Settings as LifecycleSettings;
use crate::lifecycle::sweep::Sweep;
use crate::notify::channel::Channel;
use crate::notify::dispatch::Outbox;
use crate::notify::webhooks::Webhook;
use crate::store::{Store, rotate, ways_in};
use crate::sync::bulk::Bulk;
use crate::sync::decide;
use crate::sync::rules::Rules;
use crate::sync::task::Follower;
use crate::tasks::Driver;

mod faces;
pub mod first_start;
mod last_runs;
mod live;
pub mod logging;
mod logins;
mod messages;
mod shown;
mod sources;
mod texts;
mod watching;

use last_runs::LastRuns;
use live::Link;
pub use live::Live;
use logins::Ways;
use watching::{Watched, Watching};

/// A daemon whose doors are open, ready to run.
pub struct Daemon {
    /// Everything behind the routes.
    pub inside: Arc<Inside>,
    /// Where to set the first administrator's password; only at the first start.
    pub first_link: Option<Secret>,
    /// What changes settings while it runs.
    pub live: Arc<Live>,
    listeners: Listeners,
    /// Sources that tell of changes.
    watched: Vec<Follower>,
    /// What leaves.
    outbox: Arc<Outbox>,
    webhooks: Vec<Arc<Webhook>>,
}

impl Daemon {
    /// Wires the rooms and opens the doors.
    ///
    /// # Errors
    /// In words, for the person who starts it.
    pub async fn build(loaded: Loaded, store: Store) -> Result<Self, String> {
        let store = Arc::new(store);
        let mut loaded = live::with_stored(&loaded, &store)?;
        let pinned_url = loaded.is_pinned("server.public_url");
        let listeners = Listeners::bind(&loaded.settings.http).await?;
        let http = &mut loaded.settings.http;
        http.listen = listeners.address().map_err(|error| error.to_string())?;
        if !pinned_url {
            http.public_url = format!("http://{}", http.listen);
        }
        let settings = &loaded.settings;
        crate::lifecycle::clock::begin(&store).await.map_err(|error| error.to_string())?;
        let (issuer, public_url) = (&settings.auth.issuer, &settings.http.public_url);
        let product = texts::product(issuer, public_url);
        let seen = SeenCertificates::default();
        let built = sources::build(&store, settings, &seen)?;
        ways_in::note(&store, sources::ways_in(&built)).await.map_err(|error| error.to_string())?;
        let shut_out = live::shut_out(&store, &built).map_err(|error| error.to_string())?;
        shut_out.iter().for_each(|doubt| tracing::warn!("{doubt}"));
        let face = settings.face.as_ref().map(|face| Face::new(face, issuer.clone())).transpose()?;
        let ways = Ways { sms: texts::sms(&settings.sms, &product, &store)?, face };
        let auth = Arc::new(logins::authenticator(&store, settings, &built, &ways, None)?);
        let jwt = Arc::new(Signer::new(store.clone(), settings.jwt.clone(), public_url.clone()));
        jwt.keep_keys().await.map_err(|error| error.to_string())?;
        let life = Arc::new(settings.lifecycle.clone());
        let sweep = Arc::new(Sweep::new(store.clone(), life.clone()));
        let bulk = Arc::new(Bulk::new(store.clone(), bulk_rules(&life)));
        bulk.drop_strays().await.map_err(|error| error.to_string())?;
        ways.sms.iter().for_each(|sms| sms.note_certificates(&seen));
        ways.face.iter().for_each(|face| face.note_certificates(&seen));
        let at_once = settings.mail.as_ref().map_or(1, |mail| mail.connections);
        let mail = messages::mail(settings.mail.as_ref(), &product, &seen)?;
        let outbox = messages::outbox(&store, (mail.clone(), at_once), ways.sms.clone(), ways.face.clone());
        let to_recipients = mail.clone().map(|mail| -> Arc<dyn Channel> { mail });
        let watching = Watching::begin(Watched::of(settings), &store, seen, (to_recipients, &outbox)).await?;
        let mut work = crate::lifecycle::work(&store, &life, &sweep);
        work.push(outbox.clone());
        work.extend(watching.work());
        if jwt.settings.enabled {
            work.push(jwt.clone());
        }
        work.extend(sources::work(settings, &built));
        let driver = Arc::new(Driver::new(work, Arc::new(LastRuns(store.clone())), store.clock().clone()));
        let leaving = watching.webhooks();
        let (alarms, webhooks) = watching.shown(&driver);
        let watched = sources::watched(&settings.sources, &built);
        loaded.doubts.extend(shut_out);
        let link = Arc::new(Link::default());
        let inside = Arc::new(Inside {
            settings: settings.http.clone(),
            journal: Arc::new(journal::Journal::new(&settings.scim)),
            pages: Arc::default(),
            scim: settings.scim.clone(),
            shown: Arc::new(live::shown(&loaded, &store)?),
            store,
            auth,
            jwt,
            sources: built,
            sweep,
            bulk,
            driver,
            mails: mail.map(messages::tried),
            texts: ways.sms.clone().map(texts::tried),
            alarms,
            webhooks: webhooks.into(),
            metrics: Arc::default(),
            users: settings.lifecycle.users.clone(),
            policies: link.clone(),
        });
        go_on(&inside).await?;
        let first_link = first_start::first_administrator(&inside).await?;
        let live = Arc::new(Live::new(inside.clone(), loaded, ways));
        link.lead_to(&live);
        Ok(Self { inside, live, first_link, listeners, watched, outbox, webhooks: leaving })
    }

    /// Runs until `stop`, then drains.
    ///
    /// # Errors
    /// When background work cannot start.
    pub async fn run(self, stop: CancellationToken) -> Result<(), String> {
        let drain = self.inside.settings.drain;
        let serving = self.listeners.serve(self.live.front.clone(), stop.clone(), drain);
        let driving = self.inside.driver.clone().drive(stop.clone());
        let driving = async {
            let outcome = driving.await;
            // Without background work nobody expires and nothing is kept in step: better to stop and say so.
            stop.cancel();
            outcome
        };
        let watching = sources::watch_all(self.watched, &self.inside.driver, &stop);
        let stopping = async {
            stop.cancelled().await;
            self.outbox.stop();
            self.webhooks.iter().for_each(|webhook| webhook.stop());
        };
        // It goes on until the last request has been answered.
        let answered = CancellationToken::new();
        let serving = async {
            serving.await;
            answered.cancel();
        };
        let keeping = self.inside.journal.drive(&self.inside.store, &answered);
        let resuming = self.live.go_on(&answered);
        let ((), driven, (), (), (), ()) = tokio::join!(serving, driving, watching, keeping, stopping, resuming);
        driven
    }
}

/// What holds for changes of many users: the budget is that of sweeps.
fn bulk_rules(life: &LifecycleSettings) -> Rules {
    Rules { budget: life.budget, users: life.users.clone(), ..Rules::default() }
}

/// Goes on with what an end of the daemon had cut short.
async fn go_on(inside: &Inside) -> Result<(), String> {
    let resumed = decide::resume(&inside.store, &inside.users).await.map_err(|error| error.to_string())?;
    if resumed > 0 {
        tracing::info!(plans = resumed, "approved plans that an end had cut short are applied");
    }
    let resealed = rotate::finish(&inside.store, &Author::system("key rotation")).await;
    if let Some(values) = resealed.map_err(|error| error.to_string())? {
        tracing::info!(store.values = values, "a change of keys that an end had cut short is done");
    }
    Ok(())
}

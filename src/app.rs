//! The only place where the rooms are wired together: from settings to a daemon that listens.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::breaker::Breaker;
use crate::auth::factors::code::{Channel as CodeChannel, CodeKind};
use crate::auth::factors::face::Face;
use crate::auth::factors::passkey::PasskeyKind;
use crate::auth::factors::totp::TotpKind;
use crate::auth::factors::{Factors, Kind};
use crate::auth::hasher::Hasher;
use crate::auth::jwt::Signer;
use crate::auth::login::{Authenticator, Newcomers};
use crate::auth::passkeys::{Passkeys, Place};
use crate::auth::settings::{FactorSettings, Settings as AuthSettings};
use crate::auth::throttle::Throttle;
use crate::auth::verify::Backend;
use crate::base::certificates::SeenCertificates;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::config::{Loaded, Settings, SourceKind as Configured, SourceSettings};
use crate::directory::audit::Author;
use crate::directory::factor::Method;
use crate::directory::grant::Grant;
use crate::directory::policy::{MfaMode, UserDefaults};
use crate::directory::user::User;
use crate::http::metrics::Metrics;
use crate::http::routes;
use crate::http::scim::journal;
use crate::http::scim::pages::Pages;
use crate::http::serve::Listeners;
use crate::http::state::{Inside, SourceInfo, SourceKind};
use crate::lifecycle::sweep::Sweep;
use crate::notify::channel::Channel;
use crate::notify::dispatch::Outbox;
use crate::notify::sms::Sms;
use crate::notify::webhooks::Webhook;
use crate::sources::ldap::LdapSource;
use crate::sources::scim_pull::ScimSource;
use crate::sources::{PulledUser, Source};
use crate::store::{Store, StoreError, rotate, ways_in};
use crate::sync::decide;
use crate::sync::pass::Pass;
use crate::sync::rules::Rules;
use crate::sync::task::{Follower, SyncTask};
use crate::tasks::Driver;

mod faces;
pub mod first_start;
mod last_runs;
pub mod logging;
mod messages;
mod texts;
mod watching;

use last_runs::LastRuns;
use watching::{Watched, Watching};

/// A daemon whose doors are open, ready to run.
pub struct Daemon {
    /// Everything behind the routes.
    pub inside: Arc<Inside>,
    /// Where to set the first administrator's password; only at the first start.
    pub first_link: Option<Secret>,
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
        let effective = loaded.effective.iter().map(|one| serde_json::to_value(one).unwrap_or_default()).collect();
        let pinned_url = loaded.is_pinned("server.public_url");
        let watched = Watched::of(&loaded.settings);
        let Settings { mut http, mut auth, jwt, lifecycle, sources, scim, face, mail, sms, .. } = loaded.settings;

        let listeners = Listeners::bind(&http).await?;
        http.listen = listeners.address().map_err(|error| error.to_string())?;
        if !pinned_url {
            http.public_url = format!("http://{}", http.listen);
        }
        let store = Arc::new(store);
        crate::lifecycle::clock::begin(&store).await.map_err(|error| error.to_string())?;
        let product = texts::product(&auth.issuer, &http.public_url);
        let sms = texts::sms(&sms, &product, &store)?;
        let users = lifecycle.users.clone();
        let seen = SeenCertificates::default();
        let built = build_sources(&store, &sources, &users, &seen)?;
        let ways_in = built.iter().filter(|source| source.login).map(|source| source.id.clone());
        ways_in::note(&store, ways_in.collect()).await.map_err(|error| error.to_string())?;
        let newcomers = Arc::new(Takers(built.iter().filter_map(|source| source.pulled.clone()).collect()));
        let always_asked = sources.iter().filter(|source| source.mfa).map(|source| source.id.clone());
        auth.mfa.rules.sources = always_asked.collect();
        auth.forgotten_password &= mail.is_some();
        let passkeys = passkeys(&auth, &http.public_url)?;
        let face = face.map(|face| Face::new(&face, auth.issuer.clone())).transpose()?;
        let auth = Arc::new(Authenticator {
            hasher: Hasher::start(&auth.hashing, store.rng())?,
            throttle: Throttle::new(auth.lockout.clone(), store.clone()),
            backends: backends(&sources, &built),
            newcomers,
            beside: TaskTracker::new(),
            grants: grants(&sources).into(),
            factors: factors(&auth, passkeys.as_ref(), sms.as_ref(), face.as_ref()),
            passkeys,
            store: store.clone(),
            settings: auth,
        });
        let jwt = Arc::new(Signer::new(store.clone(), jwt, http.public_url.clone()));
        jwt.keep_keys().await.map_err(|error| error.to_string())?;
        let life = Arc::new(lifecycle);
        let sweep = Arc::new(Sweep::new(store.clone(), life.clone()));
        sms.iter().for_each(|sms| sms.note_certificates(&seen));
        face.iter().for_each(|face| face.note_certificates(&seen));
        let at_once = mail.as_ref().map_or(1, |mail| mail.connections);
        let mail = messages::mail(mail.as_ref(), &product, &seen)?;
        let outbox = messages::outbox(&store, (mail.clone(), at_once), sms.clone(), face);
        let to_recipients = mail.clone().map(|mail| -> Arc<dyn Channel> { mail });
        let watching = Watching::begin(watched, &store, seen, (to_recipients, &outbox)).await?;
        let mut work = crate::lifecycle::work(&store, &life, &sweep);
        work.push(outbox.clone());
        work.extend(watching.work());
        if jwt.settings.enabled {
            work.push(jwt.clone());
        }
        for (settings, source) in sources.iter().zip(&built) {
            if let Some((schedule, follower)) = settings.schedule.clone().zip(source.pulled.clone()) {
                work.push(Arc::new(SyncTask::new(follower, schedule)));
            }
        }
        let driver = Arc::new(Driver::new(work, Arc::new(LastRuns(store.clone())), store.clock().clone()));
        let leaving = watching.webhooks();
        let (alarms, webhooks) = watching.shown(&driver);
        let watched = self::watched(&sources, &built);
        let inside = Arc::new(Inside {
            settings: http,
            journal: journal::Journal::new(&scim),
            pages: Pages::default(),
            scim,
            store,
            auth,
            jwt,
            sources: built,
            sweep,
            driver,
            mails: mail.map(messages::tried),
            texts: sms.map(texts::tried),
            alarms,
            webhooks,
            metrics: Metrics::default(),
            users,
            effective,
        });
        let resumed = decide::resume(&inside.store, &inside.users).await.map_err(|error| error.to_string())?;
        if resumed > 0 {
            tracing::info!(plans = resumed, "approved plans that an end had cut short are applied");
        }
        let resealed = rotate::finish(&inside.store, &Author::system("key rotation")).await;
        if let Some(values) = resealed.map_err(|error| error.to_string())? {
            tracing::info!(store.values = values, "a change of keys that an end had cut short is done");
        }
        let first_link = first_start::first_administrator(&inside).await?;
        Ok(Self { inside, first_link, listeners, watched, outbox, webhooks: leaving })
    }

    /// Runs until `stop`, then drains.
    ///
    /// # Errors
    /// When background work cannot start.
    pub async fn run(self, stop: CancellationToken) -> Result<(), String> {
        let router = routes::router(self.inside.clone());
        let drain = self.inside.settings.drain;
        let serving = self.listeners.serve(router, stop.clone(), drain);
        let driving = self.inside.driver.clone().drive(stop.clone());
        let driving = async {
            let outcome = driving.await;
            // Without background work nobody expires and nothing is kept in step: better to stop and say so.
            stop.cancel();
            outcome
        };
        let watching = watch_all(self.watched, &self.inside.driver, &stop);
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
        let ((), driven, (), (), ()) = tokio::join!(serving, driving, watching, keeping, stopping);
        driven
    }
}

/// Passkeys, where the settings want them and browsers would use them at the public address.
fn passkeys(settings: &AuthSettings, public_url: &str) -> Result<Option<Arc<Passkeys>>, String> {
    if !settings.mfa.methods.contains(&Method::Passkey) {
        return Ok(None);
    }
    match Place::find(&settings.passkeys, public_url) {
        Ok(place) => Ok(Some(Arc::new(Passkeys::open(place, &settings.issuer, settings.passkeys.sign_count)?))),
        Err(problem) if settings.mfa.rules.mode == MfaMode::Off => {
            tracing::info!("there are no passkeys here: {problem}");
            Ok(None)
        }
        Err(problem) => {
            tracing::warn!("second factors are asked for, and the one that cannot be phished is missing: {problem}");
            Ok(None)
        }
    }
}

/// The second factors that the settings want.
fn factors(
    settings: &AuthSettings,
    passkeys: Option<&Arc<Passkeys>>,
    sms: Option<&Arc<Sms>>,
    face: Option<&Arc<Face>>,
) -> Factors {
    let wanted = |method| settings.mfa.methods.contains(&method);
    let code = |channel| -> Arc<dyn Kind> {
        let FactorSettings { code_life, resend_after, .. } = settings.mfa;
        Arc::new(CodeKind { channel, life: code_life, resend_after })
    };
    let mut kinds: Vec<Arc<dyn Kind>> = Vec::new();
    if wanted(Method::Totp) {
        kinds.push(Arc::new(TotpKind { issuer: settings.issuer.clone() }));
    }
    if let Some(passkeys) = passkeys {
        kinds.push(Arc::new(PasskeyKind { passkeys: passkeys.clone() }));
    }
    if wanted(Method::Email) {
        kinds.push(code(CodeChannel::Mail));
    }
    if let Some(sms) = sms.filter(|_| wanted(Method::Sms)) {
        kinds.push(code(CodeChannel::Sms(sms.policy().clone())));
    }
    if let Some(face) = face.filter(|_| wanted(Method::Face)) {
        kinds.push(face.clone());
    }
    Factors::new(kinds)
}

/// What groups of all the sources give.
fn grants(settings: &[SourceSettings]) -> Vec<Grant> {
    let of = |source: &SourceSettings| {
        let (id, rules) = (source.id.clone(), source.rules.grants.clone());
        rules.into_iter().map(move |rule| Grant { source: id.clone(), rule })
    };
    settings.iter().flat_map(of).collect()
}

/// The sources whose servers tell of changes, as the settings want it.
fn watched(settings: &[SourceSettings], built: &[SourceInfo]) -> Vec<Follower> {
    let is_watched = |source: &SourceSettings| matches!(&source.kind, Configured::Ldap(ldap) if ldap.watch);
    let both = settings.iter().zip(built).filter(|(settings, _)| is_watched(settings));
    both.filter_map(|(_, source)| source.pulled.clone()).collect()
}

/// Runs a pass whenever a source says that something changed.
async fn watch_all(watched: Vec<Follower>, driver: &Arc<Driver>, stop: &CancellationToken) {
    let mut watching = tokio::task::JoinSet::new();
    for follower in watched {
        let (driver, stop) = (driver.clone(), stop.clone());
        watching.spawn(async move {
            let name = Follower::task_name(follower.source.id());
            tokio::select! {
                () = stop.cancelled() => {}
                () = follower.watch(|| _ = driver.poke(&name)) => {}
            }
        });
    }
    while watching.join_next().await.is_some() {}
}

fn build_sources(
    store: &Arc<Store>,
    settings: &[SourceSettings],
    users: &UserDefaults,
    seen: &SeenCertificates,
) -> Result<Vec<SourceInfo>, String> {
    settings.iter().map(|source| build_source(store, source, users, seen)).collect()
}

fn build_source(
    store: &Arc<Store>,
    settings: &SourceSettings,
    users: &UserDefaults,
    seen: &SeenCertificates,
) -> Result<SourceInfo, String> {
    let id = &settings.id;
    let faults = |faults: Vec<(&'static str, String)>| {
        let faults = faults.iter().map(|(key, problem)| format!("sources.{id}.{key} {problem}"));
        faults.collect::<Vec<_>>().join("\n")
    };
    let follower = |source: Arc<dyn Source>, groups: bool, unique_ids: bool| {
        let rules = Rules { users: users.clone(), groups, unique_ids, ..settings.rules.clone() };
        settings.enabled.then(|| Follower::new(source, Pass::new(store.clone(), rules)))
    };
    let (kind, pulled) = match &settings.kind {
        Configured::Local => (SourceKind::Local, None),
        Configured::Scim { .. } => (SourceKind::Scim, None),
        Configured::Ldap(ldap) => {
            let source = LdapSource::with_clock(ldap.as_ref().clone(), store.clock().clone()).map_err(faults)?;
            let source = source.noting_certificates(seen);
            let unique_ids = source.has_unique_ids();
            (SourceKind::Ldap, follower(Arc::new(source), ldap.groups, unique_ids))
        }
        Configured::ScimPull { settings: scim, .. } => {
            let source = ScimSource::new(scim.as_ref().clone(), store.clock().clone()).map_err(faults)?;
            let source = source.noting_certificates(seen);
            // The service makes them, and a reading gives none twice.
            (SourceKind::ScimPull, follower(Arc::new(source), scim.groups, true))
        }
    };
    let push = match &settings.kind {
        Configured::Scim { push, .. } => Some(push.clone()),
        _ => None,
    };
    Ok(SourceInfo {
        id: settings.id.clone(),
        kind,
        push,
        enabled: settings.enabled,
        login: settings.enabled && settings.login,
        pulled,
    })
}

/// The sources as the login asks them. A disabled one stays in the list: its users are told so.
fn backends(settings: &[SourceSettings], built: &[SourceInfo]) -> Vec<Backend> {
    let verifier = |follower: &Follower| -> Arc<dyn Source> { follower.source.clone() };
    let backend = |(settings, source): (&SourceSettings, &SourceInfo)| Backend {
        id: source.id.clone(),
        login: source.login,
        keeps_passwords: match &settings.kind {
            Configured::Local => true,
            Configured::Scim { verify_with, .. } | Configured::ScimPull { verify_with, .. } => verify_with.is_none(),
            Configured::Ldap(_) => false,
        },
        // A SCIM service cannot be asked whether a password is right.
        verifier: source.pulled.as_ref().filter(|_| source.kind == SourceKind::Ldap).map(verifier),
        verify_with: settings.kind.verify_with().cloned(),
        breaker: Breaker::default(),
        outage_cache: settings.outage_cache,
        lockout: settings.lockout,
    };
    settings.iter().zip(built).map(backend).collect()
}

/// Takes in, through plan and apply, whom a source verified and the directory does not know.
struct Takers(Vec<Follower>);

impl Newcomers for Takers {
    fn take<'a>(
        &'a self,
        source: &'a SourceId,
        entry: PulledUser,
    ) -> Pin<Box<dyn Future<Output = Result<Option<User>, StoreError>> + Send + 'a>> {
        Box::pin(async move {
            match self.0.iter().find(|follower| follower.source.id() == source) {
                Some(follower) => follower.pass.take_one(source, entry).await,
                None => Ok(None),
            }
        })
    }
}

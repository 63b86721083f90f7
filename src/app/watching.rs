//! Joins what watches over the daemon with what there is to watch: alarms, webhooks, certificates.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use crate::base::certificates::SeenCertificates;
use crate::base::id::SourceId;
use crate::config::{Settings, SourceKind};
use crate::directory::message::Via;
use crate::http::state::{Alarms, TriedWebhook, WebhookInfo, WebhookTrial, WebhookTried};
use crate::notify::alarms::{
    self, By, CertificateFile, Certificates, EndingTokens, FailedRuns, FailedTasks, FirstReadings, HeldRuns, Kind,
    Probe, Storage, StuckMail, StuckWebhooks, Tasks, Watch,
};
use crate::notify::channel::Channel;
use crate::notify::dispatch::Outbox;
use crate::notify::webhooks::settings::Settings as WebhookSettings;
use crate::notify::webhooks::{Webhook, forget_others};
use crate::store::alarms::Alarm;
use crate::store::tx::Reads;
use crate::store::{Settings as StoreSettings, Store, StoreError, clock};
use crate::tasks::{Driver, Task};

/// What the settings say of it all.
pub(super) struct Watched {
    alerts: alarms::Settings,
    webhooks: Vec<WebhookSettings>,
    sources: Vec<SourceId>,
    store: StoreSettings,
    files: Vec<(String, CertificateFile)>,
    has_mail: bool,
}

impl Watched {
    /// Out of all settings.
    pub(super) fn of(settings: &Settings) -> Self {
        let read = settings.sources.iter().filter(|source| source.enabled && source.schedule.is_some());
        Self {
            alerts: settings.alerts.clone(),
            webhooks: settings.webhooks.clone(),
            sources: read.map(|source| source.id.clone()).collect(),
            store: settings.store.clone(),
            files: files(settings),
            has_mail: settings.mail.is_some(),
        }
    }
}

/// The files of the settings that hold certificates, by their keys.
fn files(settings: &Settings) -> Vec<(String, CertificateFile)> {
    let (mut files, mut own) = (Vec::new(), Vec::new());
    let mut note = |key: String, file: Option<&PathBuf>| {
        files.extend(file.map(|file| (key, CertificateFile::Authorities(file.clone()))))
    };
    for source in &settings.sources {
        let key = |key: &str| format!("sources.{}.{key}", source.id);
        match &source.kind {
            SourceKind::Ldap(ldap) => {
                note(key("ca_file"), ldap.ca_file.as_ref());
                let file = ldap.client_cert_file.clone();
                own.extend(file.map(|file| (key("client_cert_file"), CertificateFile::Own(file))));
            }
            SourceKind::ScimPull { settings, .. } => note(key("ca_file"), settings.ca_file.as_ref()),
            SourceKind::Local | SourceKind::Scim { .. } => {}
        }
    }
    for webhook in &settings.webhooks {
        note(format!("webhooks.{}.ca_file", webhook.name), webhook.ca_file.as_ref());
    }
    for provider in &settings.sms.providers {
        note(format!("sms.{}.ca_file", provider.name), provider.ca_file.as_ref());
    }
    note("mail.ca_file".to_owned(), settings.mail.as_ref().and_then(|mail| mail.ca_file.as_ref()));
    note("face.ca_file".to_owned(), settings.face.as_ref().and_then(|face| face.ca_file.as_ref()));
    files.extend(own);
    files
}

/// Why sweep, notices and upkeep wait, if they do.
fn clock_in_doubt(reads: &dyn Reads) -> Result<Option<String>, StoreError> {
    Ok(clock::paused(reads)?.map(|paused| paused.why))
}

/// Is the mail server found to be down at present?
fn is_down(outbox: &Arc<Outbox>) -> Box<dyn Fn() -> bool + Send + Sync> {
    let outbox = outbox.clone();
    Box::new(move || outbox.is_closed(Via::Mail))
}

/// What watches.
pub(super) struct Watching {
    watch: Arc<Watch>,
    webhooks: Vec<(Arc<Webhook>, WebhookInfo)>,
    driver: Arc<OnceLock<Weak<Driver>>>,
}

impl Watching {
    /// Begins: webhooks that are new stand at the end of the trail from here on.
    ///
    /// # Errors
    /// In words.
    pub(super) async fn begin(
        watched: Watched,
        store: &Arc<Store>,
        seen: SeenCertificates,
        (mail, outbox): (Option<Arc<dyn Channel>>, &Arc<Outbox>),
    ) -> Result<Self, String> {
        let names: Vec<String> = watched.webhooks.iter().map(|webhook| webhook.name.clone()).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        forget_others(store, &known).await.map_err(|error| error.to_string())?;
        let mut webhooks = Vec::new();
        for settings in watched.webhooks {
            let events = settings.events.iter().map(ToString::to_string).collect();
            let (name, url) = (settings.name.clone(), settings.url.clone());
            let webhook = Arc::new(Webhook::begin(settings, store.clone()).await?.noting_certificates(&seen));
            let trial = Arc::new(Trial(webhook.clone()));
            webhooks.push((webhook, WebhookInfo { name, url, events, trial }));
        }
        let driver = Arc::<OnceLock<Weak<Driver>>>::default();
        let known = driver.clone();
        let tasks: Tasks =
            Arc::new(move || known.get().and_then(Weak::upgrade).map(|driver| driver.status()).unwrap_or_default());
        let probes: Vec<Box<dyn Probe>> = vec![
            Box::new(HeldRuns),
            Box::new(FailedRuns::new(watched.sources.clone(), tasks.clone())),
            Box::new(FailedTasks(tasks)),
            Box::new(StuckMail { is_configured: watched.has_mail, is_down: is_down(outbox) }),
            Box::new(Storage { folder: watched.store.folder, reserve: watched.store.reserve_bytes }),
            Box::new(Certificates { seen, files: watched.files, began: store.clock().now() }),
            Box::new(StuckWebhooks(names)),
            Box::new(EndingTokens::default()),
            Box::new(By { kind: Kind::SweepPaused, look: clock_in_doubt }),
        ];
        let readings = FirstReadings(watched.sources);
        let watch = Watch::new(store.clone(), watched.alerts, probes, readings, mail);
        Ok(Self { watch: Arc::new(watch.map_err(|error| error.to_string())?), webhooks, driver })
    }

    /// What leaves for webhooks.
    pub(super) fn webhooks(&self) -> Vec<Arc<Webhook>> {
        self.webhooks.iter().map(|(webhook, _)| webhook.clone()).collect()
    }

    /// The background work of it.
    pub(super) fn work(&self) -> Vec<Arc<dyn Task>> {
        let watch: Arc<dyn Task> = self.watch.clone();
        let webhooks = self.webhooks.iter().map(|(webhook, _)| -> Arc<dyn Task> { webhook.clone() });
        webhooks.chain([watch]).collect()
    }

    /// What runs the background work is watched too. Gives what the API shows.
    pub(super) fn shown(self, driver: &Arc<Driver>) -> (Arc<dyn Alarms>, Vec<WebhookInfo>) {
        self.driver.get_or_init(|| Arc::downgrade(driver));
        let alarms = Arc::new(Active(self.watch));
        (alarms, self.webhooks.into_iter().map(|(_, info)| info).collect())
    }
}

struct Active(Arc<Watch>);

impl Alarms for Active {
    fn active(&self) -> Vec<Alarm> {
        self.0.active()
    }
}

struct Trial(Arc<Webhook>);

impl WebhookTrial for Trial {
    fn run(&self) -> WebhookTried<'_> {
        Box::pin(async {
            let trial = self.0.test().await?;
            let took_ms = u64::try_from(trial.took.as_millis()).unwrap_or(u64::MAX);
            Ok(TriedWebhook { accepted: trial.accepted, said: trial.said, took_ms })
        })
    }
}

//! Joins the sources of the settings with the store: who reads them, by which rules, and when.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::base::certificates::SeenCertificates;
use crate::base::id::SourceId;
use crate::config::{Settings, SourceKind as Configured, SourceSettings};
use crate::directory::policy::UserDefaults;
use crate::http::state::{SourceInfo, SourceKind};
use crate::sources::Source;
use crate::sources::ldap::LdapSource;
use crate::sources::scim_pull::ScimSource;
use crate::store::Store;
use crate::sync::pass::Pass;
use crate::sync::rules::Rules;
use crate::sync::task::{Follower, SyncTask};
use crate::tasks::{Driver, Task};

/// The sources, in their order.
///
/// # Errors
/// What is wrong with the settings of one.
pub(super) fn build(
    store: &Arc<Store>,
    settings: &Settings,
    seen: &SeenCertificates,
) -> Result<Vec<SourceInfo>, String> {
    let users = &settings.lifecycle.users;
    settings.sources.iter().map(|source| build_source(store, source, users, seen)).collect()
}

/// The same sources by other settings of the same list: who reads them goes on.
pub(super) fn by(settings: &Settings, before: &[SourceInfo]) -> Vec<SourceInfo> {
    let by = |one: &SourceSettings| {
        let known = before.iter().find(|source| source.id == one.id)?;
        let rules = Rules { users: settings.lifecycle.users.clone(), ..one.rules.clone() };
        Some(info(one, known.kind, known.pulled.as_ref().map(|follower| follower.by(rules))))
    };
    settings.sources.iter().filter_map(by).collect()
}

/// Those whose users may come in.
pub(super) fn ways_in(built: &[SourceInfo]) -> BTreeSet<SourceId> {
    built.iter().filter(|source| source.login).map(|source| source.id.clone()).collect()
}

/// The work of reading them.
pub(super) fn work(settings: &Settings, built: &[SourceInfo]) -> Vec<Arc<dyn Task>> {
    let task = |(settings, source): (&SourceSettings, &SourceInfo)| -> Option<Arc<dyn Task>> {
        let (schedule, follower) = settings.schedule.clone().zip(source.pulled.clone())?;
        Some(Arc::new(SyncTask::new(follower, schedule)))
    };
    settings.sources.iter().zip(built).filter_map(task).collect()
}

fn info(settings: &SourceSettings, kind: SourceKind, pulled: Option<Follower>) -> SourceInfo {
    let push = match &settings.kind {
        Configured::Scim { push, .. } => Some(push.clone()),
        _ => None,
    };
    let login = settings.enabled && settings.login;
    SourceInfo { id: settings.id.clone(), kind, push, enabled: settings.enabled, login, pulled }
}

/// The sources whose servers tell of changes, as the settings want it.
pub(super) fn watched(settings: &[SourceSettings], built: &[SourceInfo]) -> Vec<Follower> {
    let is_watched = |source: &SourceSettings| matches!(&source.kind, Configured::Ldap(ldap) if ldap.watch);
    let both = settings.iter().zip(built).filter(|(settings, _)| is_watched(settings));
    both.filter_map(|(_, source)| source.pulled.clone()).collect()
}

/// Runs a pass whenever a source says that something changed.
pub(super) async fn watch_all(watched: Vec<Follower>, driver: &Arc<Driver>, stop: &CancellationToken) {
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
    Ok(info(settings, kind, pulled))
}

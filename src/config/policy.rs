//! Which settings are policy, and can be changed while the daemon runs; which others take effect when the file is read
//! again. Everything else is wiring, and wants a restart.

use super::{Effective, Fault, Loaded, Origin, Settings, SourceKind, SourceSettings, sections};
use crate::base::id::SourceId;
use crate::{auth, http};

/// The sections of policy.
const POLICY: &[&str] = &[
    "audit",
    "inactivity",
    "inactivity.roles",
    "lockout",
    "login",
    "mfa",
    "notices",
    "passwords",
    "sessions",
    "sweep",
    "upkeep",
    "users",
];
/// Their keys that are none: files of this machine, and a name that other rooms are built with.
const WIRING: &[&str] = &["mfa.issuer", "passwords.breached_set"];
/// What else takes effect when the file is read again.
const LIVE: &[&str] = &[
    "log.level",
    "passwords.breached_set",
    "server.body_limit",
    "server.import_limit",
    "server.request_timeout",
    "server.trusted_proxies",
];
/// The same, of each source.
const LIVE_OF_SOURCES: &[&str] = &[
    "absent_grace",
    "adopts",
    "budget_count",
    "budget_floor",
    "budget_percent",
    "complete_every",
    "conflicts",
    "group_grants",
    "inactivity",
    "jitter",
    "kept",
    "lockout_attempts",
    "lockout_wait",
    "login",
    "mfa",
    "outage_cache",
    "schedule",
    "time_zone",
    "unique_group_names",
];

/// The key by which logins ask sources in another order than the file has them: that of the file alone, which no key
/// tells, waits for a restart.
const ORDER: &str = "login.order";
/// The key that is doubted where nobody is told before being disabled.
const SILENT: &str = "inactivity.threshold";

/// Can this setting be changed at run time?
#[must_use]
pub fn is_policy(key: &str) -> bool {
    let is_within = key.rsplit_once('.').is_some_and(|(section, _)| POLICY.contains(&section));
    is_within && !POLICY.contains(&key) && !WIRING.contains(&key)
}

/// Does it take effect at once when the file is read again?
#[must_use]
pub fn is_live(key: &str) -> bool {
    let of_source = || key.strip_prefix("sources.")?.split_once('.').map(|(_, key)| LIVE_OF_SOURCES.contains(&key));
    let parts = ["forward_auth.", "sources.local."];
    is_policy(key)
        || LIVE.contains(&key)
        || parts.iter().any(|part| key.starts_with(part))
        || of_source().unwrap_or_default()
}

/// Does a difference between two readings take effect at once?
#[must_use]
pub fn takes_effect(key: &str, old: &Loaded, new: &Loaded) -> bool {
    is_live(key) && source_of(key).is_none_or(|source| is_same_source(source, old, new))
}

/// What these settings would do before what it goes by is there, because that waits for a restart: each in words.
/// `running` are those from before, `new` those of the whole reading.
#[must_use]
pub fn untimely(taken: &Settings, running: &Settings, new: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    for method in taken.auth.mfa.methods.iter().filter(|method| !taken.has_way(**method)) {
        found.push(format!("mfa.methods names {}, and what that goes by begins with a restart", method.name()));
    }
    let (before, inactivity) = (&running.lifecycle.inactivity, &taken.lifecycle.inactivity);
    let mail_waits = taken.mail.is_none() && new.mail.is_some();
    if mail_waits && inactivity != before && sections::users::disables(inactivity) {
        found.push("inactivity would disable quiet accounts untold, and [mail] begins with a restart".to_owned());
    }
    found
}

/// The source that a key belongs to.
fn source_of(key: &str) -> Option<&str> {
    key.strip_prefix("sources.").and_then(|rest| rest.split_once('.')).map(|(source, _)| source)
}

/// The local source is there, whether anybody names it or not. Another one that is new, gone or of another kind wants a
/// restart as a whole.
fn is_same_source(source: &str, old: &Loaded, new: &Loaded) -> bool {
    let key = format!("sources.{source}.kind");
    let kind = |loaded: &Loaded| loaded.effective.iter().find(|one| one.key == key).map(|one| one.value.clone());
    SourceId::parse(source).is_ok_and(|source| source.is_local())
        || kind(old).is_some_and(|kind_of_old| kind(new) == Some(kind_of_old))
}

impl Loaded {
    /// What a daemon runs by that ran by this, and took what takes effect at once of the other reading. What waits for a
    /// restart stays as it is, and differs from the next reading again.
    #[must_use]
    pub fn taking(&self, new: &Self) -> Self {
        let takes = |one: &&Effective| takes_effect(&one.key, self, new);
        let stays = self.effective.iter().filter(|one| !takes(one));
        let mut effective: Vec<Effective> = stays.chain(new.effective.iter().filter(takes)).cloned().collect();
        let place = |loaded: &Self, key: &str| loaded.effective.iter().position(|one| one.key == key);
        effective.sort_by_cached_key(|one| (place(self, &one.key).unwrap_or(usize::MAX), place(new, &one.key)));
        let mut settings = self.settings.taking(&new.settings);
        let order = |loaded: &Self| loaded.effective.iter().find(|one| one.key == ORDER).map(|one| one.value.clone());
        if order(self) != order(new) {
            let place = |one: &SourceSettings| new.settings.sources.iter().position(|other| other.id == one.id);
            settings.sources.sort_by_key(|one| place(one).unwrap_or(usize::MAX));
        }
        let mut doubts = new.doubts.clone();
        // The other reading may have the [mail] that this daemon lacks until it starts again.
        let silence = sections::users::silence(&settings.lifecycle);
        if let Some(problem) = silence.filter(|_| doubts.iter().all(|doubt| doubt.key != SILENT)) {
            let set = effective.iter().find(|one| one.key == SILENT);
            let origin = set.map_or(Origin::Default, |one| one.origin.clone());
            doubts.push(Fault { key: SILENT.to_owned(), origin, problem });
        }
        Self {
            settings,
            effective,
            doubts,
            left_out: new.left_out.clone(),
            written: new.written.clone(),
            secrets: self.secrets.clone(),
        }
    }
}

impl Settings {
    /// These settings, which a daemon runs by, with what of the others takes effect at once.
    #[must_use]
    pub fn taking(&self, new: &Self) -> Self {
        let http = http::settings::Settings {
            listen: self.http.listen,
            public_url: self.http.public_url.clone(),
            admin_socket: self.http.admin_socket.clone(),
            admin_uids: self.http.admin_uids.clone(),
            drain: self.http.drain,
            ..new.http.clone()
        };
        let auth = auth::settings::Settings {
            issuer: self.auth.issuer.clone(),
            passkeys: self.auth.passkeys.clone(),
            hashing: self.auth.hashing.clone(),
            ..new.auth.clone()
        };
        let mut log = self.log.clone();
        log.level.clone_from(&new.log.level);
        let sources = sources(&self.sources, &new.sources);
        let mut taken = Self { http, auth, log, lifecycle: new.lifecycle.clone(), sources, ..self.clone() };
        taken.join();
        taken
    }
}

/// The sources that run, in their order. One that is not among the new ones stays as it is.
fn sources(running: &[SourceSettings], new: &[SourceSettings]) -> Vec<SourceSettings> {
    let taking = |one: &SourceSettings| match new.iter().find(|other| other.id == one.id) {
        Some(other) => one.taking(other),
        None => one.clone(),
    };
    running.iter().map(taking).collect()
}

impl SourceSettings {
    /// What is read of the source and how stays as it is.
    fn taking(&self, new: &Self) -> Self {
        let kind = match (&self.kind, &new.kind) {
            (SourceKind::Scim { verify_with, .. }, SourceKind::Scim { push, .. }) => {
                SourceKind::Scim { verify_with: verify_with.clone(), push: push.clone() }
            }
            (kind, new) if std::mem::discriminant(kind) == std::mem::discriminant(new) => kind.clone(),
            // Another source by the same name, which begins with a restart.
            _ => return self.clone(),
        };
        Self { id: self.id.clone(), enabled: self.enabled, kind, ..new.clone() }
    }
}

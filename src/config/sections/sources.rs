//! `[[sources]]`: where users come from, in the order in which logins ask.
//!
//! The local source is always there; where the list does not name it, it comes first.

use jiff::Timestamp;

use super::super::reader::Reader;
use super::super::section::Section;
use super::super::{SourceKind, SourceSettings};
use super::{CENTURY, DAY, HOUR, MINUTE, SECOND, budget, ldap, schedule, scim_pull};
use crate::base::id::SourceId;
use crate::directory::conflict::ConflictRule;
use crate::directory::policy::{SourceLockout, days};
use crate::directory::user::KeptAttribute;
use crate::http::scim::settings::Push;
use crate::sync::rules::Rules;
use crate::tasks::schedule::Schedule;

/// How often a source is read where nothing is set.
const PULL: &str = "15m";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Local,
    Ldap,
    Scim,
    ScimPull,
}

impl Kind {
    /// Does musterd go there to read it?
    fn is_read(self) -> bool {
        matches!(self, Self::Ldap | Self::ScimPull)
    }
}

/// Reads all sources. Those that logins ask first come first.
pub(in super::super) fn read(reader: &mut Reader, order: &[SourceId], now: Timestamp) -> Vec<SourceSettings> {
    let count = reader.count("sources");
    let mut sources: Vec<(usize, SourceSettings)> = Vec::new();
    for index in 0..count {
        let section = &mut reader.section(&place(index));
        let Some(source) = read_one(section, now) else { continue };
        if sources.iter().any(|(_, other)| other.id == source.id) {
            section.fault("id", "is the id of another source already");
        }
        sources.push((index, source));
    }
    // Among sources that could not be read may be the one that is looked for.
    let all_read = sources.len() == count;
    check_verifiers(reader, &sources, all_read);
    let mut sources: Vec<_> = sources.into_iter().map(|(_, source)| source).collect();
    if !sources.iter().any(|source| source.id.is_local()) {
        sources.insert(0, local());
    }
    let is_known = |id: &&SourceId| sources.iter().any(|source| source.id == **id);
    if let Some(unknown) = order.iter().find(|id| !is_known(id)).filter(|_| all_read) {
        reader.fault("login.order", format!("no source has the id {:?}", unknown.as_str()));
    }
    sources.sort_by_key(|source| order.iter().position(|id| *id == source.id).unwrap_or(order.len()));
    sources
}

fn place(index: usize) -> String {
    format!("sources[{index}]")
}

fn local() -> SourceSettings {
    SourceSettings {
        id: SourceId::local(),
        enabled: true,
        login: true,
        mfa: false,
        inactivity: None,
        schedule: None,
        rules: Rules::default(),
        outage_cache: None,
        lockout: None,
        kind: SourceKind::Local,
    }
}

fn read_one(section: &mut Section<'_>, now: Timestamp) -> Option<SourceSettings> {
    let id = read_id(section);
    let kinds = [("local", Kind::Local), ("ldap", Kind::Ldap), ("scim", Kind::Scim), ("scim-pull", Kind::ScimPull)];
    let Some(kind) = section.required_choice("kind", &kinds) else {
        // Which keys there may be depends on the kind.
        section.ignore();
        return None;
    };
    if let Some(id) = &id
        && id.is_local() != (kind == Kind::Local)
    {
        section.fault("id", "must be \"local\" for the kind \"local\", and for no other kind");
    }
    let enabled = section.boolean("enabled", true);
    if kind == Kind::Local && !enabled {
        section.fault(
            "enabled",
            "must be true: the local source is always there; to refuse its logins, set login = false",
        );
    }
    let login = section.boolean("login", true);
    let mfa = section.boolean("mfa", false);
    let inactivity = section.own_duration("inactivity", DAY..=CENTURY);
    let schedule = kind.is_read().then(|| read_schedule(section, now));
    let rules = if kind.is_read() { read_rules(section) } else { Rules::default() };
    let outage_cache =
        if kind == Kind::Ldap { section.optional_duration("outage_cache", HOUR..=days(30), None) } else { None };
    let lockout = if kind == Kind::Ldap { read_lockout(section) } else { None };
    let kind = match kind {
        Kind::Local => SourceKind::Local,
        Kind::Ldap => SourceKind::Ldap(Box::new(ldap::read(section, id.as_ref()))),
        Kind::Scim => SourceKind::Scim { verify_with: read_verifier(section), push: read_push(section) },
        Kind::ScimPull => SourceKind::ScimPull {
            settings: Box::new(scim_pull::read(section, id.as_ref())),
            verify_with: read_verifier(section),
        },
    };
    Some(SourceSettings { id: id?, enabled, login, mfa, inactivity, schedule, rules, outage_cache, lockout, kind })
}

/// The schedule, each run of which comes a little later than it says: not all sources of all daemons at once.
fn read_schedule(section: &mut Section<'_>, now: Timestamp) -> Schedule {
    let schedule = schedule(section, PULL, now);
    let jitter = section.optional_duration("jitter", SECOND..=DAY, None);
    schedule.with_jitter(jitter.unwrap_or_default())
}

/// What an administrator decides for passes over a source. The defaults of new users come with the whole directory.
fn read_rules(section: &mut Section<'_>) -> Rules {
    let default = Rules::default();
    let rules = [
        ("inbox", ConflictRule::Inbox),
        ("link", ConflictRule::Link),
        ("suffix", ConflictRule::Suffix),
        ("reject", ConflictRule::Reject),
    ];
    let kept = section.list("kept", "the name of an attribute", Vec::<String>::new());
    for name in kept.iter().filter(|name| KeptAttribute::parse(name).is_none()) {
        let known: Vec<_> = KeptAttribute::ALL.iter().map(|(name, _)| *name).collect();
        section.fault("kept", format!("{name:?} is not one of {}", known.join(", ")));
    }
    let mut grants = Vec::new();
    for text in section.list("group_grants", "a text", Vec::<String>::new()) {
        match text.parse() {
            Ok(grant) => grants.push(grant),
            Err(problem) => section.fault("group_grants", problem),
        }
    }
    Rules {
        budget: budget(section),
        complete_every: section.duration("complete_every", MINUTE..=days(30), default.complete_every),
        absent_grace: section.optional_duration("absent_grace", HOUR..=CENTURY, default.absent_grace),
        conflicts: section.choice("conflicts", &rules, default.conflicts),
        kept: kept.iter().filter_map(|name| KeptAttribute::parse(name)).collect(),
        grants,
        ..Rules::default()
    }
}

/// How often the directory is asked about one name. Directories lock accounts at five wrong passwords and more.
fn read_lockout(section: &mut Section<'_>) -> Option<SourceLockout> {
    let attempts = section.integer("lockout_attempts", 0..=1_000, 4);
    let wait = section.duration("lockout_wait", MINUTE..=days(30), days(1) / 48);
    (attempts > 0).then_some(SourceLockout { attempts, wait })
}

fn read_id(section: &mut Section<'_>) -> Option<SourceId> {
    let text = section.required_text("id", "corp")?;
    match SourceId::parse(&text) {
        Ok(id) => {
            section.rename(format!("sources.{id}"));
            Some(id)
        }
        Err(error) => {
            section.fault("id", error.to_string());
            None
        }
    }
}

fn read_verifier(section: &mut Section<'_>) -> Option<SourceId> {
    let text = section.optional_text("verify_with", None)?;
    let id = SourceId::parse(&text);
    if let Err(error) = &id {
        section.fault("verify_with", error.to_string());
    }
    id.ok()
}

fn read_push(section: &mut Section<'_>) -> Push {
    let default = Push::default();
    let mut adopts = Vec::new();
    for text in section.list("adopts", "the id of a source", Vec::<String>::new()) {
        match SourceId::parse(&text) {
            Ok(id) => adopts.push(id),
            Err(error) => section.fault("adopts", error.to_string()),
        }
    }
    Push {
        budget: budget(section),
        adopts,
        unique_group_names: section.boolean("unique_group_names", default.unique_group_names),
    }
}

/// The source that verifies the passwords of another must be an LDAP source of the list, before it or after.
fn check_verifiers(reader: &mut Reader, sources: &[(usize, SourceSettings)], all_read: bool) {
    for (index, source) in sources {
        let Some(wanted) = source.kind.verify_with() else { continue };
        let found = sources.iter().find(|(_, other)| other.id == *wanted).map(|(_, other)| &other.kind);
        let problem = match found {
            Some(SourceKind::Ldap(_)) => continue,
            Some(_) => format!("the source {:?} is not of the kind ldap", wanted.as_str()),
            None if !all_read => continue,
            None => format!("no source has the id {:?}", wanted.as_str()),
        };
        reader.fault(&format!("{}.verify_with", place(*index)), problem);
    }
}

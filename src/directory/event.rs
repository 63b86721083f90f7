//! What can happen: the names of everything that the audit trail tells, and patterns that choose among them.
//!
//! A test compares the list with the names that the rest of the daemon writes.

use std::fmt;
use std::str::FromStr;

/// Every action of the trail. A new one is a new line here.
pub const ACTIONS: &[&str] = &[
    "audit.trimmed",
    "clock.confirmed",
    "conflict.ignored",
    "conflict.linked",
    "conflict.renamed",
    "conflict.reopened",
    "device.forgotten",
    "device.trusted",
    "factor.added",
    "factor.refused",
    "factor.removed",
    "factor.renamed",
    "factors.reset",
    "group.changed",
    "group.created",
    "group.members_changed",
    "group.removed",
    "login.held",
    "login.locked",
    "login.refused",
    "login.succeeded",
    "mail.tested",
    "message.dropped",
    "message.retried",
    "organization.changed",
    "organization.created",
    "organization.member_added",
    "organization.member_changed",
    "organization.member_removed",
    "organization.removed",
    "passkey.counted_back",
    "password.forgotten",
    "password.link_made",
    "password.set",
    "plan.approved",
    "plan.rejected",
    "recovery_code.used",
    "recovery_codes.made",
    "resource.changed",
    "resource.created",
    "resource.removed",
    "role.changed",
    "role.created",
    "role.removed",
    "run.applied",
    "run.failed",
    "run.held",
    "run.undone",
    "session.ended",
    "sessions.ended",
    "settings.changed",
    "settings.reloaded",
    "signing_key.dropped",
    "signing_key.hastened",
    "signing_key.made",
    "sms.tested",
    "store.backed_up",
    "store.exported",
    "store.key_rotated",
    "store.repaired",
    "token.changed",
    "token.created",
    "token.refused",
    "token.revoked",
    "token.rotated",
    "user.changed",
    "user.created",
    "user.disabled",
    "user.enabled",
    "user.linked",
    "user.purged",
    "user.removed",
    "user.restored",
    "user.unlocked",
    "users.exported",
    "webhook.tested",
];

/// Which events are wanted: all of them (`*`), a family (`user.*`), or one (`login.refused`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPattern(String);

impl EventPattern {
    /// Does it choose this action?
    #[must_use]
    pub fn chooses(&self, action: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => action.starts_with(start),
            None => self.0 == action,
        }
    }
}

impl FromStr for EventPattern {
    type Err = ();

    /// Refuses what chooses nothing that can happen, and a star anywhere but for everything after a dot.
    fn from_str(text: &str) -> Result<Self, ()> {
        let start = text.strip_suffix('*').unwrap_or(text);
        let is_whole = text.ends_with('*') && (start.is_empty() || start.ends_with('.'));
        let pattern = Self(text.to_owned());
        let is_known = ACTIONS.iter().any(|action| pattern.chooses(action));
        if is_known && (is_whole || !text.ends_with('*')) { Ok(pattern) } else { Err(()) }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::directory::permission::Permission;

    /// Written like actions by the rooms that write those, and none.
    const OTHERS: &[&str] = &[
        // Nothing of a user changes by these that the trail would tell.
        "user.logged_in",
        "user.seen",
        // What a trial sends is no line of the trail.
        "webhook.test",
        "login.html",
        "passkey.html",
    ];

    /// Texts of a file, before its tests, that look like actions.
    fn texts(code: &str) -> Vec<&str> {
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let is_name = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let is_action =
            |text: &&str| text.split_once('.').is_some_and(|(family, rest)| is_name(family) && is_name(rest));
        code.split('"').filter(is_action).collect()
    }

    fn each_file(folder: &Path, visit: &mut impl FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                each_file(&path, visit);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs") {
                visit(&path, &std::fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    fn the_list_names_everything_that_the_daemon_writes_and_nothing_else() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let families: BTreeSet<&str> = ACTIONS.iter().filter_map(|action| action.split('.').next()).collect();
        let (mut written, mut unknown) = (BTreeSet::new(), Vec::new());
        for room in ["app", "auth", "http", "lifecycle", "notify", "store", "sync"] {
            each_file(&src.join(room), &mut |path, code| {
                if path.to_string_lossy().contains("/tests/") {
                    return;
                }
                for direct in code.split("Entry::new(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                    if !direct.starts_with("test.") && !ACTIONS.contains(&direct) {
                        unknown.push(format!("{direct} in {}", path.display()));
                    }
                }
                // Some are handed on before they are written: they are known by their family. The folder of the store
                // holds files with names like theirs, and settings are named like them in what people are told.
                for text in texts(code).into_iter().filter(|_| !path.ends_with("folder.rs")) {
                    let family = text.split('.').next().unwrap_or_default();
                    if ACTIONS.contains(&text) {
                        written.insert(text.to_owned());
                    } else if families.contains(family)
                        && Permission::by_name(text).is_none()
                        && !OTHERS.contains(&text)
                        && !is_setting(text)
                    {
                        unknown.push(format!("{text} in {}", path.display()));
                    }
                }
            });
        }
        assert!(unknown.is_empty(), "not in the list of actions:\n{}", unknown.join("\n"));
        let gone: Vec<_> = ACTIONS.iter().filter(|action| !written.contains(**action)).collect();
        assert!(gone.is_empty(), "nobody writes these: {gone:?}");
    }

    /// Is it a key of the sample of the settings?
    fn is_setting(text: &str) -> bool {
        let (section, key) = text.split_once('.').unwrap_or_default();
        let sample = include_str!("../../config/musterd.toml");
        let part = sample.split(&format!("[{section}]\n")).nth(1).unwrap_or_default();
        let part = part.split("\n[").next().unwrap_or_default();
        part.lines().any(|line| line.trim_start_matches('#').starts_with(&format!("{key} = ")))
            || sample.contains(&format!("[[{text}]]"))
    }

    #[test]
    fn actions_are_in_order_and_unlike() {
        assert!(ACTIONS.is_sorted() && ACTIONS.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_pattern_chooses_one_a_family_or_all_that_can_happen() {
        let chosen = |text: &str, action| text.parse::<EventPattern>().unwrap().chooses(action);
        assert!(chosen("*", "user.created") && chosen("user.*", "user.created"));
        assert!(chosen("login.refused", "login.refused"));
        assert!(!chosen("user.*", "users.created") && !chosen("login.refused", "login.succeeded"));
        for bad in ["", "user", "user.", "user*", "user.cre*", "*.created", "nobody.*", "user.married", "**", "user.**"]
        {
            assert!(bad.parse::<EventPattern>().is_err(), "{bad}");
        }
    }
}

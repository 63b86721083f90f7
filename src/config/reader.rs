//! The reader: gives out what was written for each key, and keeps the account of it.
//!
//! It remembers which keys and sections were asked for, the effective value of each, and every fault; whatever
//! was written and never asked for is unknown. It knows no setting by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::fault::{Fault, Faults, Origin};
use super::layers::{Given, Layers, PREFIX};
use super::raw::Raw;
use super::section::Section;
use crate::base::secret::Secret;
use crate::base::suggest::nearest;

/// What stands for a secret wherever it is shown.
pub const MASK: &str = "********";

/// What stands for an optional value that nobody set.
pub const NOT_SET: &str = "(not set)";

/// A setting as it takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The dotted key, such as `server.listen` or `sources.corp.base_dn`.
    pub key: String,
    /// The value as it would stand in the file; [`MASK`] for a secret, [`NOT_SET`] for none.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
    /// Is it a secret?
    pub secret: bool,
    /// The value that it has where nobody sets it.
    pub default: String,
}

impl Effective {
    /// Does the file or the environment set it? Then it cannot be changed at run time.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        matches!(self.origin, Origin::File { .. } | Origin::Environment { .. })
    }
}

/// Reads settings and keeps account.
pub(super) struct Reader {
    given: BTreeMap<String, Given>,
    effective: Vec<Effective>,
    faults: Vec<Fault>,
    doubts: Vec<Fault>,
    /// Paths of values that were asked for.
    keys: BTreeSet<String>,
    /// Paths of sections that were asked for, with the names to show for them.
    sections: BTreeMap<String, String>,
    /// Sections whose keys cannot be judged.
    ignored: Vec<String>,
    secrets: Secrets,
}

/// What stands behind each [`MASK`], by key: two readings can be compared.
pub(super) type Secrets = BTreeMap<String, Secret>;

/// What was read, besides the settings themselves.
pub(super) struct Account {
    pub effective: Vec<Effective>,
    pub doubts: Vec<Fault>,
    pub secrets: Secrets,
}

impl Reader {
    /// Takes what was written.
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            given: layers.given,
            effective: Vec::new(),
            faults: layers.faults,
            doubts: Vec::new(),
            keys: BTreeSet::new(),
            sections: BTreeMap::new(),
            ignored: Vec::new(),
            secrets: Secrets::new(),
        }
    }

    /// Did somebody write something under this name?
    pub(super) fn is_given(&self, path: &str) -> bool {
        self.given.contains_key(path)
    }

    /// Begins a section.
    pub(super) fn section(&mut self, path: &str) -> Section<'_> {
        let shown = self.shown(path);
        if self.given.get(path).is_some_and(|given| !matches!(given.raw, Raw::Table)) {
            self.fault(path, format!("must be a section: [{shown}] and keys below it"));
        }
        self.sections.insert(path.to_owned(), shown);
        Section::new(self, path.to_owned())
    }

    /// How many sections there are of a name that can come many times.
    pub(super) fn count(&mut self, path: &str) -> usize {
        self.keys.insert(path.to_owned());
        match self.given.get(path).map(|given| given.raw.clone()) {
            None => 0,
            Some(Raw::Tables(count)) => count,
            Some(Raw::List(items)) if items.is_empty() => 0,
            Some(_) => {
                self.ignored.push(path.to_owned());
                self.fault(path, format!("must be written as [[{path}]]"));
                0
            }
        }
    }

    /// Shows the keys of a section under another name, those that were read already too.
    pub(super) fn rename(&mut self, path: &str, shown: String) {
        let before = self.shown(path);
        for one in &mut self.effective {
            if let Some(rest) = one.key.strip_prefix(&before).filter(|rest| rest.starts_with('.')) {
                one.key = format!("{shown}{rest}");
            }
        }
        self.sections.insert(path.to_owned(), shown);
    }

    /// Does not look for unknown keys in a section.
    pub(super) fn ignore(&mut self, path: &str) {
        self.ignored.push(path.to_owned());
    }

    /// Asks for a value.
    pub(super) fn find(&mut self, path: &str) -> Option<Given> {
        self.keys.insert(path.to_owned());
        self.given.get(path).cloned()
    }

    /// Notes the effective value of a key.
    pub(super) fn record(&mut self, path: &str, value: String, origin: Origin, default: String) {
        let key = self.shown(path);
        self.effective.push(Effective { key, value, origin, secret: false, default });
    }

    /// Notes a secret, which is never shown.
    pub(super) fn record_secret(&mut self, path: &str, secret: Option<&Secret>, origin: Origin) {
        let key = self.shown(path);
        let value = if secret.is_some() { MASK } else { NOT_SET }.to_owned();
        self.secrets.extend(secret.map(|secret| (key.clone(), secret.clone())));
        self.effective.push(Effective { key, value, origin, secret: true, default: NOT_SET.to_owned() });
    }

    /// Shows a key as a secret from now on, if somebody gave it: its text may hold one.
    pub(super) fn mask(&mut self, path: &str) {
        let key = self.shown(path);
        for one in self.effective.iter_mut().filter(|one| one.key == key && one.is_pinned()) {
            let text = std::mem::replace(&mut one.value, MASK.to_owned());
            one.secret = true;
            self.secrets.insert(key.clone(), Secret::new(text));
        }
    }

    /// Refuses keys that were set at run time and are no policy. What is known of no key is told as such at the end.
    pub(super) fn refuse_stored(&mut self, is_policy: impl Fn(&str) -> bool) {
        let stored = self.given.iter().filter(|(path, given)| given.origin == Origin::Stored && !is_policy(path));
        let known = stored.map(|(path, _)| path.clone()).filter(|path| self.keys.contains(path));
        for path in known.collect::<Vec<_>>() {
            // Nothing else that is wrong with it matters.
            self.faults.retain(|fault| fault.origin != Origin::Stored || fault.key != path);
            self.fault(&path, "is no policy: set it in the file, and start again".to_owned());
        }
    }

    /// Notes a fault of a key, at the place where it or else its section stands.
    pub(super) fn fault(&mut self, path: &str, problem: String) {
        let fault = self.placed(path, problem);
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Notes what a person should put right, though the daemon does its work without.
    pub(super) fn doubt(&mut self, path: &str, problem: String) {
        let doubt = self.placed(path, problem);
        self.doubts.push(doubt);
    }

    fn placed(&self, path: &str, problem: String) -> Fault {
        let mut place = path;
        let given = loop {
            match (self.given.get(place), place.rsplit_once('.')) {
                (Some(given), _) => break Some(given),
                (None, Some((above, _))) => place = above,
                (None, None) => break None,
            }
        };
        let origin = given.map_or(Origin::Default, |given| given.origin.clone());
        Fault { key: self.shown(path), origin, problem }
    }

    /// Has this key a fault already?
    pub(super) fn has_fault(&self, path: &str) -> bool {
        let key = self.shown(path);
        self.faults.iter().any(|fault| fault.key == key)
    }

    /// The effective values and the doubts, when nothing is wrong.
    pub(super) fn finish(mut self) -> Result<Account, Faults> {
        self.find_unknown();
        let Self { effective, doubts, secrets, faults, .. } = self;
        if faults.is_empty() { Ok(Account { effective, doubts, secrets }) } else { Err(Faults::sorted(faults)) }
    }

    /// The name to show for a path: that of its section, and the rest.
    fn shown(&self, path: &str) -> String {
        let below = |section: &str| path.strip_prefix(section).filter(|rest| rest.is_empty() || rest.starts_with('.'));
        let sections = self.sections.iter().rev();
        let found =
            sections.filter_map(|(section, shown)| Some((section.len(), format!("{shown}{}", below(section)?))));
        found.max_by_key(|(length, _)| *length).map_or_else(|| path.to_owned(), |(_, shown)| shown)
    }

    fn find_unknown(&mut self) {
        let mut reported: Vec<String> = Vec::new();
        let mut unknown = Vec::new();
        for (path, given) in &self.given {
            let under =
                |above: &String| path.strip_prefix(above.as_str()).is_some_and(|rest| rest.starts_with(['.', '[']));
            let known = self.keys.contains(path) || self.sections.contains_key(path);
            let table = matches!(given.raw, Raw::Table | Raw::Tables(_));
            let in_file = matches!(given.origin, Origin::File { .. });
            // A section that only a variable brought up is told with that variable.
            if known || self.ignored.iter().any(under) || (table && !in_file) || (in_file && reported.iter().any(under))
            {
                continue;
            }
            if table {
                reported.push(path.clone());
            }
            unknown.push((path.clone(), table, given.origin.clone()));
        }
        for (path, table, origin) in unknown {
            let what = if table { "section" } else { "key" };
            let problem = match self.suggest(&path, &origin) {
                Some(meant) => format!("unknown {what}; did you mean {meant}?"),
                None => format!("unknown {what}"),
            };
            let key = self.shown(&path);
            self.faults.push(Fault { key, origin, problem });
        }
    }

    /// A known key of the same section with a similar name; or in a similar section; or of the same name elsewhere.
    fn suggest(&self, path: &str, origin: &Origin) -> Option<String> {
        let known: Vec<&str> = self.keys.iter().chain(self.sections.keys()).map(String::as_str).collect();
        let split = |path: &'_ str| {
            path.rsplit_once('.').map_or((String::new(), path.to_owned()), |(a, b)| (a.to_owned(), b.to_owned()))
        };
        let (parent, last) = split(path);
        let siblings: Vec<String> =
            known.iter().map(|path| split(path)).filter(|(p, _)| *p == parent).map(|(_, l)| l).collect();
        let sibling = nearest(&last, siblings.iter().map(String::as_str));
        let plain = || known.iter().copied().filter(|path| !path.contains('['));
        let found = match sibling {
            Some(sibling) if parent.is_empty() => sibling.to_owned(),
            Some(sibling) => format!("{parent}.{sibling}"),
            None => match nearest(path, plain().filter(|known| split(known).1 == last)) {
                Some(near) => near.to_owned(),
                None => plain().find(|known| split(known).1 == last)?.to_owned(),
            },
        };
        Some(match origin {
            Origin::Environment { .. } => format!("{PREFIX}{}", found.replace('.', "__").to_ascii_uppercase()),
            _ => self.shown(&found),
        })
    }
}

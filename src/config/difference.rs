//! What differs between two readings of the settings.

use std::collections::BTreeMap;

use super::reader::Effective;
use super::{Loaded, MASK};

/// One setting that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// Its value before, as the file would have it; [`MASK`] for a secret, `None` where there was no such key.
    pub old: Option<String>,
    /// Its value now.
    pub new: Option<String>,
}

/// What differs, by key. Secrets that differ are told, and not shown.
#[must_use]
pub fn differences(old: &Loaded, new: &Loaded) -> Vec<Difference> {
    let values = |loaded: &Loaded| -> BTreeMap<String, String> {
        let pair = |one: &Effective| (one.key.clone(), one.value.clone());
        loaded.effective.iter().map(pair).collect()
    };
    let (before, now) = (values(old), values(new));
    let mut keys: Vec<&String> = before.keys().chain(now.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differs = |key: &&String| {
        let secret = |loaded: &Loaded| loaded.secrets.get(*key).map(|secret| secret.expose().to_owned());
        before.get(*key) != now.get(*key) || secret(old) != secret(new)
    };
    let difference = |key: &String| {
        let (old, new) = (before.get(key).cloned(), now.get(key).cloned());
        Difference { key: key.clone(), old, new }
    };
    keys.into_iter().filter(differs).map(difference).collect()
}

impl Difference {
    /// Is it about a secret?
    #[must_use]
    pub fn is_secret(&self) -> bool {
        [&self.old, &self.new].into_iter().any(|value| value.as_deref() == Some(MASK))
    }
}

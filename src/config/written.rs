//! What was written of the settings: the file and the environment as they were read, kept so that what is set at run
//! time can be laid under them, and the file read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::Value;

use super::fault::{Fault, Faults, Origin};
use super::layers::{self, Layers};
use super::{Account, Loaded, Reader, policy};

/// What was set at run time, by key.
pub type Stored = BTreeMap<String, Value>;

/// The file and the variables, as they were read. They may hold secrets: there is no `Debug`.
#[derive(Clone)]
pub struct Written {
    file: Option<PathBuf>,
    variables: Vec<(String, String)>,
    layers: Layers,
}

impl Written {
    /// Reads file and variables.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn read(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Faults> {
        let variables: Vec<_> = env.filter(|(name, _)| name.starts_with(layers::PREFIX)).collect();
        let layers = layers::read(file, variables.iter().cloned()).map_err(Faults::sorted)?;
        Ok(Self { file: file.map(Path::to_owned), variables, layers })
    }

    /// The same file as it is now. The environment of a process stays as it was.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn again(&self) -> Result<Self, Faults> {
        Self::read(self.file.as_deref(), self.variables.iter().cloned())
    }

    /// The settings, with what was set at run time. `now` is for schedules that never come true.
    ///
    /// # Errors
    /// Everything that is wrong, all at once.
    pub fn with(&self, stored: &Stored, now: Timestamp) -> Result<Loaded, Faults> {
        let mut reader = Reader::new(self.layers.clone().over(stored));
        let settings = super::read(&mut reader, now);
        reader.refuse_stored(policy::is_policy);
        let Account { effective, doubts, secrets } = reader.finish()?;
        Ok(Loaded { settings, effective, doubts, left_out: Vec::new(), written: self.clone(), secrets })
    }

    /// The settings, with what of that fits. What does not, after an upgrade or beside a new file, is left out and told:
    /// it keeps no daemon from starting.
    ///
    /// # Errors
    /// Everything that is wrong with what was written.
    pub fn with_what_fits(&self, mut stored: Stored, now: Timestamp) -> Result<Loaded, Faults> {
        let mut left_out = Vec::new();
        loop {
            let faults = match self.with(&stored, now) {
                Ok(loaded) => return Ok(Loaded { left_out, ..loaded }),
                Err(faults) if stored.is_empty() => return Err(faults),
                Err(faults) => faults,
            };
            for (key, why) in self.unfit(&stored, &faults, now) {
                stored.remove(&key);
                left_out.push(Fault { key, origin: Origin::Stored, problem: format!("is left out: {why}") });
            }
        }
    }

    /// Which of these are to blame, and why: those that the faults name; else the first without which there are fewer
    /// faults, of those beside what they name and then of all; else those together.
    fn unfit(&self, stored: &Stored, faults: &Faults, now: Timestamp) -> Vec<(String, String)> {
        let blamed = |blames: Blames| -> Vec<(String, String)> {
            let why =
                |key: &String| faults.0.iter().find(|fault| blames(key, fault)).map(|fault| fault.problem.clone());
            stored.keys().filter_map(|key| Some((key.clone(), why(key)?))).collect()
        };
        let cures = |(key, _): &&(String, String)| {
            let mut without = stored.clone();
            without.remove(key);
            self.with(&without, now).err().is_none_or(|left| left.0.len() < faults.0.len())
        };
        let named = blamed(|key, fault| fault.origin == Origin::Stored && fault.key == key);
        if !named.is_empty() {
            return named;
        }
        let (beside, all) = (blamed(|key, fault| section(&fault.key) == section(key)), blamed(|_, _| true));
        match beside.iter().chain(&all).find(cures) {
            Some(one) => vec![one.clone()],
            None if beside.is_empty() => all,
            None => beside,
        }
    }
}

/// Is this key to blame for that fault?
type Blames = fn(&str, &Fault) -> bool;

/// What a key stands in.
fn section(key: &str) -> &str {
    key.rsplit_once('.').map_or("", |(section, _)| section)
}

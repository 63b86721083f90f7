//! The layers that somebody wrote: what was set at run time, over it the file, and over that the variables of the
//! environment.
//!
//! The `config` crate reads and merges them; texts of the environment stay texts until a section says which type
//! it wants, so that a password of digits keeps its zeros. Built-in defaults are not here: they stand in the
//! `Default` of each module's settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, FileFormat, Value, ValueKind};

use super::fault::{Fault, Origin};
use super::lines::{self, Places};
use super::raw::Raw;
use super::written::Stored;

/// How the names of variables begin.
pub(super) const PREFIX: &str = "MUSTERD__";

/// What somebody wrote for one path, and where.
#[derive(Clone)]
pub(super) struct Given {
    pub raw: Raw,
    pub origin: Origin,
}

/// Everything that somebody wrote, by path, and what is already known to be wrong with it.
#[derive(Clone, Default)]
pub(super) struct Layers {
    pub given: BTreeMap<String, Given>,
    pub faults: Vec<Fault>,
}

impl Layers {
    /// The same over what was set at run time: file and environment win.
    pub(super) fn over(mut self, stored: &Stored) -> Self {
        for (key, value) in stored {
            let given = Given { raw: Raw::of_json(value), origin: Origin::Stored };
            self.given.entry(key.clone()).or_insert(given);
        }
        self
    }
}

/// The variables that are ours: their path, name and text.
type Variables = BTreeMap<String, (String, String)>;

/// Reads both layers.
///
/// # Errors
/// Where the file cannot be read at all: that, and what is wrong with the names of variables.
pub(super) fn read(
    path: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Layers, Vec<Fault>> {
    let mut faults = Vec::new();
    let variables = variables(environment, &mut faults);
    let merged = read_file(path).and_then(|(text, places)| {
        let variables = without_conflicts(variables, &places, &mut faults);
        let merged = merge(&text, &variables).map_err(|error| whole_file(path, first_line(&error)))?;
        Ok((merged, places))
    });
    match merged {
        Ok((merged, places)) => {
            let file = path.unwrap_or(Path::new("")).to_owned();
            for (key, line) in &places.odd {
                let origin = Origin::File { path: file.clone(), line: Some(*line) };
                faults.push(Fault { key: format!("{key:?}"), origin, problem: "is no setting".to_owned() });
            }
            let mut flat = Flat { file, places, given: BTreeMap::new() };
            flat.add("", &merged);
            Ok(Layers { given: flat.given, faults })
        }
        Err(fault) => {
            faults.push(fault);
            Err(faults)
        }
    }
}

/// The rest of such a message may quote the file, and with it a secret.
fn first_line(error: &config::ConfigError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn whole_file(path: Option<&Path>, problem: String) -> Fault {
    let origin = Origin::File { path: path.unwrap_or(Path::new("")).to_owned(), line: None };
    Fault { key: String::new(), origin, problem }
}

fn read_file(path: Option<&Path>) -> Result<(String, Places), Fault> {
    let Some(path) = path else { return Ok((String::new(), Places::default())) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| whole_file(Some(path), format!("the settings file cannot be read: {error}")))?;
    let places = lines::places(&text).map_err(|(line, message)| Fault {
        key: String::new(),
        origin: Origin::File { path: path.to_owned(), line: Some(line) },
        problem: format!("is not TOML: {message}"),
    })?;
    Ok((text, places))
}

/// Picks our variables and turns their names into paths.
fn variables(environment: impl Iterator<Item = (String, String)>, faults: &mut Vec<Fault>) -> Variables {
    let mut variables = Variables::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let problem = if !path.split('.').all(|part| !part.is_empty() && part.chars().all(plain)) {
            format!("is no setting: variables are named {PREFIX}SECTION__KEY")
        } else if path == "sources" || path.starts_with("sources.") {
            "sources are set in the file only; keep a password out of it with bind_password_file".to_owned()
        } else if let Some((other, _)) = variables.get(&path) {
            format!("names the same setting as {other}")
        } else {
            variables.insert(path, (name, text));
            continue;
        };
        faults.push(Fault { key: path, origin: Origin::Environment { variable: name }, problem });
    }
    variables
}

/// Leaves out variables that would put a value over a section, or a section over a value.
fn without_conflicts(variables: Variables, places: &Places, faults: &mut Vec<Fault>) -> Variables {
    let names: Vec<String> = variables.keys().cloned().collect();
    let (fine, conflicting): (Variables, Variables) = variables.into_iter().partition(|(path, _)| {
        let above = |other: &str| path.strip_prefix(other).is_some_and(|rest| rest.starts_with('.'));
        let is_section = places.keys.get(path).is_some_and(|place| place.table);
        let under_value = places.keys.iter().any(|(other, place)| !place.table && above(other));
        !is_section && !under_value && !names.iter().any(|other| above(other))
    });
    for (key, (variable, _)) in conflicting {
        let problem = "names a section where a value is wanted, or a value where a section is".to_owned();
        faults.push(Fault { key, origin: Origin::Environment { variable }, problem });
    }
    fine
}

fn merge(text: &str, variables: &Variables) -> Result<Value, config::ConfigError> {
    let mut builder = Config::builder().add_source(config::File::from_str(text, FileFormat::Toml));
    for (path, (name, text)) in variables {
        builder = builder.set_override(path, Value::new(Some(name), text.as_str()))?;
    }
    Ok(builder.build()?.cache)
}

/// Lays the merged tree out by path.
struct Flat {
    file: PathBuf,
    places: Places,
    given: BTreeMap<String, Given>,
}

impl Flat {
    fn add(&mut self, path: &str, value: &Value) {
        match &value.kind {
            ValueKind::Table(table) => {
                for (key, value) in table {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.add(&below, value);
                }
                self.insert(path, Raw::Table, value);
            }
            ValueKind::Array(items) if items.iter().any(|item| matches!(item.kind, ValueKind::Table(_))) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(&format!("{path}[{index}]"), item);
                }
                self.insert(path, Raw::Tables(items.len()), value);
            }
            _ => self.insert(path, Raw::read(value), value),
        }
    }

    fn insert(&mut self, path: &str, raw: Raw, value: &Value) {
        let origin = match (value.origin(), self.places.keys.get(path)) {
            (Some(variable), _) => Origin::Environment { variable: variable.to_owned() },
            (None, Some(place)) => Origin::File { path: self.file.clone(), line: Some(place.line) },
            (None, None) => Origin::Default,
        };
        if !path.is_empty() {
            self.given.insert(path.to_owned(), Given { raw, origin });
        }
    }
}

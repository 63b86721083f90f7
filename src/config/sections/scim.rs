//! `[scim]`: schemas and resource types besides the built-in ones, and how long requests are kept.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::reader::Reader;
use super::super::section::Section;
use super::{CENTURY, HOUR};
use crate::http::scim::settings::Settings;
use crate::scim::definitions;

/// Largest file of a schema.
const FILE_MAX: u64 = 1 << 20;

/// Reads the section, and the files that it names.
pub(in super::super) fn read(reader: &mut Reader) -> Settings {
    let default = Settings::default();
    let section = &mut reader.section("scim");
    let journal = section.optional_duration("journal", HOUR..=CENTURY, default.journal);
    let schemas = documents(section, "schemas", definitions::schema);
    let types = documents(section, "resource_types", definitions::resource_type);
    let unreadable = section.has_fault("schemas") || section.has_fault("resource_types");
    let registry = if unreadable { Ok(default.registry) } else { definitions::registry(schemas, types) };
    let registry = registry.unwrap_or_else(|faults| {
        faults.into_iter().for_each(|fault| section.fault("resource_types", fault));
        default.registry
    });
    Settings { registry, journal }
}

fn documents<T>(section: &mut Section<'_>, key: &str, read: impl Fn(&Value) -> Result<T, String>) -> Vec<T> {
    let files = section.list(key, "the path of a JSON file", Vec::<String>::new());
    let mut found = Vec::with_capacity(files.len());
    for file in files.into_iter().map(PathBuf::from) {
        match document(&file).and_then(|document| read(&document)) {
            Ok(one) => found.push(one),
            Err(problem) => section.fault(key, format!("{}: {problem}", file.display())),
        }
    }
    found
}

fn document(file: &Path) -> Result<Value, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > FILE_MAX {
        return Err(format!("has {size} bytes; at most {FILE_MAX} are read"));
    }
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| format!("is not JSON: {error}"))
}

//! `[scim]`: schemas and resource types besides the built-in ones, and how long requests are kept.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::reader::Reader;
use super::super::section::Section;
use super::{CENTURY, HOUR};
use crate::http::scim::settings::{Document, Settings, registry};

/// Largest file of a schema.
const FILE_MAX: u64 = 1 << 20;

/// Reads the section, and the files that it names.
pub(in super::super) fn read(reader: &mut Reader) -> Settings {
    let default = Settings::default();
    let section = &mut reader.section("scim");
    let journal = section.optional_duration("journal", HOUR..=CENTURY, default.journal);
    let schemas = documents(section, "schemas");
    let types = documents(section, "resource_types");
    let registry = match schemas.zip(types) {
        Some((schemas, types)) => registry(&schemas, &types).unwrap_or_else(|faults| {
            faults.into_iter().for_each(|(key, fault)| section.fault(key, fault));
            default.registry
        }),
        None => default.registry,
    };
    Settings { registry, journal }
}

/// The files that a key names; `None` where one cannot be read.
fn documents(section: &mut Section<'_>, key: &str) -> Option<Vec<Document>> {
    let files = section.list(key, "the path of a JSON file", Vec::<String>::new());
    let mut found = Vec::with_capacity(files.len());
    for file in files.into_iter().map(PathBuf::from) {
        let name = file.display().to_string();
        match read_file(&file) {
            Ok(content) => found.push(Document { name, content }),
            Err(problem) => section.fault(key, format!("{name}: {problem}")),
        }
    }
    (!section.has_fault(key)).then_some(found)
}

fn read_file(file: &Path) -> Result<Value, String> {
    let size = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if size > FILE_MAX {
        return Err(format!("has {size} bytes; at most {FILE_MAX} are read"));
    }
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| format!("is not JSON: {error}"))
}

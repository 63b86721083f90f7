//! The folder in which an operator keeps templates of their own: `FOLDER/LANGUAGE/NAME`, named as the shipped ones.
//!
//! Refuses names that nothing would read: a misspelt file would else be a change that does not take effect.

use std::fs;
use std::path::{Path, PathBuf};

use super::shipped::SHIPPED;
use crate::directory::language::Language;

/// Most bytes of one template.
const LARGEST: u64 = 64 << 10;
/// Most files of one folder.
const MOST: usize = 1_000;

/// A template of the folder, in place of the shipped one.
pub(super) struct Own {
    pub(super) language: Language,
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// Reads the folder; each fault names its file.
pub(super) fn read(folder: &Path) -> Result<Vec<Own>, Vec<String>> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for path in entries(folder, &mut faults) {
        let named = name(&path);
        match Language::ALL.iter().find(|language| language.tag() == named) {
            Some(language) => {
                for path in entries(&path, &mut faults) {
                    match own(*language, path) {
                        Ok(own) => found.push(own),
                        Err(fault) => faults.push(fault),
                    }
                }
            }
            None => {
                let tags: Vec<_> = Language::ALL.iter().map(|language| language.tag()).collect();
                faults.push(format!("{}: is no folder of a language; those are {}", path.display(), tags.join(", ")));
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// What lies in a folder, in order; hidden files are not looked at.
fn entries(folder: &Path, faults: &mut Vec<String>) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries.take(MOST).map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
    });
    match listed {
        Ok(mut paths) => {
            paths.retain(|path| !name(path).starts_with('.'));
            paths.sort();
            paths
        }
        Err(error) => {
            faults.push(format!("{}: cannot be read as a folder: {error}", folder.display()));
            Vec::new()
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn own(language: Language, path: PathBuf) -> Result<Own, String> {
    let (shown, named) = (path.display(), name(&path));
    let names = || SHIPPED.iter().filter(|(of, ..)| *of == language).map(|(_, name, _)| *name);
    let Some(name) = names().find(|name| *name == named) else {
        return Err(format!("{shown}: is no template; those are {}", names().collect::<Vec<_>>().join(", ")));
    };
    let length = fs::metadata(&path).map_err(|error| format!("{shown}: cannot be read: {error}"))?.len();
    if length > LARGEST {
        return Err(format!("{shown}: is larger than {} KiB", LARGEST >> 10));
    }
    let text = fs::read_to_string(&path).map_err(|error| format!("{shown}: cannot be read as text: {error}"))?;
    Ok(Own { language, name, path, text })
}

//! What a setting is for, in the words of the sample.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const SAMPLE: &str = include_str!("../../config/musterd.toml");

/// By key, those of sections that come once.
static DESCRIPTIONS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| read(SAMPLE));

/// What this setting is for; `None` for keys of sections that may come many times.
#[must_use]
pub fn describe(key: &str) -> Option<&'static str> {
    DESCRIPTIONS.get(key).map(String::as_str)
}

/// The comment above a key is about it, and about the keys that follow without one of their own.
fn read(sample: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let (mut section, mut words, mut is_open) = (None, String::new(), false);
    for line in sample.lines() {
        let setting = line.strip_prefix('#').filter(|rest| !rest.starts_with(' '));
        if line.is_empty() {
            (words, is_open) = (String::new(), false);
        } else if let Some(comment) = line.strip_prefix("# ") {
            if !is_open {
                words.clear();
            }
            is_open = true;
            words.push_str(if words.is_empty() { "" } else { " " });
            words.push_str(comment);
        } else if let Some(name) = section_of(setting.unwrap_or(line)) {
            section = name;
            // A comment right above a section is about all of it.
            words = if is_open { words } else { String::new() };
            is_open = false;
        } else if let Some((key, _)) = setting.and_then(|setting| setting.split_once(" = ")) {
            is_open = false;
            if let Some(section) = section.filter(|_| !words.is_empty()) {
                found.insert(format!("{section}.{key}"), words.clone());
            }
        }
    }
    found
}

/// The section that a line begins; `Some(None)` for one of many.
fn section_of(line: &str) -> Option<Option<&str>> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?;
    Some(if name.starts_with('[') { None } else { Some(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_described_by_the_comment_above_it() {
        let deadline = describe("login.deadline").unwrap();
        assert_eq!(deadline, "A login is answered within this time, whatever the sources do.");
        assert_eq!(describe("passwords.require_lower"), describe("passwords.require_upper"));
        assert!(describe("inactivity.roles.system-admin").unwrap().ends_with("always stays."));
        assert!(describe("passwords.breached_set").unwrap().contains("folder of files"), "lines are joined");
        assert_eq!((describe("sources.kind"), describe("login.nothing")), (None, None));
    }
}

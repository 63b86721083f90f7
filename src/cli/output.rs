//! What the command prints: lines and tables for people, JSON for programs.

use std::io::Write;
use std::sync::OnceLock;

use serde::Serialize;
use serde_json::Value;

use super::table::{self, escaped};

/// How people see what is printed.
#[derive(Clone, Copy, Default)]
pub(super) struct Style {
    /// Ids only.
    pub(super) quiet: bool,
    /// Tables without their first line.
    pub(super) no_headers: bool,
}

/// One run of the command prints in one style, from its first line to its last.
static STYLE: OnceLock<Style> = OnceLock::new();

/// Says how this run prints, before it does.
pub(super) fn begin(style: Style) {
    STYLE.get_or_init(|| style);
}

fn style() -> Style {
    STYLE.get().copied().unwrap_or_default()
}

/// A line on standard output. A reader that has gone away (`| head`) is no failure.
pub(super) fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}

/// A line on standard error.
pub(super) fn complain(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "musterd: {text}"));
}

/// A value as JSON.
pub(super) fn json<T: Serialize>(value: &T) {
    line(&serde_json::to_string_pretty(value).unwrap_or_default());
}

/// A number as people read it: `1,234,567`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

/// A number of bytes as people read it: `5.6 MB`.
pub(super) fn size(bytes: u64) -> String {
    let (mut tenths, mut units) = (bytes.saturating_mul(10), ["B", "kB", "MB", "GB", "TB"].into_iter().peekable());
    let mut unit = units.next().unwrap_or_default();
    while tenths >= 10_000 && units.peek().is_some() {
        tenths = tenths.saturating_add(500) / 1_000;
        unit = units.next().unwrap_or_default();
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// A value inside an answer, by a path such as `session.token`, as people read it.
pub(super) fn text_at(value: &Value, path: &str) -> String {
    let mut found = value;
    for name in path.split('.') {
        found = found.get(name).unwrap_or(&Value::Null);
    }
    text(found)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => escaped(text),
        Value::Number(number) => number.to_string(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(name_of).collect::<Vec<_>>().join(", "),
        Value::Object(_) => name_of(value),
    }
}

/// What stands for an object in a cell: its name, or what it is.
fn name_of(value: &Value) -> String {
    let named = ["name", "is", "kind", "id"].iter().find_map(|key| value.get(key));
    match (value, named) {
        (Value::Object(_), Some(named)) => text(named),
        (Value::Object(_), None) => escaped(&value.to_string()),
        _ => text(value),
    }
}

/// Shows an answer to people in this way, or, where they want no more, its ids.
pub(super) fn answer(answer: &Value, people: impl FnOnce(&Value)) {
    if style().quiet { ids(answer) } else { people(answer) }
}

/// The id of an answer, or of each of its items; where there is none, the name, or the key of a setting.
fn ids(answer: &Value) {
    let own = std::slice::from_ref(answer);
    let things = answer.get("items").and_then(Value::as_array).map_or(own, Vec::as_slice);
    let named = |thing: &Value| ["id", "name", "key"].iter().find_map(|key| thing.get(key).map(text));
    things.iter().filter_map(named).for_each(|id| line(&id));
}

/// A table of the items, one column a path.
pub(super) fn table(items: &Value, columns: &[(&str, &str)]) {
    let cells = |item: &Value| columns.iter().map(|(_, path)| text_at(item, path)).collect();
    let rows: Vec<Vec<String>> = items.as_array().map(|items| items.iter().map(cells).collect()).unwrap_or_default();
    let titles: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let titles = (!style().no_headers).then_some(titles.as_slice());
    table::lines(titles, &rows).iter().for_each(|text| line(text));
}

/// One thing, a line each attribute.
pub(super) fn card(value: &Value) {
    let Some(members) = value.as_object() else { return line(&text(value)) };
    let width = members.keys().map(|key| key.chars().count()).max().unwrap_or(0);
    for (key, member) in members {
        let padding = " ".repeat(width.saturating_sub(key.chars().count()));
        line(&format!("{key}{padding}  {}", text(member)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_short() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 999, 1_000, 5_649_000, 2_000_000_000].map(size), ["0 B", "999 B", "1.0 kB", "5.6 MB", "2.0 GB"]);
        assert!(size(u64::MAX).ends_with(" TB"));
    }
}

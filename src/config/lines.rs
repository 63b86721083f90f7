//! On which line of a TOML file each key stands.
//!
//! Reads places only, never values; the text of the file does not come back in a fault, it may hold secrets.

use std::collections::BTreeMap;

use toml_edit::{Document, Item, TableLike, Value};

/// Where one key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The line, counted from 1.
    pub line: usize,
    /// Is it a table, and not a value?
    pub table: bool,
}

/// The places of all keys by their path (`server.listen`, `sources[0].id`).
#[derive(Default)]
pub(super) struct Places {
    /// Every key of the file.
    pub keys: BTreeMap<String, Place>,
    /// Keys that no path can name: they hold a dot or a bracket, or are empty.
    pub odd: Vec<(String, usize)>,
}

/// Finds the places of all keys.
///
/// # Errors
/// The line and the message of the first syntax error.
pub(super) fn places(text: &str) -> Result<Places, (usize, String)> {
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        (line, error.message().replace('\n', ", "))
    })?;
    let mut walk = Walk { text, places: Places::default() };
    walk.table("", document.as_table(), 1);
    Ok(walk.places)
}

fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

struct Walk<'a> {
    text: &'a str,
    places: Places,
}

impl Walk<'_> {
    /// Walks the keys of a table; `line` is where the table stands.
    fn table(&mut self, path: &str, table: &dyn TableLike, line: usize) {
        for (key, item) in table.iter() {
            let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
            let line = span.map_or(line, |span| line_of(self.text, span.start));
            if key.is_empty() || key.contains(['.', '[', ']']) {
                self.places.odd.push((key.to_owned(), line));
                continue;
            }
            let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            self.item(path, item, line);
        }
    }

    fn item(&mut self, path: String, item: &Item, line: usize) {
        match item {
            Item::None => {}
            Item::Value(value) => self.value(path, value, line),
            Item::Table(table) => {
                self.table(&path, table, line);
                self.place(path, line, true);
            }
            Item::ArrayOfTables(tables) => {
                for (index, table) in tables.iter().enumerate() {
                    let line = table.span().map_or(line, |span| line_of(self.text, span.start));
                    let element = format!("{path}[{index}]");
                    self.table(&element, table, line);
                    self.place(element, line, true);
                }
                self.place(path, line, true);
            }
        }
    }

    fn value(&mut self, path: String, value: &Value, line: usize) {
        match value {
            Value::InlineTable(table) => {
                self.table(&path, table, line);
                self.place(path, line, true);
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    let line = value.span().map_or(line, |span| line_of(self.text, span.start));
                    self.value(format!("{path}[{index}]"), value, line);
                }
                self.place(path, line, false);
            }
            _ => self.place(path, line, false),
        }
    }

    fn place(&mut self, path: String, line: usize, table: bool) {
        self.places.keys.insert(path, Place { line, table });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_line() {
        let text = "top = 1\n\n[server]\nlisten = \"x\"\nuids = [\n  1,\n]\n[[sources]]\nid = \"a\"\n[[sources]]\n\
            attributes = { name = \"cn\" }\n[sources.more]\nx = 1\n";
        let keys = places(text).unwrap().keys;
        let line = |path: &str| keys[path].line;
        assert_eq!((line("top"), line("server"), line("server.listen"), line("server.uids[0]")), (1, 3, 4, 6));
        assert_eq!((line("sources[0]"), line("sources[0].id"), line("sources[1]")), (8, 9, 10));
        assert_eq!((line("sources[1].attributes.name"), line("sources[1].more.x")), (11, 13));
        assert!(keys["server"].table && !keys["server.uids"].table);
    }

    #[test]
    fn a_syntax_error_has_a_line_and_does_not_quote_the_file() {
        let Err((line, message)) = places("a = 1\n\npassword = hunter2\n") else { panic!("is no TOML") };
        assert_eq!(line, 3);
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn keys_that_no_path_can_name_are_told() {
        assert_eq!(places("\"a.b\" = 1\n[x]\n\"\" = 2\n").unwrap().odd, [("a.b".to_owned(), 1), (String::new(), 3)]);
    }
}

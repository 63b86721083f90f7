//! Reads Rust source as words, without comments and texts: enough to see who uses what.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The words and signs of one file; `::` is one of them, texts are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tokens(Vec<String>);

impl Tokens {
    /// The words of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = skipped(rest);
            if length > 0 {
                rest = &rest[length..];
                continue;
            }
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            if !first.is_whitespace() {
                tokens.push(rest[..length].to_owned());
            }
            rest = &rest[length..];
        }
        Self(tokens)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The word at a place; empty outside.
    pub(crate) fn get(&self, at: usize) -> &str {
        self.0.get(at).map_or("", String::as_str)
    }

    pub(crate) fn is(&self, at: usize, word: &str) -> bool {
        self.get(at) == word
    }

    fn is_name(&self, at: usize) -> bool {
        self.get(at).starts_with(|c: char| c.is_alphabetic() || c == '_')
    }

    /// The name at a place, or the first names of the group in braces that begins there.
    pub(crate) fn first_names(&self, at: usize) -> Vec<String> {
        if !self.is(at, "{") {
            return if self.is_name(at) { vec![self.get(at).to_owned()] } else { Vec::new() };
        }
        let mut names = Vec::new();
        let mut open = 0_usize;
        for at in at..self.len() {
            match self.get(at) {
                "{" => open += 1,
                "}" => open -= 1,
                _ if open == 1 && self.is_name(at) && (self.is(at - 1, "{") || self.is(at - 1, ",")) => {
                    names.push(self.get(at).to_owned());
                }
                _ => {}
            }
            if open == 0 {
                break;
            }
        }
        names
    }

    /// Does a path through this crate begin here?
    pub(crate) fn names_crate(&self, at: usize, name: &str) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.get(before));
        let path = self.is(at + 1, "::") && before != "::";
        let whole = before == "use" && (self.is(at + 1, ";") || self.is(at + 1, "as"));
        let rooted = before == "::" && at >= 2 && !self.is_name(at - 2) && !self.is(at - 2, ">");
        self.is(at, name) && (path || whole || rooted)
    }

    /// Without the items that are only compiled for tests, and the modules among them that are files of their own.
    pub(crate) fn without_tests(&self) -> (Self, Vec<String>) {
        const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let mut kept = Vec::new();
        let mut modules = Vec::new();
        let mut at = 0;
        while at < self.len() {
            if !MARK.iter().enumerate().all(|(step, word)| self.is(at + step, word)) {
                kept.push(self.get(at).to_owned());
                at += 1;
                continue;
            }
            let end = self.end_of_item(at + MARK.len());
            let item: Vec<_> = (at..end).map(|at| self.get(at)).collect();
            if let [.., "mod", name, ";"] = item[..] {
                modules.push(name.to_owned());
            }
            at = end;
        }
        (Self(kept), modules)
    }

    /// Where the item that begins here ends: after its semicolon, or the brace that closes it.
    fn end_of_item(&self, from: usize) -> usize {
        let mut open = 0_usize;
        let is_use = (from..self.len()).map(|at| self.get(at)).find(|word| ["use", "mod", "fn", "impl"].contains(word));
        for at in from..self.len() {
            match self.get(at) {
                "{" | "(" | "[" => open += 1,
                "}" | ")" | "]" => {
                    open = open.saturating_sub(1);
                    if open == 0 && self.is(at, "}") && is_use != Some("use") {
                        return at + 1;
                    }
                }
                ";" | "," if open == 0 => return at + 1,
                _ => {}
            }
        }
        self.len()
    }
}

/// The length of the comment, text or lifetime that begins here; 0 if none does.
fn skipped(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let after = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).unwrap_or(rest);
    let marks = after.len() - after.trim_start_matches('#').len();
    if after.len() < rest.len() && after[marks..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(marks));
        let begin = rest.len() - after.len() + marks + 1;
        return rest[begin..].find(&end).map_or(rest.len(), |found| begin + found + end.len());
    }
    match rest.strip_prefix('b').unwrap_or(rest).chars().next() {
        Some('"') => quoted(rest, '"'),
        Some('\'') => {
            let inner = &rest[rest.find('\'').unwrap_or(0) + 1..];
            let mut chars = inner.chars();
            let is_char = inner.starts_with('\\') || (chars.next().is_some() && chars.next() == Some('\''));
            if is_char { quoted(rest, '\'') } else { 1 }
        }
        _ => 0,
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut open, mut at) = (0_usize, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..(at + 2).min(rest.len())] {
            b"/*" => (open, at) = (open + 1, at + 2),
            b"*/" => (open, at) = (open - 1, at + 2),
            _ => at += 1,
        }
        if open == 0 {
            break;
        }
    }
    at
}

fn quoted(rest: &str, mark: char) -> usize {
    let begin = rest.find(mark).unwrap_or(0) + 1;
    let mut escaped = false;
    for (at, c) in rest[begin..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return begin + at + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Every file with this ending below a folder, by its path from there.
pub(crate) fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The files below a folder with their words, both without what is only compiled for tests.
pub(crate) fn without_tests(root: &Path) -> Vec<(PathBuf, Tokens)> {
    let mut left_out: BTreeSet<PathBuf> = BTreeSet::new();
    let mut files = Vec::new();
    for file in rust_files(root) {
        let (tokens, modules) = Tokens::of(&std::fs::read_to_string(root.join(&file)).unwrap()).without_tests();
        let is_folder = ["mod.rs", "lib.rs", "main.rs"].iter().any(|name| file.ends_with(name));
        let folder = if is_folder { file.parent().unwrap().to_owned() } else { file.with_extension("") };
        left_out.extend(modules.iter().map(|module| folder.join(module)));
        files.push((file, tokens));
    }
    files.retain(|(file, _)| !left_out.iter().any(|module| file.with_extension("").starts_with(module)));
    files
}

//! What no compiler checks: every file says what it is, stays small, and names nothing that is not there.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::source::{Tokens, without_tests};

/// Lines before the tests of a file; a longer one says in its `//!` why it is one.
const LINES: usize = 400;
/// Words by which a long file says so.
const REASON: &str = "One file because";
/// Folders of the checkout that hold nothing of ours.
const NOT_OURS: [&str; 6] = ["target", ".git", "data", ".venv", ".cache", "node_modules"];
/// Where the machines of people and of builders keep their own files; in pieces, so that this file holds none.
/// (A Mac's /Users cannot be among them: SCIM has a path of that name.)
const PRIVATE: [&[&str]; 5] =
    [&["/", "home/"], &["/", "root/"], &["/", "work/"], &["/", "workspace/"], &["/", "builds/"]];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file that belongs to the project: git's, or what lies here where there is no git.
fn files() -> Vec<PathBuf> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root()).output();
    let names = listed.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    let names = String::from_utf8(names).unwrap();
    let tracked: Vec<PathBuf> = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    let found = if tracked.is_empty() { walk(root()) } else { tracked };
    found.into_iter().filter(|file| root().join(file).is_file()).collect()
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !path.is_symlink() {
            if !NOT_OURS.contains(&name) {
                files.extend(walk(&path));
            }
        } else {
            files.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    files
}

fn text(file: &Path) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(file)).unwrap()).ok()
}

/// The Rust files of the project with their text.
fn rust() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|file| (file.clone(), text(&file).unwrap())).collect()
}

fn none(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// The lines of a file before its tests.
fn lines_before_tests(text: &str) -> usize {
    text.lines().position(|line| line.starts_with("#[cfg(test)]")).unwrap_or_else(|| text.lines().count())
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent = rust().into_iter().filter(|(_, text)| !text.starts_with("//! "));
    none("without a first line of //!", &silent.map(|(file, _)| file.display().to_string()).collect::<Vec<_>>());
}

#[test]
fn no_file_is_long_without_a_reason() {
    let is_test = |file: &Path| file.starts_with("tests") || file.ends_with("tests.rs");
    let mut long = Vec::new();
    for (file, text) in rust() {
        let lines = lines_before_tests(&text);
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if lines > LINES && !is_test(&file) && !head.contains(REASON) {
            long.push(format!("{} has {lines} lines", file.display()));
        }
    }
    none(&format!("longer than {LINES} lines, and //! has no \"{REASON}\""), &long);
}

#[test]
fn no_file_names_a_place_of_one_machine() {
    let private: Vec<String> = PRIVATE.iter().map(|pieces| pieces.concat()).collect();
    let mut wrong = Vec::new();
    for file in files() {
        let Some(text) = text(&file) else { continue };
        for (number, line) in (1..).zip(text.lines()) {
            if private.iter().any(|place| names_place(line, place)) {
                wrong.push(format!("{}:{number}: {}", file.display(), line.trim()));
            }
        }
    }
    none("an absolute path of one machine", &wrong);
}

/// Does the place begin a path here, rather than stand inside a longer one or an address?
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !"./_-}$~*)".contains(c))
    })
}

#[test]
fn nothing_is_left_to_do_in_the_daemon() {
    let mut wrong = Vec::new();
    for (file, tokens) in without_tests(&root().join("src")) {
        for at in 0..tokens.len() {
            if ["todo", "unimplemented", "dbg"].contains(&tokens.get(at)) && tokens.is(at + 1, "!") {
                wrong.push(format!("{}! in src/{}", tokens.get(at), file.display()));
            }
        }
    }
    none("unfinished", &wrong);
}

#[test]
fn every_included_file_is_there() {
    let mut wrong = Vec::new();
    for (file, text) in rust() {
        let folder = root().join(&file).parent().unwrap().to_owned();
        for macro_name in ["include_str!", "include_bytes!"] {
            for after in text.split(&format!("{macro_name}(\"")).skip(1) {
                let name = after.split('"').next().unwrap();
                if !folder.join(name).is_file() {
                    wrong.push(format!("{} includes {name}", file.display()));
                }
            }
        }
    }
    none("not there", &wrong);
}

/// Texts in backquotes that look like a path of this project.
fn paths_named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| is_path(word)).collect()
}

fn is_path(word: &str) -> bool {
    const TOPS: [&str; 7] = ["src", "tests", "config", "docs", "systemd", ".ci", "benches"];
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let top = Path::new(word).components().next();
    let known = top.is_some_and(|top| matches!(top, Component::Normal(top) if TOPS.iter().any(|name| top == *name)));
    plain && known && word.contains('/')
}

#[test]
fn every_place_that_the_documents_name_is_there() {
    let mut wrong = Vec::new();
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        if !root().join(document).is_file() {
            continue;
        }
        let text = text(Path::new(document)).unwrap();
        let gone = paths_named(&text).into_iter().filter(|path| !root().join(path).exists());
        wrong.extend(gone.map(|path| format!("{document} names {path}")));
    }
    none("not there", &wrong);
}

#[test]
fn the_checks_find_what_they_look_for() {
    let home = PRIVATE[0].concat();
    assert!(names_place(&format!("see {home}ada/x"), &home) && names_place(&format!("\"{home}ada"), &home));
    assert!(!names_place(&format!("https://example.org{home}"), &home) && !names_place(&format!("..{home}"), &home));
    assert_eq!(paths_named("`src/base/` and `src/{a,b}` or `cargo test` in `tests/it`"), ["src/base/", "tests/it"]);
    assert!(Tokens::of("fn f() { todo!() }").is(5, "todo"));
    assert_eq!(lines_before_tests("//! a\nfn f() {}\n#[cfg(test)]\nmod tests {}\n"), 2);
}

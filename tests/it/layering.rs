//! Who may knock on whose door: the rooms of `src/`, and which crate belongs to which room.
//!
//! These tables are the one source; `ARCHITECTURE.md` tells the reasons. A new arrow is a change of its own, with
//! its reason. What is only compiled for tests is not looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::source::{Tokens, rust_files, without_tests};

/// A room, and the other rooms that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("directory", &["base"]),
    ("tasks", &["base"]),
    ("store", &["base", "directory"]),
    ("scim", &["base", "directory"]),
    // The one HTTP client. Sources are read by it, and codes leave by it.
    ("web", &["base"]),
    ("sources", &["base", "directory", "scim", "web"]),
    ("notify", &["base", "directory", "store", "tasks", "web"]),
    // What proves a face answers by HTTP.
    ("auth", &["base", "directory", "store", "sources", "tasks", "web"]),
    ("sync", &["base", "directory", "store", "sources", "tasks"]),
    ("lifecycle", &["base", "directory", "store", "tasks", "sync"]),
    // Files that are handed in and out: no room below knows of them.
    ("exchange", &["base", "directory"]),
    ("http", &["base", "directory", "store", "scim", "auth", "exchange", "sync", "lifecycle", "tasks"]),
    // Reads each room's own settings.
    ("config", &["base", "directory", "store", "sources", "notify", "auth", "sync", "lifecycle", "tasks", "http"]),
    // The one place that joins everything.
    ("app", EVERYTHING),
    ("cli", &["base", "store", "exchange", "app", "config"]),
    ("main", &["cli"]),
    ("lib", &[]),
];

const EVERYTHING: &[&str] = &[
    "base",
    "directory",
    "tasks",
    "store",
    "scim",
    "exchange",
    "web",
    "sources",
    "notify",
    "auth",
    "sync",
    "lifecycle",
    "http",
    "config",
];

/// Arrows that are there and are not wanted: each with what would remove it. The list may only shrink.
const KNOWN: &[(&str, &str, &str)] = &[
    // The test of a source shows a person as the source sees it.
    ("http", "sources", "let `sync` hand out what a test of a source shows"),
];

/// A crate, and where alone it may be used: a folder or a file of `src/`.
const CRATES: &[(&str, &[&str])] = &[
    ("axum", &["http"]),
    ("tower", &["http"]),
    ("tower_http", &["http"]),
    // The command talks HTTP to the daemon's socket.
    ("hyper", &["http", "cli", "web"]),
    ("hyper_util", &["http", "cli", "web"]),
    ("http_body_util", &["http", "cli", "web"]),
    ("ldap3", &["sources/ldap"]),
    ("lber", &["sources/ldap"]),
    ("sled", &["store/engine/sled", "store/engine/sled.rs"]),
    ("lettre", &["notify/mail", "notify/mail.rs"]),
    ("minijinja", &["notify/templates"]),
    ("rusmpp", &["notify/sms/smpp.rs"]),
    ("tokio_cron_scheduler", &["tasks"]),
    ("webauthn_rs", &["auth/passkeys"]),
    ("zxcvbn", &["auth/passwords/strength.rs"]),
    // Archives and XML from outside are bounded in one place.
    ("zip", &["exchange/xlsx", "exchange/xlsx.rs"]),
    ("quick_xml", &["exchange/xlsx"]),
];

/// One use of something in one file.
type Use = (PathBuf, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The room that a file of `src/` lies in: its folder, or its own name.
fn room(file: &Path) -> String {
    let first = file.components().next().unwrap();
    Path::new(&first).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// How many modules deep a file of `src/` is: `auth/mod.rs` is one.
fn depth(file: &Path) -> usize {
    let parts = file.components().count();
    let name = file.file_name().unwrap();
    if name == "mod.rs" || (parts == 1 && (name == "lib.rs" || name == "main.rs")) { parts - 1 } else { parts }
}

/// Every room that the daemon's own code names, by file.
fn uses() -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    for (file, tokens) in without_tests(&root()) {
        for room in rooms_named(&tokens, depth(&file)) {
            uses.insert((file.clone(), room));
        }
    }
    uses
}

/// What follows `crate::`, the crate's own name in a binary, and `super::` where it climbs to the crate's root.
fn rooms_named(tokens: &Tokens, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let starts = !tokens.is(at.wrapping_sub(1), "::");
        let after = match tokens.get(at) {
            "crate" | "musterd" if tokens.is(at + 1, "::") && starts => at + 2,
            "super" if tokens.is(at + 1, "::") && starts => {
                let climbs = (0..).take_while(|step| tokens.is(at + 2 * step, "super")).count();
                if climbs < depth {
                    continue;
                }
                at + 2 * climbs
            }
            _ => continue,
        };
        found.extend(tokens.first_names(after));
    }
    found
}

#[test]
fn every_room_knocks_only_where_it_may() {
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (file, used) in uses() {
        let room = room(&file);
        let may = ROOMS.iter().find(|(name, _)| *name == room).map(|(_, may)| *may).unwrap_or_default();
        let known = KNOWN.iter().any(|(from, to, _)| (*from, *to) == (room.as_str(), used.as_str()));
        if rooms.contains(used.as_str()) && used != room && !may.contains(&used.as_str()) && !known {
            wrong.push(format!("{room} → {used} in src/{}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "not in the table:\n{}", wrong.join("\n"));
}

#[test]
fn every_known_exception_is_still_there() {
    let uses: BTreeSet<(String, String)> = uses().into_iter().map(|(file, used)| (room(&file), used)).collect();
    for (from, to, remedy) in KNOWN {
        assert!(uses.contains(&((*from).to_owned(), (*to).to_owned())), "{from} → {to} is gone: strike it ({remedy})");
    }
}

#[test]
fn every_file_lies_in_a_room_of_the_table() {
    for file in rust_files(&root()) {
        let room = room(&file);
        assert!(ROOMS.iter().any(|(name, _)| *name == room), "src/{} lies in no room of the table", file.display());
    }
}

#[test]
fn the_table_has_no_circle() {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    while settled.len() < ROOMS.len() {
        let ready = |may: &[&str]| may.iter().all(|room| settled.contains(room));
        let next = ROOMS.iter().find(|(room, may)| !settled.contains(room) && ready(may));
        let (room, _) = next.unwrap_or_else(|| panic!("a circle, or an unknown name, outside {settled:?}"));
        settled.insert(room);
    }
}

#[test]
fn each_borrowed_crate_stays_in_its_place() {
    let mut wrong = Vec::new();
    for (file, tokens) in without_tests(&root()) {
        for (name, places) in CRATES {
            let used = (0..tokens.len()).any(|at| tokens.names_crate(at, name));
            if used && !places.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{name} in src/{}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "only at home elsewhere:\n{}", wrong.join("\n"));
}

#[test]
fn uses_are_found_in_every_form() {
    let text = r##"
        use crate::{base::id, store::{Store, tx}};
        // crate::comment and /* crate::nested */
        /* crate::block */ const A: &str = "crate::text"; const B: &str = r#"crate::raw "quoted""#;
        fn f<'a>(x: &'a str) -> crate::auth::Login { let c = '"'; crate::scim::run(c); super::super::sync::go() }
        pub(crate) fn g() { let _ = super::near::h(); let _ = x::crate_name::y(); }
        #[cfg(test)]
        use crate::lifecycle::Sweep;
        #[cfg(test)]
        #[path = "elsewhere.rs"]
        mod tests { use crate::notify::mail; fn f() { { } } }
        fn last() { crate::tasks::run() }
    "##;
    let (tokens, modules) = Tokens::of(text).without_tests();
    let found: Vec<_> = rooms_named(&tokens, 2).into_iter().collect();
    assert_eq!(found, ["auth", "base", "scim", "store", "sync", "tasks"]);
    assert!(modules.is_empty());
    let (_, modules) =
        Tokens::of("#[cfg(test)] mod tests; #[cfg(test)] pub(crate) mod more; mod real;").without_tests();
    assert_eq!(modules, ["tests", "more"]);
}

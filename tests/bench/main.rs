//! The figures, each a ratio with both sides measured in one run: `cargo bench`, or `cargo bench -- NAME`.
//!
//! Figures: `logins`, `forgotten`, `mails`, `sessions`, `scim`, `ldap`, `store`, `rights`, `sweep`, `export`, `import`.
//! They need `slapd` (see `tests/run`) and print a table; they are not tests. A number is of how many users those behind
//! `sessions` are taken, 100,000 where none is given:
//! `cargo bench -- store 1000000`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "a bench measures time, prints, and stops at the first fault"
)]

/// The allocator of the daemon: both sides of a figure get it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod client;
mod daemon;
mod export;
mod import;
#[path = "../it/harness"]
#[expect(dead_code, reason = "the tests use more of it")]
mod harness {
    pub(crate) mod certificates;
    pub(crate) mod ldap_server;
    pub(crate) mod slapd;
}
mod ldap;
mod logins;
mod mails;
mod rights;
mod scim;
mod sessions;
mod store;
mod sweep;

/// A row of the table.
struct Figure {
    what: String,
    ours: String,
    other: String,
    ratio: f64,
    goal: String,
    met: bool,
}

fn main() {
    if sessions::is_bare_server() {
        return;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let (numbers, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|one| one.parse::<usize>().is_ok());
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let users = numbers.first().map_or(100_000, |number| number.parse().unwrap());
    let mut figures = Vec::new();
    if is_wanted("logins") {
        figures.extend(logins::figures());
    }
    if is_wanted("forgotten") {
        figures.extend(logins::forgotten());
    }
    if is_wanted("sessions") {
        figures.extend(sessions::figures());
    }
    if is_wanted("mails") {
        figures.extend(mails::figures());
    }
    if is_wanted("scim") {
        figures.extend(scim::figures(users));
    }
    if is_wanted("ldap") {
        figures.extend(ldap::figures(users));
    }
    if is_wanted("store") {
        figures.extend(store::figures(users));
    }
    if is_wanted("rights") {
        figures.extend(rights::figures());
    }
    if is_wanted("sweep") {
        figures.extend(sweep::figures(users));
    }
    if is_wanted("export") {
        figures.extend(export::figures(users));
    }
    if is_wanted("import") {
        figures.extend(import::figures(users));
    }
    println!("\n| figure | musterd | against | ratio | goal | met |\n|---|---|---|---|---|---|");
    for Figure { what, ours, other, ratio, goal, met } in figures {
        println!("| {what} | {ours} | {other} | {ratio:.2} | {goal} | {} |", if met { "yes" } else { "**no**" });
    }
}

//! Our PATCH and our filters beside those of another implementation, on made-up cases that a seed repeats.
//!
//! The two differ, and every difference has a class with a sentence that says who is right and by which section.
//! A class proves itself: it does not only recognise a case but puts it to the oracle in the form that the
//! sentence asks for, and then both must say the same. A difference without a class fails the test, and so does a
//! class without a difference.
//!
//! `MUSTERD_ORACLE_CASES` sets how many cases are tried, `MUSTERD_ORACLE_SEED` which.

use std::collections::{BTreeMap, BTreeSet};

use musterd::scim::schema::ResourceType;
use musterd::scim::schemas;

mod filter_classes;
mod filters;
mod operations;
mod patch;
mod patch_answers;
mod patch_classes;
mod patch_refusals;
mod patch_selections;
mod peer;
mod people;
mod put;
mod terms;

/// From so many cases on every class must have one.
const ENOUGH: usize = 2_500;

/// What is patched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn resource_type(self) -> &'static ResourceType {
        match self {
            Self::User => schemas::user(),
            Self::Group => schemas::group(),
        }
    }
}

/// What became of all cases.
#[derive(Default)]
struct Tally {
    same: usize,
    both_refuse: usize,
    explained: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn explain(&mut self, classes: impl IntoIterator<Item = &'static str>) {
        for class in classes {
            *self.explained.entry(class).or_default() += 1;
        }
    }

    /// Prints the counts and fails where a difference has no class, or a class no difference.
    #[expect(clippy::print_stdout, reason = "the counts are what these runs are for")]
    fn judge(&self, what: &str, cases: usize, classes: &[(&'static str, &str)]) {
        println!("{what}: {cases} cases, {} the same, {} refused by both", self.same, self.both_refuse);
        for (name, why) in classes {
            println!("{:6}  {name}: {why}", self.explained.get(name).copied().unwrap_or_default());
        }
        let (count, shown) = (self.unexplained.len(), self.unexplained.iter().take(shown()));
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        assert_eq!(count, 0, "{what}: {count} differences of no class, such as\n{}", shown.join("\n"));
        if cases < ENOUGH {
            return;
        }
        let idle: Vec<_> = classes.iter().filter(|(name, _)| !self.explained.contains_key(name)).collect();
        assert!(idle.is_empty(), "classes without a difference: {idle:?}");
    }
}

/// The classes without which the case is not explained: each that can go, goes.
fn needed(
    mut used: BTreeSet<&'static str>,
    mut explain: impl FnMut(&BTreeSet<&'static str>) -> bool,
) -> BTreeSet<&'static str> {
    for name in used.clone() {
        used.remove(name);
        if used.is_empty() || !explain(&used) {
            used.insert(name);
        }
    }
    used
}

fn shown() -> usize {
    number("MUSTERD_ORACLE_SHOWN", 10)
}

fn cases(usual: usize) -> usize {
    number("MUSTERD_ORACLE_CASES", usual)
}

fn seed() -> u64 {
    u64::try_from(number("MUSTERD_ORACLE_SEED", 7_644)).unwrap()
}

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

//! How a file is taken: what its rows are about, and what becomes of bad ones.

use super::super::bulk::reason_of;
use super::super::many::Seen;
use crate::http::error::Problem;
use crate::http::extract::Parameters;

/// What becomes of a file with bad rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Nothing is written.
    All,
    /// The good ones are.
    Good,
}

/// By what a row names its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    Id,
    Username,
}

/// The parameters of an import.
pub(super) struct Options {
    pub(super) mode: Mode,
    pub(super) by: By,
    /// Users that are not there are made.
    pub(super) creates: bool,
    /// Users that are there are changed.
    pub(super) updates: bool,
    pub(super) dry_run: bool,
    pub(super) wait: bool,
    pub(super) reason: String,
    pub(super) seen: Seen,
}

/// The parameters of an import.
const NAMES: [&str; 10] =
    ["format", "mode", "by", "on_missing", "on_existing", "dry_run", "wait", "reason", "expect", "digest"];

impl Options {
    pub(super) fn parse(parameters: &Parameters) -> Result<Self, Problem> {
        parameters.only(&NAMES)?;
        let word = |name, words: [&str; 2]| one_of(parameters, name, words);
        let expect = parameters.get("expect").map(str::parse::<usize>).transpose();
        let expect = expect.map_err(|_| Problem::field("expect", "malformed", "must be a number"))?;
        Ok(Self {
            mode: if word("mode", ["all", "good"])? { Mode::All } else { Mode::Good },
            by: if word("by", ["username", "id"])? { By::Username } else { By::Id },
            creates: word("on_missing", ["create", "refuse"])?,
            updates: word("on_existing", ["update", "refuse"])?,
            dry_run: !word("dry_run", ["false", "true"])?,
            wait: word("wait", ["true", "false"])?,
            reason: reason_of(parameters.get("reason"), "import")?,
            seen: Seen { digest: parameters.get("digest").map(str::to_owned), expect },
        })
    }
}

/// Is a parameter the first of two words, or not there?
fn one_of(parameters: &Parameters, name: &str, [first, second]: [&str; 2]) -> Result<bool, Problem> {
    match parameters.get(name) {
        None => Ok(true),
        Some(word) if word == first => Ok(true),
        Some(word) if word == second => Ok(false),
        Some(_) => Err(Problem::field(name, "malformed", &format!("must be {first} or {second}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_none_are_refused_and_what_is_not_said_is_careful() {
        let parse = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, word)| ((*name).to_owned(), (*word).to_owned()));
            Options::parse(&Parameters(pairs.collect()))
        };
        let plain = parse(&[]).unwrap_or_else(|problem| panic!("{problem:?}"));
        assert!(plain.mode == Mode::All && plain.by == By::Username && plain.wait && !plain.dry_run);
        assert!(plain.creates && plain.updates);
        let other = [("mode", "good"), ("by", "id"), ("on_missing", "refuse"), ("dry_run", "true"), ("wait", "false")];
        let other = parse(&other).unwrap_or_else(|problem| panic!("{problem:?}"));
        assert!(other.mode == Mode::Good && other.by == By::Id && other.dry_run && !other.wait && !other.creates);
        for (name, word) in [
            ("dry-run", "true"),
            ("dryrun", "true"),
            ("expected", "1"),
            ("mode", "some"),
            ("dry_run", "yes"),
            ("by", "email"),
            ("expect", "-1"),
            ("wait", ""),
        ] {
            assert!(parse(&[(name, word)]).is_err(), "{name}={word}");
        }
    }
}

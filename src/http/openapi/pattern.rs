//! Patterns of texts, made of what parses them: the parsers are asked character by character, and the bounds are theirs. What
//! a parser takes fits its pattern. Wider than its parser is a pattern where tables of Unicode decide, and where several
//! characters come to one (NFC).
//!
//! They are regular expressions as JSON schemas have them (ECMA 262), in the part that others read alike: nothing looks
//! ahead, no class has a name, and a sign or character beyond ASCII stands there by its number.

use std::sync::LazyLock;
use std::time::Duration;

use crate::base::id::{SLUG_MAX, is_slug_char};
use crate::base::text::{is_barred, is_barred_in_lines};
use crate::directory::field::{Email, Phone};
use crate::directory::stored_hash::BEGINNINGS;
use crate::http::api::audit::NAME_MAX;
use crate::tasks::schedule::UNITS;

/// What is trimmed, as the inside of a class.
static SPACES: LazyLock<String> = LazyLock::new(|| inside(|c| c.is_whitespace() && !is_barred(c)));
/// What stands in slugs, as the inside of a class.
static SLUG_CHARS: LazyLock<String> = LazyLock::new(|| inside(is_slug_char));
/// What no line holds, as the inside of a class.
static BARRED: LazyLock<String> = LazyLock::new(|| inside(is_barred));

/// One line that is not empty.
pub(super) static LINE: LazyLock<String> = LazyLock::new(|| {
    let (barred, spaces) = (&*BARRED, &*SPACES);
    format!("^[^{barred}]*[^{barred}{spaces}][^{barred}]*$")
});

/// Several lines, or none.
pub(super) static LINES: LazyLock<String> = LazyLock::new(|| format!("^[^{}]*$", inside(is_barred_in_lines)));

/// Something else than space.
pub(super) static NOT_BLANK: LazyLock<String> = LazyLock::new(|| format!("[^{}]", inside(char::is_whitespace)));

/// Without a NUL.
pub(super) const WITHOUT_NUL: &str = "^[^\\x00]*$";

/// Words with one space between each two. Which characters beyond ASCII may be in them, RFC 8265 says.
pub(super) static USERNAME: LazyLock<String> = LazyLock::new(|| {
    let (barred, spaces) = (&*BARRED, &*SPACES);
    let word = format!("[^{barred}{spaces}]+");
    format!("^[{spaces}]*{word}(?: {word})*[{spaces}]*$")
});

/// What comes before the `@`, what behind it, and how long the former may be. Of characters beyond ASCII, any.
pub(super) static EMAIL: LazyLock<[String; 2]> = LazyLock::new(|| {
    let is_taken = |address: String| Email::parse(&address).is_ok();
    let any_but = |is_good: &dyn Fn(char) -> bool| {
        let is_bad = |c: char| if c.is_ascii() { !is_good(c) } else { is_barred(c) || c.is_whitespace() };
        format!("[^{}]", inside(is_bad))
    };
    let atom = any_but(&|c| c != '.' && is_taken(format!("a{c}a@a")));
    let (end, inner) =
        (any_but(&|c| is_taken(format!("a@{c}"))), any_but(&|c| c != '.' && is_taken(format!("a@a{c}a"))));
    let label = format!("{end}(?:{inner}{{0,{}}}{end})?", Email::LABEL_MAX.saturating_sub(2));
    let spaces = &*SPACES;
    [
        format!("^[{spaces}]*{atom}+(?:\\.{atom}+)*@{label}(?:\\.{label})*[{spaces}]*$"),
        format!("^[{spaces}]*[^{spaces}@]{{1,{}}}@", Email::LOCAL_PART_MAX),
    ]
});

/// A plus sign and digits, and between them what is dropped.
pub(super) static PHONE: LazyLock<String> = LazyLock::new(|| {
    let (spaces, dropped) = (&*SPACES, format!("[{}]*", inside(Phone::is_separator)));
    let (least, most) = (Phone::DIGITS.start().saturating_sub(1), Phone::DIGITS.end().saturating_sub(1));
    format!("^[{spaces}]*{dropped}\\+{dropped}[1-9](?:{dropped}[0-9]){{{least},{most}}}{dropped}[{spaces}]*$")
});

/// The name of a source or a role.
pub(super) static SLUG: LazyLock<String> = LazyLock::new(|| {
    let most = SLUG_MAX.saturating_sub(1);
    format!("^[{}][{}]{{0,{most}}}$", inside(|c| c.is_ascii_lowercase()), *SLUG_CHARS)
});

/// Names of such characters as slugs have, so many of them, with dots between.
pub(super) fn dotted(parts: usize) -> String {
    let part = format!("[{}]+", *SLUG_CHARS);
    format!("^{}$", vec![part; parts].join("\\."))
}

/// An action of the audit trail, or a family of them.
pub(super) static ACTION: LazyLock<String> = LazyLock::new(|| {
    let name = name();
    format!("^{name}\\.(?:\\*|{name})$")
});

/// Somebody who did something, by the kind of who it is, or by a username alone.
pub(super) static ACTOR: LazyLock<String> = LazyLock::new(|| {
    let (name, uuid, uid) = (name(), uuid(), up_to(u32::MAX.into()));
    let slug = SLUG.trim_start_matches('^').trim_end_matches('$');
    let kinds =
        [format!("token:{uuid}"), format!("source:{slug}"), format!("socket:\\+?{uid}"), format!("system:{name}")];
    format!("^(?:user:|(?:[^:]*|{})$)", kinds.join("|"))
});

/// A name in the audit trail.
fn name() -> String {
    format!("[{}]{{1,{NAME_MAX}}}", *SLUG_CHARS)
}

/// Columns of a file, with commas between.
pub(super) static COLUMNS: LazyLock<String> = LazyLock::new(|| {
    let spaces = inside(char::is_whitespace);
    let column = format!("[{spaces}]*[{}]+[{spaces}]*", inside(|c| c.is_ascii_alphabetic() || c == '_'));
    format!("^{column}(?:,{column})*$")
});

/// The hash of a password, by how it begins.
pub(super) static HASH: LazyLock<String> = LazyLock::new(|| format!("^(?:{})", one_of(BEGINNINGS.iter().copied())));

/// An id (RFC 9562 §4), in any of the ways in which one is read.
fn uuid() -> String {
    let digits = |number: usize| format!("[0-9A-Fa-f]{{{number}}}");
    let dashed = [8, 4, 4, 4, 12].map(digits).join("-");
    format!("(?:{plain}|(?:urn:uuid:)?{dashed}|\\{{{dashed}\\}})", plain = digits(32))
}

/// A duration of at most so much.
pub(super) fn duration(most: Duration) -> String {
    let units = UNITS.iter().map(|(name, unit)| {
        let number = most.as_millis().checked_div(unit.as_millis()).unwrap_or_default();
        format!("{}{}", up_to(u64::try_from(number).unwrap_or(u64::MAX)), plain(name))
    });
    format!("^(?:{})$", units.collect::<Vec<_>>().join("|"))
}

/// A whole number of at most so much; zeros may stand before it.
fn up_to(most: u64) -> String {
    let digits = most.to_string();
    let mut numbers = Vec::new();
    match digits.len() {
        1 => {}
        2 => numbers.push("[0-9]".to_owned()),
        more => numbers.push(format!("[0-9]{{1,{}}}", more.saturating_sub(1))),
    }
    // As many digits, of which one is smaller and those before it are the same.
    for (at, digit) in digits.char_indices() {
        let same = digits.get(..at).unwrap_or_default();
        let smaller = match digit {
            '0' => continue,
            '1' => "0".to_owned(),
            digit => format!("[0-{}]", char::from_u32(u32::from(digit).saturating_sub(1)).unwrap_or(digit)),
        };
        let mut number = format!("{same}{smaller}");
        match digits.len().saturating_sub(at).saturating_sub(1) {
            0 => {}
            1 => number.push_str("[0-9]"),
            more => number.push_str(&format!("[0-9]{{{more}}}")),
        }
        numbers.push(number);
    }
    numbers.push(digits);
    format!("0*(?:{})", numbers.join("|"))
}

/// An address, or one with the length of its prefix.
pub(super) static NETWORK: LazyLock<String> = LazyLock::new(|| {
    let octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    let four = format!("{octet}(?:\\.{octet}){{3}}");
    let six = ipv6(&four);
    format!("^(?:{four}(?:/{})?|(?:{six})(?:/{})?)$", up_to(32), up_to(128))
});

/// An address of IPv6 (RFC 4291 §2.2): eight groups, or fewer around a `::`; the last two may be written as IPv4.
fn ipv6(four: &str) -> String {
    const GROUPS: usize = 8;
    let group = "[0-9A-Fa-f]{1,4}";
    let end = |most: usize| match most {
        0 => String::new(),
        1 => format!("(?:{group})?"),
        _ => format!("(?:(?:{group}:){{0,{}}}{group}|(?:{group}:){{0,{}}}{four})?", most - 1, most - 2),
    };
    let whole = format!("(?:{group}:){{7}}{group}|(?:{group}:){{6}}{four}");
    let shortened = (0..GROUPS).map(|before| {
        let begin = match before {
            0 => String::new(),
            _ => format!("{group}(?::{group}){{{}}}", before - 1),
        };
        format!("{begin}::{}", end(GROUPS - 1 - before))
    });
    std::iter::once(whole).chain(shortened).collect::<Vec<_>>().join("|")
}

/// The inside of a class of the characters of which something holds.
fn inside(holds: impl Fn(char) -> bool) -> String {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut before = None;
    for c in '\0'..=char::MAX {
        let is_in = holds(c);
        match ranges.last_mut() {
            Some((_, last)) if is_in && before == Some(*last) => *last = c,
            _ if is_in => ranges.push((c, c)),
            _ => {}
        }
        before = Some(c);
    }
    let ends = ranges.into_iter().map(|(first, last)| match first == last {
        true => character(first),
        false => format!("{}-{}", character(first), character(last)),
    });
    ends.collect()
}

/// A character as it stands in a pattern, in a class or outside of one.
fn character(c: char) -> String {
    match u32::from(c) {
        _ if c.is_ascii_alphanumeric() || " _@,:;<>=!#%&'\"~/".contains(c) => c.to_string(),
        _ if "^$\\.*+?()[]{}|".contains(c) => format!("\\{c}"),
        number @ 0..=0xff => format!("\\x{number:02x}"),
        number @ 0x100..=0xffff => format!("\\u{number:04x}"),
        _ => c.to_string(),
    }
}

/// One of some texts, each as it stands there.
fn one_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(plain).collect::<Vec<_>>().join("|")
}

fn plain(text: &str) -> String {
    text.chars().map(character).collect()
}

#[cfg(test)]
mod tests;

//! Is it a password that somebody who guesses tries first? The whole password is compared, and simple variations of it,
//! never a part (NIST SP 800-63B-4 §3.1.1.2): a sentence may hold a common word. PURE.
//!
//! `common.txt` ships with musterd; where it comes from stands in `common.licence`.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::base::text;

/// What people use most, in lower case and sorted.
static COMMON: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("common.txt").lines().collect());
/// What machines are delivered with, and people of the trade type first: lists of people's passwords lack it.
const DELIVERED: [&str; 14] = [
    "administrator",
    "autumn",
    "company",
    "default",
    "facebook",
    "guest",
    "linkedin",
    "login",
    "manager",
    "operator",
    "root",
    "service",
    "toor",
    "user",
];
/// Walks over the keyboard, and what is counted up.
const WALKS: [&str; 6] = [
    "qwertyuiopasdfghjklzxcvbnmqwertyuiop",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
    "abcdefghijklmnopqrstuvwxyzabcdefghij",
];
/// Fewest characters of a walk, and of a name.
const LEAST: usize = 3;
/// So few letters, digits or signs over and over are common, whatever they are, up to that length.
const STUTTER: usize = 3;
const STUTTERED: usize = 32;
/// Digits and signs that stand before and behind a word for the sake of a rule: so many, or as many as the word has.
const FRAME: usize = 8;
/// Longer ones are only looked at for being one thing over and over.
const LONGEST: usize = 128;

/// Is it common? `names` are the words that whoever guesses knows of its owner: they count as common ones.
#[must_use]
pub(super) fn is_common(password: &str, names: &[&str]) -> bool {
    let folded = text::fold(password.trim());
    let known = Known { names: names.iter().flat_map(|name| spellings(name)).collect() };
    let long = folded.chars().count() > LONGEST;
    forms(&folded).iter().any(|form| match long {
        true => known.holds(form),
        false => known.holds(form) || known.holds_framed(form),
    })
}

/// A name as it is, and without what separates its parts.
fn spellings(name: &str) -> [String; 2] {
    let folded = text::fold(name);
    let joined = joined(&folded);
    [folded, joined]
}

/// Letters and digits alone.
pub(super) fn joined(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The password as it is, and as the keys without shift; with what separates words, and without.
fn forms(folded: &str) -> Vec<String> {
    let keys: String = folded.chars().map(key).collect();
    let is_separator = |c: char| c.is_whitespace() || "-_.,".contains(c);
    let close = |text: &str| text.chars().filter(|c| !is_separator(*c)).collect::<String>();
    let mut forms = vec![close(folded), close(&keys), folded.to_owned(), keys];
    forms.sort();
    forms.dedup();
    forms
}

/// The letter that a sign stands for; `one` is what 1 and ! are read as.
fn letter(c: char, one: char) -> char {
    match c {
        '@' | '4' => 'a',
        '3' | '€' => 'e',
        '1' | '!' | '|' => one,
        '0' => 'o',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        c => c,
    }
}

/// The digit of a key that was typed with shift.
fn key(c: char) -> char {
    match c {
        '!' => '1',
        '@' => '2',
        '#' => '3',
        '$' => '4',
        '%' => '5',
        '^' => '6',
        '&' => '7',
        '*' => '8',
        '(' => '9',
        ')' => '0',
        c => c,
    }
}

/// What is common: the lists, the walks, and the names.
struct Known {
    names: Vec<String>,
}

impl Known {
    /// Is the text common, or a common one over and over, with signs that stand for letters or without?
    fn holds(&self, text: &str) -> bool {
        let letters = |one| text.chars().map(|c| letter(c, one)).collect::<String>();
        self.is_one(text) || self.is_one(&letters('i')) || self.is_one(&letters('l'))
    }

    fn is_one(&self, text: &str) -> bool {
        let (unit, whole) = (unit(text), text.chars().count());
        let length = unit.chars().count();
        let is_short = (LEAST..=STUTTERED).contains(&whole) && length <= STUTTER;
        let is_stutter = is_short && unit.is_ascii() && whole >= length.saturating_mul(3);
        is_stutter || is_counted(text) || self.has(text) || self.has(&unit)
    }

    fn has(&self, text: &str) -> bool {
        let is_name = |name: &String| name == text && name.chars().count() >= LEAST;
        COMMON.binary_search(&text).is_ok()
            || DELIVERED.contains(&text)
            || is_walk(text)
            || self.names.iter().any(is_name)
    }

    /// Is it a common text with digits and signs before or behind it?
    fn holds_framed(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        let is_frame = |c: &&char| !c.is_alphabetic();
        let before = chars.iter().take_while(is_frame).count().min(FRAME);
        let behind = chars.iter().rev().take_while(is_frame).count();
        let least_end = chars.len().saturating_sub(behind);
        (0..=before).any(|start| (least_end..=chars.len()).any(|end| self.is_framed(&chars, start, end)))
    }

    fn is_framed(&self, chars: &[char], start: usize, end: usize) -> bool {
        let Some(stem) = chars.get(start..end).filter(|stem| !stem.is_empty()) else { return false };
        let tail: String = chars.get(end..).unwrap_or_default().iter().collect();
        let length = tail.chars().count();
        // Among digits some are always common: they must be most of them.
        let is_short = match stem.iter().any(|c| c.is_alphabetic()) {
            true => length <= FRAME.max(stem.len()),
            false => length.saturating_add(start).saturating_mul(2) <= stem.len(),
        };
        let stem: String = stem.iter().collect();
        self.holds(&stem) && (is_short || start == 0 && self.holds(&tail))
    }
}

/// Characters that are counted up or down: `4567890`, `fedcba`.
fn is_counted(text: &str) -> bool {
    // After 9 comes 0, and the other way round.
    let follows = |a: char, b: char| u32::from(a).checked_add(1) == Some(u32::from(b)) || (a, b) == ('9', '0');
    let pairs = || text.chars().zip(text.chars().skip(1));
    text.chars().count() >= LEAST && (pairs().all(|(a, b)| follows(a, b)) || pairs().all(|(a, b)| follows(b, a)))
}

fn is_walk(text: &str) -> bool {
    let back: Cow<'_, str> = text.chars().rev().collect::<String>().into();
    text.len() > LEAST && WALKS.iter().any(|walk| walk.contains(text) || walk.contains(back.as_ref()))
}

/// What the text repeats, to its end: `abcabcab` repeats `abc`. Itself, where it repeats nothing twice.
fn unit(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let repeats = |length: &usize| chars.iter().zip(chars.iter().skip(*length)).all(|(a, b)| a == b);
    let length = (1..=chars.len() / 2).find(repeats).unwrap_or(chars.len());
    chars.iter().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_long_sorted_and_in_the_form_that_is_compared() {
        assert!(COMMON.len() >= 3_000, "{}", COMMON.len());
        assert!(COMMON.is_sorted() && COMMON.iter().all(|word| text::fold(word) == *word && !word.is_empty()));
    }

    #[test]
    fn p_05_common_passwords_and_their_simple_variations_are_common() {
        for password in [
            "Password1234567",
            "password",
            "PASSWORD!!!",
            "P@ssw0rd2026",
            "p4$$w0rd-p4$$w0rd",
            "PasswordPasswordPass",
            "  letmein  ",
            "!!Welcome2026!!",
            "Ｐａｓｓｗｏｒｄ１２３",
            "Administrator1!",
            "iloveyouiloveyou",
            "I love you 2026",
            "123456789012345",
            "98765432109876543",
            "aaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "qwertyuiopasdfghjkl",
            "1qaz2wsx3edc4rfv",
            "123456789012!!!",
            "12345678-password",
            "dragon1234567890123",
            "!QAZ@WSX3edc4rfv",
            "1234512345123451234512345",
            "a1a1a1a1a1a1a1a1",
            "Dr4g0n0000000000000",
        ] {
            assert!(is_common(password, &[]), "{password}");
        }
    }

    #[test]
    fn a_sentence_may_hold_common_words_and_a_word_may_stand_before_real_digits() {
        for password in [
            "correct horse battery",
            "another long password",
            "nanoseconds are short",
            "my password is on the wall",
            "dragon 31415926535897932384",
            "314159265358979",
            "849302123456938",
            "trajectories by hand",
            "😀 monkey 😀 baseball 😀",
            "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
            "x",
            "",
            "  ",
        ] {
            assert!(!is_common(password, &[]), "{password}");
        }
    }

    #[test]
    fn names_that_are_known_of_somebody_count_as_common() {
        let names = ["musterd", "Acme Rockets", "Zoé", "王小明", "ab"];
        for password in ["Musterd-2026-!!", "acmerockets1234", "ACME ROCKETS!", "zoé20262026", "王小明王小明2026"]
        {
            assert!(is_common(password, &names) && !is_common(password, &[]), "{password}");
        }
        for password in ["the mustard of musterd", "acme has no rockets", "ab31415926"] {
            assert!(!is_common(password, &names), "{password}");
        }
    }

    #[test]
    fn the_longest_password_costs_little() {
        let watch = crate::base::clock::Stopwatch::start();
        for (password, common) in [
            ("1".repeat(1_024), false),
            ("password".repeat(128), true),
            (format!("{}x", "1".repeat(127)), false),
            (format!("{}7", "!19".repeat(42)), false),
            (format!("x{}", "!1759".repeat(25)), false),
        ] {
            assert_eq!(is_common(&password, &["musterd"]), common, "{password}");
        }
        assert!(watch.elapsed() < std::time::Duration::from_secs(2), "{:?}", watch.elapsed());
    }
}

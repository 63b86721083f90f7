//! Text from outside: bounded, free of control characters, and comparable.

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use unicode_normalization::UnicodeNormalization;

/// Why a text was refused. The wording completes "the username …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextFault {
    /// Nothing is left after trimming.
    Empty,
    /// More characters than allowed.
    TooLong(usize),
    /// A control character, NUL or bidirectional override.
    Control,
    /// A character or form that its rules do not allow.
    Form(&'static str),
}

impl TextFault {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong(_) => "too_long",
            Self::Control => "control_character",
            Self::Form(_) => "malformed",
        }
    }
}

impl std::fmt::Display for TextFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("must not be empty"),
            Self::TooLong(max) => write!(f, "is longer than {max} characters"),
            Self::Control => f.write_str("holds a control character"),
            Self::Form(text) => f.write_str(text),
        }
    }
}

/// Characters that change how a line is shown without being seen themselves (UAX #9 overrides).
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Is it a character that no line holds?
#[must_use]
pub fn is_barred(c: char) -> bool {
    c.is_control() || is_deceptive(c)
}

/// Is it a character that not even a text of several lines holds?
#[must_use]
pub fn is_barred_in_lines(c: char) -> bool {
    is_barred(c) && !matches!(c, '\n' | '\r' | '\t')
}

/// One line of text: trimmed, NFC, not empty, at most `max` characters, no control characters.
///
/// # Errors
/// The first rule that the text breaks.
pub fn line(text: &str, max: usize) -> Result<String, TextFault> {
    let line = optional_line(text, max)?;
    if line.is_empty() { Err(TextFault::Empty) } else { Ok(line) }
}

/// Like [`line()`], but may be empty.
///
/// # Errors
/// The first rule that the text breaks.
pub fn optional_line(text: &str, max: usize) -> Result<String, TextFault> {
    check_length(text, max)?;
    if text.chars().any(is_barred) {
        return Err(TextFault::Control);
    }
    let line = text.trim();
    // ASCII is NFC, and not longer than the whole text was.
    if line.is_ascii() {
        return Ok(line.to_owned());
    }
    let line: String = line.nfc().collect();
    if line.chars().count() > max { Err(TextFault::TooLong(max)) } else { Ok(line) }
}

/// Several lines of text: like [`optional_line`], but line feeds and tabs are allowed.
///
/// # Errors
/// The first rule that the text breaks.
pub fn lines(text: &str, max: usize) -> Result<String, TextFault> {
    check_length(text, max)?;
    if text.chars().any(is_barred_in_lines) {
        return Err(TextFault::Control);
    }
    Ok(text.trim().to_owned())
}

fn check_length(text: &str, max: usize) -> Result<(), TextFault> {
    if text.len() > max.saturating_mul(4) || text.chars().count() > max { Err(TextFault::TooLong(max)) } else { Ok(()) }
}

/// The form of a username by which it is compared: RFC 8265 §3.3, `UsernameCaseMapped`, applied to each of
/// its space-separated parts (§3.1).
///
/// # Errors
/// When the profile forbids a character.
pub fn fold_username(text: &str) -> Result<String, TextFault> {
    // In printable ASCII without the space, which is nearly every username, the profile only maps the case.
    if !text.is_empty() && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        return Ok(text.to_ascii_lowercase());
    }
    let fault = TextFault::Form("holds a character that RFC 8265 does not allow in usernames");
    let fold = |part: &str| UsernameCaseMapped::enforce(part).map(String::from).map_err(|_| fault.clone());
    let parts: Vec<String> = text.split(' ').map(fold).collect::<Result<_, _>>()?;
    Ok(parts.join(" "))
}

/// The form of an address by which it is compared: NFC and lower case.
#[must_use]
pub fn fold_email(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().flat_map(char::to_lowercase).collect()
}

/// The form of a name or group by which it is sorted and compared without case.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// An address or number of which only enough is shown for its owner to know it: `a***@example.org`, `+31*******00`.
#[must_use]
pub fn masked(text: &str) -> String {
    if let Some((local, domain)) = text.split_once('@') {
        return format!("{}***@{domain}", local.chars().take(1).collect::<String>());
    }
    let count = text.chars().count();
    let shown = |at: usize| count >= 8 && (at < 3 || at + 2 >= count);
    text.chars().enumerate().map(|(at, c)| if shown(at) { c } else { '*' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_that_differ_in_case_or_width_fold_to_one() {
        assert_eq!(fold_username("Alice").unwrap(), "alice");
        assert_eq!(fold_username("ＡＬＩＣＥ").unwrap(), "alice");
        assert_eq!(fold_username("Ada Lovelace").unwrap(), "ada lovelace");
        assert_eq!(fold_username("E\u{301}va").unwrap(), fold_username("éva").unwrap());
        assert_eq!(fold_username("alice@example.org").unwrap(), "alice@example.org");
        for byte in 0x21..=0x7e_u8 {
            let text = format!("a{}", char::from(byte));
            assert_eq!(fold_username(&text).unwrap(), UsernameCaseMapped::enforce(text.as_str()).unwrap());
        }
        for bad in ["", "a  b", "a\u{0}b", "a\u{200b}b", " a"] {
            assert!(fold_username(bad).is_err(), "{bad:?}");
        }
        assert_ne!(fold_username("mike").unwrap(), fold_username("mıke").unwrap());
    }

    #[test]
    fn a_line_is_bounded_and_plain() {
        assert_eq!(line("  Ada ", 10).unwrap(), "Ada");
        assert_eq!(line(" ", 10), Err(TextFault::Empty));
        assert_eq!(line("abc", 2), Err(TextFault::TooLong(2)));
        assert_eq!(line("a\nb", 10), Err(TextFault::Control));
        assert_eq!(line("a\u{202e}b", 10), Err(TextFault::Control));
        assert_eq!(lines("a\nb", 10).unwrap(), "a\nb");
    }

    #[test]
    fn an_address_is_masked_but_for_what_its_owner_knows_it_by() {
        assert_eq!(masked("ada.lovelace@example.org"), "a***@example.org");
        assert_eq!(masked("+31612345600"), "+31*******00");
        assert_eq!((masked("+123").as_str(), masked("+311234").as_str()), ("****", "*******"));
    }
}

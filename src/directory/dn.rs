//! Distinguished names (RFC 4514), compared: a normal form in which two ways to write one name are the same.
//!
//! It decides nothing about what a name means. A text that is no name has a normal form too (itself, folded), so that
//! what a server sends can always be looked for.

use crate::base::secret::sha256;

/// The key under which an entry is found by its name.
pub type EntryKey = [u8; 16];

/// The normal form: types and values without case, values without outer and doubled spaces, escapes resolved, the parts
/// of a multi-valued RDN in order. Attributes whose values differ in case alone are taken for the same (RFC 4517
/// §4.2.11 is the rule of nearly all of them).
#[must_use]
pub fn normal(name: &str) -> String {
    rdns(name).join(",")
}

/// The relative names, the entry's own first, each in its normal form.
fn rdns(name: &str) -> Vec<String> {
    let rdn = |rdn| {
        let mut parts: Vec<String> = split(rdn, |c| c == '+').map(normal_part).collect();
        parts.sort_unstable();
        parts.join("+")
    };
    split(name, is_comma).map(rdn).collect()
}

/// The first half of the SHA-256 of the normal form.
#[must_use]
pub fn key(name: &str) -> EntryKey {
    let hash = sha256(normal(name).as_bytes());
    hash.first_chunk::<16>().copied().unwrap_or_default()
}

/// Is the entry the base, or below it?
#[must_use]
pub fn is_under(name: &str, base: &str) -> bool {
    base.trim().is_empty() || rdns(name).ends_with(&rdns(base))
}

fn is_comma(c: char) -> bool {
    c == ',' || c == ';'
}

/// The pieces between separators that no backslash and no quotation mark protects.
fn split(text: &str, separates: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut escaped, mut quoted) = (false, false);
        for (at, c) in text.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                _ if !quoted && separates(c) => {
                    rest = text.get(at + c.len_utf8()..);
                    return text.get(..at);
                }
                _ => {}
            }
        }
        rest = None;
        Some(text)
    })
}

/// `type=value` in its normal form.
fn normal_part(part: &str) -> String {
    let Some((kind, value)) = part.split_once('=') else { return escape(&fold(&unescape(part.trim()))) };
    let kind = kind.trim().to_ascii_lowercase();
    let kind = kind.strip_prefix("oid.").unwrap_or(&kind);
    format!("{kind}={}", escape(&fold(&unescape(trim(value)))))
}

/// Outer spaces go, but for one that a backslash protects.
fn trim(value: &str) -> &str {
    let value = value.trim_start();
    let trimmed = value.trim_end();
    let is_escaped =
        trimmed.len() < value.len() && trimmed.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
    let end = if is_escaped { trimmed.len().saturating_add(1) } else { trimmed.len() };
    let value = value.get(..end).unwrap_or(trimmed);
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Resolves `\,` and `\C3\A9`; bytes that are no UTF-8 then become the replacement character.
fn unescape(value: &str) -> String {
    if !value.contains('\\') {
        return value.to_owned();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match rest {
            [high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push((hex(*high).unwrap_or_default() << 4) | hex(*low).unwrap_or_default());
                rest = after;
            }
            [next, after @ ..] => {
                bytes.push(*next);
                rest = after;
            }
            [] => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Without case, and with single spaces.
fn fold(value: &str) -> String {
    let mut folded = String::with_capacity(value.len());
    let mut space = false;
    for c in value.chars() {
        if c == ' ' && space {
            continue;
        }
        space = c == ' ';
        folded.extend(c.to_lowercase());
    }
    folded
}

/// What would separate is written so that it does not.
fn escape(value: &str) -> String {
    let special = |c: char| matches!(c, ',' | '+' | ';' | '"' | '\\');
    if !value.contains(special) {
        return value.to_owned();
    }
    let mut escaped = String::with_capacity(value.len() + 4);
    for c in value.chars() {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_write_one_name_are_the_same() {
        for (one, other) in [
            ("uid=ada,ou=People,dc=example,dc=org", "UID=Ada, OU=people ,DC=Example,dc=org"),
            (r"cn=Lovelace\, Ada,dc=x", r"cn=Lovelace\2C Ada,dc=x"),
            (r"cn=Lovelace\, Ada,dc=x", "cn=\"Lovelace, Ada\",dc=x"),
            (r"cn=J\C3\B6rg,dc=x", "cn=jörg,dc=x"),
            ("cn=a+uid=b,dc=x", "UID=b + CN=a,dc=x"),
            ("cn=a  b,dc=x", "cn=a b;dc=x"),
            ("OID.2.5.4.3=a,dc=x", "2.5.4.3=a,dc=x"),
        ] {
            assert_eq!(normal(one), normal(other));
            assert_eq!(key(one), key(other));
        }
        for (one, other) in [("cn=a,dc=x", "cn=a,dc=y"), (r"cn=a\,dc=x,dc=x", "cn=a,dc=x,dc=x"), ("cn=a", "uid=a")] {
            assert_ne!(normal(one), normal(other));
        }
    }

    #[test]
    fn an_entry_is_under_its_base_and_not_under_what_merely_ends_alike() {
        assert!(is_under("uid=a,ou=People,DC=x", "ou=people,dc=x") && is_under("dc=x", "DC=X") && is_under("dc=x", ""));
        assert!(!is_under("uid=a,ou=salespeople,dc=x", "ou=people,dc=x"));
        assert!(!is_under(r"uid=a\,ou=people,dc=x", "ou=people,dc=x"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_each_is_under_itself(text: String) {
            proptest::prop_assert!(is_under(&text, &text));
            let _ = (key(&text), is_under(&text, "dc=x"), is_under(&normal(&text), &text));
        }
    }
}

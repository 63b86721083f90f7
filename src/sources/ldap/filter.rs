//! Search filters (RFC 4515), built from parts: a value from outside can only ever become a value.
//!
//! It refuses to take text as a filter unless that text parses as one, is at most 8 KiB long and nests at
//! most 32 deep (the library's parser recurses).

use std::fmt;
use std::fmt::Write as _;

/// Longest filter in the settings, in bytes.
const LENGTH_MAX: usize = 8 * 1024;
/// Deepest nesting of a filter in the settings.
const DEPTH_MAX: usize = 32;

/// A search filter that parses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// Takes a filter as an administrator writes it.
    ///
    /// # Errors
    /// What is wrong with the text; the wording completes "the filter …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > LENGTH_MAX {
            return Err("is longer than 8 KiB".to_owned());
        }
        if !text.starts_with('(') {
            return Err("must stand in parentheses, like (objectClass=person)".to_owned());
        }
        if depth(text) > DEPTH_MAX {
            return Err("nests deeper than 32 levels".to_owned());
        }
        match ldap3::parse_filter(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(()) => {
                Err("is not a filter as RFC 4515 gives them; check parentheses and special characters".to_owned())
            }
        }
    }

    /// `(attribute=*)`.
    pub(super) fn present(attribute: &str) -> Self {
        Self(format!("({attribute}=*)"))
    }

    /// A filter that no entry matches: every entry has an object class (RFC 4512 §2.4).
    pub(super) fn nobody() -> Self {
        Self("(!(objectClass=*))".to_owned())
    }

    /// `(attribute>=value)`, the value taken literally.
    pub(super) fn at_least(attribute: &str, value: &str) -> Self {
        Self(format!("({attribute}>={})", escape(value.as_bytes())))
    }

    /// `(attribute=value)`, the value taken literally.
    pub(super) fn equals(attribute: &str, value: &[u8]) -> Self {
        Self(format!("({attribute}={})", escape(value)))
    }

    /// `(&…)`.
    pub(super) fn all(parts: &[Self]) -> Self {
        Self(format!("(&{})", Joined(parts)))
    }

    /// `(|…)`.
    pub(super) fn any(parts: &[Self]) -> Self {
        Self(format!("(|{})", Joined(parts)))
    }

    /// The attributes that it looks at. A parenthesis in a value is escaped (RFC 4515 §3).
    pub(super) fn attributes(&self) -> Vec<String> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
        let parts = self.0.split('(').map(|part| part.trim_start());
        let names = parts.map(|part| part.split(|c| !is_name(c)).next().unwrap_or_default());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// The filter as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

struct Joined<'a>(&'a [Filter]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| f.write_str(&part.0))
    }
}

/// Is this a plain attribute description: a name or OID (RFC 4512 §2.5), with options?
pub(super) fn is_attribute(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';');
    text.len() <= 128 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain)
}

/// RFC 4515 §3: `* ( ) \ NUL` as `\xx`; so is every other byte that is not a visible ASCII character.
fn escape(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len());
    for &byte in value {
        match byte {
            b'*' | b'(' | b')' | b'\\' | 0..=0x20 | 0x7f.. => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\{byte:02x}");
            }
            _ => text.push(char::from(byte)),
        }
    }
    text
}

/// The deepest nesting of parentheses, an upper bound of what the parser will recurse.
fn depth(text: &str) -> usize {
    let step = |(now, most): (usize, usize), byte: u8| match byte {
        b'(' => (now + 1, most.max(now + 1)),
        b')' => (now.saturating_sub(1), most),
        _ => (now, most),
    };
    text.bytes().fold((0, 0), step).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::asn1::{ASNTag, PL, StructureTag};

    /// The attribute and value of a parsed equality filter, or `None` where it is anything else.
    fn equality(filter: &Filter) -> Option<(Vec<u8>, Vec<u8>)> {
        let tag: StructureTag = ldap3::parse_filter(filter.as_str()).ok()?.into_structure();
        let PL::C(parts) = tag.payload else { return None };
        let mut parts = parts.into_iter().filter_map(StructureTag::expect_primitive);
        (tag.id == 3).then_some(())?;
        Some((parts.next()?, parts.next()?))
    }

    #[test]
    fn special_characters_are_escaped_as_rfc_4515_says() {
        let filter = Filter::equals("uid", b"*)(uid=*\\\0\xc3\xa4 x");
        assert_eq!(filter.as_str(), r"(uid=\2a\29\28uid=\2a\5c\00\c3\a4\20x)");
        assert_eq!(equality(&filter).unwrap().1, b"*)(uid=*\\\0\xc3\xa4 x");
    }

    #[test]
    fn a_filter_from_the_settings_must_parse_and_be_bounded() {
        assert!(Filter::parse(" (&(objectClass=person)(!(uid=x*))) ").is_ok());
        assert!(Filter::parse("(userAccountControl:1.2.840.113556.1.4.803:=2)").is_ok());
        for bad in
            ["", "uid=x", "(uid=x", "(uid=x))", "(&(uid=x)", "()", "(uid)", &"(!".repeat(40), &"(uid=".repeat(3000)]
        {
            assert!(Filter::parse(bad).is_err(), "{bad:?}");
        }
        let nested = format!("{}(uid=x){}", "(!".repeat(40), ")".repeat(40));
        assert!(Filter::parse(&nested).unwrap_err().contains("32"));
    }

    #[test]
    fn the_attributes_of_a_filter_are_known() {
        let filter =
            "(&(objectClass=user)(!(memberOf:1.2.840.113556.1.4.1941:=cn=a,dc=x))(|(cn=a\\28b)( title>=2))(:dn:=x))";
        assert_eq!(Filter(filter.to_owned()).attributes(), ["objectClass", "memberOf", "cn", "title"]);
    }

    #[test]
    fn attribute_names_are_plain() {
        for fine in ["uid", "objectGUID", "cn;lang-de", "1.2.840.113556"] {
            assert!(is_attribute(fine), "{fine}");
        }
        for bad in ["", "-x", "a b", "uid)(x", "u=*", "ü", "a\0"] {
            assert!(!is_attribute(bad), "{bad:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(20_000))]
        #[test]
        fn whatever_the_value_is_it_comes_back_as_that_value(value: Vec<u8>) {
            let filter = Filter::equals("uid", &value);
            if value.is_empty() {
                proptest::prop_assert_eq!(filter.as_str(), "(uid=)");
            } else {
                proptest::prop_assert_eq!(equality(&filter), Some((b"uid".to_vec(), value)));
            }
            let both = Filter::all(&[Filter::present("uid"), filter]);
            proptest::prop_assert!(Filter::parse(both.as_str()).is_ok());
        }
    }
}

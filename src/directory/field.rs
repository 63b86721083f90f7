//! The parsed fields of the model, and the faults of texts that are none.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::text::{self, TextFault};

/// One fault of one field: what a caller must change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field as the caller named it.
    pub field: String,
    /// A stable code for programs.
    pub code: &'static str,
    /// The fault in words; completes "`field` …".
    pub message: String,
}

impl FieldError {
    /// A fault of a field.
    #[must_use]
    pub fn new(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }

    fn of(field: &'static str, fault: &TextFault) -> Self {
        Self::new(field, fault.code(), fault.to_string())
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

macro_rules! text_field {
    ($(#[$doc:meta])* $name:ident, $field:literal, $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Parses a text from outside. What is stored was parsed once and is believed: a rule that gets
            /// stricter must not make old records unreadable.
            ///
            /// # Errors
            /// The rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, FieldError> {
                let parse: fn(&str) -> Result<String, TextFault> = $parse;
                parse(text).map(Self).map_err(|fault| FieldError::of($field, &fault))
            }

            /// The text as it was typed.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = FieldError;

            fn from_str(text: &str) -> Result<Self, FieldError> {
                Self::parse(text)
            }
        }
    };
}

text_field! {
    /// The login name: at most 128 characters, compared by RFC 8265 `UsernameCaseMapped`, kept as typed.
    Username, "username", |text| {
        let name = text::line(text, Username::MAX)?;
        text::fold_username(&name)?;
        Ok(name)
    }
}

text_field! {
    /// The name to show for a person, group or organisation: one line of at most 256 characters.
    DisplayName, "name", |text| text::line(text, DisplayName::MAX)
}

text_field! {
    /// An email address of at most 254 bytes (RFC 5321 §4.5.3.1.3), compared without case, kept as typed.
    Email, "email", |text| {
        let address = text::line(text, Email::MAX)?;
        let options = email_address::Options::default().without_display_text().without_domain_literal();
        let plain = !address.starts_with('"') && !address.contains(char::is_whitespace);
        match email_address::EmailAddress::parse_with_options(&address, options) {
            Ok(_) if plain => Ok(address),
            _ => Err(TextFault::Form("is not an email address such as ada@example.org")),
        }
    }
}

text_field! {
    /// A phone number in E.164: a plus sign and 7 to 15 digits; spaces, dots, dashes and brackets are dropped.
    Phone, "phone", |text| {
        let fault = TextFault::Form("is not a number in international form such as +31 20 1234567");
        let number: String = text::line(text, Phone::MAX)?.chars().filter(|c| !Phone::is_separator(*c)).collect();
        let digits = number.strip_prefix('+').ok_or_else(|| fault.clone())?;
        let valid = Phone::DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if valid { Ok(number) } else { Err(fault) }
    }
}

text_field! {
    /// Free text of at most 2,048 characters; may hold line feeds and may be empty.
    #[derive(Default)]
    Description, "description", |text| text::lines(text, Description::MAX)
}

impl Username {
    /// Most characters.
    pub const MAX: usize = 128;

    /// The form by which usernames are compared.
    #[must_use]
    pub fn folded(&self) -> String {
        // Parsing proved that the profile takes it; the fallback can only be reached by a changed Unicode table.
        text::fold_username(&self.0).unwrap_or_else(|_| text::fold(&self.0))
    }
}

impl Email {
    /// Most characters.
    pub const MAX: usize = 254;
    /// Most bytes before the `@` (RFC 5321 §4.5.3.1.1).
    pub const LOCAL_PART_MAX: usize = 64;
    /// Most bytes of each label of the domain (RFC 1035 §2.3.4).
    pub const LABEL_MAX: usize = 63;

    /// The form by which addresses are compared.
    #[must_use]
    pub fn folded(&self) -> String {
        text::fold_email(&self.0)
    }
}

impl Phone {
    /// Most characters, with all that is dropped.
    pub const MAX: usize = 32;
    /// How many digits it has.
    pub const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

    /// Is it dropped where a number is parsed?
    #[must_use]
    pub fn is_separator(c: char) -> bool {
        " .-()/\u{a0}".contains(c)
    }
}

impl Description {
    /// Most characters.
    pub const MAX: usize = 2_048;
}

impl DisplayName {
    /// Most characters.
    pub const MAX: usize = 256;

    /// The form by which names are compared and sorted.
    #[must_use]
    pub fn folded(&self) -> String {
        text::fold(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails_are_taken_as_people_write_them() {
        for good in ["ada@example.org", "Ada.Lovelace+x@Example.ORG", "o'brien@example.org", "é@example.org"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let bad = [
            "",
            "ada",
            "@x.org",
            "a@",
            "a b@x.org",
            "a@x.org\r\nBcc: b@x.org",
            "<a@x.org>",
            "Ada <a@x.org>",
            "a@x.org,b@x.org",
        ];
        for bad in bad {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Email::parse("Ada@Example.ORG").unwrap().folded(), "ada@example.org");
    }

    #[test]
    fn phones_are_kept_in_e164() {
        assert_eq!(Phone::parse("+31 (20) 123-4567").unwrap().as_str(), "+31201234567");
        for bad in ["0201234567", "+0123456789", "+12", "+1234567890123456", "+31x20"] {
            assert!(Phone::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn usernames_refuse_what_cannot_be_typed_or_compared() {
        for bad in ["", " ", "a\0b", "a\nb", &"a".repeat(129)] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Username::parse("Alice").unwrap().as_str(), "Alice");
    }
}

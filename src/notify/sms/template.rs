//! Templates of the settings: placeholders in braces, each filled in once, in the writing of where it stands.
//!
//! What is filled in is never read as a template. A brace that begins no placeholder is a brace: JSON needs many.

use std::fmt::Write as _;

use crate::web::place::encode;

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    To,
    Digits,
    Text,
    Code,
    Minutes,
    Key,
    Timestamp,
    Nonce,
    Signature,
    Method,
    Target,
    Body,
}

/// Every placeholder.
const FIELDS: [(&str, Field); 12] = [
    ("to", Field::To),
    ("to_digits", Field::Digits),
    ("text", Field::Text),
    ("code", Field::Code),
    ("minutes", Field::Minutes),
    ("key", Field::Key),
    ("timestamp", Field::Timestamp),
    ("nonce", Field::Nonce),
    ("signature", Field::Signature),
    ("method", Field::Method),
    ("target", Field::Target),
    ("body", Field::Body),
];

/// What may stand in the body.
pub(super) const IN_BODY: &[Field] =
    &[Field::To, Field::Digits, Field::Text, Field::Code, Field::Minutes, Field::Key, Field::Timestamp, Field::Nonce];
/// What may stand in a header: nothing of the person.
pub(super) const IN_HEADER: &[Field] = &[Field::Key, Field::Timestamp, Field::Nonce, Field::Signature];
/// What may be signed.
pub(super) const SIGNED: &[Field] = &[
    Field::To,
    Field::Digits,
    Field::Text,
    Field::Code,
    Field::Key,
    Field::Timestamp,
    Field::Nonce,
    Field::Method,
    Field::Target,
    Field::Body,
];

/// How what is filled in must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    /// As it is.
    Plain,
    /// Inside a string of JSON (RFC 8259 §7).
    Json,
    /// In a query or a form, percent-encoded.
    Form,
    /// In XML, as text or inside an attribute.
    Xml,
}

impl Writing {
    /// A text in this writing.
    pub(super) fn write(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Json => {
                let quoted = serde_json::Value::from(text).to_string();
                quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
            }
            Self::Form => encode(text),
            Self::Xml => text.chars().fold(String::new(), |mut out, c| {
                match c {
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '&' => out.push_str("&amp;"),
                    '"' => out.push_str("&quot;"),
                    '\'' => out.push_str("&apos;"),
                    // XML 1.0 §2.2 has no other control characters.
                    c if c.is_control() && !"\t\n\r".contains(c) => out.push(' '),
                    c if c.is_control() => drop(write!(out, "&#{};", u32::from(c))),
                    c => out.push(c),
                }
                out
            }),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Field(Field),
}

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A placeholder that there is not, or not here.
    pub(super) fn parse(text: &str, allowed: &[Field]) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        let mut words = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            words.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_name(name)) {
                None => {
                    words.push('{');
                    rest = after;
                }
                Some((name, after)) => {
                    let field = FIELDS.iter().find(|(known, field)| *known == name && allowed.contains(field));
                    let (_, field) = field.ok_or_else(|| unknown(name, allowed))?;
                    pieces.push(Piece::Words(std::mem::take(&mut words)));
                    pieces.push(Piece::Field(*field));
                    rest = after;
                }
            }
        }
        words.push_str(rest);
        pieces.push(Piece::Words(words));
        Ok(Self(pieces))
    }

    /// Does this placeholder stand in it?
    pub(super) fn has(&self, field: Field) -> bool {
        self.0.contains(&Piece::Field(field))
    }

    /// The text with everything filled in.
    pub(super) fn fill(&self, writing: Writing, value: impl Fn(Field) -> String) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Words(words) => text.push_str(words),
                Piece::Field(field) => text.push_str(&writing.write(&value(*field))),
            }
        }
        text
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn unknown(name: &str, allowed: &[Field]) -> String {
    let known = FIELDS.iter().filter(|(_, field)| allowed.contains(field)).map(|(name, _)| format!("{{{name}}}"));
    format!("has {{{name}}}, which is none of {}", known.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, writing: Writing, text: &str) -> String {
        Template::parse(template, IN_BODY).unwrap().fill(writing, |_| text.to_owned())
    }

    #[test]
    fn what_is_filled_in_cannot_leave_its_place() {
        let evil = "a\"b\\c\n{code}&to=+1<x>'é";
        let json = filled(r#"{"to":"{to}","a":{"b":{}}}"#, Writing::Json, evil);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["to"], evil, "{json}");
        let form = filled("to={to}&x=1", Writing::Form, evil);
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        assert_eq!(pairs, [("to".to_owned(), evil.to_owned()), ("x".to_owned(), "1".to_owned())]);
        assert_eq!(filled("<a>{to}</a>", Writing::Xml, "<&\"'\n\u{1}>"), "<a>&lt;&amp;&quot;&apos;&#10; &gt;</a>");
        assert_eq!(filled("{to} {text}", Writing::Plain, "{code}"), "{code} {code}", "it is read once");
    }

    #[test]
    fn only_placeholders_that_belong_there_are_taken() {
        assert!(Template::parse("{signature}", IN_BODY).unwrap_err().contains("{to}"));
        assert!(Template::parse("{code}", IN_HEADER).is_err());
        assert!(Template::parse("{nothing}", SIGNED).is_err());
        for literal in ["{", "}", "{}", "{A}", "{ to }", "{\"to\"}", "a{b"] {
            assert_eq!(filled(literal, Writing::Plain, "x"), literal);
        }
    }
}

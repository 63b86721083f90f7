//! Reading the `path` of a PATCH operation (RFC 7644 §3.5.2, figure 7).
//!
//! Owns the form `attr`, `attr.sub`, `attr[filter]`, `attr[filter].sub`, each with or without a URN.
//! Refuses to know schemas: whether the attribute exists is decided when the operation is applied.

use std::fmt;

use super::error::{ScimError, excerpt};
use super::filter::Reader;
use crate::directory::query::{AttrPath, Filter};

/// Where a PATCH operation works (RFC 7644 §3.5.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// The attribute. Its own `sub` is never set: see [`Path::sub`].
    pub attribute: AttrPath,
    /// Which of its values.
    pub filter: Option<Filter>,
    /// Which part of it.
    pub sub: Option<String>,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// 400 `invalidPath` for text that has not the form above, is over 8 KiB or nests deeper than 32.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        Self::read(text).map_err(|detail| ScimError::invalid_path(format!("path \"{}\": {detail}", excerpt(text))))
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader::new(text)?;
        let name = reader.word();
        let mut attribute = AttrPath::parse(name).ok_or("does not start with an attribute name")?;
        let mut sub = attribute.sub.take();
        let mut filter = None;
        if reader.starts_with('[') {
            if sub.is_some() {
                return Err("a sub-attribute has no values to select from".to_owned());
            }
            filter = Some(reader.bracketed()?);
            if reader.take_symbol('.') {
                let part = AttrPath::parse(reader.word()).filter(|part| part.urn.is_none() && part.sub.is_none());
                sub = Some(part.ok_or("no sub-attribute name after the brackets")?.name);
            }
        }
        reader.end()?;
        Ok(Self { attribute, filter, sub })
    }

    /// The path without its value filter, for lookups in a schema.
    #[must_use]
    pub fn plain(&self) -> AttrPath {
        AttrPath { sub: self.sub.clone(), ..self.attribute.clone() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.attribute)?;
        if let Some(filter) = &self.filter {
            write!(out, "[{filter}]")?;
        }
        match &self.sub {
            Some(sub) => write!(out, ".{sub}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::ScimType;

    #[test]
    fn every_form_of_the_grammar_is_read_and_printed_again() {
        for text in [
            "userName",
            "name.familyName",
            "emails[type eq \"work\"]",
            "emails[type eq \"work\"].value",
            "members[value eq \"a]b\" or value eq \"c\"]",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            "urn:ietf:params:scim:schemas:core:2.0:User:emails[primary eq true].value",
            "members.$ref",
        ] {
            assert_eq!(Path::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn broken_paths_are_invalid_path() {
        let deep = format!("a[{}", "(".repeat(100_000));
        let nested = format!("a[{}", "(".repeat(5_000));
        for text in [
            "",
            " ",
            "[",
            "a[",
            "a[]",
            "a[b eq]",
            "a[b eq 1",
            "a[b eq 1].",
            "a[b eq 1].c.d",
            "a.b[c pr]",
            "a b",
            "a]",
            "1a",
            "a[b pr]x",
            "a[b[c pr]]",
            "emails[0]",
            "/emails",
            &deep,
            &nested,
        ] {
            let error = Path::parse(text).unwrap_err();
            assert_eq!(error.scim_type, Some(ScimType::InvalidPath), "{text}");
        }
    }
}

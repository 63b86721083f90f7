//! The one query type behind SCIM filters, the admin API and the console.
//!
//! Owns the filter tree, its printing and the terms an index can serve. It refuses
//! to know any schema: what an attribute means is decided where a query is evaluated.

use std::borrow::Cow;
use std::fmt;

use serde_json::Number;

/// Where an attribute is: `[urn:]name[.sub]` (RFC 7644 §3.10). Keeps the typed spelling, compares without case.
#[derive(Debug, Clone)]
pub struct AttrPath {
    /// The schema URN in front, if the client wrote one.
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// The sub-attribute after the dot.
    pub sub: Option<String>,
}

impl AttrPath {
    /// Reads `[urn:]name[.sub]` (RFC 7644 §3.10); `None` when the text does not have that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (urn, local) = match text.rsplit_once(':') {
            Some((urn, local)) if starts_like_urn(urn) => (Some(urn), local),
            Some(_) => return None,
            None => (None, text),
        };
        let (name, sub) = match local.split_once('.') {
            Some((name, sub)) => (name, Some(sub)),
            None => (local, None),
        };
        let valid = is_attribute_name(name) && sub.is_none_or(is_attribute_name);
        valid.then(|| Self { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) })
    }

    /// A path without URN and sub-attribute.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { urn: None, name: name.to_owned(), sub: None }
    }

    /// Whether this is exactly `name` or `name.sub`, without a URN and without regard to case.
    #[must_use]
    pub fn is(&self, name: &str, sub: Option<&str>) -> bool {
        self.urn.is_none() && self.name.eq_ignore_ascii_case(name) && same_option(self.sub.as_deref(), sub)
    }
}

impl PartialEq for AttrPath {
    fn eq(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && same_option(self.sub.as_deref(), other.sub.as_deref())
            && same_option(self.urn.as_deref(), other.urn.as_deref())
    }
}

impl Eq for AttrPath {}

impl fmt::Display for AttrPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = &self.urn {
            write!(out, "{urn}:")?;
        }
        out.write_str(&self.name)?;
        match &self.sub {
            Some(sub) => write!(out, ".{sub}"),
            None => Ok(()),
        }
    }
}

/// A comparison (RFC 7644 §3.4.2.2, table 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
    /// `co`
    Contains,
    /// `sw`
    StartsWith,
    /// `ew`
    EndsWith,
    /// `gt`
    Greater,
    /// `ge`
    GreaterOrEqual,
    /// `lt`
    Less,
    /// `le`
    LessOrEqual,
}

impl Operator {
    const ALL: [(&'static str, Self); 9] = [
        ("eq", Self::Equal),
        ("ne", Self::NotEqual),
        ("co", Self::Contains),
        ("sw", Self::StartsWith),
        ("ew", Self::EndsWith),
        ("gt", Self::Greater),
        ("ge", Self::GreaterOrEqual),
        ("lt", Self::Less),
        ("le", Self::LessOrEqual),
    ];

    /// The operator of that name, in any case (RFC 7644 §3.4.2.2).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, operator)| *operator)
    }

    /// The name in RFC 7644 table 3.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, operator)| *operator == self);
        found.map_or("eq", |(name, _)| name)
    }

    /// Whether this asks for an order (`gt ge lt le`).
    #[must_use]
    pub fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }

    /// Whether this looks inside a text (`co sw ew`).
    #[must_use]
    pub fn is_substring(self) -> bool {
        matches!(self, Self::Contains | Self::StartsWith | Self::EndsWith)
    }
}

/// The value an attribute is compared with: a JSON scalar (RFC 7644 §3.4.2.2, `compValue`).
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A JSON number.
    Number(Number),
    /// A JSON string.
    String(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => out.write_str("null"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(value) => write!(out, "{value}"),
            Self::String(value) => out.write_str(&serde_json::to_string(value).map_err(|_| fmt::Error)?),
        }
    }
}

/// A condition on a resource (RFC 7644 §3.4.2.2).
///
/// `emails[type eq "work"].value eq "x"`, which the grammar does not have, is kept as
/// the [`Filter::Element`] `emails[type eq "work" and value eq "x"]`: it means the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Every term holds.
    And(Vec<Self>),
    /// At least one term holds.
    Or(Vec<Self>),
    /// The term does not hold.
    Not(Box<Self>),
    /// The attribute has a non-empty value (`pr`).
    Present(AttrPath),
    /// The attribute has a value that compares so.
    Compare {
        /// The attribute.
        path: AttrPath,
        /// How it is compared.
        operator: Operator,
        /// With what.
        value: Literal,
    },
    /// One and the same value of the attribute satisfies the inner filter: `path[filter]`.
    Element {
        /// The complex attribute.
        path: AttrPath,
        /// The condition on one of its values; paths in it are sub-attributes.
        filter: Box<Self>,
    },
}

impl Filter {
    /// All of `terms`; inner `And`s are merged, a single term stays itself.
    #[must_use]
    pub fn all(terms: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(terms.len());
        for term in terms {
            match term {
                Self::And(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.pop().unwrap_or(Self::And(Vec::new())) } else { Self::And(flat) }
    }

    /// Any of `terms`; inner `Or`s are merged, a single term stays itself.
    #[must_use]
    pub fn any(terms: Vec<Self>) -> Self {
        let mut flat = Vec::with_capacity(terms.len());
        for term in terms {
            match term {
                Self::Or(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        if flat.len() == 1 { flat.pop().unwrap_or(Self::Or(Vec::new())) } else { Self::Or(flat) }
    }

    /// `path eq value`.
    #[must_use]
    pub fn equal(path: AttrPath, value: Literal) -> Self {
        Self::Compare { path, operator: Operator::Equal, value }
    }

    /// The equalities that every match must satisfy, so that a store can pick an index.
    ///
    /// Terms of the top level and of its `and`s, and those inside an element filter
    /// (`emails[value eq "x"]` gives `emails.value`). `eq null` is left out: no index holds absence.
    pub fn required_equals(&self) -> impl Iterator<Item = (Cow<'_, AttrPath>, &Literal)> {
        let equals = |operator, value: &Literal| operator == Operator::Equal && *value != Literal::Null;
        self.required()
            .filter(move |(_, operator, value)| equals(*operator, value))
            .map(|(path, _, value)| (path, value))
    }

    /// The comparisons that every match must satisfy, where [`Filter::required_equals`] looks for its equalities.
    pub fn required(&self) -> impl Iterator<Item = (Cow<'_, AttrPath>, Operator, &Literal)> {
        let mut found = Vec::new();
        let mut pending: Vec<(Option<&AttrPath>, &Self)> = vec![(None, self)];
        while let Some((element, filter)) = pending.pop() {
            match filter {
                Self::And(terms) => pending.extend(terms.iter().rev().map(|term| (element, term))),
                Self::Compare { path, operator, value } => found.push((within(element, path), *operator, value)),
                Self::Element { path, filter } if element.is_none() => {
                    pending.push((Some(path), filter));
                }
                _ => {}
            }
        }
        found.into_iter()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(terms) => join(out, terms, " and ", |term| matches!(term, Self::And(_) | Self::Or(_))),
            Self::Or(terms) => join(out, terms, " or ", |term| matches!(term, Self::Or(_))),
            Self::Not(inner) => write!(out, "not ({inner})"),
            Self::Present(path) => write!(out, "{path} pr"),
            Self::Compare { path, operator, value } => write!(out, "{path} {} {value}", operator.as_str()),
            Self::Element { path, filter } => write!(out, "{path}[{filter}]"),
        }
    }
}

/// The direction of a sort (RFC 7644 §3.4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// Smallest first; resources without a value last.
    #[default]
    Ascending,
    /// Largest first; resources without a value first.
    Descending,
}

/// By what a list is sorted (RFC 7644 §3.4.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The attribute.
    pub by: AttrPath,
    /// The direction.
    pub order: SortOrder,
}

fn join(
    out: &mut fmt::Formatter<'_>,
    terms: &[Filter],
    word: &str,
    needs_group: impl Fn(&Filter) -> bool,
) -> fmt::Result {
    for (position, term) in terms.iter().enumerate() {
        if position > 0 {
            out.write_str(word)?;
        }
        if needs_group(term) {
            write!(out, "({term})")?;
        } else {
            write!(out, "{term}")?;
        }
    }
    Ok(())
}

fn within<'p>(element: Option<&AttrPath>, path: &'p AttrPath) -> Cow<'p, AttrPath> {
    match element {
        None => Cow::Borrowed(path),
        Some(element) => {
            Cow::Owned(AttrPath { urn: element.urn.clone(), name: element.name.clone(), sub: Some(path.name.clone()) })
        }
    }
}

fn same_option(left: Option<&str>, right: Option<&str>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => left.eq_ignore_ascii_case(right),
        (None, None) => true,
        _ => false,
    }
}

fn starts_like_urn(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
}

/// ATTRNAME of RFC 7643 §2.1; `$` may lead because of `$ref`.
fn is_attribute_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '$')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_compare_without_case_and_keep_their_spelling() {
        let typed = AttrPath::parse("urn:ietf:params:scim:schemas:core:2.0:User:Name.FamilyName").unwrap();
        assert_eq!(typed.urn.as_deref(), Some("urn:ietf:params:scim:schemas:core:2.0:User"));
        assert_eq!((typed.name.as_str(), typed.sub.as_deref()), ("Name", Some("FamilyName")));
        assert_eq!(typed, AttrPath::parse(&typed.to_string().to_lowercase()).unwrap());
    }

    #[test]
    fn malformed_paths_are_refused() {
        for text in ["", ".", "a.", ".a", "a.b.c", "1a", "a b", "a:b", "urn:", "urn:x:", "é", "a.1b"] {
            assert!(AttrPath::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn required_equals_lists_only_what_every_match_must_satisfy() {
        let equal = |path: &str| Filter::equal(AttrPath::parse(path).unwrap(), Literal::Bool(true));
        let element = Filter::Element {
            path: AttrPath::named("emails"),
            filter: Box::new(Filter::all(vec![equal("type"), equal("value")])),
        };
        let cases = [
            (equal("a"), vec!["a"]),
            (Filter::all(vec![equal("a"), equal("b")]), vec!["a", "b"]),
            (Filter::any(vec![equal("a"), equal("b")]), vec![]),
            (Filter::Not(Box::new(equal("a"))), vec![]),
            (Filter::equal(AttrPath::named("a"), Literal::Null), vec![]),
            (
                Filter::all(vec![element, Filter::any(vec![equal("x"), equal("y")])]),
                vec!["emails.type", "emails.value"],
            ),
        ];
        for (filter, expected) in cases {
            let found: Vec<String> = filter.required_equals().map(|(path, _)| path.to_string()).collect();
            assert_eq!(found, expected, "{filter}");
        }
    }
}

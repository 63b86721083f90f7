//! Filters as trees, made up from the grammar of RFC 7644 §3.4.2.2, and their text.

use std::fmt;

use musterd::directory::query::Filter;
use serde_json::json;

use super::people::{ENTERPRISE, IDS, LISTS, MAILS, TIMES, TYPES, WORDS, chance, one};
use crate::harness::dice::Dice;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Not(Box<Term>),
    Present(String),
    /// Path, operator, and the JSON text of the value.
    Compare(String, String, String),
    /// `path[term]`, and what follows the bracket in the dialect: sub-attribute, operator, value.
    Within(String, Box<Term>, Option<(String, String, String)>),
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |term: &Term, needs: bool| if needs { format!("({term})") } else { term.to_string() };
        match self {
            Self::All(terms) => {
                let needs = |term: &Term| matches!(term, Self::All(_) | Self::Any(_));
                let parts: Vec<String> = terms.iter().map(|term| bracketed(term, needs(term))).collect();
                out.write_str(&parts.join(" and "))
            }
            // "and" binds closer, so that it needs no brackets here.
            Self::Any(terms) => {
                let parts: Vec<String> =
                    terms.iter().map(|term| bracketed(term, matches!(term, Self::Any(_)))).collect();
                out.write_str(&parts.join(" or "))
            }
            Self::Not(inner) => write!(out, "not ({inner})"),
            Self::Present(path) => write!(out, "{path} pr"),
            Self::Compare(path, operator, value) => write!(out, "{path} {operator} {value}"),
            Self::Within(path, inner, None) => write!(out, "{path}[{inner}]"),
            Self::Within(path, inner, Some((sub, operator, value))) => {
                write!(out, "{path}[{inner}].{sub} {operator} {value}")
            }
        }
    }
}

impl From<&Filter> for Term {
    fn from(filter: &Filter) -> Self {
        let all = |terms: &[Filter]| terms.iter().map(Self::from).collect();
        match filter {
            Filter::And(terms) => Self::All(all(terms)),
            Filter::Or(terms) => Self::Any(all(terms)),
            Filter::Not(inner) => Self::Not(Box::new(Self::from(&**inner))),
            Filter::Present(path) => Self::Present(path.to_string()),
            Filter::Compare { path, operator, value } => {
                Self::Compare(path.to_string(), operator.as_str().to_owned(), value.to_string())
            }
            Filter::Element { path, filter } => Self::Within(path.to_string(), Box::new(Self::from(&**filter)), None),
        }
    }
}

const OPERATORS: &[&str] = &["eq", "eq", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "Co"];

pub(super) fn term(dice: &Dice, deepest: u64) -> Term {
    let several = |dice: &Dice| (0..dice.number(2..4)).map(|_| term(dice, deepest - 1)).collect();
    match dice.number(0..if deepest == 0 { 6 } else { 10 }) {
        0..5 => leaf(dice),
        5 => within(dice),
        6..8 => Term::All(several(dice)),
        8 => Term::Any(several(dice)),
        _ => Term::Not(Box::new(term(dice, deepest - 1))),
    }
}

fn leaf(dice: &Dice) -> Term {
    let (path, value) = match dice.number(0..16) {
        0..4 => (one(dice, &["title", "nickName", "displayName", "externalId"]).to_owned(), word(dice)),
        4 => ("userName".to_owned(), quoted(one(dice, MAILS))),
        5 => ("active".to_owned(), one(dice, &["true", "false", "True", "\"True\"", "\"false\"", "7"]).to_owned()),
        6 => (one(dice, &["name.givenName", "name.familyName", "NAME.formatted"]).to_owned(), word(dice)),
        7..9 => {
            let list = one(dice, LISTS);
            let part = one(dice, &["value", "type", "display", "primary"]);
            (format!("{list}.{part}"), part_value(dice, part))
        }
        9 => (one(dice, &["emails", "roles", "ims", "entitlements", "manager"]).to_owned(), word(dice)),
        10 => (one(dice, &["meta.created", "meta.lastModified"]).to_owned(), time(dice)),
        11 => (format!("{ENTERPRISE}:{}", one(dice, &["department", "costCenter", "manager.value"])), word(dice)),
        12 => (one(dice, &["department", "manager.value", "employeeNumber"]).to_owned(), word(dice)),
        13 => (
            format!("urn:ietf:params:scim:schemas:core:2.0:User:{}", one(dice, &["title", "name.givenName"])),
            word(dice),
        ),
        14 => (
            one(dice, &["id", "manager.$ref", "meta.location", "schemas", "schemas", "meta.resourceType"]).to_owned(),
            id(dice),
        ),
        _ => (
            one(dice, &["nonsense", "emails.nonsense", "name", "addresses", "password", "groups"]).to_owned(),
            word(dice),
        ),
    };
    let path = if chance(dice, 5) { path.to_uppercase() } else { path };
    if chance(dice, 12) {
        let path = if chance(dice, 5) { ENTERPRISE.to_owned() } else { path };
        return Term::Present(path);
    }
    // What has no order is asked for one now and then only.
    let has_order = !path.to_lowercase().ends_with("primary") && path != "active" && !value.contains("null");
    if !has_order && chance(dice, 85) {
        return Term::Compare(path, one(dice, &["eq", "ne"]).to_owned(), value);
    }
    let is_time = path.to_lowercase().starts_with("meta.created") || path.to_lowercase().starts_with("meta.last");
    let operators = if is_time { &OPERATORS[7..12] } else { OPERATORS };
    compared(dice, path, operators, value)
}

/// A comparison; one that looks inside a text looks for a piece of one.
fn compared(dice: &Dice, path: String, operators: &[&'static str], value: String) -> Term {
    let operator = one(dice, operators);
    let text: Option<String> = serde_json::from_str(&value).ok();
    let value = match text {
        Some(text) if ["co", "sw", "ew"].contains(&operator.to_lowercase().as_str()) && chance(dice, 70) => {
            let letters: Vec<char> = text.chars().collect();
            let length = u64::try_from(letters.len()).unwrap();
            let begin = usize::try_from(dice.number(0..length + 1)).unwrap();
            let end = usize::try_from(dice.number(0..length + 1)).unwrap().max(begin);
            quoted(&letters[begin..end].iter().collect::<String>())
        }
        _ => value,
    };
    Term::Compare(path, operator.to_owned(), value)
}

fn within(dice: &Dice) -> Term {
    let list = one(dice, LISTS);
    let part = |dice: &Dice| {
        let part = one(dice, &["value", "type", "type", "display", "primary", "Type", "nonsense"]);
        if chance(dice, 10) {
            return Term::Present(part.to_owned());
        }
        compared(dice, part.to_owned(), OPERATORS, part_value(dice, &part.to_lowercase()))
    };
    let inner = match dice.number(0..6) {
        0..3 => part(dice),
        3 => Term::All(vec![part(dice), part(dice)]),
        4 => Term::Any(vec![part(dice), Term::Not(Box::new(part(dice)))]),
        _ => Term::Not(Box::new(Term::All(vec![part(dice), part(dice)]))),
    };
    if chance(dice, 10) {
        return Term::Within(
            "name".to_owned(),
            Box::new(Term::Compare("givenName".to_owned(), "eq".to_owned(), word(dice))),
            None,
        );
    }
    let after = chance(dice, 25).then(|| ("value".to_owned(), "eq".to_owned(), word(dice)));
    Term::Within(list.to_owned(), Box::new(inner), after)
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn word(dice: &Dice) -> String {
    match dice.number(0..24) {
        0 => "null".to_owned(),
        1 => "7".to_owned(),
        2 => "-7".to_owned(),
        3 => "\"\\u00d8\"".to_owned(),
        4 => "true".to_owned(),
        5 => "\"\"".to_owned(),
        6 => quoted(one(dice, IDS)),
        _ => quoted(one(dice, WORDS)),
    }
}

fn id(dice: &Dice) -> String {
    quoted(one(dice, &["u1", "U1", "u2", "../Users/u1", "User", ENTERPRISE]))
}

fn time(dice: &Dice) -> String {
    if chance(dice, 8) {
        one(dice, &["\"2026-01-01\"", "null", "\"yesterday\"", "7"]).to_owned()
    } else {
        quoted(one(dice, TIMES))
    }
}

fn part_value(dice: &Dice, part: &str) -> String {
    match part {
        "type" => quoted(one(dice, TYPES)),
        "primary" => one(dice, &["true", "false", "\"True\"", "null", "\"maybe\""]).to_owned(),
        "value" if chance(dice, 40) => quoted(one(dice, MAILS)),
        _ => word(dice),
    }
}

//! Reading filter text (RFC 7644 §3.4.2.2, figure 1) into [`Filter`].
//!
//! Owns the grammar, in one pass and linear time, with text and nesting bounded before any work.
//! Refuses to know schemas: whether an attribute exists is decided on evaluation.

use serde_json::Number;

use super::error::{ScimError, excerpt};
use crate::directory::query::{AttrPath, Filter, Literal, Operator};

/// The longest filter or path text, in bytes.
pub const LONGEST_TEXT: usize = 8 * 1024;
/// The deepest nesting of parentheses and brackets.
pub const DEEPEST_NESTING: usize = 32;

/// Reads a filter (RFC 7644 §3.4.2.2).
///
/// Also takes `emails[type eq "work"].value eq "x"`, which Entra sends and the grammar does not have.
///
/// # Errors
/// 400 `invalidFilter` for anything else, for text over 8 KiB and for nesting over 32.
pub fn parse(text: &str) -> Result<Filter, ScimError> {
    let mut reader = Reader::new(text).map_err(ScimError::invalid_filter)?;
    let filter = reader.whole_filter().map_err(ScimError::invalid_filter)?;
    Ok(filter)
}

/// A cursor over filter or path text. Its errors are details; the caller picks the `scimType`.
pub(super) struct Reader<'t> {
    length: usize,
    rest: &'t str,
}

/// Where a term stands: paths inside brackets are sub-attributes and have no brackets of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Resource,
    Element,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Result<Self, String> {
        if text.len() > LONGEST_TEXT {
            return Err(format!("the text has {} bytes; at most {LONGEST_TEXT} are read", text.len()));
        }
        let rest = text.trim();
        Ok(Self { length: rest.len(), rest })
    }

    fn whole_filter(&mut self) -> Result<Filter, String> {
        if self.rest.is_empty() {
            return Err("the filter is empty; write for example userName eq \"alice\"".to_owned());
        }
        let filter = self.alternatives(Place::Resource, 0)?;
        self.end()?;
        Ok(filter)
    }

    /// `[filter]`, the bracket included; the caller has seen the bracket.
    pub(super) fn bracketed(&mut self) -> Result<Filter, String> {
        self.element(0)
    }

    /// Nothing but the end may follow.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.skip_spaces();
        if self.rest.is_empty() { Ok(()) } else { Err(self.unexpected("the end")) }
    }

    pub(super) fn starts_with(&self, symbol: char) -> bool {
        self.rest.starts_with(symbol)
    }

    pub(super) fn take_symbol(&mut self, symbol: char) -> bool {
        let stripped = self.rest.strip_prefix(symbol);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    /// The text up to a space, a bracket, a parenthesis or a quote.
    pub(super) fn word(&mut self) -> &'t str {
        let (word, rest) = split_word(self.rest);
        self.rest = rest;
        word
    }

    fn alternatives(&mut self, place: Place, depth: usize) -> Result<Filter, String> {
        let mut terms = vec![self.conjunction(place, depth)?];
        while self.take_keyword("or") {
            terms.push(self.conjunction(place, depth)?);
        }
        Ok(Filter::any(terms))
    }

    fn conjunction(&mut self, place: Place, depth: usize) -> Result<Filter, String> {
        let mut terms = vec![self.term(place, depth)?];
        while self.take_keyword("and") {
            terms.push(self.term(place, depth)?);
        }
        Ok(Filter::all(terms))
    }

    fn term(&mut self, place: Place, depth: usize) -> Result<Filter, String> {
        self.skip_spaces();
        if self.starts_with('(') {
            return self.group(place, depth);
        }
        let path = self.word();
        if path.eq_ignore_ascii_case("not") {
            self.skip_spaces();
            if !self.starts_with('(') {
                return Err(self.unexpected("\"(\" after not"));
            }
            return Ok(Filter::Not(Box::new(self.group(place, depth)?)));
        }
        if path.is_empty() {
            return Err(self.unexpected("an attribute"));
        }
        let path = self.attribute(path, place)?;
        if self.starts_with('[') && place == Place::Resource {
            return self.element_term(path, depth);
        }
        self.comparison(path)
    }

    fn group(&mut self, place: Place, depth: usize) -> Result<Filter, String> {
        let inner_depth = deeper(depth)?;
        self.take_symbol('(');
        let inner = self.alternatives(place, inner_depth)?;
        self.skip_spaces();
        if self.take_symbol(')') { Ok(inner) } else { Err(self.unexpected("\")\"")) }
    }

    fn element(&mut self, depth: usize) -> Result<Filter, String> {
        let inner_depth = deeper(depth)?;
        self.take_symbol('[');
        let inner = self.alternatives(Place::Element, inner_depth)?;
        self.skip_spaces();
        if self.take_symbol(']') { Ok(inner) } else { Err(self.unexpected("\"]\"")) }
    }

    fn element_term(&mut self, path: AttrPath, depth: usize) -> Result<Filter, String> {
        if path.sub.is_some() {
            return Err(format!("{path}[…]: a sub-attribute has no parts; put it into the brackets"));
        }
        let mut filter = self.element(depth)?;
        if self.take_symbol('.') {
            let sub = self.word();
            let sub = self.attribute(sub, Place::Element)?;
            filter = Filter::all(vec![filter, self.comparison(sub)?]);
        }
        Ok(Filter::Element { path, filter: Box::new(filter) })
    }

    fn attribute(&self, text: &str, place: Place) -> Result<AttrPath, String> {
        let path = AttrPath::parse(text)
            .ok_or_else(|| format!("\"{}\" {} is not an attribute name", excerpt(text), self.position()))?;
        if place == Place::Element && (path.urn.is_some() || path.sub.is_some()) {
            return Err(format!("{}: inside brackets only plain sub-attribute names stand", excerpt(text)));
        }
        Ok(path)
    }

    fn comparison(&mut self, path: AttrPath) -> Result<Filter, String> {
        self.skip_spaces();
        let word = self.word();
        if word.eq_ignore_ascii_case("pr") {
            return Ok(Filter::Present(path));
        }
        let operator = Operator::parse(word).ok_or_else(|| {
            format!("\"{}\" {} is not an operator; use eq ne co sw ew pr gt ge lt le", excerpt(word), self.position())
        })?;
        self.skip_spaces();
        let value = self.literal()?;
        Ok(Filter::Compare { path, operator, value })
    }

    fn literal(&mut self) -> Result<Literal, String> {
        if self.starts_with('"') {
            return self.string();
        }
        let word = self.word();
        if word.eq_ignore_ascii_case("true") {
            Ok(Literal::Bool(true))
        } else if word.eq_ignore_ascii_case("false") {
            Ok(Literal::Bool(false))
        } else if word.eq_ignore_ascii_case("null") {
            Ok(Literal::Null)
        } else {
            let number = parse_number(word).map(Literal::Number);
            number.ok_or_else(|| format!("no value {}; put texts into double quotes", self.position()))
        }
    }

    fn string(&mut self) -> Result<Literal, String> {
        let mut escaped = false;
        let closing = self.rest.char_indices().skip(1).find(|(_, c)| {
            let closes = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            closes
        });
        let unclosed = || "a text in double quotes is not closed".to_owned();
        let (end, _) = closing.ok_or_else(unclosed)?;
        let (quoted, rest) = self.rest.split_at_checked(end + 1).ok_or_else(unclosed)?;
        let text =
            serde_json::from_str(quoted).map_err(|_| format!("the text {} is not a JSON string", self.position()))?;
        self.rest = rest;
        if rest.starts_with(|c: char| !(c.is_whitespace() || matches!(c, ')' | ']'))) {
            return Err(self.unexpected("a space or the end after a value"));
        }
        Ok(Literal::String(text))
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let (word, rest) = split_word(self.rest.trim_start());
        let found = word.eq_ignore_ascii_case(keyword);
        if found {
            self.rest = rest;
        }
        found
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn position(&self) -> String {
        format!("before position {}", self.length.saturating_sub(self.rest.len()) + 1)
    }

    fn unexpected(&self, expected: &str) -> String {
        let position = self.length.saturating_sub(self.rest.len()) + 1;
        format!("expected {expected} at position {position}")
    }
}

fn deeper(depth: usize) -> Result<usize, String> {
    if depth >= DEEPEST_NESTING {
        return Err(format!("nested deeper than {DEEPEST_NESTING} levels"));
    }
    Ok(depth + 1)
}

fn split_word(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | '"'));
    end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""))
}

/// A JSON number (RFC 8259 §6) that fits a finite double or a 64-bit integer.
pub(super) fn parse_number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero = digits.starts_with('0') && digits.chars().nth(1).is_some_and(|c| c.is_ascii_digit());
    let last_is_digit = digits.ends_with(|c: char| c.is_ascii_digit());
    let clean = digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || leading_zero || !last_is_digit || !clean {
        return None;
    }
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Number::from(integer));
    }
    if let Ok(integer) = text.parse::<u64>() {
        return Some(Number::from(integer));
    }
    if digits.contains(".e") || digits.contains(".E") {
        return None;
    }
    Number::from_f64(text.parse().ok()?)
}

#[cfg(test)]
mod tests;

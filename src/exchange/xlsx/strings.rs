//! Texts of cells: the table of those that cells share, and the form in which characters stand that XML does not have.

use std::io::BufRead;

use super::xml::{Token, Xml};
use crate::exchange::cell::{Raw, TOO_LONG, bounded};
use crate::exchange::{FileError, Limits};

/// Reads the shared texts in their order; one that no cell may hold is a fault of each that names it.
pub(super) fn read<R: BufRead>(mut xml: Xml<R>, limits: &Limits) -> Result<Vec<Raw>, FileError> {
    let (mut strings, mut held) = (Vec::new(), 0_usize);
    let mut text = Text::within("t", limits);
    while let Some(token) = xml.next()? {
        match token {
            Token::Close(name) if name == "si" => {
                let whole = text.take();
                let length = whole.as_ref().map_or(0, String::len);
                held = held.saturating_add(length).saturating_add(size_of::<Raw>());
                if held > limits.memory {
                    return Err(FileError::TooMuchText(limits.memory));
                }
                strings.push(whole);
            }
            other => text.see(&other),
        }
    }
    Ok(strings)
}

/// Gathers the text of a cell: all its runs, and not how it is spoken (`rPh`). It grows no further than a cell may be.
pub(super) struct Text<'a> {
    /// The element that the text stands in.
    element: &'static str,
    limits: &'a Limits,
    text: String,
    inside: bool,
    spoken: bool,
    too_long: bool,
}

impl<'a> Text<'a> {
    pub(super) fn within(element: &'static str, limits: &'a Limits) -> Self {
        Self { element, limits, text: String::new(), inside: false, spoken: false, too_long: false }
    }

    pub(super) fn see(&mut self, token: &Token) {
        match token {
            Token::Open(tag) => match tag.name() {
                name if name == self.element => self.inside = true,
                "rPh" => self.spoken = true,
                _ => {}
            },
            Token::Close(name) => match name.as_str() {
                name if name == self.element => self.inside = false,
                "rPh" => self.spoken = false,
                _ => {}
            },
            Token::Text(text) if self.inside && !self.spoken => self.push(text),
            Token::Text(_) => {}
        }
    }

    fn push(&mut self, text: &str) {
        // Each of its characters may stand as an escape.
        let most = self.limits.cell.saturating_mul(ESCAPE);
        self.too_long |= self.text.len().saturating_add(text.len()) > most;
        if !self.too_long {
            self.text.push_str(text);
        }
    }

    /// The text as it stands; what comes next is another.
    pub(super) fn take_plain(&mut self) -> Raw {
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.too_long) { Err(TOO_LONG) } else { bounded(text, self.limits) }
    }

    /// The text with what its escapes stand for; what comes next is another.
    pub(super) fn take(&mut self) -> Raw {
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.too_long) { Err(TOO_LONG) } else { bounded(unescaped(text), self.limits) }
    }
}

/// The character that `_x000D_` at the beginning stands for (ECMA-376 part 1, 22.9.2.19).
fn escape(text: &str) -> Option<char> {
    code(text).filter(|_| text.get(6..7) == Some("_")).and_then(char::from_u32)
}

/// The number of `_x000D` at the beginning.
fn code(text: &str) -> Option<u32> {
    let code = text.strip_prefix("_x")?.get(..4).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u32::from_str_radix(code, 16).ok()
}

/// How long an escape is.
const ESCAPE: usize = "_x000D_".len();

fn unescaped(text: String) -> String {
    if !text.contains("_x") {
        return text;
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text.as_str());
    while let Some(at) = rest.find("_x") {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (c, length) = escape(from).map_or(('_', 1), |c| (c, ESCAPE));
        out.push(c);
        rest = from.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Appends a text as it stands between tags.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            // XML does not have them, or takes them for something else.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push_str(&format!("_x{:04X}_", u32::from(c))),
            // Whatever follows: it may be a character whose own form begins with the underscore that is missing.
            '_' if text.get(at..).and_then(code).is_some() => out.push_str("_x005F_"),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn characters_that_xml_does_not_have_stand_in_their_own_form() {
        let mut out = String::new();
        push_escaped(&mut out, "a\r\n<_x0041_>_x_\u{1}&");
        assert_eq!(out, "a_x000D_\n&lt;_x005F_x0041_&gt;_x_&#\u{1}".replace("&#\u{1}", "_x0001_&amp;"));
        assert_eq!(unescaped("_x005F_x0041_ _x000d_ _xZZZZ_ _xD800_ _x".to_owned()), "_x0041_ \r _xZZZZ_ _xD800_ _x");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "\\PC{0,12}|[_x0Dd\r\n\t\u{1}]{0,14}") {
            let mut out = String::new();
            push_escaped(&mut out, &text);
            let out = out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            prop_assert_eq!(unescaped(out), text);
        }
    }
}

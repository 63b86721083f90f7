//! The rows of a sheet, read one after the other.

use std::io::BufRead;

use jiff::Timestamp;

use super::malformed;
use super::strings::Text;
use super::xml::{Tag, Token, Xml};
use crate::exchange::cell::Raw;
use crate::exchange::{FileError, Limits};

/// Most places of a row: what lies further to the right is no table of users.
const WIDTH_MAX: usize = 256;
/// Days from the beginning of Excel's count to that of Unix, and those from 1904.
const DAYS_1900: f64 = 25_569.0;
const DAYS_1904: f64 = 24_107.0;

/// Gives the rows that are there, each with its number.
pub(super) struct Rows<'a, R> {
    xml: Xml<R>,
    strings: &'a [Raw],
    dates: &'a [bool],
    from_1904: bool,
    limits: &'a Limits,
    line: u64,
}

impl<'a, R: BufRead> Rows<'a, R> {
    pub(super) fn new(xml: Xml<R>, strings: &'a [Raw], dates: &'a [bool], from_1904: bool, limits: &'a Limits) -> Self {
        Self { xml, strings, dates, from_1904, limits, line: 0 }
    }

    fn row(&mut self) -> Result<Option<(u64, Vec<Raw>)>, FileError> {
        while let Some(token) = self.xml.next()? {
            let Token::Open(tag) = token else { continue };
            if tag.name() == "row" {
                let number = tag.attribute("r").and_then(|number| number.parse().ok());
                let line = number.unwrap_or(self.line.saturating_add(1));
                if line <= self.line {
                    return Err(malformed("its rows are not in their order"));
                }
                self.line = line;
                return self.cells().map(|cells| Some((line, cells)));
            }
        }
        Ok(None)
    }

    /// The cells up to the end of the row, without the empty ones at its end.
    fn cells(&mut self) -> Result<Vec<Raw>, FileError> {
        // A cell that does not say where it is lies behind the one before, be that empty or not.
        let (mut cells, mut next): (Vec<Raw>, usize) = (Vec::new(), 0);
        while let Some(token) = self.xml.next()? {
            match token {
                Token::Open(tag) if tag.name() == "c" => {
                    let at = tag.attribute("r").map_or(Some(next), |place| column(&place));
                    next = at.unwrap_or(next).saturating_add(1);
                    let raw = self.cell(&tag)?;
                    if raw.as_ref().is_ok_and(String::is_empty) {
                        continue;
                    }
                    let Some(at) = at.filter(|at| (cells.len()..WIDTH_MAX).contains(at)) else {
                        return Err(malformed(&format!("a cell of row {} lies where none can be", self.line)));
                    };
                    cells.resize(at, Ok(String::new()));
                    cells.push(raw);
                }
                Token::Close(name) if name == "row" => break,
                _ => {}
            }
        }
        Ok(cells)
    }

    /// One cell up to its end.
    fn cell(&mut self, tag: &Tag) -> Result<Raw, FileError> {
        let kind = tag.attribute("t").unwrap_or_default();
        let style = tag.attribute("s").and_then(|style| style.parse::<usize>().ok());
        let (mut value, mut text) = (Text::within("v", self.limits), Text::within("t", self.limits));
        let mut formula = false;
        while let Some(token) = self.xml.next()? {
            match &token {
                Token::Open(tag) if tag.name() == "f" => formula = true,
                Token::Close(name) if name == "c" => break,
                _ => {}
            }
            value.see(&token);
            text.see(&token);
        }
        if formula {
            return Ok(Err(("formula", "is a formula: put what it comes to in its place, as text")));
        }
        if kind == "inlineStr" {
            return Ok(text.take());
        }
        let value = match value.take_plain() {
            Ok(value) => value,
            Err(fault) => return Ok(Err(fault)),
        };
        Ok(match kind.as_str() {
            "s" => self.shared(&value)?,
            "b" => Ok(if value == "1" { "true" } else { "false" }.to_owned()),
            "e" => Err(("error_value", "is an error of the spreadsheet")),
            "str" | "d" => Ok(value),
            _ if style.and_then(|style| self.dates.get(style)) == Some(&true) => self.date(&value),
            _ => Ok(number(value)),
        })
    }

    fn shared(&self, value: &str) -> Result<Raw, FileError> {
        let text = value.trim().parse::<usize>().ok().and_then(|at| self.strings.get(at));
        text.cloned().ok_or_else(|| malformed("a cell names a shared text that is not there"))
    }

    /// A count of days as a time.
    fn date(&self, value: &str) -> Raw {
        let days = if self.from_1904 { DAYS_1904 } else { DAYS_1900 };
        let seconds = value.trim().parse::<f64>().ok().map(|serial| (serial - days) * 86_400.0);
        let time = seconds.and_then(whole).and_then(|seconds| Timestamp::from_second(seconds).ok());
        match time {
            Some(time) => Ok(time.to_string()),
            None if value.is_empty() => Ok(String::new()),
            None => Err(("malformed", "is no date that there is")),
        }
    }
}

impl<R: BufRead> Iterator for Rows<'_, R> {
    type Item = Result<(u64, Vec<Raw>), FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

/// The place of `C7` in its row: 2.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let number = letters
        .take(4)
        .fold(0_usize, |number, letter| number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}

/// A number as people write it: spreadsheets keep `31201234567` as `3.1201234567E10` too.
fn number(value: String) -> String {
    if !value.contains(['.', 'e', 'E']) {
        return value;
    }
    let parsed = value.parse::<f64>().ok().filter(|number| number.fract() == 0.0 && number.abs() < 1e15);
    parsed.and_then(whole).map_or(value, |number| number.to_string())
}

fn whole(number: f64) -> Option<i64> {
    format!("{:.0}", number.round()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_numbers_are_read_as_spreadsheets_write_them() {
        assert_eq!(["A1", "Z9", "AA1", "c7", "1"].map(column), [Some(0), Some(25), Some(26), Some(2), None]);
        let read = |text: &str| number(text.to_owned());
        assert_eq!(read("3.1201234567E10"), "31201234567");
        assert_eq!(read("007"), "007");
        assert_eq!(read("1.5"), "1.5");
        assert_eq!(read("-2.0"), "-2");
        assert_eq!(read("1E400"), "1E400");
    }
}

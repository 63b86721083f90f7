//! Which styles of cells show a number as a date: nothing else tells a date from a number.

use std::io::BufRead;

use super::xml::{Token, Xml};
use crate::exchange::FileError;

/// Most styles and formats that are looked at; Excel has no more than 65,490.
const STYLES_MAX: usize = 100_000;

/// For each style of cells in its order, whether it shows a date.
pub(super) fn dates<R: BufRead>(mut xml: Xml<R>) -> Result<Vec<bool>, FileError> {
    let (mut formats, mut styles, mut within) = (Vec::new(), Vec::new(), false);
    while let Some(token) = xml.next()? {
        match token {
            Token::Open(tag) => match tag.name() {
                "numFmt" => {
                    let id = tag.attribute("numFmtId").and_then(|id| id.parse::<u32>().ok());
                    formats.extend(id.zip(tag.attribute("formatCode").map(|code| shows_date(&code))));
                }
                "cellXfs" => within = true,
                "xf" if within => {
                    let id = tag.attribute("numFmtId").and_then(|id| id.parse::<u32>().ok()).unwrap_or(0);
                    let own = formats.iter().rev().find(|(known, _)| *known == id).map(|(_, is_date)| *is_date);
                    styles.push(own.unwrap_or_else(|| is_built_in_date(id)));
                }
                _ => {}
            },
            Token::Close(name) if name == "cellXfs" => within = false,
            _ => {}
        }
        if styles.len() > STYLES_MAX || formats.len() > 1_000 {
            return Err(FileError::Malformed("has more styles than a spreadsheet can have".to_owned()));
        }
    }
    Ok(styles)
}

/// The dates among the formats that every spreadsheet has (ECMA-376 part 1, 18.8.30).
fn is_built_in_date(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58)
}

/// Has a format a day, month, year or hour, quotations and what is in brackets aside?
fn shows_date(code: &str) -> bool {
    let (mut quoted, mut bracket, mut taken) = (false, false, false);
    code.chars().any(|c| {
        if std::mem::take(&mut taken) {
            return false;
        }
        match c {
            '"' => quoted = !quoted,
            '\\' | '_' | '*' if !quoted => taken = true,
            '[' if !quoted => bracket = true,
            ']' if !quoted => bracket = false,
            'd' | 'm' | 'y' | 'h' | 's' | 'D' | 'M' | 'Y' | 'H' | 'S' => return !quoted && !bracket,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_dates_are_told_from_those_of_numbers() {
        for date in ["yyyy-mm-dd", "[$-409]d/m/yy h:mm", "\"on\" dd.mm.yyyy"] {
            assert!(shows_date(date), "{date}");
        }
        for number in ["0.00", "General", "#,##0 \"days\"", "[Red]0", "\\d0", "@"] {
            assert!(!shows_date(number), "{number}");
        }
    }
}

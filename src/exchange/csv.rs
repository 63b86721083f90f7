//! Comma-separated values (RFC 4180), in UTF-8.
//!
//! Written with commas and CRLF. Read with commas, semicolons or tabs, whichever the first line has, with any line
//! ends, and with or without a byte order mark. What a spreadsheet would run as a formula gets an apostrophe in front
//! when it is written, and loses it when it is read; so does what begins with an apostrophe itself, so that every
//! value comes back as it was. Within a cell the same is done behind what separates cells elsewhere. Secrets are never
//! written, and are read to the letter.

use std::borrow::Cow;
use std::io::{self, Write};

use super::cell::{Raw, TOO_LONG};
use super::header::{COLUMNS_MAX, Header};
use super::text::{decode, lines};
use super::{FileError, Gathering, Limits, RowError, Table};

/// What ends a cell, where a spreadsheet separates them by something else than commas.
const ENDS: &[char] = &[';', '\t', '\r', '\n'];
/// What makes a spreadsheet take a text for a formula, or what follows for another cell.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Reads a file.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Table, FileError> {
    let text = decode(bytes)?;
    let mut records = Records::new(text, separator(text), limits);
    let titles = loop {
        match records.next().transpose()? {
            None => return Err(FileError::Empty),
            Some(Record { cells: Ok(cells), .. }) if cells.iter().all(is_blank) => {}
            Some(Record { cells: Ok(cells), .. }) => break cells,
            Some(Record { line, cells: Err(Broken::StrayQuote) }) => return Err(FileError::OpenQuote(line)),
            Some(Record { cells: Err(Broken::TooMany), .. }) => return Err(FileError::TooManyColumns(COLUMNS_MAX)),
        }
    };
    let titles: Vec<String> = titles
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|(_, words)| FileError::Malformed(format!("has a heading that {words}")))?;
    let header = Header::read(&titles)?;
    let is_secret = header.secrets();
    let mut table = Gathering::new(limits);
    while let Some(Record { line, cells }) = records.next().transpose()? {
        match cells {
            Ok(cells) => {
                let raw = cells.into_iter().enumerate().map(|(at, cell)| match is_secret.get(at) {
                    Some(true) => cell,
                    _ => cell.map(without_apostrophes),
                });
                table.take(&header, line, raw.collect())?;
            }
            Err(broken) => table.push(Err(broken.of_row(line)))?,
        }
    }
    Ok(Table { columns: header.columns(), rows: table.rows })
}

fn is_blank(cell: &Raw) -> bool {
    cell.as_ref().is_ok_and(|text| text.trim().is_empty())
}

/// What separates the headings: the one of the three that is most often in the first line, quotations aside.
fn separator(text: &str) -> char {
    let (mut counts, mut quoted) = ([(',', 0_u32), (';', 0), ('\t', 0)], false);
    let first = text.trim_start_matches(['\r', '\n']);
    for c in first.chars().take_while(|c| !matches!(c, '\r' | '\n')) {
        quoted ^= c == '"';
        if let Some((_, count)) = counts.iter_mut().find(|(separator, _)| *separator == c && !quoted) {
            *count += 1;
        }
    }
    // Of equals the last is the largest: a comma is what counts when there is none.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(',', |(separator, _)| separator)
}

/// Why a record has no cells.
enum Broken {
    /// Text behind a quotation in the same cell.
    StrayQuote,
    /// More cells than a file may have columns.
    TooMany,
}

impl Broken {
    fn of_row(&self, line: u64) -> RowError {
        match self {
            Self::StrayQuote => {
                let message = "has text behind a quotation: quotes inside one are written twice";
                RowError::of_row(line, "malformed_quotation", message)
            }
            Self::TooMany => RowError::of_row(line, "wrong_length", format!("has more than {COLUMNS_MAX} values")),
        }
    }
}

/// One record: its cells, or why there are none.
struct Record {
    line: u64,
    cells: Result<Vec<Raw>, Broken>,
}

/// Takes a text apart. Of a record no more is held than its columns may hold, however long it is.
struct Records<'a> {
    rest: &'a str,
    separator: char,
    line: u64,
    /// Most bytes of a cell, with the apostrophe that it may lose.
    cell: usize,
}

impl Iterator for Records<'_> {
    type Item = Result<Record, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut cells = Ok(Vec::new());
        loop {
            let cell = if self.rest.starts_with('"') { self.quotation() } else { Some(self.plain()) };
            let Some(cell) = cell else {
                self.rest = "";
                return Some(Err(FileError::OpenQuote(line)));
            };
            match &mut cells {
                Ok(held) if held.len() < COLUMNS_MAX => held.push(cell),
                _ => cells = Err(Broken::TooMany),
            }
            if let Some(rest) = self.rest.strip_prefix(self.separator) {
                self.rest = rest;
            } else if self.end_of_line() {
                return Some(Ok(Record { line, cells }));
            } else {
                let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
                self.rest = self.rest.get(end..).unwrap_or_default();
                self.end_of_line();
                return Some(Ok(Record { line, cells: Err(Broken::StrayQuote) }));
            }
        }
    }
}

impl<'a> Records<'a> {
    fn new(text: &'a str, separator: char, limits: &Limits) -> Self {
        Self { rest: text, separator, line: 1, cell: limits.cell.saturating_add(1) }
    }

    /// Takes what stands before the next separator or the end of the line.
    fn plain(&mut self) -> Raw {
        let separator = self.separator;
        let end = self.rest.find([separator, '\r', '\n']);
        let (cell, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if cell.len() > self.cell { Err(TOO_LONG) } else { Ok(cell.to_owned()) }
    }

    /// Takes a quotation; none where it has no end.
    fn quotation(&mut self) -> Option<Raw> {
        let mut cell = Ok(String::new());
        self.rest = self.rest.strip_prefix('"')?;
        loop {
            let (part, rest) = self.rest.split_once('"')?;
            self.line = self.line.saturating_add(lines(part));
            match &mut cell {
                Ok(held) if held.len().saturating_add(part.len()) <= self.cell => held.push_str(part),
                _ => cell = Err(TOO_LONG),
            }
            self.rest = rest;
            let Some(rest) = rest.strip_prefix('"') else { return Some(cell) };
            if let Ok(held) = &mut cell {
                held.push('"');
            }
            self.rest = rest;
        }
    }

    /// Takes the end of a line, or is at the end.
    fn end_of_line(&mut self) -> bool {
        let rest = ["\r\n", "\n", "\r"].iter().find_map(|end| self.rest.strip_prefix(*end));
        match rest {
            Some(rest) => {
                self.rest = rest;
                self.line = self.line.saturating_add(1);
                true
            }
            None => self.rest.is_empty(),
        }
    }
}

/// Would a spreadsheet run what begins here, or would it be taken for a text with our apostrophe?
fn wants_apostrophe(text: &str) -> bool {
    let text = text.trim_start_matches('"');
    text.starts_with('\'') || text.starts_with(FORMULA)
}

/// The pieces of a cell that are cells where something else separates them.
fn pieces(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (piece, behind) = whole.split_at(whole.find(ENDS).map_or(whole.len(), |at| at + 1));
        rest = Some(behind).filter(|behind| !behind.is_empty());
        Some((piece, whole))
    })
}

fn with_apostrophes(text: &str) -> Cow<'_, str> {
    if !pieces(text).any(|(_, from)| wants_apostrophe(from)) {
        return Cow::Borrowed(text);
    }
    let guarded = pieces(text).map(|(piece, from)| (if wants_apostrophe(from) { "'" } else { "" }, piece));
    guarded.flat_map(|(guard, piece)| [guard, piece]).collect()
}

fn without_apostrophes(text: String) -> String {
    let is_ours = |from: &str| from.strip_prefix('\'').is_some_and(wants_apostrophe);
    if !pieces(&text).any(|(_, from)| is_ours(from)) {
        return text;
    }
    pieces(&text).map(|(piece, from)| piece.get(usize::from(is_ours(from))..).unwrap_or_default()).collect()
}

/// Writes a file.
pub(super) struct Sheet<W> {
    output: W,
    line: Vec<u8>,
}

impl<W: Write> Sheet<W> {
    pub(super) fn new(output: W) -> Self {
        Self { output, line: Vec::new() }
    }

    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl Iterator<Item = T>) -> io::Result<()> {
        self.line.clear();
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                self.line.push(b',');
            }
            push_cell(&mut self.line, cell.as_ref());
        }
        self.line.extend_from_slice(b"\r\n");
        self.output.write_all(&self.line)
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        self.output.flush()?;
        Ok(self.output)
    }
}

/// Appends one cell.
fn push_cell(line: &mut Vec<u8>, text: &str) {
    let text = &*with_apostrophes(text);
    let blank = |c: Option<char>| c.is_some_and(char::is_whitespace);
    let is_plain = !text.contains(['"', ',', ';', '\t', '\r', '\n'])
        && !blank(text.chars().next())
        && !blank(text.chars().next_back());
    if is_plain {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            line.extend_from_slice(b"\"\"");
        }
        line.extend_from_slice(part.as_bytes());
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests;

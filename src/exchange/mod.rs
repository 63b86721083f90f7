//! Users as files: what administrators take out, change in a spreadsheet, and put back; and what other systems give out.
//!
//! PURE: bytes are handed in and writers too; no store, no async, no clock. A file is hostile: its size, its rows and
//! what it becomes when it is unpacked are bounded before anything is believed. What is wrong with one line is told of
//! that line and the others are read; what is wrong with the file ends the reading. Nothing here knows whether a user
//! exists.

use crate::base::secret::Secret;

pub mod cell;
pub mod column;
mod csv;
mod error;
mod header;
mod jumpserver;
mod ldif;
pub mod list;
pub mod template;
mod text;
pub mod user;
mod write;
mod xlsx;

pub use cell::Cell;
pub use column::Column;
pub use error::{FileError, RowError};
pub use write::Writer;

use header::Header;

/// The form of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Comma-separated values (RFC 4180), in UTF-8; semicolons and tabs are understood.
    Csv,
    /// A spreadsheet of Excel, LibreOffice and others (ECMA-376).
    Xlsx,
    /// Entries of a directory (RFC 2849); read, and not written.
    Ldif,
}

impl Format {
    const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Csv, "csv", "text/csv"),
        (Self::Xlsx, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (Self::Ldif, "ldif", "text/x-ldif"),
    ];

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(_, name, _)| *name)
    }

    /// The format of this name, or of a file name that ends with it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let end = name.rsplit('.').next()?.to_ascii_lowercase();
        Self::ALL.iter().find(|(_, known, _)| *known == end).map(|(format, ..)| *format)
    }

    /// The format of this media type, parameters aside.
    #[must_use]
    pub fn by_media_type(text: &str) -> Option<Self> {
        let kind = text.split(';').next()?.trim().to_ascii_lowercase();
        Self::ALL.iter().find(|(.., known)| *known == kind).map(|(format, ..)| *format)
    }

    /// May users be written so?
    #[must_use]
    pub fn is_written(self) -> bool {
        self != Self::Ldif
    }

    /// Its name, which is the end of its files' names too.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        Self::ALL.iter().find(|(format, ..)| *format == self).map_or("", |(.., kind)| kind)
    }
}

/// How much of a file is taken.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows.
    pub rows: usize,
    /// Most bytes of one cell.
    pub cell: usize,
    /// Most bytes that all cells take together when they are read.
    pub memory: usize,
    /// Most bytes of all parts of a packed file when they are unpacked.
    pub unpacked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1_000_000, cell: 64 << 10, memory: 512 << 20, unpacked: 512 << 20 }
    }
}

/// What a file says: its columns, and its rows in their order.
pub struct Table {
    /// The columns that are of use to an import, in the file's order; each once.
    pub columns: Vec<Column>,
    /// What each line says, or what is wrong with it. Blank lines and notes are left out.
    pub rows: Vec<Result<Row, RowError>>,
}

/// One user of a file.
pub struct Row {
    /// Where it begins in the file, as an editor or a spreadsheet counts; the first line is 1.
    pub line: u64,
    /// What it says of each column. A column that is not there is left alone.
    pub cells: Vec<(Column, Cell)>,
}

impl Row {
    /// What it says of a column; none where the file has no such column.
    #[must_use]
    pub fn get(&self, column: Column) -> Option<&Cell> {
        self.cells.iter().find(|(named, _)| *named == column).map(|(_, cell)| cell)
    }

    /// The text of a column of text; none for an empty cell too.
    #[must_use]
    pub fn text(&self, column: Column) -> Option<&str> {
        match self.get(column) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The secret of a column of secrets.
    #[must_use]
    pub fn secret(&self, column: Column) -> Option<&Secret> {
        match self.get(column) {
            Some(Cell::Secret(secret)) => Some(secret),
            _ => None,
        }
    }
}

/// Reads a file.
///
/// # Errors
/// What is wrong with the file as a whole: nothing of it can be believed then.
pub fn read(format: Format, bytes: &[u8], limits: &Limits) -> Result<Table, FileError> {
    match format {
        Format::Csv => csv::read(bytes, limits),
        Format::Xlsx => xlsx::read(bytes, limits),
        Format::Ldif => ldif::read(bytes, limits),
    }
}

/// Gathers the rows of a table within the limits.
struct Gathering<'a> {
    limits: &'a Limits,
    /// Bytes that the cells and faults take.
    held: usize,
    rows: Vec<Result<Row, RowError>>,
}

impl<'a> Gathering<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self { limits, held: 0, rows: Vec::new() }
    }

    /// Takes the cells of a line as they stand in the file, or why one cannot be read.
    fn take(&mut self, header: &Header, line: u64, raw: Vec<cell::Raw>) -> Result<(), FileError> {
        header.row(line, raw, self.limits).map_or(Ok(()), |row| self.push(row))
    }

    /// Takes a row as it was parsed, and counts what it and its faults take.
    fn push(&mut self, row: Result<Row, RowError>) -> Result<(), FileError> {
        let cell = |(_, cell): &(Column, Cell)| size_of::<(Column, Cell)>().saturating_add(cell.bytes());
        let bytes = match &row {
            Ok(row) => row.cells.iter().map(cell).sum(),
            Err(error) => error.bytes(),
        };
        self.held = self.held.saturating_add(bytes);
        if self.held > self.limits.memory {
            return Err(FileError::TooMuchText(self.limits.memory));
        }
        if self.rows.len() >= self.limits.rows {
            return Err(FileError::TooManyRows(self.limits.rows));
        }
        self.rows.push(row);
        Ok(())
    }
}

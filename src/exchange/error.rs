//! What is wrong with a file, or with a line of it: where, and what to do. Nothing of a cell is repeated but headings.

use crate::directory::field::FieldError;

/// Why a file cannot be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing in it.
    #[error("the file is empty: its first line must name the columns")]
    Empty,
    /// Another encoding of Unicode.
    #[error("the file is UTF-16: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    Utf16,
    /// Bytes that are no UTF-8.
    #[error("the file is not UTF-8 at its byte {0}: save it as UTF-8 (in a spreadsheet: \"CSV UTF-8\")")]
    NotUtf8(usize),
    /// A NUL.
    #[error("line {0} holds a NUL: this is no text")]
    Nul(u64),
    /// A separator that is not understood.
    #[error("the file is separated by {0:?}: separate it by commas, semicolons or tabs")]
    Separator(char),
    /// A heading that is not known.
    #[error("the column {title:?} is not known{}", .meant.as_ref().map(|meant| format!(": {meant:?} may be meant")).unwrap_or_default())]
    UnknownColumn {
        /// The heading as it stands.
        title: String,
        /// What may be meant.
        meant: Option<String>,
    },
    /// The same column twice.
    #[error("the column {0:?} is there twice")]
    DuplicateColumn(String),
    /// Nothing says whom a row is about.
    #[error("there is neither a column \"username\" nor a column \"id\": nothing says whom a row is about")]
    NoKey,
    /// A quotation that does not end: what belongs to whom is not known any more.
    #[error("the quotation that begins in line {0} does not end")]
    OpenQuote(u64),
    /// Too many columns.
    #[error("the file has more than {0} columns")]
    TooManyColumns(usize),
    /// Too many rows.
    #[error("the file has more than {0} rows: split it")]
    TooManyRows(usize),
    /// More text than is held.
    #[error("the cells of the file take more than {0} bytes: split it")]
    TooMuchText(usize),
    /// Not of the form that it is said to be.
    #[error("the file {0}")]
    Malformed(String),
    /// It unpacks to more than is taken.
    #[error("the file becomes larger than {0} bytes when it is unpacked: it is refused")]
    Bomb(u64),
}

impl FileError {
    /// All of its codes.
    pub const CODES: &'static [&'static str] = &[
        "duplicate_column",
        "file_bomb",
        "file_empty",
        "file_malformed",
        "file_not_text",
        "file_not_utf8",
        "file_separator",
        "file_too_large",
        "missing_column",
        "open_quotation",
        "unknown_column",
    ];

    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "file_empty",
            Self::Utf16 | Self::NotUtf8(_) => "file_not_utf8",
            Self::Nul(_) => "file_not_text",
            Self::Separator(_) => "file_separator",
            Self::UnknownColumn { .. } => "unknown_column",
            Self::DuplicateColumn(_) => "duplicate_column",
            Self::NoKey => "missing_column",
            Self::OpenQuote(_) => "open_quotation",
            Self::TooManyColumns(_) | Self::TooManyRows(_) | Self::TooMuchText(_) => "file_too_large",
            Self::Malformed(_) => "file_malformed",
            Self::Bomb(_) => "file_bomb",
        }
    }
}

/// Most faults of a line that are told.
const FAULTS_MAX: usize = 20;

/// Why a line cannot be read: the first faults of its cells, and how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Where the row begins.
    pub line: u64,
    /// What is wrong, by column; `row` where it is the row itself.
    pub faults: Vec<FieldError>,
}

impl RowError {
    /// The first faults of a row.
    #[must_use]
    pub fn new(line: u64, mut faults: Vec<FieldError>) -> Self {
        let more = faults.len().saturating_sub(FAULTS_MAX);
        faults.truncate(FAULTS_MAX);
        faults.extend((more > 0).then(|| FieldError::new("row", "more_faults", format!("has {more} more faults"))));
        Self { line, faults }
    }

    /// Bytes that it takes beside its place.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |fault: &FieldError| size_of::<FieldError>() + fault.field.len() + fault.message.len();
        self.faults.iter().map(bytes).sum()
    }

    /// One fault of the row itself.
    #[must_use]
    pub fn of_row(line: u64, code: &'static str, message: impl Into<String>) -> Self {
        Self { line, faults: vec![FieldError::new("row", code, message)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The variants one after the other, so that none is left out.
    fn next(error: &FileError) -> Option<FileError> {
        Some(match error {
            FileError::Empty => FileError::Utf16,
            FileError::Utf16 => FileError::NotUtf8(1),
            FileError::NotUtf8(_) => FileError::Nul(1),
            FileError::Nul(_) => FileError::Separator('|'),
            FileError::Separator(_) => FileError::UnknownColumn { title: "colour".to_owned(), meant: None },
            FileError::UnknownColumn { .. } => FileError::DuplicateColumn("name".to_owned()),
            FileError::DuplicateColumn(_) => FileError::NoKey,
            FileError::NoKey => FileError::OpenQuote(1),
            FileError::OpenQuote(_) => FileError::TooManyColumns(1),
            FileError::TooManyColumns(_) => FileError::TooManyRows(1),
            FileError::TooManyRows(_) => FileError::TooMuchText(1),
            FileError::TooMuchText(_) => FileError::Malformed("is cut off".to_owned()),
            FileError::Malformed(_) => FileError::Bomb(1),
            FileError::Bomb(_) => return None,
        })
    }

    #[test]
    fn all_codes_are_named() {
        let given: BTreeSet<_> =
            std::iter::successors(Some(FileError::Empty), next).map(|error| error.code()).collect();
        assert_eq!(given, FileError::CODES.iter().copied().collect());
    }
}

//! The first line of a table: which column stands where, and what becomes of each cell below.

use super::cell::{Cell, Raw, bounded};
use super::column::{Column, Kind};
use super::jumpserver;
use super::{FileError, Limits, Row, RowError};
use crate::base::suggest::nearest;
use crate::directory::field::FieldError;

/// Most columns of a file.
pub(super) const COLUMNS_MAX: usize = 100;
/// How the id of a line begins that is a note: a template's words, and its example.
pub(super) const NOTE: char = '#';

/// What is done with the cells of a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// They are read.
    Of(Column),
    /// They are passed by.
    Passed,
    /// The place has no heading: its cells must be empty.
    Unnamed,
}

/// Whose words the cells are in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dialect {
    Own,
    JumpServer,
}

pub(super) struct Header {
    places: Vec<Place>,
    dialect: Dialect,
}

impl Header {
    /// Reads the headings.
    pub(super) fn read(titles: &[String]) -> Result<Self, FileError> {
        if titles.len() > COLUMNS_MAX {
            return Err(FileError::TooManyColumns(COLUMNS_MAX));
        }
        let titles: Vec<&str> = titles.iter().map(|title| title.trim()).collect();
        if titles.iter().all(|title| title.is_empty()) {
            return Err(FileError::Empty);
        }
        let dialect = if jumpserver::wrote(&titles) { Dialect::JumpServer } else { Dialect::Own };
        let mut places: Vec<Place> = Vec::with_capacity(titles.len());
        for title in titles {
            let place = dialect.place(title)?;
            if matches!(place, Place::Of(_)) && places.contains(&place) {
                return Err(FileError::DuplicateColumn(title.to_owned()));
            }
            places.push(place);
        }
        let has = |column| places.contains(&Place::Of(column));
        if has(Column::Username) || has(Column::Id) { Ok(Self { places, dialect }) } else { Err(FileError::NoKey) }
    }

    /// The columns that are read.
    pub(super) fn columns(&self) -> Vec<Column> {
        let columns = self.places.iter().filter_map(|place| match place {
            Place::Of(column) => Some(*column),
            _ => None,
        });
        columns.collect()
    }

    /// Which places hold secrets.
    pub(super) fn secrets(&self) -> Vec<bool> {
        let is_secret = |place: &Place| matches!(place, Place::Of(column) if column.kind() == Kind::Secret);
        self.places.iter().map(is_secret).collect()
    }

    /// The row of these cells; none for a blank line or a note.
    pub(super) fn row(&self, line: u64, raw: Vec<Raw>, limits: &Limits) -> Option<Result<Row, RowError>> {
        if raw.iter().all(|cell| cell.as_ref().is_ok_and(|text| text.trim().is_empty())) || self.is_note(&raw) {
            return None;
        }
        if raw.len() != self.places.len() {
            let message = format!("has {} values where the header has {}", raw.len(), self.places.len());
            return Some(Err(RowError::of_row(line, "wrong_length", message)));
        }
        let (mut cells, mut faults) = (Vec::with_capacity(raw.len()), Vec::new());
        for (place, raw) in self.places.iter().zip(raw) {
            match self.cell(*place, raw, limits) {
                Ok(cell) => cells.extend(cell),
                Err(fault) => faults.push(fault),
            }
        }
        Some(if faults.is_empty() { Ok(Row { line, cells }) } else { Err(RowError::new(line, faults)) })
    }

    fn cell(&self, place: Place, raw: Raw, limits: &Limits) -> Result<Option<(Column, Cell)>, FieldError> {
        let column = match (place, &raw) {
            (Place::Of(column), _) => column,
            (Place::Unnamed, Ok(text)) if text.trim().is_empty() => return Ok(None),
            (Place::Unnamed, _) => {
                return Err(FieldError::new("row", "unnamed_column", "has a value in a column without a heading"));
            }
            (Place::Passed, _) => return Ok(None),
        };
        let text = raw.and_then(|text| bounded(text, limits));
        let text = text.map_err(|(code, words)| FieldError::new(column.name(), code, words))?;
        let text = match self.dialect {
            Dialect::JumpServer if column.kind() != Kind::Secret => jumpserver::translated(column, text),
            _ => text,
        };
        Ok(Some((column, Cell::parse(column, text)?)))
    }

    fn is_note(&self, raw: &[Raw]) -> bool {
        let id = self.places.iter().position(|place| *place == Place::Of(Column::Id));
        id.and_then(|at| raw.get(at)).is_some_and(|cell| cell.as_ref().is_ok_and(|text| text.starts_with(NOTE)))
    }
}

impl Dialect {
    fn place(self, title: &str) -> Result<Place, FileError> {
        if title.is_empty() {
            return Ok(Place::Unnamed);
        }
        if self == Self::JumpServer {
            let place = jumpserver::place(title);
            return place.ok_or_else(|| FileError::UnknownColumn { title: title.to_owned(), meant: None });
        }
        match Column::parse(title) {
            Some(column) if column.is_read() => Ok(Place::Of(column)),
            Some(_) => Ok(Place::Passed),
            None => Err(unknown(title)),
        }
    }
}

/// What is said of a heading that is not known.
fn unknown(title: &str) -> FileError {
    let separators = ['|', ':', '^', '~'].into_iter();
    for separator in separators.filter(|separator| title.contains(*separator)) {
        if title.split(separator).filter(|part| Column::parse(part.trim().trim_matches('"')).is_some()).count() > 1 {
            return FileError::Separator(separator);
        }
    }
    let word = title.to_ascii_lowercase().replace(' ', "_");
    let meant = nearest(&word, Column::names()).map(str::to_owned);
    let title = title.chars().take(64).collect();
    FileError::UnknownColumn { title, meant }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(titles: &[&str]) -> Result<Header, FileError> {
        Header::read(&titles.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>())
    }

    fn fault(titles: &[&str]) -> FileError {
        read(titles).err().unwrap()
    }

    #[test]
    fn headings_are_taken_in_any_order_and_case() {
        let header = read(&["Email", " USERNAME ", "last_login", ""]).unwrap();
        assert_eq!(header.columns(), [Column::Email, Column::Username]);
    }

    #[test]
    fn what_is_wrong_with_the_headings_is_said() {
        let meant = |title: &str, meant: &str| FileError::UnknownColumn {
            title: title.to_owned(),
            meant: Some(meant.to_owned()),
        };
        assert_eq!(fault(&["username", "E-Mail"]), meant("E-Mail", "email"));
        assert_eq!(fault(&["username", "Expires At"]), meant("Expires At", "expires_at"));
        assert_eq!(
            fault(&["username", "colour"]),
            FileError::UnknownColumn { title: "colour".to_owned(), meant: None }
        );
        assert_eq!(fault(&["username", "email", "Email"]), FileError::DuplicateColumn("Email".to_owned()));
        assert_eq!(fault(&["name", "email"]), FileError::NoKey);
        assert_eq!(fault(&["username|name|email"]), FileError::Separator('|'));
        assert_eq!(fault(&["", " "]), FileError::Empty);
        assert_eq!(fault(&["username"; 200]), FileError::TooManyColumns(100));
    }
}

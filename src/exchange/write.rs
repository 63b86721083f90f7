//! Writing users into a file, one after the other: nothing is held but the row that is made.

use std::io::{self, Write};

use super::{Column, Format, csv, xlsx};

/// Writes a file of a format into a writer.
pub struct Writer<W: Write> {
    sheet: Sheet<W>,
    columns: usize,
}

enum Sheet<W: Write> {
    Csv(csv::Sheet<W>),
    Xlsx(Box<xlsx::Sheet<W>>),
}

impl<W: Write> Writer<W> {
    /// Begins a file with its headings.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn new(format: Format, columns: &[Column], output: W) -> io::Result<Self> {
        let sheet = match format {
            Format::Csv => Sheet::Csv(csv::Sheet::new(output)),
            Format::Xlsx => Sheet::Xlsx(Box::new(xlsx::Sheet::new(columns.len(), output)?)),
            Format::Ldif => return Err(io::Error::other("LDIF is read, and not written: take CSV or XLSX")),
        };
        let mut writer = Self { sheet, columns: columns.len() };
        writer.row(columns.iter().map(|column| column.name()))?;
        Ok(writer)
    }

    /// Writes one row: a text for each column, as [`super::user::text`] makes it.
    ///
    /// # Errors
    /// When the writer does not take it, or the format cannot hold it.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl ExactSizeIterator<Item = T>) -> io::Result<()> {
        debug_assert_eq!(cells.len(), self.columns, "a text for each column");
        match &mut self.sheet {
            Sheet::Csv(sheet) => sheet.row(cells),
            Sheet::Xlsx(sheet) => sheet.row(cells),
        }
    }

    /// Ends the file, and gives the writer back.
    ///
    /// # Errors
    /// When the writer does not take it.
    pub fn end(self) -> io::Result<W> {
        match self.sheet {
            Sheet::Csv(sheet) => sheet.end(),
            Sheet::Xlsx(sheet) => sheet.end(),
        }
    }
}

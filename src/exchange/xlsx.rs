//! Spreadsheets as Excel, LibreOffice and openpyxl write them (ECMA-376): the first sheet that is shown, its first row
//! the headings.
//!
//! An archive says what it likes of its size: each part is read as a stream, and all of them together become no larger
//! than the limits say. Entities are not known, elements lie in one another to a small depth. Every cell is written as
//! text, so that nothing is run, and no zero is lost; a formula in a file that is read is a fault of its row.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::rc::Rc;

use zip::ZipArchive;

use super::header::Header;
use super::{FileError, Gathering, Limits, Table};

mod sheet;
mod strings;
mod styles;
mod write;
mod xml;

pub(super) use write::Sheet;

/// Where a workbook has its list of sheets, and what belongs to it.
const WORKBOOK: &str = "xl/workbook.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";
/// Most bytes of what belongs to a workbook.
const RELATIONS_MAX: usize = 1 << 20;
/// How the files of old Excel begin, and those with a password.
const COMPOUND: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0];

/// Reads a file.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Table, FileError> {
    if bytes.starts_with(COMPOUND) {
        let words = "is an old spreadsheet, or has a password: save it as XLSX without one";
        return Err(FileError::Malformed(words.to_owned()));
    }
    let mut parts = Parts::open(bytes, limits)?;
    let book = parts.part(WORKBOOK)?.map(xml::Xml::new).map(book).transpose()?;
    let Some(book) = book else { return Err(malformed("no workbook in it")) };
    let relations = parts.part(RELATIONS)?.map(xml::Xml::new).map(relations).transpose()?.unwrap_or_default();
    let of_type = |kind: &str| relations.iter().find(|relation| relation.kind.ends_with(kind));
    let (strings_at, styles_at) = (of_type("/sharedStrings"), of_type("/styles"));
    let strings = strings_at.map(|at| parts.part(&at.target)).transpose()?.flatten();
    let strings = strings.map(|part| strings::read(xml::Xml::new(part), limits)).transpose()?.unwrap_or_default();
    let dates = styles_at.map(|at| parts.part(&at.target)).transpose()?.flatten();
    let dates = dates.map(|part| styles::dates(xml::Xml::new(part))).transpose()?.unwrap_or_default();
    let at = relations.iter().find(|relation| relation.id == book.sheet);
    let Some(part) = at.map(|at| parts.part(&at.target)).transpose()?.flatten() else {
        return Err(malformed("no sheet in it"));
    };
    let mut rows = sheet::Rows::new(xml::Xml::new(part), &strings, &dates, book.from_1904, limits);
    let titles = loop {
        let Some((_, raw)) = rows.next().transpose()? else { return Err(FileError::Empty) };
        let titles: Vec<String> = raw.into_iter().map(Result::unwrap_or_default).collect();
        if titles.iter().any(|title| !title.trim().is_empty()) {
            break titles;
        }
    };
    let width = titles.len();
    let header = Header::read(&titles)?;
    let mut table = Gathering::new(limits);
    while let Some((line, mut raw)) = rows.next().transpose()? {
        if raw.len() < width {
            raw.resize(width, Ok(String::new()));
        }
        table.take(&header, line, raw)?;
    }
    Ok(Table { columns: header.columns(), rows: table.rows })
}

fn malformed(what: &str) -> FileError {
    FileError::Malformed(format!("is no XLSX workbook: {what}"))
}

/// What is needed of the list of sheets.
struct Book {
    /// Which relation leads to the sheet.
    sheet: String,
    /// Days are counted from 1904.
    from_1904: bool,
}

fn book<R: io::BufRead>(mut xml: xml::Xml<R>) -> Result<Book, FileError> {
    let (mut sheet, mut from_1904) = (None, false);
    while let Some(token) = xml.next()? {
        let xml::Token::Open(tag) = token else { continue };
        match tag.name() {
            "workbookPr" => from_1904 = tag.attribute("date1904").is_some_and(|flag| flag == "1" || flag == "true"),
            "sheet" if tag.attribute("state").is_none_or(|state| state == "visible") => {
                sheet = sheet.or(tag.attribute("id"));
            }
            _ => {}
        }
    }
    sheet.map(|sheet| Book { sheet, from_1904 }).ok_or_else(|| malformed("no sheet in it"))
}

/// A part that belongs to the workbook.
struct Relation {
    id: String,
    kind: String,
    target: String,
}

fn relations<R: io::BufRead>(mut xml: xml::Xml<R>) -> Result<Vec<Relation>, FileError> {
    let (mut found, mut held) = (Vec::new(), 0_usize);
    while let Some(token) = xml.next()? {
        let xml::Token::Open(tag) = token else { continue };
        if tag.name() != "Relationship" {
            continue;
        }
        let get = |name| tag.attribute(name).unwrap_or_default();
        let target = get("Target");
        // From the root of the archive, or beside the workbook.
        let target = target.strip_prefix('/').map_or_else(|| format!("xl/{target}"), str::to_owned);
        let relation = Relation { id: get("Id"), kind: get("Type"), target };
        let parts = [size_of::<Relation>(), relation.id.len(), relation.kind.len(), relation.target.len()];
        held = parts.into_iter().fold(held, usize::saturating_add);
        if held > RELATIONS_MAX {
            return Err(malformed("more belongs to it than to a spreadsheet"));
        }
        found.push(relation);
    }
    Ok(found)
}

/// The parts of an archive, and how much of them may still come out.
struct Parts<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    left: Rc<Cell<u64>>,
    limit: u64,
}

impl<'a> Parts<'a> {
    fn open(bytes: &'a [u8], limits: &Limits) -> Result<Self, FileError> {
        let archive =
            ZipArchive::new(Cursor::new(bytes)).map_err(|_| malformed("it is no archive, or is cut short"))?;
        Ok(Self { archive, left: Rc::new(Cell::new(limits.unpacked)), limit: limits.unpacked })
    }

    /// A part by its name; none where it is not there.
    fn part(&mut self, name: &str) -> Result<Option<BufReader<impl Read + use<'_, 'a>>>, FileError> {
        let limit = self.limit;
        let Some(at) = self.archive.index_for_name(name) else { return Ok(None) };
        let part = self.archive.by_index(at).map_err(|_| malformed("a part of it cannot be unpacked"))?;
        if part.size() > self.left.get() {
            return Err(FileError::Bomb(limit));
        }
        Ok(Some(BufReader::new(Bounded { part, left: Rc::clone(&self.left), limit })))
    }
}

/// A part that ends with an error when all parts together become too large, whatever the archive says.
struct Bounded<R> {
    part: R,
    left: Rc<Cell<u64>>,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(buffer)?;
        let left = self.left.get().checked_sub(u64::try_from(read).unwrap_or(u64::MAX));
        self.left.set(left.ok_or_else(|| io::Error::other(FileError::Bomb(self.limit)))?);
        Ok(read)
    }
}

#[cfg(test)]
mod tests;

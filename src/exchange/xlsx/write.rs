//! Writing a workbook of one sheet as a stream: nothing is held but the row that is made, and two files of the same
//! users are the same bytes.

use std::io::{self, Write};

use zip::ZipWriter;
use zip::write::{SimpleFileOptions, StreamWriter};

use super::strings::push_escaped;

/// Most rows of a sheet.
const ROWS_MAX: u64 = 1 << 20;
/// Most units of UTF-16 of a cell.
const CELL_MAX: usize = 32_767;
/// Hardly larger than with the best, and made in a third of the time.
const LEVEL: i64 = 3;

const CONTENT_TYPES: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">"#,
    r#"<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>"#,
    r#"<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>"#,
    r#"<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>"#,
    r#"<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#,
    "</Types>",
);
const ROOT: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#,
    r#"<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>"#,
    "</Relationships>",
);
const WORKBOOK: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">"#,
    r#"<sheets><sheet name="Users" sheetId="1" r:id="rId1"/></sheets>"#,
    "</workbook>",
);
const RELATIONS: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#,
    r#"<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/>"#,
    r#"<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>"#,
    "</Relationships>",
);
/// Style 1 is text (format 49), so that what somebody types into a cell stays as it is typed; style 2 is that in bold.
const STYLES: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#,
    r#"<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts>"#,
    r#"<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>"#,
    r#"<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"#,
    r#"<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>"#,
    r#"<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>"#,
    r#"<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>"#,
    r#"<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs>"#,
    r#"<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>"#,
    "</styleSheet>",
);
const SHEET: &str = concat!(
    r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>"#,
    "\n",
    r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">"#,
    r#"<sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>"#,
);

/// Writes a file.
pub(in crate::exchange) struct Sheet<W: Write> {
    archive: ZipWriter<StreamWriter<W>>,
    rows: u64,
    row: String,
}

impl<W: Write> Sheet<W> {
    pub(in crate::exchange) fn new(columns: usize, output: W) -> io::Result<Self> {
        let mut archive = ZipWriter::new_stream(output);
        let parts = [
            ("[Content_Types].xml", CONTENT_TYPES),
            ("_rels/.rels", ROOT),
            ("xl/workbook.xml", WORKBOOK),
            ("xl/_rels/workbook.xml.rels", RELATIONS),
            ("xl/styles.xml", STYLES),
            ("xl/worksheets/sheet1.xml", SHEET),
        ];
        for (name, text) in parts {
            archive.start_file(name, SimpleFileOptions::default().compression_level(Some(LEVEL)))?;
            archive.write_all(text.as_bytes())?;
        }
        write!(
            archive,
            r#"<cols><col min="1" max="{columns}" width="20" style="1" customWidth="1"/></cols><sheetData>"#
        )?;
        Ok(Self { archive, rows: 0, row: String::new() })
    }

    pub(in crate::exchange) fn row<T: AsRef<str>>(&mut self, cells: impl Iterator<Item = T>) -> io::Result<()> {
        if self.rows >= ROWS_MAX {
            return Err(io::Error::other("a sheet has no more than 1,048,576 rows: take CSV"));
        }
        let style = if self.rows == 0 { 2 } else { 1 };
        self.rows += 1;
        self.row.clear();
        self.row.push_str("<row>");
        for cell in cells {
            let cell = cell.as_ref();
            if cell.len() > CELL_MAX && cell.encode_utf16().count() > CELL_MAX {
                return Err(io::Error::other("a cell of a sheet has no more than 32,767 characters: take CSV"));
            }
            if cell.is_empty() {
                self.row.push_str("<c/>");
                continue;
            }
            self.row.push_str(&format!(r#"<c s="{style}" t="inlineStr"><is><t xml:space="preserve">"#));
            push_escaped(&mut self.row, cell);
            self.row.push_str("</t></is></c>");
        }
        self.row.push_str("</row>");
        self.archive.write_all(self.row.as_bytes())
    }

    pub(in crate::exchange) fn end(mut self) -> io::Result<W> {
        self.archive.write_all(b"</sheetData></worksheet>")?;
        let mut output = self.archive.finish()?.into_inner();
        output.flush()?;
        Ok(output)
    }
}

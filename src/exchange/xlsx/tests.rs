//! Workbooks as programs write them, and as somebody who means harm does.

use std::io::Write as _;

use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::exchange::{Column, Format, Writer};

const RELATIONS_TEXT: &str = r#"<Relationships><Relationship Id="rId1" Type="x/worksheet" Target="/xl/worksheets/sheet1.xml"/>
    <Relationship Id="rId2" Type="x/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="x/styles" Target="styles.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook><sheets><sheet name="Hidden" state="hidden" r:id="rId9"/><sheet name="Users" r:id="rId1"/></sheets></workbook>"#;
const STYLES: &str = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd.mm.yyyy"/></numFmts>
    <cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;

/// A workbook of these parts.
fn workbook(strings: &str, sheet: &str) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let parts = [
        (WORKBOOK, BOOK),
        (RELATIONS, RELATIONS_TEXT),
        ("xl/styles.xml", STYLES),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    for (name, text) in parts {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn sheet(rows: &str) -> Vec<u8> {
    let strings =
        "<sst><si><t>username</t></si><si><r><t>expires</t></r><r><t>_at</t></r><rPh><t>x</t></rPh></si></sst>";
    workbook(strings, &format!("<worksheet><sheetData>{rows}</sheetData></worksheet>"))
}

const HEADER: &str = r#"<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="inlineStr"><is><t>phone</t></is></c></row>"#;

fn taken(bytes: &[u8]) -> Table {
    read(bytes, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(bytes: &[u8], limits: &Limits) -> FileError {
    read(bytes, limits).err().unwrap()
}

#[test]
fn cells_of_every_kind_are_read() {
    let rows = r#"<row r="3"><c r="A3" t="inlineStr"><is><t>ada &amp; co</t></is></c><c r="B3" s="1"><v>46752.5</v></c><c r="C3"><v>3.1201234567E10</v></c></row>
        <row r="4"><c r="A4" t="str"><v>bob</v></c><c r="D4"/></row>"#;
    let table = taken(&sheet(&format!("{HEADER}{rows}")));
    let [Ok(ada), Ok(bob)] = &table.rows[..] else { panic!("two rows") };
    assert_eq!((ada.line, bob.line), (3, 4));
    assert_eq!(ada.text(Column::Username), Some("ada & co"));
    assert_eq!(ada.text(Column::Phone), Some("31201234567"));
    let expiry = ada.get(Column::ExpiresAt);
    assert!(matches!(expiry, Some(crate::exchange::Cell::Time(at)) if at.to_string() == "2027-12-31T12:00:00Z"));
    assert!(matches!(bob.get(Column::Phone), Some(crate::exchange::Cell::Empty)));
}

#[test]
fn an_empty_cell_keeps_its_place_whether_cells_say_theirs_or_not() {
    let rows = r#"<row><c t="str"><v>ada</v></c><c/><c t="str"><v>+31</v></c></row><row><c r="A3" t="str"><v>bob</v></c><c r="C3" t="str"><v>+32</v></c></row>"#;
    let table = taken(&sheet(&format!("{HEADER}{rows}")));
    let phones: Vec<_> =
        table.rows.iter().map(|row| row.as_ref().ok().and_then(|row| row.text(Column::Phone))).collect();
    assert_eq!(phones, [Some("+31"), Some("+32")]);
}

#[test]
fn a_formula_and_an_error_are_faults_of_their_rows_alone() {
    let rows = r#"<row r="2"><c r="A2"><f>1+1</f><v>2</v></c></row><row r="3"><c r="A3" t="e"><v>#REF!</v></c></row><row r="4"><c r="A4" t="str"><v>bob</v></c></row>"#;
    let table = taken(&sheet(&format!("{HEADER}{rows}")));
    let codes: Vec<_> = table.rows.iter().filter_map(|row| row.as_ref().err()).map(|row| row.faults[0].code).collect();
    assert_eq!(codes, ["formula", "error_value"]);
    assert!(table.rows[2].is_ok());
}

#[test]
fn an_archive_that_becomes_too_large_is_refused() {
    let row = format!(r#"<row><c t="inlineStr"><is><t>{}</t></is></c></row>"#, "a".repeat(10_000));
    let bomb = sheet(&format!("{HEADER}{}", row.repeat(1_000)));
    assert!(bomb.len() < 100_000, "it is small while it is packed");
    let limits = Limits { unpacked: 1 << 20, ..Limits::default() };
    assert_eq!(refused(&bomb, &limits), FileError::Bomb(1 << 20));
    // Where the archive lies about the size it is what comes out that counts.
    let mut part = Bounded { part: io::repeat(7), left: Rc::new(Cell::new(100)), limit: 100 };
    assert!(part.read_to_end(&mut Vec::new()).is_err());
    // One text that many cells share takes its place in each of them.
    let strings = format!("<sst><si><t>username</t></si><si><t>{}</t></si></sst>", "a".repeat(1_000));
    let rows = r#"<row><c t="s"><v>1</v></c></row>"#.repeat(1_000);
    let first = r#"<row><c t="s"><v>0</v></c></row>"#;
    let shared = workbook(&strings, &format!("<worksheet><sheetData>{first}{rows}</sheetData></worksheet>"));
    let limits = Limits { memory: 100_000, ..Limits::default() };
    assert_eq!(refused(&shared, &limits), FileError::TooMuchText(100_000));
}

#[test]
fn a_shared_text_that_is_too_long_is_a_fault_of_the_cells_that_name_it() {
    let limits = Limits { cell: 1_000, ..Limits::default() };
    let runs = "<r><t>aaaaaaaaaa</t></r>".repeat(5_000);
    let strings = format!("<sst><si><t>username</t></si><si>{runs}</si></sst>");
    let read_strings = strings::read(xml::Xml::new(strings.as_bytes()), &limits);
    assert_eq!(read_strings, Ok(vec![Ok("username".to_owned()), Err(crate::exchange::cell::TOO_LONG)]));
    let rows =
        r#"<row><c t="s"><v>0</v></c></row><row><c t="s"><v>1</v></c></row><row><c t="str"><v>ada</v></c></row>"#;
    let text = |rows: &str| format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let table = read(&workbook(&strings, &text(rows)), &limits).unwrap_or_else(|error| panic!("{error}"));
    let [Err(error), Ok(_)] = &table.rows[..] else { panic!("two rows") };
    assert_eq!((error.line, error.faults[0].code), (2, "too_long"));
    let long = format!(r#"<row><c t="s"><v>0</v></c></row><row><c t="str"><v>{}</v></c></row>"#, "a".repeat(1_001));
    let table = read(&workbook(&strings, &text(&long)), &limits).unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(&table.rows[..], [Err(error)] if error.faults[0].code == "too_long"));
}

#[test]
fn a_text_a_tag_or_a_list_of_parts_without_end_is_refused_before_it_is_held() {
    let limits = Limits::default();
    let long = "a".repeat(1 << 20);
    for part in [format!("<sst><si><t>{long}</t></si></sst>"), format!("<sst {long}=\"\"/>"), format!("<!--{long}-->")]
    {
        let refused = strings::read(xml::Xml::new(part.as_bytes()), &limits).err();
        assert!(refused.is_some_and(|error| error.to_string().contains("too long")));
    }
    let many = format!("<Relationships>{}</Relationships>", r#"<Relationship Id="r" Target="t"/>"#.repeat(20_000));
    assert!(relations(xml::Xml::new(many.as_bytes())).is_err());
}

#[test]
fn a_file_that_is_no_workbook_is_refused_in_words() {
    let limits = Limits::default();
    let said = |bytes: &[u8]| refused(bytes, &limits).to_string();
    assert!(said(b"username,name").contains("no archive"));
    assert!(said(COMPOUND).contains("password"));
    assert!(said(&workbook("", "<!DOCTYPE x [<!ENTITY a \"b\">]><worksheet/>")).contains("declaration"));
    assert!(said(&sheet(&format!("{HEADER}<row><c t=\"str\"><v>&a;</v></c></row>"))).contains("entity"));
    assert!(said(&workbook("", &"<a>".repeat(1_000))).contains("deep"));
    assert!(said(&workbook("", "<worksheet><sheetData>")).contains("end in its middle"));
    assert!(said(&sheet(r#"<row r="2"/><row r="1"/>"#)).contains("order"));
    assert_eq!(refused(&sheet(""), &limits), FileError::Empty);
}

proptest! {
    #[test]
    fn every_text_comes_back_as_it_was(texts in prop::collection::vec("[^\0]{0,8}|['=+@_x0Dd\r\n\t]{0,8}", 1..4)) {
        let mut file = Writer::new(Format::Xlsx, &[Column::Username, Column::Description], Vec::new()).unwrap();
        for text in &texts {
            file.row(["ada", text.as_str()].into_iter()).unwrap();
        }
        let table = taken(&file.end().unwrap());
        for (row, text) in table.rows.iter().zip(&texts) {
            let Ok(row) = row else { panic!("refused") };
            prop_assert_eq!(row.text(Column::Description).unwrap_or_default(), if text.trim().is_empty() { "" } else { text });
        }
        prop_assert_eq!(table.rows.len(), texts.len());
    }

    #[test]
    fn no_bytes_break_the_reader(at in 0_usize..1_500, byte in any::<u8>(), sheet_text in "(<row>|<c>|</c>|<v>|</v>|</row>|<f>|r=\"|&|;|<|>|A1|9|\\PC){0,20}") {
        let mut bytes = sheet(HEADER);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        drop(read(&bytes, &Limits::default()));
        drop(read(&sheet(&sheet_text), &Limits::default()));
    }
}

//! CSV as people and programs write it, and what is none.

use proptest::prelude::*;

use super::*;
use crate::directory::user::MfaPolicy;
use crate::exchange::{Cell, Column};

fn taken(bytes: &[u8]) -> Table {
    read(bytes, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(bytes: &[u8]) -> FileError {
    read(bytes, &Limits::default()).err().unwrap()
}

/// The texts of a column, row by row.
fn texts(table: &Table, column: Column) -> Vec<Option<String>> {
    let rows = table.rows.iter().map(|row| row.as_ref().unwrap_or_else(|error| panic!("{error:?}")));
    rows.map(|row| row.text(column).map(str::to_owned)).collect()
}

/// The line, field and code of each fault.
fn faults(table: &Table) -> Vec<(u64, String, &'static str)> {
    let wrong = table.rows.iter().filter_map(|row| row.as_ref().err());
    wrong.flat_map(|row| row.faults.iter().map(|fault| (row.line, fault.field.clone(), fault.code))).collect()
}

#[test]
fn a_file_is_read_with_every_separator_line_end_and_mark() {
    for text in [
        "username,name,email\r\nada,\"Lovelace, Ada\",ada@example.org\r\n",
        "username,name,email\nada,\"Lovelace, Ada\",ada@example.org",
        "\u{feff}username,name,email\rada,\"Lovelace, Ada\",ada@example.org\r\r",
        "\"username\";\"name\";\"email\"\r\n\r\nada;Lovelace, Ada;ada@example.org\r\n;;\r\n",
        "username\tname\temail\nada\tLovelace, Ada\tada@example.org\n",
    ] {
        let table = taken(text.as_bytes());
        assert_eq!(table.columns, [Column::Username, Column::Name, Column::Email], "{text:?}");
        assert_eq!(texts(&table, Column::Name), [Some("Lovelace, Ada".to_owned())], "{text:?}");
        assert_eq!(texts(&table, Column::Email), [Some("ada@example.org".to_owned())], "{text:?}");
    }
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let table = taken(b"username,description\nada,\"one\ntwo\r\nthree\"\n\nbob,x\n");
    let lines: Vec<u64> = table.rows.iter().filter_map(|row| row.as_ref().ok()).map(|row| row.line).collect();
    assert_eq!(lines, [2, 6]);
}

#[test]
fn cells_are_parsed_by_their_columns() {
    let text = "id,state,expires_at,roles,organizations,groups,mfa,must_change_password,password,created_at\n\
                ,disabled,2027-12-31T23:59:59Z,user; system-auditor,Acme: organization-admin,R\\;D,forced,yes,'=p,junk\n\
                ,,,,,,,,,\n";
    let table = taken(text.as_bytes());
    assert!(!table.columns.contains(&Column::CreatedAt), "what musterd notes itself is passed by");
    let [Ok(row)] = &table.rows[..] else { panic!("one row") };
    assert!(matches!(row.get(Column::Id), Some(Cell::Empty)));
    assert!(matches!(row.get(Column::State), Some(Cell::Active(false))));
    assert!(matches!(row.get(Column::ExpiresAt), Some(Cell::Time(at)) if at.to_string() == "2027-12-31T23:59:59Z"));
    assert!(matches!(row.get(Column::Roles), Some(Cell::List(roles)) if roles == &["user", "system-auditor"]));
    assert!(matches!(row.get(Column::Groups), Some(Cell::List(groups)) if groups == &["R;D"]));
    assert!(matches!(row.get(Column::Organizations), Some(Cell::Memberships(held)) if held.len() == 1));
    assert!(matches!(row.get(Column::Mfa), Some(Cell::Mfa(MfaPolicy::Forced))));
    assert!(matches!(row.get(Column::MustChangePassword), Some(Cell::Flag(true))));
    assert_eq!(row.secret(Column::Password).unwrap().expose(), "'=p", "a secret is read to the letter");
    assert!(row.get(Column::Phone).is_none(), "a column that is not there is left alone");
}

#[test]
fn a_bad_line_is_told_and_the_others_are_read() {
    let text = "username,mfa,expires_at\n\
                ada,sometimes,tomorrow\n\
                bob,forced\n\
                \"cy\"x,forced,\n\
                dot,forced,,\n\
                eve,forced,\n";
    let table = taken(text.as_bytes());
    let expected = [
        (2, "mfa", "malformed"),
        (2, "expires_at", "malformed"),
        (3, "row", "wrong_length"),
        (4, "row", "malformed_quotation"),
        (5, "row", "wrong_length"),
    ];
    assert_eq!(faults(&table), expected.map(|(line, field, code)| (line, field.to_owned(), code)));
    assert!(table.rows.last().unwrap().is_ok());
}

#[test]
fn a_file_that_is_none_is_refused_in_words() {
    let utf16: Vec<u8> = "\u{feff}username".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(refused(&utf16), FileError::Utf16);
    assert_eq!(refused(utf16.strip_prefix(&[0xff, 0xfe]).unwrap()), FileError::Utf16);
    assert_eq!(refused(b"username,name\nada,\xe9"), FileError::NotUtf8(18));
    assert_eq!(refused(b"username\nada\nb\0b\n"), FileError::Nul(3));
    assert_eq!(refused(b""), FileError::Empty);
    assert_eq!(refused(b"\r\n\r\n"), FileError::Empty);
    assert_eq!(refused(b"username,name\nada,\"x\nbob,y\n"), FileError::OpenQuote(2));
    assert_eq!(refused(b"username|name|email\n"), FileError::Separator('|'));
    assert_eq!(refused(b"username,email,email\n"), FileError::DuplicateColumn("email".to_owned()));
    let limits = Limits { rows: 1, ..Limits::default() };
    assert_eq!(read(b"username\na\nb\n", &limits).err(), Some(FileError::TooManyRows(1)));
    let limits = Limits { memory: 99, ..Limits::default() };
    assert_eq!(read(b"username\nab\ncd\nef\ngh\n", &limits).err(), Some(FileError::TooMuchText(99)));
    let limits = Limits { cell: 8, ..Limits::default() };
    let table = read(b"username\nabcdefghi\n", &limits).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(faults(&table), [(2, "username".to_owned(), "too_long")]);
}

#[test]
fn notes_of_a_template_are_passed_by_and_users_with_such_names_are_not() {
    let table = taken(b"username,id\nada,#example\n#bob,\n");
    assert_eq!(texts(&table, Column::Username), [Some("#bob".to_owned())]);
}

#[test]
fn what_jumpserver_exports_is_understood() {
    let text = "\u{feff}ID,*Name,*Username,*Email,Wechat,Phone,MFA level,Source,Created by,Comment,Date expired,Is active,User groups,System roles,Org roles\r\n\
        3f7a1a52-9f59-4b62-8a5e-4f7b6d1f0e11,Ada Lovelace,ada,ada@example.org,-,\"{\"\"code\"\": \"\"+86\"\", \"\"phone\"\": 13900000000}\",Force enabled(2),Local(local),Administrator,'=1+1,2094/01/01 00:00:00 +0800,No,\"[\"\"Default(1b9f1c1e-4b3e-4a43-8a34-0a7b2c3d4e5f)\"\"]\",\"[\"\"User(00000000-0000-0000-0000-000000000003)\"\"]\",\"[\"\"OrgUser(00000000-0000-0000-0000-000000000007)\"\"]\"\r\n";
    let table = taken(text.as_bytes());
    assert!(!table.columns.contains(&Column::Id), "ids of another system mean nothing");
    let [Ok(row)] = &table.rows[..] else { panic!("{:?}", faults(&table)) };
    assert_eq!(row.text(Column::Username), Some("ada"));
    assert_eq!(row.text(Column::Phone), Some("+8613900000000"));
    assert_eq!(row.text(Column::Source), Some("local"));
    assert_eq!(row.text(Column::Description), Some("=1+1"));
    assert!(matches!(row.get(Column::Mfa), Some(Cell::Mfa(MfaPolicy::Forced))));
    assert!(matches!(row.get(Column::State), Some(Cell::Active(false))));
    assert!(matches!(row.get(Column::ExpiresAt), Some(Cell::Time(at)) if at.to_string() == "2093-12-31T16:00:00Z"));
    assert!(matches!(row.get(Column::Groups), Some(Cell::List(groups)) if groups == &["Default"]));
    assert!(matches!(row.get(Column::Roles), Some(Cell::List(roles)) if roles == &["user"]));
}

#[test]
fn a_line_of_commas_is_refused_before_it_is_held() {
    let commas = ",".repeat(1_000_000);
    assert_eq!(refused(commas.as_bytes()), FileError::TooManyColumns(100));
    let table = taken(format!("username\n{commas}\nada\n").as_bytes());
    assert_eq!(faults(&table), [(2, "row".to_owned(), "wrong_length")]);
    let limits = Limits::default();
    let mut records = Records::new(&commas, ',', &limits);
    assert!(matches!(records.next(), Some(Ok(Record { cells: Err(Broken::TooMany), .. }))));
}

#[test]
fn a_cell_that_is_too_long_is_a_fault_of_its_row_and_is_not_held() {
    let limits = Limits { cell: 8, ..Limits::default() };
    for long in ["a".repeat(10_000), format!("\"{}\n\"", "a\"\"".repeat(10_000))] {
        let Some(Ok(Record { cells: Ok(cells), .. })) = Records::new(&long, ',', &limits).next() else {
            panic!("cells")
        };
        assert_eq!(cells, [Err(TOO_LONG)]);
        let text = format!("username\n{long}\n'=3456789\n");
        let table = read(text.as_bytes(), &limits).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(faults(&table), [(2, "username".to_owned(), "too_long")]);
        assert!(table.rows.last().unwrap().is_ok(), "the apostrophe does not count");
    }
    let heading = read(format!("{}\n", "a".repeat(10_000)).as_bytes(), &limits).err();
    assert!(matches!(heading, Some(FileError::Malformed(_))));
}

#[test]
fn faults_and_names_of_a_row_are_few_and_counted() {
    let titles = ["username"].into_iter().chain([""; 99]).collect::<Vec<_>>().join(",");
    let row = ["x"; 100].join(",");
    let text = format!("{titles}\n{row}\n");
    let table = taken(text.as_bytes());
    let [Err(error)] = &table.rows[..] else { panic!("one row") };
    assert_eq!(error.faults.len(), 21);
    assert_eq!(error.faults[20].message, "has 79 more faults");
    let limits = Limits { memory: 100_000, ..Limits::default() };
    let many = format!("{titles}\n{}", format!("{row}\n").repeat(200));
    assert_eq!(read(many.as_bytes(), &limits).err(), Some(FileError::TooMuchText(100_000)));
    let names = ["a"; 200].join(";");
    let lists = format!("username,groups\n{}", format!("a,{names}\n").repeat(100));
    assert_eq!(read(lists.as_bytes(), &limits).err(), Some(FileError::TooMuchText(100_000)), "by its names");
}

proptest! {
    #[test]
    fn every_text_comes_back_as_it_was(cells in prop::collection::vec("[^\0]{0,8}|['=+@\\-\t\r\n\",; a]{0,6}", 1..4)) {
        let mut line = Vec::new();
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            push_cell(&mut line, cell);
        }
        line.extend_from_slice(b"\r\n");
        let text = String::from_utf8(line).unwrap();
        let mut records = Records::new(&text, ',', &Limits::default());
        let Some(Ok(Record { cells: Ok(read), .. })) = records.next() else { panic!("{text:?}") };
        let read: Vec<String> = read.into_iter().map(|cell| without_apostrophes(cell.unwrap())).collect();
        prop_assert_eq!(read, cells);
        prop_assert!(records.next().is_none());
    }

    #[test]
    fn nothing_that_is_written_is_a_formula(cell in "['=+@\\-\t\r\n\",; a]{0,6}") {
        let mut line = Vec::new();
        push_cell(&mut line, &cell);
        line.push(b'\n');
        let text = String::from_utf8(line).unwrap();
        let shown = Records::new(&text, ',', &Limits::default()).next();
        let Some(Ok(Record { cells: Ok(shown), .. })) = shown else { panic!("{text:?}") };
        prop_assert!(!shown.into_iter().map(Result::unwrap).collect::<String>().starts_with(FORMULA));
        // Nor where something else separates the cells, and quotes within a cell mean nothing.
        let mut others = text.trim_end_matches('\n').split(ENDS).map(|piece| piece.trim_start_matches('"'));
        prop_assert!(others.all(|piece| !piece.starts_with(FORMULA)), "{:?}", text);
    }

    #[test]
    fn no_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "(username|[\",;\r\n\t'=a]){0,30}") {
        drop(read(&bytes, &Limits::default()));
        drop(read(text.as_bytes(), &Limits::default()));
    }
}

//! LDIF as servers write it, and what is none.

use proptest::prelude::*;

use super::*;

fn taken(text: &str) -> Table {
    read(text.as_bytes(), &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn rows(text: &str) -> Vec<Row> {
    let rows = taken(text).rows.into_iter();
    rows.map(|row| row.unwrap_or_else(|error| panic!("{error:?}"))).collect()
}

fn code(text: &str) -> &'static str {
    match taken(text).rows.into_iter().next() {
        Some(Err(error)) => error.faults[0].code,
        _ => panic!("it was taken"),
    }
}

#[test]
fn people_of_openldap_are_read_and_what_is_none_is_passed_by() {
    let text = "version: 1\r\n\r\n# the top\r\n  that goes on\r\ndn: ou=people,dc=example,dc=org\r\nobjectClass: organizationalUnit\r\nou: people\r\n\r\n\
        dn: uid=ada,ou=people,dc=example,dc=org\r\nchangetype: add\r\nobjectClass: top\r\nobjectClass: inetOrgPerson\r\nuid: ada\r\ncn: Ada\r\n  Lovelace\r\n\
        displayName;lang-fr: Ada de Lovelace\r\nmail: ada@example.org\r\nmail: countess@example.org\r\ntelephoneNumber: +31 20 1234567\r\n\
        description:: WsO8cmljaA==\r\nuserPassword:: e1NTSEF9RGtNVHdCbCthLzNEUVR4Q1lFQXBkVXROWEdnZFVhYzM=\r\njpegPhoto:: AAAA\r\nentryUUID: x\r\n\r\n\r\n";
    let [row] = &rows(text)[..] else { panic!("one person") };
    assert_eq!(row.line, 9);
    assert_eq!(row.text(Column::Username), Some("ada"));
    assert_eq!(row.text(Column::Name), Some("Ada Lovelace"));
    assert_eq!(row.text(Column::Email), Some("ada@example.org"));
    assert_eq!(row.text(Column::Description), Some("Zürich"));
    assert_eq!(row.secret(Column::PasswordHash).unwrap().expose(), "{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3");
    assert!(row.get(Column::State).is_none(), "what is not said is left alone");
    let columns =
        [Column::Username, Column::Name, Column::Email, Column::Phone, Column::Description, Column::PasswordHash];
    assert_eq!(taken(text).columns, columns);
}

#[test]
fn people_of_active_directory_are_read_with_their_state_and_expiry() {
    let text = "dn: CN=Ada,CN=Users,DC=example,DC=org\nobjectClass: user\nsAMAccountName: ada\nuserAccountControl: 514\n\
        accountExpires: 133170048000000000\npwdLastSet: 0\n\n\
        dn: CN=Bob,CN=Users,DC=example,DC=org\nobjectClass: user\nsAMAccountName: bob\nuserAccountControl: 512\naccountExpires: 9223372036854775807\n\n\
        dn: CN=PC,CN=Computers,DC=example,DC=org\nobjectClass: user\nobjectClass: computer\nsAMAccountName: PC$\n";
    let [ada, bob] = &rows(text)[..] else { panic!("two people") };
    assert!(matches!(ada.get(Column::State), Some(Cell::Active(false))));
    assert!(matches!(ada.get(Column::ExpiresAt), Some(Cell::Time(at)) if at.to_string() == "2023-01-01T00:00:00Z"));
    assert!(matches!(ada.get(Column::MustChangePassword), Some(Cell::Flag(true))));
    assert!(matches!(bob.get(Column::State), Some(Cell::Active(true))));
    assert!(matches!(bob.get(Column::ExpiresAt), Some(Cell::Empty)));
}

#[test]
fn what_is_no_entry_is_told_by_its_line() {
    assert_eq!(code("dn: uid=ada\nchangetype: delete\n"), "not_an_entry");
    assert_eq!(code("dn: uid=ada\nuid: ada\ndescription:< file:///etc/passwd\n"), "not_fetched");
    assert_eq!(code("dn: uid=ada\nuid:: ***\n"), "malformed");
    assert_eq!(code("dn: uid=ada\nuid: ada\nnonsense\n"), "malformed");
    assert_eq!(code("uid: ada\n"), "malformed");
    assert_eq!(code("dn: cn=ada\nobjectClass: person\ncn: Ada\n"), "missing");
    let bad = read(b"version: 1\n", &Limits::default());
    assert!(matches!(bad, Err(FileError::Malformed(_))));
}

#[test]
fn a_password_in_the_clear_is_told_from_a_hash() {
    let [row] = &rows("dn: uid=ada\nuid: ada\nuserPassword: correct horse\n")[..] else { panic!("one") };
    assert_eq!(row.secret(Column::Password).unwrap().expose(), "correct horse");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "(dn|uid|:|<| |\n|=|#|userPassword|objectClass|\\PC){0,30}") {
        drop(read(text.as_bytes(), &Limits::default()));
    }
}

#[test]
fn an_entry_keeps_what_is_of_use_however_long_it_is() {
    let text = format!(
        "dn: uid=ada\nuid: ada\n{}{}{}",
        "uid: other\n".repeat(10_000),
        "jpegphoto: x\n".repeat(10_000),
        "objectClass: top\n".repeat(10_000)
    );
    let mut lines = Lines { rest: &text, number: 0 };
    let entry = entry(&mut lines).unwrap().unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((entry.attributes.len(), entry.word("uid").as_deref()), (1 + CLASSES_MAX, Some("ada")));
}

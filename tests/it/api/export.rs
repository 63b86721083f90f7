//! Users as files: what comes out is whole and harmless, and another program reads it as it is.

use musterd::exchange::list::Membership;
use musterd::exchange::{Cell, Column, Format, Limits, Table, read};
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, TestDaemon};
use crate::harness::spreadsheets;

const PASSWORD: &str = "correct horse battery";
const GROUP: &str = "R;D \\ =west";
const ORGANIZATION: &str = "Acme, Inc: \"west\"";
const DESCRIPTION: &str = "=HYPERLINK(\"x\")\nsecond, line; 'third'";

/// A daemon with Ada, who has everything, and Bob, who has little.
fn lived_in() -> TestDaemon {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": GROUP}));
    let organization = admin.post("/api/v1/organizations", &json!({"name": ORGANIZATION})).text("/id");
    let wish = json!({
        "username": "ada", "name": "Ada Löwe", "email": "ada@example.org", "phone": "+31201234567",
        "description": DESCRIPTION, "groups": [GROUP], "roles": ["system-auditor", "user"],
        "organizations": [{"id": organization, "roles": ["organization-admin", "organization-auditor"]}],
        "expires_at": "2027-12-31T23:59:59Z", "mfa": "enabled", "password": PASSWORD, "must_change_password": false,
    });
    assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    daemon.local_user("bob", PASSWORD);
    admin.post("/api/v1/users/bob/disable", &json!({}));
    daemon
}

fn export(daemon: &TestDaemon, query: &str) -> Answer {
    let answer = daemon.admin().get(&format!("/api/v1/users/export?{query}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.bytes).unwrap()
}

fn table(format: Format, file: &[u8]) -> Table {
    read(format, file, &Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_export_says_everything_but_secrets_and_reads_back_as_it_was() {
    let daemon = lived_in();
    let answer = export(&daemon, "");
    let body = text(&answer);
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"users-"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!body.contains("argon2id") && !body.contains(",password"), "{}", body);
    assert!(body.contains("'+31201234567"), "a formula would begin so");
    let table = table(Format::Csv, &answer.bytes);
    let [Ok(ada), Ok(_), Ok(bob)] = &table.rows[..] else { panic!("{}", body) };
    let shown = daemon.admin().get("/api/v1/users/ada").json;
    for (column, member) in [
        (Column::Id, "id"),
        (Column::Username, "username"),
        (Column::Name, "name"),
        (Column::Email, "email"),
        (Column::Phone, "phone"),
        (Column::Description, "description"),
        (Column::Source, "source"),
    ] {
        assert_eq!(ada.text(column), shown[member].as_str(), "{member}");
    }
    assert!(matches!(ada.get(Column::Groups), Some(Cell::List(groups)) if groups == &[GROUP]));
    assert!(matches!(ada.get(Column::Roles), Some(Cell::List(roles)) if roles == &["system-auditor", "user"]));
    let place = Membership {
        organization: ORGANIZATION.to_owned(),
        roles: vec!["organization-admin".to_owned(), "organization-auditor".to_owned()],
    };
    assert!(matches!(ada.get(Column::Organizations), Some(Cell::Memberships(held)) if held == &[place]));
    assert!(matches!(ada.get(Column::ExpiresAt), Some(Cell::Time(at)) if at.to_string() == "2027-12-31T23:59:59Z"));
    assert!(matches!(ada.get(Column::MustChangePassword), Some(Cell::Flag(false))));
    assert!(matches!(bob.get(Column::State), Some(Cell::Active(false))));
    assert!(matches!(bob.get(Column::Phone), Some(Cell::Empty)));
    let noted = daemon.admin().get("/api/v1/audit?action=users.exported").json;
    assert_eq!(noted["items"].as_array().unwrap().len(), 1);
}

#[test]
fn an_export_has_whom_the_filter_takes_and_the_columns_that_are_asked_for() {
    let daemon = lived_in();
    let answer = export(&daemon, "filter=state%20eq%20%22disabled%22&columns=username,%20disabled_reason");
    assert_eq!(text(&answer), "username,disabled_reason\r\nbob,admin\r\n");
    let answer = export(&daemon, "filter=username%20eq%20%22nobody%22&columns=id");
    assert_eq!(text(&answer), "id\r\n");
    let answer = export(&daemon, "filter=username%20eq%20%22ada%22&columns=all_groups");
    assert_eq!(text(&answer), format!("all_groups\r\n\"{}\"\r\n", "R\\;D \\\\ =west"));
}

#[test]
fn an_export_of_several_pages_has_everybody_once_and_in_order() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for number in 0..1_100 {
        let name = format!("user{number:04}");
        let wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    }
    let answer = export(&daemon, "columns=username&filter=username%20sw%20%22user%22");
    let body = text(&answer);
    let expected: String = (0..1_100).map(|number| format!("user{number:04}\r\n")).collect();
    assert!(body == format!("username\r\n{expected}"), "{} lines", body.lines().count());
}

#[test]
fn what_cannot_be_exported_is_refused_in_words() {
    let daemon = TestDaemon::start("");
    for (query, field, code) in [
        ("columns=username,password_hash", "columns", "secret_column"),
        ("columns=usernam", "columns", "unknown_column"),
        ("columns=id,id", "columns", "duplicate_column"),
        ("format=ldif", "format", "unknown_format"),
        ("format=pdf", "format", "unknown_format"),
        ("filter=username%20eq", "filter", "malformed"),
    ] {
        let refused = daemon.admin().get(&format!("/api/v1/users/export?{query}"));
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(
            (&refused.json["errors"][0]["field"], &refused.json["errors"][0]["code"]),
            (&json!(field), &json!(code))
        );
    }
}

#[test]
fn openpyxl_reads_an_export_as_it_was_meant_and_finds_no_formula_in_it() {
    let daemon = lived_in();
    let rows = spreadsheets::rows(&export(&daemon, "format=xlsx").bytes);
    let titles: Vec<&Value> = rows[0].iter().map(|(_, value)| value).collect();
    assert_eq!(titles, Column::exported().iter().map(|column| column.name()).collect::<Vec<_>>());
    let ada = rows.iter().find(|row| row[1].1 == "ada").unwrap();
    let cell = |name: &str| &ada[titles.iter().position(|title| *title == name).unwrap()];
    assert_eq!(*cell("description"), ("s".to_owned(), json!(DESCRIPTION)), "neither a formula nor with an apostrophe");
    assert_eq!(cell("phone").1, "+31201234567");
    assert_eq!(cell("name").1, "Ada Löwe");
    assert_eq!(cell("groups").1, "R\\;D \\\\ =west");
    assert!(rows.iter().flatten().all(|(kind, _)| kind != "f"));
}

#[test]
fn what_openpyxl_writes_is_read_with_its_dates_numbers_and_words() {
    let file = spreadsheets::workbook(&json!([
        ["username", "phone", "expires_at", "must_change_password", "description"],
        ["ada", "+31201234567", {"date": "2027-12-31"}, true, "Löwe & <Co>\nx"],
        ["bob", 31_201_234_567_i64, null, "no", "=1+1"],
        [null, null, null, null, null],
        ["cy", "007", "2027-12-31T23:59:59Z", false, " x "],
    ]));
    let table = table(Format::Xlsx, &file);
    let [Ok(ada), Err(bob), Ok(cy)] = &table.rows[..] else { panic!("three rows") };
    assert_eq!((ada.line, bob.line, cy.line), (2, 3, 5));
    assert!(matches!(ada.get(Column::ExpiresAt), Some(Cell::Time(at)) if at.to_string() == "2027-12-31T00:00:00Z"));
    assert!(matches!(ada.get(Column::MustChangePassword), Some(Cell::Flag(true))));
    assert_eq!(ada.text(Column::Description), Some("Löwe & <Co>\nx"));
    assert_eq!((bob.faults[0].field.as_str(), bob.faults[0].code), ("description", "formula"));
    assert_eq!(cy.text(Column::Phone), Some("007"), "no zero is lost");
}

#[test]
fn a_template_explains_itself_and_makes_nobody() {
    let daemon = TestDaemon::start("");
    for format in [Format::Csv, Format::Xlsx] {
        let answer = daemon.admin().get(&format!("/api/v1/users/template?format={}", format.name()));
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-disposition").contains(&format!("users-template.{}", format.name())));
        let table = table(format, &answer.bytes);
        assert_eq!(table.columns, Column::imported());
        assert!(table.rows.is_empty());
    }
}

#[test]
fn the_command_writes_the_form_that_the_file_is_named_for() {
    let daemon = lived_in();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.xlsx");
    let run = |arguments: &[&str]| daemon.musterd(&[&["user"], arguments].concat());
    let path = file.to_str().unwrap();
    assert!(run(&["export", "-o", path]).status.success());
    assert_eq!(
        std::fs::read(&file).unwrap(),
        export(&daemon, "format=xlsx").bytes,
        "the same users are the same bytes"
    );
    assert!(!run(&["export", "-o", path]).status.success(), "nothing is replaced unless it is said");
    let csv = run(&["export", "--filter", "username eq \"ada\"", "--columns", "username"]);
    assert_eq!(String::from_utf8(csv.stdout).unwrap(), "username\r\nada\r\n");
    assert!(run(&["template", "-o", path, "--force"]).status.success());
    assert!(table(Format::Xlsx, &std::fs::read(&file).unwrap()).rows.is_empty());
    assert!(!run(&["export", "-o", folder.path().join("users.pdf").to_str().unwrap()]).status.success());
}

#[test]
fn an_administrator_of_an_organisation_exports_its_accounts_and_nobody_else() {
    let daemon = lived_in();
    let admin = daemon.admin();
    let place = |name: &str| admin.post("/api/v1/organizations", &json!({"name": name})).text("/id");
    let (acme, other) = (place("Acme"), place("Other"));
    let wish = |name: &str, organizations: Value, home: &str| {
        let wish = json!({
            "managed_by": home,
            "username": name, "name": name, "email": format!("{name}@example.org"), "password": PASSWORD,
            "must_change_password": false, "organizations": organizations,
        });
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201, "{name}");
    };
    wish("head", json!([{"id": acme, "roles": ["organization-admin"]}]), &acme);
    wish("member", json!([{"id": acme}, {"id": other}]), &acme);
    wish("guest", json!([{"id": acme}, {"id": other}]), &other);
    wish("stranger", json!([{"id": other}]), &other);
    let head = daemon.with_token(&daemon.session("head", PASSWORD));
    let answer = head.get("/api/v1/users/export?columns=username,organizations");
    let expected = format!(
        "username,organizations\r\nhead,Acme: organization-admin\r\n\
         member,\"{other}: organization-user; Acme: organization-user\"\r\n"
    );
    assert_eq!(text(&answer), expected, "and no name of an organisation that they may not see");
    assert_eq!(daemon.anonymous().get("/api/v1/users/export").status, 401);
}

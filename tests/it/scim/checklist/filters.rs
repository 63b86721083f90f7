//! RFC 7644 §3.4.2.2: filters, over five people.

use serde_json::json;

use super::{ENTERPRISE, GROUP, GYM, PASSWORD, SEARCH, Service, USER};

/// Five people who differ in what filters ask for.
fn people() -> Service {
    let service = Service::start();
    let ada = json!({"title": "Dr", "externalId": "E-1", "active": true, "name": {"familyName": "Lovelace"},
        "emails": [{"value": "ada@example.org", "type": "work", "primary": true},
            {"value": "ada@home.example", "type": "home"}],
        GYM: {"age": 36, "weight": 61.5, "visitor": false, "joinedAt": "2026-01-01T10:00:00+02:00", "badge": "AbC",
            "print": "aGk=", "tags": ["red", "blue"]}});
    let bob = json!({"title": "dr", "externalId": "e-1", "active": false, "name": {"givenName": "Bob"},
        "emails": [{"value": "bob@home.example", "type": "work"}, {"value": "bob@example.org", "type": "home"}],
        GYM: {"age": 4, "weight": 100, "joinedAt": "2026-01-01T09:00:00Z"}});
    let carl = json!({"title": "Prof", GYM: {"age": 100, "joinedAt": "2026-01-01T07:59:59Z"}});
    let dora = json!({"emails": [{"value": "dora@example.org", "type": "other"}], GYM: {"visitor": true},
        ENTERPRISE: {"department": "Engines"}});
    for (name, more) in [("ada", ada), ("bob", bob), ("Carl", carl), ("dora", dora), ("eve", json!({}))] {
        service.user(name, more);
    }
    service
}

/// Each filter finds these.
fn check(service: &Service, cases: &[(&str, &[&str])]) {
    for (filter, expected) in cases {
        let filter = filter.replace("GYM:", &format!("{GYM}:"));
        assert_eq!(service.names(&filter), *expected, "{filter}");
    }
}

#[test]
fn rfc7644_3_4_2_2_every_operator() {
    check(
        &people(),
        &[
            ("title eq \"dr\"", &["ada", "bob"]),
            ("title ne \"dr\"", &["Carl", "dora", "eve"]),
            ("userName co \"a\"", &["ada", "Carl", "dora"]),
            ("userName sw \"a\"", &["ada"]),
            ("userName ew \"a\"", &["ada", "dora"]),
            ("title pr", &["ada", "bob", "Carl"]),
            ("GYM:age gt 36", &["Carl"]),
            ("GYM:age ge 36", &["ada", "Carl"]),
            ("GYM:age lt 36", &["bob"]),
            ("GYM:age le 36", &["ada", "bob"]),
            ("title eq \"dr\" and active eq true", &["ada"]),
            ("title eq \"prof\" or active eq false", &["bob", "Carl"]),
            ("not (title pr)", &["dora", "eve"]),
            ("(title eq \"dr\" or title eq \"prof\") and (active eq true)", &["ada", "Carl"]),
            ("emails[type eq \"work\" and value co \"@example.org\"]", &["ada"]),
            ("emails[type eq \"work\" and value co \"@example.org\"] or GYM:visitor eq true", &["ada", "dora"]),
            ("emails[not (type eq \"work\")]", &["ada", "bob", "dora"]),
            ("GYM:tags eq \"blue\"", &["ada"]),
        ],
    );
}

#[test]
fn rfc7644_3_4_2_2_operators_and_names_in_any_case() {
    check(
        &people(),
        &[
            ("TITLE Eq \"dr\" AND Active EQ True", &["ada"]),
            ("Title PR", &["ada", "bob", "Carl"]),
            ("NOT (title pr) Or title CO \"RO\"", &["Carl", "dora", "eve"]),
            ("Emails[TYPE EQ \"work\" And VALUE Sw \"ada\"]", &["ada"]),
            ("nAmE.FaMiLyNaMe eq \"lovelace\"", &["ada"]),
        ],
    );
}

#[test]
fn rfc7644_3_4_2_2_grouping_then_not_then_and_then_or() {
    check(
        &people(),
        &[
            ("userName eq \"eve\" or title eq \"dr\" and active eq false", &["bob", "eve"]),
            ("title eq \"dr\" and active eq false or userName eq \"eve\"", &["bob", "eve"]),
            ("(userName eq \"eve\" or title eq \"dr\") and active eq true", &["ada", "eve"]),
            ("not (title pr) and userName eq \"eve\"", &["eve"]),
            ("not (title eq \"dr\") or userName eq \"ada\"", &["ada", "Carl", "dora", "eve"]),
            ("not (title eq \"dr\" and active eq true) and title eq \"dr\"", &["bob"]),
            ("not (not (title pr))", &["ada", "bob", "Carl"]),
        ],
    );
}

#[test]
fn rfc7644_3_4_2_2_booleans_and_binaries_have_no_order() {
    let service = people();
    for name in ["active", "GYM:visitor", "GYM:print", "x509Certificates.value", "emails.primary"] {
        for operator in ["gt", "ge", "lt", "le"] {
            let value = if ["active", "GYM:visitor", "emails.primary"].contains(&name) { "true" } else { "\"aGk=\"" };
            let filter = format!("{name} {operator} {value}").replace("GYM:", &format!("{GYM}:"));
            service.find("/Users", &filter).refused(400, "invalidFilter");
        }
    }
    service.find("/Users", "emails[primary gt true]").refused(400, "invalidFilter");
    check(&service, &[("GYM:print eq \"aGk=\"", &["ada"]), ("active eq false", &["bob"])]);
}

#[test]
fn rfc7644_3_4_2_2_what_is_no_filter_is_told_so() {
    let service = people();
    let wrong = [
        "",
        " ",
        "userName",
        "userName xx \"a\"",
        "userName eq",
        "userName eq a",
        "userName eq 'a'",
        "userName eq \"a",
        "userName \"a\"",
        "eq \"a\"",
        "userName eq \"a\" and",
        "userName eq \"a\" title pr",
        "userName eq \"a\" xor title pr",
        "(userName pr",
        "userName pr)",
        "()",
        "not userName pr",
        "not",
        "emails[type eq \"work\"",
        "emails[]",
        "emails type eq \"work\"]",
        "emails[type eq \"work\" and value[x pr]]",
        "userName == \"a\"",
        "userName eq \"a\\x\"",
        "user name eq \"a\"",
        "1name eq \"a\"",
        "userName pr pr",
        "userName re \"a.*\"",
    ];
    for filter in wrong {
        service.find("/Users", filter).refused(400, "invalidFilter");
        service.find("/", filter).refused(400, "invalidFilter");
        let search = json!({"schemas": [SEARCH], "filter": filter});
        service.post("/Users/.search", &search).refused(400, "invalidFilter");
    }
}

#[test]
fn rfc7644_3_4_2_2_case_exact_decides_how_texts_compare() {
    check(
        &people(),
        &[
            ("userName eq \"CARL\"", &["Carl"]),
            ("title sw \"D\"", &["ada", "bob"]),
            ("externalId eq \"E-1\"", &["ada"]),
            ("externalId eq \"e-1\"", &["bob"]),
            ("externalId sw \"E\"", &["ada"]),
            ("externalId ne \"E-1\" and externalId pr", &["bob"]),
            ("GYM:badge eq \"AbC\"", &["ada"]),
            ("GYM:badge eq \"abc\"", &[]),
            ("GYM:badge co \"b\"", &["ada"]),
            ("GYM:badge co \"B\"", &[]),
            ("emails.value eq \"ADA@EXAMPLE.ORG\"", &["ada"]),
            ("meta.resourceType eq \"User\" and title eq \"PROF\"", &["Carl"]),
            ("meta.resourceType eq \"user\"", &[]),
        ],
    );
}

#[test]
fn rfc7644_3_4_2_2_times_compare_as_times_and_numbers_as_numbers() {
    // Ada joined at 08:00, Bob at 09:00, Carl at 07:59:59 of UTC.
    check(
        &people(),
        &[
            ("GYM:joinedAt eq \"2026-01-01T08:00:00Z\"", &["ada"]),
            ("GYM:joinedAt gt \"2026-01-01T08:00:00Z\"", &["bob"]),
            ("GYM:joinedAt ge \"2026-01-01T09:00:00+01:00\"", &["ada", "bob"]),
            ("GYM:joinedAt lt \"2026-01-01T08:00:00Z\"", &["Carl"]),
            ("GYM:joinedAt le \"2026-01-01T08:00:00.000Z\"", &["ada", "Carl"]),
            ("meta.created ge \"2026-11-23T13:00:00+01:00\" and title pr", &["ada", "bob", "Carl"]),
            ("meta.created gt \"2026-11-23T12:00:00Z\" and title pr", &[]),
            ("GYM:age gt 9", &["ada", "Carl"]),
            ("GYM:age eq 100", &["Carl"]),
            ("GYM:age lt 36.5", &["ada", "bob"]),
            ("GYM:weight gt 61.25", &["ada", "bob"]),
            ("GYM:weight eq 100.0", &["bob"]),
            ("GYM:weight lt 1e2", &["ada"]),
            ("userName gt \"bob\"", &["Carl", "dora", "eve"]),
            ("userName le \"bob\"", &["ada", "bob"]),
        ],
    );
    let service = people();
    for wrong in ["GYM:joinedAt gt \"2026-01-01\"", "GYM:joinedAt eq \"today\"", "GYM:age gt \"x\"", "GYM:age co 1"] {
        service.find("/Users", &wrong.replace("GYM:", &format!("{GYM}:"))).refused(400, "invalidFilter");
    }
}

#[test]
fn rfc7644_3_4_2_2_present_is_what_is_not_empty() {
    let service = people();
    service.user("fred", json!({"title": "", "emails": [], "name": {"givenName": ""}, "nickName": null}));
    check(
        &service,
        &[
            ("title pr", &["ada", "bob", "Carl"]),
            ("name pr", &["ada", "bob"]),
            ("name.familyName pr", &["ada"]),
            ("emails pr", &["ada", "bob", "dora"]),
            ("emails.value pr", &["ada", "bob", "dora"]),
            ("GYM:tags pr", &["ada"]),
            ("nickName pr", &[]),
            ("nothing pr", &[]),
        ],
    );
    assert_eq!(service.names(&format!("{ENTERPRISE}:department pr")), ["dora"]);
}

#[test]
fn rfc7644_3_4_2_2_brackets_speak_of_one_value_and_without_them_of_any() {
    check(
        &people(),
        &[
            ("emails[type eq \"work\" and value co \"home\"]", &["bob"]),
            ("emails[type eq \"home\" and value co \"home\"]", &["ada"]),
            ("emails[type eq \"work\" and not (value co \"home\")]", &["ada"]),
            ("emails.type eq \"work\" and emails.value co \"home\"", &["ada", "bob"]),
            ("emails[type eq \"work\" and primary eq true]", &["ada"]),
            ("emails[type eq \"work\" or type eq \"other\"]", &["ada", "bob", "dora"]),
        ],
    );
}

#[test]
fn rfc7644_3_4_2_2_a_complex_attribute_compares_by_its_value() {
    let service = people();
    check(
        &service,
        &[
            ("emails co \"home\"", &["ada", "bob"]),
            ("emails sw \"dora\"", &["dora"]),
            ("emails eq \"bob@example.org\"", &["bob"]),
        ],
    );
}

#[test]
fn rfc7644_3_4_2_2_null_follows_presence_and_schemas_can_be_asked_for() {
    let service = people();
    check(
        &service,
        &[
            ("title eq null", &["dora", "eve"]),
            ("title ne null", &["ada", "bob", "Carl"]),
            ("emails eq null", &["Carl", "eve"]),
            ("not (title eq null) and active eq false", &["bob"]),
        ],
    );
    assert_eq!(service.names(&format!("schemas eq \"{ENTERPRISE}\"")), ["dora"]);
    assert_eq!(service.names(&format!("schemas eq \"{GYM}\"")), ["ada", "bob", "Carl", "dora"]);
    assert_eq!(service.names(&format!("schemas eq \"{USER}\"")).len(), 5);
    assert_eq!(service.names(&format!("schemas eq \"{GROUP}\"")), [""; 0]);
}

#[test]
fn rfc7644_3_4_2_2_what_a_client_was_shown_is_what_it_can_ask_for() {
    // Nobody said that Carl is active; he is shown so.
    check(
        &people(),
        &[("active eq true", &["ada", "Carl", "dora", "eve"]), ("active pr and title eq \"prof\"", &["Carl"])],
    );
}

#[test]
fn rfc7644_3_4_2_2_a_password_cannot_be_found_out() {
    let service = Service::start();
    service.user("ada", json!({"password": PASSWORD, GYM: {"pin": "0407"}}));
    let filters = [
        format!("password eq \"{PASSWORD}\""),
        "password sw \"c\"".to_owned(),
        "password pr".to_owned(),
        "not (password sw \"c\")".to_owned(),
        "userName eq \"ada\" and password sw \"c\"".to_owned(),
        "userName eq \"nobody\" or password ne \"x\"".to_owned(),
        format!("{USER}:PASSWORD eq \"{PASSWORD}\""),
        format!("{GYM}:pin eq \"0407\""),
    ];
    for filter in filters {
        for said in [service.find("/Users", &filter), service.find("/", &filter)] {
            // Refused, and the same for a right guess and a wrong one.
            said.refused(403, "sensitive");
        }
    }
    service.get("/Users?sortBy=password").refused(403, "sensitive");
}

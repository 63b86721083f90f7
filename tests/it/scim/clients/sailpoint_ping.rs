//! SailPoint and Ping: whole directories read page by page, operators with a capital, attributes with their URN.

use serde_json::{Value, json};

use super::{Client, ENTERPRISE, GROUP, USER, ids};

#[test]
fn sailpoint_reads_everybody_and_gives_and_takes_groups() {
    let sailpoint = Client::speaking("application/scim+json", "application/scim+json");
    let people: Vec<String> = (0..7).map(|number| sailpoint.make_user(&format!("user{number}"))).collect();
    let mut seen = Vec::new();
    for start in [1, 4, 7] {
        let page = sailpoint.get(&format!("/Users?startIndex={start}&count=3&sortBy=userName")).with(200).listed();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(seen, people);
    let group = sailpoint.make("/Groups", &json!({"schemas": [GROUP], "displayName": "Engines"}));
    let path = format!("/Groups/{group}");
    sailpoint.patch(&path, &json!([{"op": "add", "path": "members", "value": [{"value": people[0]}]}])).done();
    let user = sailpoint.get(&format!("/Users/{}", people[0])).with(200);
    assert_eq!(
        (&user.json["groups"][0]["value"], &user.json["groups"][0]["display"]),
        (&json!(group), &json!("Engines"))
    );
    // What a user is a member of is changed at the group.
    let at_user = json!([{"op": "add", "path": "groups", "value": [{"value": group}]}]);
    sailpoint.patch(&format!("/Users/{}", people[1]), &at_user).refused(400, "mutability");
    sailpoint.patch(&path, &json!([{"op": "remove", "path": format!("members[value eq \"{}\"]", people[0])}])).done();
    assert_eq!(sailpoint.get(&format!("/Users/{}", people[0])).json.get("groups"), None);
    let found = sailpoint.find("/Users", "meta.lastModified ge \"2020-01-01T00:00:00Z\" and active eq true");
    assert_eq!(found.len(), 7);
    assert_eq!(sailpoint.find("/Users", "meta.lastModified gt \"2099-01-01T00:00:00Z\""), Vec::<Value>::new());
}

#[test]
fn ping_asks_with_capital_operators_and_writes_by_urn() {
    let ping = Client::speaking("application/scim+json", "application/scim+json");
    let id = ping.make(
        "/Users",
        &json!({"schemas": [USER, ENTERPRISE], "userName": "ada@example.org",
                USER: {"displayName": "Ada Lovelace", "title": "Countess"}, ENTERPRISE: {"employeeNumber": "17"}}),
    );
    let path = format!("/Users/{id}");
    let read = ping.get(&path).with(200);
    read.shows(&json!({"displayName": "Ada Lovelace", "title": "Countess"}));
    assert_eq!(read.json.get(USER), None);
    for filter in [
        "userName Eq \"ada@example.org\"".to_owned(),
        "userName EQ \"ADA@example.org\" AND active Eq true".to_owned(),
        format!("{USER}:userName eq \"ada@example.org\""),
        format!("{ENTERPRISE}:employeeNumber eq \"17\""),
        "not (userName ne \"ada@example.org\") and (title sw \"count\" or title pr)".to_owned(),
    ] {
        assert_eq!(ids(&ping.find("/Users", &filter)), [id.as_str()], "{filter}");
    }
    let operations = json!([
        {"op": "replace", "path": format!("{USER}:name.familyName"), "value": "Lovelace"},
        {"op": "add", "path": format!("{ENTERPRISE}:department"), "value": "Engines"},
        {"op": "remove", "path": format!("{USER}:title")},
    ]);
    ping.patch(&path, &operations).done();
    let read = ping.get(&path);
    read.shows(&json!({"name": {"familyName": "Lovelace"}}));
    assert_eq!(read.json[ENTERPRISE], json!({"employeeNumber": "17", "department": "Engines"}));
    assert_eq!(read.json.get("title"), None);
    for filter in ["userName eq", "userName like \"a\"", "", "active gt true", "(userName pr"] {
        let filter = super::encoded(filter);
        ping.get(&format!("/Users?filter={filter}")).refused(400, "invalidFilter");
    }
}

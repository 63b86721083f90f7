//! Okta: a look before every create, PUT of all that was read, deactivation instead of deletion, and the steps of its
//! specification runner.

use serde_json::{Value, json};

use super::{Client, GROUP, Said, THROWN_AWAY, USER, encoded, ids};

fn okta() -> Client {
    Client::speaking("application/scim+json; charset=utf-8", "application/scim+json")
}

fn person(username: &str) -> Value {
    json!({
        "schemas": [USER],
        "userName": username,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"primary": true, "value": username, "type": "work"}],
        "displayName": "Ada Lovelace",
        "locale": "en-US",
        "externalId": format!("00u-{username}"),
        "groups": [],
        "password": THROWN_AWAY,
        "active": true,
    })
}

#[test]
fn an_empty_directory_answers_the_first_page() {
    let okta = okta();
    let said = okta.get("/Users?startIndex=1&count=2").with(200);
    assert_eq!(said.listed(), Vec::<Value>::new());
    said.shows(&json!({"totalResults": 0, "startIndex": 1}));
    let found =
        okta.get(&format!("/Users?filter={}&startIndex=1&count=100", encoded("userName eq \"ada@example.org\"")));
    assert_eq!(found.with(200).listed(), Vec::<Value>::new());
}

#[test]
fn the_steps_of_the_specification_runner_pass() {
    let okta = okta();
    okta.make("/Users", &person("first@example.org"));
    let page = okta.get("/Users?count=1&startIndex=1").with(200).listed();
    let first = &page[0];
    assert!(first["id"].is_string() && first["userName"].is_string() && first["active"].is_boolean(), "{first}");
    assert!(first["name"]["familyName"].is_string() && first["name"]["givenName"].is_string(), "{first}");
    assert!(first["emails"][0]["value"].is_string(), "{first}");
    let read = okta.get(&format!("/Users/{}", first["id"].as_str().unwrap())).with(200);
    assert_eq!(read.json, *first);

    assert_eq!(okta.find("/Users", "userName eq \"random.8f21@example.org\""), Vec::<Value>::new());
    okta.get("/Users/random-8f21").with(404);

    let made = okta.post("/Users", &person("runscope@example.org")).with(201);
    made.shows(&json!({
        "active": true, "userName": "runscope@example.org", "schemas": [USER],
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
    }));
    assert_eq!(made.json.get("password"), None);
    let path = format!("/Users/{}", made.text("/id"));
    assert_eq!(okta.get(&path).with(200).json, made.json);
    okta.post("/Users", &person("runscope@example.org")).refused(409, "uniqueness");
    let found = okta.find("/Users", "userName eq \"RUNSCOPE@EXAMPLE.ORG\"");
    assert_eq!(ids(&found), [made.text("/id").as_str()]);
    okta.get("/Groups").with(200).listed();
    okta.post("/Users", &json!({"schemas": [USER], "name": {"givenName": "no user name"}}))
        .refused(400, "invalidValue");
}

#[test]
fn a_put_of_all_that_was_read_changes_what_differs_and_nobodys_standing() {
    let okta = okta();
    let made = okta.post("/Users", &person("ada@example.org")).with(201);
    let path = format!("/Users/{}", made.text("/id"));
    let mut whole = made.json.clone();
    whole["groups"] = json!([]);
    whole["name"]["familyName"] = json!("King");
    whole["id"] = json!("somebody-else");
    whole["meta"] = json!({"resourceType": "User", "location": "https://elsewhere.example", "created": "long ago"});
    okta.put(&path, &whole).with(200).shows(&json!({
        "id": made.text("/id"), "name": {"givenName": "Ada", "familyName": "King"}, "active": true,
    }));
    whole["active"] = json!(false);
    okta.put(&path, &whole).with(200).shows(&json!({"active": false}));
    whole.as_object_mut().unwrap().remove("active");
    okta.put(&path, &whole).with(200).shows(&json!({"active": false}));
    whole["active"] = json!(true);
    okta.put(&path, &whole).with(200).shows(&json!({"active": true}));
    whole.as_object_mut().unwrap().remove("active");
    okta.put(&path, &whole).with(200).shows(&json!({"active": true}));
    let created = okta.get(&path).text("/meta/created");
    assert_eq!(created, made.text("/meta/created"));
}

#[test]
fn deactivation_is_a_patch_without_path_and_the_user_stays() {
    let okta = okta();
    let id = okta.make("/Users", &person("ada@example.org"));
    let path = format!("/Users/{id}");
    for active in [false, true, false] {
        okta.patch(&path, &json!([{"op": "replace", "value": {"active": active}}])).done();
        okta.get(&path).with(200).shows(&json!({"active": active, "userName": "ada@example.org"}));
    }
    let found = okta.find("/Users", "userName eq \"ada@example.org\"");
    assert_eq!(found[0]["active"], false);
    okta.patch(&path, &json!([{"op": "replace", "value": {"password": THROWN_AWAY}}])).done();
    assert_eq!(okta.get(&path).json.get("password"), None);
}

#[test]
fn a_page_says_how_many_there_are_in_all() {
    let okta = okta();
    for number in 0..5 {
        okta.make_user(&format!("user{number}@example.org"));
    }
    let pages = [(1, 2, 2), (3, 2, 2), (5, 2, 1), (7, 2, 0), (1, 100, 5), (1, 0, 0)];
    let mut seen = Vec::new();
    for (start, count, expected) in pages {
        let said = okta.get(&format!("/Users?startIndex={start}&count={count}")).with(200);
        let listed = said.listed();
        said.shows(&json!({"totalResults": 5, "startIndex": start, "itemsPerPage": expected}));
        assert_eq!(listed.len(), expected);
        if count == 2 {
            seen.extend(listed.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn no_token_and_a_wrong_one_are_refused_in_scims_form() {
    let okta = okta();
    let anybody = okta.daemon.anonymous();
    for header in [None, Some("non-token"), Some("Bearer wrong"), Some("Basic YTpi"), Some("")] {
        let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
        for path in ["/Users", "/Users?startIndex=1&count=2", "/Groups/x"] {
            let answer = anybody.call("GET", &format!("/scim/v2{path}"), None, &headers);
            let said = Said::checked(answer, path).with(401);
            assert!(said.header("www-authenticate").starts_with("Bearer"), "{said:?}");
        }
    }
}

#[test]
fn groups_are_pushed_renamed_and_emptied() {
    let okta = okta();
    let (ada, bob) = (okta.make_user("ada@example.org"), okta.make_user("bob@example.org"));
    let member = |id: &str, name: &str| json!({"value": id, "display": name});
    let body = json!({"schemas": [GROUP], "displayName": "Engines", "members": [member(&ada, "ada@example.org")]});
    let id = okta.make("/Groups", &body);
    let path = format!("/Groups/{id}");
    assert_eq!(ids(&okta.find("/Groups", "displayName eq \"Engines\"")), [id.as_str()]);

    let rename = json!([{"op": "replace", "value": {"id": id, "displayName": "Analysts"}}]);
    okta.patch(&path, &rename).done();
    okta.get(&path).with(200).shows(&json!({"id": id, "displayName": "Analysts"}));
    assert_eq!(okta.members(&id), [ada.as_str()]);

    okta.patch(&path, &json!([{"op": "add", "path": "members", "value": [member(&bob, "bob@example.org")]}])).done();
    okta.patch(&path, &json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}])).done();
    assert_eq!(okta.members(&id), [bob.as_str()]);

    let both = json!([{"op": "replace", "path": "members", "value": [member(&ada, "a"), member(&bob, "b")]}]);
    okta.patch(&path, &both).done();
    assert_eq!(okta.members(&id).len(), 2);
    let put = json!({"schemas": [GROUP], "id": id, "displayName": "Analysts", "members": []});
    okta.put(&path, &put).with(200);
    assert_eq!(okta.members(&id), Vec::<String>::new());
    okta.delete(&path).with(204);
    okta.get(&path).with(404);
}

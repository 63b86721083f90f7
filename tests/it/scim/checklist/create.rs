//! RFC 7644 §3.2 and §3.3: how resources are made.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, GYM, Service, USER, id, local, locker, op};

#[test]
fn rfc7644_3_3_a_create_is_201_with_its_place_and_the_servers_view() {
    let service = Service::start();
    let user = json!({"schemas": [USER], "userName": "ada", "name": {"givenName": "Ada"}, "nickName": "A"});
    let group = json!({"schemas": [GROUP], "displayName": "staff"});
    for (endpoint, body) in [("/Users", user), ("/Groups", group), ("/Lockers", locker("L1"))] {
        let made = service.post(endpoint, &body).with(201);
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(made.json[name], *value, "{name}");
        }
        assert_eq!(made.header("location"), made.text("/meta/location"));
        assert_eq!(local(&made.json["meta"]["location"]), format!("{endpoint}/{}", made.text("/id")));
        assert_eq!(service.get(&format!("{endpoint}/{}", made.text("/id"))).with(200).json, made.json);
    }
}

#[test]
fn rfc7644_3_3_what_is_read_only_is_ignored_and_not_refused() {
    let service = Service::start();
    let body = json!({"schemas": [USER], "userName": "ada", "id": "x", "meta": {"created": "2001-01-01T00:00:00Z"},
        "groups": [{"value": "x"}], GYM: {"level": "gold"},
        ENTERPRISE: {"manager": {"value": "7", "displayName": "Forged"}}});
    let made = service.post("/Users", &body).with(201);
    assert_ne!(made.json["id"], "x");
    assert_eq!(made.json["meta"]["created"], "2026-11-23T12:00:00Z");
    assert_eq!((made.json.get("groups"), made.json.get(GYM)), (None, None));
    assert_ne!(made.json[ENTERPRISE]["manager"]["displayName"], "Forged");
}

#[test]
fn rfc7644_3_3_a_duplicate_is_a_conflict_and_nothing_is_written() {
    let service = Service::start();
    service.user("ada", json!({"externalId": "e1"}));
    service.locker("L1");
    let before = service.everything();
    for (path, body) in [
        ("/Users", json!({"schemas": [USER], "userName": "ada"})),
        ("/Users", json!({"schemas": [USER], "userName": "Ada", "title": "Dr"})),
        ("/Lockers", locker("L1")),
    ] {
        let said = service.post(path, &body);
        assert_eq!(said.header("location"), "", "nothing was made");
        said.refused(409, "uniqueness");
    }
    assert_eq!(service.everything(), before);
}

#[test]
fn rfc7644_3_3_the_answer_has_a_body_whoever_asks() {
    let service = Service::start();
    for profile in ["default", "okta", "entra", "strict"] {
        let made = service.speaking(profile).user(profile, json!({"active": true}));
        assert_eq!((&made["userName"], &made["active"]), (&json!(profile), &json!(true)));
    }
}

#[test]
fn rfc7644_3_3_what_is_missing_broken_or_of_another_type_is_told_apart() {
    let service = Service::start();
    service.user("ada", json!({}));
    let before = service.everything();
    let wrong = [
        json!({"schemas": [USER]}),
        json!({"schemas": [USER], "userName": null}),
        json!({"schemas": [USER], "userName": 7}),
        json!({"schemas": [USER], "userName": ["bob"]}),
        json!({"schemas": [USER], "userName": {"value": "bob"}}),
        json!({"schemas": [USER], "userName": "bob", "name": 7}),
        json!({"schemas": [USER], "userName": "bob", "name": {"givenName": 7}}),
        json!({"schemas": [USER], "userName": "bob", "active": "perhaps"}),
        json!({"schemas": [USER], "userName": "bob", "active": 1}),
        json!({"schemas": [USER], "userName": "bob", "emails": 7}),
        json!({"schemas": [USER], "userName": "bob", "emails": [7]}),
        json!({"schemas": [USER], "userName": "bob", "emails": [{"value": 7}]}),
        json!({"schemas": [USER], "userName": "bob", "title": ["Dr"]}),
        json!({"schemas": [USER], "userName": "bob", ENTERPRISE: 7}),
        json!({"schemas": [USER], "userName": "bob", ENTERPRISE: {"department": 7}}),
        json!({"schemas": [USER], "userName": "bob", GYM: {"tags": "word"}}),
        json!({"schemas": [USER], "userName": "bob", GYM: {"weight": "61"}}),
    ];
    for body in wrong {
        service.post("/Users", &body).refused(400, "invalidValue");
    }
    let broken = ["", "{", "nonsense", "{\"schemas\": [\"", "[]", "\"text\"", "null", "7", "{} {}", "{'a': 1}"];
    for body in broken {
        service.send("POST", "/Users", Some(body.to_owned()), &[]).refused(400, "invalidSyntax");
    }
    assert_eq!(service.everything(), before);
}

#[test]
fn rfc7644_3_3_1_the_resource_type_follows_the_endpoint() {
    let service = Service::start();
    let user = service.user("ada", json!({"meta": {"resourceType": "Group"}}));
    assert_eq!(user["meta"]["resourceType"], "User");
    let group = service.get(&format!("/Groups/{}", service.group("staff", &[]))).with(200);
    assert_eq!(group.json["meta"]["resourceType"], "Group");
    let locker = service.get(&format!("/Lockers/{}", service.locker("L1"))).with(200);
    assert_eq!(locker.json["meta"]["resourceType"], "Locker");
    // An id is at its own endpoint alone.
    service.get(&format!("/Groups/{}", id(&user))).with(404);
    service.get(&format!("/Users/{}", locker.text("/id"))).with(404);
}

#[test]
fn rfc7644_3_2_put_makes_nothing_and_post_takes_no_id() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    let before = service.everything();
    let unknown = "019e0000-0000-7000-8000-000000000000";
    let user = json!({"schemas": [USER], "userName": "bob"});
    let group = json!({"schemas": [GROUP], "displayName": "staff"});
    for (endpoint, body) in [("/Users", &user), ("/Groups", &group), ("/Lockers", &locker("L1"))] {
        for id in [unknown, "bob", "7"] {
            service.put(&format!("{endpoint}/{id}"), body).with(404);
        }
    }
    let said = service.post(&path, &user).with(405);
    assert!(["GET", "PUT", "PATCH", "DELETE"].iter().all(|method| said.header("allow").contains(method)), "{said:?}");
    service.post(&format!("/Users/{unknown}"), &user).with(405);
    assert_eq!(service.everything(), before);
}

#[test]
fn rfc7644_3_2_methods_that_a_path_does_not_take_are_405() {
    let service = Service::start();
    let cases: [(&str, &str); 9] = [
        ("PUT", "/Users"),
        ("PATCH", "/Users"),
        ("DELETE", "/Groups"),
        ("GET", "/Bulk"),
        ("DELETE", "/Bulk"),
        ("GET", "/Users/.search"),
        ("PUT", "/.search"),
        ("PATCH", "/Lockers"),
        ("DELETE", "/"),
    ];
    for (method, path) in cases {
        let said = service.send(method, path, Some(json!({}).to_string()), &[]);
        // "/Users/.search" read as the id of a user is nobody.
        assert!([404, 405].contains(&said.status) && (said.status == 405 || path.ends_with(".search")), "{said:?}");
    }
    let path = service.path_of("ada", json!({}));
    assert_eq!(service.patch(&path, &op("add", "title", Value::from("Dr"))).with(200).json["title"], "Dr");
}

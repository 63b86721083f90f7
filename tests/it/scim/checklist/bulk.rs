//! RFC 7644 §3.7: many operations in one request.

use serde_json::{Value, json};

use super::{BULK, ENTERPRISE, GROUP, PATCH, Said, Service, USER, local, op};

fn make(bulk_id: &str, name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"schemas": [USER], "userName": name}})
}

fn group(bulk_id: &str, members: &[&str]) -> Value {
    let members: Vec<_> = members.iter().map(|member| json!({"value": member})).collect();
    json!({"method": "POST", "path": "/Groups", "bulkId": bulk_id,
        "data": {"schemas": [GROUP], "displayName": bulk_id, "members": members}})
}

/// The operations of an answer, each in its form.
fn results(said: &Said) -> &Vec<Value> {
    assert_eq!(said.json["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    let results = said.json["Operations"].as_array().unwrap();
    for one in results {
        let status: u16 = one["status"].as_str().expect("the code as a string").parse().unwrap();
        assert!(["POST", "PUT", "PATCH", "DELETE"].contains(&one["method"].as_str().unwrap()), "{one}");
        let failed = status >= 400;
        assert!(failed || one["location"].is_string(), "{one}");
        assert_eq!(failed, one.get("response").is_some_and(|body| body["status"] == one["status"]), "{one}");
        assert!(!(failed && one["method"] == "POST" && one.get("location").is_some()), "{one}");
    }
    results
}

fn statuses(said: &Said) -> Vec<&str> {
    results(said).iter().map(|one| one["status"].as_str().unwrap()).collect()
}

#[test]
fn rfc7644_3_7_each_operation_is_answered_with_its_place_and_status() {
    let service = Service::start();
    let path = service.path_of("old", json!({}));
    let patch = json!({"schemas": [PATCH], "Operations": op("replace", "title", json!("Dr"))});
    let operations = json!([
        make("qwerty", "ada"),
        {"method": "PUT", "path": path, "data": {"schemas": [USER], "userName": "older"}},
        {"method": "PATCH", "path": path, "data": patch},
        {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": op("add", "nothing", json!(1))}},
        {"method": "DELETE", "path": path},
        {"method": "DELETE", "path": path},
        make("asdf", "ADA"),
    ]);
    let said = service.bulk(&operations).with(200);
    assert_eq!(statuses(&said), ["201", "200", "200", "400", "204", "404", "409"]);
    let all = results(&said);
    assert_eq!((&all[0]["bulkId"], &all[6]["bulkId"]), (&json!("qwerty"), &json!("asdf")));
    assert_eq!(
        (&all[3]["response"]["scimType"], &all[6]["response"]["scimType"]),
        (&json!("invalidPath"), &json!("uniqueness"))
    );
    for one in &all[1..6] {
        assert_eq!(local(&one["location"]), path);
    }
    let made = service.get(local(&all[0]["location"])).with(200);
    assert_eq!((&made.json["userName"], made.header("etag")), (&json!("ada"), all[0]["version"].as_str().unwrap()));
}

#[test]
fn rfc7644_3_7_what_is_wrong_with_the_message_or_with_one_operation() {
    let service = Service::start();
    for body in [
        json!({"Operations": [make("a", "ada")]}),
        json!({"schemas": [PATCH], "Operations": [make("a", "ada")]}),
        json!({"schemas": [BULK]}),
        json!({"schemas": [BULK], "Operations": {}}),
    ] {
        service.post("/Bulk", &body).refused(400, "invalidSyntax");
    }
    let data = json!({"schemas": [USER], "userName": "x"});
    let operations = json!([
        {"method": "POST", "path": "/Users", "data": data},
        {"method": "POST", "path": "/Users/7", "bulkId": "b", "data": data},
        {"method": "PUT", "path": "/Users", "data": data},
        {"method": "PATCH", "path": "/Users/7"},
        {"method": "POST", "path": "/Nothings", "bulkId": "c", "data": data},
        {"method": "POST", "path": "/Bulk", "bulkId": "d", "data": data},
        make("e", "eve"),
    ]);
    let said = service.bulk(&operations).with(200);
    let statuses = statuses(&said);
    assert_eq!(statuses[6], "201");
    assert!(statuses[..6].iter().all(|status| status.starts_with('4')), "{statuses:?}");
    assert_eq!(service.names("userName pr"), ["eve"]);
}

#[test]
fn rfc7644_3_7_the_rest_is_done_unless_fail_on_errors_is_reached() {
    let service = Service::start();
    service.user("taken", json!({}));
    let operations = |n: &str| {
        let name = |name: &str| format!("{name}{n}");
        json!([
            make("a", &name("a")),
            make("b", "taken"),
            make("c", &name("c")),
            make("d", "TAKEN"),
            make("e", &name("e"))
        ])
    };
    let said = service.bulk(&operations("1")).with(200);
    assert_eq!(statuses(&said), ["201", "409", "201", "409", "201"]);
    let ids: Vec<_> = results(&said).iter().map(|one| one["bulkId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
    for (limit, done) in
        [(1, vec!["201", "409"]), (2, vec!["201", "409", "201", "409"]), (3, vec!["201", "409", "201", "409", "201"])]
    {
        let body = json!({"schemas": [BULK], "failOnErrors": limit, "Operations": operations(&format!("-{limit}"))});
        assert_eq!(statuses(&service.post("/Bulk", &body).with(200)), done, "{limit}");
    }
    assert_eq!(service.names("userName eq \"e-2\""), [""; 0], "nothing after the limit is done");
}

#[test]
fn rfc7644_3_7_1_references_in_a_circle_are_resolved_or_a_conflict() {
    let service = Service::start();
    let said = service.bulk(&json!([group("a", &["bulkId:b"]), group("b", &["bulkId:a"])])).with(200);
    if statuses(&said) == ["409", "409"] {
        assert_eq!(service.get("/Groups").with(200).json["totalResults"], 0);
        return;
    }
    assert_eq!(statuses(&said), ["201", "201"]);
    let places: Vec<_> = results(&said).iter().map(|one| local(&one["location"]).to_owned()).collect();
    for (from, to) in [(0, 1), (1, 0)] {
        let members = service.get(&places[from]).with(200).json["members"].clone();
        assert_eq!(members.as_array().unwrap().len(), 1);
        assert_eq!(places[to], format!("/Groups/{}", members[0]["value"].as_str().unwrap()));
    }
    for (number, one) in results(&said).iter().enumerate() {
        assert_eq!(service.get(&places[number]).with(200).header("etag"), one["version"].as_str().unwrap());
    }
}

#[test]
fn rfc7644_3_7_2_a_bulk_id_stands_for_what_is_made_in_data_paths_and_extensions() {
    let service = Service::start();
    let team = service.group("team", &[]);
    let patch = json!({"schemas": [PATCH], "Operations": op("add", "members", json!([{"value": "bulkId:u"}]))});
    let by_filter = json!({"schemas": [PATCH], "Operations": op("add", "nickName", json!("bulkId is a word"))});
    let operations = json!([
        group("g", &["bulkId:u"]),
        {"method": "POST", "path": "/Users", "bulkId": "v", "data": {"schemas": [USER, ENTERPRISE], "userName": "bob",
            ENTERPRISE: {"manager": {"value": "bulkId:u"}}}},
        make("u", "ada"),
        {"method": "PATCH", "path": format!("/Groups/{team}"), "data": patch},
        {"method": "PATCH", "path": "/Users/bulkId:u", "data": by_filter},
        make("w", "gone"),
        {"method": "DELETE", "path": "/Users/bulkId:w"},
        group("h", &["bulkId:nobody"]),
    ]);
    let said = service.bulk(&operations).with(200);
    let found = statuses(&said);
    assert_eq!(found[..7], ["201", "201", "201", "200", "200", "201", "204"]);
    assert!(["400", "409"].contains(&found[7]), "who is not made cannot be meant");
    let ada = service.find("/Users", "userName eq \"ada\"").listed()[0].clone();
    assert_eq!(ada["nickName"], "bulkId is a word");
    let bob = service.find("/Users", "userName eq \"bob\"").listed()[0].clone();
    assert_eq!(bob[ENTERPRISE]["manager"]["value"], ada["id"]);
    for path in [local(&results(&said)[0]["location"]).to_owned(), format!("/Groups/{team}")] {
        assert_eq!(service.get(&path).with(200).json["members"][0]["value"], ada["id"]);
    }
    assert_eq!(service.names("userName eq \"gone\""), [""; 0]);
}

#[test]
fn rfc7644_3_7_4_too_much_is_413_and_names_the_limit() {
    let service = Service::start();
    let config = service.get("/ServiceProviderConfig").with(200);
    let limit = |name: &str| config.json["bulk"][name].as_u64().unwrap();
    let (operations, bytes) = (limit("maxOperations"), limit("maxPayloadSize"));
    let many: Vec<_> = (0..=operations).map(|n| json!({"method": "DELETE", "path": format!("/Users/{n}")})).collect();
    let said = service.bulk(&json!(many)).with(413);
    assert!(said.text("/detail").contains(&operations.to_string()), "{said:?}");
    let mut large = make("a", "ada");
    large["data"]["title"] = json!("x".repeat(usize::try_from(bytes).unwrap()));
    let said = service.bulk(&json!([large])).with(413);
    assert!(said.text("/detail").contains(&bytes.to_string()), "{said:?}");
    assert_eq!(service.get("/Users").with(200).json["totalResults"], 0);
}

#[test]
fn rfc7644_3_7_a_version_is_the_condition_of_its_operation() {
    let service = Service::start();
    let made = service.post("/Users", &json!({"schemas": [USER], "userName": "ada"})).with(201);
    let path = format!("/Users/{}", made.text("/id"));
    let patch = json!({"schemas": [PATCH], "Operations": op("replace", "title", json!("Dr"))});
    let data = json!({"schemas": [USER], "userName": "ada"});
    let stale = "W/\"99\"";
    let operations = json!([
        {"method": "PUT", "path": path, "version": stale, "data": data},
        {"method": "PATCH", "path": path, "version": stale, "data": patch},
        {"method": "DELETE", "path": path, "version": stale},
        {"method": "PATCH", "path": path, "version": made.header("etag"), "data": patch},
        {"method": "DELETE", "path": path, "version": made.header("etag")},
    ]);
    let said = service.bulk(&operations).with(200);
    assert_eq!(statuses(&said), ["412", "412", "412", "200", "412"]);
    let shown = service.get(&path).with(200);
    assert_eq!(
        (&shown.json["title"], shown.header("etag")),
        (&json!("Dr"), results(&said)[3]["version"].as_str().unwrap())
    );
}

//! RFC 7643 §3: what all resources have in common: schemas, ids, meta, extensions.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, GYM, Service, USER, id, local, op, sorted};

#[test]
fn rfc7643_3_schemas_are_those_of_the_type_once_each() {
    let service = Service::start();
    let body = json!({"schemas": [ENTERPRISE, USER, USER], "userName": "ada", ENTERPRISE: {"department": "d"}});
    let made = service.post("/Users", &body).with(201);
    assert_eq!(sorted(&made.json["schemas"]), [USER, ENTERPRISE]);
    let body = json!({"schemas": [USER, "urn:x:nobody", ENTERPRISE], "userName": "bob"});
    let foreign = service.post("/Users", &body).with(201);
    assert_eq!(foreign.json["schemas"], json!([USER]), "what is not there, or not of the type, is not named");
    // The schema of another type is no schema of this one.
    for (path, schema) in [("/Users", GROUP), ("/Groups", USER), ("/Users", ENTERPRISE)] {
        let body = json!({"schemas": [schema], "userName": "carl", "displayName": "carl"});
        assert_eq!(service.post(path, &body).status, 400, "{path} {schema}");
    }
}

#[test]
fn rfc7643_3_1_an_id_is_the_servers_own_and_never_another_resources() {
    let service = Service::start();
    let made = service.user("ada", json!({"id": "mine"}));
    let own = id(&made);
    assert!(!own.is_empty() && own != "mine");
    let group = service.group("staff", &[]);
    let locker = service.locker("L1");
    let others = [id(&service.user("bob", json!({}))), group, locker];
    assert!(!others.contains(&own) && others[1] != others[2]);
    let path = format!("/Users/{own}");
    let body = json!({"schemas": [USER], "id": "other", "userName": "augusta"});
    assert_eq!(service.put(&path, &body).with(200).json["id"], own.as_str());
    assert_eq!(service.patch(&path, &op("replace", "userName", json!("ada"))).with(200).json["id"], own.as_str());
    service.delete(&path).with(204);
    let again = id(&service.user("ada", json!({})));
    assert!(again != own && !others.contains(&again), "never reused");
}

#[test]
fn rfc7643_3_1_no_id_contains_bulk_id() {
    let service = Service::start();
    let operations: Vec<_> = (0..20)
        .map(|n| {
            let data = json!({"schemas": [USER], "userName": format!("u{n}")});
            json!({"method": "POST", "path": "/Users", "bulkId": format!("bulkId{n}"), "data": data})
        })
        .collect();
    service.bulk(&json!(operations)).with(200);
    service.group("bulkId", &[]);
    let all = service.get("/").with(200).listed();
    assert_eq!(all.len(), 21);
    assert!(all.iter().all(|resource| !id(resource).to_lowercase().contains("bulkid")));
}

#[test]
fn rfc7643_3_1_an_external_id_is_the_clients_own_in_its_case() {
    let service = Service::start();
    assert_eq!(service.user("none", json!({})).get("externalId"), None, "never set by the server");
    assert_eq!(service.user("ada", json!({"externalId": "AbC"}))["externalId"], "AbC");
    assert_eq!(service.names("externalId eq \"AbC\""), ["ada"]);
    assert_eq!(service.names("externalId eq \"abc\""), [""; 0]);
    // Another case is another id.
    service.user("bob", json!({"externalId": "abc"}));
    let group = json!({"schemas": [GROUP], "displayName": "g", "externalId": "AbC"});
    service.post("/Groups", &group).with(201);
    // Another client may use the same one.
    let entra = service.entra();
    entra.user("eve", json!({"externalId": "AbC"}));
    assert_eq!(entra.names("externalId eq \"AbC\""), ["eve"]);
    assert_eq!(service.names("externalId eq \"AbC\""), ["ada"]);
}

#[test]
fn rfc7643_3_1_meta_is_the_servers_and_a_clients_is_ignored() {
    let service = Service::start();
    let forged = json!({"resourceType": "Group", "created": "2001-01-01T00:00:00Z", "lastModified": "x",
        "location": "https://example.org/x", "version": "W/\"99\""});
    let made = service.user("ada", json!({"meta": forged}));
    let meta = &made["meta"];
    assert_eq!(super::members(meta), ["created", "lastModified", "location", "resourceType", "version"]);
    assert_eq!((&meta["resourceType"], &meta["created"]), (&json!("User"), &json!("2026-11-23T12:00:00Z")));
    let path = format!("/Users/{}", id(&made));
    let body = json!({"schemas": [USER], "userName": "ada", "meta": forged});
    assert_eq!(service.put(&path, &body).with(200).json["meta"]["created"], meta["created"]);
    for part in ["meta", "meta.created", "meta.resourceType", "meta.location"] {
        service.patch(&path, &op("replace", part, json!("2001-01-01T00:00:00Z"))).refused(400, "mutability");
    }
    assert_eq!(service.get(&path).with(200).json["meta"]["resourceType"], "User");
}

#[test]
fn rfc7643_3_1_last_modified_is_created_until_the_first_change() {
    let service = Service::start();
    let user = service.path_of("ada", json!({}));
    let group = format!("/Groups/{}", service.group("staff", &[]));
    let locker = format!("/Lockers/{}", service.locker("L1"));
    for path in [user, group, locker] {
        let about = service.get(&path).with(200).json["meta"].clone();
        assert!(about["created"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{about}");
        assert_eq!(about["created"], about["lastModified"]);
        service.pass_seconds(90);
        let later = service.patch(&path, &op("replace", "displayName", json!("later"))).with(200).json["meta"].clone();
        assert_eq!(later["created"], about["created"]);
        let time = |meta: &Value| meta["lastModified"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(time(&later).duration_since(time(&about)).as_secs() % 90, 0);
        assert!(time(&later) > time(&about));
        assert_ne!(later["version"], about["version"]);
    }
}

#[test]
fn rfc7643_3_1_the_location_is_the_headers_and_leads_there() {
    let service = Service::start();
    let user = json!({"schemas": [USER], "userName": "ada"});
    let group = json!({"schemas": [GROUP], "displayName": "staff"});
    for (endpoint, body) in [("/Users", user), ("/Groups", group), ("/Lockers", super::locker("L1"))] {
        let made = service.post(endpoint, &body).with(201);
        let location = made.json["meta"]["location"].clone();
        assert_eq!(local(&location), format!("{endpoint}/{}", made.text("/id")));
        assert_eq!(made.header("location"), location);
        let found = service.get(local(&location)).with(200);
        assert_eq!(found.json["meta"]["location"], location);
        assert_eq!(found.header("content-location"), location);
        let body = json!({"schemas": made.json["schemas"], "userName": "ada", "displayName": "staff", "serial": "L1",
            super::SERVICE: made.json.get(super::SERVICE)});
        assert_eq!(service.put(local(&location), &body).with(200).header("content-location"), location);
    }
}

#[test]
fn rfc7643_3_1_a_version_is_the_entity_tag_and_weak_unless_it_is_strong() {
    let service = Service::start();
    let made = service.post("/Users", &json!({"schemas": [USER], "userName": "ada"})).with(201);
    let version = made.text("/meta/version");
    assert_eq!(made.header("etag"), version);
    // The body's bytes are not promised to be the same, so the tag is a weak one.
    let opaque = version.strip_prefix("W/").expect("a weak tag");
    assert!(opaque.len() > 2 && opaque.starts_with('"') && opaque.ends_with('"'), "{version}");
}

#[test]
fn rfc7643_3_1_id_and_schemas_are_always_returned_and_an_id_compares_with_case() {
    let service = Service::start();
    let made = service.user("ada", json!({}));
    let path = format!("/Users/{}", id(&made));
    for query in ["excludedAttributes=id,schemas", "attributes=title", "attributes=userName&excludedAttributes=id"] {
        let shown = service.get(&format!("{path}?{query}")).with(200);
        assert_eq!((&shown.json["id"], &shown.json["schemas"]), (&made["id"], &json!([USER])), "{query}");
    }
    service.patch(&path, &op("replace", "id", json!("x"))).refused(400, "mutability");
    service.patch(&path, &op("remove", "id", Value::Null)).refused(400, "mutability");
    let upper = id(&made).to_uppercase();
    assert_ne!(upper, id(&made), "the id has letters");
    service.get(&format!("/Users/{upper}")).with(404);
    assert_eq!(service.names(&format!("id eq \"{upper}\"")), [""; 0]);
    assert_eq!(service.names(&format!("id eq \"{}\"", id(&made))), ["ada"]);
}

#[test]
fn rfc7643_3_3_an_extension_is_an_object_by_its_urn_and_is_listed_when_it_is_there() {
    let service = Service::start();
    let body = json!({"schemas": [USER], "userName": "ada", ENTERPRISE: {"department": "d"}, GYM: {}});
    let made = service.post("/Users", &body).with(201);
    assert_eq!(sorted(&made.json["schemas"]), [USER, ENTERPRISE], "listed though the client did not");
    assert_eq!((&made.json[ENTERPRISE], made.json.get(GYM)), (&json!({"department": "d"}), None));
    assert_eq!((made.json.get("department"), made.json.get("age")), (None, None));
    let path = format!("/Users/{}", made.text("/id"));
    let both = service.patch(&path, &op("add", &format!("{GYM}:age"), json!(36))).with(200);
    assert_eq!(sorted(&both.json["schemas"]), [GYM, USER, ENTERPRISE]);
    let chosen = service.get(&format!("{path}?attributes=userName")).with(200);
    let has_card = chosen.json.get(GYM).is_some();
    assert_eq!(chosen.json["schemas"].as_array().unwrap().contains(&json!(GYM)), has_card, "{chosen:?}");
    let body = json!({"schemas": [USER, ENTERPRISE, GYM], "userName": "ada", GYM: {"age": 37}});
    let replaced = service.put(&path, &body).with(200);
    assert_eq!(sorted(&replaced.json["schemas"]), [GYM, USER]);
    assert_eq!(replaced.json.get(ENTERPRISE), None);
}

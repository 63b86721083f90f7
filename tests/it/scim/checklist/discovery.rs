//! RFC 7644 §4 and §3.2: what the service says about itself; and RFC 9967: what it does not claim.

use serde_json::json;

use super::{ENTERPRISE, GROUP, GYM, LIST, SERVICE, Service, USER, id, local};

#[test]
fn rfc7644_4_one_configuration_and_lists_of_schemas_and_types() {
    let service = Service::start();
    let config = service.get("/ServiceProviderConfig").with(200);
    assert_eq!(config.json.get("Resources"), None, "not a list");
    for (path, name) in [("/Schemas", "Schema"), ("/ResourceTypes", "ResourceType")] {
        let list = service.get(path).with(200);
        assert_eq!((&list.json["schemas"], &list.json["totalResults"]), (&json!([LIST]), &json!(list.listed().len())));
        for one in list.listed() {
            assert_eq!(one["schemas"], json!([format!("urn:ietf:params:scim:schemas:core:2.0:{name}")]));
            assert_eq!(one["meta"]["resourceType"], name);
            let place = local(&one["meta"]["location"]).to_owned();
            assert_eq!(place, format!("{path}/{}", id(&one)));
            assert_eq!(service.get(&place).with(200).json, one);
        }
    }
    for urn in [USER, GROUP, ENTERPRISE, GYM, SERVICE] {
        assert_eq!(service.get(&format!("/Schemas/{urn}")).with(200).json["id"], urn);
    }
    for name in ["User", "Group", "Locker"] {
        assert_eq!(service.get(&format!("/ResourceTypes/{name}")).with(200).json["name"], name);
    }
    for unknown in [
        "/Schemas/urn:x",
        "/Schemas/User",
        "/ResourceTypes/Users",
        "/ResourceTypes/x",
        "/Schema",
        "/ServiceProviderConfigs",
    ] {
        assert_eq!(service.get(unknown).with(404).json["status"], "404", "{unknown}");
    }
}

#[test]
fn rfc7644_4_sorting_and_paging_are_ignored_and_a_filter_is_forbidden() {
    let service = Service::start();
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"] {
        let whole = service.get(path).with(200);
        for query in ["startIndex=2&count=1", "count=0", "sortBy=id&sortOrder=descending", "sortBy=%20&startIndex=x"] {
            assert_eq!(service.get(&format!("{path}?{query}")).with(200).json, whole.json, "{path}?{query}");
        }
        for filter in ["filter=id%20pr", "filter=", "FILTER=id%20eq%20%22x%22"] {
            assert_eq!(service.get(&format!("{path}?{filter}")).with(403).json["status"], "403");
        }
    }
    for one in [format!("/Schemas/{USER}"), "/ResourceTypes/User".to_owned()] {
        service.get(&format!("{one}?filter=id%20pr")).with(403);
    }
}

#[test]
fn rfc7644_3_2_discovery_is_not_written() {
    let service = Service::start();
    let schema = format!("/Schemas/{USER}");
    for path in ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes", &schema, "/ResourceTypes/User"] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let said = service.send(method, path, Some("{}".to_owned()), &[]).with(405);
            assert!(said.header("allow").contains("GET"), "{said:?}");
        }
    }
}

#[test]
fn rfc9967_4_events_are_not_claimed() {
    // No `securityEvents`: neither events nor asynchronous requests are offered. So nothing of §2.1 to §2.4 (sub_id,
    // data or attributes, the URIs of events) and of §5 (receiving them) is ever sent or taken.
    let service = Service::start();
    let config = service.get("/ServiceProviderConfig").with(200);
    assert_eq!(config.json.get("securityEvents"), None);
    let all = [config, service.get("/Schemas").with(200), service.get("/ResourceTypes").with(200)];
    for said in all {
        assert!(!said.json.to_string().contains("urn:ietf:params:scim:event"), "{said:?}");
    }
    for path in ["/Events", "/SecurityEvents", "/Streams", "/Feeds"] {
        service.get(path).with(404);
        assert!((400..500).contains(&service.post(path, &json!({})).status), "{path}");
    }
}

#[test]
fn rfc9967_2_5_1_a_wish_to_be_answered_later_is_answered_now() {
    let service = Service::start();
    let body = json!({"schemas": [USER], "userName": "ada"}).to_string();
    for prefer in ["respond-async", "respond-async, wait=10"] {
        let name = body.replace("ada", &format!("ada{}", prefer.len()));
        let said = service.send("POST", "/Users", Some(name), &[("prefer", prefer)]).with(201);
        assert_eq!((said.header("set-txn"), said.header("preference-applied")), ("", ""));
        assert!(said.json["id"].is_string());
    }
}

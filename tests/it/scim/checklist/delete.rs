//! RFC 7644 §3.6: what is gone.

use serde_json::json;

use super::{GROUP, Service, USER, id, locker, op};

#[test]
fn rfc7644_3_6_what_is_deleted_is_gone_for_every_operation_and_its_name_is_free() {
    let service = Service::start();
    let user = json!({"schemas": [USER], "userName": "ada", "externalId": "e"});
    let group = json!({"schemas": [GROUP], "displayName": "ada"});
    for (endpoint, body, name) in
        [("/Users", user, "userName"), ("/Groups", group, "displayName"), ("/Lockers", locker("ada"), "serial")]
    {
        let own = service.post(endpoint, &body).with(201).text("/id");
        let path = format!("{endpoint}/{own}");
        service.delete(&path).with(204);
        let gone = [
            service.get(&path),
            service.put(&path, &body),
            service.patch(&path, &op("replace", "displayName", json!("x"))),
            service.delete(&path),
        ];
        for said in gone {
            assert_eq!(said.with(404).json["status"], "404");
        }
        assert_eq!(service.get(endpoint).with(200).json["totalResults"], 0);
        for filter in [format!("id eq \"{own}\""), format!("{name} eq \"ada\""), format!("not ({name} eq \"x\")")] {
            assert_eq!(service.find(endpoint, &filter).with(200).json["totalResults"], 0, "{filter}");
        }
        assert_eq!(service.get("/").with(200).json["totalResults"], 0);
        // The name is free. (The same person by externalId comes back as who they were.)
        let mut again = body.clone();
        again.as_object_mut().unwrap().remove("externalId");
        let again = service.post(endpoint, &again).with(201).text("/id");
        assert_ne!(again, own);
        service.delete(&format!("{endpoint}/{again}")).with(204);
    }
}

#[test]
fn rfc7644_3_6_who_is_deleted_is_a_member_of_nothing() {
    let service = Service::start();
    let (ada, bob) = (id(&service.user("ada", json!({}))), id(&service.user("bob", json!({}))));
    let inner = service.group("inner", &[&ada]);
    let outer = service.group("outer", &[&ada, &bob, &inner]);
    service.delete(&format!("/Users/{ada}")).with(204);
    service.delete(&format!("/Groups/{inner}")).with(204);
    let group = service.get(&format!("/Groups/{outer}")).with(200);
    let members: Vec<_> = group.json["members"].as_array().unwrap().iter().map(|one| one["value"].clone()).collect();
    assert_eq!(json!(members), json!([bob]));
    for gone in [&ada, &inner] {
        let filter = format!("members.value eq \"{gone}\"");
        assert_eq!(service.find("/Groups", &filter).with(200).json["totalResults"], 0);
    }
    // And a group that goes is in nobody's groups.
    service.delete(&format!("/Groups/{outer}")).with(204);
    assert_eq!(service.get(&format!("/Users/{bob}")).with(200).json.get("groups"), None);
}

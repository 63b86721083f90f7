//! RFC 7644 §3.11 and §3.14: the user of a session, and the versions of resources.

use serde_json::json;

use super::{GROUP, PASSWORD, Service, USER, locker};

#[test]
fn rfc7644_3_11_me_is_the_user_of_a_session_and_nobody_to_a_provider() {
    let service = Service::start();
    let made = service.user("ada", json!({"password": PASSWORD, "title": "Dr"}));
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let said = service.send(method, "/Me", Some(made.to_string()), &[]).with(501);
        assert_eq!(said.json["status"], "501");
        service.with_token(None).send(method, "/Me", Some(made.to_string()), &[]).with(401);
    }
    let session = service.daemon.session("ada", PASSWORD);
    let me = service.with_token(Some(&session)).get("/Me").with(200);
    assert_eq!(me.header("location"), made["meta"]["location"]);
    assert_eq!((&me.json["id"], &me.json["title"]), (&made["id"], &json!("Dr")));
    assert_eq!(me.json.get("password"), None);
}

#[test]
fn rfc7644_3_11_me_takes_the_choice_of_attributes() {
    // "the same operations": what a GET of the real resource takes, this one takes.
    let service = Service::start();
    service.user("ada", json!({"password": PASSWORD, "title": "Dr", "nickName": "A"}));
    let session = service.daemon.session("ada", PASSWORD);
    let me = service.with_token(Some(&session)).get("/Me?attributes=title").with(200);
    assert_eq!((&me.json["title"], me.json.get("nickName")), (&json!("Dr"), None));
}

#[test]
fn rfc7644_3_14_a_version_is_told_and_who_has_it_gets_no_body() {
    let service = Service::start();
    let user = service.path_of("ada", json!({}));
    let group = format!("/Groups/{}", service.group("staff", &[]));
    let locker = format!("/Lockers/{}", service.locker("L1"));
    for path in [user, group, locker] {
        let first = service.get(&path).with(200);
        let tag = first.text("/meta/version");
        assert_eq!(first.header("etag"), tag);
        for tags in [tag.clone(), "*".to_owned(), format!("W/\"99\", {tag}")] {
            let said = service.send("GET", &path, None, &[("if-none-match", &tags)]).with(304);
            assert_eq!(said.header("etag"), tag);
        }
        service.send("GET", &path, None, &[("if-none-match", "W/\"99\"")]).with(200);
        let changed = service.patch(&path, &super::op("replace", "displayName", json!("x"))).with(200);
        assert_ne!(changed.header("etag"), tag);
        assert_eq!(changed.header("etag"), changed.text("/meta/version"));
        service.send("GET", &path, None, &[("if-none-match", &tag)]).with(200);
        // The version of a list is that of its resources.
        let endpoint = path.rsplit_once('/').unwrap().0;
        assert_eq!(service.get(endpoint).with(200).listed()[0]["meta"]["version"], changed.header("etag"));
    }
}

#[test]
fn rfc7644_3_14_a_change_of_another_version_is_refused() {
    let service = Service::start();
    let user = (service.path_of("ada", json!({})), json!({"schemas": [USER], "userName": "ada", "title": "Dr"}));
    let group =
        (format!("/Groups/{}", service.group("staff", &[])), json!({"schemas": [GROUP], "displayName": "crew"}));
    let mut door = locker("L1");
    door["displayName"] = json!("Door");
    let other = (format!("/Lockers/{}", service.locker("L1")), door);
    let patch = json!({"schemas": [super::PATCH], "Operations": super::op("replace", "displayName", json!("x"))});
    for (path, body) in [user, group, other] {
        let before = service.everything();
        let bodies = [("PUT", body.to_string()), ("PATCH", patch.to_string()), ("DELETE", String::new())];
        for stale in ["W/\"99\"", "\"x\"", "W/\"98\", W/\"99\""] {
            for (method, body) in bodies.clone() {
                let said = service.send(method, &path, Some(body), &[("if-match", stale)]).with(412);
                assert_eq!(said.json["status"], "412");
            }
        }
        assert_eq!(service.everything(), before);
        let tag = service.get(&path).with(200).header("etag").to_owned();
        for (method, body) in bodies {
            let now = service.get(&path).with(200).header("etag").to_owned();
            let said = service.send(method, &path, Some(body), &[("if-match", &now)]);
            said.with(if method == "DELETE" { 204 } else { 200 });
        }
        service.send("GET", &path, None, &[("if-none-match", &tag)]).with(404);
    }
}

//! Groups over the API.

use serde_json::json;

use crate::harness::daemon::TestDaemon;

#[test]
fn groups_nest_and_none_contains_itself() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for name in ["inner", "outer"] {
        assert_eq!(admin.post("/api/v1/groups", &json!({"name": name})).status, 201);
    }
    assert_eq!(admin.post("/api/v1/groups", &json!({"name": "INNER"})).code(), "name_taken");
    daemon.local_user("ada", "correct horse battery");
    admin.post("/api/v1/groups/inner/members", &json!({"add_users": ["ada"]}));
    admin.post("/api/v1/groups/outer/members", &json!({"add_groups": ["inner"]}));
    for (group, member) in [("inner", "outer"), ("inner", "inner")] {
        let refused = admin.post(&format!("/api/v1/groups/{group}/members"), &json!({"add_groups": [member]}));
        assert_eq!((refused.status, refused.text("/errors/0/code")), (400, "contains_itself".to_owned()));
    }
    let groups = admin.get("/api/v1/users/ada").json["groups"].clone();
    let direct =
        |name: &str| groups.as_array().unwrap().iter().find(|group| group["name"] == name).unwrap()["direct"].clone();
    assert_eq!((direct("inner"), direct("outer")), (json!(true), json!(false)));
    assert_eq!(admin.get("/api/v1/groups/inner/members").json["items"].as_array().unwrap().len(), 1);
    assert_eq!(admin.delete("/api/v1/groups/inner").status, 204);
    assert_eq!(admin.get("/api/v1/users/ada").json["groups"], json!([]));
}

#[test]
fn members_are_paged_and_adding_twice_changes_nothing() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "all"}));
    let names: Vec<String> = (0..5).map(|n| format!("user{n}")).collect();
    for name in &names {
        daemon.local_user(name, "correct horse battery");
    }
    let add = || admin.post("/api/v1/groups/all/members", &json!({"add_users": names})).json["changed"].clone();
    assert_eq!((add(), add()), (json!(5), json!(0)));
    let first = admin.get("/api/v1/groups/all/members?limit=3");
    let rest = admin.get(&format!("/api/v1/groups/all/members?limit=3&cursor={}", first.text("/next_cursor")));
    assert_eq!(rest.json["items"].as_array().unwrap().len(), 2);
    let renamed = admin.patch("/api/v1/groups/all", &json!({"name": "everybody", "description": "d"}));
    assert_eq!((renamed.status, renamed.text("/name")), (200, "everybody".to_owned()));
    assert_eq!(admin.get("/api/v1/groups/all").status, 404);
}

//! Bad input: each is refused in SCIM's form, at once, and nothing is written.

use std::time::Duration;

use musterd::base::clock::Stopwatch;
use serde_json::{Value, json};

use super::{BULK, ENTERPRISE, GYM, Idp, PATCH, SCIM_JSON, SEARCH, Said, Service, USER, id, op};

/// How long a refusal may take; without optimisation a multiple of it.
const AT_ONCE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 });
/// How often it may be tried: the machine may be busy with something else.
const TRIES: usize = 5;
const ANY: &[&str] = &[];

/// The service with something to lose.
struct Scene {
    service: Service,
    user: String,
    group: String,
    before: Value,
}

impl Scene {
    fn set() -> Self {
        let service = Service::start();
        let more = json!({"title": "Dr", "emails": [{"value": "a@example.org", "type": "work", "primary": true}]});
        let user = service.path_of("ada", more);
        let group = format!("/Groups/{}", service.group("staff", &[user.strip_prefix("/Users/").unwrap()]));
        let before = service.everything();
        Self { service, user, group, before }
    }

    /// The request is refused so, at once, and everything is as it was, revisions and times too.
    fn refuses(&self, status: u16, scim_types: &[&str], request: impl Fn() -> Said) {
        let mut best = Duration::MAX;
        for _ in 0..TRIES {
            let watch = Stopwatch::start();
            let said = request();
            best = best.min(watch.elapsed());
            let said = said.with(status);
            match said.json.get("scimType").and_then(Value::as_str) {
                Some(word) => assert!(scim_types.contains(&word), "{said:?}"),
                None => assert!(scim_types.is_empty(), "{said:?}"),
            }
            if best < AT_ONCE {
                break;
            }
        }
        assert!(best < AT_ONCE, "{best:?}: {:?}", request());
        assert_eq!(self.service.everything(), self.before);
    }

    /// A body as it is, by every way in that takes one.
    fn refuses_everywhere(&self, status: u16, scim_types: &[&str], body: &str, content_type: &str) {
        let ways = [
            ("POST", "/Users"),
            ("PUT", self.user.as_str()),
            ("PATCH", self.user.as_str()),
            ("POST", "/Groups"),
            ("PUT", self.group.as_str()),
            ("PATCH", self.group.as_str()),
            ("POST", "/Users/.search"),
            ("POST", "/.search"),
            ("POST", "/Bulk"),
        ];
        for (method, path) in ways {
            let headers = [("content-type", content_type)];
            self.refuses(status, scim_types, || self.service.send(method, path, Some(body.to_owned()), &headers));
        }
    }
}

#[test]
fn bad_input_broken_json() {
    let scene = Scene::set();
    let broken = ["", "{", "nonsense", "[]", "null", "{\"a\": 1,}", "{\"a\": 1} x", "{\"a\": \"\u{1}\"}", "\u{feff}{}"];
    for body in broken {
        scene.refuses_everywhere(400, &["invalidSyntax"], body, SCIM_JSON);
    }
    let twice = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"userName\":\"b\"}}");
    scene.refuses_everywhere(400, &["invalidSyntax"], &twice, SCIM_JSON);
}

#[test]
fn bad_input_a_content_type_that_is_none() {
    let scene = Scene::set();
    let body = json!({"schemas": [USER], "userName": "bob"}).to_string();
    for kind in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp", "json", "x"]
    {
        scene.refuses_everywhere(415, ANY, &body, kind);
    }
}

#[test]
fn bad_input_deep_and_long_filters() {
    let scene = Scene::set();
    let deep = |n: usize| format!("{}userName pr{}", "(".repeat(n), ")".repeat(n));
    let many = |n: usize| vec!["userName eq \"x\""; n].join(" or ");
    let filters = [
        deep(1_000),
        deep(100_000),
        format!("{}userName pr{}", "not (".repeat(1_000), ")".repeat(1_000)),
        "emails[".repeat(10_000),
        format!("userName eq \"{}\"", "x".repeat(100_000)),
        many(10_000),
        "(".repeat(500_000),
        "\"".repeat(100_000),
        "userName eq \"\\u12\"".to_owned(),
    ];
    for filter in filters {
        let search = json!({"schemas": [SEARCH], "filter": filter});
        scene.refuses(400, &["invalidFilter"], || scene.service.post("/Users/.search", &search));
        scene.refuses(400, &["invalidFilter"], || scene.service.post("/.search", &search));
        if filter.len() < 20_000 {
            scene.refuses(400, &["invalidFilter"], || scene.service.find("/Users", &filter));
        }
        let patch = op("remove", &format!("emails[{filter}]"), Value::Null);
        scene.refuses(400, &["invalidFilter", "invalidPath"], || scene.service.patch(&scene.user, &patch));
    }
}

#[test]
fn bad_input_json_that_is_a_million_deep() {
    let scene = Scene::set();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        // As deep as a body may be long.
        for depth in [100_usize, 10_000, (1 << 20) / (open.len() + close.len()) - 200] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let inside = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"name\":{deep}}}");
            for body in [&deep, &inside, &open.repeat(depth)] {
                scene
                    .refuses(400, &["invalidSyntax"], || scene.service.send("POST", "/Users", Some(body.clone()), &[]));
            }
        }
    }
    let million = "[".repeat(1_000_000);
    scene.refuses_everywhere(400, &["invalidSyntax"], &million, SCIM_JSON);
}

#[test]
fn bad_input_unknown_operators() {
    let scene = Scene::set();
    for operation in ["jump", "", "addd", "move", "copy", "test", "🙂"] {
        let patch = op(operation, "title", json!("x"));
        scene.refuses(400, &["invalidSyntax"], || scene.service.patch(&scene.user, &patch));
        scene.refuses(400, &["invalidSyntax"], || scene.service.patch(&scene.group, &patch));
    }
    for operator in ["xx", "=", "like", "in", "eqq", "🙂"] {
        let filter = format!("userName {operator} \"ada\"");
        scene.refuses(400, &["invalidFilter"], || scene.service.find("/Users", &filter));
    }
    for query in ["sortOrder=sideways&sortBy=userName", "startIndex=one", "count=many", "count=1e1"] {
        scene.refuses(400, &["invalidValue"], || scene.service.get(&format!("/Users?{query}")));
    }
}

#[test]
fn bad_input_paths_to_nowhere() {
    let scene = Scene::set();
    let long = format!("name.{}", "x".repeat(10_000));
    for at in ["nothing", "name.nothing", "emails.nothing", "emails[", "]", "..", "../../Users", "urn:x:y", &long] {
        for operation in ["add", "replace"] {
            let patch = op(operation, at, json!("x"));
            scene.refuses(400, &["invalidPath"], || scene.service.patch(&scene.user, &patch));
        }
        let remove = json!([{"op": "remove", "path": at}]);
        scene.refuses(400, &["invalidPath"], || scene.service.patch(&scene.user, &remove));
    }
    for path in
        ["/Nothings", "/Users/nobody", "/Groups/nobody", "/Users/a/b", "/Users/%00", "/Users/..%2f..", "/Schemas/x"]
    {
        scene.refuses(404, ANY, || scene.service.get(path));
    }
    let remove = json!([{"op": "remove", "path": "emails[type eq \"nowhere\"]"}]);
    scene.refuses(400, &["noTarget"], || scene.service.patch(&scene.user, &remove));
}

#[test]
fn bad_input_a_second_primary() {
    let scene = Scene::set();
    let two = json!([{"value": "b@example.org", "primary": true}, {"value": "c@example.org", "primary": "True"}]);
    let create = json!({"schemas": [USER], "userName": "bob", "emails": two});
    scene.refuses(400, &["invalidValue"], || scene.service.post("/Users", &create));
    let replace = json!({"schemas": [USER], "userName": "ada", "emails": two});
    scene.refuses(400, &["invalidValue"], || scene.service.put(&scene.user, &replace));
    for operation in ["add", "replace"] {
        let patch = op(operation, "emails", two.clone());
        scene.refuses(400, &["invalidValue"], || scene.service.patch(&scene.user, &patch));
    }
}

#[test]
fn bad_input_dates_that_are_none() {
    let scene = Scene::set();
    let dates =
        ["2020-01-01", "yesterday", "2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "99999-01-01T00:00:00Z", "0"];
    for date in dates {
        let create = json!({"schemas": [USER], "userName": "bob", GYM: {"joinedAt": date}});
        scene.refuses(400, &["invalidValue"], || scene.service.post("/Users", &create));
        let patch = op("add", &format!("{GYM}:joinedAt"), json!(date));
        scene.refuses(400, &["invalidValue"], || scene.service.patch(&scene.user, &patch));
        for name in [&format!("{GYM}:joinedAt"), "meta.created"] {
            let filter = format!("{name} gt \"{date}\"");
            scene.refuses(400, &["invalidFilter"], || scene.service.find("/Users", &filter));
        }
    }
}

#[test]
fn bad_input_five_megabytes() {
    let scene = Scene::set();
    let large = json!({"schemas": [USER], "userName": "bob", "title": "x".repeat(5 << 20)}).to_string();
    scene.refuses_everywhere(413, ANY, &large, SCIM_JSON);
}

#[test]
fn bad_input_ten_thousand_operations() {
    let scene = Scene::set();
    let operations = vec![json!({"op": "add", "path": "title", "value": "x"}); 10_000];
    let patch = json!({"schemas": [PATCH], "Operations": operations}).to_string();
    assert!(patch.len() < 1 << 20, "it is the number that is refused");
    scene.refuses(413, ANY, || scene.service.send("PATCH", &scene.user, Some(patch.clone()), &[]));
    let operations: Vec<_> = (0..10_000).map(|n| json!({"method": "DELETE", "path": format!("/Users/{n}")})).collect();
    let bulk = json!({"schemas": [BULK], "Operations": operations}).to_string();
    assert!(bulk.len() < 1 << 20);
    scene.refuses(413, ANY, || scene.service.send("POST", "/Bulk", Some(bulk.clone()), &[]));
}

/// Everything that a token could be used for.
fn uses(scene: &Scene, idp: &Idp, status: u16) {
    let body = json!({"schemas": [USER], "userName": "ada"});
    scene.refuses(status, ANY, || idp.get(&scene.user));
    scene.refuses(status, ANY, || idp.put(&scene.user, &body));
    scene.refuses(status, ANY, || idp.patch(&scene.user, &op("add", "nickName", json!("x"))));
    scene.refuses(status, ANY, || idp.delete(&scene.user));
    scene.refuses(status, ANY, || idp.delete(&scene.group));
}

#[test]
fn bad_input_wrong_and_revoked_tokens() {
    let scene = Scene::set();
    let daemon = &scene.service.daemon;
    let made = daemon.musterd(&["token", "create", "--json", "--source", "okta"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let token = made["token"].as_str().unwrap();
    scene.service.with_token(Some(token)).get(&scene.user).with(200);
    assert!(daemon.musterd(&["token", "revoke", &id(&made)]).status.success());
    let long = "x".repeat(10_000);
    let cut = &token[..token.len() - 1];
    for wrong in [token, cut, &token.to_uppercase(), "x", "mst_", "'; drop table tokens", &long] {
        let idp = scene.service.with_token(Some(wrong));
        uses(&scene, &idp, 401);
        scene.refuses(401, ANY, || idp.post("/Users", &json!({"schemas": [USER], "userName": "bob"})));
        scene.refuses(401, ANY, || idp.get("/ServiceProviderConfig"));
    }
    uses(&scene, &scene.service.with_token(None), 401);
}

#[test]
fn bad_input_another_sources_id() {
    let scene = Scene::set();
    let entra = scene.service.entra();
    uses(&scene, &entra, 404);
    let user = scene.user.strip_prefix("/Users/").unwrap();
    let operations = json!([{"method": "DELETE", "path": scene.user}, {"method": "DELETE", "path": scene.group}]);
    let said = entra.bulk(&operations).with(200);
    assert!(said.json["Operations"].as_array().unwrap().iter().all(|one| one["status"] == "404"), "{said:?}");
    assert_eq!(entra.find("/Users", &format!("id eq \"{user}\"")).with(200).json["totalResults"], 0);
    let manager = entra.user("eve", json!({ENTERPRISE: {"manager": {"value": user}}}));
    let shown = manager[ENTERPRISE]["manager"].to_string();
    assert!(!shown.contains("ada"), "{shown}");
    assert_eq!(scene.service.everything(), scene.before);
}

//! RFC 7644 §2, §3.1, §3.8, §3.10, §3.12, §3.13, §5, §6 and §7: who may come in, media types, errors, names, names of
//! people, and what the transport must be.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{
    ENTERPRISE, ERROR, GROUP, GYM, Idp, PASSWORD, SCIM_JSON, SEARCH, Service, USER, encoded, id, op, settings,
};

/// Sends bytes as they are; the whole answer as text, and its body.
fn raw(service: &Service, request: &[u8]) -> (String, Value) {
    let mut stream = TcpStream::connect(service.daemon.inside.settings.listen).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn rfc7644_2_who_is_not_known_is_told_how_to_authenticate() {
    let service = Service::start();
    let anonymous = service.with_token(None);
    let schemes = ["", "non-token", "Bearer", "Bearer x", "Bearer mst_x", "Basic YWRhOmFkYQ==", "bearer  "];
    for (method, path) in
        [("GET", "/Users"), ("POST", "/Users"), ("GET", "/Schemas"), ("PATCH", "/Groups/x"), ("GET", "/x")]
    {
        for scheme in schemes {
            let shown = [("authorization", scheme)];
            let headers: &[(&str, &str)] = if scheme.is_empty() { &[] } else { &shown };
            let said = anonymous.send(method, path, Some("{}".to_owned()), headers).with(401);
            assert!(said.header("www-authenticate").starts_with("Bearer"), "{said:?}");
            assert_eq!((&said.json["schemas"], &said.json["status"]), (&json!([ERROR]), &json!("401")));
        }
    }
}

#[test]
fn rfc7644_2_a_token_without_the_right_is_forbidden() {
    let service = Service::start();
    service.user("ada", json!({"password": PASSWORD}));
    let admin = service.daemon.token(&["--scope", "admin"]);
    let session = service.daemon.session("ada", PASSWORD);
    for token in [admin, session] {
        let known = service.with_token(Some(&token));
        for said in [known.get("/Users"), known.post("/Users", &json!({"schemas": [USER], "userName": "x"}))] {
            assert_eq!(said.with(403).json["schemas"], json!([ERROR]));
        }
    }
    // And the token of a source opens nothing else.
    let token = service.daemon.token(&["--source", "okta"]);
    assert_eq!(service.daemon.with_token(&token).get("/api/v1/users").status, 403);
}

#[test]
fn rfc7644_3_1_the_urns_of_messages_are_no_schemas() {
    let service = Service::start();
    let messages = "urn:ietf:params:scim:api:messages:2.0:";
    for schema in service.get("/Schemas").with(200).listed() {
        assert!(!schema["id"].as_str().unwrap().starts_with(messages), "{schema}");
    }
    for name in ["ListResponse", "SearchRequest", "PatchOp", "BulkRequest", "BulkResponse", "Error"] {
        service.get(&format!("/Schemas/{messages}{name}")).with(404);
    }
    for said in [
        service.get("/Users"),
        service.get("/Users/x"),
        service.bulk(&json!([{"method": "DELETE", "path": "/Users/x"}])),
    ] {
        let urns = said.json["schemas"].as_array().unwrap();
        assert!(urns.len() == 1 && urns[0].as_str().unwrap().starts_with(messages), "{said:?}");
    }
}

#[test]
fn rfc7644_3_8_bodies_are_utf_8_json_of_the_media_type_without_a_charset() {
    let service = Service::start();
    let name = "Zoë Müller 李 😀";
    let made = service.user("zoë", json!({"displayName": name}));
    assert_eq!(made["displayName"], name);
    assert_eq!(service.names(&format!("displayName eq \"{name}\"")), ["zoë"]);
    let path = format!("/Users/{}", id(&made));
    for accept in [SCIM_JSON, "application/scim+json;q=0.9, text/html;q=0.1"] {
        // `Said::checked` holds every answer to the exact media type.
        service.send("GET", &path, None, &[("accept", accept)]).with(200);
    }
    let token = service.daemon.token(&["--source", "okta"]);
    let head =
        format!("POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n");
    let body = b"{\"userName\": \"\xff\xfe\"}";
    let mut request = format!("{head}content-type: {SCIM_JSON}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend(body);
    let (answer, json) = raw(&service, &request);
    assert!(answer.starts_with("http/1.1 400"), "{answer}");
    assert_eq!(json["scimType"], "invalidSyntax");
}

#[test]
fn rfc7644_3_8_plain_json_and_any_accept_work_too() {
    let service = Service::start();
    let kinds =
        ["application/json", "application/json; charset=utf-8", "application/scim+json; charset=UTF-8", SCIM_JSON];
    for (number, kind) in kinds.into_iter().enumerate() {
        for (at, accept) in ["application/json", "*/*", "application/*", SCIM_JSON].into_iter().enumerate() {
            let body = json!({"schemas": [USER], "userName": format!("u{number}{at}")}).to_string();
            let headers = [("content-type", kind), ("accept", accept)];
            service.send("POST", "/Users", Some(body), &headers).with(201);
        }
    }
    // No Accept at all.
    let token = service.daemon.token(&["--source", "okta"]);
    let request =
        format!("GET /scim/v2/Users HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n");
    let (head, list) = raw(&service, request.as_bytes());
    assert!(head.starts_with("http/1.1 200") && head.contains("\r\ncontent-type: application/scim+json\r\n"), "{head}");
    assert_eq!(list["totalResults"], 16);
}

#[test]
fn rfc7644_3_4_2_unknown_parameters_are_ignored() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    for query in ["aadOptscim062020", "x=y&&=&z", "count=2&unknown[]=%20"] {
        service.get(&format!("/Users?{query}")).with(200);
        service.get(&format!("{path}?{query}")).with(200);
        service.patch(&format!("{path}?{query}"), &op("replace", "title", json!(query))).with(200);
    }
}

/// An error of every kind that a caller can bring about. 500 needs a fault of the daemon: none is known.
fn errors(service: &Service) -> Vec<(u16, super::Said)> {
    let path = service.path_of("ada", json!({}));
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20));
    let user = json!({"schemas": [USER], "userName": "ada"});
    let stale = [("if-match", "W/\"99\"")];
    vec![
        (400, service.post("/Users", &json!({}))),
        (401, service.with_token(None).get("/Users")),
        (403, service.with_token(Some(&service.daemon.token(&["--scope", "admin"]))).get("/Users")),
        (404, service.get("/Users/nobody")),
        (404, service.get("/Nothings")),
        (405, service.delete("/Users")),
        (405, service.send("PUT", "/Groups", Some("{}".to_owned()), &[])),
        (409, service.post("/Users", &user)),
        (412, service.send("PUT", &path, Some(user.to_string()), &stale)),
        (413, service.send("POST", "/Users", Some(large), &[])),
        (415, service.send("POST", "/Users", Some("<x/>".to_owned()), &[("content-type", "application/xml")])),
        (501, service.get("/Me")),
    ]
}

#[test]
fn rfc7644_3_12_every_error_has_its_form() {
    let service = Service::start();
    for (status, said) in errors(&service) {
        let said = said.with(status);
        let names = super::members(&said.json);
        assert!(names.iter().all(|name| ["schemas", "status", "scimType", "detail"].contains(name)), "{said:?}");
        assert_eq!((&said.json["schemas"], &said.json["status"]), (&json!([ERROR]), &json!(status.to_string())));
        if ![400, 409, 403].contains(&status) {
            assert_eq!(said.json.get("scimType"), None, "none is defined for {said:?}");
        }
    }
}

#[test]
fn rfc7644_3_12_the_words_of_errors_are_those_of_the_rfcs() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    service.user("bob", json!({}));
    let first = service.get("/Users?cursor&count=1").with(200).text("/nextCursor");
    service.find("/Users", "userName xx \"a\"").refused(400, "invalidFilter");
    service.post("/Users", &json!({"schemas": [USER], "userName": "ADA"})).refused(409, "uniqueness");
    service.patch(&path, &op("replace", "id", json!("x"))).refused(400, "mutability");
    service.send("POST", "/Users", Some("{".to_owned()), &[]).refused(400, "invalidSyntax");
    service.patch(&path, &op("replace", "emails[", json!("x"))).refused(400, "invalidPath");
    service.patch(&path, &json!([{"op": "remove"}])).refused(400, "noTarget");
    service.post("/Users", &json!({"schemas": [USER], "userName": 7})).refused(400, "invalidValue");
    service.find("/Users", "password eq \"x\"").refused(403, "sensitive");
    service.get("/Users?cursor=x").refused(400, "invalidCursor");
    service.get("/Users?cursor&count=x").refused(400, "invalidCount");
    service.pass_seconds(86_400);
    service.get(&format!("/Users?count=1&cursor={first}")).refused(400, "expiredCursor");
    // tooMany and invalidVers are never needed: long lists come in pages, and a version that is not there is a path
    // that is not there.
}

#[test]
fn rfc7644_3_13_the_version_is_in_the_path_and_another_is_refused() {
    let service = Service::start();
    service.user("ada", json!({}));
    assert_eq!(service.get("/Users").with(200).listed().len(), 1);
    let token = service.daemon.token(&["--source", "okta"]);
    let caller = service.daemon.with_token(&token);
    for path in ["/scim/v9/Users", "/scim/v1/Users", "/scim/v2.1/Users"] {
        let answer = caller.get(path);
        let refused = answer.status == 404 || answer.status == 400 && answer.json["scimType"] == "invalidVers";
        assert!(refused && answer.json["schemas"] == json!([ERROR]), "{path}: {answer:?}");
    }
}

#[test]
fn rfc7644_3_13_without_a_version_the_newest_is_used() {
    let service = Service::start();
    service.user("ada", json!({}));
    let caller = service.daemon.with_token(&service.daemon.token(&["--source", "okta"]));
    let answer = caller.get("/scim/Users");
    assert_eq!((answer.status, &answer.json["totalResults"]), (200, &json!(1)), "{answer:?}");
}

#[test]
fn rfc7644_3_10_names_are_taken_with_and_without_urn_in_any_case() {
    let service = Service::start();
    let manager = id(&service.user("boss", json!({})));
    let more = json!({"name": {"familyName": "L"}, ENTERPRISE: {"department": "d", "manager": {"value": manager}}});
    let path = service.path_of("ada", more);
    let filters = [
        format!("{USER}:userName eq \"ada\""),
        format!("{}:USERNAME eq \"ada\"", USER.to_uppercase()),
        format!("{USER}:name.familyName eq \"l\""),
        "NAME.FAMILYNAME eq \"l\"".to_owned(),
        format!("{ENTERPRISE}:department eq \"d\""),
        format!("{ENTERPRISE}:manager.value eq \"{manager}\""),
        format!("{}:Manager.VALUE eq \"{manager}\"", ENTERPRISE.to_uppercase()),
    ];
    for filter in filters {
        assert_eq!(service.names(&filter), ["ada"], "{filter}");
    }
    for names in [format!("{ENTERPRISE}:manager.value"), format!("{}:MANAGER.Value", ENTERPRISE.to_uppercase())] {
        let shown = service.get(&format!("{path}?attributes={names}")).with(200);
        assert_eq!(shown.json[ENTERPRISE], json!({"manager": {"value": manager}}), "{names}");
    }
    let core = service.get(&format!("{path}?attributes={}:name.FAMILYNAME", USER.to_uppercase())).with(200);
    assert_eq!(core.json["name"], json!({"familyName": "L"}));
    let operations = json!([
        {"op": "replace", "path": format!("{USER}:title"), "value": "Dr"},
        {"op": "replace", "path": format!("{}:NAME.givenname", USER.to_uppercase()), "value": "Ada"},
        {"op": "replace", "path": format!("{}:DEPARTMENT", ENTERPRISE.to_uppercase()), "value": "e"},
    ]);
    let patched = service.patch(&path, &operations).with(200);
    assert_eq!((&patched.json["title"], &patched.json["name"]["givenName"]), (&json!("Dr"), &json!("Ada")));
    assert_eq!(patched.json[ENTERPRISE]["department"], "e");
    let sorted = service.get(&format!("/Users?sortBy={}:USERNAME", USER.to_uppercase())).with(200).listed();
    assert_eq!(sorted[0]["userName"], "ada");
}

#[test]
fn rfc7644_7_2_plain_http_is_for_this_machine_alone() {
    // TLS itself is the work of the proxy in front; what the daemon can do is to refuse to listen without one.
    let load = |server: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("musterd.toml");
        std::fs::write(&file, format!("[server]\n{server}\n{}", settings(""))).unwrap();
        let start = crate::harness::daemon::START.parse().unwrap();
        musterd::config::load(Some(&file), std::iter::empty(), start).map(|_| ()).map_err(|faults| faults.to_string())
    };
    load("listen = \"127.0.0.1:8080\"").unwrap();
    for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.7:8080"] {
        let fault = load(&format!("listen = \"{listen}\"")).unwrap_err();
        assert!(fault.contains("listen"), "{fault}");
    }
}

#[test]
fn rfc7644_7_4_a_token_is_long_has_an_end_and_stands_in_the_header_alone() {
    let service = Service::start();
    let (one, two) = (service.daemon.token(&["--source", "okta"]), service.daemon.token(&["--source", "okta"]));
    assert_ne!(one, two);
    let (_, random) = one.split_once('_').unwrap();
    // RFC 6750 §5.2 by RFC 6749 §10.10: not to be guessed in 2^128 tries; a letter holds six bits at most.
    assert!(random.len() * 6 >= 128, "{} letters", random.len());
    let token = service.daemon.token(&["--source", "okta", "--expires-at", "2026-11-24T12:00:00Z"]);
    let idp = service.with_token(Some(&token));
    idp.get("/Users").with(200);
    service.pass_seconds(86_401);
    assert_eq!(idp.get("/Users").with(401).json.get("scimType"), None);
    service.get("/Users").with(200);
    let anonymous = service.with_token(None);
    anonymous.get(&format!("/Users?access_token={one}&token={one}")).with(400);
}

#[test]
fn rfc7644_5_user_names_and_passwords_compare_prepared() {
    let service = Service::start();
    // One letter, and a letter with a mark on it: RFC 8265 makes them one. So does it with letters of double width.
    let (composed, apart) = ("Zo\u{eb}", "Zoe\u{308}");
    let password = |e: &str| format!("caf{e} under the old bridge");
    service.user(composed, json!({"password": password("\u{e9}")}));
    for twin in [apart, "ZO\u{cb}", "\u{ff3a}o\u{eb}"] {
        let body = json!({"schemas": [USER], "userName": twin});
        service.post("/Users", &body).refused(409, "uniqueness");
        assert_eq!(service.names(&format!("userName eq \"{twin}\"")), [composed], "{twin}");
    }
    for typed in [password("\u{e9}"), password("e\u{301}")] {
        assert_eq!(service.daemon.login(apart, &typed).status, 200, "{typed}");
    }
    // Case matters in a password (RFC 8265 §4.2.2).
    assert_ne!(service.daemon.login(composed, &password("\u{c9}")).status, 200);
    // Names that cannot be one (RFC 8265 §3.4.2): controls, and nothing.
    for wrong in ["a\u{7}b", "\u{200b}"] {
        service.post("/Users", &json!({"schemas": [USER], "userName": wrong})).refused(400, "invalidValue");
    }
    // Other texts come back as they were sent.
    assert_eq!(service.user("bob", json!({"displayName": apart}))["displayName"], apart);
}

#[test]
fn rfc7644_7_5_2_what_is_sensitive_is_not_searched_and_a_search_can_be_posted() {
    let service = Service::start();
    service.user("ada", json!({"password": PASSWORD}));
    let filter = format!("password eq \"{PASSWORD}\"");
    service.find("/Users", &filter).refused(403, "sensitive");
    let search = |filter: &str| json!({"schemas": [SEARCH], "filter": filter});
    service.post("/Users/.search", &search(&filter)).refused(403, "sensitive");
    let found = service.post("/Users/.search", &search("userName eq \"ada\"")).with(200);
    assert_eq!(found.listed().len(), 1);
}

#[test]
fn rfc7644_7_6_who_asks_for_too_much_is_told_when_to_come_back() {
    // Requests by the second are limited by the proxy; what the daemon limits is how many people a provider may take
    // away, and how many passwords are hashed at once (a unit test).
    let service = Service::start_with("budget_floor = 1\nbudget_percent = 0\nbudget_count = 1\n");
    let paths: Vec<_> = (0..3).map(|n| service.path_of(&format!("u{n}"), json!({}))).collect();
    // Who was made today by mistake may go.
    service.pass_seconds(2 * 86_400);
    service.delete(&paths[0]).with(204);
    let before = service.everything();
    let said = service.delete(&paths[1]).with(429);
    assert!(said.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0), "{said:?}");
    assert_eq!(said.json["status"], "429");
    assert_eq!(service.everything(), before);
}

#[test]
fn rfc7644_6_the_token_decides_the_tenant_and_ids_do_not_cross() {
    let service = Service::start();
    let entra = service.entra();
    let user = service.path_of("ada", json!({"externalId": "x"}));
    let group = format!("/Groups/{}", service.group("staff", &[]));
    let locker = format!("/Lockers/{}", service.locker("L1"));
    let before = service.everything();
    for path in [&user, &group, &locker] {
        let own = service.get(path).with(200);
        let mut bodies = vec![entra.get(path), entra.put(path, &own.json), entra.delete(path)];
        bodies.push(entra.patch(path, &op("replace", "displayName", json!("x"))));
        for said in bodies {
            said.with(404);
        }
        let id = own.text("/id");
        assert_eq!(entra.find("/", &format!("id eq \"{id}\"")).with(200).json["totalResults"], 0);
    }
    assert_eq!(entra.get("/").with(200).json["totalResults"], 0);
    refuses_member(&entra, user.strip_prefix("/Users/").unwrap());
    assert_eq!(service.everything(), before);
}

/// A group cannot have somebody of another tenant in it.
fn refuses_member(entra: &Idp, user: &str) {
    let body = json!({"schemas": [GROUP], "displayName": "theirs", "members": [{"value": user}]});
    let said = entra.post("/Groups", &body);
    if said.status == 201 {
        assert_eq!(said.json.get("members"), None, "{said:?}");
    } else {
        assert_eq!(said.status, 400, "{said:?}");
    }
}

#[test]
fn rfc7644_3_10_an_extension_of_the_settings_is_named_by_its_urn_too() {
    let service = Service::start();
    let path = service.path_of("ada", json!({GYM: {"age": 36, "home": "https://example.org/"}}));
    assert_eq!(service.names(&format!("{}:AGE eq 36", GYM.to_uppercase())), ["ada"]);
    let query = format!("/Users?attributes={GYM}:age&filter={}", encoded(&format!("{GYM}:home pr")));
    assert_eq!(service.get(&query).with(200).listed()[0][GYM], json!({"age": 36}));
    let patched = service.patch(&path, &op("replace", &format!("{GYM}:AGE"), json!(37))).with(200);
    assert_eq!(patched.json[GYM]["age"], 37);
}

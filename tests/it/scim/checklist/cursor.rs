//! RFC 9865: pages by cursor.

use serde_json::{Value, json};

use super::{SEARCH, Said, Service, encoded, op};

fn people(names: &[&str]) -> Service {
    let service = Service::start();
    for name in names {
        service.user(name, json!({"title": "Dr"}));
        // Lists are in the order of age.
        service.pass_seconds(1);
    }
    service
}

fn names(said: &Said) -> Vec<String> {
    let resources = said.json["Resources"].as_array().unwrap();
    resources.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
}

/// Every page of a list: the names of each.
fn walk(service: &Service, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let said = service.get(&format!("{query}&cursor={cursor}")).with(200);
        assert_eq!(said.json.get("startIndex"), None, "{said:?}");
        assert!(!pages.is_empty() || said.json.get("previousCursor").is_none(), "{said:?}");
        assert_eq!(said.json["itemsPerPage"], json!(names(&said).len()));
        pages.push(names(&said));
        match said.json.get("nextCursor") {
            Some(next) => cursor = encoded(next.as_str().unwrap()),
            None => return pages,
        }
    }
}

#[test]
fn rfc9865_2_an_empty_cursor_begins_and_the_last_page_has_no_next() {
    let service = people(&["a", "b", "c", "d", "e"]);
    assert_eq!(walk(&service, "/Users?count=2"), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    assert_eq!(walk(&service, "/Users?count=5"), [["a", "b", "c", "d", "e"]]);
    assert_eq!(walk(&service, "/Users?count=9"), [["a", "b", "c", "d", "e"]]);
    let sorted = "/Users?count=3&sortBy=userName&sortOrder=descending";
    assert_eq!(walk(&service, sorted), [vec!["e", "d", "c"], vec!["b", "a"]]);
    let filtered = format!("/Users?count=1&filter={}", encoded("userName gt \"b\" and userName lt \"e\""));
    assert_eq!(walk(&service, &filtered), [["c"], ["d"]]);
    assert_eq!(walk(&service, "/Groups?count=2"), [[""; 0]], "nothing: one empty page");
}

#[test]
fn rfc9865_2_the_count_is_a_bound_and_the_list_must_stay_the_same() {
    let service = people(&["a", "b", "c", "d"]);
    let first = service.get("/Users?cursor=&count=2").with(200);
    let cursor = encoded(&first.text("/nextCursor"));
    for none in ["count=-1", "count=0"] {
        assert_eq!(names(&service.get(&format!("/Users?cursor&{none}")).with(200)), [""; 0], "{none}");
    }
    let others = [
        format!("filter={}", encoded("title pr")),
        "sortBy=userName".to_owned(),
        "sortBy=userName&sortOrder=descending".to_owned(),
    ];
    for other in others {
        service.get(&format!("/Users?cursor={cursor}&count=2&{other}")).refused(400, "invalidCursor");
    }
    service.get(&format!("/Groups?cursor={cursor}&count=2")).refused(400, "invalidCursor");
    assert_eq!(names(&service.get(&format!("/Users?cursor={cursor}&count=2")).with(200)), ["c", "d"]);
    // By POST all the same.
    let search = |cursor: &str, more: Value| {
        let mut body = json!({"schemas": [SEARCH], "cursor": cursor, "count": 3});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.post("/Users/.search", &body)
    };
    let first = search("", json!({})).with(200);
    assert_eq!((names(&first), first.json.get("startIndex")), (vec!["a".into(), "b".into(), "c".into()], None));
    let next = first.text("/nextCursor");
    search(&next, json!({"sortBy": "userName"})).refused(400, "invalidCursor");
    let last = search(&next, json!({})).with(200);
    assert_eq!((names(&last), last.json.get("nextCursor")), (vec!["d".to_owned()], None));
}

#[test]
fn rfc9865_2_the_number_of_results_is_right_or_left_out() {
    let service = people(&["a", "b", "c"]);
    let first = service.get("/Users?cursor&count=2").with(200);
    let next = service.get(&format!("/Users?count=2&cursor={}", encoded(&first.text("/nextCursor")))).with(200);
    for said in [first, next] {
        assert!(said.json.get("totalResults").is_none_or(|total| *total == json!(3)), "{said:?}");
    }
}

#[test]
fn rfc9865_2_1_a_bad_cursor_an_old_one_and_a_bad_count() {
    let service = people(&["a", "b", "c"]);
    let cursor = service.get("/Users?cursor&count=1").with(200).text("/nextCursor");
    for bad in ["x", "%00", "!", &"A".repeat(5_000), &cursor[1..], &format!("{cursor}A"), "W/%221%22"] {
        service.get(&format!("/Users?count=1&cursor={bad}")).refused(400, "invalidCursor");
    }
    for bad in ["x", "1.5", "1e3"] {
        service.get(&format!("/Users?cursor&count={bad}")).refused(400, "invalidCount");
    }
    let config = service.get("/ServiceProviderConfig").with(200);
    let timeout = config.json["pagination"]["cursorTimeout"].as_i64().unwrap();
    service.pass_seconds(timeout - 1);
    service.get(&format!("/Users?count=1&cursor={}", encoded(&cursor))).with(200);
    service.pass_seconds(2);
    service.get(&format!("/Users?count=1&cursor={}", encoded(&cursor))).refused(400, "expiredCursor");
}

#[test]
fn rfc9865_2_4_pages_are_by_number_unless_a_cursor_is_asked_for() {
    let service = people(&["a", "b"]);
    for query in ["/Users", "/Users?count=1", "/Users?startIndex=2"] {
        let said = service.get(query).with(200);
        assert!(said.json["startIndex"].is_u64() && said.json.get("nextCursor").is_none(), "{said:?}");
    }
    assert_eq!(service.get("/ServiceProviderConfig").json["pagination"]["defaultPaginationMethod"], "index");
}

#[test]
fn rfc9865_4_the_configuration_tells_how_lists_come() {
    let service = people(&[]);
    let config = service.get("/ServiceProviderConfig").with(200);
    let pagination = &config.json["pagination"];
    assert_eq!((&pagination["cursor"], &pagination["index"]), (&json!(true), &json!(true)));
    for number in ["defaultPageSize", "maxPageSize", "cursorTimeout"] {
        assert!(pagination[number].as_u64().is_some_and(|number| number > 0), "{number}");
    }
    let urn = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
    let schema = service.get(&format!("/Schemas/{urn}")).with(200);
    let attributes = schema.json["attributes"].as_array().unwrap();
    assert!(attributes.iter().any(|one| one["name"] == "pagination"), "its own schema has it");
}

#[test]
fn rfc9865_5_2_a_cursor_is_its_makers_and_cannot_be_made_by_others() {
    let service = people(&["a", "b", "c"]);
    let entra = service.entra();
    for name in ["x", "y"] {
        entra.user(name, json!({}));
    }
    let cursor = service.get("/Users?cursor&count=1").with(200).text("/nextCursor");
    entra.get(&format!("/Users?count=1&cursor={}", encoded(&cursor))).refused(400, "invalidCursor");
    service.with_token(None).get(&format!("/Users?count=1&cursor={}", encoded(&cursor))).with(401);
    // Opaque: neither the place nor anything of the people can be read in it.
    let first = service.get("/Users?count=1").with(200).listed()[0].clone();
    let id = super::id(&first);
    let bytes =
        data_encoding::BASE64URL_NOPAD.decode(cursor.as_bytes()).unwrap_or_else(|_| cursor.clone().into_bytes());
    let shown = format!("{cursor}{}", String::from_utf8_lossy(&bytes));
    assert!(!shown.contains(&id) && !shown.contains("userName"));
    // Unforgeable: no letter can be another.
    for at in (0..cursor.len()).step_by(7) {
        let mut forged = cursor.clone();
        let other = if &forged[at..=at] == "A" { "B" } else { "A" };
        forged.replace_range(at..=at, other);
        service.get(&format!("/Users?count=1&cursor={}", encoded(&forged))).refused(400, "invalidCursor");
    }
    // Dropped with the right to read: the token of the provider is revoked.
    let listed = service.daemon.musterd(&["token", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let tokens = listed["items"].as_array().or_else(|| listed.as_array()).expect("tokens").clone();
    for token in &tokens {
        let id = token["id"].as_str().unwrap();
        assert!(service.daemon.musterd(&["token", "revoke", id]).status.success());
    }
    service.get(&format!("/Users?count=1&cursor={}", encoded(&cursor))).with(401);
}

#[test]
fn rfc9865_5_2_a_page_shows_what_its_reader_may_see_when_it_is_read() {
    let service = people(&["a", "b", "c", "d"]);
    let first = service.get("/Users?cursor&count=2").with(200);
    let cursor = encoded(&first.text("/nextCursor"));
    let third = service.find("/Users", "userName eq \"c\"").listed()[0].clone();
    service.delete(&format!("/Users/{}", super::id(&third))).with(204);
    let second = format!("/Users/{}", super::id(&first.json["Resources"][1]));
    service.patch(&second, &op("replace", "title", json!("Prof"))).with(200);
    assert_eq!(names(&service.get(&format!("/Users?count=2&cursor={cursor}")).with(200)), ["d"]);
}

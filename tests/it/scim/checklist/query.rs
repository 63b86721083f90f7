//! RFC 7644 §3.4, but for filters: reading one and many, sorting, pages by number, the choice of attributes, searches
//! by POST.

use serde_json::{Value, json};

use super::{ENTERPRISE, ERROR, GYM, LIST, PASSWORD, SEARCH, Service, USER, encoded, id, members, op};

#[test]
fn rfc7644_3_4_1_one_is_read_by_its_id() {
    let service = Service::start();
    let made = service.user("ada", json!({}));
    assert_eq!(service.get(&format!("/Users/{}", id(&made))).with(200).json, made);
    for path in ["/Users/nobody", "/Groups/nobody", "/Lockers/nobody", "/Users/019e0000-0000-7000-8000-000000000000"] {
        let said = service.get(path).with(404);
        assert_eq!((&said.json["schemas"], &said.json["status"]), (&json!([ERROR]), &json!("404")));
    }
}

#[test]
fn rfc7644_3_4_2_a_list_has_its_numbers_and_its_resources() {
    let service = Service::start();
    for name in ["ada", "bob", "carl"] {
        service.user(name, json!({}));
        service.pass_seconds(1);
    }
    let list = service.get("/Users").with(200);
    assert_eq!(members(&list.json), ["Resources", "itemsPerPage", "schemas", "startIndex", "totalResults"]);
    assert_eq!(list.json["schemas"], json!([LIST]));
    let numbers = |said: &super::Said| {
        let number = |name: &str| said.json[name].as_u64().unwrap();
        (number("totalResults"), number("startIndex"), number("itemsPerPage"))
    };
    assert_eq!(numbers(&list), (3, 1, 3));
    assert_eq!(list.listed().len(), 3);
    let part = service.get("/Users?startIndex=2&count=1").with(200);
    assert_eq!((numbers(&part), part.listed().len()), ((3, 2, 1), 1));
    assert_eq!(part.listed()[0]["userName"], "bob");
}

#[test]
fn rfc7644_3_4_2_nothing_found_is_an_empty_list() {
    let service = Service::start();
    service.user("ada", json!({}));
    for query in ["/Users?filter=", "/Groups?filter=", "/Lockers?filter=", "/?filter="] {
        for filter in ["userName eq \"nobody\"", "externalId eq \"nobody\"", "nothing pr", "id eq \"x\""] {
            let said = service.get(&format!("{query}{}", encoded(filter))).with(200);
            assert_eq!((&said.json["totalResults"], &said.json["Resources"]), (&json!(0), &json!([])), "{said:?}");
        }
    }
}

#[test]
fn rfc7644_3_4_2_1_a_query_of_the_root_is_of_all_types() {
    let service = Service::start();
    service.user("ada", json!({"displayName": "Blue"}));
    service.group("Blue", &[]);
    service.locker("Blue");
    let kinds = |filter: &str| {
        let found = service.find("/", filter).with(200).listed();
        let mut kinds: Vec<_> =
            found.iter().map(|one| one["meta"]["resourceType"].as_str().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    };
    let all = service.get("/").with(200);
    assert_eq!((all.listed().len(), &all.json["totalResults"]), (3, &json!(3)));
    assert_eq!(kinds("displayName eq \"blue\""), ["Group", "User"]);
    assert_eq!(kinds("meta.resourceType eq \"Group\""), ["Group"]);
    assert_eq!(kinds("(meta.resourceType eq \"User\") or (meta.resourceType eq \"Locker\")"), ["Locker", "User"]);
    // An attribute that a type does not have has no value there.
    assert_eq!(kinds("userName pr"), ["User"]);
    assert_eq!(kinds("not (userName pr)"), ["Group", "Locker"]);
    assert_eq!(kinds("serial eq \"Blue\" or userName eq \"ada\""), ["Locker", "User"]);
    let search = json!({"schemas": [SEARCH], "filter": "displayName eq \"blue\"", "sortBy": "displayName"});
    assert_eq!(service.post("/.search", &search).with(200).listed().len(), 2);
}

#[test]
fn rfc7644_3_4_2_1_too_many_results_come_in_pages() {
    // `tooMany` is for a service that gives up; this one answers with as many as it announces.
    let service = Service::start();
    let most = service.get("/ServiceProviderConfig").with(200).json["filter"]["maxResults"].as_u64().unwrap();
    let operations: Vec<_> = (0..most)
        .map(|n| {
            let data = json!({"schemas": [USER], "userName": format!("u{n}")});
            json!({"method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": data})
        })
        .collect();
    service.bulk(&json!(operations)).with(200);
    service.pass_seconds(1);
    service.user("one-more", json!({}));
    let said = service.get("/Users?count=1000000&attributes=userName").with(200);
    assert_eq!(said.json["totalResults"], most + 1);
    assert_eq!(u64::try_from(said.listed().len()).unwrap(), most);
    let rest = service.get(&format!("/Users?count=1000000&startIndex={}", most + 1)).with(200);
    assert_eq!(rest.listed()[0]["userName"], "one-more");
}

/// The userNames in the order of a sort.
fn order(service: &Service, by: &str, direction: &str) -> Vec<String> {
    let path = format!("/Users?attributes=userName&sortBy={}{direction}", encoded(by));
    let found = service.get(&path).with(200).listed();
    found.iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn rfc7644_3_4_2_3_a_sort_knows_types_case_primaries_and_who_has_no_value() {
    let service = Service::start();
    let people = [
        (
            "bob",
            json!({"age": 100, "joinedAt": "2026-01-01T10:00:00+02:00", "badge": "b", "nick": "b"}),
            json!([
            {"value": "a@example.org"}, {"value": "z@example.org", "primary": true}]),
        ),
        (
            "Ada",
            json!({"age": 9, "joinedAt": "2026-01-01T09:00:00Z", "badge": "C", "nick": "C"}),
            json!([
            {"value": "m@example.org"}, {"value": "b@example.org"}]),
        ),
        ("carl", json!({}), json!(null)),
    ];
    for (name, gym, emails) in people {
        service.user(name, json!({GYM: gym, "emails": emails}));
    }
    let ada_first = ["Ada", "bob", "carl"];
    assert_eq!(order(&service, "userName", ""), ada_first, "ascending unless told, without case");
    assert_eq!(order(&service, "userName", "&sortOrder=ascending"), ada_first);
    assert_eq!(order(&service, "userName", "&sortOrder=descending"), ["carl", "bob", "Ada"]);
    let by = |name: &str| format!("{GYM}:{name}");
    assert_eq!(order(&service, &by("age"), ""), ada_first, "as numbers; without a value last");
    assert_eq!(order(&service, &by("age"), "&sortOrder=descending"), ["carl", "bob", "Ada"], "or first");
    assert_eq!(order(&service, &by("joinedAt"), ""), ["bob", "Ada", "carl"], "as times");
    assert_eq!(order(&service, &by("badge"), ""), ada_first, "capitals first: with case");
    assert_eq!(order(&service, &by("nick"), ""), ["bob", "Ada", "carl"], "without case");
    for by in ["emails", "emails.value"] {
        assert_eq!(order(&service, by, ""), ada_first, "the primary, else the first");
    }
    // sortBy and filter together; and a search by POST does the same.
    let search = json!({"schemas": [SEARCH], "filter": "emails pr", "sortBy": "emails.value",
        "sortOrder": "descending"});
    let found = service.post("/Users/.search", &search).with(200).listed();
    assert_eq!((&found[0]["userName"], found.len()), (&json!("bob"), 2));
}

#[test]
fn rfc7644_3_4_2_4_pages_by_number() {
    let service = Service::start();
    for n in 0..5 {
        service.user(&format!("u{n}"), json!({}));
        service.pass_seconds(1);
    }
    let page = |query: &str| {
        let said = service.get(&format!("/Users?{query}")).with(200);
        let names: Vec<_> = said.listed().iter().map(|user| user["userName"].as_str().unwrap().to_owned()).collect();
        assert_eq!(said.json["totalResults"], 5, "{query}");
        (names, said.json["startIndex"].as_u64().unwrap())
    };
    for start in ["0", "-7", "1"] {
        assert_eq!(page(&format!("startIndex={start}&count=2")), (vec!["u0".into(), "u1".into()], 1), "{start}");
    }
    assert_eq!(page("startIndex=4&count=9"), (vec!["u3".into(), "u4".into()], 4));
    for none in ["count=0", "count=-1", "startIndex=2&count=0"] {
        assert_eq!(page(none).0, [""; 0], "{none}");
    }
    assert_eq!(page("startIndex=6").0, [""; 0]);
    assert_eq!(page("startIndex=99999999999&count=10").0, [""; 0]);
    assert_eq!(page("").0.len(), 5);
    // Of what a filter finds, too.
    let said = service.get(&format!("/Users?count=0&filter={}", encoded("userName eq \"u1\""))).with(200);
    assert_eq!((&said.json["totalResults"], said.listed().len()), (&json!(1), 0));
    for wrong in ["startIndex=x", "count=1.5", "count=%20x"] {
        service.get(&format!("/Users?{wrong}")).refused(400, "invalidValue");
    }
}

#[test]
fn rfc7644_3_4_2_5_attributes_are_chosen_in_every_answer() {
    let service = Service::start();
    let body = json!({"schemas": [USER, ENTERPRISE], "userName": "ada", "title": "Dr",
        "name": {"givenName": "Ada", "familyName": "L"}, "emails": [{"value": "a@example.org", "type": "work"}],
        ENTERPRISE: {"department": "d", "division": "e"}});
    let chosen = format!("attributes=userName,name.familyName,emails.value,{ENTERPRISE}:division");
    let made = service.post(&format!("/Users?{chosen}"), &body).with(201);
    let path = format!("/Users/{}", made.text("/id"));
    let search = json!({"schemas": [SEARCH],
        "attributes": ["userName", "name.familyName", "emails.value", format!("{ENTERPRISE}:division")]});
    let shown = [
        made.json.clone(),
        service.get(&format!("{path}?{chosen}")).with(200).json.clone(),
        service.put(&format!("{path}?{chosen}"), &body).with(200).json.clone(),
        service.patch(&format!("{path}?{chosen}"), &op("replace", "title", json!("Prof"))).with(200).json.clone(),
        service.get(&format!("/Users?{chosen}")).with(200).listed()[0].clone(),
        service.post("/Users/.search", &search).with(200).listed()[0].clone(),
        service.post("/.search", &search).with(200).listed()[0].clone(),
    ];
    let expected = json!({"schemas": [USER, ENTERPRISE], "id": made.json["id"], "userName": "ada",
        "name": {"familyName": "L"}, "emails": [{"value": "a@example.org"}], ENTERPRISE: {"division": "e"}});
    for one in shown {
        assert_eq!(one, expected);
    }
    let left_out = format!("excludedAttributes=name,emails.type,meta,{ENTERPRISE}:department,active");
    let search = json!({"schemas": [SEARCH],
        "excludedAttributes": ["name", "emails.type", "meta", format!("{ENTERPRISE}:department"), "active"]});
    let shown = [
        service.get(&format!("{path}?{left_out}")).with(200).json.clone(),
        service.patch(&format!("{path}?{left_out}"), &op("replace", "title", json!("Dr"))).with(200).json.clone(),
        service.put(&format!("{path}?{left_out}"), &body).with(200).json.clone(),
        service.get(&format!("/Users?{left_out}")).with(200).listed()[0].clone(),
        service.post("/Users/.search", &search).with(200).listed()[0].clone(),
    ];
    for (number, one) in shown.into_iter().enumerate() {
        assert_eq!(members(&one), ["emails", "id", "schemas", "title", ENTERPRISE, "userName"], "{number}");
        assert_eq!(
            (&one["emails"], &one[ENTERPRISE]),
            (&json!([{"value": "a@example.org"}]), &json!({"division": "e"}))
        );
    }
}

#[test]
fn rfc7644_3_4_2_5_the_minimum_set_stays_and_what_is_never_returned_does_not_come() {
    let service = Service::start();
    let path = service.path_of("ada", json!({"password": PASSWORD, GYM: {"card": "blue", "pin": "1"}}));
    let group = format!("/Groups/{}", service.group("staff", &[]));
    let minimum = |path: &str, query: &str| members(&service.get(&format!("{path}?{query}")).with(200).json).join(" ");
    for nothing in ["attributes=password", "attributes=nothing", "attributes=id", &format!("attributes={GYM}:pin")] {
        assert_eq!(minimum(&path, nothing), format!("id schemas {GYM}"), "{nothing}");
        assert_eq!(minimum(&group, nothing), "id schemas", "{nothing}");
    }
    assert_eq!(minimum(&group, "attributes=displayName"), "displayName id schemas");
    let all = format!("excludedAttributes=id,schemas,{GYM}:card,password,meta,active,userName");
    assert_eq!(minimum(&path, &all), format!("id schemas {GYM}"));
}

#[test]
fn rfc7644_3_4_3_a_search_can_be_posted() {
    let service = Service::start();
    service.user("ada", json!({}));
    service.group("staff", &[]);
    service.locker("L1");
    let search = json!({"schemas": [SEARCH]});
    for (path, count) in [("/Users/.search", 1), ("/Groups/.search", 1), ("/Lockers/.search", 1), ("/.search", 3)] {
        let said = service.post(path, &search).with(200);
        assert_eq!((&said.json["schemas"], said.listed().len()), (&json!([LIST]), count), "{path}");
        for wrong in [json!({}), json!({"schemas": [USER]}), json!({"schemas": [LIST]}), json!([])] {
            service.post(path, &wrong).refused(400, "invalidSyntax");
        }
    }
}

#[test]
fn rfc7644_3_4_3_what_is_posted_means_what_it_means_in_the_url() {
    let service = Service::start();
    for n in 0..4 {
        service.user(&format!("u{n}"), json!({"title": "Dr", "nickName": format!("n{n}")}));
    }
    service.user("other", json!({}));
    let query = format!(
        "/Users?filter={}&sortBy=userName&sortOrder=descending&startIndex=2&count=2&attributes=userName,title",
        encoded("title eq \"dr\"")
    );
    let by_url = service.get(&query).with(200);
    let body = json!({"schemas": [SEARCH], "filter": "title eq \"dr\"", "sortBy": "userName", "sortOrder": "descending",
        "startIndex": 2, "count": 2, "attributes": ["userName", "title"]});
    assert_eq!(service.post("/Users/.search", &body).with(200).json, by_url.json);
    let names: Vec<_> = by_url.listed().iter().map(|user| user["userName"].clone()).collect();
    assert_eq!((json!(names), &by_url.json["totalResults"]), (json!(["u2", "u1"]), &json!(4)));
    let without = json!({"schemas": [SEARCH], "excludedAttributes": ["title", "nickName"]});
    let by_url = service.get("/Users?excludedAttributes=title,nickName").with(200);
    assert_eq!(service.post("/Users/.search", &without).with(200).json, by_url.json);
    let broken = json!({"schemas": [SEARCH], "filter": "title xx"});
    service.post("/Users/.search", &broken).refused(400, "invalidFilter");
    let wrong: [(&str, Value); 3] = [("count", json!("x")), ("startIndex", json!({})), ("attributes", json!([7]))];
    for (name, value) in wrong {
        service.post("/Users/.search", &json!({"schemas": [SEARCH], name: value})).refused(400, "invalidValue");
    }
}

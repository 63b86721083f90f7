//! Lists: filters, pages, order, searches.

use serde_json::{Value, json};

use super::support::{World, world};

async fn five() -> World {
    let world = world().await;
    for (name, title) in [("eve", "B"), ("dan", "a"), ("cid", "C"), ("bob", ""), ("ada", "D")] {
        let more = json!({
            "externalId": format!("X-{name}"), "title": title, "active": name != "bob",
            "emails": [{"value": format!("{name}@x.org"), "type": "work", "primary": true}, {"value": format!("{name}@home.org"), "type": "home"}],
        });
        world.okta.user(name, more).await;
        world.pass_seconds(10);
    }
    world.okta.group("staff", &[]).await;
    world.entra.user("zed", json!({"title": "B"})).await;
    world
}

fn names(world: &super::support::Answer) -> String {
    let texts: Vec<String> =
        world.each("userName").iter().map(|name| name.as_str().unwrap_or("-").to_owned()).collect();
    texts.join(" ")
}

#[tokio::test]
async fn filters_find_who_matches_with_and_without_an_index() {
    let world = five().await;
    let cases = [
        ("userName eq \"ADA\"", "ada"),
        ("userName eq \"ａｄａ\"", "ada"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName Eq \"ada\"", "ada"),
        ("userName eq \"ada\" and active eq false", ""),
        ("userName eq \"bob\" and active eq false", "bob"),
        ("externalId eq \"X-ada\"", "ada"),
        ("externalId eq \"x-ada\"", ""),
        ("emails eq \"ada@x.org\"", "ada"),
        ("emails.value eq \"ADA@HOME.ORG\"", "ada"),
        ("emails[type eq \"work\"].value eq \"ada@home.org\"", ""),
        ("emails[type eq \"home\" and value eq \"ada@home.org\"]", "ada"),
        ("id eq \"nobody\"", ""),
        ("active eq \"False\"", "bob"),
        ("title pr and not (title sw \"c\")", "eve dan ada"),
        ("userName eq \"ada\" or userName eq \"bob\"", "bob ada"),
        ("meta.lastModified gt \"2027-01-15T08:00:25Z\"", "bob ada"),
        ("meta.resourceType eq \"Group\"", ""),
        ("nonsense eq \"x\"", ""),
        ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\" and title eq \"b\"", "eve"),
    ];
    for (filter, expected) in cases {
        let answer = world.okta.find("/Users", filter).await.expect(200);
        assert_eq!(names(&answer), expected, "{filter}");
        assert_eq!(answer.body["totalResults"], answer.body["itemsPerPage"], "{filter}");
    }
    for filter in ["", "userName", "userName xx \"a\"", "userName eq", "active gt true", "(userName pr"] {
        world.okta.find("/Users", filter).await.refused(400, "invalidFilter");
    }
}

#[tokio::test]
async fn who_was_changed_since_is_the_same_from_the_index_as_from_everybody() {
    let world = five().await;
    let ada = world.okta.find("/Users", "userName eq \"eve\"").await.each("id")[0].as_str().unwrap().to_owned();
    world.okta.patch(&format!("/Users/{ada}"), json!([{"op": "add", "path": "title", "value": "Z"}])).await.expect(200);
    for second in ["00", "10", "20", "30.000", "30.0001", "40", "49", "50", "59"] {
        for (operator, opposite) in [("gt", "le"), ("ge", "lt")] {
            let time = format!("\"2027-01-15T08:00:{second}Z\"");
            let by_index = world.okta.find("/Users", &format!("meta.lastModified {operator} {time}")).await.expect(200);
            let all = format!("not (meta.lastModified {opposite} {time})");
            let by_scan = world.okta.find("/Users", &all).await.expect(200);
            assert_eq!(names(&by_index), names(&by_scan), "{operator} {time}");
        }
    }
}

#[tokio::test]
async fn pages_count_from_one_and_always_tell_the_total() {
    let world = five().await;
    let cases = [
        ("", "eve dan cid bob ada", 1),
        ("?startIndex=1&count=2", "eve dan", 1),
        ("?startIndex=3&count=2", "cid bob", 3),
        ("?startIndex=5&count=9", "ada", 5),
        ("?startIndex=-3&count=1", "eve", 1),
        ("?startIndex=9", "", 9),
        ("?count=0", "", 1),
        ("?count=-5", "", 1),
        ("?count=99999999999999999999", "eve dan cid bob ada", 1),
        ("?startIndex=99999999999999999999&count=1", "", u64::MAX),
    ];
    for (query, expected, start) in cases {
        let answer = world.okta.get(&format!("/Users{query}")).await.expect(200);
        assert_eq!(names(&answer), expected, "{query}");
        assert_eq!((&answer.body["totalResults"], &answer.body["startIndex"]), (&json!(5), &json!(start)), "{query}");
    }
    for query in ["?count=x", "?startIndex=1.5", "?sortBy=a%20b", "?sortBy=title&sortOrder=up"] {
        world.okta.get(&format!("/Users{query}")).await.refused(400, "invalidValue");
    }
    let filtered = world.okta.get("/Users?filter=active%20eq%20true&startIndex=2&count=2").await.expect(200);
    assert_eq!((names(&filtered).as_str(), &filtered.body["totalResults"]), ("dan cid", &json!(4)));
}

#[tokio::test]
async fn a_page_has_a_hundred_unless_told_and_never_more_than_a_thousand() {
    let world = world().await;
    for n in 0..120 {
        world.okta.user(&format!("u{n}"), json!({})).await;
    }
    let sizes =
        async |query: &str| world.okta.get(&format!("/Users{query}")).await.expect(200).body["itemsPerPage"].clone();
    assert_eq!(sizes("").await, 100);
    assert_eq!(sizes("?count=110").await, 110);
    assert_eq!(sizes("?count=5000").await, 120);
    assert_eq!(sizes("?count=5000&startIndex=101").await, 20);
}

#[tokio::test]
async fn a_list_is_sorted_before_it_is_cut_into_pages() {
    let world = five().await;
    let cases = [
        ("sortBy=userName", "ada bob cid dan eve"),
        ("sortBy=title", "dan eve cid ada bob"),
        ("sortBy=title&sortOrder=descending", "bob ada cid eve dan"),
        ("sortBy=emails&startIndex=2&count=2", "bob cid"),
        ("sortBy=meta.created&sortOrder=descending&count=1", "ada"),
        ("sortBy=nonsense", "eve dan cid bob ada"),
        ("sortBy=title&filter=title%20pr", "dan eve cid ada"),
    ];
    for (query, expected) in cases {
        assert_eq!(names(&world.okta.get(&format!("/Users?{query}")).await.expect(200)), expected, "{query}");
    }
}

#[tokio::test]
async fn searches_by_post_mean_the_same() {
    let world = five().await;
    let search = |more: Value| {
        let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let more = json!({"filter": "active eq true", "sortBy": "userName", "startIndex": 2, "count": 2, "attributes": ["userName"]});
    let answer = world.okta.post("/Users/.search", search(more)).await.expect(200);
    assert_eq!((names(&answer).as_str(), &answer.body["totalResults"]), ("cid dan", &json!(4)));
    assert!(answer.body["Resources"][0].get("active").is_none());
    let groups = world.okta.post("/Groups/.search", search(json!({"filter": "displayName pr"}))).await.expect(200);
    assert_eq!(groups.each("displayName"), [json!("staff")]);
    let both = world.okta.post("/.search", search(json!({}))).await.expect(200);
    assert_eq!((names(&both).as_str(), &both.body["totalResults"]), ("eve dan cid bob ada -", &json!(6)));
    let sorted = search(json!({"sortBy": "meta.created", "sortOrder": "descending", "count": 2}));
    assert_eq!(names(&world.okta.post("/.search", sorted).await.expect(200)), "- ada");
    let narrowed = search(json!({"filter": "meta.resourceType eq \"Group\""}));
    assert_eq!(world.okta.post("/.search", narrowed).await.expect(200).each("displayName"), [json!("staff")]);
    assert_eq!(world.okta.get("/?count=1").await.expect(200).body["totalResults"], 6);
    world.okta.post("/Users/.search", json!({"filter": "id pr"})).await.refused(400, "invalidSyntax");
    world.okta.post("/.search", search(json!({"filter": "("}))).await.refused(400, "invalidFilter");
}

#[tokio::test]
async fn a_filter_by_groups_sees_the_groups_that_are_shown() {
    let world = five().await;
    let ada = world.okta.find("/Users", "userName eq \"ada\"").await.each("id")[0].as_str().unwrap().to_owned();
    let group = world.okta.group("crew", &[&ada]).await;
    for filter in
        [format!("groups.value eq \"{group}\""), "groups[display eq \"CREW\"]".to_owned(), "groups pr".to_owned()]
    {
        assert_eq!(names(&world.okta.find("/Users", &filter).await.expect(200)), "ada", "{filter}");
    }
    assert_eq!(names(&world.okta.find("/Users", "not (groups pr)").await.expect(200)), "eve dan cid bob");
}

#[tokio::test]
async fn pages_by_number_are_exact_whoever_comes_and_goes_between_them() {
    let world = world().await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(world.okta.user(&format!("user{n}"), json!({})).await);
        world.pass_seconds(1);
    }
    let page = async |start: usize| {
        let answer = world.okta.get(&format!("/Users?startIndex={start}&count=3")).await.expect(200);
        answer.each("id").iter().map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!([page(1).await, page(4).await, page(7).await, page(10).await].concat(), ids);
    ids.push(world.okta.user("late", json!({})).await);
    assert_eq!([page(4).await, page(10).await].concat(), [&ids[3..6], &ids[9..11]].concat());
    world.okta.delete(&format!("/Users/{}", ids.remove(1))).await.expect(204);
    assert_eq!([page(4).await, page(7).await, page(4).await].concat(), [&ids[3..9], &ids[3..6]].concat());
    world.entra.user("of another", json!({})).await;
    assert_eq!(page(7).await, ids[6..9]);
    assert!(page(99).await.is_empty());
}

//! RFC 9865: pages by cursor.

use serde_json::{Value, json};

use super::support::{Answer, World, world};

async fn page(world: &World, query: &str, cursor: &str) -> Answer {
    world.okta.get(&format!("{query}{}cursor={cursor}", if query.contains('?') { '&' } else { '?' })).await
}

/// All pages, one after the other: the names, and how many pages there were.
async fn walk(world: &World, query: &str, member: &str) -> (Vec<Value>, usize) {
    let (mut names, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let answer = page(world, query, &cursor).await.expect(200);
        assert!(answer.body.get("startIndex").is_none(), "RFC 9865 §2");
        names.extend(answer.each(member));
        pages += 1;
        match answer.body["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return (names, pages),
        }
    }
}

async fn people(world: &World) {
    for name in ["dora", "ada", "Carl", "bob", "eve"] {
        world.okta.user(name, json!({"title": if name == "bob" { Value::Null } else { json!(name) }})).await;
        world.pass_seconds(1);
    }
}

#[tokio::test]
async fn rfc_9865_2_the_last_page_alone_has_no_next_cursor() {
    let world = world().await;
    people(&world).await;
    let expected = json!(["dora", "ada", "Carl", "bob", "eve"]);
    for (count, pages) in [(1, 5), (2, 3), (5, 1), (100, 1)] {
        let (names, walked) = walk(&world, &format!("/Users?count={count}"), "userName").await;
        assert_eq!((json!(names), walked), (expected.clone(), pages));
    }
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "cursor": "", "count": 3});
    let first = world.okta.post("/Users/.search", body.clone()).await.expect(200);
    let mut more = body;
    more["cursor"] = first.body["nextCursor"].clone();
    assert_eq!(world.okta.post("/Users/.search", more).await.expect(200).each("userName").len(), 2);
}

#[tokio::test]
async fn cursors_follow_the_wanted_order_and_the_filter() {
    let world = world().await;
    people(&world).await;
    let (names, pages) = walk(&world, "/Users?count=2&sortBy=userName&sortOrder=descending", "userName").await;
    assert_eq!((json!(names), pages), (json!(["eve", "dora", "Carl", "bob", "ada"]), 3));
    // Who has no value comes last, once.
    let (names, _) = walk(&world, "/Users?count=1&sortBy=title", "userName").await;
    assert_eq!(json!(names), json!(["ada", "Carl", "dora", "eve", "bob"]));
    let (names, pages) = walk(&world, "/Users?count=1&filter=title%20pr", "userName").await;
    assert_eq!((names.len(), pages), (4, 4));
    let (all, _) = walk(&world, "/?count=2", "id").await;
    assert_eq!(all.len(), 5);
}

#[tokio::test]
async fn nobody_is_missed_or_shown_twice_while_others_come_and_go() {
    let world = world().await;
    people(&world).await;
    let first = page(&world, "/Users?count=2", "").await.expect(200);
    for id in first.each("id") {
        world.okta.delete(&format!("/Users/{}", id.as_str().unwrap())).await.expect(204);
    }
    world.okta.user("late", json!({})).await;
    let next = page(&world, "/Users?count=100", first.body["nextCursor"].as_str().unwrap()).await.expect(200);
    assert_eq!(json!(next.each("userName")), json!(["Carl", "bob", "eve", "late"]));
}

#[tokio::test]
async fn rfc_9865_2_1_cursors_of_others_old_ones_and_forged_ones_are_refused() {
    let world = world().await;
    people(&world).await;
    world.entra.user("x", json!({})).await;
    let next = page(&world, "/Users?count=2", "").await.body["nextCursor"].as_str().unwrap().to_owned();
    let mut forged = next.clone();
    forged.replace_range(10..11, if forged.as_bytes()[10] == b'A' { "B" } else { "A" });
    for bad in ["x", "!", &forged, &"A".repeat(20_000)] {
        page(&world, "/Users?count=2", bad).await.refused(400, "invalidCursor");
    }
    for other in ["/Users?filter=title%20pr", "/Users?sortBy=title", "/Groups", "/"] {
        page(&world, other, &next).await.refused(400, "invalidCursor");
    }
    world.entra.get(&format!("/Users?cursor={next}")).await.refused(400, "invalidCursor");
    page(&world, "/Users?count=ten", "").await.refused(400, "invalidCount");
    assert_eq!(page(&world, "/Users?count=-1", "").await.expect(200).body["Resources"], json!([]));
    page(&world, "/Users?count=5", &next).await.expect(200);
    world.pass_seconds(3_601);
    page(&world, "/Users?count=2", &next).await.refused(400, "expiredCursor");
}

#[tokio::test]
async fn rfc_9865_4_paging_by_number_stays_the_default_and_both_are_announced() {
    let world = world().await;
    people(&world).await;
    let config = world.okta.get("/ServiceProviderConfig").await.expect(200).body;
    let expected = json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
        "maxPageSize": 1_000, "cursorTimeout": 3_600});
    assert_eq!(config["pagination"], expected);
    assert_eq!(world.okta.get("/Users").await.body["startIndex"], 1);
}

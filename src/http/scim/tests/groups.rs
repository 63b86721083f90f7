//! Groups and their members.

use serde_json::json;

use super::support::{BASE, GROUP, world};
use crate::base::id::{SourceId, UserId};
use crate::directory::audit::Author;
use crate::directory::field::{DisplayName, Username};
use crate::directory::group::Member;
use crate::directory::user::{NewUser, UserChange};
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{groups, users};

#[tokio::test]
async fn a_group_is_made_read_replaced_and_removed() {
    let world = world().await;
    let (ada, bob) = (world.okta.user("ada", json!({})).await, world.okta.user("bob", json!({})).await);
    let inner = world.okta.group("inner", &[&bob]).await;
    let body = json!({
        "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "displayName": "Staff", "externalId": "g1",
        "members": [{"value": ada, "$ref": null, "display": "A"}, {"value": inner, "type": "Group"}],
    });
    let made = world.okta.post("/Groups", body).await.expect(201);
    let path = format!("/Groups/{}", made.id());
    assert_eq!(made.header("location"), format!("{BASE}{path}"));
    let members = json!([
        {"value": inner, "$ref": format!("{BASE}/Groups/{inner}"), "type": "Group"},
        {"value": ada, "$ref": format!("{BASE}/Users/{ada}"), "type": "User"},
    ]);
    assert_eq!(made.body["members"], members);
    assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
    let of_bob = world.okta.get(&format!("/Users/{bob}")).await.expect(200).body["groups"].clone();
    let kinds: Vec<_> =
        of_bob.as_array().unwrap().iter().map(|group| (group["display"].clone(), group["type"].clone())).collect();
    assert_eq!(kinds, [(json!("inner"), json!("direct")), (json!("Staff"), json!("indirect"))]);
    let put = json!({"schemas": [GROUP], "displayName": "Crew", "members": [{"value": bob}]});
    let replaced = world.okta.put(&path, put).await.expect(200);
    assert_eq!(replaced.members(), [bob.as_str()]);
    assert!(replaced.body.get("externalId").is_none());
    let empty = json!({"schemas": [GROUP], "displayName": "Crew"});
    assert!(world.okta.put(&path, empty).await.expect(200).body.get("members").is_none());
    world.okta.delete(&path).await.expect(204);
    world.okta.get(&path).await.expect(404);
    world.okta.delete(&path).await.expect(404);
    world.okta.put(&path, json!({"schemas": [GROUP], "displayName": "Crew"})).await.expect(404);
}

#[tokio::test]
async fn members_are_added_and_removed_in_every_dialect() {
    let world = world().await;
    let mut people = Vec::new();
    for name in ["ada", "bob", "cid"] {
        people.push(world.okta.user(name, json!({})).await);
    }
    let [ada, bob, cid] = [0, 1, 2].map(|n: usize| people[n].as_str());
    let path = format!("/Groups/{}", world.okta.group("staff", &[ada]).await);
    let value = |ids: &[&str]| json!(ids.iter().map(|id| json!({"value": id})).collect::<Vec<_>>());
    let steps = [
        (json!([{"op": "Add", "path": "members", "value": value(&[bob, ada])}]), vec![ada, bob]),
        (json!([{"op": "Remove", "path": "members", "value": value(&[bob, cid])}]), vec![ada]),
        (json!([{"op": "add", "value": {"members": value(&[bob, cid])}}]), vec![ada, bob, cid]),
        (json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}]), vec![bob, cid]),
        (json!([{"op": "remove", "path": "members", "value": []}]), vec![bob, cid]),
        (json!([{"op": "replace", "path": "members", "value": value(&[ada])}]), vec![ada]),
        (
            json!([{"op": "add", "path": "members", "value": value(&[bob])}, {"op": "remove", "path": format!("members[value eq \"{bob}\"]")}]),
            vec![ada],
        ),
        (
            json!([{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": value(&[cid])}]),
            vec![cid],
        ),
        (json!([{"op": "replace", "value": {"id": "x", "displayName": "crew"}}]), vec![cid]),
        (json!([{"op": "remove", "path": "members"}]), vec![]),
    ];
    for (patch, expected) in steps {
        let answer = world.okta.patch(&path, patch.clone()).await.expect(200);
        let mut found = answer.members();
        found.sort_by_key(|id| people.iter().position(|one| one == id));
        assert_eq!(found, expected, "{patch}");
    }
    let shown = world.okta.get(&path).await.expect(200).body;
    assert_eq!(shown["displayName"], "crew");
    world.pass_seconds(60);
    let idle = json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}, {"op": "replace", "path": "displayName", "value": "crew"}]);
    assert_eq!(world.okta.patch(&path, idle).await.expect(200).body, shown);
}

#[tokio::test]
async fn a_group_name_and_an_external_id_are_unique_within_the_source() {
    let world = world().await;
    let body = |name: &str, id: &str| json!({"schemas": [GROUP], "displayName": name, "externalId": id});
    world.okta.post("/Groups", body("Staff", "g1")).await.expect(201);
    for (name, id) in [("STAFF", "g2"), ("crew", "g1")] {
        world.okta.post("/Groups", body(name, id)).await.refused(409, "uniqueness");
    }
    let other = world.okta.post("/Groups", body("crew", "g2")).await.expect(201).id();
    world.okta.put(&format!("/Groups/{other}"), body("staff", "g2")).await.refused(409, "uniqueness");
    world.entra.post("/Groups", body("Staff", "g1")).await.expect(201);
    world.okta.post("/Groups", json!({"schemas": [GROUP]})).await.refused(400, "invalidValue");
    world
        .okta
        .post("/Groups", json!({"schemas": [GROUP], "displayName": "x".repeat(500)}))
        .await
        .refused(400, "invalidValue");
    let patch = json!([{"op": "replace", "path": format!("members[value eq \"{other}\"].display"), "value": "x"}]);
    world.okta.patch(&format!("/Groups/{other}"), patch).await.refused(400, "mutability");
}

#[tokio::test]
async fn groups_are_found_by_name_external_id_and_member_and_members_are_left_out_on_wish() {
    let world = world().await;
    let ada = world.okta.user("ada", json!({})).await;
    let id = world.okta.group("Staff", &[&ada]).await;
    world
        .okta
        .patch(&format!("/Groups/{id}"), json!([{"op": "add", "path": "externalId", "value": "G1"}]))
        .await
        .expect(200);
    let other = world.okta.group("Other", &[]).await;
    let cases = [
        ("displayName eq \"staff\"".to_owned(), vec![&id]),
        ("externalId eq \"G1\"".to_owned(), vec![&id]),
        ("externalId eq \"g1\"".to_owned(), vec![]),
        (format!("members.value eq \"{ada}\""), vec![&id]),
        (format!("members[value eq \"{ada}\"]"), vec![&id]),
        (format!("id eq \"{id}\" and members eq \"{ada}\""), vec![&id]),
        (format!("id eq \"{other}\" and members eq \"{ada}\""), vec![]),
        ("members pr".to_owned(), vec![&id]),
        ("not (members pr)".to_owned(), vec![&other]),
        ("displayName sw \"o\"".to_owned(), vec![&other]),
    ];
    for (filter, expected) in cases {
        let found = world.okta.find("/Groups", &filter).await.expect(200);
        assert_eq!(found.each("id"), expected.iter().map(|id| json!(id)).collect::<Vec<_>>(), "{filter}");
    }
    let bare = world.okta.get(&format!("/Groups/{id}?excludedAttributes=members")).await.expect(200);
    assert!(bare.body.get("members").is_none());
    let list = world.okta.get("/Groups?excludedAttributes=members").await.expect(200);
    // Both were made in the same millisecond: their order is left to chance.
    let mut names: Vec<_> = list.each("displayName").iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(
        (names, list.each("members")),
        (vec!["\"Other\"".to_owned(), "\"Staff\"".to_owned()], vec![json!(null); 2])
    );
}

#[tokio::test]
async fn whom_an_administrator_put_into_a_group_is_unseen_and_stays() {
    let world = world().await;
    let ada = world.okta.user("ada", json!({})).await;
    let group = world.okta.group("staff", &[&ada]).await;
    let id = group.parse().unwrap();
    let add = move |tx: &mut Tx<'_>| -> Result<UserId, WriteError> {
        let author = Author::system("test");
        let new = NewUser {
            id: UserId::new(tx.now(), tx.rng()),
            username: Username::parse("root").unwrap(),
            name: DisplayName::parse("Root").unwrap(),
            source: SourceId::local(),
            rest: UserChange::default(),
            disabled: None,
        };
        let root = users::create(tx, &author, new, None)?.id;
        groups::change_members(tx, &author, id, &[Member::User(root)], &[])?;
        Ok(root)
    };
    let root = world.app.store.write(add).await.unwrap();
    let path = format!("/Groups/{group}");
    assert_eq!(world.okta.get(&path).await.expect(200).members(), [ada.as_str()]);
    assert_eq!(world.okta.find("/Groups", &format!("members eq \"{root}\"")).await.expect(200).body["totalResults"], 0);
    for patch in [
        json!([{"op": "remove", "path": format!("members[value eq \"{root}\"]")}]),
        json!([{"op": "remove", "path": "members"}]),
    ] {
        world.okta.patch(&path, patch).await.expect(200);
    }
    assert_eq!(groups::members(&world.app.store.view(), id, None, 9).unwrap(), [Member::User(root)]);
}

//! Users: made, read, replaced, patched, removed.

use serde_json::json;

use super::support::{BASE, ENTERPRISE, USER, world};
use crate::directory::audit::Actor;
use crate::directory::user::{DisabledReason, MfaPolicy, State, User};
use crate::store::audit;

#[tokio::test]
async fn a_created_user_comes_back_exactly_as_it_was_sent() {
    let world = world().await;
    let sent = json!({
        "schemas": [USER, ENTERPRISE], "userName": " Ada@Example.org", "externalId": "00u1", "active": true,
        "name": {"formatted": "Ms. Ada  Lovelace", "givenName": "Ada", "familyName": "Lovelace"},
        "displayName": "Ada L.", "title": "Countess", "timezone": "Europe/London",
        "emails": [{"value": "other@x.org", "type": "home"}, {"value": "Ada@Example.ORG", "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "tel:+44-20-7946-0018", "type": "work"}],
        "addresses": [{"country": "United Kingdom", "type": "work"}],
        ENTERPRISE: {"department": "Engines", "manager": {"value": "77"}},
    });
    let made = world.okta.post("/Users", sent.clone()).await.expect(201);
    let location = format!("{BASE}/Users/{}", made.id());
    for name in ["location", "content-location"] {
        assert_eq!(made.header(name), location);
    }
    assert_eq!(made.header("etag"), made.body["meta"]["version"]);
    let mut expected = sent;
    expected["id"] = made.body["id"].clone();
    expected["meta"] = json!({
        "resourceType": "User", "created": "2027-01-15T08:00:00Z", "lastModified": "2027-01-15T08:00:00Z",
        "location": location, "version": "W/\"1\"",
    });
    assert_eq!(made.body, expected);
    assert_eq!(world.okta.get(&format!("/Users/{}", made.id())).await.expect(200).body, expected);
    let user = world.user(&made.id());
    assert_eq!((user.username.as_str(), user.name.as_str()), ("Ada@Example.org", "Ada L."));
    assert_eq!(user.email.unwrap().as_str(), "Ada@Example.ORG");
    assert_eq!(user.phone.unwrap().as_str(), "+442079460018");
    assert!(user.expires_at.is_some(), "the default lifetime holds for pushed users too");
}

#[tokio::test]
async fn every_change_names_the_source_and_the_request_in_the_audit_trail() {
    let world = world().await;
    let id = world.okta.user("ada", json!({})).await;
    world
        .okta
        .patch(&format!("/Users/{id}"), json!([{"op": "replace", "path": "active", "value": false}]))
        .await
        .expect(200);
    let query = audit::Query { user: Some(id.parse().unwrap()), ..audit::Query::default() };
    let lines = audit::list(&world.app.store.view(), &query, None, 9).unwrap().lines;
    assert_eq!(lines.iter().map(|line| line.action.as_str()).collect::<Vec<_>>(), ["user.disabled", "user.created"]);
    for line in lines {
        assert_eq!(line.actor, Actor::Source { id: super::support::source("okta"), run: None });
        assert!(line.request.is_some());
    }
}

#[tokio::test]
async fn a_name_address_or_external_id_that_is_taken_is_said_by_its_attribute_only() {
    let world = world().await;
    let emails = |address: &str| json!({"emails": [{"value": address}]});
    world.okta.user("ada", json!({"externalId": "e1", "emails": [{"value": "ada@x.org"}]})).await;
    let grace = world.entra.user("grace", emails("grace@x.org")).await;
    let post = async |client: &super::support::Client, body: serde_json::Value| {
        let mut user = json!({"schemas": [USER]});
        user.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        client.post("/Users", user).await
    };
    let taken = [
        (post(&world.entra, json!({"userName": "ADA"})).await, "userName is already taken"),
        (
            post(&world.entra, json!({"userName": "b", "emails": [{"value": "ADA@x.org"}]})).await,
            "emails.value is already taken",
        ),
        (post(&world.okta, json!({"userName": "b", "externalId": "e1"})).await, "externalId is already taken"),
    ];
    for (answer, detail) in taken {
        assert_eq!(answer.refused(409, "uniqueness").body["detail"], detail);
    }
    post(&world.entra, json!({"userName": "b", "externalId": "e1"})).await.expect(201);
    let path = format!("/Users/{grace}");
    world.entra.put(&path, json!({"schemas": [USER], "userName": "ada"})).await.refused(409, "uniqueness");
    let patch = json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "ada@x.org"}]);
    world.entra.patch(&path, patch).await.expect(200);
    let patch = json!([{"op": "replace", "value": {"emails": [{"value": "ada@x.org", "primary": true}]}}]);
    world.entra.patch(&path, patch).await.refused(409, "uniqueness");
}

#[tokio::test]
async fn what_cannot_be_a_user_is_an_invalid_value() {
    let world = world().await;
    let cases = [
        json!({"schemas": [USER]}),
        json!({"schemas": [USER], "userName": ""}),
        json!({"schemas": [USER], "userName": "a\u{0}b"}),
        json!({"schemas": [USER], "userName": "x".repeat(200)}),
        json!({"userName": "a"}),
        json!({"schemas": ["urn:x"], "userName": "a"}),
        json!({"schemas": [USER], "userName": "a", "emails": [{"value": "nobody"}]}),
        json!({"schemas": [USER], "userName": "a", "externalId": "x".repeat(600)}),
        json!({"schemas": [USER], "userName": "a", "active": "perhaps"}),
        json!({"schemas": [USER], "userName": 7}),
    ];
    for case in cases {
        world.okta.post("/Users", case).await.refused(400, "invalidValue");
    }
    assert_eq!(world.okta.get("/Users").await.expect(200).body["totalResults"], 0);
}

#[tokio::test]
async fn a_replace_clears_what_it_leaves_out_but_not_the_state() {
    let world = world().await;
    let more = json!({"active": false, "title": "Dr", "emails": [{"value": "a@x.org"}], "externalId": "e"});
    let id = world.okta.user("ada", more).await;
    assert!(matches!(&world.user(&id).state, State::Disabled(disabled) if disabled.reason == DisabledReason::Source));
    world.pass_seconds(60);
    let put = json!({"schemas": [USER], "id": "forged", "meta": {"version": "x"}, "groups": [], "userName": "ada2", "nickName": "A"});
    let answer = world.okta.put(&format!("/Users/{id}"), put).await.expect(200);
    assert_eq!(answer.body["id"], id);
    assert_eq!((&answer.body["active"], &answer.body["nickName"]), (&json!(false), &json!("A")));
    for gone in ["title", "emails", "externalId", "groups"] {
        assert!(answer.body.get(gone).is_none(), "{gone}");
    }
    assert_ne!(answer.body["meta"]["created"], answer.body["meta"]["lastModified"]);
    assert!(world.user(&id).email.is_none());
    world.okta.put(&format!("/Users/{id}"), json!({"schemas": [USER]})).await.refused(400, "invalidValue");
}

#[tokio::test]
async fn a_source_enables_only_whom_it_disabled_itself() {
    let world = world().await;
    let id = world.okta.user("ada", json!({})).await;
    let path = format!("/Users/{id}");
    let activate = |active: bool| json!([{"op": "replace", "path": "active", "value": active}]);
    let epoch = world.user(&id).session_epoch;
    assert_eq!(world.okta.patch(&path, activate(false)).await.expect(200).body["active"], false);
    assert!(world.user(&id).session_epoch > epoch, "out means out");
    assert_eq!(world.okta.patch(&path, activate(true)).await.expect(200).body["active"], true);
    world.administer(&id, |user, by, now| user.disable(DisabledReason::Admin, by, now)).await;
    let before = world.okta.get(&path).await.expect(200);
    let after = world.okta.patch(&path, activate(true)).await.expect(200);
    assert_eq!(after.body["active"], false);
    assert_eq!(after.header("etag"), before.header("etag"));
    let put = json!({"schemas": [USER], "userName": "ada", "active": true});
    assert_eq!(world.okta.put(&path, put).await.expect(200).body["active"], false);
    world.administer(&id, |user, by, now| user.enable(now)?.disable(DisabledReason::AbsentFromSource, by, now)).await;
    assert_eq!(world.okta.patch(&path, activate(true)).await.expect(200).body["active"], true);
}

#[tokio::test]
async fn an_expired_user_stays_out_whatever_the_source_says() {
    let world = world().await;
    let id = world.okta.user("ada", json!({"active": false})).await;
    world.pass_seconds(90_000);
    let path = format!("/Users/{id}");
    let answer = world.okta.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await.expect(200);
    assert_eq!(answer.body["active"], false);
}

#[tokio::test]
async fn what_an_administrator_changed_since_is_shown_in_its_place() {
    let world = world().await;
    let more =
        json!({"name": {"givenName": "Ada"}, "emails": [{"value": "a@x.org", "type": "work"}, {"value": "b@x.org"}]});
    let id = world.okta.user("ada", more).await;
    world
        .administer(&id, |user, _, _| {
            Ok(User {
                email: "c@x.org".parse().ok(),
                name: "Ada King".parse().unwrap(),
                phone: "+31201234567".parse().ok(),
                ..user
            })
        })
        .await;
    let path = format!("/Users/{id}");
    let shown = world.okta.get(&path).await.expect(200).body;
    assert_eq!(shown["emails"], json!([{"value": "c@x.org", "type": "work"}, {"value": "b@x.org"}]));
    assert_eq!(shown["displayName"], "Ada King");
    assert_eq!(shown["phoneNumbers"], json!([{"value": "+31201234567", "primary": true}]));
    assert_eq!(world.okta.find("/Users", "emails.value eq \"a@x.org\"").await.expect(200).body["totalResults"], 0);
    assert_eq!(world.okta.find("/Users", "emails.value eq \"c@x.org\"").await.expect(200).body["totalResults"], 1);
    world.okta.patch(&path, json!([{"op": "add", "path": "title", "value": "Dr"}])).await.expect(200);
    assert_eq!(world.user(&id).email.unwrap().as_str(), "c@x.org");
}

#[tokio::test]
async fn a_source_can_give_nobody_roles_or_other_things_of_the_directory() {
    let world = world().await;
    let more = json!({
        "roles": [{"value": "system-admin", "primary": true}], "entitlements": [{"value": "admin"}], "source": "local",
        "is_admin": true, "expires_at": null, "mfa": "disabled", "state": {"is": "active"}, "organizations": {},
        "session_epoch": 0, "revision": 99,
    });
    let id = world.okta.user("mallory", more).await;
    let user = world.user(&id);
    assert!(!user.is_system_admin());
    assert_eq!((user.source.as_str(), user.mfa, user.revision), ("okta", MfaPolicy::Disabled, 1));
    assert!(world.okta.get(&format!("/Users/{id}")).await.body.get("is_admin").is_none());
}

#[tokio::test]
async fn a_removed_active_moves_nobody_in_or_out() {
    let world = world().await;
    let id = world.okta.user("ada", json!({"active": false})).await;
    let path = format!("/Users/{id}");
    for operation in
        [json!({"op": "remove", "path": "active"}), json!({"op": "replace", "path": "active", "value": null})]
    {
        assert!(world.okta.patch(&path, json!([operation])).await.expect(200).body.get("active").is_none());
        assert!(!world.user(&id).is_active());
    }
    let title = json!([{"op": "add", "path": "title", "value": "Dr"}]);
    assert!(world.okta.patch(&path, title).await.expect(200).body.get("active").is_none());
    let put = json!({"schemas": [USER], "userName": "ada"});
    assert_eq!(world.okta.put(&path, put).await.expect(200).body["active"], false);
    world.okta.patch(&path, json!([{"op": "remove", "path": "active"}])).await.expect(200);
    let back = json!([{"op": "add", "path": "active", "value": true}]);
    assert_eq!(world.okta.patch(&path, back).await.expect(200).body["active"], true);
    world.okta.patch(&path, json!([{"op": "remove", "path": "active"}])).await.expect(200);
    world.administer(&id, |user, by, now| user.disable(DisabledReason::Admin, by, now)).await;
    assert_eq!(world.okta.get(&path).await.expect(200).body["active"], false, "others' reasons are shown");
}

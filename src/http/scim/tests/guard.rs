//! Promise 2: a provider that takes away more than it may waits for a person.

use serde_json::{Value, json};

use super::support::{Answer, USER, World, source, world, world_with};
use crate::base::id::{PlanId, UserId};
use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Plan, PlanStatus};
use crate::directory::policy::Budget;
use crate::directory::user::{DisabledReason, User};
use crate::store::{runs, users};
use crate::sync::decide;

const DAY: i64 = 86_400;

/// A directory in which okta has so many users, none of them new.
async fn people(count: usize) -> (World, Vec<String>) {
    let world = world_with(|setup| {
        setup.push.budget = Budget { floor: 2, percent: 10, count: 5 };
        setup.lifetime = None;
    })
    .await;
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(world.okta.user(&format!("user{n}"), json!({"externalId": n.to_string()})).await);
    }
    world.pass_seconds(2 * DAY);
    (world, ids)
}

async fn set_active(world: &World, id: &str, active: bool) -> Answer {
    let operation = json!([{"op": "replace", "path": "active", "value": active}]);
    world.okta.patch(&format!("/Users/{id}"), operation).await
}

fn plans(world: &World) -> Vec<Plan> {
    runs::list_plans(&world.app.store.view()).unwrap()
}

fn refused(answer: Answer) -> String {
    let answer = answer.expect(429);
    assert_eq!(answer.header("retry-after"), "900");
    answer.body["detail"].as_str().unwrap().to_owned()
}

async fn approve(world: &World, id: PlanId) {
    let author = Author::of(Actor::Socket { uid: 0 });
    decide::approve(&world.app.store, &author, id, &world.app.users).await.unwrap();
}

#[tokio::test]
async fn a_burst_of_deactivations_is_held_and_exactly_it_is_applied_when_a_person_says_yes() {
    let (world, ids) = people(20).await;
    for id in &ids[..2] {
        set_active(&world, id, false).await.expect(200);
    }
    for id in &ids[2..5] {
        let detail = refused(set_active(&world, id, false).await);
        assert!(detail.contains(&plans(&world)[0].id.to_string()), "{detail}");
        assert!(world.user(id).is_active(), "nothing was changed");
    }
    // In whatever way it is said, and once for each user.
    refused(
        world
            .okta
            .put(&format!("/Users/{}", ids[5]), json!({"schemas": [USER], "userName": "user5", "active": false}))
            .await,
    );
    refused(world.okta.delete(&format!("/Users/{}", ids[6])).await);
    refused(set_active(&world, &ids[2], false).await);
    let held = plans(&world);
    assert_eq!((held.len(), held[0].counts.disable, held[0].counts.remove), (1, 4, 1));
    let items = runs::items(&world.app.store.view(), held[0].id, 99).unwrap();
    assert_eq!(items.len(), 5);
    approve(&world, held[0].id).await;
    for id in &ids[2..6] {
        assert_eq!(world.user(id).state_name(), "disabled");
    }
    world.okta.get(&format!("/Users/{}", ids[6])).await.expect(404);
    // The provider tries again, finds it done, and goes on.
    set_active(&world, &ids[2], false).await.expect(200);
    refused(set_active(&world, &ids[7], false).await);
    world.pass_seconds(DAY + 3_600);
    let waiting = plans(&world).into_iter().find(|plan| plan.status == PlanStatus::Held).unwrap();
    decide::reject(&world.app.store, &Author::system("test"), waiting.id).await.unwrap();
    set_active(&world, &ids[7], false).await.expect(200);
}

#[tokio::test]
async fn a_change_of_something_else_is_refused_whole_with_it() {
    let (world, ids) = people(4).await;
    for id in &ids[..2] {
        set_active(&world, id, false).await.expect(200);
    }
    let operations = json!([{"op": "replace", "path": "title", "value": "gone"}, {"op": "replace", "path": "active", "value": false}]);
    refused(world.okta.patch(&format!("/Users/{}", ids[2]), operations).await);
    let shown = world.okta.get(&format!("/Users/{}", ids[2])).await.expect(200).body;
    assert!(shown.get("title").is_none());
    let title = json!([{"op": "replace", "path": "title", "value": "x"}]);
    world.okta.patch(&format!("/Users/{}", ids[2]), title).await.expect(200);
}

#[tokio::test]
async fn who_is_let_in_again_was_not_lost_and_leaves_the_plan() {
    let (world, ids) = people(4).await;
    for _ in 0..4 {
        set_active(&world, &ids[0], false).await.expect(200);
        set_active(&world, &ids[0], true).await.expect(200);
    }
    for id in &ids[..2] {
        set_active(&world, id, false).await.expect(200);
    }
    refused(set_active(&world, &ids[2], false).await);
    set_active(&world, &ids[2], true).await.expect(200);
    let emptied = &plans(&world)[0];
    assert!(matches!(emptied.status, PlanStatus::Superseded { .. }), "it holds nobody, and nothing");
    assert!(world.user(&ids[2]).is_active());
}

#[tokio::test]
async fn what_a_source_has_just_made_it_may_take_back_up_to_a_limit() {
    let world = world().await;
    let mut last = String::new();
    for n in 0..101 {
        last = world.okta.user(&format!("trial{n}"), json!({})).await;
        if n < 100 {
            world.okta.delete(&format!("/Users/{last}")).await.expect(204);
        }
    }
    refused(world.okta.delete(&format!("/Users/{last}")).await);
    // One whom it shut out before is not lost twice.
    let other = world.entra.user("other", json!({})).await;
    let operation = json!([{"op": "replace", "path": "active", "value": false}]);
    world.entra.patch(&format!("/Users/{other}"), operation).await.expect(200);
    world.pass_seconds(2 * DAY);
    world.entra.delete(&format!("/Users/{other}")).await.expect(204);
}

#[tokio::test]
async fn other_sources_and_other_reasons_do_not_count() {
    let (world, ids) = people(3).await;
    for id in &ids {
        world.administer(id, |user, by, now| user.disable(DisabledReason::Admin, by, now)).await;
    }
    set_active(&world, &ids[0], false).await.expect(200);
    assert!(plans(&world).is_empty());
    let mine: Vec<UserId> = ids.iter().map(|id| id.parse().unwrap()).collect();
    assert!(mine.iter().all(|id| users::get(&world.app.store.view(), *id).unwrap().is_some()));
    let found = world.okta.find("/Users", "active eq false").await.expect(200);
    assert_eq!(found.body["totalResults"], Value::from(3));
}

#[tokio::test]
async fn whom_the_source_asks_in_and_who_may_not_come_in_stays_lost() {
    let world = world_with(|setup| setup.push.budget = Budget { floor: 1, percent: 0, count: 5 }).await;
    let (ada, bob) = (world.okta.user("ada", json!({})).await, world.okta.user("bob", json!({})).await);
    set_active(&world, &ada, false).await.expect(200);
    world.pass_seconds(DAY - 1);
    // Expired by now: asking changes nothing, and gives nothing back.
    world.pass_seconds(2);
    assert_eq!(set_active(&world, &ada, true).await.expect(200).body["active"], false);
    world.pass_seconds(-3_600);
    refused(set_active(&world, &bob, false).await);
}

#[tokio::test]
async fn who_was_made_shut_out_gives_nothing_back() {
    let (world, ids) = people(4).await;
    for id in &ids[..2] {
        set_active(&world, id, false).await.expect(200);
    }
    for n in 0..3 {
        let dummy = world.okta.user(&format!("dummy{n}"), json!({"active": false})).await;
        set_active(&world, &dummy, true).await.expect(200);
    }
    refused(set_active(&world, &ids[2], false).await);
}

#[tokio::test]
async fn a_plan_does_not_follow_a_user_to_another_source() {
    let (world, ids) = people(4).await;
    for id in &ids[..2] {
        set_active(&world, id, false).await.expect(200);
    }
    refused(set_active(&world, &ids[2], false).await);
    world.administer(&ids[2], |user, _, _| Ok(User { source: source("entra"), ..user })).await;
    let author = Author::of(Actor::Socket { uid: 0 });
    let approved = decide::approve(&world.app.store, &author, plans(&world)[0].id, &world.app.users).await;
    assert!(approved.is_err());
    assert!(world.user(&ids[2]).is_active());
}

#[tokio::test]
async fn a_plan_that_grew_since_it_was_looked_at_is_not_approved_by_that_look() {
    let (world, ids) = people(6).await;
    for id in &ids[..2] {
        set_active(&world, id, false).await.expect(200);
    }
    refused(set_active(&world, &ids[2], false).await);
    let seen = plans(&world)[0].clone();
    refused(set_active(&world, &ids[3], false).await);
    let author = Author::of(Actor::Socket { uid: 0 });
    let approve = |digest: &str| {
        decide::approve_as_seen(&world.app.store, &author, seen.id, &world.app.users, Some(digest.to_owned()))
    };
    assert!(approve(&seen.digest).await.unwrap_err().to_string().contains("changed since"));
    assert!(world.user(&ids[2]).is_active());
    approve(&plans(&world)[0].digest).await.unwrap();
    assert!(!world.user(&ids[2]).is_active() && !world.user(&ids[3]).is_active());
}

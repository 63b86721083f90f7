//! Members of groups: users and groups, typed or not, and nobody is one who is not.

use musterd::sources::{MemberName, PulledGroup};
use serde_json::json;

use super::{pull, settings, since, source};
use crate::harness::fake_scim::{FakeScim, Service, group, touch};

fn members(group: &PulledGroup) -> Vec<&str> {
    fn name(member: &MemberName) -> &str {
        match member {
            MemberName::Entry(entry) => entry,
            MemberName::Login(login) => panic!("{login}"),
        }
    }
    let mut names: Vec<&str> = group.members.iter().map(name).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn members_without_a_type_are_told_by_who_was_read() {
    let fake = FakeScim::start(Service::with_users(3));
    fake.change(|service| {
        service.users[0]["id"] = json!("a");
        service.users[1]["id"] = json!("b");
        service.groups = vec![group("g1", "Tech", &["a", "g2"]), group("g2", "Devs", &["b"])];
    });
    let pulled = pull(&source(settings(&fake))).await.unwrap();
    // A name that leads to nobody is none.
    assert_eq!(members(&pulled.groups[0]), ["id=a,Users", "id=g2,Groups", "id=g2,Users"]);
    assert_eq!(members(&pulled.groups[1]), ["id=b,Users"]);
    // Where an identifier is a user's and a group's, no group is a member unless the service says so.
    fake.change(|service| service.groups.push(group("b", "Named like a user", &["a"])));
    let source = source(settings(&fake));
    let pulled = pull(&source).await.unwrap();
    assert_eq!(members(&pulled.groups[0]), ["id=a,Users", "id=g2,Users"]);
    fake.change(|service| touch(&mut service.groups[0], "2026-11-20T00:00:00Z", "displayName", json!("Techs")));
    let changes = since(&source, &pulled).await.unwrap();
    let tech = changes.groups.iter().find(|group| group.name == "Techs").unwrap();
    assert_eq!(members(tech), ["id=a,Users", "id=g2,Users"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_leaves_members_out_of_lists_is_asked_for_each_group() {
    let fake = FakeScim::start(Service::with_users(2));
    fake.change(|service| {
        service.leaves_out_members = true;
        service.groups = (0..6).map(|n| group(&format!("g{n}"), &format!("Group {n}"), &[])).collect();
        service.groups[1]["members"] = json!([{"value": "ID-1", "type": "User"}]);
        service.groups[5]["members"] = json!([{"value": "ID-2", "$ref": "../Users/ID-2"}]);
    });
    let pulled = pull(&source(settings(&fake))).await.unwrap();
    assert_eq!(members(&pulled.groups[1]), ["id=%49%44-1,Users"]);
    assert_eq!(members(&pulled.groups[5]), ["id=%49%44-2,Users"]);
    // Where really none has members, that is believed after a few looks.
    fake.change(|service| service.groups.iter_mut().for_each(|group| group["members"] = json!([])));
    fake.take();
    pull(&source(settings(&fake))).await.unwrap();
    assert_eq!(fake.take_targets().iter().filter(|target| target.starts_with("/v2/Groups/")).count(), 3);
}

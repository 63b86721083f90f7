//! Groups of a source: nested, in circles, with members who are not there, gone and back, and what they give.

use super::*;
use crate::base::id::{GroupId, RunId};
use crate::directory::field::DisplayName;
use crate::directory::grant::{Grant, GrantRule};
use crate::directory::group::{Group, Member};
use crate::sources::MemberName;
use crate::store::{grants, groups};
use crate::sync::undo;

fn group(name: &str, members: &[&str]) -> PulledGroup {
    PulledGroup {
        external_id: ExternalId::parse(&format!("g-{name}")).unwrap(),
        label: format!("cn={name},ou=groups"),
        name: name.to_owned(),
        description: None,
        members: members.iter().map(|name| MemberName::Entry((*name).to_owned())).collect(),
        primary_key: None,
    }
}

fn found(pass: &Pass, name: &str) -> Group {
    groups::by_name(&pass.store.view(), &SourceId::parse("corp").unwrap(), name).unwrap().unwrap()
}

fn members(pass: &Pass, name: &str) -> Vec<Member> {
    groups::members(&pass.store.view(), found(pass, name).id, None, 999).unwrap()
}

/// Names of all groups of a user, direct and not.
fn groups_of(pass: &Pass, username: &str) -> Vec<String> {
    let mut names: Vec<_> = groups::groups_of(&pass.store.view(), user(pass, username).id)
        .unwrap()
        .into_iter()
        .map(|(group, _)| group.name.as_str().to_owned())
        .collect();
    names.sort();
    names
}

fn holds(source: &Fake, groups: Vec<PulledGroup>) {
    *source.groups.lock().unwrap() = groups;
}

#[tokio::test]
async fn groups_come_with_their_members_nested_in_circles_and_with_some_who_are_not_there() {
    let (pass, source) = (pass(), Fake::new(entries(5)));
    let devs = group("devs", &["UID=u0", "uid=u1 ", "uid=nobody"]);
    let tech = group("tech", &["cn=devs,OU=Groups", "uid=u2"]);
    let (top, cycle) = (group("top", &["cn=cycle,ou=groups"]), group("cycle", &["cn=top,ou=groups", "uid=u3"]));
    let mut posix = group("posix", &[]);
    posix.members = vec![MemberName::Login("U4".to_owned()), MemberName::Login("gone".to_owned())];
    holds(&source, vec![tech.clone(), devs, top, cycle, posix]);
    let first = run(&pass, &source).await;
    assert_eq!((first.counts.create_groups, first.counts.join), (5, 8), "{first:?}");
    assert_eq!(groups_of(&pass, "u0"), ["devs", "tech"]);
    assert_eq!(groups_of(&pass, "u3"), ["cycle", "top"]);
    assert_eq!(groups_of(&pass, "u4"), ["posix"]);
    assert!(run(&pass, &source).await.counts.is_quiet());
    holds(&source, vec![tech, group("devs", &["uid=u1", "uid=u4"]), group("top", &[])]);
    let second = run(&pass, &source).await;
    assert_eq!((second.counts.remove_groups, second.counts.join), (2, 1), "{second:?}");
    assert_eq!(groups_of(&pass, "u4"), ["devs", "tech"]);
    assert!(groups_of(&pass, "u0").is_empty());
}

#[tokio::test]
async fn a_member_who_moves_or_comes_later_is_found_by_the_new_name() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    holds(&source, vec![group("devs", &["uid=u0", "uid=u5"])]);
    run(&pass, &source).await;
    assert_eq!(members(&pass, "devs").len(), 1);
    let mut moved = entries(3);
    moved[0].label = "uid=u0,ou=elsewhere".to_owned();
    moved.push(entry(5));
    source.holds(moved);
    holds(&source, vec![group("devs", &["uid=u0,ou=elsewhere", "uid=u5"])]);
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.update, outcome.counts.join, outcome.counts.leave), (1, 1, 0));
    assert_eq!(members(&pass, "devs").len(), 2);
    // A new entry takes the old name of another: nobody is mixed up.
    let mut taken = entries(3);
    taken[0].label = "uid=u0,ou=elsewhere".to_owned();
    taken.push(entry(5));
    taken.push(PulledUser { label: "uid=u0".to_owned(), ..entry(6) });
    source.holds(taken);
    holds(&source, vec![group("devs", &["uid=u0"])]);
    run(&pass, &source).await;
    assert_eq!(members(&pass, "devs"), [Member::User(user(&pass, "u6").id)]);
}

#[tokio::test]
async fn primary_groups_count_as_memberships() {
    let (pass, source) = (pass(), Fake::new(Vec::new()));
    let with = |n, key: &str| PulledUser { primary_group: Some(key.to_owned()), ..entry(n) };
    source.holds(vec![with(0, "513"), with(1, "513"), with(2, "600")]);
    let numbered = |name: &str, key: &str, members: &[&str]| PulledGroup {
        primary_key: Some(key.to_owned()),
        ..group(name, members)
    };
    holds(&source, vec![numbered("users", "513", &[]), numbered("staff", "600", &["uid=u0"])]);
    run(&pass, &source).await;
    assert_eq!((members(&pass, "users").len(), members(&pass, "staff").len()), (2, 2));
    assert!(run(&pass, &source).await.counts.is_quiet());
    let changed = vec![Piece::User(Box::new(with(1, "600"))), Piece::Group(Box::new(numbered("users", "513", &[])))];
    *source.changes.lock().unwrap() = Some(changed);
    let outcome = pass.run(&source, Wanted::Due, Author::system("test")).await.unwrap();
    assert_eq!((outcome.counts.join, outcome.counts.leave), (1, 1), "{outcome:?}");
    assert_eq!(groups_of(&pass, "u1"), ["staff"]);
    assert_eq!(groups_of(&pass, "u0"), ["staff", "users"]);
}

#[tokio::test]
async fn many_groups_or_memberships_that_vanish_wait_for_a_person() {
    let (pass, source) = (pass(), Fake::new(entries(30)));
    let all: Vec<String> = (0..30).map(|n| format!("uid=u{n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let many = |count: usize| (0..count).map(|n| group(&format!("g{n}"), &[])).collect::<Vec<_>>();
    holds(&source, [many(20), vec![group("all", &all)]].concat());
    run(&pass, &source).await;
    holds(&source, [many(5), vec![group("all", &all)]].concat());
    let Outcome::Held { why, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    assert!(why.contains("15 of 21 groups"), "{why}");
    holds(&source, [many(20), vec![group("all", &all[..10])]].concat());
    let Outcome::Held { why, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    assert!(why.contains("20 of 30 memberships"), "{why}");
    assert_eq!(members(&pass, "all").len(), 30);
}

#[tokio::test]
async fn a_run_over_groups_is_taken_back_with_ids_and_members() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    holds(&source, vec![group("devs", &["uid=u0", "uid=u1"]), group("ops", &["cn=devs,ou=groups"])]);
    run(&pass, &source).await;
    let before: (GroupId, Vec<Member>, Vec<Member>) =
        (found(&pass, "devs").id, members(&pass, "devs"), members(&pass, "ops"));
    holds(&source, vec![group("ops", &["uid=u2"]), group("new", &["uid=u2"])]);
    let second: RunId = run(&pass, &source).await.id;
    assert_eq!(groups_of(&pass, "u2"), ["new", "ops"]);
    let undone = undo::undo(&pass, &source.id, second, Author::system("admin")).await.unwrap();
    assert!(undone.skipped.is_empty(), "{undone:?}");
    assert_eq!((found(&pass, "devs").id, members(&pass, "devs"), members(&pass, "ops")), before);
    assert!(groups::by_name(&pass.store.view(), &source.id, "new").unwrap().is_none());
}

#[tokio::test]
async fn a_group_gives_what_the_settings_say_as_long_as_one_is_in_it() {
    let rule = |text: &str| text.parse::<GrantRule>().unwrap();
    let rules = vec![rule("cn=devs,ou=groups -> role system-auditor"), rule("devs -> group Engineers")];
    let pass = Pass::new(pass().store, Rules { groups: true, grants: rules.clone(), ..Rules::default() });
    let source = Fake::new(entries(3));
    let make = |tx: &mut Tx<'_>| {
        let (id, name) = (GroupId::new(tx.now(), tx.rng()), DisplayName::parse("Engineers").unwrap());
        groups::create(tx, &Author::system("test"), Group::new(id, name, SourceId::local(), tx.now()))
    };
    pass.store.write(make).await.unwrap();
    holds(&source, vec![group("devs", &["uid=u0", "cn=inner,ou=groups"]), group("inner", &["uid=u1"])]);
    run(&pass, &source).await;
    assert_eq!(groups_of(&pass, "u1"), ["Engineers", "devs", "inner"]);
    assert!(run(&pass, &source).await.counts.is_quiet());
    let grants: Vec<Grant> = rules.into_iter().map(|rule| Grant { source: source.id.clone(), rule }).collect();
    let roles = |name: &str| {
        let roles = grants::roles_of(&pass.store.view(), &grants, &user(&pass, name)).unwrap();
        roles.iter().map(|role| role.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(roles("u1"), ["system-auditor", "user"]);
    assert_eq!(roles("u2"), ["user"]);
    holds(&source, vec![group("devs", &["uid=u0"]), group("inner", &["uid=u1"])]);
    run(&pass, &source).await;
    assert_eq!(roles("u1"), ["user"]);
}

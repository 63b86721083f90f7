//! What an index gives is what a look at everybody gives, page by page.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::directory::audit::Author;
use crate::directory::field::{DisplayName, Username};
use crate::directory::organization::Organization;
use crate::directory::policy::days;
use crate::directory::user::{DisabledReason, NewUser, UserChange};
use crate::store::Store;
use crate::store::tx::Tx;

const USERS: usize = 300;

fn below(rng: &Rng, limit: u8) -> u8 {
    rng.bytes::<1>()[0] % limit
}

/// A directory with many changes at the same time, and some within a millisecond; every fifth user or so is disabled,
/// every tenth removed.
async fn directory(seed: u64) -> Store {
    let store = Store::in_memory(Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(seed)).unwrap();
    let by = || Author::system("test");
    let mut ids = Vec::new();
    for n in 0..USERS {
        let new = NewUser {
            id: UserId::new(store.clock().now(), store.rng()),
            username: Username::parse(&format!("u{}-{n}", below(store.rng(), 10))).unwrap(),
            name: DisplayName::parse("X").unwrap(),
            source: SourceId::local(),
            rest: UserChange::default(),
            disabled: None,
        };
        ids.push(new.id);
        let create = move |tx: &mut Tx<'_>| users::create(tx, &by(), new.clone(), None);
        store.write(create).await.unwrap();
        if below(store.rng(), 4) == 0 {
            let step = [100_000, 400_000, 1_000_000, 60_000_000][usize::from(below(store.rng(), 4))];
            store.clock().advance(SignedDuration::from_nanos(step));
        }
        let id = ids[usize::from(below(store.rng(), 255)) % ids.len()];
        let what = below(store.rng(), 10);
        let change = move |tx: &mut Tx<'_>| {
            users::update(tx, &by(), id, "user.changed", |user, now| match what {
                0 | 1 => user.disable(DisabledReason::Admin, by().actor, now),
                2 => Ok(user.remove(by().actor, now, days(1))),
                3 | 4 => Ok(UserChange {
                    name: Some(DisplayName::parse(&format!("X {n}")).unwrap()),
                    ..UserChange::default()
                }
                .apply(user)),
                _ => Ok(user),
            })
        };
        // A user who was removed is not disabled.
        drop(store.write(change).await);
    }
    store
}

/// All pages of a list.
fn pages<P: Clone>(limit: usize, mut page: impl FnMut(Option<P>) -> Vec<(P, User)>) -> Vec<UserId> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let found = page(after.clone());
        assert!(found.len() <= limit);
        let Some((last, _)) = found.last() else { return all };
        after = Some(last.clone());
        all.extend(found.into_iter().map(|(_, user)| user.id));
    }
}

#[tokio::test]
async fn users_by_when_they_were_changed_are_the_same_from_the_index_as_from_everybody() {
    for seed in 1..3 {
        let store = directory(seed).await;
        let reads = store.view();
        let place = |user: &User| users::modified_place(user.modified_at);
        let all = by_key(&reads, Among::Everybody, None, usize::MAX, |user| Some(place(user))).unwrap();
        assert!(all.len() > 200 && all.windows(2).any(|two| two[0].0 == two[1].0), "there are ties");
        let middle = all[all.len() / 2].0;
        let odd = |user: &User| user.id.as_bytes()[15] % 2 == 1;
        for from in [0, middle, middle + 1, all.last().unwrap().0, u64::MAX] {
            // Everybody is read for each page of the other way: small pages only where few are left.
            let last = from == all.last().unwrap().0;
            for limit in if last { [1, 2, 7] } else { [7, 50, 1_000] } {
                let keep = |user: &User| (limit != 7 || odd(user)) && place(user) >= from;
                let up = pages(limit, |after: Option<TimePlace>| {
                    let found =
                        by_key(&reads, Among::Everybody, after.as_ref(), limit, |user| keep(user).then(|| place(user)));
                    found.unwrap().into_iter().map(|(time, user)| ((time, user.id), user)).collect()
                });
                let down = pages(limit, |after: Option<TimePlace>| {
                    let after = after.map(|(time, id)| (Reverse(time), id));
                    let found = by_key(&reads, Among::Everybody, after.as_ref(), limit, |user| {
                        keep(user).then(|| Reverse(place(user)))
                    });
                    found.unwrap().into_iter().map(|(time, user)| ((time.0, user.id), user)).collect()
                });
                let by_index =
                    |order| pages(limit, |after| by_modified(&reads, order, from, after, limit, keep).unwrap());
                assert_eq!(by_index(Order::Ascending), up, "seed {seed}, from {from}, {limit} a page");
                assert_eq!(by_index(Order::Descending), down, "seed {seed}, from {from}, {limit} a page");
            }
        }
        let some = |among| {
            let found =
                by_key(&reads, among, None, usize::MAX, |user| (place(user) >= middle).then(|| user.username.folded()));
            found.unwrap().into_iter().map(|(_, user)| user.id).collect::<Vec<_>>()
        };
        assert_eq!(some(Among::ModifiedFrom(middle)), some(Among::Everybody));
        let mut few = some(Among::Everybody);
        few.sort_unstable();
        assert_eq!(few_modified_from(&reads, middle).unwrap(), Some(few));
    }
}

#[tokio::test]
async fn the_disabled_are_the_same_from_the_index_as_from_everybody() {
    let store = directory(9).await;
    let reads = store.view();
    let disabled = |user: &User| user.state_name() == "disabled";
    let listed = |state| {
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let found = by_username(&reads, state, after.as_deref(), 7, disabled).unwrap();
            let Some(last) = found.last() else { return all };
            after = Some(last.username.folded());
            all.extend(found.into_iter().map(|user| user.id));
        }
    };
    let found: Vec<UserId> = listed(Some("disabled"));
    assert!(found.len() > 20, "{}", found.len());
    assert_eq!(found, listed(None));
    let by_name = |among| {
        let found = by_key(&reads, among, None, 50, |user| disabled(user).then(|| user.name.folded()));
        found.unwrap().into_iter().map(|(_, user)| user.id).collect::<Vec<_>>()
    };
    assert_eq!(by_name(Among::InState("disabled")), by_name(Among::Everybody));
}

#[tokio::test]
async fn the_members_of_organizations_are_the_same_from_the_index_as_from_everybody() {
    let store = directory(3).await;
    let by = || Author::system("test");
    let mut organizations = Vec::new();
    for number in 0..3 {
        let now = store.clock().now();
        let id = OrganizationId::new(now, store.rng());
        let new = Organization {
            id,
            name: DisplayName::parse(&format!("O {number}")).unwrap(),
            description: Default::default(),
            created_at: now,
            modified_at: Some(now),
            revision: 1,
        };
        store.write(move |tx: &mut Tx<'_>| organizations::create(tx, &by(), new.clone())).await.unwrap();
        organizations.push(id);
    }
    let all = by_key(&store.view(), Among::Everybody, None, usize::MAX, |user| Some(user.id)).unwrap();
    for (id, user) in all {
        let bits = below(store.rng(), 8);
        let of = |number: usize| (bits >> number & 1 == 1).then(|| (organizations[number], BTreeSet::new()));
        let change = UserChange { organizations: Some((0..3).filter_map(of).collect()), ..UserChange::default() };
        let join = move |tx: &mut Tx<'_>| {
            let change = change.clone();
            users::update(tx, &by(), id, "user.changed", move |user, _| Ok(change.clone().apply(user)))
        };
        store.write(join).await.unwrap();
        if user.username.as_str().ends_with('7') {
            let remove = move |tx: &mut Tx<'_>| {
                users::update(tx, &by(), id, "user.removed", |user, now| Ok(user.remove(by().actor, now, days(1))))
            };
            store.write(remove).await.unwrap();
        }
    }
    let reads = store.view();
    let seen: BTreeSet<OrganizationId> = organizations[..2].iter().copied().collect();
    let is_member = |user: &User| user.organizations.keys().any(|id| seen.contains(id));
    let listed = |among: Among<'_>| {
        pages(7, |after: Option<((String, UserId), UserId)>| {
            let after = after.map(|(place, _)| place);
            let key = |user: &User| is_member(user).then(|| user.name.folded());
            let found = by_key(&reads, among, after.as_ref(), 7, key).unwrap();
            found.into_iter().map(|(name, user)| (((name, user.id), user.id), user)).collect()
        })
    };
    let members = listed(Among::MembersOf(&seen));
    assert!(members.len() > 100, "{}", members.len());
    assert_eq!(members, listed(Among::Everybody));
    assert!(few_members(&reads, &seen).unwrap());
}

#[tokio::test]
async fn tombstones_are_listed_page_by_page_in_the_order_of_their_end() {
    let store = directory(5).await;
    let reads = store.view();
    let whole = users::purgeable(&reads, Timestamp::MAX, usize::MAX).unwrap();
    assert!(whole.len() > 10, "{}", whole.len());
    for limit in [1, 3, 100] {
        assert_eq!(pages(limit, |after| removed(&reads, after, limit, |_| true).unwrap()), whole);
    }
}

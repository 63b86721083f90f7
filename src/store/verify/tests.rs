//! Each planted damage is found, named, and put right where that can be.

use jiff::Timestamp;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::{GroupId, SessionId, SourceId, TokenId};
use crate::base::rng::Rng;
use crate::base::secret::TokenHash;
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::group::{Group, Member};
use crate::directory::password::Tries;
use crate::directory::session::{PasswordLink, Session};
use crate::directory::token::{ApiToken, Grant};
use crate::directory::user::{DisabledReason, NewUser, UserChange};
use crate::store::users::WriteError;
use crate::store::{credentials, groups, sessions, tokens, users};

/// Somebody with everything that somebody can have, somebody who is disabled, and a group.
#[derive(Clone, Copy)]
struct Planted {
    ada: UserId,
    bob: UserId,
    group: GroupId,
}

async fn store() -> (Store, Planted) {
    let clock = Clock::manual(Timestamp::from_second(1_000_000).unwrap());
    let store = Store::in_memory(clock, Rng::seeded(1)).unwrap();
    let plant = store.write(|tx: &mut Tx<'_>| -> Result<_, WriteError> {
        let author = Author::system("test");
        let (ada, bob) = (user(tx, "ada", None)?, user(tx, "bob", Some(DisabledReason::Admin))?);
        let (at, group) = (tx.now(), GroupId::new(tx.now(), tx.rng()));
        let name = DisplayName::parse("all").unwrap();
        groups::create(tx, &author, Group::new(group, name, SourceId::local(), at))?;
        groups::change_members(tx, &author, group, &[Member::User(ada)], &[])?;
        credentials::set(tx, ada, "$argon2id$".to_owned(), 1)?;
        let session = Session {
            id: SessionId::new(at, tx.rng()),
            user: ada,
            epoch: 0,
            created_at: at,
            authenticated_at: at,
            last_used_at: at,
            expires_at: Timestamp::MAX,
            authenticated_by: SourceId::local(),
            client: None,
            agent: None,
            methods: BTreeSet::new(),
            address: None,
        };
        sessions::create(tx, TokenHash([1; 32]), &session)?;
        let link = PasswordLink {
            user: ada,
            epoch: 0,
            email: String::new(),
            created_at: at,
            expires_at: Timestamp::MAX,
            tried: Tries::default(),
        };
        sessions::put_link(tx, TokenHash([2; 32]), &link)?;
        let (id, grant) = (TokenId::new(at, tx.rng()), Grant::Scopes(Default::default()));
        let token = ApiToken::new(id, "t".to_owned(), "mst_a".to_owned(), grant, at);
        tokens::create(tx, &author, TokenHash([3; 32]), &token)?;
        Ok(Planted { ada, bob, group })
    });
    let planted = plant.await.unwrap();
    (store, planted)
}

fn user(tx: &mut Tx<'_>, name: &str, disabled: Option<DisabledReason>) -> Result<UserId, WriteError> {
    let email = Some(Some(Email::parse(&format!("{name}@example.org")).unwrap()));
    let new = NewUser {
        id: UserId::new(tx.now(), tx.rng()),
        username: Username::parse(name).unwrap(),
        name: DisplayName::parse(name).unwrap(),
        source: SourceId::local(),
        rest: UserChange { email, expires_at: Some(Some(Timestamp::MAX)), ..UserChange::default() },
        disabled,
    };
    Ok(users::create(tx, &Author::system("test"), new, None)?.id)
}

/// How many differences some damage makes, and how many are left after a repair.
async fn damaged(damage: impl Fn(&mut Tx<'_>, Planted) + Send + 'static) -> (usize, usize) {
    let (store, planted) = store().await;
    let write = store.write(move |tx: &mut Tx<'_>| {
        damage(tx, planted);
        Ok::<_, StoreError>(())
    });
    write.await.unwrap();
    let before = verify(&store.view()).unwrap();
    repair(&store, &before).await.unwrap();
    let after = verify(&store.view()).unwrap();
    assert!(after.differences.iter().all(|one| !one.is_repairable()), "one repair is enough: {after:?}");
    (before.differences.len(), after.differences.len())
}

#[tokio::test]
async fn a_whole_store_has_no_differences() {
    let (store, ..) = store().await;
    let report = verify(&store.view()).unwrap();
    assert!(report.differences.is_empty(), "{report:?}");
    assert_eq!((report.users, report.members), (2, 1));
    assert!(report.index_rows >= 14 && report.audit_lines >= 5, "{report:?}");
}

#[tokio::test]
async fn every_index_row_that_is_missing_or_leads_elsewhere_is_found_and_put_right() {
    let (reference, _) = store().await;
    let indexes = KINDS.iter().flat_map(|kind| kind.indexes);
    let mut tried = 0;
    for space in indexes {
        let rows = reference.view().scan(&KeyRange::prefix(&space.key(&[])), Order::Ascending, 99).unwrap();
        for (key, _) in rows {
            tried += 1;
            let gone = key.clone();
            assert_eq!(damaged(move |tx, _| tx.remove(gone.clone())).await, (1, 0), "{}", name(&key));
            let elsewhere = key.clone();
            let (found, left) = damaged(move |tx, _| tx.put(elsewhere.clone(), vec![7; 16])).await;
            assert!(found >= 1 && left == 0, "{}", name(&key));
        }
        let stray = space.key(&[b"nobody", &[9; 16]]);
        let (found, left) = damaged(move |tx, _| tx.put(stray.clone(), vec![9; 16])).await;
        assert!(found >= 1 && left == 0, "a stray row in {space:?}");
    }
    assert!(tried >= 14, "{tried}");
}

#[tokio::test]
async fn lost_ends_of_references_are_found_and_put_right() {
    let reverse = |ada: UserId, group: GroupId| Space::GroupOfMember.key(&[b"u", ada.as_bytes(), group.as_bytes()]);
    let forward = |ada: UserId, group: GroupId| Space::GroupMember.key(&[group.as_bytes(), b"u", ada.as_bytes()]);
    assert_eq!(damaged(move |tx, it| tx.remove(reverse(it.ada, it.group))).await, (1, 0));
    assert_eq!(damaged(move |tx, it| tx.remove(forward(it.ada, it.group))).await, (1, 0));
    let (found, left) = damaged(|tx, it| tx.remove(Space::Group.key(&[it.group.as_bytes()]))).await;
    assert!(found >= 2 && left == 0, "{found}");
    // Without the record its index rows lead nowhere, and whatever it had belongs to nobody.
    let (found, left) = damaged(|tx, it| tx.remove(Space::User.key(&[it.ada.as_bytes()]))).await;
    assert!(found >= 9 && left == 0, "{found}");
    let orphan =
        |tx: &mut Tx<'_>, _: Planted| tx.put(Space::PlanItem.key(&[&[5; 16], &[0; 8]]), codec::encode(&1).unwrap());
    assert_eq!(damaged(orphan).await, (1, 0));
}

#[tokio::test]
async fn what_needs_a_person_is_told_and_left_alone() {
    let unreadable =
        |tx: &mut Tx<'_>, it: Planted| tx.put(Space::User.key(&[it.ada.as_bytes()]), b"\x02zgarbage".to_vec());
    let (found, left) = damaged(unreadable).await;
    assert!(found >= 1 && left >= 1);
    let unknown = |tx: &mut Tx<'_>, _: Planted| tx.put(vec![0xee, 1], vec![]);
    assert_eq!(damaged(unknown).await, (1, 1));
    let trail = |tx: &mut Tx<'_>, _: Planted| {
        let page = tx.scan(&KeyRange::prefix(&Space::Audit.key(&[])), Order::Ascending, 1).unwrap().remove(0);
        tx.remove(page.0);
    };
    assert_eq!(damaged(trail).await, (1, 1));
    // Two records that want the same name: nobody can tell whose it is.
    let twins = |tx: &mut Tx<'_>, it: Planted| {
        let mut bob = users::get(tx, it.bob).unwrap().unwrap();
        bob.username = Username::parse("ada").unwrap();
        tx.put_record(Space::User.key(&[it.bob.as_bytes()]), &bob).unwrap();
    };
    let (found, left) = damaged(twins).await;
    assert!(found >= 2 && left == 1, "{found} {left}");
}

#[tokio::test]
async fn a_wrong_number_of_users_is_found_and_put_right() {
    let row = || Space::UserTally.key(&[b"local"]);
    assert_eq!(damaged(move |tx, _| tx.remove(row())).await, (1, 0));
    assert_eq!(damaged(move |tx, _| tx.put(row(), vec![9; 24])).await, (1, 0));
    assert_eq!(damaged(move |tx, _| tx.put(row(), vec![9; 3])).await, (1, 0));
    assert_eq!(damaged(move |tx, _| tx.put(Space::UserTally.key(&[b"nobody"]), vec![9; 24])).await, (1, 0));
}

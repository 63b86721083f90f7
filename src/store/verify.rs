//! A look at the whole store: every index row against the record it must follow from, and every membership
//! against its two ends. Reads only.

use std::collections::BTreeSet;

use crate::base::id::{GroupId, UserId};
use crate::directory::group::Member;
use crate::directory::user::User;
use crate::store::engine::{Bytes, KeyRange, Order, Row};
use crate::store::keys::{Space, trailing_id};
use crate::store::tx::Reads;
use crate::store::users::index_rows;
use crate::store::{StoreError, codec, groups, users};

/// The spaces that hold index rows of users.
const INDEXES: &[Space] = &[
    Space::UserByUsername,
    Space::UserByEmail,
    Space::UserByExternalId,
    Space::UserBySource,
    Space::UserByExpiry,
    Space::UserByQuiet,
    Space::UserByRole,
    Space::UserByPurge,
    Space::UserByOtherEmail,
];
/// Rows that are read at a time.
const CHUNK: usize = 1_000;

/// What was looked at, and every difference in words.
#[derive(Debug, Default)]
pub struct Report {
    /// User records.
    pub users: usize,
    /// Index rows of users.
    pub index_rows: usize,
    /// Memberships.
    pub members: usize,
    /// What does not hold together.
    pub differences: Vec<String>,
}

/// Compares everything with everything.
///
/// # Errors
/// When the store cannot be read, or a record is damaged.
pub fn verify(reads: &dyn Reads) -> Result<Report, StoreError> {
    let mut report = Report::default();
    each(reads, Space::User, |(_, bytes)| {
        let user: User = codec::decode(&bytes)?;
        report.users = report.users.saturating_add(1);
        for (key, value) in index_rows(&user) {
            if reads.get(&key)?.as_ref() != Some(&value) {
                report.differences.push(format!("user {} lacks its row in {}", user.username, name_of(&key)));
            }
        }
        Ok(())
    })?;
    for space in INDEXES {
        each(reads, *space, |row| {
            report.index_rows = report.index_rows.saturating_add(1);
            report.differences.extend(stray(reads, *space, &row)?);
            Ok(())
        })?;
    }
    memberships(reads, &mut report)?;
    Ok(report)
}

/// Shows every row of a space.
fn each(
    reads: &dyn Reads,
    space: Space,
    mut visit: impl FnMut(Row) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let prefix = space.key(&[]);
    let mut range = KeyRange::prefix(&prefix);
    loop {
        let rows = reads.scan(&range, Order::Ascending, CHUNK)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        range = KeyRange::prefix_after(&prefix, last.clone());
        for row in rows {
            visit(row)?;
        }
    }
}

/// An index row that does not follow from the record it leads to.
fn stray(reads: &dyn Reads, space: Space, (key, value): &Row) -> Result<Option<String>, StoreError> {
    let id = trailing_id(if value.is_empty() { key } else { value }).map(UserId::from_bytes);
    let user = id.map(|id| users::get(reads, id)).transpose()?.flatten();
    let own: BTreeSet<Bytes> = user.iter().flat_map(index_rows).map(|(key, _)| key).collect();
    let name = id.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    Ok((!own.contains(key)).then(|| format!("a row in {space:?} leads to user {name}, who has none there")))
}

fn name_of(key: &[u8]) -> String {
    let space = INDEXES.iter().find(|space| key.first() == Some(&space.tag()));
    space.map_or_else(|| "an index".to_owned(), |space| format!("{space:?}"))
}

fn memberships(reads: &dyn Reads, report: &mut Report) -> Result<(), StoreError> {
    let mut forward = BTreeSet::new();
    each(reads, Space::GroupMember, |(key, _)| {
        let (group, member) = key.get(1..).unwrap_or_default().split_at_checked(16).unwrap_or_default();
        forward.insert([member, group].concat());
        report.members = report.members.saturating_add(1);
        report.differences.extend(dangling(reads, group, member)?);
        Ok(())
    })?;
    let mut backward = BTreeSet::new();
    each(reads, Space::GroupOfMember, |(key, _)| {
        backward.insert(key.get(1..).unwrap_or_default().to_vec());
        Ok(())
    })?;
    let lonely = forward.symmetric_difference(&backward).count();
    if lonely > 0 {
        report.differences.push(format!("{lonely} memberships stand in one direction only"));
    }
    Ok(())
}

/// A membership of, or in, something that is not there.
fn dangling(reads: &dyn Reads, group: &[u8], member: &[u8]) -> Result<Option<String>, StoreError> {
    let group = trailing_id(group).map(GroupId::from_bytes);
    let there = match groups::member_of_key(member) {
        Some(Member::User(id)) => users::get(reads, id)?.is_some(),
        Some(Member::Group(id)) => groups::get(reads, id)?.is_some(),
        None => false,
    };
    let whole = there && group.map(|id| groups::get(reads, id)).transpose()?.flatten().is_some();
    Ok((!whole).then(|| "a membership has a group or a member that is not there".to_owned()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::id::SourceId;
    use crate::base::rng::Rng;
    use crate::directory::audit::Author;
    use crate::directory::field::{Description, DisplayName, Email, Username};
    use crate::directory::group::Group;
    use crate::directory::user::{NewUser, UserChange};
    use crate::store::Store;
    use crate::store::tx::Tx;
    use crate::store::users::WriteError;

    async fn store() -> (Store, UserId, GroupId) {
        let store =
            Store::in_memory(Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(1)).unwrap();
        let write = store.write(|tx: &mut Tx<'_>| -> Result<_, WriteError> {
            let (user, group) = (UserId::new(tx.now(), tx.rng()), GroupId::new(tx.now(), tx.rng()));
            let author = Author::system("test");
            let email = Some(Some(Email::parse("ada@example.org").unwrap()));
            let new = NewUser {
                id: user,
                username: Username::parse("ada").unwrap(),
                name: DisplayName::parse("Ada").unwrap(),
                source: SourceId::local(),
                rest: UserChange { email, expires_at: Some(Some(Timestamp::MAX)), ..UserChange::default() },
                disabled: None,
            };
            users::create(tx, &author, new, None)?;
            let (name, description) = (DisplayName::parse("all").unwrap(), Description::default());
            let (at, source) = (tx.now(), SourceId::local());
            let new = Group {
                id: group,
                name,
                description,
                source,
                external_id: None,
                created_at: at,
                modified_at: at,
                revision: 1,
            };
            groups::create(tx, &author, new)?;
            groups::change_members(tx, &author, group, &[Member::User(user)], &[])?;
            Ok((user, group))
        });
        let (user, group) = write.await.unwrap();
        (store, user, group)
    }

    async fn damaged(damage: impl Fn(&mut Tx<'_>, UserId, GroupId) + Send + 'static) -> usize {
        let (store, user, group) = store().await;
        let write = store.write(move |tx: &mut Tx<'_>| {
            damage(tx, user, group);
            Ok::<_, StoreError>(())
        });
        write.await.unwrap();
        verify(&store.view()).unwrap().differences.len()
    }

    #[tokio::test]
    async fn a_whole_store_has_no_differences() {
        let (store, ..) = store().await;
        let report = verify(&store.view()).unwrap();
        assert!(report.differences.is_empty(), "{report:?}");
        assert_eq!((report.users, report.members), (1, 1));
        assert!(report.index_rows >= 5);
    }

    #[tokio::test]
    async fn each_planted_damage_is_found() {
        assert_eq!(damaged(|tx, _, _| tx.remove(Space::UserByUsername.key(&[b"ada"]))).await, 1);
        assert_eq!(
            damaged(|tx, id, _| tx.put(Space::UserByEmail.key(&[b"eve@example.org"]), id.as_bytes().to_vec())).await,
            1
        );
        assert_eq!(damaged(|tx, _, _| tx.put(Space::UserByEmail.key(&[b"ada@example.org"]), vec![7; 16])).await, 2);
        let someone = |tx: &mut Tx<'_>, _, group: GroupId| tx.remove(Space::Group.key(&[group.as_bytes()]));
        assert_eq!(damaged(someone).await, 1);
        let one_way = |tx: &mut Tx<'_>, id: UserId, group: GroupId| {
            tx.remove(Space::GroupOfMember.key(&[b"u", id.as_bytes(), group.as_bytes()]));
        };
        assert_eq!(damaged(one_way).await, 1);
        // Without the record every index row of it leads nowhere, and the membership too.
        assert!(damaged(|tx, id, _| tx.remove(Space::User.key(&[id.as_bytes()]))).await >= 6);
    }
}

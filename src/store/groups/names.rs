//! The names of a user's groups, which every check of a session tells: looked up again only when some group has changed.

use std::sync::Arc;

use super::groups_of;
use crate::base::id::UserId;
use crate::directory::group::Group;
use crate::store::engine::Bytes;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Writes};
use crate::store::{Store, StoreError};

/// The names of a user's groups, as they were when the groups' stamp was this.
pub(in crate::store) struct Names {
    stamp: Option<Bytes>,
    names: Arc<[String]>,
}

/// Where a commit that touches groups or memberships leaves its number.
pub(in crate::store) fn stamp_key() -> Bytes {
    Space::Meta.key(&[b"groups"])
}

/// Does a commit touch groups or memberships?
pub(in crate::store) fn are_in(writes: &Writes) -> bool {
    let range = Space::Group.key(&[])..Space::GroupByExternalId.key(&[]);
    writes.range(range).next().is_some()
}

/// The names of the groups that a user belongs to; those of a source with the source in front, so that none passes for
/// a local one, and local ones that look like one of a source too. They are looked up again when any group, or membership, has changed.
///
/// # Errors
/// When the store cannot read.
pub fn names_of(store: &Store, user: UserId) -> Result<Arc<[String]>, StoreError> {
    let view = store.view();
    // First: what changes from here on makes the stamp another.
    let stamp = view.get(&stamp_key())?;
    if let Some(known) = store.group_names.get(user).filter(|known| known.stamp == stamp) {
        return Ok(known.names.clone());
    }
    let name = |group: Group| match group.source.is_local() {
        true if group.name.as_str().contains(':') => format!("{}:{}", group.source, group.name),
        true => group.name.as_str().to_owned(),
        false => format!("{}:{}", group.source, group.name),
    };
    let names = groups_of(&view, user)?.into_iter().map(|(group, _)| name(group)).collect();
    Ok(store.group_names.put(user, Names { stamp, names }).names.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::id::{GroupId, SourceId};
    use crate::base::rng::Rng;
    use crate::directory::audit::Author;
    use crate::directory::field::DisplayName;
    use crate::directory::group::Member;
    use crate::store::tx::Tx;
    use crate::store::{groups, users::WriteError};

    #[tokio::test]
    async fn a_change_of_any_group_shows_at_once() {
        let store = Store::in_memory(Clock::system(), Rng::system()).unwrap();
        let user = UserId::new(store.clock().now(), store.rng());
        assert!(names_of(&store, user).unwrap().is_empty());
        let make = |name: &'static str, member: Member| {
            store.write(move |tx: &mut Tx<'_>| -> Result<GroupId, WriteError> {
                let (id, author) = (GroupId::new(tx.now(), tx.rng()), Author::system("test"));
                let group = Group::new(id, DisplayName::parse(name).unwrap(), SourceId::local(), tx.now());
                groups::create(tx, &author, group)?;
                groups::change_members(tx, &author, id, &[member], &[])?;
                Ok(id)
            })
        };
        let told = || {
            let mut names = names_of(&store, user).unwrap().to_vec();
            names.sort();
            names
        };
        let inner = make("inner", Member::User(user)).await.unwrap();
        assert_eq!((told(), told()), (vec!["inner".to_owned()], vec!["inner".to_owned()]));
        make("outer", Member::Group(inner)).await.unwrap();
        assert_eq!(told(), ["inner", "outer"]);
        let leave = store.write(move |tx: &mut Tx<'_>| {
            groups::change_members(tx, &Author::system("test"), inner, &[], &[Member::User(user)])
        });
        leave.await.unwrap();
        assert!(told().is_empty());
    }
}

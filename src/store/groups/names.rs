//! The names of a user's groups, which every check of a session tells: looked up again only when some group has changed.

use std::sync::Arc;

use super::groups_of;
use crate::base::id::UserId;
use crate::directory::group::{Group, OF_ORGANIZATION};
use crate::store::engine::Bytes;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Writes};
use crate::store::{Store, StoreError, organizations};

/// The names of a user's groups, as they were when the groups' stamp was this.
pub(in crate::store) struct Names {
    stamp: Option<Bytes>,
    names: Arc<[String]>,
}

/// Where a commit that touches groups or memberships leaves its number.
pub(in crate::store) fn stamp_key() -> Bytes {
    Space::Meta.key(&[b"groups"])
}

/// Does a commit touch groups, memberships or names of organisations?
pub(in crate::store) fn are_in(writes: &Writes) -> bool {
    let groups = Space::Group.key(&[])..Space::GroupByExternalId.key(&[]);
    let organizations = Space::Organization.key(&[])..Space::OrganizationByName.key(&[]);
    [groups, organizations].into_iter().any(|range| writes.range(range).next().is_some())
}

/// The names of the groups that a user belongs to. Those of a source have the source in front, so that none passes for
/// one of the directory; those of an organisation `organization/` and its name; those of the directory that look like
/// either, `local`. They are looked up again when any group, membership or organisation has changed.
///
/// # Errors
/// When the store cannot read.
pub fn names_of(store: &Store, user: UserId) -> Result<Arc<[String]>, StoreError> {
    let view = store.view();
    // First: what changes from here on makes the stamp another.
    let stamp = view.get(&stamp_key())?;
    if let Some(known) = store.group_names.get(&user).filter(|known| known.stamp == stamp) {
        return Ok(known.names.clone());
    }
    let names = groups_of(&view, user)?.into_iter().map(|(group, _)| name(&view, &group));
    let names = names.collect::<Result<_, _>>()?;
    Ok(store.group_names.put(user, Names { stamp, names }).names.clone())
}

fn name(reads: &dyn Reads, group: &Group) -> Result<String, StoreError> {
    let (source, name) = (&group.source, group.name.as_str());
    if let Some(id) = group.organization {
        // A name with a colon might pass for another organisation's group: the id stands for it.
        let named = organizations::get(reads, id)?.map(|one| one.name.to_string()).filter(|name| !name.contains(':'));
        let organization = named.unwrap_or_else(|| id.to_string());
        return Ok(format!("{OF_ORGANIZATION}{organization}:{name}"));
    }
    Ok(match source.is_local() && !name.contains(':') {
        true => name.to_owned(),
        false => format!("{source}:{name}"),
    })
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

//! Groups as they are read, and what their members are, where a service does not say it.

use std::collections::HashSet;

use super::mapping::{GROUPS, Mapped, USERS, group, label};
use super::path::text;
use super::session::{Fault, Session};
use super::sweep::{Key, key};
use crate::scim::Resource;
use crate::sources::{MemberName, Piece};
use crate::web::place::encode;

/// Groups without members in a list that are looked at by themselves, before that is believed.
const DOUBTS: usize = 3;

/// The groups with their members. Some services leave members out of lists: where no group has any, a few are looked at by
/// themselves, and if one of them has members then, all are.
pub(super) async fn map(session: &mut Session<'_>, found: Vec<Resource>) -> Result<Vec<Result<Mapped, Piece>>, Fault> {
    let mut mapped: Vec<_> = found.iter().map(|one| group(one).map_err(Piece::Skipped)).collect();
    let has_members = |mapped: &[Result<Mapped, Piece>]| mapped.iter().flatten().any(|one| one.has_members);
    if has_members(&mapped) {
        return Ok(mapped);
    }
    let mut doubts = 0;
    for at in 0..mapped.len() {
        if doubts >= DOUBTS && !has_members(&mapped) {
            break;
        }
        let Some(Ok(one)) = mapped.get(at) else { continue };
        let id = one.group.external_id.as_str().to_owned();
        doubts = doubts.saturating_add(1);
        if let (Some(alone), Some(place)) = (alone(session, &id).await?, mapped.get_mut(at)) {
            *place = group(&alone).map_err(Piece::Skipped);
        }
    }
    Ok(mapped)
}

/// A group by itself; `None`: it is gone since.
async fn alone(session: &mut Session<'_>, id: &str) -> Result<Option<Resource>, Fault> {
    match session.get(&format!("/{GROUPS}/{}", encode(id)), None).await {
        Ok(answer) => {
            let read = serde_json::from_slice::<Resource>(&answer.body);
            let same = read.ok().filter(|group| text(group, "id") == Some(id));
            same.map(Some).ok_or_else(|| Fault::Untrusted(format!("/{GROUPS}/{id} answers something else")))
        }
        Err(fault) if fault.status() == Some(404) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Is no identifier one of a user and of a group? SCIM wants it so (RFC 7643 §3.1).
pub(super) fn is_distinct(users: &HashSet<Key>, groups: &[Result<Mapped, Piece>]) -> bool {
    !groups.iter().flatten().any(|group| users.contains(&key(group.group.external_id.as_str())))
}

/// The group as a piece. A member of whom it is not said what it is may be named as both: identifiers are unique, and a
/// name that leads to nobody is none. Where they are not, it is a user: no group gives what its members do not have.
pub(super) fn settled(mapped: Result<Mapped, Piece>, is_user: &dyn Fn(&str) -> bool) -> Piece {
    let Mapped { mut group, untyped, .. } = match mapped {
        Ok(mapped) => mapped,
        Err(piece) => return piece,
    };
    for id in untyped {
        if !is_user(&id) {
            group.members.push(MemberName::Entry(label(GROUPS, &id)));
        }
        group.members.push(MemberName::Entry(label(USERS, &id)));
    }
    Piece::Group(Box::new(group))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapped(id: &str, untyped: &str) -> Result<Mapped, Piece> {
        let resource = json!({"id": id, "displayName": id, "members": [{"value": untyped}]});
        group(resource.as_object().unwrap()).map_err(Piece::Skipped)
    }

    #[test]
    fn a_member_without_a_type_is_never_taken_for_a_group_that_a_user_may_be() {
        let users = HashSet::from([key("1")]);
        assert!(is_distinct(&users, &[mapped("2", "1")]) && !is_distinct(&users, &[mapped("1", "1")]));
        let members = |is_user: bool| match settled(mapped("2", "1"), &|_| is_user) {
            Piece::Group(group) => group.members.len(),
            other => panic!("{other:?}"),
        };
        assert_eq!((members(true), members(false)), (1, 2));
    }
}

//! References from record to record: memberships from both ends, and what belongs to a user, a token or a plan.

use super::{Difference, Report, each_chunk, has_user, name};
use crate::directory::group::Member;
use crate::store::engine::{Bytes, Row};
use crate::store::index::KINDS;
use crate::store::keys::Space;
use crate::store::tx::Reads;
use crate::store::{StoreError, groups};

/// Bytes of an id in a key.
const ID: usize = 16;

pub(super) fn verify(reads: &dyn Reads, report: &mut Report) -> Result<(), StoreError> {
    members(reads, report)?;
    reversed_members(reads, report)?;
    // The space, what the first id of its keys names, and where that lies.
    for (space, what, owners) in [
        (Space::Credential, "user", Space::User),
        (Space::Factor, "user", Space::User),
        (Space::Verifier, "user", Space::User),
        (Space::Notice, "user", Space::User),
        (Space::SessionByUser, "user", Space::User),
        (Space::LinkByUser, "user", Space::User),
        (Space::DeviceByUser, "user", Space::User),
        (Space::PlanItem, "plan", Space::Plan),
    ] {
        owned(reads, space, what, owners, report)?;
    }
    Ok(())
}

/// The group and the member of a membership, from the forward row's key.
fn ends(key: &[u8]) -> Option<(&[u8], &[u8])> {
    key.get(1..)?.split_at_checked(ID)
}

/// Each membership, seen from the group: both ends are there, and the row of the other direction.
fn members(reads: &dyn Reads, report: &mut Report) -> Result<(), StoreError> {
    each_chunk(reads, Space::GroupMember, |rows| {
        report.members = report.members.saturating_add(rows.len());
        let reverse = |(key, _): &Row| ends(key).map(|(group, member)| Space::GroupOfMember.key(&[member, group]));
        let reversed: Vec<Bytes> = rows.iter().map(|row| reverse(row).unwrap_or_default()).collect();
        let found = reads.get_many(&reversed)?;
        for (((key, _), reverse), found) in rows.into_iter().zip(reversed).zip(found) {
            if !both_there(reads, &key)? {
                let what = format!("{}: the group or its member is not there", name(&key));
                report.differences.push(Difference::repaired_by(what, [(key, None), (reverse, None)]));
            } else if found.is_none() {
                let what = format!("{} stands in one direction only", name(&key));
                report.differences.push(Difference::repaired_by(what, [(reverse, Some(Bytes::new()))]));
            }
        }
        Ok(())
    })
}

/// Each membership, seen from the member: the group knows of it.
fn reversed_members(reads: &dyn Reads, report: &mut Report) -> Result<(), StoreError> {
    let known = report.repairs();
    each_chunk(reads, Space::GroupOfMember, |rows| {
        let forward = |(key, _): &Row| {
            let (member, group) = key.get(1..)?.split_at_checked(key.len().checked_sub(1 + ID)?)?;
            Some(Space::GroupMember.key(&[group, member]))
        };
        let forwards: Vec<Bytes> = rows.iter().map(|row| forward(row).unwrap_or_default()).collect();
        for ((key, _), found) in rows.into_iter().zip(reads.get_many(&forwards)?) {
            if found.is_none() && !known.contains(&key) {
                let what = format!("{} stands in one direction only", name(&key));
                report.differences.push(Difference::repaired_by(what, [(key, None)]));
            }
        }
        Ok(())
    })
}

fn both_there(reads: &dyn Reads, key: &[u8]) -> Result<bool, StoreError> {
    let Some((group, _)) = ends(key) else { return Ok(false) };
    let member = match groups::member_of_key(key) {
        Some(Member::User(id)) => has_user(reads, id)?,
        Some(Member::Group(id)) => reads.get(&Space::Group.key(&[id.as_bytes()]))?.is_some(),
        None => false,
    };
    Ok(member && reads.get(&Space::Group.key(&[group]))?.is_some())
}

/// Rows that belong to something whose id begins their keys: what belongs to nobody opens nothing, and can go.
fn owned(reads: &dyn Reads, space: Space, what: &str, owners: Space, report: &mut Report) -> Result<(), StoreError> {
    each_chunk(reads, space, |rows| {
        let owner = |(key, _): &Row| owners.key(&[key.get(1..1 + ID).unwrap_or_default()]);
        let owners: Vec<Bytes> = rows.iter().map(owner).collect();
        for ((key, value), found) in rows.into_iter().zip(reads.get_many(&owners)?) {
            if found.is_none() {
                let text = format!("{} belongs to a {what} that is not there", name(&key));
                // The record that such an index row leads to goes with it.
                let record = match space {
                    Space::SessionByUser => Some(Space::Session.key(&[&value])),
                    Space::DeviceByUser => Some(Space::Device.key(&[&value])),
                    Space::LinkByUser => Some(Space::Link.key(&[&value])),
                    _ => None,
                };
                // So do the index rows of a record that goes.
                let kind = KINDS.iter().find(|kind| kind.records == space);
                let own = kind.and_then(|kind| (kind.rows)(&key, &value).ok()).unwrap_or_default();
                let own = own.into_iter().map(|(index, _)| index);
                let rows = record.into_iter().chain(own).chain([key]).map(|key| (key, None));
                report.differences.push(Difference::repaired_by(text, rows));
            }
        }
        Ok(())
    })
}

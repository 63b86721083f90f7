//! The key spaces: the first byte of a key says what it leads to. Numbers are for ever.

use jiff::Timestamp;

use crate::base::id::{ExternalId, SourceId};
use crate::store::engine::Bytes;

/// What a key leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Space {
    /// Facts of the store itself, by name.
    Meta = 0x01,
    /// User records by id.
    User = 0x10,
    /// Folded username → user id.
    UserByUsername = 0x11,
    /// Folded email → user id.
    UserByEmail = 0x12,
    /// Source, external id → user id; tombstones too.
    UserByExternalId = 0x13,
    /// Source, user id; tombstones not.
    UserBySource = 0x14,
    /// Expiry, user id: active users that will expire.
    UserByExpiry = 0x15,
    /// Quiet since, user id: active users.
    UserByQuiet = 0x16,
    /// System role, user id: users that are not removed.
    UserByRole = 0x17,
    /// Purge time, user id: tombstones.
    UserByPurge = 0x18,
    /// Folded email, user id: addresses that a source sent besides the user's own.
    UserByOtherEmail = 0x19,
    /// Group records by id.
    Group = 0x20,
    /// Source, folded name → group id.
    GroupByName = 0x21,
    /// Group id, member.
    GroupMember = 0x22,
    /// Member, group id.
    GroupOfMember = 0x23,
    /// Source, external id → group id.
    GroupByExternalId = 0x24,
    /// Organisation records by id.
    Organization = 0x28,
    /// Folded name → organisation id.
    OrganizationByName = 0x29,
    /// Credentials by user id.
    Credential = 0x30,
    /// User id, factor id → factor.
    Factor = 0x31,
    /// Sessions by token hash.
    Session = 0x40,
    /// User id, session id → token hash.
    SessionByUser = 0x41,
    /// API tokens by token hash.
    Token = 0x42,
    /// Token id → token hash.
    TokenById = 0x43,
    /// Password links by token hash.
    Link = 0x44,
    /// User id → hash of the user's one password link.
    LinkByUser = 0x45,
    /// Logins under way by token hash.
    Login = 0x46,
    /// End, key: rows that may be dropped from then on.
    Ending = 0x4f,
    /// Audit lines by number.
    Audit = 0x50,
    /// User id, audit number.
    AuditByUser = 0x51,
    /// Outbox messages by number.
    Outbox = 0x60,
    /// Run id → run.
    Run = 0x71,
    /// Plan id → plan.
    Plan = 0x72,
    /// Plan id, number → item.
    PlanItem = 0x73,
    /// Name → when a task ran last.
    TaskState = 0x80,
}

impl Space {
    /// The byte that begins its keys.
    #[must_use]
    pub fn tag(self) -> u8 {
        #[expect(clippy::as_conversions, reason = "the discriminant is the byte, by repr(u8)")]
        let tag = self as u8;
        tag
    }

    /// A key of this space.
    #[must_use]
    pub fn key(self, parts: &[&[u8]]) -> Bytes {
        let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
        key.push(self.tag());
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }
}

/// The end of a text inside a key. Texts in keys hold no NUL.
pub const END: &[u8] = &[0];

/// A time inside a key: seconds, sorting as numbers do.
#[must_use]
pub fn seconds(at: Timestamp) -> [u8; 8] {
    u64::try_from(at.as_second()).unwrap_or(0).to_be_bytes()
}

/// The key of a user by source and external id.
#[must_use]
pub fn user_by_external_id(source: &SourceId, external_id: &ExternalId) -> Bytes {
    Space::UserByExternalId.key(&[source.as_str().as_bytes(), END, external_id.as_str().as_bytes()])
}

/// The last sixteen bytes of a key: the id that it ends with.
#[must_use]
pub fn trailing_id(key: &[u8]) -> Option<[u8; 16]> {
    key.last_chunk::<16>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_key_spaces_are_for_ever() {
        let tags = [
            (Space::Meta, 0x01),
            (Space::User, 0x10),
            (Space::UserByUsername, 0x11),
            (Space::UserByEmail, 0x12),
            (Space::UserByExternalId, 0x13),
            (Space::UserBySource, 0x14),
            (Space::UserByExpiry, 0x15),
            (Space::UserByQuiet, 0x16),
            (Space::UserByRole, 0x17),
            (Space::UserByPurge, 0x18),
            (Space::UserByOtherEmail, 0x19),
            (Space::Group, 0x20),
            (Space::GroupByName, 0x21),
            (Space::GroupMember, 0x22),
            (Space::GroupOfMember, 0x23),
            (Space::GroupByExternalId, 0x24),
            (Space::Organization, 0x28),
            (Space::OrganizationByName, 0x29),
            (Space::Credential, 0x30),
            (Space::Factor, 0x31),
            (Space::Session, 0x40),
            (Space::SessionByUser, 0x41),
            (Space::Token, 0x42),
            (Space::TokenById, 0x43),
            (Space::Link, 0x44),
            (Space::LinkByUser, 0x45),
            (Space::Login, 0x46),
            (Space::Ending, 0x4f),
            (Space::Audit, 0x50),
            (Space::AuditByUser, 0x51),
            (Space::Outbox, 0x60),
            (Space::Run, 0x71),
            (Space::Plan, 0x72),
            (Space::PlanItem, 0x73),
            (Space::TaskState, 0x80),
        ];
        for (space, tag) in tags {
            assert_eq!(space.tag(), tag, "{space:?}");
        }
    }

    #[test]
    fn times_in_keys_sort_as_times() {
        let at = |second| seconds(Timestamp::from_second(second).unwrap());
        assert!(at(5) < at(256) && at(256) < at(70_000_000_000));
    }
}

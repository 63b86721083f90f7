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
    /// Source, external id → fingerprint and user id; tombstones too.
    UserByExternalId = 0x13,
    /// Source, user id; tombstones not.
    UserBySource = 0x14,
    /// Expiry, user id: active users that will expire.
    UserByExpiry = 0x15,
    /// Quiet since, user id: up to schema 4 only.
    UserByQuiet = 0x16,
    /// Role other than the plain ones, user id: users that are not removed. Of roles inside organisations too.
    UserByRole = 0x17,
    /// Purge time, user id: tombstones.
    UserByPurge = 0x18,
    /// Folded email, user id: addresses that a source sent besides the user's own.
    UserByOtherEmail = 0x19,
    /// When something other than activity last changed, user id: users that are not removed.
    UserByModified = 0x1a,
    /// State, folded username → user id: users that are neither active nor removed.
    UserByState = 0x1b,
    /// Source, key of the entry's name → user id: users that are not removed.
    UserByEntry = 0x1c,
    /// Source → how many users it has.
    UserTally = 0x1d,
    /// Source, quiet since, user id: active users.
    UserBySourceQuiet = 0x1e,
    /// Organisation, user id: members that are not removed.
    UserByOrganization = 0x1f,
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
    /// Source, key of the entry's name → group id.
    GroupByEntry = 0x25,
    /// Organisation, folded name → group id.
    GroupByOrganization = 0x26,
    /// Organisation records by id.
    Organization = 0x28,
    /// Folded name → organisation id.
    OrganizationByName = 0x29,
    /// Resource records by id.
    Resource = 0x2a,
    /// Source, resource type, resource id.
    ResourceByType = 0x2b,
    /// Source, resource type, attribute and folded value → resource id: of values that must be unique.
    ResourceByValue = 0x2c,
    /// Custom roles by name.
    Role = 0x2d,
    /// Credentials by user id.
    Credential = 0x30,
    /// User id, factor id → factor.
    Factor = 0x31,
    /// User id → what a directory accepted as the password, for its outages.
    Verifier = 0x32,
    /// Digest of a passkey's credential id → user id, factor id.
    FactorByCredential = 0x33,
    /// What is counted against a cap → when it was used of late.
    Quota = 0x34,
    /// Whose guesses are counted → how many there were, and until when they wait.
    Lock = 0x35,
    /// User id, kind → of what somebody was told ahead, and when.
    Notice = 0x36,
    /// When the password was set, user id: where musterd keeps one.
    CredentialByChanged = 0x37,
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
    /// Digest of flow and purpose, method → what was sent or asked there.
    Challenge = 0x47,
    /// Trusted devices by token hash.
    Device = 0x48,
    /// User id, device id → token hash.
    DeviceByUser = 0x49,
    /// Number → key that signs tokens.
    SigningKey = 0x4a,
    /// Hash of the text that a token had before its last rotation → token hash.
    TokenByPrevious = 0x4b,
    /// End, key: rows that may be dropped from then on.
    Ending = 0x4f,
    /// Pages of audit lines by the number of the first; in schema 1 single lines.
    Audit = 0x50,
    /// User id, audit number: in schema 1 only.
    AuditByUser = 0x51,
    /// Source, time, some bytes → page of requests of its identity provider.
    Journal = 0x58,
    /// Outbox messages by number.
    Outbox = 0x60,
    /// Number → message that left the outbox unsent, for a while.
    OutboxFailed = 0x61,
    /// Cause → alarm.
    Alarm = 0x62,
    /// Name → how far a webhook is; name, number of a message → the line that the message tells of.
    Webhook = 0x63,
    /// Run id → run.
    Run = 0x71,
    /// Plan id → plan.
    Plan = 0x72,
    /// Plan id, number → item.
    PlanItem = 0x73,
    /// Source → how far it was read.
    Reading = 0x74,
    /// Source, external id → conflict.
    Conflict = 0x75,
    /// Source → what its identity provider took away of late.
    Push = 0x76,
    /// Plan id, number → what becomes of so many users or rows of a bulk change or import.
    PlanPage = 0x77,
    /// Run id, number → what became of them.
    RunPage = 0x78,
    /// Name → when a task ran last.
    TaskState = 0x80,
    /// Key → a setting that was changed at run time.
    Setting = 0x81,
}

/// Every space with its name, in the order of the keys.
pub const SPACES: &[(Space, &str)] = &[
    (Space::Meta, "meta"),
    (Space::User, "user"),
    (Space::UserByUsername, "user-by-username"),
    (Space::UserByEmail, "user-by-email"),
    (Space::UserByExternalId, "user-by-external-id"),
    (Space::UserBySource, "user-by-source"),
    (Space::UserByExpiry, "user-by-expiry"),
    (Space::UserByQuiet, "user-by-quiet"),
    (Space::UserByRole, "user-by-role"),
    (Space::UserByPurge, "user-by-purge"),
    (Space::UserByOtherEmail, "user-by-other-email"),
    (Space::UserByModified, "user-by-modified"),
    (Space::UserByState, "user-by-state"),
    (Space::UserByEntry, "user-by-entry"),
    (Space::UserTally, "user-tally"),
    (Space::UserBySourceQuiet, "user-by-source-quiet"),
    (Space::UserByOrganization, "user-by-organization"),
    (Space::Group, "group"),
    (Space::GroupByName, "group-by-name"),
    (Space::GroupMember, "group-member"),
    (Space::GroupOfMember, "group-of-member"),
    (Space::GroupByExternalId, "group-by-external-id"),
    (Space::GroupByEntry, "group-by-entry"),
    (Space::GroupByOrganization, "group-by-organization"),
    (Space::Organization, "organization"),
    (Space::OrganizationByName, "organization-by-name"),
    (Space::Resource, "resource"),
    (Space::ResourceByType, "resource-by-type"),
    (Space::ResourceByValue, "resource-by-value"),
    (Space::Role, "role"),
    (Space::Credential, "credential"),
    (Space::Factor, "factor"),
    (Space::Verifier, "verifier"),
    (Space::FactorByCredential, "factor-by-credential"),
    (Space::Quota, "quota"),
    (Space::Lock, "lock"),
    (Space::Notice, "notice"),
    (Space::CredentialByChanged, "credential-by-changed"),
    (Space::Session, "session"),
    (Space::SessionByUser, "session-by-user"),
    (Space::Token, "token"),
    (Space::TokenById, "token-by-id"),
    (Space::Link, "link"),
    (Space::LinkByUser, "link-by-user"),
    (Space::Login, "login"),
    (Space::Challenge, "challenge"),
    (Space::Device, "device"),
    (Space::DeviceByUser, "device-by-user"),
    (Space::SigningKey, "signing-key"),
    (Space::TokenByPrevious, "token-by-previous"),
    (Space::Ending, "ending"),
    (Space::Audit, "audit"),
    (Space::AuditByUser, "audit-by-user"),
    (Space::Journal, "journal"),
    (Space::Outbox, "outbox"),
    (Space::OutboxFailed, "outbox-failed"),
    (Space::Alarm, "alarm"),
    (Space::Webhook, "webhook"),
    (Space::Run, "run"),
    (Space::Plan, "plan"),
    (Space::PlanItem, "plan-item"),
    (Space::Reading, "reading"),
    (Space::Conflict, "conflict"),
    (Space::Push, "push"),
    (Space::PlanPage, "plan-page"),
    (Space::RunPage, "run-page"),
    (Space::TaskState, "task"),
    (Space::Setting, "setting"),
];

impl Space {
    /// Its name for people and in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        SPACES.iter().find(|(space, _)| *space == self).map_or("", |(_, name)| name)
    }

    /// The space that a key lies in.
    #[must_use]
    pub fn of(key: &[u8]) -> Option<Self> {
        let tag = *key.first()?;
        SPACES.iter().map(|(space, _)| *space).find(|space| space.tag() == tag)
    }

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

/// A time inside a key: milliseconds, sorting as numbers do.
#[must_use]
pub fn millis(at: Timestamp) -> [u8; 8] {
    u64::try_from(at.as_millisecond()).unwrap_or(0).to_be_bytes()
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
            0x01, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x20,
            0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35,
            0x36, 0x37, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4f, 0x50, 0x51, 0x58,
            0x60, 0x61, 0x62, 0x63, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x80, 0x81,
        ];
        let named: Vec<u8> = SPACES.iter().map(|(space, _)| space.tag()).collect();
        assert_eq!(named, tags);
        for (space, name) in SPACES {
            assert_eq!((space.name(), Space::of(&space.key(&[b"x"]))), (*name, Some(*space)));
        }
    }

    #[test]
    fn times_in_keys_sort_as_times() {
        let at = |second| seconds(Timestamp::from_second(second).unwrap());
        assert!(at(5) < at(256) && at(256) < at(70_000_000_000));
    }
}

//! The user: everything the directory knows of a person but secrets and memberships, and the moves between states.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::clock::plus;
use crate::base::id::{ExternalId, OrganizationId, RoleId, SourceId, UserId};
use crate::directory::audit::Actor;
use crate::directory::field::{Description, DisplayName, Email, FieldError, Phone, Username};
use crate::directory::role;

mod change;
mod changes;
mod fingerprint;
mod kept;
mod narrow;

pub use change::{NewUser, UserChange, double_option, with_plain_role};
pub use fingerprint::{Fingerprint, Prints};
pub use kept::KeptAttribute;

/// Clocks are put right by seconds, now and then.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// A person who may log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Made once, never used again.
    pub id: UserId,
    /// Unique in the directory, without case.
    pub username: Username,
    /// The name to show.
    pub name: DisplayName,
    /// Unique in the directory, without case. Local users always have one; a source may know none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// In E.164.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<Phone>,
    /// Free text.
    #[serde(default)]
    pub description: Description,
    /// Who owns the record.
    pub source: SourceId,
    /// What the owning source calls this person: with the source, the identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// How the owning source has this person, as it said last; none for whoever is not read from a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_source: Option<AtSource>,
    /// Attributes that an administrator keeps here: the source's word on them is not taken.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub kept: BTreeSet<KeptAttribute>,
    /// Active, disabled or removed, with the facts of it.
    pub state: State,
    /// From this second on nobody comes in by this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// System roles; at least one.
    pub roles: BTreeSet<RoleId>,
    /// Organisations, each with the roles held inside.
    #[serde(default)]
    pub organizations: BTreeMap<OrganizationId, BTreeSet<RoleId>>,
    /// The organisation whose administrators manage the account; it is one of the above. None: the directory's do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<OrganizationId>,
    /// The user's own second-factor policy.
    #[serde(default)]
    pub mfa: MfaPolicy,
    /// A new password is asked for at the next login.
    #[serde(default)]
    pub must_change_password: bool,
    /// When the record was made.
    pub created_at: Timestamp,
    /// When something other than activity last changed.
    pub modified_at: Timestamp,
    /// When the user was last enabled (or made): from here an unused account counts as quiet.
    pub enabled_at: Timestamp,
    /// The last login that ended in a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<Timestamp>,
    /// The last use of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Raised whenever everything the user holds (sessions, links, logins under way) must die.
    #[serde(default)]
    pub session_epoch: u64,
    /// The SCIM attributes as they were sent, emails, numbers and names among them: they are given back as they came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub scim: Map<String, Value>,
    /// Raised by one with every change but activity; the ETag.
    pub revision: u64,
}

/// How a source has a person, besides what everybody sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtSource {
    /// The entry's name there now: a DN, a URL. It may change; the external id does not.
    pub entry: String,
    /// What the entry calls its primary group: a number that a group carries too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_group: Option<String>,
    /// The user's expiry is the source's word: it goes when the source takes it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expires: bool,
}

/// May this user come in, as far as an administrator or source has said?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// Yes.
    Active,
    /// Not until enabled again.
    Disabled(Disabled),
    /// Gone for everybody but the tombstone's keeper; comes back whole until it is purged.
    Removed {
        /// Since when.
        at: Timestamp,
        /// By whom.
        by: Actor,
        /// When the tombstone may be purged.
        purge_after: Timestamp,
        /// How it was disabled when it was removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disabled: Option<Disabled>,
    },
}

/// The facts of a disabled user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: Actor,
    /// Why.
    pub reason: DisabledReason,
}

/// Why a user was disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// An administrator said so.
    Admin,
    /// Not active for longer than policy allows.
    Inactivity,
    /// The expiry passed.
    Expired,
    /// The owning source says that the user is disabled there.
    Source,
    /// A complete pass of the owning source did not have the user.
    AbsentFromSource,
}

impl DisabledReason {
    /// The reason as it is stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Inactivity => "inactivity",
            Self::Expired => "expired",
            Self::Source => "source",
            Self::AbsentFromSource => "absent_from_source",
        }
    }
}

/// The user's own second-factor policy, beside the directory's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MfaPolicy {
    /// No second factor of the user's own accord.
    #[default]
    Disabled,
    /// Asked for once a factor is enrolled.
    Enabled,
    /// Always asked for; must be enrolled at the next login, and its owner cannot switch it off.
    Forced,
}

/// A rule that refused a change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// Fields that cannot be taken.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
    /// The user is not in a state from which this move is possible.
    #[error("the user is {state}: {hint}")]
    WrongState {
        /// The state it is in.
        state: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// Nobody would be left to administer the directory (promise 12).
    #[error("this is the last active system administrator; make another one first")]
    LastAdministrator,
}

impl RuleError {
    /// One field that cannot be taken.
    #[must_use]
    pub fn field(field: &str, code: &'static str, message: &str) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, message)])
    }
}

impl User {
    /// May the bearer of this user's credentials come in at this moment? Expiry does not wait for a sweep.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.is_active() && !self.is_expired(now)
    }

    /// Neither disabled nor removed.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// Has the expiry passed?
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// A tombstone?
    #[must_use]
    pub fn is_removed(&self) -> bool {
        matches!(self.state, State::Removed { .. })
    }

    /// Does the user hold this system role?
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.as_str() == role)
    }

    /// Holds the System Admin role.
    #[must_use]
    pub fn is_system_admin(&self) -> bool {
        self.has_role(role::SYSTEM_ADMIN)
    }

    /// The address that mail can reach, if there is one: nothing is sent to a placeholder (RFC 2606 §2).
    #[must_use]
    pub fn mailbox(&self) -> Option<&Email> {
        self.email.as_ref().filter(|email| !email.folded().ends_with(".invalid"))
    }

    /// From when the account counts as quiet: the last login or use, or the last enabling.
    #[must_use]
    pub fn quiet_since(&self) -> Timestamp {
        [self.last_login, self.last_seen].into_iter().flatten().fold(self.enabled_at, Timestamp::max)
    }

    /// The state as one word.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        match self.state {
            State::Active => "active",
            State::Disabled(_) => "disabled",
            State::Removed { .. } => "removed",
        }
    }

    /// Whose home is none of their organisations is managed by the directory's administrators.
    #[must_use]
    pub fn at_home(mut self) -> Self {
        self.managed_by = self.managed_by.filter(|home| self.organizations.contains_key(home));
        self
    }

    /// Kills everything that the user holds.
    #[must_use]
    pub fn end_sessions(mut self) -> Self {
        self.session_epoch = self.session_epoch.saturating_add(1);
        self
    }

    /// Disables an active user; a disabled one keeps its first reason.
    ///
    /// # Errors
    /// When the user is removed.
    pub fn disable(mut self, reason: DisabledReason, by: Actor, now: Timestamp) -> Result<Self, RuleError> {
        match self.state {
            State::Active => {
                self.state = State::Disabled(Disabled { at: now, by, reason });
                Ok(self.end_sessions())
            }
            State::Disabled(_) => Ok(self),
            State::Removed { .. } => Err(RuleError::WrongState { state: "removed", hint: "restore it first" }),
        }
    }

    /// Enables a disabled user; the time of inactivity begins anew.
    ///
    /// # Errors
    /// When the user is removed, or expired: enabling alone would let nobody in.
    pub fn enable(mut self, now: Timestamp) -> Result<Self, RuleError> {
        match self.state {
            State::Removed { .. } => Err(RuleError::WrongState { state: "removed", hint: "restore it first" }),
            _ if self.is_expired(now) => {
                Err(RuleError::WrongState { state: "expired", hint: "set a later expiry, or none, first" })
            }
            State::Active => Ok(self),
            State::Disabled(_) => {
                self.state = State::Active;
                self.enabled_at = now;
                Ok(self)
            }
        }
    }

    /// Makes a tombstone: the name is free, everything else waits for `retention`.
    #[must_use]
    pub fn remove(mut self, by: Actor, now: Timestamp, retention: Duration) -> Self {
        let disabled = match self.state {
            State::Removed { .. } => return self,
            State::Disabled(disabled) => Some(disabled),
            State::Active => None,
        };
        self.state = State::Removed { at: now, by, purge_after: plus(now, retention), disabled };
        self.end_sessions()
    }

    /// Takes a tombstone back into the state it was removed from.
    ///
    /// # Errors
    /// When the user is not removed.
    pub fn restore(mut self, now: Timestamp) -> Result<Self, RuleError> {
        match self.state {
            State::Removed { disabled, .. } => {
                self.state = disabled.map_or(State::Active, State::Disabled);
                self.enabled_at = now;
                Ok(self)
            }
            _ => Err(RuleError::WrongState { state: "not removed", hint: "there is nothing to restore" }),
        }
    }

    /// Notes a use at `now`. Not a change: neither revision nor modification time move.
    #[must_use]
    pub fn seen(mut self, now: Timestamp) -> Self {
        self.last_seen = Some(latest(self.last_seen, now));
        self
    }

    /// Notes a login at `now`.
    #[must_use]
    pub fn logged_in(mut self, now: Timestamp) -> Self {
        self.last_login = Some(latest(self.last_login, now));
        self.seen(now)
    }
}

/// The later of both, unless what was noted is of a clock that was ahead: it would keep an account from ever being quiet.
fn latest(noted: Option<Timestamp>, now: Timestamp) -> Timestamp {
    noted.filter(|noted| *noted <= plus(now, CLOCK_SLACK)).map_or(now, |noted| noted.max(now))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// A plain active user for tests.
    pub(crate) fn user(username: &str, now: Timestamp) -> User {
        let new = NewUser {
            id: UserId::new(now, &Rng::system()),
            username: Username::parse(username).unwrap(),
            name: DisplayName::parse(username).unwrap(),
            source: SourceId::local(),
            rest: UserChange {
                email: Some(Some(Email::parse(&format!("{username}@example.org")).unwrap())),
                ..UserChange::default()
            },
            disabled: None,
        };
        new.build(Actor::Anonymous, now, None)
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn expiry_refuses_from_its_very_second() {
        let mut ada = user("ada", at(0));
        ada.expires_at = Some(at(100));
        assert!(ada.is_valid(at(99)));
        assert!(!ada.is_valid(at(100)));
    }

    #[test]
    fn disabling_and_removing_end_sessions_and_keep_the_first_reason() {
        let ada = user("ada", at(0));
        let off = ada.disable(DisabledReason::Inactivity, Actor::Anonymous, at(5)).unwrap();
        assert_eq!(off.session_epoch, 1);
        let again = off.clone().disable(DisabledReason::Admin, Actor::Anonymous, at(6)).unwrap();
        assert_eq!(again, off);
        let gone = off.clone().remove(Actor::Anonymous, at(7), Duration::from_secs(60));
        assert!(gone.is_removed() && gone.session_epoch == 2);
        assert!(gone.clone().enable(at(8)).is_err());
        assert_eq!(gone.restore(at(9)).unwrap().state, off.state);
    }

    #[test]
    fn what_a_clock_noted_that_was_ahead_does_not_stay() {
        let ada = user("ada", at(0)).logged_in(at(1_000_000));
        assert_eq!(ada.clone().seen(at(500)).last_seen, Some(at(500)));
        assert_eq!(ada.logged_in(at(999_990)).last_login, Some(at(1_000_000)), "by some seconds it may");
    }

    #[test]
    fn no_default_ends_an_administrator() {
        let build = |role: &str, end: Option<Option<Timestamp>>| {
            let new = NewUser {
                id: UserId::new(at(0), &Rng::system()),
                username: Username::parse("ada").unwrap(),
                name: DisplayName::parse("Ada").unwrap(),
                source: SourceId::local(),
                rest: UserChange {
                    roles: Some([RoleId::parse(role).unwrap()].into()),
                    expires_at: end,
                    ..UserChange::default()
                },
                disabled: None,
            };
            new.build(Actor::Anonymous, at(0), Some(Duration::from_secs(90))).expires_at
        };
        assert_eq!(build(role::SYSTEM_ADMIN, None), None);
        assert_eq!(build(role::SYSTEM_ADMIN, Some(Some(at(50)))), Some(at(50)), "somebody's word is");
        assert_eq!(build(role::USER, None), Some(at(90)));
    }

    #[test]
    fn the_quiet_time_begins_anew_when_enabled() {
        let ada = user("ada", at(0)).logged_in(at(50));
        assert_eq!(ada.quiet_since(), at(50));
        let off = ada.disable(DisabledReason::Inactivity, Actor::Anonymous, at(500)).unwrap();
        assert_eq!(off.enable(at(600)).unwrap().quiet_since(), at(600));
    }

    #[test]
    fn an_expired_user_cannot_just_be_enabled() {
        let mut ada = user("ada", at(0));
        ada.expires_at = Some(at(10));
        let off = ada.disable(DisabledReason::Expired, Actor::Anonymous, at(11)).unwrap();
        assert!(off.enable(at(12)).is_err());
    }

    #[test]
    fn a_change_tells_absent_from_null() {
        let change: UserChange = serde_json::from_str(r#"{"phone": null}"#).unwrap();
        assert_eq!(change.phone, Some(None));
        assert_eq!(change.email, None);
        assert_eq!(serde_json::to_string(&change).unwrap(), r#"{"phone":null}"#);
    }
}

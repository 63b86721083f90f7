//! Making users and changing their attributes: wishes, and what becomes of a user by them. PURE.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AtSource, Disabled, DisabledReason, KeptAttribute, MfaPolicy, State, User};
use crate::base::clock::plus;
use crate::base::id::{ExternalId, OrganizationId, RoleId, SourceId, UserId};
use crate::directory::audit::Actor;
use crate::directory::field::{Description, DisplayName, Email, Phone, Username};
use crate::directory::role;

/// A wish to change some of a user's attributes; `None` leaves one alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserChange {
    /// A new login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<Username>,
    /// A new name to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// A new address, or none.
    #[serde(skip_serializing_if = "Option::is_none", with = "double_option")]
    pub email: Option<Option<Email>>,
    /// A new number, or none.
    #[serde(skip_serializing_if = "Option::is_none", with = "double_option")]
    pub phone: Option<Option<Phone>>,
    /// A new description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// A new expiry, or none.
    #[serde(skip_serializing_if = "Option::is_none", with = "double_option")]
    pub expires_at: Option<Option<Timestamp>>,
    /// New system roles; empty stands for the plain role of a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<BTreeSet<RoleId>>,
    /// New memberships of organisations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizations: Option<BTreeMap<OrganizationId, BTreeSet<RoleId>>>,
    /// The organisation that manages the account from now on, or none.
    #[serde(skip_serializing_if = "Option::is_none", with = "double_option")]
    pub managed_by: Option<Option<OrganizationId>>,
    /// A new second-factor policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa: Option<MfaPolicy>,
    /// Whether a new password is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_change_password: Option<bool>,
    /// A new external id, or none.
    #[serde(skip_serializing_if = "Option::is_none", with = "double_option")]
    pub external_id: Option<Option<ExternalId>>,
    /// How the source has the person now.
    #[serde(skip_serializing_if = "Option::is_none", with = "double_option")]
    pub at_source: Option<Option<AtSource>>,
    /// The attributes that are kept here from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<BTreeSet<KeptAttribute>>,
    /// New SCIM attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim: Option<Map<String, Value>>,
}

impl UserChange {
    /// The user with the wished changes.
    #[must_use]
    pub fn apply(self, mut user: User) -> User {
        fn set<T>(field: &mut T, wish: Option<T>) {
            if let Some(value) = wish {
                *field = value;
            }
        }
        set(&mut user.username, self.username);
        set(&mut user.name, self.name);
        set(&mut user.email, self.email);
        set(&mut user.phone, self.phone);
        set(&mut user.description, self.description);
        set(&mut user.expires_at, self.expires_at);
        set(&mut user.roles, self.roles.map(with_plain_role));
        set(&mut user.organizations, self.organizations);
        set(&mut user.managed_by, self.managed_by);
        set(&mut user.mfa, self.mfa);
        set(&mut user.must_change_password, self.must_change_password);
        set(&mut user.external_id, self.external_id);
        set(&mut user.at_source, self.at_source);
        set(&mut user.kept, self.kept);
        set(&mut user.scim, self.scim);
        user.at_home()
    }
}

/// Every user keeps at least one system role.
#[must_use]
pub fn with_plain_role(mut roles: BTreeSet<RoleId>) -> BTreeSet<RoleId> {
    if roles.is_empty()
        && let Ok(plain) = RoleId::parse(role::USER)
    {
        roles.insert(plain);
    }
    roles
}

/// What a new user is made from, besides the directory's defaults.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The identifier, made by the caller.
    pub id: UserId,
    /// The login name.
    pub username: Username,
    /// The name to show.
    pub name: DisplayName,
    /// Who owns the record.
    pub source: SourceId,
    /// Everything else, as changes to a user that has the defaults.
    pub rest: UserChange,
    /// Disabled from the start, for this reason.
    pub disabled: Option<DisabledReason>,
}

impl NewUser {
    /// Makes the user: defaults, then the wished rest. `lifetime` is the default one of the directory.
    #[must_use]
    pub fn build(self, by: Actor, now: Timestamp, lifetime: Option<Duration>) -> User {
        let state = match self.disabled {
            Some(reason) => State::Disabled(Disabled { at: now, by, reason }),
            None => State::Active,
        };
        let user = User {
            id: self.id,
            username: self.username,
            name: self.name,
            email: None,
            phone: None,
            description: Description::default(),
            source: self.source,
            external_id: None,
            at_source: None,
            kept: BTreeSet::new(),
            state,
            expires_at: lifetime.map(|lifetime| plus(now, lifetime)),
            roles: with_plain_role(BTreeSet::new()),
            organizations: BTreeMap::new(),
            managed_by: None,
            mfa: MfaPolicy::default(),
            must_change_password: false,
            created_at: now,
            modified_at: now,
            enabled_at: now,
            last_login: None,
            last_seen: None,
            session_epoch: 0,
            scim: Map::new(),
            revision: 1,
        };
        let lives_by_default = self.rest.expires_at.is_none();
        let user = self.rest.apply(user);
        // No default may end the last way in: an administrator ends on somebody's word only.
        match user.is_system_admin() && lives_by_default {
            true => User { expires_at: None, ..user },
            false => user,
        }
    }
}

/// Tells an absent member from a null one: absent is `None`, null is `Some(None)`.
pub mod double_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Reads a member that is there.
    ///
    /// # Errors
    /// Those of the inner value.
    pub fn deserialize<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
    where
        D: Deserializer<'de>,
        T: Deserialize<'de>,
    {
        Option::<T>::deserialize(deserializer).map(Some)
    }

    /// Writes the inner value, or null.
    ///
    /// # Errors
    /// Those of the inner value.
    pub fn serialize<S, T>(value: &Option<Option<T>>, serializer: S) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        T: Serialize,
    {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }
}

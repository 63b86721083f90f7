//! What somebody may do: a list of permissions with stable names and explicit numbers in storage.

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! permissions {
    ($($number:literal $variant:ident $name:literal $what:literal,)*) => {
        /// One thing that a role or token may do.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[repr(u16)]
        pub enum Permission {
            $(#[doc = $what] #[serde(rename = $name)] $variant = $number,)*
        }

        impl Permission {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name, as written in roles and tokens.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The number that stands for it in storage; never used again for another.
            #[must_use]
            pub fn number(self) -> u16 {
                match self { $(Self::$variant => $number,)* }
            }

            /// What it allows, in words.
            #[must_use]
            pub fn describe(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }

            /// The permission of this name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.name() == name)
            }
        }
    };
}

permissions! {
    1 UsersView "users.view" "See users and what is known of them.",
    2 UsersCreate "users.create" "Create and duplicate users.",
    3 UsersUpdate "users.update" "Change users' attributes, groups and expiry.",
    4 UsersState "users.state" "Disable, enable and unlock users.",
    5 UsersDelete "users.delete" "Delete users to a tombstone and restore them.",
    6 UsersPassword "users.password" "Set users' passwords and send password links.",
    7 UsersMfa "users.reset_mfa" "Reset users' second factors.",
    8 UsersRoles "users.roles" "Give and take system roles.",
    9 UsersSessions "users.sessions" "See and end users' sessions.",
    10 GroupsView "groups.view" "See groups and their members.",
    11 GroupsManage "groups.manage" "Create, change and delete groups and their members.",
    12 OrganizationsView "organizations.view" "See organisations.",
    13 OrganizationsManage "organizations.manage" "Create, rename and delete organisations and their memberships.",
    14 RolesView "roles.view" "See roles.",
    15 SourcesView "sources.view" "See sources, their runs and plans.",
    16 SourcesSync "sources.sync" "Run a source now, test it, and preview what it would change.",
    17 PlansApprove "plans.approve" "Approve, reject and undo plans.",
    18 TokensView "tokens.view" "See API tokens.",
    19 TokensManage "tokens.manage" "Create, change, rotate and revoke API tokens.",
    20 AuditView "audit.view" "Read the audit trail.",
    21 SettingsView "settings.view" "Read the policy settings.",
    22 SweepsRun "sweeps.run" "Run and preview sweeps.",
    23 LoginIntrospect "login.introspect" "Ask whether a session is valid (RFC 7662).",
    24 LoginAuthenticate "login.authenticate" "Log users in on their behalf, naming the client's address.",
    25 StoreBackup "store.backup" "Take a backup: everything that is stored, but the seal key.",
    26 StoreKey "store.rotate_key" "Change the key of stored secrets.",
    27 ConflictsResolve "conflicts.resolve" "Decide what becomes of entries whose names other users hold.",
    28 MessagesTest "messages.test" "Send a test message by the configured ways.",
    29 MessagesView "messages.view" "See messages that wait or were given up, without what they say.",
    30 MessagesManage "messages.manage" "Try messages again, and drop them.",
    31 AlarmsView "alarms.view" "See what needs a person, and how webhooks stand.",
    32 MetricsView "metrics.view" "Read the figures of the daemon, as Prometheus does.",
    33 RolesManage "roles.manage" "Create, change and delete custom roles.",
    34 MembersManage "organizations.members" "Invite users to organisations, take them out, and give roles inside.",
    40 SettingsManage "settings.manage" "Change the policy settings and have the file read again.",
}

/// What may be held inside one organisation. Nobody deletes users, gives system roles or runs the daemon from there.
const INSIDE: &[Permission] = &[
    Permission::UsersView,
    Permission::UsersCreate,
    Permission::UsersUpdate,
    Permission::UsersState,
    Permission::UsersPassword,
    Permission::UsersMfa,
    Permission::UsersSessions,
    Permission::GroupsView,
    Permission::GroupsManage,
    Permission::OrganizationsView,
    Permission::MembersManage,
    Permission::RolesView,
];

impl Permission {
    /// May a role of an organisation hold it?
    #[must_use]
    pub fn is_held_inside(self) -> bool {
        INSIDE.contains(&self)
    }

    /// The permission of this number.
    #[must_use]
    pub fn by_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.number() == number)
    }
}

/// A set of permissions: a bit for each by its number, so that a check costs no more than looking.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u128);

impl Permissions {
    /// Every permission there is.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Every permission that may be held inside one organisation.
    #[must_use]
    pub fn inside() -> Self {
        INSIDE.iter().copied().collect()
    }

    fn bit(permission: Permission) -> u128 {
        1_u128.checked_shl(u32::from(permission.number())).unwrap_or(0)
    }

    /// Is it among them?
    #[must_use]
    pub fn contains(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    /// Adds one.
    pub fn insert(&mut self, permission: Permission) {
        self.0 |= Self::bit(permission);
    }

    /// Are all of these among the others?
    #[must_use]
    pub fn is_subset(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Those of both.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Those of either.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are not among the others.
    #[must_use]
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// None at all?
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }

    /// Their names, in the order of their numbers.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Permission::name).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut set = Self::default();
        permissions.into_iter().for_each(|permission| set.insert(permission));
        set
    }
}

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// In storage: the numbers, in their order.
impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Permission::number))
    }
}

/// Up to schema 5 names were stored. A number that this version does not know gives nothing.
impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Stored)
    }
}

struct Stored;

impl<'de> Visitor<'de> for Stored {
    type Value = Permissions;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("numbers of permissions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Permissions, A::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Item {
            Number(u16),
            Name(String),
            Other(IgnoredAny),
        }
        let mut set = Permissions::default();
        while let Some(item) = seq.next_element::<Item>()? {
            let found = match item {
                Item::Number(number) => Permission::by_number(number),
                Item::Name(name) => Permission::by_name(&name),
                Item::Other(_) => return Err(A::Error::custom("a permission is a number")),
            };
            set.0 |= found.map_or(0, Permissions::bit);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_stable_and_unique() {
        let numbers: std::collections::BTreeSet<_> = Permission::ALL.iter().map(|p| p.number()).collect();
        assert_eq!(numbers.len(), Permission::ALL.len());
        for permission in Permission::ALL {
            assert_eq!(Permission::by_name(permission.name()), Some(*permission));
            assert_eq!(serde_json::to_value(permission).unwrap(), permission.name());
        }
        assert_eq!(Permission::UsersView.number(), 1);
        assert_eq!(Permission::LoginAuthenticate.number(), 24);
        assert_eq!((Permission::StoreBackup.number(), Permission::StoreBackup.name()), (25, "store.backup"));
        assert_eq!(
            (Permission::MembersManage.number(), Permission::MembersManage.name()),
            (34, "organizations.members")
        );
        assert!(Permission::ALL.iter().all(|permission| permission.number() < 128), "a bit for each");
    }

    #[test]
    fn sets_are_stored_as_numbers_and_read_from_names_too() {
        let set: Permissions = [Permission::MetricsView, Permission::UsersView].into_iter().collect();
        assert_eq!(serde_json::to_string(&set).unwrap(), "[1,32]");
        assert_eq!(serde_json::from_str::<Permissions>("[1,32]").unwrap(), set);
        assert_eq!(serde_json::from_str::<Permissions>(r#"["metrics.view","users.view"]"#).unwrap(), set);
        assert_eq!(serde_json::from_str::<Permissions>("[1,32,999]").unwrap(), set, "one of a later version");
        assert!(serde_json::from_str::<Permissions>("[null]").is_err());
    }

    #[test]
    fn sets_add_up_and_compare() {
        let set = |list: &[Permission]| list.iter().copied().collect::<Permissions>();
        let (a, b) = (set(&[Permission::UsersView]), set(&[Permission::UsersView, Permission::GroupsView]));
        assert!(a.is_subset(b) && !b.is_subset(a) && Permissions::default().is_subset(a));
        assert_eq!((a.or(b), a.and(b), b.without(a)), (b, a, set(&[Permission::GroupsView])));
        assert!(a.is_subset(Permissions::all()) && Permissions::inside().is_subset(Permissions::all()));
        assert!(!Permissions::inside().contains(Permission::UsersDelete));
    }
}

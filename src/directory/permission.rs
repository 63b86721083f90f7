//! What somebody may do: a list of permissions with stable names and explicit numbers in storage.

use serde::{Deserialize, Serialize};

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
    4 UsersState "users.state" "Disable and enable users.",
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
    15 SourcesView "sources.view" "See sources, their runs and plans, and test sources.",
    16 SourcesSync "sources.sync" "Run a source now.",
    17 PlansApprove "plans.approve" "Approve, reject and undo plans.",
    18 TokensView "tokens.view" "See API tokens.",
    19 TokensManage "tokens.manage" "Create and revoke API tokens.",
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
    }
}

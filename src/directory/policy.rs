//! The directory's policies: what the settings say about factors, sessions, quiet accounts and budgets.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use crate::base::id::SourceId;
use crate::base::network::Network;
use crate::directory::field::DisplayName;
use crate::directory::group::Group;
use crate::directory::user::{MfaPolicy, User};

/// Defaults for new users, and how long a tombstone is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct UserDefaults {
    /// How long a new user lives unless an expiry is named; `None` is for ever.
    pub lifetime: Option<Duration>,
    /// How long a removed user waits before it may be purged.
    pub retention: Duration,
}

impl Default for UserDefaults {
    fn default() -> Self {
        Self { lifetime: None, retention: days(30) }
    }
}

/// Who is asked for a second factor, whatever their own policy says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MfaMode {
    /// Only users whose own policy asks for it.
    #[default]
    Off,
    /// Everybody.
    All,
    /// Whoever holds a permission, in the directory or inside an organisation.
    Administrators,
}

/// What is asked of one user after the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorRule {
    /// Nothing.
    NotAsked,
    /// A factor, if one is enrolled.
    IfEnrolled,
    /// A factor; to be enrolled now if there is none.
    Required,
}

/// Whom to ask for a second factor: the directory's mode, and whole sources and groups besides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MfaRules {
    /// The mode of the directory.
    pub mode: MfaMode,
    /// Sources whose users are always asked.
    pub sources: BTreeSet<SourceId>,
    /// Groups whose members, direct or not, are always asked.
    pub groups: Vec<GroupRef>,
}

/// A group by the name that people give it: `admins`, or `corp:admins` for one of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRef {
    source: SourceId,
    name: DisplayName,
}

impl GroupRef {
    /// Is it this one?
    #[must_use]
    pub fn is(&self, group: &Group) -> bool {
        // Who manages an organisation names its groups: they are never meant by a name alone.
        let is_of_the_directory = group.organization.is_none();
        is_of_the_directory && self.source == group.source && self.name.folded() == group.name.folded()
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_local() { write!(f, "{}", self.name) } else { write!(f, "{}:{}", self.source, self.name) }
    }
}

impl FromStr for GroupRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A source's name holds no colon: what stands before the first one is a source, or the name of a local group.
        let (source, name) = match text.split_once(':') {
            Some((source, name)) => (SourceId::parse(source).map_err(|error| format!("{text:?}: {error}"))?, name),
            None => (SourceId::local(), text),
        };
        let name = DisplayName::parse(name).map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Self { source, name })
    }
}

/// Why a user is asked for a second factor, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MfaCause {
    /// The directory asks everybody.
    Everybody,
    /// The directory asks its administrators.
    Administrators,
    /// Their source's users are asked.
    Source(SourceId),
    /// The members of this group are asked.
    Group(String),
    /// Their own setting.
    Own,
}

impl MfaCause {
    /// In words, for who looks a user up.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Everybody => "mfa.policy = all".to_owned(),
            Self::Administrators => "mfa.policy = administrators".to_owned(),
            Self::Source(source) => format!("the source {source} (mfa = true)"),
            Self::Group(name) => format!("the group {name} (mfa.groups)"),
            Self::Own => "the user's own setting".to_owned(),
        }
    }
}

impl MfaRules {
    /// The rule for one user, who holds some permission or none and is in these groups, and where it comes from.
    #[must_use]
    pub fn rule_for(&self, user: &User, is_powerful: bool, groups: &[Group]) -> (FactorRule, MfaCause) {
        let cause = match self.mode {
            MfaMode::All => Some(MfaCause::Everybody),
            MfaMode::Administrators if is_powerful => Some(MfaCause::Administrators),
            MfaMode::Administrators | MfaMode::Off => None,
        };
        let cause = cause.or_else(|| self.sources.get(&user.source).cloned().map(MfaCause::Source));
        let cause = cause.or_else(|| {
            let group = groups.iter().find(|group| self.groups.iter().any(|named| named.is(group)))?;
            Some(MfaCause::Group(group.name.as_str().to_owned()))
        });
        match (cause, user.mfa) {
            (Some(cause), _) => (FactorRule::Required, cause),
            (None, MfaPolicy::Forced) => (FactorRule::Required, MfaCause::Own),
            (None, MfaPolicy::Enabled) => (FactorRule::IfEnrolled, MfaCause::Own),
            (None, MfaPolicy::Disabled) => (FactorRule::NotAsked, MfaCause::Own),
        }
    }
}

/// How long sessions and links live.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionPolicy {
    /// A session ends after this long without use.
    pub idle: Duration,
    /// A session ends after this long.
    pub absolute: Duration,
    /// A password link ends after this long.
    pub link: Duration,
    /// A password that somebody else set, and that must be changed, is good for so long.
    pub lent_password: Duration,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(3600),
            absolute: days(1),
            link: Duration::from_secs(3600),
            lent_password: days(1),
        }
    }
}

/// When somebody who guesses is kept out.
#[derive(Clone, Debug, PartialEq)]
pub struct LockoutPolicy {
    /// Wrong passwords before an account waits.
    pub password_attempts: u32,
    /// Wrong codes before an account waits.
    pub code_attempts: u32,
    /// Failures of one network (/32, /64) before it waits.
    pub network_attempts: u32,
    /// Failures of an account since its last success, of passwords and codes, before only an administrator or a new
    /// password helps (NIST SP 800-63B-4 §3.2.2: no more than 100).
    pub consecutive_attempts: u32,
    /// How long the first wait is; each further one doubles, up to a day.
    pub wait: Duration,
    /// The networks from which logins are taken; empty for all.
    pub allow_networks: Vec<Network>,
    /// The networks from which none are.
    pub deny_networks: Vec<Network>,
    /// Networks of many people, such as an office behind one address: their failures are counted by account only.
    pub trusted_networks: Vec<Network>,
}

impl Default for LockoutPolicy {
    fn default() -> Self {
        Self {
            password_attempts: 5,
            code_attempts: 5,
            network_attempts: 100,
            consecutive_attempts: 100,
            wait: Duration::from_secs(900),
            allow_networks: Vec::new(),
            deny_networks: Vec::new(),
            trusted_networks: Vec::new(),
        }
    }
}

impl LockoutPolicy {
    /// Are logins taken from this address? What is denied is denied, also within what is allowed.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let lies_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        !lies_in(&self.deny_networks) && (self.allow_networks.is_empty() || lies_in(&self.allow_networks))
    }

    /// Are the failures from this address counted by network too?
    #[must_use]
    pub fn counts_network(&self, address: IpAddr) -> bool {
        !self.trusted_networks.iter().any(|network| network.contains(address))
    }
}

/// How often a source is asked whether a password is right, so that it does not lock the account itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLockout {
    /// Wrong passwords of one name before the source is not asked about it.
    pub attempts: u32,
    /// For how long; also, after how long without a wrong one the count starts anew.
    pub wait: Duration,
}

/// How many users one run may disable or remove before a person must look (promise 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// This many are always allowed.
    pub floor: usize,
    /// Above the floor: at most this share of the source's active users, in percent.
    pub percent: u8,
    /// Above the floor: at most this many.
    pub count: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { floor: 10, percent: 5, count: 500 }
    }
}

/// A number of days.
#[must_use]
pub const fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(86_400))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::directory::user::tests::user;

    #[test]
    fn the_factor_rule_is_the_stricter_of_directory_and_user() {
        let mut ada = user("ada", Timestamp::UNIX_EPOCH);
        let (nothing, admin) = (false, true);
        let rules = |mode| MfaRules { mode, ..MfaRules::default() };
        let rule = |mode, user: &User, is_powerful| rules(mode).rule_for(user, is_powerful, &[]).0;
        assert_eq!(rule(MfaMode::Off, &ada, admin), FactorRule::NotAsked);
        assert_eq!(rule(MfaMode::Administrators, &ada, nothing), FactorRule::NotAsked);
        assert_eq!(rule(MfaMode::Administrators, &ada, admin), FactorRule::Required);
        assert_eq!(rule(MfaMode::All, &ada, nothing), FactorRule::Required);
        ada.mfa = MfaPolicy::Enabled;
        assert_eq!(rule(MfaMode::Off, &ada, nothing), FactorRule::IfEnrolled);
        ada.mfa = MfaPolicy::Forced;
        assert_eq!(rule(MfaMode::Off, &ada, nothing), FactorRule::Required);
    }

    #[test]
    fn a_source_and_a_group_can_ask_whatever_the_user_wants() {
        let ada = user("ada", Timestamp::UNIX_EPOCH);
        let of_source = MfaRules { sources: [ada.source.clone()].into(), ..MfaRules::default() };
        let cause = MfaCause::Source(ada.source.clone());
        assert_eq!(of_source.rule_for(&ada, false, &[]), (FactorRule::Required, cause));
        let group = |name: &str, source: &str| {
            let name = DisplayName::parse(name).unwrap();
            let id = crate::base::id::GroupId::new(Timestamp::UNIX_EPOCH, &crate::base::rng::Rng::seeded(1));
            Group::new(id, name, SourceId::parse(source).unwrap(), Timestamp::UNIX_EPOCH)
        };
        let named = "corp:VPN Users".parse().unwrap();
        let rules = MfaRules { groups: vec![named], ..MfaRules::default() };
        let rule = |group| rules.rule_for(&ada, false, &[group]).0;
        assert_eq!(rule(group("vpn users", "corp")), FactorRule::Required);
        assert_eq!(rule(group("vpn users", "local")), FactorRule::NotAsked);
        assert_eq!(rule(group("vpn", "corp")), FactorRule::NotAsked);
        assert!("No Source:x".parse::<GroupRef>().is_err() && "".parse::<GroupRef>().is_err());
    }
}

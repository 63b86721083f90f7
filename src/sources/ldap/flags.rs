//! What an entry says of the account beside its names: disabled for good, an end, and what passes by itself. Each kind
//! of server has attributes of its own for it. What passes by itself is shown and never disables anybody.

use jiff::Timestamp;
use jiff::civil::Date;

use super::entry::Entry;
use super::kind::{ServerKind, texts};
use crate::sources::Said;

/// `userAccountControl` ([MS-ADTS] 2.2.16): the account is disabled.
const ACCOUNT_DISABLE: i64 = 0x2;
/// `msDS-User-Account-Control-Computed` ([MS-ADTS] 3.1.1.4.5.17): locked out.
const LOCKOUT: i64 = 0x10;
/// The same: the password has expired.
const PASSWORD_EXPIRED: i64 = 0x80_0000;
/// Seconds between 1601, when Windows begins to count, and 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;
/// OpenLDAP's time of a lock that an administrator made for good (draft-behera-ldap-password-policy §5.3.3).
const LOCKED_FOR_GOOD: &str = "000001010000Z";

/// What an entry says of its account.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// Why it is disabled for good.
    pub(super) disabled: Option<String>,
    /// When it ends.
    pub(super) expires_at: Said<Timestamp>,
    /// What keeps its owner out for now.
    pub(super) passing: Option<String>,
}

/// The attributes that speak of the account, for a kind of server. Most are operational: they come when asked for only.
pub(super) fn wanted(kind: ServerKind) -> &'static [&'static str] {
    match kind {
        ServerKind::OpenLdap => &["pwdAccountLockedTime", "pwdEndTime", "shadowExpire", "pwdReset"],
        ServerKind::Ds389 => &["nsAccountLock", "accountUnlockTime", "passwordExpirationTime"],
        ServerKind::FreeIpa => &["nsAccountLock", "krbPrincipalExpiration", "krbPasswordExpiration"],
        ServerKind::ActiveDirectory => {
            &["userAccountControl", "accountExpires", "lockoutTime", "pwdLastSet", "msDS-User-Account-Control-Computed"]
        }
        ServerKind::Generic => &[],
    }
}

/// What an entry says of its account, at a server of this kind.
pub(super) fn read(kind: ServerKind, entry: &Entry, now: Timestamp) -> Flags {
    let first = |name: &str| texts(entry, name).into_iter().next();
    match kind {
        ServerKind::OpenLdap => open_ldap(first),
        ServerKind::Ds389 => ds389(first, now),
        ServerKind::FreeIpa => free_ipa(first, now),
        ServerKind::ActiveDirectory => active_directory(first),
        ServerKind::Generic => Flags::default(),
    }
}

fn open_ldap(first: impl Fn(&str) -> Option<String>) -> Flags {
    let locked = first("pwdAccountLockedTime");
    let must_change = first("pwdReset").filter(|reset| is_true(reset));
    let ends = [
        first("pwdEndTime").and_then(|end| generalized_time(&end)),
        first("shadowExpire").and_then(|day| shadow_day(&day)),
    ];
    let (disabled, passing) = match locked {
        Some(at) if at == LOCKED_FOR_GOOD => {
            (Some("locked by an administrator (pwdAccountLockedTime)".to_owned()), None)
        }
        Some(at) => (None, Some(format!("locked since {at} (pwdAccountLockedTime)"))),
        None => (None, must_change.map(|_| "the password must be changed (pwdReset)".to_owned())),
    };
    Flags { disabled, expires_at: Some(ends.into_iter().flatten().min()), passing }
}

fn ds389(first: impl Fn(&str) -> Option<String>, now: Timestamp) -> Flags {
    let until = first("accountUnlockTime").and_then(|end| generalized_time(&end)).filter(|end| *end > now);
    let password = first("passwordExpirationTime").and_then(|end| generalized_time(&end)).filter(|end| *end <= now);
    let passing = until.map(|end| format!("locked until {end} (accountUnlockTime)"));
    let passing = passing.or_else(|| password.map(|end| format!("the password has expired at {end}")));
    Flags { disabled: account_lock(&first), expires_at: None, passing }
}

fn free_ipa(first: impl Fn(&str) -> Option<String>, now: Timestamp) -> Flags {
    let end = first("krbPrincipalExpiration").and_then(|end| generalized_time(&end));
    let password = first("krbPasswordExpiration").and_then(|end| generalized_time(&end)).filter(|end| *end <= now);
    let passing = password.map(|end| format!("the password has expired at {end} (krbPasswordExpiration)"));
    Flags { disabled: account_lock(&first), expires_at: Some(end), passing }
}

fn account_lock(first: &impl Fn(&str) -> Option<String>) -> Option<String> {
    first("nsAccountLock").filter(|lock| is_true(lock)).map(|_| "disabled (nsAccountLock)".to_owned())
}

fn active_directory(first: impl Fn(&str) -> Option<String>) -> Flags {
    let number = |name: &str| first(name).and_then(|text| text.trim().parse::<i64>().ok());
    let is_disabled = number("userAccountControl").is_some_and(|control| control & ACCOUNT_DISABLE != 0);
    let computed = number("msDS-User-Account-Control-Computed");
    let is_locked = match computed {
        Some(computed) => computed & LOCKOUT != 0,
        // Not cleared when the lock ends: the best that an old server says.
        None => number("lockoutTime").is_some_and(|time| time != 0),
    };
    let must_change =
        number("pwdLastSet") == Some(0) || computed.is_some_and(|computed| computed & PASSWORD_EXPIRED != 0);
    let passing = match (is_locked, must_change) {
        (true, _) => Some("locked out (lockoutTime)".to_owned()),
        (false, true) => Some("the password must be changed (pwdLastSet)".to_owned()),
        (false, false) => None,
    };
    Flags {
        disabled: is_disabled.then(|| "disabled (userAccountControl)".to_owned()),
        expires_at: Some(number("accountExpires").and_then(windows_time)),
        passing,
    }
}

fn is_true(text: &str) -> bool {
    text.eq_ignore_ascii_case("TRUE")
}

/// A number of 100 nanoseconds since 1601; 0 and the largest one are never ([MS-ADA1] accountExpires).
fn windows_time(ticks: i64) -> Option<Timestamp> {
    if ticks <= 0 || ticks == i64::MAX {
        return None;
    }
    Timestamp::from_second((ticks / 10_000_000).saturating_sub(WINDOWS_EPOCH)).ok()
}

/// `shadowExpire` (RFC 2307): the account ends with the beginning of this day since 1970; 0 and less is never.
fn shadow_day(text: &str) -> Option<Timestamp> {
    let day = text.trim().parse::<i64>().ok().filter(|day| *day > 0)?;
    Timestamp::from_second(day.checked_mul(86_400)?).ok()
}

/// GeneralizedTime (RFC 4517 §3.3.13) in UTC, to the second: `20270131093000Z`, `20270131093000.0Z`, `202701310930Z`.
pub(super) fn generalized_time(text: &str) -> Option<Timestamp> {
    let text = text.trim().strip_suffix('Z')?;
    let digits = text.split_once(['.', ',']).map_or(text, |(whole, _)| whole);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<i8>().ok());
    let year = digits.get(..4)?.parse::<i16>().ok()?;
    let date = Date::new(year, part(4, 6)?, part(6, 8)?).ok()?;
    let time = date.at(part(8, 10)?, part(10, 12).unwrap_or(0), part(12, 14).unwrap_or(0), 0);
    time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::*;

    fn flags(kind: ServerKind, attributes: &[(&str, &str)]) -> Flags {
        let wanted: Vec<String> = wanted(kind).iter().map(|name| (*name).to_owned()).collect();
        let attributes: Vec<(&str, Vec<&[u8]>)> =
            attributes.iter().map(|(name, value)| (*name, vec![value.as_bytes()])).collect();
        read(kind, &Entry::read(entry(b"cn=x", &attributes), &wanted).unwrap(), at("2027-01-01T00:00:00Z"))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_for_good_disables_and_what_passes_is_only_shown() {
        use ServerKind::{ActiveDirectory, Ds389, FreeIpa, OpenLdap};
        let cases = [
            (OpenLdap, "pwdAccountLockedTime", "000001010000Z", true, false),
            (OpenLdap, "pwdAccountLockedTime", "20261231235900Z", false, true),
            (OpenLdap, "pwdReset", "TRUE", false, true),
            (Ds389, "nsAccountLock", "true", true, false),
            (Ds389, "nsAccountLock", "FALSE", false, false),
            (Ds389, "accountUnlockTime", "20270101000100Z", false, true),
            (Ds389, "accountUnlockTime", "20261231235900Z", false, false),
            (FreeIpa, "nsAccountLock", "TRUE", true, false),
            (FreeIpa, "krbPasswordExpiration", "20200101000000Z", false, true),
            (ActiveDirectory, "userAccountControl", "514", true, false),
            (ActiveDirectory, "userAccountControl", "512", false, false),
            (ActiveDirectory, "lockoutTime", "132223104000000000", false, true),
            (ActiveDirectory, "msDS-User-Account-Control-Computed", "16", false, true),
            (ActiveDirectory, "pwdLastSet", "0", false, true),
        ];
        for (kind, name, value, disabled, passing) in cases {
            let flags = flags(kind, &[(name, value)]);
            assert_eq!((flags.disabled.is_some(), flags.passing.is_some()), (disabled, passing), "{name} {value}");
        }
        let unlocked = [("lockoutTime", "132223104000000000"), ("msDS-User-Account-Control-Computed", "0")];
        assert_eq!(flags(ActiveDirectory, &unlocked).passing, None, "a lock that has ended is none");
    }

    #[test]
    fn ends_are_read_in_every_form_and_never_is_no_end() {
        use ServerKind::{ActiveDirectory, Ds389, FreeIpa, Generic, OpenLdap};
        for (kind, name, value, end) in [
            (ActiveDirectory, "accountExpires", "0", Some(None)),
            (ActiveDirectory, "accountExpires", "9223372036854775807", Some(None)),
            (ActiveDirectory, "accountExpires", "132223104000000000", Some(Some("2020-01-01T00:00:00Z"))),
            (OpenLdap, "shadowExpire", "-1", Some(None)),
            (OpenLdap, "shadowExpire", "20820", Some(Some("2027-01-02T00:00:00Z"))),
            (OpenLdap, "pwdEndTime", "20270131093000Z", Some(Some("2027-01-31T09:30:00Z"))),
            (FreeIpa, "krbPrincipalExpiration", "20270131093000Z", Some(Some("2027-01-31T09:30:00Z"))),
            (FreeIpa, "cn", "x", Some(None)),
            (Ds389, "cn", "x", None),
            (Generic, "cn", "x", None),
        ] {
            let expected = end.map(|end: Option<&str>| end.map(at));
            assert_eq!(flags(kind, &[(name, value)]).expires_at, expected, "{name} {value}");
        }
        let both = [("shadowExpire", "20820"), ("pwdEndTime", "20261201000000Z")];
        assert_eq!(flags(OpenLdap, &both).expires_at, Some(Some(at("2026-12-01T00:00:00Z"))), "the first end counts");
    }

    #[test]
    fn times_are_read_or_are_none() {
        assert_eq!(generalized_time("20270131093000.0Z"), Some(at("2027-01-31T09:30:00Z")));
        assert_eq!(generalized_time("202701310930Z"), Some(at("2027-01-31T09:30:00Z")));
        for bad in ["", "Z", "2027", "20271331093000Z", "20270131093000+0100", "2027013109ü000Z", "99999999999999999Z"]
        {
            let _ = generalized_time(bad);
        }
        assert_eq!(generalized_time("20271331093000Z"), None);
        assert_eq!(windows_time(i64::MIN), None);
    }
}

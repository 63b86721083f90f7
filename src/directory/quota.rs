//! How many codes may be sent: caps, and what was sent of late. PURE.
//!
//! A code costs money and reaches somebody who may not have asked for it; whoever runs a premium number gains by each.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::UserId;

/// So many, and no more, within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// How many.
    pub count: u32,
    /// Within how many seconds.
    pub seconds: u32,
}

impl Cap {
    const fn new(count: u32, seconds: u32) -> Self {
        Self { count, seconds }
    }
}

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// What is counted, and so has caps of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota<'a> {
    /// Texts to one number, in E.164.
    Number(&'a str),
    /// Texts for one user.
    User(UserId),
    /// Codes that one network asked for: an IPv4 address, or the /64 of an IPv6 address.
    Network(IpAddr),
    /// All texts of a day, at most this many.
    All(u32),
    /// Codes by mail for one user.
    MailUser(UserId),
    /// Notices to one user that somebody failed at their second factor.
    Notice(UserId),
    /// Comparisons of one user's face that were asked for.
    Face(UserId),
    /// Links to a new password that were asked for by one account: what tells it from others.
    Forgotten(&'a [u8]),
    /// The same, by one network.
    ForgottenFrom(IpAddr),
}

impl Quota<'_> {
    /// Its name for logs and audit lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::User(_) => "user",
            Self::Network(_) => "network",
            Self::All(_) => "all",
            Self::MailUser(_) => "mail_user",
            Self::Notice(_) => "notice",
            Self::Face(_) => "face",
            Self::Forgotten(_) => "forgotten",
            Self::ForgottenFrom(_) => "forgotten_from",
        }
    }

    /// Its caps.
    #[must_use]
    pub fn caps(self) -> Vec<Cap> {
        match self {
            Self::Number(_) => vec![Cap::new(1, MINUTE), Cap::new(5, HOUR), Cap::new(10, DAY)],
            Self::User(_) => vec![Cap::new(10, DAY)],
            Self::Network(_) => vec![Cap::new(20, HOUR)],
            Self::All(most) => vec![Cap::new(most, DAY)],
            Self::MailUser(_) => vec![Cap::new(1, MINUTE), Cap::new(5, HOUR)],
            Self::Notice(_) => vec![Cap::new(1, HOUR)],
            Self::Forgotten(_) => vec![Cap::new(1, MINUTE), Cap::new(5, HOUR)],
            Self::ForgottenFrom(_) => vec![Cap::new(30, HOUR)],
            Self::Face(_) => vec![Cap::new(10, 10 * MINUTE), Cap::new(100, DAY)],
        }
    }

    /// Uses within so many seconds are kept as one mark: the budget of a day needs no mark for each.
    fn grain(self) -> i64 {
        if matches!(self, Self::All(_)) { 600 } else { 0 }
    }

    /// What tells it from others of its kind.
    #[must_use]
    pub fn subject(self) -> Vec<u8> {
        match self {
            Self::Number(number) => number.as_bytes().to_vec(),
            Self::User(id) | Self::MailUser(id) | Self::Notice(id) | Self::Face(id) => id.as_bytes().to_vec(),
            Self::Forgotten(subject) => subject.to_vec(),
            Self::Network(IpAddr::V4(address)) | Self::ForgottenFrom(IpAddr::V4(address)) => address.octets().to_vec(),
            Self::Network(IpAddr::V6(address)) | Self::ForgottenFrom(IpAddr::V6(address)) => {
                match address.to_ipv4_mapped() {
                    Some(address) => address.octets().to_vec(),
                    None => address.octets().into_iter().take(8).collect(),
                }
            }
            Self::All(_) => Vec::new(),
        }
    }
}

/// When something was used of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Uses {
    /// Oldest first.
    marks: Vec<Mark>,
}

/// Uses at about the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The second of the last of them.
    at: i64,
    /// The second of the first of them.
    from: i64,
    count: u32,
}

impl Uses {
    /// One more use, where every cap has room for it.
    ///
    /// # Errors
    /// How long to wait until there is room. Nothing was counted then.
    pub fn take(&mut self, quota: Quota<'_>, now: Timestamp) -> Result<(), Duration> {
        let caps = quota.caps();
        let now = now.as_second();
        // A clock that went back must not keep somebody out for longer than the caps say.
        for mark in &mut self.marks {
            (mark.at, mark.from) = (mark.at.min(now), mark.from.min(now));
        }
        let longest = caps.iter().map(|cap| i64::from(cap.seconds)).max().unwrap_or_default();
        self.marks.retain(|mark| mark.at + longest > now);
        let wait = caps.iter().map(|cap| self.wait(*cap, now)).max().unwrap_or_default();
        if wait > 0 {
            return Err(Duration::from_secs(wait.unsigned_abs()));
        }
        match self.marks.last_mut() {
            Some(last) if now - last.from < quota.grain() => {
                last.at = now;
                last.count = last.count.saturating_add(1);
            }
            _ => self.marks.push(Mark { at: now, from: now, count: 1 }),
        }
        Ok(())
    }

    /// Seconds until a cap has room for one more.
    fn wait(&self, cap: Cap, now: i64) -> i64 {
        let seconds = i64::from(cap.seconds);
        if cap.count == 0 {
            return seconds;
        }
        let mut used = 0_u32;
        // From the latest back: the mark with which the cap is full must leave the window.
        for mark in self.marks.iter().rev().take_while(|mark| mark.at + seconds > now) {
            used = used.saturating_add(mark.count);
            if used >= cap.count {
                return mark.at + seconds - now;
            }
        }
        0
    }

    /// When nothing of it counts any more.
    #[must_use]
    pub fn end(&self, quota: Quota<'_>) -> Timestamp {
        let longest = quota.caps().iter().map(|cap| i64::from(cap.seconds)).max().unwrap_or_default();
        let last = self.marks.last().map_or(0, |mark| mark.at);
        Timestamp::from_second(last + longest).unwrap_or(Timestamp::MAX)
    }
}

/// Where texts may go, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsPolicy {
    /// How numbers begin that texts may go to, such as `+31`; none: no text is sent.
    pub calling_codes: Vec<CallingCode>,
    /// Most texts of a day.
    pub daily_limit: u32,
}

impl Default for SmsPolicy {
    fn default() -> Self {
        Self { calling_codes: Vec::new(), daily_limit: 1_000 }
    }
}

impl SmsPolicy {
    /// May texts go to this number?
    #[must_use]
    pub fn admits(&self, number: &str) -> bool {
        self.calling_codes.iter().any(|code| number.starts_with(code.0.as_str()))
    }
}

/// How numbers of a country, or of a part of it, begin: a plus sign and one to seven digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallingCode(String);

impl std::str::FromStr for CallingCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let valid = (1..=7).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if valid && !digits.starts_with('0') {
            Ok(Self(text.to_owned()))
        } else {
            Err("is no calling code such as +31".to_owned())
        }
    }
}

impl std::fmt::Display for CallingCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    /// Takes as often as it can, a second after each end of a wait; gives when.
    fn taken(quota: Quota<'_>, until: i64) -> Vec<i64> {
        let (mut uses, mut now, mut taken) = (Uses::default(), 0, Vec::new());
        while now < until {
            match uses.take(quota, at(now)) {
                Ok(()) => taken.push(now),
                Err(wait) => now += i64::try_from(wait.as_secs()).unwrap(),
            }
        }
        taken
    }

    #[test]
    fn a_number_gets_one_a_minute_five_an_hour_and_ten_a_day() {
        let number = taken(Quota::Number("+31612345600"), 2 * 86_400);
        let expected = [0, 60, 120, 180, 240, 3_600, 3_660, 3_720, 3_780, 3_840, 86_400];
        assert_eq!(number[..11], expected);
        for (count, window) in [(1, 60), (5, 3_600), (10, 86_400)] {
            assert!(number.windows(count + 1).all(|run| run[count] - run[0] >= window), "{count} within {window}");
        }
    }

    #[test]
    fn users_networks_mail_and_the_day_have_caps_of_their_own() {
        let user = UserId::new(at(0), &Rng::seeded(1));
        assert_eq!(taken(Quota::User(user), 86_400).len(), 10);
        assert_eq!(taken(Quota::Network("192.0.2.1".parse().unwrap()), 3_600).len(), 20);
        assert_eq!(taken(Quota::MailUser(user), 3_600).len(), 5);
        assert_eq!(taken(Quota::All(700), 86_400).len(), 700);
        assert_eq!(Uses::default().take(Quota::All(0), at(0)), Err(Duration::from_secs(86_400)));
    }

    #[test]
    fn the_budget_of_a_day_is_kept_in_few_marks_and_never_exceeded() {
        let (mut uses, mut times) = (Uses::default(), Vec::new());
        for second in (0..3 * 86_400).step_by(20) {
            if uses.take(Quota::All(1_000), at(second)).is_ok() {
                times.push(second);
            }
            assert!(uses.marks.len() <= 146, "{}", uses.marks.len());
        }
        assert!(times.windows(1_001).all(|run| run[1_000] - run[0] >= 86_400));
        assert!(times.len() >= 2_900, "{}", times.len());
    }

    #[test]
    fn a_clock_that_went_back_gives_nothing_away_and_keeps_nobody_out_for_long() {
        let mut uses = Uses::default();
        uses.take(Quota::Number("+31612345600"), at(1_000_000)).unwrap();
        assert_eq!(uses.take(Quota::Number("+31612345600"), at(0)), Err(Duration::from_secs(60)));
        assert_eq!(uses.take(Quota::Number("+31612345600"), at(60)), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_are_counted_as_one() {
        let subject = |text: &str| Quota::Network(text.parse().unwrap()).subject();
        assert_eq!(subject("2001:db8::1"), subject("2001:db8::ffff:1:2:3"));
        assert_ne!(subject("2001:db8::1"), subject("2001:db8:0:1::1"));
        assert_eq!(subject("::ffff:192.0.2.1"), subject("192.0.2.1"));
    }

    #[test]
    fn texts_go_only_where_the_policy_says_and_by_default_nowhere() {
        let policy = |codes: &[&str]| SmsPolicy {
            calling_codes: codes.iter().map(|code| code.parse().unwrap()).collect(),
            ..SmsPolicy::default()
        };
        assert!(!SmsPolicy::default().admits("+31612345600"));
        assert!(policy(&["+32", "+31"]).admits("+31612345600"));
        assert!(!policy(&["+32", "+316999"]).admits("+31612345600"));
        for bad in ["", "+", "31", "+0", "+31x", "+12345678", "0031"] {
            assert!(bad.parse::<CallingCode>().is_err(), "{bad:?}");
        }
    }
}

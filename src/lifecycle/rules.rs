//! Who is due, and who stays whatever the calendar says. PURE.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::minus;
use crate::base::id::UserId;
use crate::directory::plan::{Counts, PlanItem, Step};
use crate::directory::user::{DisabledReason, User};

/// Why the sweep would disable this user now, if it would.
#[must_use]
pub fn due(user: &User, threshold: Option<Duration>, now: Timestamp) -> Option<DisabledReason> {
    if !user.is_active() {
        return None;
    }
    if user.is_expired(now) {
        return Some(DisabledReason::Expired);
    }
    let quiet = threshold.is_some_and(|threshold| user.quiet_since() <= minus(now, threshold));
    quiet.then_some(DisabledReason::Inactivity)
}

/// The plan for these candidates. `others_stay`: an administrator who is not among them may come in.
///
/// The last active System Admin is never among those to disable for inactivity (promise 12): where every
/// administrator is due, the one who was seen last stays.
#[must_use]
pub fn plan(
    candidates: Vec<User>,
    threshold: Option<Duration>,
    others_stay: bool,
    now: Timestamp,
) -> (Vec<PlanItem>, Counts) {
    let mut counts = Counts { read: candidates.len(), ..Counts::default() };
    let exempt = if others_stay { None } else { last_way_in(&candidates, now) };
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for user in candidates {
        let Some(reason) = due(&user, threshold, now) else { continue };
        if !seen.insert(user.id) {
            continue;
        }
        if exempt == Some(user.id) {
            counts.unchanged = counts.unchanged.saturating_add(1);
            continue;
        }
        let why = match reason {
            DisabledReason::Expired => "the expiry has passed".to_owned(),
            _ => format!("neither login nor use since {}", user.quiet_since()),
        };
        counts.disable = counts.disable.saturating_add(1);
        items.push(PlanItem {
            label: user.username.as_str().to_owned(),
            user: Some(user.id),
            group: None,
            external_id: None,
            revision: Some(user.revision),
            quiet_since: (reason == DisabledReason::Inactivity).then(|| user.quiet_since()),
            step: Step::Disable { reason },
            reason: why,
        });
    }
    (items, counts)
}

fn last_way_in(candidates: &[User], now: Timestamp) -> Option<UserId> {
    let may_come_in = candidates.iter().filter(|user| user.is_system_admin() && user.is_valid(now));
    may_come_in.max_by_key(|user| (user.expires_at.is_none(), user.quiet_since(), user.id)).map(|user| user.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RoleId;
    use crate::directory::policy::days;
    use crate::directory::role;
    use crate::directory::user::tests::user;

    fn day(n: i64) -> Timestamp {
        Timestamp::from_second(n * 86_400).unwrap()
    }

    fn admin(name: &str, last_login: i64) -> User {
        let mut admin = user(name, day(0)).logged_in(day(last_login));
        admin.roles = [RoleId::parse(role::SYSTEM_ADMIN).unwrap()].into();
        admin
    }

    #[test]
    fn never_logged_in_counts_from_creation() {
        let ada = user("ada", day(0));
        assert_eq!(due(&ada, Some(days(30)), day(29)), None);
        assert_eq!(due(&ada, Some(days(30)), day(30)), Some(DisabledReason::Inactivity));
        assert_eq!(due(&ada, None, day(3_000)), None);
        assert_eq!(due(&ada.logged_in(day(20)), Some(days(30)), day(49)), None);
    }

    #[test]
    fn expiry_comes_before_inactivity_and_needs_no_threshold() {
        let mut ada = user("ada", day(0));
        ada.expires_at = Some(day(10));
        assert_eq!(due(&ada, None, day(9)), None);
        assert_eq!(due(&ada, Some(days(1)), day(10)), Some(DisabledReason::Expired));
    }

    #[test]
    fn the_administrator_who_was_seen_last_stays() {
        let admins = vec![admin("ada", 1), admin("bob", 5), user("carol", day(0))];
        let names = |others_stay| {
            let (items, _) = plan(admins.clone(), Some(days(30)), others_stay, day(100));
            items.into_iter().map(|item| item.label).collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["ada", "carol"]);
        assert_eq!(names(true), ["ada", "bob", "carol"]);
    }
}

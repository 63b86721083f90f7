//! The rules alone, some of them against every hour of many lives.

use proptest::prelude::*;

use super::*;
use crate::base::id::RoleId;
use crate::directory::policy::days;
use crate::directory::role;
use crate::directory::user::tests::user;
use crate::lifecycle::policy::InactivityPolicy;

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(n * 86_400).unwrap()
}

fn hour(n: i64) -> Timestamp {
    Timestamp::from_second(n * 3_600).unwrap()
}

fn admin(name: &str, last_login: i64) -> User {
    let mut admin = user(name, day(0)).logged_in(day(last_login));
    admin.roles = [RoleId::parse(role::SYSTEM_ADMIN).unwrap()].into();
    admin
}

/// Somebody whom nobody needs to tell.
fn person(user: User, threshold: Option<Duration>) -> Person {
    Person { user, threshold, lead: None, told: None }
}

#[test]
fn never_logged_in_counts_from_creation_and_enabling() {
    let due = |user: &User, threshold, now| person(user.clone(), threshold).due(now);
    let ada = user("ada", day(0));
    assert_eq!(due(&ada, Some(days(30)), day(29)), None);
    assert_eq!(due(&ada, Some(days(30)), day(30)), Some(DisabledReason::Inactivity));
    assert_eq!(due(&ada, None, day(3_000)), None);
    assert_eq!(due(&ada.clone().logged_in(day(20)), Some(days(30)), day(49)), None);
    let again = ada.disable(DisabledReason::Inactivity, crate::directory::audit::Actor::Anonymous, day(30)).unwrap();
    assert_eq!(due(&again.enable(day(100)).unwrap(), Some(days(30)), day(129)), None, "the full time again");
}

#[test]
fn expiry_comes_before_inactivity_and_needs_no_threshold() {
    let mut ada = user("ada", day(0));
    ada.expires_at = Some(day(10));
    assert_eq!(person(ada.clone(), None).due(day(9)), None);
    assert_eq!(person(ada, Some(days(1))).due(day(10)), Some(DisabledReason::Expired));
}

#[test]
fn the_administrator_who_was_seen_last_stays() {
    let admins = [admin("ada", 1), admin("bob", 5), user("carol", day(0))].map(|user| person(user, Some(days(30))));
    let names = |others_stay| {
        let (items, _) = plan(&admins, others_stay, day(100));
        items.into_iter().map(|item| item.label).collect::<Vec<_>>()
    };
    assert_eq!(names(false), ["ada", "carol"]);
    assert_eq!(names(true), ["ada", "bob", "carol"]);
}

#[test]
fn what_is_said_of_a_role_goes_before_a_source_and_that_before_everybody() {
    let role = |name: &str| RoleId::parse(name).unwrap();
    let mut ada = user("ada", day(0));
    let mut policy = InactivityPolicy { threshold: Some(days(90)), ..InactivityPolicy::default() };
    assert_eq!(policy.threshold_for(&ada, &ada.roles), Some(days(90)));
    policy.sources.insert(ada.source.clone(), Some(days(60)));
    assert_eq!(policy.threshold_for(&ada, &ada.roles), Some(days(60)));
    policy.roles.insert(role(role::SYSTEM_AUDITOR), None);
    ada.roles.insert(role(role::SYSTEM_AUDITOR));
    assert_eq!(policy.threshold_for(&ada, &ada.roles), None, "an exempt role in a source that is not");
    policy.roles.insert(role(role::SYSTEM_ADMIN), Some(days(200)));
    ada.roles.insert(role(role::SYSTEM_ADMIN));
    assert_eq!(policy.threshold_for(&ada, &ada.roles), Some(days(200)), "of several roles the strictest");
    policy.exempt_users.insert("ada".to_owned());
    assert_eq!(policy.threshold_for(&ada, &ada.roles), None);
    policy = InactivityPolicy { sources: [(ada.source.clone(), None)].into(), ..policy };
    policy.exempt_users.clear();
    policy.roles.clear();
    assert_eq!(policy.threshold_for(&ada, &ada.roles), None, "an exempt source");
}

#[test]
fn a_threshold_that_was_shortened_takes_nobody_out_untold() {
    let quiet = Person { lead: Some(days(14)), ..person(user("ada", day(0)), Some(days(30))) };
    let now = day(300);
    assert_eq!(quiet.due(now), None);
    let told = quiet.notice(Steps::default(), now).unwrap();
    assert_eq!((told.due, told.sent), (day(314), true));
    let told = Person { told: Some(told), ..quiet.clone() };
    assert_eq!((told.due(day(313)), told.due(day(314))), (None, Some(DisabledReason::Inactivity)));
    let back = Person { user: told.user.clone().seen(day(305)), ..told.clone() };
    assert_eq!(back.due(day(318)), None, "a notice of an earlier quiet time promises nothing");
    let longer = Person { threshold: Some(days(400)), ..told.clone() };
    assert_eq!(longer.due(day(399)), None);
    assert_eq!(longer.notice(Steps::default(), day(386)).unwrap().due, day(400), "told anew of the later day");
    let unreachable = Person { user: User { email: None, ..quiet.user.clone() }, ..quiet.clone() };
    assert_eq!(unreachable.due(now), Some(DisabledReason::Inactivity), "there is nowhere to tell them");
    assert_eq!(Person { lead: None, ..quiet }.due(now), Some(DisabledReason::Inactivity), "notices are off");
}

#[test]
fn what_was_promised_holds_when_notices_are_switched_off() {
    let told = Told { due: day(40), at: day(26), quiet_since: Some(day(0)), sent: true };
    let ada = Person { told: Some(told), ..person(user("ada", day(0)), Some(days(30))) };
    assert_eq!((ada.due(day(39)), ada.due(day(40))), (None, Some(DisabledReason::Inactivity)));
}

/// Steps of which the daily ones begin after the first.
fn steps() -> impl Strategy<Value = Steps> {
    (1_u64..60, proptest::option::of(1_u64..30)).prop_map(|(first, daily)| Steps {
        first: Some(days(first)),
        daily_from: daily.filter(|daily| *daily < first).map(days),
    })
}

proptest! {
    #[test]
    fn each_step_is_told_once_however_often_somebody_looks(steps in steps(), due in 70_i64..100, every in 1_i64..30) {
        let ada = User { expires_at: Some(day(due)), ..user("ada", day(0)) };
        let (mut told, mut written) = (None::<Told>, Vec::new());
        for now in (0..due * 24 + 100).step_by(usize::try_from(every).unwrap()).map(hour) {
            if let Some(new) = notice(&ada, day(due), steps, false, told.as_ref(), now) {
                written.push(now);
                told = Some(new);
            }
        }
        let first = steps.first.unwrap().as_secs() / 86_400;
        let daily = steps.daily_from.map_or(0, |from| from.as_secs() / 86_400);
        // Looking less often than daily may pass over a step, never double one.
        let most = usize::try_from(1 + daily).unwrap();
        prop_assert!(written.len() <= most, "{} of {most}", written.len());
        prop_assert!(every > 24 || written.len() == most, "{} of {most}", written.len());
        let begin = day(due - i64::try_from(first).unwrap());
        prop_assert!(written.iter().all(|at| *at >= begin && *at < day(due)));
        prop_assert!(written.first().map_or(every > 24, |at| at.duration_since(begin).as_hours() < every));
    }

    #[test]
    fn a_changed_end_is_told_anew_and_an_unchanged_one_is_not(steps in steps(), due in 70_i64..100, moved in 1_i64..20) {
        let ada = User { expires_at: Some(day(due)), ..user("ada", day(0)) };
        let now = hour(due * 24 - 1);
        let told = notice(&ada, day(due), steps, false, None, now).unwrap();
        prop_assert!(notice(&ada, day(due), steps, false, Some(&told), now).is_none());
        let later = User { expires_at: Some(day(due + moved)), ..ada };
        let due_again = steps.last(day(due + moved), now).is_some();
        prop_assert_eq!(notice(&later, day(due + moved), steps, false, Some(&told), now).is_some(), due_again);
    }

    #[test]
    fn nobody_who_can_be_told_falls_out_before_they_were(
        threshold in 1_u64..100,
        first in 1_u64..60,
        logins in proptest::collection::vec(0_i64..250, 0..6),
        changes in proptest::collection::vec((0_i64..250, 1_u64..100), 0..4),
        every in 1_i64..60,
    ) {
        let mut ada = Person { user: user("ada", day(0)), threshold: None, lead: None, told: None };
        let mut spans = threshold;
        let mut promised: Option<Timestamp> = None;
        for now_hour in 0..250 * 24 {
            let now = hour(now_hour);
            if logins.iter().any(|login| login * 24 == now_hour) {
                ada.user = ada.user.logged_in(now);
                promised = None;
            }
            if let Some((_, new)) = changes.iter().find(|(at, _)| at * 24 == now_hour) {
                spans = *new;
            }
            let steps = Steps { first: Some(days(first)), daily_from: None }.within(days(spans));
            (ada.threshold, ada.lead) = (Some(days(spans)), steps.first);
            if now_hour % every == 0 && let Some(told) = ada.notice(steps, now) {
                prop_assert!(told.due >= plus(now, ada.lead.unwrap()) || promised.is_some(), "{told:?}");
                promised = Some(told.due);
                ada.told = Some(told);
            }
            if ada.due(now).is_some() {
                prop_assert!(promised.is_some_and(|promised| promised <= now), "out at {now}, promised {promised:?}");
                return Ok(());
            }
        }
    }
}

//! The login as one pure machine. What comes next is computed anew from what is stored and what has been
//! proved, at every step: nothing can be skipped, repeated or reordered. PURE.

use crate::directory::factor::Method;
use crate::directory::login::{Login, PasswordReason, Stage};
use crate::directory::policy::FactorRule;

/// What is true of the user and the policy at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Neither disabled nor removed.
    pub active: bool,
    /// The expiry has passed.
    pub expired: bool,
    /// The owning source lets its users log in.
    pub source_allowed: bool,
    /// An administrator wants a new password.
    pub must_change: bool,
    /// The password is older than passwords may become.
    pub outlived: bool,
    /// Somebody else set the password, and it was not changed in time.
    pub lent_for_too_long: bool,
    /// What is wrong with the password that was just proved, by the rules that hold now.
    pub weakness: Option<PasswordReason>,
    /// musterd keeps this user's password: only then can it ask for another.
    pub keeps_password: bool,
    /// Whether a second factor is asked for.
    pub factor_rule: FactorRule,
    /// What second factors there are.
    pub factors: Enrolled,
}

/// What second factors somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// None was ever confirmed.
    None,
    /// Some, and none that can be asked for now: its method was switched off, or its address is not theirs any more.
    Unusable,
    /// One that can be asked for, or more.
    Usable,
}

/// Why somebody with the right password may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Disabled or removed.
    Disabled,
    /// Expired.
    Expired,
    /// The owning source's users may not log in.
    SourceNotAllowed,
    /// Somebody else set the password, and it was not changed in time.
    LentPassword,
}

/// What a login needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing helps.
    Refuse(Refusal),
    /// This.
    Ask(Stage),
    /// A session.
    Grant,
}

/// A step that a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asks what to do, or has a code sent.
    Challenge,
    /// Proves a factor, or the one under enrolment.
    Verify,
    /// Sets a new password.
    Password,
    /// Begins to enrol a factor.
    Enrol,
}

/// What comes next for a login in which the password has been proved.
#[must_use]
pub fn next(facts: &Facts, login: &Login) -> Next {
    if !facts.active {
        return Next::Refuse(Refusal::Disabled);
    }
    if facts.expired {
        return Next::Refuse(Refusal::Expired);
    }
    if !facts.source_allowed {
        return Next::Refuse(Refusal::SourceNotAllowed);
    }
    let by_password = facts.keeps_password && login.methods.contains(&Method::Password) && !login.password_changed;
    if by_password && facts.lent_for_too_long {
        return Next::Refuse(Refusal::LentPassword);
    }
    let proved = login.methods.iter().any(|method| *method != Method::Password);
    let asked = facts.factor_rule != FactorRule::NotAsked && !proved;
    // Before the password: whoever has guessed that must not be able to put another in its place.
    if asked && facts.factors == Enrolled::Usable {
        return Next::Ask(Stage::Factor);
    }
    if by_password {
        let reason = match facts {
            Facts { must_change: true, .. } => Some(PasswordReason::MustChange),
            Facts { outlived: true, .. } => Some(PasswordReason::Expired),
            Facts { weakness, .. } => *weakness,
        };
        if let Some(reason) = reason {
            return Next::Ask(Stage::PasswordChange(reason));
        }
    }
    match (facts.factor_rule, facts.factors) {
        _ if !asked => Next::Grant,
        // Who had a factor is not let in without one because it cannot be asked for.
        (_, Enrolled::Unusable) | (FactorRule::Required, _) => Next::Ask(Stage::Enrolment),
        (FactorRule::IfEnrolled | FactorRule::NotAsked, _) => Next::Grant,
    }
}

/// What a step that was taken has proved or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A second factor was proved, at this session epoch of the user.
    Proved(Method),
    /// A second factor was enrolled and proved by that; what the user held before has ended with this epoch.
    Enrolled(Method, u64),
    /// The password was changed; what the user held before has ended with this epoch.
    PasswordChanged(u64),
}

/// The login after a step.
#[must_use]
pub fn after(mut login: Login, done: Done) -> Login {
    match done {
        Done::Proved(method) => drop(login.methods.insert(method)),
        Done::Enrolled(method, epoch) => {
            login.methods.insert(method);
            login.enrolling = None;
            login.epoch = epoch;
        }
        Done::PasswordChanged(epoch) => {
            login.password_changed = true;
            login.epoch = epoch;
        }
    }
    login
}

/// Is this step what a login at this stage waits for?
#[must_use]
pub fn accepts(login: &Login, step: Step) -> bool {
    match (login.stage, step) {
        (Stage::PasswordChange(_), Step::Password) => true,
        (Stage::PasswordChange(_), Step::Challenge | Step::Verify | Step::Enrol) => false,
        (Stage::Factor, Step::Challenge | Step::Verify) => true,
        (Stage::Factor, Step::Password | Step::Enrol) => false,
        (Stage::Enrolment, Step::Enrol) => true,
        // What is under enrolment can be sent again, and proved.
        (Stage::Enrolment, Step::Challenge | Step::Verify) => login.enrolling.is_some(),
        (Stage::Enrolment, Step::Password) => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::base::id::{FactorId, SourceId, UserId};
    use crate::base::rng::Rng;
    use crate::directory::password::Tries;

    const PASSWORD: Method = Method::Password;

    fn login(stage: Stage, methods: &[Method]) -> Login {
        Login {
            user: UserId::new(Timestamp::UNIX_EPOCH, &Rng::seeded(1)),
            epoch: 0,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: Timestamp::MAX,
            authenticated_by: SourceId::local(),
            address: None,
            client: None,
            methods: methods.iter().copied().collect(),
            weakness: None,
            tried: Tries::default(),
            password_changed: false,
            enrolling: None,
            asked: Vec::new(),
            stage,
        }
    }

    fn facts(factor_rule: FactorRule, factors: Enrolled) -> Facts {
        Facts {
            active: true,
            expired: false,
            source_allowed: true,
            must_change: false,
            outlived: false,
            lent_for_too_long: false,
            weakness: None,
            keeps_password: true,
            factor_rule,
            factors,
        }
    }

    const REASONS: [PasswordReason; 5] = [
        PasswordReason::MustChange,
        PasswordReason::Expired,
        PasswordReason::TooWeak,
        PasswordReason::Blocklisted,
        PasswordReason::Breached,
    ];

    fn stages() -> impl Iterator<Item = Stage> {
        REASONS.into_iter().map(Stage::PasswordChange).chain([Stage::Factor, Stage::Enrolment])
    }

    const STEPS: [Step; 4] = [Step::Challenge, Step::Verify, Step::Password, Step::Enrol];
    const RULES: [FactorRule; 3] = [FactorRule::NotAsked, FactorRule::IfEnrolled, FactorRule::Required];
    const ENROLLED: [Enrolled; 3] = [Enrolled::None, Enrolled::Unusable, Enrolled::Usable];

    #[test]
    fn the_gates_come_first_then_a_factor_that_is_there_then_the_password_then_an_enrolment() {
        let plain = login(Stage::Factor, &[PASSWORD]);
        let required = facts(FactorRule::Required, Enrolled::Usable);
        let all = Facts { active: false, expired: true, must_change: true, ..required };
        assert_eq!(next(&all, &plain), Next::Refuse(Refusal::Disabled));
        assert_eq!(next(&Facts { active: true, ..all }, &plain), Next::Refuse(Refusal::Expired));
        let fresh = Facts { active: true, expired: false, ..all };
        assert_eq!(next(&fresh, &plain), Next::Ask(Stage::Factor), "who guessed the password sets no other");
        let proved = after(plain.clone(), Done::Proved(Method::Totp));
        assert_eq!(next(&fresh, &proved), Next::Ask(Stage::PasswordChange(PasswordReason::MustChange)));
        assert_eq!(next(&fresh, &after(proved, Done::PasswordChanged(1))), Next::Grant);
        let none = Facts { factors: Enrolled::None, ..fresh };
        assert_eq!(next(&none, &plain), Next::Ask(Stage::PasswordChange(PasswordReason::MustChange)));
        assert_eq!(next(&none, &after(plain, Done::PasswordChanged(1))), Next::Ask(Stage::Enrolment));
    }

    #[test]
    fn a_passkey_asks_for_no_password_and_is_a_factor() {
        let facts = Facts { must_change: true, ..facts(FactorRule::Required, Enrolled::Usable) };
        assert_eq!(next(&facts, &login(Stage::Factor, &[Method::Passkey])), Next::Grant);
        let disabled = Facts { active: false, ..facts };
        assert_eq!(next(&disabled, &login(Stage::Factor, &[Method::Passkey])), Next::Refuse(Refusal::Disabled));
    }

    #[test]
    fn who_had_a_factor_is_not_let_in_because_it_cannot_be_asked_for() {
        let plain = login(Stage::Factor, &[PASSWORD]);
        let what = |rule, factors| next(&facts(rule, factors), &plain);
        assert_eq!(what(FactorRule::IfEnrolled, Enrolled::None), Next::Grant);
        assert_eq!(what(FactorRule::IfEnrolled, Enrolled::Unusable), Next::Ask(Stage::Enrolment));
        assert_eq!(what(FactorRule::Required, Enrolled::Unusable), Next::Ask(Stage::Enrolment));
    }

    #[test]
    fn another_password_is_asked_for_by_the_first_reason_and_only_where_it_is_kept() {
        let weakness = Some(PasswordReason::Breached);
        let all = Facts { must_change: true, outlived: true, weakness, ..facts(FactorRule::NotAsked, Enrolled::None) };
        let reason = |facts: Facts| match next(&facts, &login(Stage::Factor, &[PASSWORD])) {
            Next::Ask(Stage::PasswordChange(reason)) => Some(reason.name()),
            Next::Grant => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(all), Some("must_change"));
        assert_eq!(reason(Facts { must_change: false, ..all }), Some("expired"));
        assert_eq!(reason(Facts { must_change: false, outlived: false, ..all }), Some("breached"));
        assert_eq!(reason(Facts { must_change: false, outlived: false, weakness: None, ..all }), None);
        assert_eq!(reason(Facts { keeps_password: false, ..all }), None);
    }

    #[test]
    fn a_password_of_somebody_else_that_was_not_changed_in_time_opens_nothing() {
        let facts =
            Facts { must_change: true, lent_for_too_long: true, ..facts(FactorRule::Required, Enrolled::Usable) };
        assert_eq!(next(&facts, &login(Stage::Factor, &[PASSWORD])), Next::Refuse(Refusal::LentPassword));
        assert_eq!(next(&facts, &login(Stage::Factor, &[Method::Passkey])), Next::Grant, "it was not asked for");
        let changed = Login { password_changed: true, ..login(Stage::Factor, &[PASSWORD]) };
        assert_eq!(next(&facts, &changed), Next::Ask(Stage::Factor));
    }

    #[test]
    fn only_the_step_that_is_waited_for_is_taken() {
        let taken = |enrolling: bool| {
            let row = |stage: Stage| {
                let mut login = login(stage, &[PASSWORD]);
                login.enrolling = enrolling.then(|| FactorId::new(Timestamp::UNIX_EPOCH, &Rng::seeded(2)));
                STEPS.map(|step| accepts(&login, step))
            };
            stages().map(row).collect::<Vec<_>>()
        };
        let (password, factor) = ([false, false, true, false], [true, true, false, false]);
        let expected = |enrolment| [&[password; REASONS.len()][..], &[factor, enrolment]].concat();
        assert_eq!(taken(false), expected([false, false, false, true]));
        assert_eq!(taken(true), expected([true, true, false, true]));
    }

    /// The world of one login, as a walk meets it.
    #[derive(Clone, Debug)]
    struct Walk {
        facts: Facts,
        login: Login,
        granted: bool,
        /// What was truly proved, kept apart from the machine.
        proved: Vec<Method>,
        password_changed: bool,
    }

    impl Walk {
        /// What the dispatcher does after a step.
        fn conclude(&mut self) {
            match next(&self.facts, &self.login) {
                Next::Grant => self.granted = true,
                Next::Ask(stage) => self.login.stage = stage,
                Next::Refuse(_) => {}
            }
        }

        /// Takes a step; `right`: the answer is the right one.
        fn take(&mut self, step: Step, right: bool, method: Method) {
            if self.granted || !accepts(&self.login, step) {
                return;
            }
            match (step, self.login.stage) {
                (Step::Enrol, _) => {
                    self.login.enrolling = Some(FactorId::new(Timestamp::UNIX_EPOCH, &Rng::seeded(2)));
                    return;
                }
                (Step::Challenge, _) => return,
                (_, _) if !right => return,
                (Step::Password, _) => {
                    self.password_changed = true;
                    self.login = after(self.login.clone(), Done::PasswordChanged(self.login.epoch + 1));
                }
                (Step::Verify, Stage::Enrolment) => {
                    self.proved.push(method);
                    self.facts.factors = Enrolled::Usable;
                    self.login = after(self.login.clone(), Done::Enrolled(method, self.login.epoch + 1));
                }
                (Step::Verify, _) => {
                    self.proved.push(method);
                    self.login = after(self.login.clone(), Done::Proved(method));
                }
            }
            self.conclude();
        }
    }

    proptest! {
        #[test]
        fn a_walk_at_random_never_comes_to_a_session_without_what_policy_asks_for(
            active in prop::bool::weighted(0.9), expired in prop::bool::weighted(0.1),
            source_allowed in prop::bool::weighted(0.9), must_change: bool, outlived: bool, weak in 0..4_usize,
            keeps_password: bool,
            rule in 0..3_usize, enrolled in 0..3_usize,
            steps in prop::collection::vec((0..4_usize, any::<bool>(), 0..6_usize, 0..40_u8), 0..24),
        ) {
            let (factor_rule, had) = (RULES[rule], ENROLLED[enrolled]);
            let weakness = [None, Some(REASONS[2]), Some(REASONS[3]), Some(REASONS[4])][weak];
            let facts = Facts {
                active, expired, source_allowed, must_change, outlived, weakness, keeps_password,
                ..facts(factor_rule, had)
            };
            let login = login(Stage::Factor, &[PASSWORD]);
            let mut walk = Walk { facts, login, granted: false, proved: Vec::new(), password_changed: false };
            walk.conclude();
            for (step, right, method, event) in steps {
                // Meanwhile the world moves on.
                match event {
                    0 => walk.facts.active = false,
                    1 => walk.facts.expired = true,
                    2 => walk.facts.factor_rule = FactorRule::Required,
                    3 => walk.facts.must_change = true,
                    _ => {}
                }
                let before = walk.granted;
                walk.take(STEPS[step], right, Method::FACTORS[method].1);
                let facts = walk.facts;
                if walk.granted && !before {
                    prop_assert!(facts.active && !facts.expired && facts.source_allowed);
                    let asked = facts.factor_rule == FactorRule::Required
                        || (facts.factor_rule == FactorRule::IfEnrolled && had != Enrolled::None);
                    prop_assert!(!asked || !walk.proved.is_empty(), "no factor was proved");
                    prop_assert!(!keeps_password || walk.password_changed || !(facts.must_change || outlived || weakness.is_some()));
                }
            }
            // Where nothing was asked the beginning granted it.
            if walk.granted && walk.proved.is_empty() && !walk.password_changed {
                prop_assert!(factor_rule == FactorRule::NotAsked || had == Enrolled::None);
            }
        }
    }
}

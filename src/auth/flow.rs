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
    /// The password that was just proved breaks the rules that hold now.
    pub too_weak: bool,
    /// musterd keeps this user's password: only then can it ask for another.
    pub keeps_password: bool,
    /// Whether a second factor is asked for.
    pub factor_rule: FactorRule,
    /// A second factor is enrolled and confirmed.
    pub has_factor: bool,
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
    if facts.keeps_password && !login.password_changed {
        if facts.must_change {
            return Next::Ask(Stage::PasswordChange(PasswordReason::MustChange));
        }
        if facts.too_weak {
            return Next::Ask(Stage::PasswordChange(PasswordReason::TooWeak));
        }
    }
    let proved = login.methods.iter().any(|method| *method != Method::Password);
    match facts.factor_rule {
        FactorRule::NotAsked => Next::Grant,
        _ if proved => Next::Grant,
        FactorRule::IfEnrolled | FactorRule::Required if facts.has_factor => Next::Ask(Stage::Factor),
        FactorRule::IfEnrolled => Next::Grant,
        FactorRule::Required => Next::Ask(Stage::Enrolment),
    }
}

/// Is this step what a login at this stage waits for?
#[must_use]
pub fn accepts(login: &Login, step: Step) -> bool {
    match (login.stage, step) {
        (Stage::PasswordChange(_), Step::Password) => true,
        (Stage::Factor, Step::Challenge | Step::Verify) => true,
        (Stage::Enrolment, Step::Enrol) => true,
        (Stage::Enrolment, Step::Verify) => login.enrolling.is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::base::id::{SourceId, UserId};
    use crate::base::rng::Rng;

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
            password_changed: false,
            enrolling: None,
            asked: Vec::new(),
            stage,
        }
    }

    fn facts(factor_rule: FactorRule, has_factor: bool) -> Facts {
        Facts {
            active: true,
            expired: false,
            source_allowed: true,
            must_change: false,
            too_weak: false,
            keeps_password: true,
            factor_rule,
            has_factor,
        }
    }

    #[test]
    fn the_gates_come_first_then_the_password_then_the_factor() {
        let plain = login(Stage::Factor, &[PASSWORD]);
        let all = Facts { active: false, expired: true, must_change: true, ..facts(FactorRule::Required, true) };
        assert_eq!(next(&all, &plain), Next::Refuse(Refusal::Disabled));
        assert_eq!(next(&Facts { active: true, ..all }, &plain), Next::Refuse(Refusal::Expired));
        let fresh = Facts { active: true, expired: false, ..all };
        assert_eq!(next(&fresh, &plain), Next::Ask(Stage::PasswordChange(PasswordReason::MustChange)));
        let changed = Login { password_changed: true, ..plain };
        assert_eq!(next(&fresh, &changed), Next::Ask(Stage::Factor));
        assert_eq!(next(&Facts { has_factor: false, ..fresh }, &changed), Next::Ask(Stage::Enrolment));
        let proved = Login { password_changed: true, ..login(Stage::Factor, &[PASSWORD, Method::Totp]) };
        assert_eq!(next(&fresh, &proved), Next::Grant);
    }

    #[test]
    fn only_the_step_that_is_waited_for_is_taken() {
        let stages = [Stage::PasswordChange(PasswordReason::MustChange), Stage::Factor, Stage::Enrolment];
        let steps = [Step::Challenge, Step::Verify, Step::Password, Step::Enrol];
        let taken: Vec<_> = stages
            .iter()
            .map(|stage| steps.iter().map(|step| accepts(&login(*stage, &[PASSWORD]), *step)).collect::<Vec<_>>())
            .collect();
        assert_eq!(
            taken,
            [vec![false, false, true, false], vec![true, true, false, false], vec![false, false, false, true],]
        );
    }

    proptest! {
        #[test]
        fn nobody_is_let_in_without_the_factor_that_policy_asks_for(
            active: bool, expired: bool, source_allowed: bool, must_change: bool, too_weak: bool,
            keeps_password: bool, has_factor: bool, password_changed: bool, proved: bool, rule in 0..3_u8,
        ) {
            let factor_rule = match rule { 0 => FactorRule::NotAsked, 1 => FactorRule::IfEnrolled, _ => FactorRule::Required };
            let facts = Facts { active, expired, source_allowed, must_change, too_weak, keeps_password, factor_rule, has_factor };
            let methods: &[Method] = if proved { &[PASSWORD, Method::Totp] } else { &[PASSWORD] };
            let login = Login { password_changed, ..login(Stage::Factor, methods) };
            if next(&facts, &login) == Next::Grant {
                prop_assert!(active && !expired && source_allowed);
                prop_assert!(proved || factor_rule == FactorRule::NotAsked || (factor_rule == FactorRule::IfEnrolled && !has_factor));
                prop_assert!(!keeps_password || password_changed || !(must_change || too_weak));
            }
        }
    }
}

//! The guard against mass changes (promise 2). PURE.

use crate::directory::policy::Budget;

/// What a plan would take away, and from how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Of what.
    pub what: Lost,
    /// How many the plan takes away.
    pub lost: usize,
    /// How many there were before.
    pub of: usize,
    /// Entries that the source gave; `None` where not all of it was read.
    pub read: Option<usize>,
}

/// What can be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Users who are disabled or removed, or who expire at once.
    Users,
    /// Groups that are removed.
    Groups,
    /// Memberships of users who stay.
    Memberships,
}

impl Lost {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Users => ("users", "would be disabled, removed or expire"),
            Self::Groups => ("groups", "would be removed"),
            Self::Memberships => ("memberships", "would end"),
        }
    }
}

/// Why a plan must wait for a person; `None` when it may be applied.
#[must_use]
pub fn must_be_held(loss: Loss, budget: Budget) -> Option<String> {
    let Loss { what, lost, of, read } = loss;
    let (name, fate) = what.words();
    if lost == 0 {
        return None;
    }
    if read == Some(0) {
        return Some(format!("the source gave nobody, and {lost} {name} {fate}"));
    }
    if lost <= budget.floor {
        return None;
    }
    if lost > budget.count {
        return Some(format!("{lost} {name} {fate}; at most {} may without approval", budget.count));
    }
    let over = lost.saturating_mul(100) > of.saturating_mul(usize::from(budget.percent));
    over.then(|| format!("{lost} of {of} {name} {fate}; at most {} % may without approval", budget.percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_over_its_budget_waits_for_a_person() {
        let budget = Budget { floor: 10, percent: 5, count: 500 };
        let held = |lost, of, read| must_be_held(Loss { what: Lost::Users, lost, of, read }, budget).is_some();
        assert!(!held(0, 0, Some(0)), "nobody loses anything");
        assert!(held(1, 1, Some(0)), "an empty answer is no proof");
        assert!(!held(10, 10, Some(5)), "the floor");
        assert!(held(11, 100, Some(89)), "more than five percent");
        assert!(!held(50, 1_000, Some(950)), "five percent");
        assert!(held(51, 1_000, Some(949)));
        assert!(held(501, 1_000_000, Some(999_499)), "more than the count");
        assert!(!held(500, 1_000_000, None));
    }
}

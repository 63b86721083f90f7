//! The guard against mass changes (promise 2). PURE.

use crate::directory::policy::Budget;

/// What a plan would take away, and from how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Users whom the plan disables or removes.
    pub disabled: usize,
    /// Active users before.
    pub active: usize,
    /// Entries that the source gave; `None` where nothing is read.
    pub read: Option<usize>,
}

/// Why a plan must wait for a person; `None` when it may be applied.
#[must_use]
pub fn must_be_held(loss: Loss, budget: Budget) -> Option<String> {
    let Loss { disabled, active, read } = loss;
    if disabled == 0 {
        return None;
    }
    if read == Some(0) {
        return Some(format!("the source gave nobody, and {disabled} active users would be disabled"));
    }
    if disabled <= budget.floor {
        return None;
    }
    if disabled > budget.count {
        return Some(format!("{disabled} users would be disabled; at most {} may be without approval", budget.count));
    }
    let over = disabled.saturating_mul(100) > active.saturating_mul(usize::from(budget.percent));
    over.then(|| {
        format!(
            "{disabled} of {active} active users would be disabled; at most {} % may be without approval",
            budget.percent
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_over_its_budget_waits_for_a_person() {
        let budget = Budget { floor: 10, percent: 5, count: 500 };
        let held = |disabled, active, read| must_be_held(Loss { disabled, active, read }, budget).is_some();
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

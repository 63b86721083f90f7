//! Who is not there any more: after a complete reading everybody whom it did not have, otherwise whoever the source
//! says is gone. They are disabled; after the grace they become tombstones. Nobody is destroyed.

use super::{Planner, of_user};
use crate::base::clock::plus;
use crate::base::id::ExternalId;
use crate::directory::plan::Step;
use crate::directory::user::{DisabledReason, State, User};
use crate::store::StoreError;

impl Planner<'_> {
    /// Plans what becomes of those whom a complete reading did not have.
    pub(super) fn absent(&mut self) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        // Who was made since the reading began is none of them: in a first reading that is everybody.
        self.directory.each(|id| {
            if !self.met.contains(&id) && !id.is_after(self.began) {
                missing.push(id);
            }
        })?;
        let mut absent = Vec::new();
        for id in missing {
            let Some(user) = self.directory.user(id)? else { continue };
            self.draft.count_active(&user);
            // Who came in while the source was being read may not have been there yet when it was.
            if user.external_id.is_some() && user.enabled_at <= self.began {
                absent.push(user);
            }
        }
        if self.nameless > 0 && absent.iter().any(User::is_active) {
            let stay = absent.iter().filter(|user| user.is_active()).count();
            let problem =
                format!("{} entries came without an identity: {stay} absent users stay as they are", self.nameless);
            self.draft.skip("absent users".to_owned(), problem);
            return Ok(());
        }
        for user in absent {
            self.is_absent(&user);
        }
        Ok(())
    }

    fn is_absent(&mut self, user: &User) {
        match &user.state {
            State::Active => {
                let step = Step::disable(DisabledReason::AbsentFromSource);
                self.draft.items.push(of_user(user, step, "a complete reading of the source did not have the user"));
            }
            State::Disabled(disabled) if disabled.reason == DisabledReason::AbsentFromSource => {
                let Some(grace) = self.rules.absent_grace else { return };
                if plus(disabled.at, grace) <= self.began && self.nameless == 0 {
                    let reason = format!("absent from the source since {}", disabled.at);
                    self.draft.items.push(of_user(user, Step::Remove, reason));
                }
            }
            State::Disabled(_) | State::Removed { .. } => {}
        }
    }

    /// An entry that the source says is gone. Who was never taken is nothing to do with us.
    pub(super) fn gone(&mut self, id: &ExternalId) -> Result<(), StoreError> {
        let known = self.directory.known(&[id])?.into_iter().flatten().next();
        if let Some(known) = known {
            let Some(user) = self.directory.user(known.id)? else { return Ok(()) };
            // It may have come back in the same reading.
            if user.is_active() && !self.met.contains(&user.id) {
                self.draft.count_active(&user);
                let step = Step::disable(DisabledReason::AbsentFromSource);
                self.draft.items.push(of_user(&user, step, "the source says that the entry is gone"));
            }
            return Ok(());
        }
        if self.inbox.contains_key(id) {
            self.resolved.push(id.clone());
        }
        // A search for users calls a group gone that has changed; the search for groups has it.
        if let Some(group) = self.group_before(id)?.filter(|_| !self.group_is_met(id)) {
            self.group_is_gone(&group, "the source says that the group is gone")?;
        }
        Ok(())
    }
}

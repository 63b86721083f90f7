//! That the last way in stays open (promise 12), while a plan is made: the plan says what the store would refuse.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::base::id::UserId;
use crate::directory::role;
use crate::directory::user::User;
use crate::store::tx::Reads;
use crate::store::{StoreError, users, ways_in};

/// The administrators, as they are once everything that was taken in is written.
#[derive(Default)]
pub(super) struct Administrators {
    now: Timestamp,
    /// Who may come in now.
    valid: BTreeSet<UserId>,
    /// Whom no expiry takes away, of those.
    for_good: BTreeSet<UserId>,
}

impl Administrators {
    /// As they are.
    ///
    /// # Errors
    /// When the store cannot read.
    pub(super) fn read(reads: &dyn Reads, now: Timestamp) -> Result<Self, StoreError> {
        let mut all = Self { now, ..Self::default() };
        for id in users::holders(reads, role::SYSTEM_ADMIN, usize::MAX)? {
            if let Some(user) = users::get(reads, id)? {
                let is_let_in = ways_in::lets_in(reads, &user.source)?;
                all.put(&user, is_let_in);
            }
        }
        Ok(all)
    }

    fn put(&mut self, user: &User, is_let_in: bool) {
        let is_valid = is_let_in && user.is_system_admin() && user.is_valid(self.now);
        let mut set = |is_in: bool, set: fn(&mut Self) -> &mut BTreeSet<UserId>| match is_in {
            true => set(self).insert(user.id),
            false => set(self).remove(&user.id),
        };
        set(is_valid, |all| &mut all.valid);
        set(is_valid && user.expires_at.is_none(), |all| &mut all.for_good);
    }

    /// Takes in what a user becomes. `false`: the last way in would be closed, and it is not taken.
    ///
    /// # Errors
    /// When the store cannot read.
    pub(super) fn take(&mut self, reads: &dyn Reads, new: &User) -> Result<bool, StoreError> {
        if !new.is_system_admin() && !self.valid.contains(&new.id) {
            return Ok(true);
        }
        Ok(self.becomes(new, ways_in::lets_in(reads, &new.source)?))
    }

    fn becomes(&mut self, new: &User, is_let_in: bool) -> bool {
        let (had_valid, had_for_good) = (self.valid.contains(&new.id), self.for_good.contains(&new.id));
        self.put(new, is_let_in);
        let closes_for_good = had_for_good && self.for_good.is_empty();
        let closes = had_valid && self.valid.is_empty();
        if closes_for_good || closes {
            if had_valid {
                self.valid.insert(new.id);
            }
            if had_for_good {
                self.for_good.insert(new.id);
            }
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::RoleId;
    use crate::directory::user::UserChange;
    use crate::directory::user::tests::user;

    fn admin(name: &str) -> User {
        let roles = Some([RoleId::parse(role::SYSTEM_ADMIN).unwrap()].into());
        UserChange { roles, ..UserChange::default() }.apply(user(name, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn the_last_administrator_is_not_taken_away_and_the_one_before_is() {
        let (ada, bob) = (admin("ada"), admin("bob"));
        let mut all = Administrators::default();
        let take = |all: &mut Administrators, user: &User| all.becomes(user, true);
        assert!(take(&mut all, &ada) && take(&mut all, &bob));
        let ends = |user: &User| User { expires_at: Some(Timestamp::MAX), ..user.clone() };
        let plain = |user: &User| User { roles: BTreeSet::new(), ..user.clone() };
        assert!(take(&mut all, &ends(&ada)));
        assert!(!take(&mut all, &ends(&bob)) && !take(&mut all, &plain(&bob)), "nobody would stay for good");
        assert!(take(&mut all, &ada), "an expiry that goes");
        assert!(take(&mut all, &plain(&bob)));
        assert!(!take(&mut all, &plain(&ada)));
        assert!(take(&mut all, &admin("new")) && take(&mut all, &plain(&ada)), "somebody new stands in");
        let mut all = Administrators::default();
        assert!(take(&mut all, &ada) && all.becomes(&bob, false));
        assert!(!take(&mut all, &plain(&ada)), "whom no source lets in is no way in");
    }
}

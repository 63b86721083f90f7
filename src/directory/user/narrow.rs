//! Wishes that go no further than they must: without what is so already, and what the source has its word on.

use std::collections::BTreeSet;

use super::{KeptAttribute, User, UserChange, with_plain_role};
use crate::directory::field::FieldError;

impl UserChange {
    /// Changes nothing?
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Without what the user has already.
    #[must_use]
    pub fn differing_from(self, user: &User) -> Self {
        fn differs<T: PartialEq>(wish: Option<T>, now: &T) -> Option<T> {
            wish.filter(|wish| wish != now)
        }
        Self {
            username: differs(self.username, &user.username),
            name: differs(self.name, &user.name),
            email: differs(self.email, &user.email),
            phone: differs(self.phone, &user.phone),
            description: differs(self.description, &user.description),
            expires_at: differs(self.expires_at, &user.expires_at),
            roles: differs(self.roles.map(with_plain_role), &user.roles),
            organizations: differs(self.organizations, &user.organizations),
            managed_by: differs(self.managed_by, &user.managed_by),
            mfa: differs(self.mfa, &user.mfa),
            must_change_password: differs(self.must_change_password, &user.must_change_password),
            external_id: differs(self.external_id, &user.external_id),
            at_source: differs(self.at_source, &user.at_source),
            kept: differs(self.kept, &user.kept),
            scim: differs(self.scim, &user.scim),
        }
    }

    /// Does it write this attribute?
    #[must_use]
    pub fn writes(&self, attribute: KeptAttribute) -> bool {
        match attribute {
            KeptAttribute::Username => self.username.is_some(),
            KeptAttribute::Name => self.name.is_some(),
            KeptAttribute::Email => self.email.is_some(),
            KeptAttribute::Phone => self.phone.is_some(),
            KeptAttribute::Description => self.description.is_some(),
            KeptAttribute::ExpiresAt => self.expires_at.is_some(),
        }
    }
}

impl User {
    /// What of a wish is the source's to change: it would be overwritten by its next word. `kept` are the attributes that
    /// are kept here once the wish is done.
    #[must_use]
    pub fn owned_by_source(
        &self,
        writes: impl Fn(KeptAttribute) -> bool,
        kept: &BTreeSet<KeptAttribute>,
    ) -> Vec<FieldError> {
        if self.source.is_local() {
            return Vec::new();
        }
        let says_expiry = self.at_source.as_ref().is_some_and(|at| at.expires);
        let owns = |attribute| match attribute {
            KeptAttribute::Description => false,
            KeptAttribute::ExpiresAt => says_expiry,
            _ => true,
        };
        let source = &self.source;
        let message = format!("belongs to the source {source}: change it there, or put it into kept to keep it here");
        let all = KeptAttribute::ALL.iter();
        let written = all.filter(|(_, one)| owns(*one) && writes(*one) && !kept.contains(one));
        written.map(|(field, _)| FieldError::new(*field, "owned_by_source", message.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::tests::user;
    use super::*;
    use crate::base::id::SourceId;
    use crate::directory::field::{DisplayName, Phone};

    #[test]
    fn what_a_user_has_already_is_no_wish() {
        let ada = user("ada", Timestamp::UNIX_EPOCH);
        let same = UserChange {
            name: Some(ada.name.clone()),
            email: Some(ada.email.clone()),
            roles: Some(BTreeSet::new()),
            ..UserChange::default()
        };
        assert!(same.clone().differing_from(&ada).is_nothing(), "no role is the plain one");
        let phone = Some(Some(Phone::parse("+31201234567").unwrap()));
        let other = UserChange { phone: phone.clone(), ..same };
        assert_eq!(other.differing_from(&ada), UserChange { phone, ..UserChange::default() });
    }

    #[test]
    fn what_the_source_has_its_word_on_is_named() {
        let name = Some(DisplayName::parse("Ada").unwrap());
        let change = UserChange { name, description: Some(Default::default()), ..UserChange::default() };
        let ada = user("ada", Timestamp::UNIX_EPOCH);
        let theirs = User { source: SourceId::parse("corp").unwrap(), ..ada.clone() };
        let faults = |user: &User, kept: &[KeptAttribute]| {
            let faults = user.owned_by_source(|one| change.writes(one), &kept.iter().copied().collect());
            faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert_eq!(faults(&theirs, &[]), ["name"]);
        assert!(faults(&theirs, &[KeptAttribute::Name]).is_empty() && faults(&ada, &[]).is_empty());
    }
}

//! Accounts as administrators make and change them: user, groups, password and link in one commit.

use std::sync::Arc;
use std::time::Duration;

use super::links::LinkFor;
use super::login::{Authenticator, LoginError};
use super::passwords::Prepared;
use super::throttle::Key;
use crate::base::id::{GroupId, UserId};
use crate::base::secret::Secret;
use crate::directory::audit::Author;
use crate::directory::group::Member;
use crate::directory::message::Body;
use crate::directory::user::{NewUser, RuleError, User, UserChange};
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{credentials, groups, outbox, users};

/// A user to make, with what comes along.
pub struct NewAccount {
    /// The user.
    pub user: NewUser,
    /// Groups to join.
    pub groups: Vec<GroupId>,
    /// The first password.
    pub password: Option<Secret>,
    /// Its hash instead, from where the user comes from.
    pub password_hash: Option<Secret>,
    /// Make a link for the first password instead.
    pub link: bool,
}

/// A change by an administrator.
#[derive(Clone, Default)]
pub struct AccountChange {
    /// Attributes.
    pub user: UserChange,
    /// Direct memberships, as they shall be.
    pub groups: Option<Vec<GroupId>>,
}

/// A user, and the link that was made for them.
pub struct Account {
    /// The user.
    pub user: User,
    /// The link's address.
    pub link: Option<Secret>,
}

impl Authenticator {
    /// Makes an account.
    ///
    /// # Errors
    /// When the password breaks rules, or a unique value is taken.
    pub async fn create_account(
        &self,
        author: Author,
        account: NewAccount,
        lifetime: Option<Duration>,
        public_url: &str,
    ) -> Result<Account, LoginError> {
        let NewAccount { user, groups, password, password_hash, link } = account;
        let provisional = user.clone().build(author.actor.clone(), self.store.clock().now(), lifetime);
        let prepared = match (&password, &password_hash) {
            (Some(password), _) => Some(self.prepare_password(&provisional, password).await?),
            (None, Some(hash)) => Some(self.prepare_hash(&provisional, hash)?),
            (None, None) => None,
        };
        let (life, public_url) = (self.settings.sessions.link, public_url.to_owned());
        let write = move |tx: &mut Tx<'_>| -> Result<Account, LoginError> {
            let made = users::create(tx, &author, user.clone(), lifetime)?;
            for group in &groups {
                groups::change_members(tx, &author, *group, &[Member::User(made.id)], &[])?;
            }
            let made = match &prepared {
                Some(prepared) => prepared.commit(tx, &author, made.must_change_password)?,
                None => made,
            };
            let link = link.then(|| Self::issue_link(tx, &made, LinkFor::SetUp, life, &public_url)).transpose()?;
            Ok(Account { user: made, link })
        };
        self.store.write(write).await
    }

    /// Changes an account, if it is at the expected revision.
    ///
    /// # Errors
    /// When it has moved on, a rule refuses, or a unique value is taken.
    pub async fn change_account(
        &self,
        author: Author,
        id: UserId,
        revision: Option<u64>,
        change: AccountChange,
    ) -> Result<User, WriteError> {
        let write = move |tx: &mut Tx<'_>| {
            users::expect_revision(tx, id, revision)?;
            let wished = change.user.clone();
            let before = users::get(tx, id)?;
            let user = users::update(tx, &author, id, "user.changed", |user, _| Ok(wished.apply(user)))?;
            if let Some(before) = before {
                outbox::tell_the_old_address(tx, &before, &user)?;
            }
            if let Some(wanted) = &change.groups {
                set_groups(tx, &author, id, wanted)?;
            }
            Ok(user)
        };
        self.store.write(write).await
    }

    /// Moves a user to another state by a rule.
    ///
    /// # Errors
    /// When it has moved on, or the rule refuses.
    pub async fn move_account(
        &self,
        author: Author,
        id: UserId,
        revision: Option<u64>,
        action: &'static str,
        rule: impl Fn(User, jiff::Timestamp) -> Result<User, RuleError> + Send + Sync + 'static,
    ) -> Result<User, WriteError> {
        let rule = Arc::new(rule);
        let write = move |tx: &mut Tx<'_>| {
            users::expect_revision(tx, id, revision)?;
            users::update(tx, &author, id, action, |user, now| rule(user, now))
        };
        self.store.write(write).await
    }

    /// Sets a password on an administrator's word.
    ///
    /// # Errors
    /// When it breaks rules.
    pub async fn set_password(
        &self,
        author: Author,
        user: &User,
        password: &Secret,
        must_change: bool,
    ) -> Result<User, LoginError> {
        let prepared: Prepared = self.prepare_password(user, password).await?;
        let (id, revision) = (user.id, user.revision);
        let write = move |tx: &mut Tx<'_>| -> Result<User, LoginError> {
            users::expect_revision(tx, id, Some(revision))?;
            Ok(prepared.commit(tx, &author, must_change)?)
        };
        let set = self.store.write(write).await?;
        self.forgive_user(id);
        Ok(set)
    }

    /// Makes a link by which a user sets a new password, and mails it.
    ///
    /// # Errors
    /// When musterd does not keep this user's password, or the user may not come in.
    pub async fn send_link(&self, author: Author, user: &User, public_url: &str) -> Result<Secret, LoginError> {
        if !self.keeps_password(&user.source) {
            let text = format!("is kept by the source {}: it is changed there", user.source);
            return Err(LoginError::Password(vec![crate::directory::field::FieldError::new(
                "password",
                "kept_elsewhere",
                text,
            )]));
        }
        let (life, public_url, id) = (self.settings.sessions.link, public_url.to_owned(), user.id);
        let revision = user.revision;
        let write = move |tx: &mut Tx<'_>| -> Result<Secret, LoginError> {
            users::expect_revision(tx, id, Some(revision))?;
            let user = super::login::user(tx, id)?;
            if !user.is_valid(tx.now()) {
                let hint = "enable it, or set a later expiry, first";
                return Err(WriteError::Rule(RuleError::WrongState { state: "not active", hint }).into());
            }
            let what = if credentials::get(tx, id)?.is_some() { LinkFor::Reset } else { LinkFor::SetUp };
            audit::append(tx, &author, Entry::new("password.link_made", users::target(&user)))?;
            Ok(Self::issue_link(tx, &user, what, life, &public_url)?)
        };
        self.store.write(write).await
    }

    /// Removes all second factors of a user, ends what they hold, and tells them.
    ///
    /// # Errors
    /// When the user has changed meanwhile, or the store fails.
    pub async fn reset_factors(&self, author: Author, user: &User) -> Result<usize, WriteError> {
        let (id, revision) = (user.id, user.revision);
        let write = move |tx: &mut Tx<'_>| {
            users::expect_revision(tx, id, Some(revision))?;
            let factors = credentials::factors(tx, id)?;
            for factor in &factors {
                credentials::remove_factor(tx, id, factor.id)?;
            }
            let user = users::update(tx, &author, id, "factors.reset", |user, _| Ok(user.end_sessions()))?;
            if !factors.is_empty() {
                outbox::tell(tx, &user, Body::FactorsReset)?;
            }
            Ok(factors.len())
        };
        let removed = self.store.write::<_, WriteError>(write).await?;
        self.throttle.clear(Key::Code(id));
        self.throttle.clear(Key::Face(id));
        Ok(removed)
    }
}

/// Joins and leaves groups until the direct memberships are those.
fn set_groups(tx: &mut Tx<'_>, author: &Author, id: UserId, wanted: &[GroupId]) -> Result<(), WriteError> {
    let member = [Member::User(id)];
    // Memberships in the groups of a source are the source's to change.
    let mut has = Vec::new();
    for group in groups::direct_groups(tx, Member::User(id))? {
        if groups::get(tx, group)?.is_some_and(|group| group.source.is_local()) {
            has.push(group);
        }
    }
    for group in has.iter().filter(|group| !wanted.contains(group)) {
        groups::change_members(tx, author, *group, &[], &member)?;
    }
    for group in wanted.iter().filter(|group| !has.contains(group)) {
        groups::change_members(tx, author, *group, &member, &[])?;
    }
    Ok(())
}

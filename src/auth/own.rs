//! What a user changes of their own credentials, with proof each time: a stolen session is not enough.

use std::sync::Arc;

use super::login::{Authenticator, LoginError};
use super::passwords::tell;
use super::power::factor_rule;
use super::throttle::Key;
use super::totp::{self, Enrolment};
use crate::base::id::{FactorId, UserId};
use crate::directory::audit::Author;
use crate::directory::field::FieldError;
use crate::directory::message::Body;
use crate::directory::policy::FactorRule;
use crate::directory::user::{MfaPolicy, RuleError, User};
use crate::store::audit::{self, Entry};
use crate::store::credentials::{self, Factor};
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};

impl Authenticator {
    /// Begins to enrol a TOTP factor.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn enrol_factor(&self, id: UserId) -> Result<Enrolment, LoginError> {
        let issuer = self.settings.issuer.clone();
        let write = move |tx: &mut Tx<'_>| Ok::<_, LoginError>(totp::enrol(tx, &super::login::user(tx, id)?, &issuer)?);
        self.store.write(write).await
    }

    /// Confirms a factor by its first code; from then on it is asked for at login.
    ///
    /// # Errors
    /// When the code is wrong, or there is no such factor to confirm.
    pub async fn confirm_factor(
        &self,
        author: Author,
        id: UserId,
        factor: FactorId,
        code: &str,
    ) -> Result<(), LoginError> {
        self.with_code(id, factor, code, move |tx: &mut Tx<'_>, found: &Factor| {
            // One that counts already was added before: there is nothing to confirm.
            if found.confirmed {
                return Err(WriteError::NotFound("factor to confirm").into());
            }
            let user = users::update(tx, &author, id, "user.changed", |user, _| {
                let mfa = if user.mfa == MfaPolicy::Disabled { MfaPolicy::Enabled } else { user.mfa };
                Ok(User { mfa, ..user })
            })?;
            audit::append(tx, &author, Entry::new("factor.added", users::target(&user)))?;
            tell(tx, &user, Body::FactorAdded)?;
            Ok(())
        })
        .await
    }

    /// Removes a factor after a fresh code of it. The last one stays where policy wants one.
    ///
    /// # Errors
    /// When the code is wrong, or policy wants the factor.
    pub async fn remove_factor(
        &self,
        author: Author,
        id: UserId,
        factor: FactorId,
        code: &str,
    ) -> Result<(), LoginError> {
        let (mode, grants) = (self.settings.mfa, Arc::clone(&self.grants));
        self.with_code(id, factor, code, move |tx: &mut Tx<'_>, _: &Factor| {
            let user = super::login::user(tx, id)?;
            let confirmed = credentials::factors(tx, id)?.iter().filter(|factor| factor.confirmed).count();
            if factor_rule(tx, mode, &grants, &user)? == FactorRule::Required && confirmed <= 1 {
                let text = "is the last one, and your directory asks for one: enrol another first";
                return Err(
                    WriteError::Rule(RuleError::Invalid(vec![FieldError::new("factor", "required", text)])).into()
                );
            }
            credentials::remove_factor(tx, id, factor);
            audit::append(tx, &author, Entry::new("factor.removed", users::target(&user)))?;
            tell(tx, &user, Body::FactorsReset)?;
            Ok(())
        })
        .await
    }

    /// Proves a factor by a code, which counts as a try, and does something with it in the same commit.
    async fn with_code(
        &self,
        id: UserId,
        factor: FactorId,
        code: &str,
        mut act: impl FnMut(&mut Tx<'_>, &Factor) -> Result<(), LoginError> + Send + 'static,
    ) -> Result<(), LoginError> {
        let key = Key::Code(id);
        self.throttle.begin(key, self.store.clock().now()).map_err(LoginError::TooManyAttempts)?;
        let code = code.to_owned();
        let write = move |tx: &mut Tx<'_>| {
            let found = find(tx, id, factor)?;
            if !totp::accept(tx, id, &found, &code)? {
                return Err(LoginError::InvalidCredentials);
            }
            act(tx, &found)
        };
        self.store.write(write).await?;
        self.throttle.clear(key);
        Ok(())
    }
}

fn find(tx: &Tx<'_>, id: UserId, factor: FactorId) -> Result<Factor, LoginError> {
    let factors = credentials::factors(tx, id)?;
    factors.into_iter().find(|found| found.id == factor).ok_or(LoginError::Write(WriteError::NotFound("factor")))
}

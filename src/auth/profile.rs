//! What users change of themselves besides their factors: attributes, and the password.

use super::login::{Authenticator, LoginError};
use super::own::{Me, Proof, refused};
use crate::base::secret::Secret;
use crate::directory::policy::FactorRule;
use crate::directory::user::{User, UserChange};
use crate::store::tx::Tx;
use crate::store::{outbox, users};

impl Authenticator {
    /// Changes attributes of one's own. Who changes their address or number is told at the old address.
    ///
    /// # Errors
    /// When the proof is wrong, the user is not as at `revision` any more, or a value is taken.
    pub async fn change_own(
        &self,
        me: &Me,
        revision: Option<u64>,
        change: UserChange,
        proof: Option<&Proof>,
    ) -> Result<User, LoginError> {
        let (who, policy) = (me.clone(), self.policy());
        let act = move |tx: &mut Tx<'_>, user: &User| {
            users::expect_revision(tx, user.id, revision)?;
            if change.mfa.is_some() && policy.rule_for(tx, user)?.0 == FactorRule::Required {
                return Err(refused("is asked of you: you cannot change that"));
            }
            let (wished, before) = (change.clone(), user);
            let changed = users::update(tx, &who.author(), user.id, "user.changed", |user, _| Ok(wished.apply(user)))?;
            outbox::tell_the_old_address(tx, before, &changed)?;
            Ok(changed)
        };
        match proof {
            Some(proof) => self.with_proof(me, proof, act).await,
            None => {
                let me = me.clone();
                self.store.write(move |tx: &mut Tx<'_>| act(tx, &me.now(tx)?)).await
            }
        }
    }

    /// Changes the password: with the old one, and where there is a second factor a proof of that too.
    ///
    /// # Errors
    /// When a proof is missing or wrong, or the new password breaks rules.
    pub async fn change_own_password(
        &self,
        me: &Me,
        current: &Secret,
        new: &Secret,
        proof: &Proof,
    ) -> Result<(), LoginError> {
        let offered = self.factors.offered(&self.store.view(), &me.user)?;
        let proof = Proof { password: Some(current.clone()), ..proof.clone() };
        proof.must_be_for(&offered)?;
        // First: what is said of the new one tells something of the old.
        self.prove_password(&me.user, current, &me.origin).await?;
        let (prepared, author) = (self.prepare_password(&me.user, new).await?, me.author());
        let act = move |tx: &mut Tx<'_>, _: &User| prepared.commit(tx, &author, false).map_err(LoginError::from);
        match offered.is_empty() {
            true => self.without_factor(me, act).await?,
            false => self.with_proof(me, &proof, act).await?,
        };
        self.forgive_user(me.user.id);
        Ok(())
    }
}

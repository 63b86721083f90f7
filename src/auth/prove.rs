//! Proving a second factor, in a login or to change something of one's own: which one is meant, what was given, how it is
//! counted, and what a right or wrong answer leaves behind.

use std::sync::Arc;

use super::counting::Counted;
use super::factors::{Ahead, Ask, Kind, MethodError, Response, Verdict, recovery};
use super::login::{Authenticator, LoginError};
use crate::base::id::FactorId;
use crate::directory::audit::Author;
use crate::directory::factor::Method;
use crate::directory::message::Body;
use crate::directory::quota::Quota;
use crate::directory::user::{MfaPolicy, User};
use crate::store::audit::{self, Entry};
use crate::store::challenges::Purpose;
use crate::store::credentials::Factor;
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};
use crate::store::verifiers::{self, Verifier};
use crate::store::{outbox, quotas};

/// Which factor somebody wants to prove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Of this method; by default the first that takes a code.
    pub method: Option<Method>,
    /// This one of them.
    pub factor: Option<FactorId>,
}

impl Chosen {
    /// The method that is meant, and the factors of it that are.
    pub(super) fn among(self, factors: Vec<Factor>) -> Result<(Method, Vec<Factor>), LoginError> {
        let meant = |factor: &Factor| {
            self.factor.is_none_or(|id| factor.id == id) && self.method.is_none_or(|method| factor.method() == method)
        };
        let mut factors: Vec<Factor> = factors.into_iter().filter(meant).collect();
        let takes_a_code = |factor: &&Factor| !matches!(factor.method(), Method::Passkey | Method::Face);
        let first = factors.iter().find(takes_a_code).or(factors.first()).ok_or(LoginError::NotOffered)?;
        let method = first.method();
        factors.retain(|factor| factor.method() == method);
        Ok((method, factors))
    }
}

/// What somebody wants to enrol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// A factor of this method; by default a one-time password, where the settings have it.
    pub method: Option<Method>,
    /// The person agrees to what the method keeps of them.
    pub consent: bool,
}

/// What somebody gives to prove a factor.
#[derive(Clone, Default)]
pub struct Given {
    /// The answer.
    pub response: Response,
    /// Trust this device from now on.
    pub trust_device: bool,
}

/// One try.
pub(super) struct Prove<'a> {
    pub(super) kind: &'a dyn Kind,
    pub(super) ask: &'a Ask<'a>,
    pub(super) factors: &'a [Factor],
    pub(super) ahead: &'a Ahead,
    pub(super) author: &'a Author,
}

impl Prove<'_> {
    /// Is the answer right? Either way it leaves a line in the audit trail, where the line of a login does not say it.
    pub(super) fn accept(&self, tx: &mut Tx<'_>, response: &Response) -> Result<bool, LoginError> {
        let verdict = self.kind.accept(tx, self.ask, self.factors, response, self.ahead)?;
        let (user, method) = (self.ask.user, self.kind.method());
        let mut entry = match verdict {
            Verdict::Wrong(why) => {
                let mut entry = Entry::new("factor.refused", users::target(user));
                entry.details.insert("reason".to_owned(), why.into());
                entry
            }
            Verdict::Right(_) if method == Method::Recovery => Entry::new("recovery_code.used", users::target(user)),
            Verdict::Right(_) => return Ok(true),
        };
        entry.details.insert("method".to_owned(), method.name().into());
        match verdict {
            Verdict::Right(_) => {
                let left = recovery::left(tx, user.id)?.unwrap_or(0);
                entry.details.insert("left".to_owned(), left.into());
                outbox::tell(tx, user, Body::RecoveryCodeUsed { left: u32::try_from(left).unwrap_or(0) })?;
            }
            // Whoever logs in has proved the password: its owner must know that others have it.
            Verdict::Wrong(_)
                if self.ask.purpose == Purpose::Login && quotas::take(tx, &[Quota::Notice(user.id)])?.is_ok() =>
            {
                outbox::tell(tx, user, Body::SecondFactorRefused)?;
            }
            Verdict::Wrong(_) => {}
        }
        audit::append(tx, self.author, entry)?;
        Ok(matches!(verdict, Verdict::Right(_)))
    }
}

/// What follows once a factor has been confirmed: it is asked for from now on, and everything that the user held ends.
pub(super) fn added(tx: &mut Tx<'_>, author: &Author, user: &User, method: Method) -> Result<User, WriteError> {
    let kept = verifiers::get(tx, user.id)?.filter(|kept| kept.epoch == user.session_epoch);
    let user = users::update(tx, author, user.id, "user.changed", |user, _| {
        let mfa = if user.mfa == MfaPolicy::Disabled { MfaPolicy::Enabled } else { user.mfa };
        Ok(User { mfa, ..user.end_sessions() })
    })?;
    // The password is the same, and its owner was here: it stands in for its directory as before.
    if let Some(kept) = kept {
        verifiers::keep(tx, user.id, &Verifier { epoch: user.session_epoch, ..kept })?;
    }
    let mut entry = Entry::new("factor.added", users::target(&user));
    entry.details.insert("method".to_owned(), method.name().into());
    audit::append(tx, author, entry)?;
    outbox::tell(tx, &user, Body::FactorEnrolled { method })?;
    Ok(user)
}

impl Authenticator {
    /// The method, if it can be asked for.
    pub(super) fn kind(&self, method: Method) -> Result<Arc<dyn Kind>, LoginError> {
        self.factors.kind(method).cloned().ok_or(LoginError::NotOffered)
    }

    /// The method to enrol, once its owner agrees to what it keeps.
    pub(super) fn to_enrol(&self, wish: Wish) -> Result<Arc<dyn Kind>, LoginError> {
        let can = self.factors.to_enrol();
        let usual = || can.iter().find(|method| **method == Method::Totp).or(can.first()).copied();
        let method = wish.method.or_else(usual).filter(|method| can.contains(method));
        let kind = self.kind(method.ok_or(LoginError::NotOffered)?)?;
        match kind.wants_consent() && !wish.consent {
            true => Err(MethodError::ConsentRequired.into()),
            false => Ok(kind),
        }
    }

    /// After a try: a right answer ends the count, and one that could not be looked at was none.
    pub(super) fn settle<T>(&self, counted: &Counted, outcome: &Result<Result<T, LoginError>, LoginError>) {
        match outcome {
            Ok(Err(LoginError::InvalidCredentials)) => {}
            Ok(_) => self.forgive(counted),
            Err(_) => self.uncount(counted),
        }
    }
}

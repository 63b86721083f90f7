//! Passkeys as a second factor (WebAuthn): registered, asked for by a challenge, and used with their count. Each challenge
//! is answered once; a wrong answer ends it too.

use std::sync::Arc;

use serde_json::Value;

use super::{Ahead, Ask, Enrolment, Kind, MethodError, Response, Shown, Verdict, forget_unconfirmed};
use crate::auth::passkeys::{Assertion, Begun, Passkeys, Pending, Rejected};
use crate::base::id::FactorId;
use crate::directory::audit::{Actor, Author};
use crate::directory::factor::Method;
use crate::directory::field::FieldError;
use crate::directory::passkey::Passkey;
use crate::directory::user::User;
use crate::store::audit::{self, Entry};
use crate::store::challenges::{self, Challenge, Purpose};
use crate::store::credentials::{self, Factor, FactorKind};
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, users};

/// Most passkeys of one user.
const PASSKEYS_MAX: usize = 20;

/// The method.
pub struct PasskeyKind {
    /// Asks and checks.
    pub passkeys: Arc<Passkeys>,
}

impl Kind for PasskeyKind {
    fn method(&self) -> Method {
        Method::Passkey
    }

    fn enrol(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, _: &Ahead) -> Result<Enrolment, MethodError> {
        forget_unconfirmed(tx, ask.user, Method::Passkey)?;
        let there = all(tx, ask.user)?.len();
        if there >= PASSKEYS_MAX {
            let message = format!("cannot be enrolled: {PASSKEYS_MAX} passkeys are the most; remove one first");
            return Err(MethodError::Unusable(FieldError::new("method", "too_many", message)));
        }
        let id = FactorId::new(tx.now(), tx.rng());
        let name = if there == 0 { "Passkey".to_owned() } else { format!("Passkey {}", there.saturating_add(1)) };
        let kind = FactorKind::Passkey { credential_id: String::new(), credential: Value::Null };
        let factor = Factor { id, name, created_at: tx.now(), confirmed: false, used_at: None, kind };
        credentials::put_factor(tx, ask.user.id, &factor)?;
        Ok(Enrolment { factor: id, shown: self.ask_for_new(tx, ask, id)? })
    }

    fn challenge(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, factors: &[Factor], _: &Ahead) -> Result<Shown, MethodError> {
        match (ask.purpose, factors.first()) {
            (Purpose::Enrol, Some(factor)) => self.ask_for_new(tx, ask, factor.id),
            _ => {
                let begun = self.passkeys.begin_authentication(Some(ask.user.id), &known(factors)?, tx.now());
                put(tx, ask, None, begun.map_err(broken)?)
            }
        }
    }

    fn accept(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        factors: &[Factor],
        response: &Response,
        _: &Ahead,
    ) -> Result<Verdict, MethodError> {
        let Some(given) = &response.credential else { return Ok(Verdict::Wrong("no_credential")) };
        let place = ask.place(Method::Passkey);
        let asked = challenges::get(tx, &place, tx.now())?.ok_or(MethodError::NoChallenge)?;
        challenges::remove(tx, &place)?;
        let pending = serde_json::from_value(asked.state).map_err(unreadable)?;
        let given = given.to_string();
        let outcome = match ask.purpose {
            Purpose::Enrol => {
                let new = factors.iter().find(|factor| Some(factor.id) == asked.factor);
                self.register(tx, ask, new.ok_or(MethodError::NoChallenge)?, pending, &given)?
            }
            Purpose::Login | Purpose::Prove => {
                let author = Author { address: ask.network, ..Author::of(Actor::User { id: ask.user.id }) };
                match Assertion::parse(&given) {
                    Ok(given) => accept(tx, &self.passkeys, &author, ask.user, factors, pending, &given)?,
                    Err(rejected) => Err(rejected),
                }
            }
        };
        match outcome {
            Ok(factor) => Ok(Verdict::Right(factor)),
            Err(rejected) => {
                tracing::info!(user.id = %ask.user.id, reason = rejected.name(), "a passkey was refused: {rejected}");
                Ok(Verdict::Wrong(rejected.name()))
            }
        }
    }
}

impl PasskeyKind {
    /// Asks for a passkey that is not there yet.
    fn ask_for_new(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, factor: FactorId) -> Result<Shown, MethodError> {
        let (user, there) = (ask.user, known(&all(tx, ask.user)?)?);
        let (username, name) = (user.username.as_str(), user.name.as_str());
        let begun = self.passkeys.begin_registration(user.id, username, name, &there, tx.now());
        put(tx, ask, Some(factor), begun.map_err(broken)?)
    }

    /// Makes the factor the passkey that the answer registers.
    fn register(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        new: &Factor,
        pending: Pending,
        given: &str,
    ) -> Result<Result<FactorId, Rejected>, MethodError> {
        let there = known(&all(tx, ask.user)?)?;
        let passkey = match self.passkeys.finish_registration(pending, ask.user.id, &there, given, tx.now()) {
            Ok(passkey) => passkey,
            Err(Rejected::Broken(problem)) => return Err(broken(Rejected::Broken(problem)).into()),
            Err(rejected) => return Ok(Err(rejected)),
        };
        let kind = kind(&passkey)?;
        let factor = Factor { confirmed: true, used_at: Some(tx.now()), kind, ..new.clone() };
        credentials::put_factor(tx, ask.user.id, &factor)?;
        Ok(Ok(factor.id))
    }
}

/// Is it the answer of one of these passkeys of the user? Then its count is written, and one that went back is noted
/// either way (WebAuthn Level 3 §7.2 step 22).
pub(in crate::auth) fn accept(
    tx: &mut Tx<'_>,
    passkeys: &Passkeys,
    author: &Author,
    user: &User,
    factors: &[Factor],
    pending: Pending,
    given: &Assertion,
) -> Result<Result<FactorId, Rejected>, MethodError> {
    let outcome = passkeys.finish_authentication(pending, user.id, &known(factors)?, given, tx.now());
    let accepted = match outcome {
        Ok(accepted) => accepted,
        Err(Rejected::Broken(problem)) => return Err(broken(Rejected::Broken(problem)).into()),
        Err(rejected) => {
            if rejected == Rejected::CountedBack {
                note_count(tx, author, user, false)?;
            }
            return Ok(Err(rejected));
        }
    };
    if accepted.counted_back {
        note_count(tx, author, user, true)?;
    }
    let id = accepted.passkey.id.to_string();
    let is_it =
        |factor: &&Factor| matches!(&factor.kind, FactorKind::Passkey { credential_id, .. } if *credential_id == id);
    let Some(factor) = factors.iter().find(is_it) else { return Ok(Err(Rejected::Unknown)) };
    let used = Factor { used_at: Some(tx.now()), kind: kind(&accepted.passkey)?, ..factor.clone() };
    credentials::put_factor(tx, user.id, &used)?;
    Ok(Ok(used.id))
}

/// The user's passkeys.
///
/// # Errors
/// When the store cannot read.
pub(in crate::auth) fn all(reads: &dyn Reads, user: &User) -> Result<Vec<Factor>, StoreError> {
    let factors = credentials::factors(reads, user.id)?;
    Ok(factors.into_iter().filter(|factor| factor.confirmed && factor.method() == Method::Passkey).collect())
}

fn note_count(tx: &mut Tx<'_>, author: &Author, user: &User, accepted: bool) -> Result<(), StoreError> {
    let mut entry = Entry::new("passkey.counted_back", users::target(user));
    entry.details.insert("accepted".to_owned(), accepted.into());
    audit::append(tx, author, entry)
}

fn kind(passkey: &Passkey) -> Result<FactorKind, StoreError> {
    let credential = serde_json::to_value(passkey).map_err(unreadable)?;
    Ok(FactorKind::Passkey { credential_id: passkey.id.to_string(), credential })
}

/// What is known of these passkeys.
fn known(factors: &[Factor]) -> Result<Vec<Passkey>, StoreError> {
    let credential = |factor: &Factor| match &factor.kind {
        FactorKind::Passkey { credential, .. } if factor.confirmed => Some(credential.clone()),
        _ => None,
    };
    factors.iter().filter_map(credential).map(|known| serde_json::from_value(known).map_err(unreadable)).collect()
}

/// Keeps a question until it is answered, and shows it.
fn put(tx: &mut Tx<'_>, ask: &Ask<'_>, factor: Option<FactorId>, begun: Begun) -> Result<Shown, MethodError> {
    let challenge = Challenge {
        user: Some(ask.user.id),
        factor,
        created_at: tx.now(),
        expires_at: begun.pending.expires_at(),
        tries: 1,
        state: serde_json::to_value(&begun.pending).map_err(unreadable)?,
    };
    challenges::put(tx, ask.place(Method::Passkey), &challenge)?;
    Ok(Shown::default().with("options", begun.options))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Record(format!("what is kept of a passkey cannot be read: {error}"))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(rejected: Rejected) -> StoreError {
    StoreError::Record(rejected.to_string())
}

//! What was sent or asked to have a factor proved: codes, challenges of passkeys, pictures to be taken.
//!
//! Each is bound to one login or session, to what it is for, and to its method; the newest takes the place of an older
//! one. It is read in the commit that accepts or refuses the answer, and taken away there.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::id::{FactorId, SessionId, UserId};
use crate::base::secret::{TokenHash, sha256};
use crate::directory::factor::Method;
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::sessions::{forget_end, remember_end};
use crate::store::tx::{Reads, Tx, get_record};

/// What a factor is proved for. What was given for one is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To come in.
    Login,
    /// To become a factor.
    Enrol,
    /// To change something of one's own.
    Prove,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Login, Self::Enrol, Self::Prove];

    /// Its name, in keys and for who is asked to prove somebody.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Enrol => "enrol",
            Self::Prove => "prove",
        }
    }
}

/// Where a factor is proved.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// In the login with this token.
    Login(TokenHash),
    /// In this session.
    Session(SessionId),
}

/// One challenge.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Challenge {
    /// Whose it is; `None` while nobody has said who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The factor in question, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<FactorId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Answers that may still be wrong; with none left it is over.
    pub tries: u32,
    /// What its method needs to know; secrets are sealed for [`place`].
    pub state: Value,
}

/// The key of a challenge.
#[must_use]
pub fn place(flow: Flow, purpose: Purpose, method: Method) -> Vec<u8> {
    let text = match flow {
        Flow::Login(hash) => [&b"login"[..], &hash.0].concat(),
        Flow::Session(id) => [&b"session"[..], id.as_bytes()].concat(),
    };
    let digest = sha256(&[purpose.name().as_bytes(), &[0xff], &text].concat());
    Space::Challenge.key(&[&digest, method.name().as_bytes()])
}

/// The challenge at this place, if it has not ended.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, place: &[u8], now: Timestamp) -> Result<Option<Challenge>, StoreError> {
    let found: Option<Challenge> = get_record(reads, place)?;
    Ok(found.filter(|challenge| now < challenge.expires_at && challenge.tries > 0))
}

/// Writes a challenge; the one before it is over.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, place: Vec<u8>, challenge: &Challenge) -> Result<(), StoreError> {
    // A later one at the same place must not be dropped at the end of this one.
    remove(tx, &place)?;
    remember_end(tx, challenge.expires_at, &place);
    tx.put_record(place, challenge)
}

/// Ends a challenge.
///
/// # Errors
/// When the store cannot read.
pub fn remove(tx: &mut Tx<'_>, place: &[u8]) -> Result<(), StoreError> {
    if let Some(before) = get_record::<Challenge>(tx, place)? {
        forget_end(tx, before.expires_at, place);
        tx.remove(place.to_vec());
    }
    Ok(())
}

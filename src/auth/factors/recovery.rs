//! Recovery codes: ten of eighty random bits, each good once, for the day on which all else is lost
//! (NIST SP 800-63B-4 §4.2.1.1). Making new ones ends the old.

use data_encoding::BASE32_NOPAD;
use serde_json::json;

use super::{Ahead, Ask, Enrolment, Kind, MethodError, Response, Shown, Verdict};
use crate::base::id::{FactorId, UserId};
use crate::base::secret::{Secret, same_secret, sha256};
use crate::directory::factor::Method;
use crate::store::StoreError;
use crate::store::credentials::{self, Factor, FactorKind};
use crate::store::tx::{Reads, Tx};

/// How many there are.
const CODES: usize = 10;
/// Random bytes of each.
const CODE_BYTES: usize = 10;
/// Bytes of a stored hash.
const HASH_BYTES: usize = 32;

/// The method.
pub struct Recovery;

impl Kind for Recovery {
    fn method(&self) -> Method {
        Method::Recovery
    }

    /// They need no confirmation: their owner has seen them, and no login asks for them by themselves.
    fn enrol(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, _: &Ahead) -> Result<Enrolment, MethodError> {
        let user = ask.user.id;
        forget(tx, user)?;
        let codes: Vec<Secret> = (0..CODES).map(|_| new_code(tx)).collect();
        let hashes: Vec<u8> = codes.iter().flat_map(|code| hash(code.expose())).collect();
        let id = FactorId::new(tx.now(), tx.rng());
        let kind = FactorKind::Recovery { sealed_hashes: credentials::seal(tx, user, id, &hashes)?, left: CODES };
        let name = "Recovery codes".to_owned();
        let factor = Factor { id, name, created_at: tx.now(), confirmed: true, used_at: None, kind };
        credentials::put_factor(tx, user, &factor)?;
        let codes: Vec<&str> = codes.iter().map(Secret::expose).collect();
        Ok(Enrolment { factor: id, shown: Shown::default().with("codes", json!(codes)) })
    }

    fn accept(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        factors: &[Factor],
        response: &Response,
        _: &Ahead,
    ) -> Result<Verdict, MethodError> {
        let Some(code) = &response.code else { return Ok(Verdict::Wrong("no_code")) };
        let typed = hash(code.expose());
        for factor in factors {
            let mut hashes = credentials::open(tx, ask.user.id, factor)?;
            let mut left = Vec::with_capacity(hashes.len());
            hashes.chunks(HASH_BYTES).filter(|one| !same_secret(one, &typed)).for_each(|one| left.extend(one));
            if left.len() < hashes.len() {
                hashes.clear();
                let count = left.len() / HASH_BYTES;
                let sealed_hashes = credentials::seal(tx, ask.user.id, factor.id, &left)?;
                let kind = FactorKind::Recovery { sealed_hashes, left: count };
                let used = Factor { kind, used_at: Some(tx.now()), ..factor.clone() };
                credentials::put_factor(tx, ask.user.id, &used)?;
                return Ok(Verdict::Right(factor.id));
            }
        }
        Ok(Verdict::Wrong("code"))
    }
}

/// Are these codes of which some are left?
#[must_use]
pub fn has_any(factor: &Factor) -> bool {
    matches!(factor.kind, FactorKind::Recovery { left, .. } if left > 0)
}

/// Ends every code of a user.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    for factor in credentials::factors(tx, user)? {
        if factor.method() == Method::Recovery {
            credentials::remove_factor(tx, user, factor.id)?;
        }
    }
    Ok(())
}

/// How many codes a user has left; `None` where none were made.
///
/// # Errors
/// When the store cannot read.
pub fn left(reads: &dyn Reads, user: UserId) -> Result<Option<usize>, StoreError> {
    let factors = credentials::factors(reads, user)?;
    Ok(factors.iter().find_map(|factor| match factor.kind {
        FactorKind::Recovery { left, .. } => Some(left),
        _ => None,
    }))
}

/// Four groups of four letters and digits.
fn new_code(tx: &Tx<'_>) -> Secret {
    let text = BASE32_NOPAD.encode(&tx.rng().bytes::<CODE_BYTES>()).to_ascii_lowercase();
    let groups: Vec<&str> = (0..4).filter_map(|group| text.get(group * 4..group * 4 + 4)).collect();
    Secret::new(groups.join("-"))
}

/// People type them in any case, with and without what stands between the groups.
fn hash(code: &str) -> [u8; HASH_BYTES] {
    let plain: String = code.chars().take(64).filter(char::is_ascii_alphanumeric).collect();
    sha256(plain.to_ascii_lowercase().as_bytes())
}

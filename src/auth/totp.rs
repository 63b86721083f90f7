//! Time-based one-time passwords (RFC 6238): 160-bit secrets, six digits, thirty seconds, one step of slack.
//! A step is accepted once (§5.2): the last one is stored in the commit before the answer.

use data_encoding::BASE64;
use jiff::Timestamp;
use totp_rs::{Builder, Secret as TotpSecret, Totp};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::base::id::{FactorId, UserId};
use crate::base::secret::Secret;
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::credentials::{self, Factor, FactorKind};
use crate::store::tx::{Reads, Tx};

/// Bytes of a secret (RFC 4226 §4 R6 recommends 160 bits).
const SECRET_BYTES: usize = 20;

/// What an authenticator app needs; shown once.
pub struct Enrolment {
    /// The new factor.
    pub factor: FactorId,
    /// The secret in base32, for typing.
    pub secret: Secret,
    /// The `otpauth://` address, for a QR code.
    pub uri: Secret,
}

fn totp(secret: &[u8], issuer: &str, account: &str) -> Result<Totp, StoreError> {
    let plain = |text: &str| text.replace(':', " ");
    Builder::new()
        .with_secret(TotpSecret::from(secret.to_vec()))
        .with_account_name(plain(account))
        .with_issuer(Some(plain(issuer)))
        .build()
        .map_err(|error| StoreError::Record(format!("a one-time password cannot be set up: {error}")))
}

/// Makes an unconfirmed factor; an earlier unconfirmed one is dropped.
///
/// # Errors
/// When the store cannot read, or the secret cannot be sealed.
pub fn enrol(tx: &mut Tx<'_>, user: &User, issuer: &str) -> Result<Enrolment, StoreError> {
    for earlier in credentials::factors(tx, user.id)? {
        if !earlier.confirmed {
            credentials::remove_factor(tx, user.id, earlier.id);
        }
    }
    let secret: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(tx.rng().bytes());
    let id = FactorId::new(tx.now(), tx.rng());
    let totp = totp(&*secret, issuer, user.username.as_str())?;
    let sealed = tx.sealer().seal(&credentials::seal_place(user.id, id), &*secret)?;
    let kind = FactorKind::Totp { sealed_secret: BASE64.encode(&sealed), last_step: 0 };
    let factor = Factor { id, name: "Authenticator app".to_owned(), created_at: tx.now(), confirmed: false, kind };
    credentials::put_factor(tx, user.id, &factor)?;
    let uri = totp.to_url().map_err(|error| StoreError::Record(error.to_string()))?;
    let base32 = data_encoding::BASE32_NOPAD.encode(&*secret);
    Ok(Enrolment { factor: id, secret: Secret::new(base32), uri: Secret::new(uri) })
}

/// Checks a code against one factor and, if it is right and new, notes its step. `true`: accepted.
///
/// # Errors
/// When the store cannot read, or the secret does not open.
pub fn accept(tx: &mut Tx<'_>, user: UserId, factor: &Factor, code: &str) -> Result<bool, StoreError> {
    let FactorKind::Totp { sealed_secret, last_step } = &factor.kind;
    let sealed = BASE64.decode(sealed_secret.as_bytes()).map_err(|error| StoreError::Record(error.to_string()))?;
    let secret = tx.sealer().open(&credentials::seal_place(user, factor.id), &sealed)?;
    let totp = totp(&secret, "musterd", "user")?;
    match matching_step(&totp, &plain_digits(code), tx.now()) {
        Some(step) if step > *last_step => {
            let kind = FactorKind::Totp { sealed_secret: sealed_secret.clone(), last_step: step };
            credentials::put_factor(tx, user, &Factor { kind, confirmed: true, ..factor.clone() })?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The newest step in the window whose code this is.
fn matching_step(totp: &Totp, code: &str, now: Timestamp) -> Option<u64> {
    let now = u64::try_from(now.as_second()).ok()?;
    totp.check(code, now)
}

/// People type codes with spaces and in full-width digits; all of them are the same code.
fn plain_digits(code: &str) -> String {
    code.chars().take(32).collect::<String>().nfkc().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        // Appendix B, SHA-1, cut to six digits.
        let totp = totp(b"12345678901234567890", "musterd", "ada").unwrap();
        for (second, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            let now = Timestamp::from_second(second).unwrap();
            assert_eq!(matching_step(&totp, code, now), Some(u64::try_from(second).unwrap() / 30), "{second}");
        }
    }

    #[test]
    fn one_step_of_slack_and_no_more() {
        let totp = totp(b"12345678901234567890", "musterd", "ada").unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(matching_step(&totp, "081804", at(1_111_111_109 + 30)).is_some());
        assert!(matching_step(&totp, "081804", at(1_111_111_109 - 30)).is_some());
        assert!(matching_step(&totp, "081804", at(1_111_111_109 + 60)).is_none());
        assert!(matching_step(&totp, "081804", at(1_111_111_109 - 60)).is_none());
    }

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        for typed in ["081804", " 081 804 ", "081-804", "０８１８０４"] {
            assert_eq!(plain_digits(typed), "081804");
        }
    }
}

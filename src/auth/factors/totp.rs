//! Time-based one-time passwords (RFC 6238): 160-bit secrets, six digits, thirty seconds, one step of slack.
//! A step is accepted once (§5.2): the last one is stored in the commit before the answer.

use jiff::Timestamp;
use qrcode::QrCode;
use qrcode::render::svg;
use totp_rs::{Builder, Secret as TotpSecret, Totp};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{Ahead, Ask, Enrolment, Kind, MethodError, Response, Shown, Verdict, forget_unconfirmed};
use crate::base::id::{FactorId, UserId};
use crate::directory::factor::Method;
use crate::store::StoreError;
use crate::store::credentials::{self, Factor, FactorKind};
use crate::store::tx::Tx;
use crate::store::users::WriteError;

/// Bytes of a secret (RFC 4226 §4 R6 recommends 160 bits).
const SECRET_BYTES: usize = 20;

/// The method.
pub struct TotpKind {
    /// The name that authenticator apps show.
    pub issuer: String,
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

impl Kind for TotpKind {
    fn method(&self) -> Method {
        Method::Totp
    }

    fn enrol(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, _: &Ahead) -> Result<Enrolment, MethodError> {
        let user = ask.user;
        forget_unconfirmed(tx, user, Method::Totp)?;
        let secret: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(tx.rng().bytes());
        let id = FactorId::new(tx.now(), tx.rng());
        let totp = totp(&*secret, &self.issuer, user.username.as_str())?;
        let kind = FactorKind::Totp { sealed_secret: credentials::seal(tx, user.id, id, &*secret)?, last_step: 0 };
        let name = "Authenticator app".to_owned();
        let factor = Factor { id, name, created_at: tx.now(), confirmed: false, used_at: None, kind };
        credentials::put_factor(tx, user.id, &factor)?;
        let uri = totp.to_url().map_err(|error| StoreError::Record(error.to_string()))?;
        let shown = Shown::default()
            .with("secret", data_encoding::BASE32_NOPAD.encode(&*secret))
            .with("qr_svg", qr_code(&uri)?)
            .with("uri", uri);
        Ok(Enrolment { factor: id, shown })
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
        for factor in factors {
            if accept(tx, ask.user.id, factor, code.expose())? {
                return Ok(Verdict::Right(factor.id));
            }
        }
        Ok(Verdict::Wrong("code"))
    }
}

/// Checks a code against one factor and, if it is right and new, notes its step.
fn accept(tx: &mut Tx<'_>, user: UserId, factor: &Factor, code: &str) -> Result<bool, WriteError> {
    let FactorKind::Totp { sealed_secret, last_step } = &factor.kind else { return Ok(false) };
    let secret = credentials::open(tx, user, factor)?;
    let totp = totp(&secret, "musterd", "user")?;
    match matching_step(&totp, &plain_digits(code), tx.now()) {
        Some(step) if step > *last_step => {
            let kind = FactorKind::Totp { sealed_secret: sealed_secret.clone(), last_step: step };
            let used_at = Some(tx.now());
            credentials::put_factor(tx, user, &Factor { kind, confirmed: true, used_at, ..factor.clone() })?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The address as a picture, for apps to read from a screen.
fn qr_code(uri: &str) -> Result<String, StoreError> {
    let code = QrCode::new(uri).map_err(|error| StoreError::Record(format!("no QR code can be made: {error}")))?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(200, 200).build())
}

/// The newest step in the window whose code this is.
fn matching_step(totp: &Totp, code: &str, now: Timestamp) -> Option<u64> {
    let now = u64::try_from(now.as_second()).ok()?;
    totp.check(code, now)
}

/// People type codes with spaces and in full-width digits; all of them are the same code.
pub(super) fn plain_digits(code: &str) -> String {
    code.chars().take(32).collect::<String>().nfkc().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o_05_the_vectors_of_rfc_6238_hold() {
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
    fn o_02_one_step_of_slack_and_no_more() {
        let totp = totp(b"12345678901234567890", "musterd", "ada").unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(matching_step(&totp, "081804", at(1_111_111_109 + 30)).is_some());
        assert!(matching_step(&totp, "081804", at(1_111_111_109 - 30)).is_some());
        assert!(matching_step(&totp, "081804", at(1_111_111_109 + 60)).is_none());
        assert!(matching_step(&totp, "081804", at(1_111_111_109 - 60)).is_none());
    }

    #[test]
    fn o_04_a_code_is_the_same_however_it_is_typed() {
        for typed in ["081804", " 081 804 ", "081-804", "０８１８０４"] {
            assert_eq!(plain_digits(typed), "081804");
        }
    }
}

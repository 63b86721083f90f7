//! What a provider signed, and whether it proves anything: a JWS in its compact form (RFC 7515 §7.1). PURE.
//!
//! The key and its algorithm are the settings', never the header's (RFC 8725 §3.1); the type is our own, so that nothing
//! else which the provider signs is taken for a result (§3.11).

use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::base::secret::Secret;

/// Most bytes of a result.
pub(super) const RESULT_MAX: usize = 8 * 1024;
/// What a result says it is.
const TYPE: &str = "face-result+jwt";
/// The provider's clock may be ahead by so many seconds.
const SKEW: i64 = 5;
/// Fewest bytes of a shared secret (RFC 7518 §3.2).
const SECRET_MIN: usize = 32;
/// What stands before the 32 bytes of an Ed25519 key (RFC 8410 §4).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What results are signed with.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Key {
    /// The provider's public key, as PEM: what it signs with never leaves it.
    ///
    /// # Errors
    /// When it is no Ed25519 key.
    pub fn ed25519(pem: &[u8]) -> Result<Self, String> {
        let no_key = "holds no Ed25519 public key in PEM (BEGIN PUBLIC KEY)";
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| no_key)?;
        let key = der.as_ref().strip_prefix(&ED25519).filter(|key| key.len() == 32).ok_or(no_key)?;
        Ok(Self { algorithm: Algorithm::EdDSA, key: DecodingKey::from_ed_der(key) })
    }

    /// A secret that both sides have: whoever reads it here can sign results.
    ///
    /// # Errors
    /// When it is too short.
    pub fn hs256(secret: &Secret) -> Result<Self, String> {
        if secret.expose().len() < SECRET_MIN {
            return Err(format!("must have at least {SECRET_MIN} bytes"));
        }
        Ok(Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret.expose().as_bytes()) })
    }
}

/// What a result must say.
pub(super) struct Expected<'a> {
    pub(super) nonce: &'a str,
    pub(super) subject: &'a str,
    pub(super) purpose: &'a str,
    pub(super) min_score: Option<f64>,
    /// How old it may be.
    pub(super) life: Duration,
}

/// What a result says. More may stand in it.
#[derive(Deserialize)]
struct Claims {
    nonce: String,
    subject: String,
    purpose: String,
    decision: Decision,
    #[serde(default)]
    match_score: Option<f64>,
    liveness: Liveness,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Match,
    NoMatch,
}

#[derive(Deserialize)]
struct Liveness {
    passed: bool,
}

/// Why a result proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("the result is no JWS with the members that it must have")]
    Form,
    #[error("the result is not signed by the key and algorithm of the settings")]
    Signature,
    #[error("what is signed is no result: typ is not {TYPE}")]
    Type,
    #[error("the result is for another question")]
    Nonce,
    #[error("the result is about somebody else")]
    Subject,
    #[error("the result is for another purpose")]
    Purpose,
    #[error("the result is too old")]
    Expired,
    #[error("the result was signed in the future: compare the clocks")]
    Future,
    #[error("the provider does not say that a living person was there")]
    Liveness,
    #[error("the face is another")]
    NoMatch,
    #[error("the face is not like enough (face.min_score)")]
    Score,
}

impl Refused {
    /// The name in the audit trail.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "face_form",
            Self::Signature => "face_signature",
            Self::Type => "face_type",
            Self::Nonce => "face_nonce",
            Self::Subject => "face_subject",
            Self::Purpose => "face_purpose",
            Self::Expired => "face_expired",
            Self::Future => "face_future",
            Self::Liveness => "face_liveness",
            Self::NoMatch => "face_no_match",
            Self::Score => "face_score",
        }
    }
}

/// Does this prove what is expected, now?
pub(super) fn judge(key: &Key, signed: &str, expected: &Expected<'_>, now: Timestamp) -> Result<(), Refused> {
    let claims = open(key, signed)?;
    let (now, life) = (now.as_second(), i64::try_from(expected.life.as_secs()).unwrap_or(0));
    let checks = [
        (claims.nonce == expected.nonce, Refused::Nonce),
        (claims.subject == expected.subject, Refused::Subject),
        (claims.purpose == expected.purpose, Refused::Purpose),
        (claims.iat <= now.saturating_add(SKEW), Refused::Future),
        (now.saturating_sub(claims.iat) <= life && now < claims.exp, Refused::Expired),
        (claims.liveness.passed, Refused::Liveness),
        (claims.decision == Decision::Match, Refused::NoMatch),
        (expected.min_score.is_none_or(|least| claims.match_score.is_some_and(|score| score >= least)), Refused::Score),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err(why))
}

/// The claims, once the signature holds.
fn open(key: &Key, signed: &str) -> Result<Claims, Refused> {
    if signed.len() > RESULT_MAX {
        return Err(Refused::Form);
    }
    let mut validation = Validation::new(key.algorithm);
    // Times are compared by the clock of the store.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    let TokenData { header, claims } =
        jsonwebtoken::decode::<Claims>(signed, &key.key, &validation).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => {
                Refused::Signature
            }
            _ => Refused::Form,
        })?;
    // Nothing that must be understood is understood here (RFC 7515 §4.1.11).
    if header.crit.is_some() {
        return Err(Refused::Form);
    }
    if header.typ.as_deref() == Some(TYPE) { Ok(claims) } else { Err(Refused::Type) }
}

#[cfg(test)]
mod tests;

//! Signed tokens of sessions (RFC 9068): for applications that check by themselves, for five minutes at most.
//!
//! musterd itself lets nobody in by one. It looks at one only when an application asks whether the session behind it
//! still lives. What it checks by is written here, and nothing of it is taken from the token.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::clock::plus;
use crate::base::id::{SessionId, TokenId, UserId};
use crate::base::secret::Secret;
use crate::directory::audit::Author;
use crate::directory::factor;
use crate::directory::policy::days;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, signing_keys};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// The longest life of a token.
pub const LIFETIME_MAX: Duration = Duration::from_secs(300);
/// What kind of token it is (RFC 9068 §2.1): no other that this daemon will ever sign has it.
const TYPE: &str = "at+jwt";
/// Longer texts are none of ours, in bytes.
const TOKEN_MAX: usize = 64 << 10;
/// How often it is looked at whether a key is due.
const PERIOD: Duration = Duration::from_secs(3_600);

/// The settings of signed tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Are they given at all?
    pub enabled: bool,
    /// How long one lives.
    pub lifetime: Duration,
    /// How long a key signs.
    pub rotate_every: Duration,
    /// The applications that they may be for.
    pub audiences: Vec<String>,
    /// Do they tell the user's groups?
    pub groups: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: false, lifetime: LIFETIME_MAX, rotate_every: days(30), audiences: Vec::new(), groups: false }
    }
}

/// What a token says. There is no room for anything else, and each has its type: whatever differs is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// This daemon, by its public address.
    pub iss: String,
    /// The one application that it is for.
    pub aud: String,
    /// The user.
    pub sub: UserId,
    /// The session.
    pub sid: SessionId,
    /// When it was signed.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// When the bearer last proved who they are.
    pub auth_time: i64,
    /// How (RFC 8176).
    pub amr: BTreeSet<String>,
    /// How sure one can be.
    pub acr: String,
    /// The name of this token.
    pub jti: String,
    /// The application that logged the user in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The user's groups, where the settings want them told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

/// What our tokens have in their header, and nothing else: no key and no address of one is taken from there
/// (RFC 8725 §3.10), and nothing there is critical (RFC 7515 §4.1.11).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    alg: String,
    typ: String,
    kid: String,
}

/// What a token is wanted for.
pub struct Wish<'a> {
    /// Whose.
    pub user: &'a User,
    /// Of which session, which is valid.
    pub session: &'a Session,
    /// For whom.
    pub audience: &'a str,
    /// The application that it goes to.
    pub client: Option<TokenId>,
    /// The groups to tell.
    pub groups: Option<Vec<String>>,
}

/// A token that was signed.
pub struct Signed {
    /// The token.
    pub token: Secret,
    /// How long it lives.
    pub lifetime: Duration,
}

/// Why no token was signed.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The settings want none.
    #[error("signed tokens are not given here; set jwt.enabled to give them")]
    Disabled,
    /// The settings do not know that application.
    #[error("is none of jwt.audiences in the settings")]
    UnknownAudience,
    /// A key, or the library, failed.
    #[error("a token cannot be signed: {0}")]
    Signing(String),
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Signs tokens, checks them, and keeps the keys.
pub struct Signer {
    /// The store.
    pub store: Arc<Store>,
    /// The settings.
    pub settings: Settings,
    /// This daemon, by its public address.
    pub issuer: String,
    schedule: Schedule,
}

impl Signer {
    /// A signer over this store.
    #[must_use]
    pub fn new(store: Arc<Store>, settings: Settings, issuer: String) -> Self {
        Self { store, settings, issuer, schedule: Schedule::every(PERIOD) }
    }

    /// Signs a token. It does not outlive its session.
    ///
    /// # Errors
    /// When the settings do not want it, or the store fails.
    pub fn issue(&self, wish: &Wish<'_>) -> Result<Signed, JwtError> {
        if !self.settings.enabled {
            return Err(JwtError::Disabled);
        }
        if !self.settings.audiences.iter().any(|known| known == wish.audience) {
            return Err(JwtError::UnknownAudience);
        }
        let (now, view) = (self.store.clock().now(), self.store.view());
        let keys = signing_keys::list(&view)?;
        let (number, key) = signing_keys::signs(&keys, now).ok_or_else(|| JwtError::Signing("no key".to_owned()))?;
        let (session, iat) = (wish.session, now.as_second());
        let exp = plus(now, self.settings.lifetime.min(LIFETIME_MAX)).min(session.expires_at).as_second();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: wish.audience.to_owned(),
            sub: wish.user.id,
            sid: session.id,
            iat,
            exp,
            auth_time: session.authenticated_at.as_second(),
            amr: factor::amr(&session.methods).into_iter().map(str::to_owned).collect(),
            acr: factor::acr(&session.methods).to_owned(),
            jti: HEXLOWER.encode(&self.store.rng().bytes::<16>()),
            client_id: wish.client.map(|client| client.to_string()),
            groups: wish.groups.clone(),
        };
        let private = EncodingKey::from_ed_der(&signing_keys::private_half(&view, *number, key)?);
        let head = Header { typ: Some(TYPE.to_owned()), kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        let token = jsonwebtoken::encode(&head, &claims, &private);
        let token = token.map_err(|error| JwtError::Signing(error.to_string()))?;
        let lifetime = Duration::from_secs(u64::try_from(exp.saturating_sub(iat)).unwrap_or_default());
        Ok(Signed { token: Secret::new(token), lifetime })
    }

    /// What a token of ours says, if it is one and its time is not over. Whether its session lives is another question.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn check(&self, token: &str) -> Result<Option<Claims>, StoreError> {
        if !self.settings.enabled || token.len() > TOKEN_MAX {
            return Ok(None);
        }
        let Some(head) = head(token).filter(|head| head.alg == "EdDSA" && head.typ == TYPE) else { return Ok(None) };
        let now = self.store.clock().now();
        let keys = signing_keys::list(&self.store.view())?;
        let key = signing_keys::published(&keys, now).into_iter().find(|key| key.kid == head.kid);
        let Some(public) = key.and_then(|key| DecodingKey::from_ed_components(&key.public).ok()) else {
            return Ok(None);
        };
        // Times are checked by our own clock, below, and by their types.
        let mut rules = Validation::new(Algorithm::EdDSA);
        (rules.validate_exp, rules.validate_aud) = (false, false);
        let found = jsonwebtoken::decode::<Claims>(token, &public, &rules).ok().map(|found| found.claims);
        Ok(found.filter(|claims| self.holds(claims, now.as_second())))
    }

    fn holds(&self, claims: &Claims, now: i64) -> bool {
        let life = claims.exp.saturating_sub(claims.iat);
        claims.iss == self.issuer
            && self.settings.audiences.contains(&claims.aud)
            && claims.iat <= now
            && now < claims.exp
            && u64::try_from(life).is_ok_and(|life| life <= LIFETIME_MAX.as_secs())
    }

    /// The public keys as a JWK Set (RFC 7517 §5, RFC 8037 §2).
    ///
    /// # Errors
    /// When the settings want no tokens, or the store cannot read.
    pub fn published(&self) -> Result<Value, JwtError> {
        if !self.settings.enabled {
            return Err(JwtError::Disabled);
        }
        let keys = signing_keys::list(&self.store.view())?;
        let shown = signing_keys::published(&keys, self.store.clock().now()).into_iter().map(|key| {
            json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid, "x": key.public})
        });
        Ok(json!({"keys": shown.collect::<Vec<_>>()}))
    }

    /// Makes the keys that are due and drops those that are over.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_keys(&self) -> Result<(), StoreError> {
        if !self.settings.enabled {
            return Ok(());
        }
        let every = self.settings.rotate_every;
        let write = move |tx: &mut Tx<'_>| signing_keys::step(tx, &Author::system("signing keys"), every);
        self.store.write(write).await
    }

    /// Lets the next key sign as soon as it may; `at_once`, with every other key dropped. Gives from when on it signs.
    ///
    /// # Errors
    /// When the settings want no tokens, or the store fails.
    pub async fn rotate(&self, author: Author, at_once: bool) -> Result<jiff::Timestamp, JwtError> {
        if !self.settings.enabled {
            return Err(JwtError::Disabled);
        }
        let every = self.settings.rotate_every;
        let write = move |tx: &mut Tx<'_>| match at_once {
            true => signing_keys::replace(tx, &author, every),
            false => signing_keys::rotate(tx, &author, every),
        };
        Ok(self.store.write::<_, StoreError>(write).await?)
    }
}

/// The header of a token, if it is one as ours have it.
fn head(token: &str) -> Option<Head> {
    let (head, rest) = token.split_once('.')?;
    if rest.split('.').count() != 2 {
        return None;
    }
    serde_json::from_slice(&BASE64URL_NOPAD.decode(head.as_bytes()).ok()?).ok()
}

impl Task for Signer {
    fn name(&self) -> &str {
        "signing-keys"
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            match self.keep_keys().await {
                Ok(()) => Ok("the keys are as they should be".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

#[cfg(test)]
#[path = "jwt/tests.rs"]
mod tests;

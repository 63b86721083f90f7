//! Passkeys (WebAuthn Level 3): what a browser is asked, and whether its answer proves anything. Knows no store.
//!
//! `webauthn-rs` reads keys and attestation, compares type, challenge and the domain's digest, asks for the user's
//! presence and verification, and checks signatures. What it leaves open is added here: origins to the letter, no
//! frame of another page, one name for one credential, the owner's handle, copies that count backwards, five minutes.

mod response;
mod settings;
#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Key, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    Uuid, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

pub use response::{Assertion, TEXT_MAX};
pub use settings::{NoPlace, Place, Settings, SignCount, WebOrigin};

use crate::base::clock::plus;
use crate::base::id::UserId;
use crate::directory::passkey::Passkey;
use response::{Attestation, ClientData};

/// A browser's answer is taken for this long.
pub const LIFETIME: Duration = Duration::from_secs(300);

/// Asks for passkeys and checks them.
pub struct Passkeys {
    webauthn: Webauthn,
    place: Place,
    sign_count: SignCount,
}

/// What a browser is asked, and what to remember until it answers.
pub struct Begun {
    /// What `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` takes.
    pub options: Value,
    /// What to keep here, and to take away when the answer comes: a challenge is answered once.
    pub pending: Pending,
}

/// A question that waits for its answer.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// Who is asked; `None`: whoever has a passkey.
    user: Option<UserId>,
    /// Until when.
    expires_at: Timestamp,
    /// For what.
    ceremony: Ceremony,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ceremony {
    Registration(Box<PasskeyRegistration>),
    Authentication(Box<DiscoverableAuthentication>),
}

/// A passkey that proved its owner.
#[derive(Debug)]
pub struct Accepted {
    /// The passkey as it is from now on.
    pub passkey: Passkey,
    /// It counted backwards: there may be a second copy of it.
    pub counted_back: bool,
}

/// Why an answer was not taken. The name is for the audit trail; whoever gave the answer learns no more than that it
/// was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// No answer of a browser.
    #[error("the member {0} is not what a browser gives")]
    Malformed(&'static str),
    /// Nothing of the kind was asked of this user.
    #[error("nothing of the kind was asked")]
    NotAsked,
    /// It came too late.
    #[error("the answer came too late")]
    Expired,
    /// The browser did something else.
    #[error("the answer is to another question")]
    Challenge,
    /// A page that may not use passkeys, or one inside another's frame.
    #[error("the page that asked may not use passkeys")]
    Origin,
    /// A passkey for another domain.
    #[error("the passkey is bound to another domain")]
    Domain,
    /// The user did nothing, or the authenticator does not say that it verified them.
    #[error("the authenticator did not verify its user")]
    NotVerified,
    /// What it says of copies contradicts itself or what it said before.
    #[error("the authenticator contradicts itself about copies")]
    Copies,
    /// A key, attestation or extension that is not wanted.
    #[error("the passkey is of a kind that was not asked for")]
    Kind,
    /// A passkey that is there already.
    #[error("the passkey is there already")]
    Known,
    /// No passkey of this user.
    #[error("the user has no such passkey")]
    Unknown,
    /// The signature is wrong.
    #[error("the signature is wrong")]
    Signature,
    /// It counted backwards.
    #[error("the passkey counts backwards: there may be a copy of it")]
    CountedBack,
    /// What is kept here cannot be used.
    #[error("what is kept of the passkey cannot be used: {0}")]
    Broken(String),
}

impl Rejected {
    /// The name in the audit trail.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "passkey_malformed",
            Self::NotAsked => "passkey_not_asked",
            Self::Expired => "passkey_expired",
            Self::Challenge => "passkey_challenge",
            Self::Origin => "passkey_origin",
            Self::Domain => "passkey_domain",
            Self::NotVerified => "passkey_not_verified",
            Self::Copies => "passkey_copies",
            Self::Kind => "passkey_kind",
            Self::Known => "passkey_known",
            Self::Unknown => "passkey_unknown",
            Self::Signature => "passkey_signature",
            Self::CountedBack => "passkey_counted_back",
            Self::Broken(_) => "passkey_broken",
        }
    }
}

impl From<WebauthnError> for Rejected {
    fn from(error: WebauthnError) -> Self {
        match error {
            WebauthnError::InvalidClientDataType | WebauthnError::MismatchedChallenge => Self::Challenge,
            WebauthnError::InvalidRPOrigin | WebauthnError::CredentialCrossOrigin => Self::Origin,
            WebauthnError::InvalidRPIDHash => Self::Domain,
            WebauthnError::UserNotPresent | WebauthnError::UserNotVerified => Self::NotVerified,
            WebauthnError::CredentialMayNotBeHardwareBound | WebauthnError::CredentialBackupEligibilityInconsistent => {
                Self::Copies
            }
            WebauthnError::CredentialNotFound => Self::Unknown,
            WebauthnError::AuthenticationFailure => Self::Signature,
            WebauthnError::CredentialPossibleCompromise => Self::CountedBack,
            _ => Self::Kind,
        }
    }
}

/// What is read of a key that was registered.
#[derive(Deserialize)]
struct Flags {
    counter: u32,
    user_verified: bool,
    backup_eligible: bool,
    backup_state: bool,
}

impl Passkeys {
    /// Passkeys of this place; `name` is what browsers show.
    ///
    /// # Errors
    /// When the place is not one for passkeys.
    pub fn open(place: Place, name: &str, sign_count: SignCount) -> Result<Self, String> {
        let (first, more) = place.origins.split_first().ok_or("passkeys need a page that may use them")?;
        let builder = WebauthnBuilder::new(&place.rp_id, first.url()).map_err(|error| error.to_string())?;
        let builder = builder.rp_name(name).timeout(LIFETIME);
        let builder = more.iter().fold(builder, |builder, origin| builder.append_allowed_origin(origin.url()));
        let webauthn = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { webauthn, place, sign_count })
    }

    /// Asks for a new passkey of this user. Its handle is the user's id, which says nothing about them (§14.6.1).
    ///
    /// # Errors
    /// When the question cannot be put.
    pub fn begin_registration(
        &self,
        user: UserId,
        username: &str,
        name: &str,
        there: &[Passkey],
        now: Timestamp,
    ) -> Result<Begun, Rejected> {
        let name = if name.is_empty() { username } else { name };
        let handle = Uuid::from_bytes(*user.as_bytes());
        let (asked, state) = self.webauthn.start_passkey_registration(handle, username, name, None)?;
        let mut options = to_json(&asked.public_key)?;
        // A passkey that the browser finds by itself logs in without a name; a key with no room for it is welcome too.
        set(&mut options, "/authenticatorSelection", "residentKey", "preferred".into());
        set(&mut options, "", "excludeCredentials", descriptors(there));
        drop_member(&mut options, "/extensions", "uvm");
        let ceremony = Ceremony::Registration(Box::new(state));
        Ok(Begun { options, pending: Pending::new(Some(user), ceremony, now) })
    }

    /// The passkey that an answer registers. Whether somebody else has it already, the store must say.
    ///
    /// # Errors
    /// When the answer is not one to this question, or the user has the passkey.
    pub fn finish_registration(
        &self,
        pending: Pending,
        user: UserId,
        there: &[Passkey],
        text: &str,
        now: Timestamp,
    ) -> Result<Passkey, Rejected> {
        pending.must_wait_for(Some(user), now)?;
        let Ceremony::Registration(state) = pending.ceremony else { return Err(Rejected::NotAsked) };
        let given = Attestation::parse(text)?;
        if there.iter().any(|known| known.id == given.id) {
            return Err(Rejected::Known);
        }
        self.check_page(&given.client, "webauthn.create")?;
        let answer: RegisterPublicKeyCredential = from_json(given.answer, "response")?;
        let key = self.webauthn.finish_passkey_registration(&answer, &state)?;
        if key.cred_id().as_slice() != given.id.as_bytes() {
            return Err(Rejected::Malformed("id"));
        }
        let mut key = to_json(&key)?;
        let flags = key.get("cred").cloned().unwrap_or_default();
        let flags: Flags = serde_json::from_value(flags).map_err(broken)?;
        if !flags.user_verified {
            return Err(Rejected::NotVerified);
        }
        // Counts are compared here, where both ways to take a step back are known.
        set(&mut key, "/cred", "counter", 0.into());
        Ok(Passkey {
            id: given.id,
            key,
            sign_count: flags.counter,
            backup_eligible: flags.backup_eligible,
            backed_up: flags.backup_state,
            transports: given.transports,
        })
    }

    /// Asks for one of these passkeys of this user; or, where there is no user, for whichever the browser finds.
    ///
    /// # Errors
    /// When the question cannot be put.
    pub fn begin_authentication(
        &self,
        user: Option<UserId>,
        there: &[Passkey],
        now: Timestamp,
    ) -> Result<Begun, Rejected> {
        let (asked, state) = self.webauthn.start_discoverable_authentication()?;
        let mut options = to_json(&asked.public_key)?;
        set(&mut options, "", "allowCredentials", descriptors(there));
        drop_member(&mut options, "", "extensions");
        let ceremony = Ceremony::Authentication(Box::new(state));
        Ok(Begun { options, pending: Pending::new(user, ceremony, now) })
    }

    /// Does the answer prove that this user has one of their passkeys, and that its device verified them?
    ///
    /// # Errors
    /// When it does not.
    pub fn finish_authentication(
        &self,
        pending: Pending,
        user: UserId,
        there: &[Passkey],
        given: &Assertion,
        now: Timestamp,
    ) -> Result<Accepted, Rejected> {
        pending.must_wait_for(pending.user.and(Some(user)), now)?;
        let Ceremony::Authentication(state) = pending.ceremony else { return Err(Rejected::NotAsked) };
        // §7.2 step 6: without a user who was named, the handle names one.
        let named = if given.has_handle { given.user == Some(user) } else { pending.user.is_some() };
        if !named {
            return Err(Rejected::Unknown);
        }
        let known = there.iter().find(|known| known.id == given.id).ok_or(Rejected::Unknown)?;
        self.check_page(&given.client, "webauthn.get")?;
        let key: Key = serde_json::from_value(known.key.clone()).map_err(broken)?;
        let answer: PublicKeyCredential = from_json(given.answer.clone(), "response")?;
        let shown = self.webauthn.finish_discoverable_authentication_v2(&answer, *state, &key)?;
        if !shown.user_verified() {
            return Err(Rejected::NotVerified);
        }
        // §7.2 step 19.
        if shown.backup_eligible() != known.backup_eligible || (shown.backup_state() && !known.backup_eligible) {
            return Err(Rejected::Copies);
        }
        let counts = shown.counter() > 0 || known.sign_count > 0;
        let counted_back = counts && shown.counter() <= known.sign_count;
        if counted_back && self.sign_count == SignCount::Reject {
            return Err(Rejected::CountedBack);
        }
        let sign_count = known.sign_count.max(shown.counter());
        let passkey = Passkey { sign_count, backed_up: shown.backup_state(), ..known.clone() };
        Ok(Accepted { passkey, counted_back })
    }

    /// Is it what was asked, by a page that may ask, and not in the frame of another (§7.1 steps 7 to 11)?
    fn check_page(&self, client: &ClientData, kind: &str) -> Result<(), Rejected> {
        if client.kind != kind {
            return Err(Rejected::Challenge);
        }
        let framed = client.cross_origin.unwrap_or(false) || client.top_origin.is_some();
        if framed || !self.place.has(&client.origin) { Err(Rejected::Origin) } else { Ok(()) }
    }
}

impl Pending {
    fn new(user: Option<UserId>, ceremony: Ceremony, now: Timestamp) -> Self {
        Self { user, expires_at: plus(now, LIFETIME), ceremony }
    }

    /// Until when an answer is taken.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    fn must_wait_for(&self, user: Option<UserId>, now: Timestamp) -> Result<(), Rejected> {
        if self.user != user {
            return Err(Rejected::NotAsked);
        }
        if now < self.expires_at { Ok(()) } else { Err(Rejected::Expired) }
    }
}

/// Passkeys as a browser wants them named (§5.8.3).
fn descriptors(passkeys: &[Passkey]) -> Value {
    let descriptor = |passkey: &Passkey| match passkey.transports.as_slice() {
        [] => json!({"type": "public-key", "id": passkey.id}),
        transports => json!({"type": "public-key", "id": passkey.id, "transports": transports}),
    };
    passkeys.iter().map(descriptor).collect()
}

fn set(value: &mut Value, pointer: &str, member: &str, to: Value) {
    if let Some(Value::Object(object)) = value.pointer_mut(pointer) {
        object.insert(member.to_owned(), to);
    }
}

fn drop_member(value: &mut Value, pointer: &str, member: &str) {
    if let Some(Value::Object(object)) = value.pointer_mut(pointer) {
        object.remove(member);
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<Value, Rejected> {
    serde_json::to_value(value).map_err(broken)
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value, member: &'static str) -> Result<T, Rejected> {
    serde_json::from_value(value).map_err(|_| Rejected::Malformed(member))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(error: serde_json::Error) -> Rejected {
    Rejected::Broken(error.to_string())
}

//! What a browser answers, read once into types (WebAuthn Level 3 §5.1, `RegistrationResponseJSON` and
//! `AuthenticationResponseJSON`). Members that are not needed are not read: extensions that nobody asked for, the
//! browser's own reading of the key.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::Rejected;
use crate::base::id::UserId;
use crate::directory::passkey::{CredentialId, Transport};

/// Largest answer in bytes: attestation statements hold chains of certificates.
pub const TEXT_MAX: usize = 64 * 1024;
/// Largest client data in bytes: a browser's are a few hundred.
const CLIENT_DATA_MAX: usize = 8 * 1024;
/// Largest authenticator data of an assertion in bytes: 37, and extensions.
const AUTHENTICATOR_DATA_MAX: usize = 4 * 1024;
/// Largest signature in bytes: one of RSA with 8192 bits is 1024.
const SIGNATURE_MAX: usize = 2 * 1024;
/// Largest user handle in bytes (§5.4.3).
const USER_HANDLE_MAX: usize = 64;
/// Most transports that are looked at.
const TRANSPORTS_MAX: usize = 16;

/// The answer of `navigator.credentials.create()`.
pub(super) struct Attestation {
    pub(super) id: CredentialId,
    pub(super) client: ClientData,
    pub(super) transports: Vec<Transport>,
    pub(super) answer: Value,
}

/// The answer of `navigator.credentials.get()`.
pub struct Assertion {
    /// The passkey that it is by.
    pub id: CredentialId,
    /// Whose passkey it is, as the authenticator says: nothing is proved by it.
    pub user: Option<UserId>,
    pub(super) has_handle: bool,
    pub(super) client: ClientData,
    pub(super) answer: Value,
}

/// What the browser says of the page that asked (§5.8.1).
#[derive(Deserialize)]
pub(super) struct ClientData {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) origin: String,
    #[serde(default, rename = "crossOrigin")]
    pub(super) cross_origin: Option<bool>,
    #[serde(default, rename = "topOrigin")]
    pub(super) top_origin: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<T> {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

impl Attestation {
    pub(super) fn parse(text: &str) -> Result<Self, Rejected> {
        let (id, given) = read::<Created>(text)?;
        decode(&given.attestation_object, TEXT_MAX, "attestationObject")?;
        let mut transports: Vec<_> =
            given.transports.iter().take(TRANSPORTS_MAX).filter_map(|name| Transport::by_name(name)).collect();
        transports.sort_unstable();
        transports.dedup();
        let client = client_data(&given.client_data)?;
        let response = json!({"clientDataJSON": given.client_data, "attestationObject": given.attestation_object});
        Ok(Self { client, transports, answer: answer(&id, response), id })
    }
}

impl Assertion {
    /// Reads an answer. Nothing is proved by it yet.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn parse(text: &str) -> Result<Self, Rejected> {
        let (id, given) = read::<Signed>(text)?;
        decode(&given.authenticator_data, AUTHENTICATOR_DATA_MAX, "authenticatorData")?;
        decode(&given.signature, SIGNATURE_MAX, "signature")?;
        let handle = given.user_handle.as_deref().filter(|text| !text.is_empty());
        let handle = handle.map(|text| decode(text, USER_HANDLE_MAX, "userHandle")).transpose()?;
        let user = handle.as_ref().and_then(|bytes| bytes.as_slice().try_into().ok()).map(UserId::from_bytes);
        let client = client_data(&given.client_data)?;
        let response = json!({
            "clientDataJSON": given.client_data,
            "authenticatorData": given.authenticator_data,
            "signature": given.signature,
            "userHandle": null,
        });
        Ok(Self { user, has_handle: handle.is_some(), client, answer: answer(&id, response), id })
    }
}

/// Reads what both kinds of answers have in common.
fn read<T: DeserializeOwned>(text: &str) -> Result<(CredentialId, T), Rejected> {
    if text.len() > TEXT_MAX {
        return Err(Rejected::Malformed("credential"));
    }
    let answer: Answer<T> = serde_json::from_str(text).map_err(|_| Rejected::Malformed("credential"))?;
    if answer.kind != "public-key" {
        return Err(Rejected::Malformed("type"));
    }
    if answer.id != answer.raw_id {
        return Err(Rejected::Malformed("rawId"));
    }
    let id = answer.id.parse().map_err(|_| Rejected::Malformed("id"))?;
    Ok((id, answer.response))
}

/// The answer in the form that the checks read; only what was looked at is in it.
fn answer(id: &CredentialId, response: Value) -> Value {
    json!({"id": id, "rawId": id, "type": "public-key", "response": response})
}

fn client_data(text: &str) -> Result<ClientData, Rejected> {
    let bytes = decode(text, CLIENT_DATA_MAX, "clientDataJSON")?;
    serde_json::from_slice(&bytes).map_err(|_| Rejected::Malformed("clientDataJSON"))
}

fn decode(text: &str, max: usize, member: &'static str) -> Result<Vec<u8>, Rejected> {
    if text.len() > max.div_ceil(3) * 4 {
        return Err(Rejected::Malformed(member));
    }
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Rejected::Malformed(member))
}

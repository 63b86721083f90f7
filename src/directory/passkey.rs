//! A passkey as it is known after it was registered (WebAuthn Level 3 §7.1 step 27, §4 "credential record"). PURE.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name that an authenticator gave a passkey. Its text is base64url without padding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CredentialId(Vec<u8>);

/// A text or bytes that name no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} bytes in base64url without padding", max = CredentialId::MAX)]
pub struct NoCredentialId;

impl CredentialId {
    /// Longest one in bytes (WebAuthn Level 3 §7.1 step 25).
    pub const MAX: usize = 1023;

    /// Takes 1 to 1023 bytes.
    ///
    /// # Errors
    /// When there are none, or too many.
    pub fn new(bytes: Vec<u8>) -> Result<Self, NoCredentialId> {
        if (1..=Self::MAX).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(NoCredentialId) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({self})")
    }
}

impl FromStr for CredentialId {
    type Err = NoCredentialId;

    fn from_str(text: &str) -> Result<Self, NoCredentialId> {
        // Four characters stand for three bytes; what is longer need not be decoded.
        if text.len() > Self::MAX.div_ceil(3) * 4 {
            return Err(NoCredentialId);
        }
        BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NoCredentialId).and_then(Self::new)
    }
}

impl TryFrom<String> for CredentialId {
    type Error = NoCredentialId;

    fn try_from(text: String) -> Result<Self, NoCredentialId> {
        text.parse()
    }
}

impl From<CredentialId> for String {
    fn from(id: CredentialId) -> Self {
        id.to_string()
    }
}

/// How a browser reaches an authenticator (WebAuthn Level 3 §5.8.4): told back to it, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// By Bluetooth.
    Ble,
    /// By another device, such as a phone beside it.
    Hybrid,
    /// It is part of the device.
    Internal,
    /// By NFC.
    Nfc,
    /// A smart card.
    SmartCard,
    /// By USB.
    Usb,
}

impl Transport {
    /// The way of that name; browsers may come to know others.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}

/// A registered passkey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passkey {
    /// Its name.
    pub id: CredentialId,
    /// The public key and how it was registered, as the checks read them. It does not change.
    pub key: Value,
    /// The largest count of signatures that it gave; 0 where it counts none.
    pub sign_count: u32,
    /// May it live on more than one device? That is decided when it is made (§6.1.3).
    pub backup_eligible: bool,
    /// Did it live on more than one when it was last used?
    pub backed_up: bool,
    /// How a browser reaches it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transports: Vec<Transport>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_id_has_one_text_and_a_bounded_length() {
        let id: CredentialId = "AAECAw".parse().unwrap();
        assert_eq!((id.as_bytes(), id.to_string().as_str()), (&[0, 1, 2, 3][..], "AAECAw"));
        // Padding, another alphabet, and bits that stand for nothing would be a second text for the same bytes.
        for bad in ["", "AAECAw==", "AA+CAw", "AAECAx", "A", "ä"] {
            assert!(bad.parse::<CredentialId>().is_err(), "{bad:?}");
        }
        let longest = CredentialId::new(vec![7; CredentialId::MAX]).unwrap();
        assert_eq!(longest.to_string().parse(), Ok(longest));
        assert!(CredentialId::new(vec![7; CredentialId::MAX + 1]).is_err());
        assert!(BASE64URL_NOPAD.encode(&[7; CredentialId::MAX + 1]).parse::<CredentialId>().is_err());
    }

    #[test]
    fn transports_are_known_by_their_names() {
        assert_eq!(Transport::by_name("smart-card"), Some(Transport::SmartCard));
        assert_eq!(Transport::by_name("telepathy"), None);
    }
}

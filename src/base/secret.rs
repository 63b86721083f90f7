//! Secrets and bearer tokens. A secret has no `Debug` and no `Display`, and leaves memory when dropped.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::base::rng::Rng;

/// A password, key or token in the clear. It cannot be printed; [`Secret::expose`] is the one way to it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as secret.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret in the clear, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Is it the empty text?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// What a bearer token is for; the word stands in its prefix so that a leaked one can be told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// A user's session.
    Session,
    /// An application's, administrator's or SCIM client's token.
    Api,
    /// A set-up or password link.
    Link,
    /// A login that has begun and not ended.
    Transaction,
    /// A device that is trusted.
    Device,
}

impl TokenKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Session => "mst_s_",
            Self::Api => "mst_a_",
            Self::Link => "mst_l_",
            Self::Transaction => "mst_t_",
            Self::Device => "mst_d_",
        }
    }
}

/// What is stored of a bearer token: the SHA-256 of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TokenHash(pub [u8; 32]);

// Inside records it is written in hexadecimal, as in exports.
impl Serialize for TokenHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a hash has 64 hexadecimal digits"))
    }
}

/// Makes a bearer token: prefix, 256 random bits in base64url, and the CRC-32 of both in hexadecimal.
///
/// The checksum lets a scanner of leaked secrets, and [`hash_token`], drop what was never a token.
#[must_use]
pub fn new_token(kind: TokenKind, rng: &Rng) -> Secret {
    let mut text = format!("{}{}", kind.prefix(), BASE64URL_NOPAD.encode(&rng.bytes::<32>()));
    let checksum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("{checksum:08x}"));
    Secret::new(text)
}

/// The key under which a token of this kind is stored, or `None` where the text cannot be one.
#[must_use]
pub fn hash_token(kind: TokenKind, text: &str) -> Option<TokenHash> {
    let body = text.strip_prefix(kind.prefix())?;
    if body.len() != 43 + 8 || !body.is_ascii() {
        return None;
    }
    let (token, checksum) = text.split_at_checked(text.len() - 8)?;
    let expected = format!("{:08x}", crc32fast::hash(token.as_bytes()));
    (expected == checksum).then(|| TokenHash(sha256(text.as_bytes())))
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Compares two secrets in a time that does not depend on where they differ.
#[must_use]
pub fn same_secret(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_hash_and_a_broken_one_is_dropped() {
        let token = new_token(TokenKind::Api, &Rng::seeded(7));
        assert!(hash_token(TokenKind::Api, token.expose()).is_some());
        assert!(hash_token(TokenKind::Session, token.expose()).is_none());
        let mut broken = token.expose().to_owned();
        broken.replace_range(10..11, if &broken[10..11] == "A" { "B" } else { "A" });
        assert!(hash_token(TokenKind::Api, &broken).is_none());
        for bad in ["", "mst_a_", "mst_a_é", "x", &"mst_a_".repeat(20)] {
            assert!(hash_token(TokenKind::Api, bad).is_none(), "{bad:?}");
        }
    }
}

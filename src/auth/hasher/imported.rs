//! Verifying hashes that came along when users moved here. They are replaced by argon2id at the next login.

use hmac::Hmac;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use zeroize::Zeroizing;

use crate::base::secret::same_secret;
use crate::directory::stored_hash::Digest;

/// Bytes of a password that bcrypt looks at; it forgets the rest.
pub(super) const BCRYPT_BYTES: usize = 72;

/// Is it the password of this bcrypt hash? `password` has at most [`BCRYPT_BYTES`], and no NUL.
pub(super) fn bcrypt(password: &[u8], cost: u32, salt: [u8; 16], hash: &[u8]) -> bool {
    if password.len() > BCRYPT_BYTES {
        return false;
    }
    // The NUL that ends a C string is hashed too, where there is room for it.
    let mut key = Zeroizing::new(password.to_vec());
    key.push(0);
    key.truncate(BCRYPT_BYTES);
    let computed = bcrypt::bcrypt(cost, salt, &key);
    computed.get(..hash.len()).is_some_and(|computed| !hash.is_empty() && same_secret(computed, hash))
}

/// The SHA-256 of a password in hexadecimal: what Django gives to bcrypt.
pub(super) fn sha256_hex(password: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(data_encoding::HEXLOWER.encode(&Sha256::digest(password)).into_bytes())
}

/// Is it the password of this PBKDF2 hash (RFC 8018 §5.2)?
pub(super) fn pbkdf2(password: &[u8], digest: Digest, rounds: u32, salt: &[u8], hash: &[u8]) -> bool {
    let mut out = Zeroizing::new(vec![0; hash.len()]);
    let computed = match digest {
        Digest::Sha1 => pbkdf2::pbkdf2::<Hmac<Sha1>>(password, salt, rounds, &mut out),
        Digest::Sha256 => pbkdf2::pbkdf2::<Hmac<Sha256>>(password, salt, rounds, &mut out),
        Digest::Sha512 => pbkdf2::pbkdf2::<Hmac<Sha512>>(password, salt, rounds, &mut out),
    };
    computed.is_ok() && same_secret(&out, hash)
}

/// Is it the password of this salted digest?
pub(super) fn salted(password: &[u8], digest: Digest, salt: &[u8], hash: &[u8]) -> bool {
    let computed = match digest {
        Digest::Sha1 => Sha1::new().chain_update(password).chain_update(salt).finalize().to_vec(),
        Digest::Sha256 => Sha256::new().chain_update(password).chain_update(salt).finalize().to_vec(),
        Digest::Sha512 => Sha512::new().chain_update(password).chain_update(salt).finalize().to_vec(),
    };
    same_secret(&computed, hash)
}

//! What the signatures of providers are made of: HMAC-SHA256 (RFC 2104), a time and a nonce.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::base::secret::sha256;

/// When and by which nonce something is signed.
pub(super) struct Stamp {
    pub(super) at: Timestamp,
    /// 32 hexadecimal digits.
    pub(super) nonce: String,
}

/// Gives stamps.
pub(super) struct Stamps {
    clock: Clock,
    rng: Rng,
}

impl Stamps {
    pub(super) fn new(clock: &Clock, rng: &Rng) -> Self {
        Self { clock: clock.clone(), rng: rng.clone() }
    }

    pub(super) fn next(&self) -> Stamp {
        Stamp { at: self.clock.now(), nonce: HEXLOWER.encode(&self.rng.bytes::<16>()) }
    }
}

/// HMAC-SHA256 of some bytes.
pub(in crate::notify) fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    // A key of any length is taken (RFC 2104 §2); no error can come.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_test_case_2_comes_out() {
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(HEXLOWER.encode(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}

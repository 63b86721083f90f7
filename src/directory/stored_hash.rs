//! The forms in which a password's hash is kept: musterd's own, and those that come along when users move here.
//!
//! A hash from elsewhere is read once, when it comes: one that is malformed, or that would cost more than this daemon
//! will spend on one password, is refused then, and not at its owner's first login.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64_NOPAD, Encoding};

/// Most memory of one hash in KiB: 1 GiB.
pub const MEMORY_MAX: u32 = 1 << 20;
/// Most passes over the memory.
pub const ITERATIONS_MAX: u32 = 64;
/// Most lanes.
pub const LANES_MAX: u32 = 16;
/// Most KiB that all passes together go over: some seconds of one core.
pub const WORK_MAX: u64 = 1 << 24;
/// Most rounds of PBKDF2: some seconds of one core. Django 6.0 uses 1,200,000.
const ROUNDS_MAX: u32 = 5_000_000;
/// Most that bcrypt may cost (as a power of two): some seconds of one core.
const BCRYPT_MAX: u32 = 15;
/// Longest text of a stored hash.
pub const TEXT_MAX: usize = 1_024;
/// Longest salt.
const SALT_MAX: usize = 128;

/// How every hash begins that is read.
pub const BEGINNINGS: [&str; 19] = [
    "$argon2id$",
    "argon2$argon2id$",
    "$2",
    "bcrypt_sha256$$2",
    "{CRYPT}$2",
    "bcrypt$$2",
    "pbkdf2_sha1$",
    "pbkdf2_sha256$",
    "pbkdf2_sha512$",
    "$pbkdf2$",
    "$pbkdf2-sha256$",
    "$pbkdf2-sha512$",
    "{PBKDF2}",
    "{PBKDF2-SHA1}",
    "{PBKDF2-SHA256}",
    "{PBKDF2-SHA512}",
    "{SSHA}",
    "{SSHA256}",
    "{SSHA512}",
];

/// The digest inside a hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Digest {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// How many bytes it has.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// A stored hash, understood. Like every hash of a password it has no `Debug`.
pub enum StoredHash {
    /// `$argon2id$v=19$m=…,t=…,p=…$salt$hash` (RFC 9106).
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        iterations: u32,
        /// Lanes.
        lanes: u32,
        /// The salt.
        salt: Vec<u8>,
        /// The hash.
        hash: Vec<u8>,
    },
    /// `$2a$…`, `$2b$…` or `$2y$…`, which are one algorithm; also behind `{CRYPT}`, and Django's `bcrypt$` and
    /// `bcrypt_sha256$`.
    Bcrypt {
        /// What is hashed is the SHA-256 of the password in hexadecimal, so that no character of it is forgotten.
        of_sha256: bool,
        /// The cost, as a power of two.
        cost: u32,
        /// The salt.
        salt: [u8; 16],
        /// The first 23 bytes of the outcome, which is all that is kept.
        hash: Vec<u8>,
    },
    /// `pbkdf2_sha256$rounds$salt$hash`, as Django writes it, `$pbkdf2-sha256$…` as passlib does, and `{PBKDF2-SHA256}…`
    /// as OpenLDAP does; also with sha1 and sha512.
    Pbkdf2 {
        /// The digest of the HMAC.
        digest: Digest,
        /// Rounds.
        rounds: u32,
        /// The salt.
        salt: Vec<u8>,
        /// The hash.
        hash: Vec<u8>,
    },
    /// `{SSHA}`, `{SSHA256}` or `{SSHA512}`, as LDAP servers keep it: the digest of password and salt, then the salt.
    Salted {
        /// The digest.
        digest: Digest,
        /// The salt.
        salt: Vec<u8>,
        /// The hash.
        hash: Vec<u8>,
    },
}

/// Why a stored hash cannot be used. The wording completes "the hash …", and holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    /// No form that is known.
    #[error(
        "has none of the forms that are taken: $argon2id$…, $2a$…, $2b$… or $2y$… (bcrypt), pbkdf2_sha256$… (also \
         _sha1 and _sha512), argon2$…, bcrypt$… or bcrypt_sha256$… (Django), $pbkdf2-sha256$… (passlib), \
         {{SSHA}}…, {{SSHA256}}…, {{SSHA512}}… or {{PBKDF2-SHA256}}… (LDAP)"
    )]
    Unknown,
    /// The form is known, what follows is not of it.
    #[error("begins like {0}, but is not complete or not well formed")]
    Malformed(&'static str),
    /// It would cost too much.
    #[error("costs more than is spent on one password: {0}")]
    TooCostly(&'static str),
}

impl StoredHash {
    /// Reads one.
    ///
    /// # Errors
    /// In words, when it cannot be used.
    pub fn parse(text: &str) -> Result<Self, HashFault> {
        if text.len() > TEXT_MAX || !BEGINNINGS.iter().any(|begins| text.starts_with(begins)) {
            return Err(HashFault::Unknown);
        }
        let within = |prefix: &str, begins: &str| text.strip_prefix(prefix).filter(|rest| rest.starts_with(begins));
        let of_sha256 = within("bcrypt_sha256$", "$2");
        let whole =
            of_sha256.or(within("{CRYPT}", "$2")).or(within("bcrypt$", "$2")).or(within("argon2", "$argon2id$"));
        let text = whole.unwrap_or(text);
        if text.starts_with("$argon2id$") {
            return argon2id(text);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return bcrypt(text, of_sha256.is_some());
        }
        for (prefix, digest) in
            [("pbkdf2_sha1$", Digest::Sha1), ("pbkdf2_sha256$", Digest::Sha256), ("pbkdf2_sha512$", Digest::Sha512)]
        {
            if let Some(rest) = text.strip_prefix(prefix) {
                return pbkdf2(digest, rest);
            }
        }
        for (prefix, digest) in ADAPTED {
            if let Some(rest) = text.strip_prefix(prefix) {
                return adapted_pbkdf2(*digest, rest);
            }
        }
        for (prefix, digest) in [("{SSHA}", Digest::Sha1), ("{SSHA256}", Digest::Sha256), ("{SSHA512}", Digest::Sha512)]
        {
            if let Some(rest) = text.strip_prefix(prefix) {
                return salted(digest, rest);
            }
        }
        Err(HashFault::Unknown)
    }
}

/// PBKDF2 as passlib and OpenLDAP write it, which has salt and hash in base64 with a full stop for the plus sign.
const ADAPTED: &[(&str, Digest)] = &[
    ("$pbkdf2$", Digest::Sha1),
    ("$pbkdf2-sha256$", Digest::Sha256),
    ("$pbkdf2-sha512$", Digest::Sha512),
    ("{PBKDF2}", Digest::Sha1),
    ("{PBKDF2-SHA1}", Digest::Sha1),
    ("{PBKDF2-SHA256}", Digest::Sha256),
    ("{PBKDF2-SHA512}", Digest::Sha512),
];

fn argon2id(text: &str) -> Result<StoredHash, HashFault> {
    let malformed = HashFault::Malformed("argon2id");
    let mut parts = text.split('$').skip(2);
    let (Some("v=19"), Some(numbers), Some(salt), Some(hash), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed);
    };
    let mut numbers = numbers.split(',');
    let mut number = |name: &str| {
        let text = numbers.next().and_then(|number| number.strip_prefix(name)).filter(|text| !text.starts_with('+'));
        text.and_then(|text| text.parse::<u32>().ok()).ok_or(malformed)
    };
    let (memory_kib, iterations, lanes) = (number("m=")?, number("t=")?, number("p=")?);
    let (salt, hash) = bytes(salt).zip(bytes(hash)).ok_or(malformed)?;
    // RFC 9106 §3.1.
    let sound = iterations > 0 && lanes > 0 && memory_kib >= lanes.saturating_mul(8);
    if !sound || numbers.next().is_some() || !(8..=64).contains(&salt.len()) || !(12..=64).contains(&hash.len()) {
        return Err(malformed);
    }
    let work = u64::from(memory_kib).saturating_mul(u64::from(iterations));
    if memory_kib > MEMORY_MAX || iterations > ITERATIONS_MAX || lanes > LANES_MAX || work > WORK_MAX {
        return Err(HashFault::TooCostly(
            "argon2id with more than 1 GiB, 64 passes, 16 lanes, or 16 GiB in all passes",
        ));
    }
    Ok(StoredHash::Argon2id { memory_kib, iterations, lanes, salt, hash })
}

/// Base64 as PHC strings have it; bits beyond the last byte, which mean nothing, may be set.
fn bytes(text: &str) -> Option<Vec<u8>> {
    static LENIENT: LazyLock<Option<Encoding>> = LazyLock::new(|| {
        let mut wanted = BASE64_NOPAD.specification();
        wanted.check_trailing_bits = false;
        wanted.encoding().ok()
    });
    LENIENT.as_ref()?.decode(text.as_bytes()).ok()
}

fn bcrypt(text: &str, of_sha256: bool) -> Result<StoredHash, HashFault> {
    let malformed = HashFault::Malformed("bcrypt");
    let parts: bcrypt::HashParts = text.parse().map_err(|_| malformed)?;
    let cost = parts.get_cost();
    if cost > BCRYPT_MAX {
        return Err(HashFault::TooCostly("bcrypt with a cost of more than 15"));
    }
    let hash = text.get(29..).and_then(|hash| bcrypt_base64(hash, 23)).filter(|_| cost >= 4).ok_or(malformed)?;
    Ok(StoredHash::Bcrypt { of_sha256, cost, salt: parts.get_salt_raw(), hash })
}

/// The base64 of bcrypt, which has another alphabet.
fn bcrypt_base64(text: &str, bytes: usize) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (mut out, mut held, mut bits) = (Vec::with_capacity(bytes), 0_u32, 0_u32);
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        held = (held << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 0xff).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    (out.len() == bytes).then_some(out)
}

fn pbkdf2(digest: Digest, rest: &str) -> Result<StoredHash, HashFault> {
    let (rounds, salt, hash) = parts(rest)?;
    checked_pbkdf2(digest, rounds, Some(salt.as_bytes().to_vec()), base64(hash))
}

fn adapted_pbkdf2(digest: Digest, rest: &str) -> Result<StoredHash, HashFault> {
    let (rounds, salt, hash) = parts(rest)?;
    let decoded = |text: &str| bytes(&text.replace('.', "+"));
    checked_pbkdf2(digest, rounds, decoded(salt), decoded(hash))
}

/// Rounds, salt and hash.
fn parts(rest: &str) -> Result<(&str, &str, &str), HashFault> {
    let mut parts = rest.split('$');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(rounds), Some(salt), Some(hash), None) => Ok((rounds, salt, hash)),
        _ => Err(HashFault::Malformed("PBKDF2")),
    }
}

fn checked_pbkdf2(
    digest: Digest,
    rounds: &str,
    salt: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
) -> Result<StoredHash, HashFault> {
    let malformed = HashFault::Malformed("PBKDF2");
    let rounds = Some(rounds).filter(|text| !text.starts_with('+')).and_then(|text| text.parse::<u64>().ok());
    let rounds = rounds.filter(|rounds| *rounds > 0).ok_or(malformed)?;
    let rounds = u32::try_from(rounds).ok().filter(|rounds| *rounds <= ROUNDS_MAX);
    let rounds = rounds.ok_or(HashFault::TooCostly("PBKDF2 with more than 5,000,000 rounds"))?;
    let hash = hash.filter(|hash| hash.len() == digest.bytes()).ok_or(malformed)?;
    let salt = salt.filter(|salt| !salt.is_empty() && salt.len() <= SALT_MAX).ok_or(malformed)?;
    Ok(StoredHash::Pbkdf2 { digest, rounds, salt, hash })
}

fn salted(digest: Digest, rest: &str) -> Result<StoredHash, HashFault> {
    let malformed = HashFault::Malformed("a salted digest");
    let bytes = base64(rest).ok_or(malformed)?;
    let (hash, salt) = bytes.split_at_checked(digest.bytes()).ok_or(malformed)?;
    if salt.is_empty() || salt.len() > SALT_MAX {
        return Err(malformed);
    }
    Ok(StoredHash::Salted { digest, salt: salt.to_vec(), hash: hash.to_vec() })
}

fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<HashFault> {
        StoredHash::parse(text).err()
    }

    #[test]
    fn every_form_that_is_taken_is_read() {
        for text in [
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "$2y$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
            "{CRYPT}$2b$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
            "pbkdf2_sha256$1$seasalt$3Jbjh+OvTcRHSPyv8crRAM2z4m1wx3zlNJJmQj9zAQo=",
            "{SSHA}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3",
            "argon2$argon2id$v=19$m=1024,t=1,p=1$c2Vhc2FsdDREamFuZ28xMjM0$zjtOS3Wp/RNXtBHH4/T3vFmTQacA6Eh5XC5hWHwswLE",
            "bcrypt$$2b$04$uAig8EkwB76eWfxf5/bV1ut4l/eEX34sXD2ybVfRmjUYxr9u1DdTi",
            "bcrypt_sha256$$2b$04$h/0kOv05L97p53HO8FbTcexC/yMyUsjO.DW8ZYpBen/xVPPEPLfhy",
            "$pbkdf2-sha256$1000$5hzDGCMkZOy9NybEeG8NoQ$4SAvsAz75zXYD5h0gWLBUYXj.WpDxY6ATGPHvLdTgfE",
            "{PBKDF2-SHA256}1000$XcuZE2LMGeP8H.McA6AUIg$7HOhqalg9luzrDXDMAatq5OL/O8PbhpFSxTMMARVVBI",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused_in_words_that_hold_nothing_of_it() {
        for text in [
            "",
            "secret",
            "$1$salt$secret",
            "{SHA}secret",
            "bcrypt$secret",
            "argon2$argon2i$secret",
            "$pbkdf2-sha256$1000$secret$secret",
            "{CRYPT}secret",
            "$2x$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s",
            "$2a$03$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA",
            "pbkdf2_sha256$0$salt$3Jbjh+OvTcRHSPyv8crRAM2z4m1wx3zlNJJmQj9zAQo=",
            "pbkdf2_sha256$1$$3Jbjh+OvTcRHSPyv8crRAM2z4m1wx3zlNJJmQj9zAQo=",
            "pbkdf2_sha256$1$salt$secret",
            "{SSHA}secret",
            "{SSHA512}DkMTwBl+a/3DQTxCYEApdUtNXGgdUac3",
        ] {
            let said = fault(text).map(|fault| fault.to_string()).unwrap_or_default();
            assert!(!said.is_empty() && !said.contains("secret"), "{text}: {said:?}");
        }
    }

    #[test]
    fn what_would_cost_too_much_is_refused() {
        for text in [
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$argon2id$v=19$m=1048576,t=60,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            "$2a$31$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
            "pbkdf2_sha256$99999999999$salt$3Jbjh+OvTcRHSPyv8crRAM2z4m1wx3zlNJJmQj9zAQo=",
        ] {
            assert!(matches!(fault(text), Some(HashFault::TooCostly(_))), "{text}");
        }
    }
}

//! How somebody proves who they are: the methods, and what the words of RFC 8176 and NIST SP 800-63B say of them. PURE.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One way to prove who one is, in the order of the stored names, which are for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// A device that proved a second factor before, and is trusted since.
    #[serde(rename = "device")]
    Device,
    /// A code sent by mail.
    #[serde(rename = "email")]
    Email,
    /// A face, compared by a provider.
    #[serde(rename = "face")]
    Face,
    /// A time-based one-time password (RFC 6238).
    #[serde(rename = "otp")]
    Totp,
    /// A passkey, with its user verified (WebAuthn).
    #[serde(rename = "passkey")]
    Passkey,
    /// The password.
    #[serde(rename = "pwd")]
    Password,
    /// One of the codes that were written down for the day on which all else is lost.
    #[serde(rename = "recovery")]
    Recovery,
    /// A code sent to a phone.
    #[serde(rename = "sms")]
    Sms,
}

impl Method {
    /// Every method that is asked for after the password, the hardest to steal first, with the name that requests give
    /// it.
    pub const FACTORS: [(&'static str, Self); 6] = [
        ("passkey", Self::Passkey),
        ("totp", Self::Totp),
        ("sms", Self::Sms),
        ("email", Self::Email),
        ("face", Self::Face),
        ("recovery", Self::Recovery),
    ];

    /// The name that requests and lists give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Device => "device",
            _ => Self::FACTORS.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name),
        }
    }

    /// The second factor of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::FACTORS.iter().find(|(known, _)| *known == name).map(|(_, method)| *method)
    }

    /// What a session or token says of it (`amr`): by RFC 8176 §2 where that has a word, else a word of our own.
    #[must_use]
    pub fn amr(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["pwd"],
            Self::Totp => &["otp"],
            Self::Email => &["email"],
            Self::Sms => &["sms"],
            Self::Passkey => &["pop", "user"],
            Self::Recovery => &["recovery"],
            Self::Face => &["face"],
            Self::Device => &["device"],
        }
    }

    /// Is it something that one has (NIST SP 800-63B-4 §2.2)? Mail is not: it is read with a password (§3.1.3.1).
    #[must_use]
    pub fn is_possession(self) -> bool {
        matches!(self, Self::Totp | Self::Sms | Self::Passkey | Self::Recovery | Self::Device)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::by_name(name).ok_or_else(|| format!("{name:?} is no second factor"))
    }
}

/// The words for `amr`: those of each method, and `mfa` where more than one kind of proof was given (RFC 8176 §2).
#[must_use]
pub fn amr(methods: &BTreeSet<Method>) -> BTreeSet<&'static str> {
    let mut words: BTreeSet<_> = methods.iter().flat_map(|method| method.amr()).copied().collect();
    // A passkey that verified its user is two factors by itself.
    if methods.len() > 1 || methods.contains(&Method::Passkey) {
        words.insert("mfa");
    }
    words
}

/// How sure one can be (`acr`): `aal2` where something that one has was proved besides the password, or by a passkey that
/// verified its user (NIST SP 800-63B-4 §2.2); else `aal1`.
#[must_use]
pub fn acr(methods: &BTreeSet<Method>) -> &'static str {
    let has = methods.iter().any(|method| method.is_possession());
    if has && (methods.contains(&Method::Password) || methods.contains(&Method::Passkey)) { "aal2" } else { "aal1" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(methods: &[Method]) -> (Vec<&'static str>, &'static str) {
        let methods = methods.iter().copied().collect();
        (amr(&methods).into_iter().collect(), acr(&methods))
    }

    #[test]
    fn what_was_proved_is_told_in_the_words_of_the_rfc() {
        assert_eq!(words(&[Method::Password]), (vec!["pwd"], "aal1"));
        assert_eq!(words(&[Method::Password, Method::Totp]), (vec!["mfa", "otp", "pwd"], "aal2"));
        assert_eq!(words(&[Method::Password, Method::Email]), (vec!["email", "mfa", "pwd"], "aal1"));
        assert_eq!(words(&[Method::Password, Method::Face]), (vec!["face", "mfa", "pwd"], "aal1"));
        assert_eq!(words(&[Method::Passkey]), (vec!["mfa", "pop", "user"], "aal2"));
    }

    #[test]
    fn every_factor_is_found_by_its_name() {
        for (name, method) in Method::FACTORS {
            assert_eq!((method.name(), Method::by_name(name)), (name, Some(method)));
        }
        assert_eq!(Method::by_name("password"), None);
    }
}

//! What a password must be, whoever sets it and by whatever way. PURE: the rules, and the blocklist that ships with
//! musterd. Earlier passwords, files and the estimate of strength need more than this, and are looked at by `auth`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use crate::base::clock::plus;
use crate::base::text;
use crate::directory::field::FieldError;
use crate::directory::user::User;

mod blocklist;

/// Most bytes of a password.
pub const BYTES_MAX: usize = 1_024;
/// The code of a password that everybody tries first.
pub const BLOCKLISTED: &str = "blocklisted";
/// The code of a password that is known from a breach.
pub const BREACHED: &str = "breached";

/// What a password must be (NIST SP 800-63B-4 §3.1.1.2): long, nothing that everybody tries, and not made of one's own
/// names. What else people ask for is there, and off.
#[derive(Clone, Debug, PartialEq)]
pub struct PasswordRules {
    /// Fewest characters of a password that stands alone.
    pub min_length: usize,
    /// Fewest characters where a second factor is always asked for.
    pub min_length_with_factor: usize,
    /// Fewest characters for those whose roles hold permissions; the other two hold for them as well.
    pub admin_min_length: usize,
    /// Most bytes; longer ones are refused, never cut.
    pub max_bytes: usize,
    /// An upper-case letter must be in it.
    pub require_upper: bool,
    /// A lower-case letter must be in it.
    pub require_lower: bool,
    /// A digit must be in it.
    pub require_digit: bool,
    /// Something that is neither letter nor digit must be in it.
    pub require_special: bool,
    /// Username, name and address may not be in it.
    pub forbid_names: bool,
    /// How many earlier passwords may not come again.
    pub history: usize,
    /// After this long a login asks for another one; `None` is never.
    pub max_age: Option<Duration>,
    /// Common passwords and their simple variations are refused.
    pub blocklist: bool,
    /// Least estimate of its strength, 1 to 4; 0 is none.
    pub min_strength: u8,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            min_length: 15,
            min_length_with_factor: 8,
            admin_min_length: 8,
            max_bytes: BYTES_MAX,
            require_upper: false,
            require_lower: false,
            require_digit: false,
            require_special: false,
            forbid_names: true,
            history: 3,
            max_age: None,
            blocklist: true,
            min_strength: 0,
        }
    }
}

/// Whose password it shall be.
pub struct Holder<'a> {
    /// The user, as they will be.
    pub user: &'a User,
    /// They are always asked for a second factor.
    pub with_factor: bool,
    /// Their roles hold permissions.
    pub is_administrator: bool,
    /// What this service and the user's organisations are called.
    pub context: Vec<String>,
}

impl Holder<'_> {
    /// What its owner is known by: username, name, address, and what stands before its `@`.
    fn names(&self) -> Vec<&str> {
        let address = self.user.email.as_ref().map(|email| email.as_str());
        let local_part = address.and_then(|address| address.split('@').next());
        [Some(self.user.username.as_str()), Some(self.user.name.as_str()), address, local_part]
            .into_iter()
            .flatten()
            .collect()
    }

    /// All words that whoever guesses would try for this user.
    #[must_use]
    pub fn words(&self) -> Vec<&str> {
        let names = self.names();
        let parts = self.user.name.as_str().split_whitespace();
        names.into_iter().chain(parts).chain(self.context.iter().map(String::as_str)).collect()
    }
}

impl PasswordRules {
    /// Every rule that the password breaks, of those that need nothing but the password and its holder.
    #[must_use]
    pub fn faults(&self, password: &str, holder: &Holder<'_>) -> Vec<FieldError> {
        if password.is_empty() {
            return vec![fault("empty", "must not be empty")];
        }
        if password.len() > self.max_bytes {
            return vec![fault("too_long", format!("is longer than {} bytes", self.max_bytes))];
        }
        let least = self.least(holder.with_factor, holder.is_administrator);
        let lacks = |wanted: bool, is_it: fn(char) -> bool| wanted && !password.chars().any(is_it);
        let checks = [
            (length(password) < least, "too_short", format!("must have at least {least} characters")),
            (password.contains('\0'), "control_character", "must not hold a NUL".to_owned()),
            (lacks(self.require_upper, char::is_uppercase), "no_upper", must_hold("an upper-case letter")),
            (lacks(self.require_lower, char::is_lowercase), "no_lower", must_hold("a lower-case letter")),
            (lacks(self.require_digit, char::is_numeric), "no_digit", must_hold("a digit")),
            (
                lacks(self.require_special, |c| !c.is_alphanumeric()),
                "no_special",
                must_hold("a sign or a space: something that is neither letter nor digit"),
            ),
            (
                self.forbid_names && holder.names().iter().any(|name| holds(password, name)),
                "contains_name",
                "must not hold the username, name or email address".to_owned(),
            ),
            (
                self.blocklist && blocklist::is_common(password, &holder.words()),
                BLOCKLISTED,
                "is one of those that are tried first: a common one, or a name, perhaps with digits behind it"
                    .to_owned(),
            ),
        ];
        checks.into_iter().filter(|(broken, ..)| *broken).map(|(_, code, text)| fault(code, text)).collect()
    }

    /// Fewest characters, for whom that holds.
    #[must_use]
    pub fn least(&self, with_factor: bool, is_administrator: bool) -> usize {
        let least = if with_factor { self.min_length_with_factor } else { self.min_length };
        if is_administrator { least.max(self.admin_min_length) } else { least }
    }

    /// When a password that was set then runs out; `None` where it never does.
    #[must_use]
    pub fn expires_at(&self, changed_at: Timestamp) -> Option<Timestamp> {
        self.max_age.map(|age| plus(changed_at, age))
    }

    /// The rules for a form to show; with a holder, as they hold for that one. `breached`: the passwords of breaches are
    /// refused too.
    #[must_use]
    pub fn shown(&self, holder: Option<&Holder<'_>>, breached: bool) -> Value {
        let mut shown = json!({
            "min_length": holder.map_or(self.min_length, |who| self.least(who.with_factor, who.is_administrator)),
            "max_bytes": self.max_bytes,
            "require_upper": self.require_upper,
            "require_lower": self.require_lower,
            "require_digit": self.require_digit,
            "require_special": self.require_special,
            "forbid_names": self.forbid_names,
            "history": self.history,
            "max_age_seconds": self.max_age.map(|age| age.as_secs()),
            "blocklist": self.blocklist,
            "breached": breached,
            "min_strength": self.min_strength,
        });
        if let (None, Some(shown)) = (holder, shown.as_object_mut()) {
            shown.insert("min_length_with_factor".to_owned(), self.min_length_with_factor.into());
            shown.insert("admin_min_length".to_owned(), self.admin_min_length.into());
        }
        shown
    }
}

/// How many new passwords were tried where nobody has signed in: in a login, or with a link. Each can cost a hash for every
/// earlier one, so they are few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tries(u8);

impl Tries {
    /// Enough for who reads what was wrong.
    const MOST: u8 = 10;

    /// With one more; `None` when there were enough.
    #[must_use]
    pub fn and_another(self) -> Option<Self> {
        Some(Self(self.0.saturating_add(1))).filter(|tries| tries.0 <= Self::MOST)
    }

    /// Was there none?
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.0 == 0
    }
}

/// A rule that a password breaks.
#[must_use]
pub fn fault(code: &'static str, message: impl Into<String>) -> FieldError {
    FieldError::new("password", code, message)
}

fn must_hold(what: &str) -> String {
    format!("must hold {what}")
}

/// Characters as people count them: code points, of the password as it was typed or as it is hashed, whichever are fewer.
/// One ligature is not eighteen letters, and a letter with its accent is one.
fn length(password: &str) -> usize {
    password.chars().count().min(password.nfkc().count())
}

/// Is the name in it, in whatever case and however its parts are joined? A name of one or two letters is in everything.
fn holds(password: &str, name: &str) -> bool {
    let tells = |name: &str| name.chars().count() >= if name.is_ascii() { 4 } else { 2 };
    let within = |password: &str, name: &str| tells(name) && password.contains(name);
    let (password, name) = (text::fold(password), text::fold(name));
    within(&password, &name) || within(&blocklist::joined(&password), &blocklist::joined(&name))
}

#[cfg(test)]
mod tests;

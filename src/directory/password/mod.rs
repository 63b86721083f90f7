//! What a password must be, whoever sets it and by whatever way. PURE: the blocklist that ships with musterd is looked at
//! here; files, earlier hashes and the estimate of strength are `auth`'s.

use serde::Serialize;

use crate::base::text;
use crate::directory::field::FieldError;
use crate::directory::user::User;

/// What a password must be (NIST SP 800-63B-4 §3.1.1.2): long and not made of one's own names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PasswordRules {
    /// Fewest characters of a password that stands alone.
    pub min_length: usize,
    /// Fewest characters where a second factor is always asked for.
    pub min_length_with_factor: usize,
    /// Most bytes; longer ones are refused, never cut.
    pub max_bytes: usize,
    /// How many earlier passwords may not come again.
    pub history: usize,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self { min_length: 15, min_length_with_factor: 8, max_bytes: 1024, history: 3 }
    }
}

impl PasswordRules {
    /// Every rule that the password breaks. `with_factor`: this user is always asked for a second factor.
    #[must_use]
    pub fn faults(&self, password: &str, user: &User, with_factor: bool) -> Vec<FieldError> {
        let fault = |code, message: String| FieldError::new("password", code, message);
        if password.is_empty() {
            return vec![fault("empty", "must not be empty".to_owned())];
        }
        if password.len() > self.max_bytes {
            return vec![fault("too_long", format!("is longer than {} bytes", self.max_bytes))];
        }
        let mut faults = Vec::new();
        let least = if with_factor { self.min_length_with_factor } else { self.min_length };
        if password.chars().count() < least {
            faults.push(fault("too_short", format!("must have at least {least} characters")));
        }
        if password.contains('\0') {
            faults.push(fault("control_character", "must not hold a NUL".to_owned()));
        }
        let folded = text::fold(password);
        let local_part = user.email.as_ref().and_then(|email| email.as_str().split('@').next().map(text::fold));
        let names = [Some(text::fold(user.username.as_str())), local_part, Some(user.name.folded())];
        if names.iter().flatten().any(|name| name.chars().count() >= 4 && folded.contains(name.as_str())) {
            faults.push(fault("contains_name", "must not hold the username, name or email address".to_owned()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::directory::user::tests::user;

    fn codes(password: &str, with_factor: bool) -> Vec<&'static str> {
        let ada = user("adalovelace", Timestamp::UNIX_EPOCH);
        PasswordRules::default().faults(password, &ada, with_factor).into_iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn p_01_a_lone_password_needs_fifteen_characters_and_eight_with_a_factor() {
        assert_eq!(codes("fourteen chars", false), ["too_short"]);
        assert!(codes("fifteen chars !", false).is_empty());
        assert_eq!(codes("7 chars", true), ["too_short"]);
        assert!(codes("8 chars!", true).is_empty());
        assert!(codes("😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀", false).is_empty());
    }

    #[test]
    fn a_password_is_neither_empty_nor_endless_nor_ones_own_name() {
        assert_eq!(codes("", false), ["empty"]);
        assert_eq!(codes(&"x".repeat(1025), false), ["too_long"]);
        assert!(codes(&"x".repeat(1024), false).is_empty());
        assert_eq!(codes("My AdaLovelace password", false), ["contains_name"]);
        assert_eq!(codes("nul \0 in the middle", false), ["control_character"]);
    }
}

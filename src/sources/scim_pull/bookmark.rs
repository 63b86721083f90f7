//! Where a reading ended. A bookmark belongs to one scope: with another service, token, filter or mapping it is worth
//! nothing, and everything is read again.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::settings::{Access, Settings};
use crate::base::secret::sha256;

/// Where a reading ended, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bookmark {
    /// What was read, as a hash of everything that decides it.
    pub(super) scope: String,
    pub(super) mark: Mark,
}

/// How the next reading may go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(super) enum Mark {
    /// By the times of the last changes, as the service tells them.
    LastModified {
        users: Timestamp,
        /// Where there is none, all groups are read.
        groups: Option<Timestamp>,
        /// No identifier is one of a user and of a group.
        distinct: bool,
        /// How often in a row the latest change could not be found by its time.
        #[serde(default)]
        misses: u8,
    },
    /// Not at all, until it is worth another try.
    Whole {
        why: String,
        again_at: Timestamp,
        /// What the service calls the lists as they were read, where each came on one page.
        etags: Option<Etags>,
    },
}

/// The validators of lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Etags {
    pub(super) users: String,
    pub(super) groups: Option<String>,
}

impl Bookmark {
    /// Everything that decides what a reading gives, as a hash.
    pub(super) fn scope(settings: &Settings) -> String {
        // At many services, the token decides whose users one sees.
        let access = match &settings.access {
            None => String::new(),
            Some(Access::Token(token)) => HEXLOWER.encode(&sha256(token.expose().as_bytes())),
            Some(Access::Client { token_url, client_id, scope, .. }) => format!("{token_url}\n{client_id}\n{scope:?}"),
        };
        let all = format!(
            "{}\n{access}\n{:?}\n{:?}\n{}\n{}",
            settings.url, settings.user_filter, settings.attributes, settings.groups, settings.changes
        );
        HEXLOWER.encode(&sha256(all.as_bytes()))
    }

    /// The mark of a bookmark of this scope.
    ///
    /// # Errors
    /// Why it is worth nothing.
    pub(super) fn parse(text: &str, scope: &str) -> Result<Mark, String> {
        let bookmark: Self =
            serde_json::from_str(text).map_err(|_| "the bookmark of the last reading cannot be read".to_owned())?;
        if bookmark.scope != scope {
            return Err("the service, the token, the filter or the mapping was changed".to_owned());
        }
        Ok(bookmark.mark)
    }

    /// As it is kept.
    pub(super) fn write(&self) -> crate::sources::Bookmark {
        // Texts and numbers always become text.
        crate::sources::Bookmark(serde_json::to_string(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::usable;
    use super::*;
    use crate::base::secret::Secret;

    #[test]
    fn a_bookmark_comes_back_and_is_worth_nothing_in_another_scope() {
        let scope = Bookmark::scope(&usable());
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let etags = Some(Etags { users: "W/\"1\"".to_owned(), groups: None });
        for mark in [
            Mark::LastModified { users: at, groups: Some(at), distinct: true, misses: 1 },
            Mark::Whole { why: "x".to_owned(), again_at: at, etags },
        ] {
            let text = Bookmark { scope: scope.clone(), mark: mark.clone() }.write().0;
            assert!(!text.contains("t0ken"));
            assert_eq!(Bookmark::parse(&text, &scope).unwrap(), mark);
            for other in [
                Settings { url: "https://other.example.org".to_owned(), ..usable() },
                Settings { access: Some(Access::Token(Secret::new("other"))), ..usable() },
                Settings { user_filter: Some("active eq true".to_owned()), ..usable() },
                Settings { groups: false, ..usable() },
            ] {
                assert!(Bookmark::parse(&text, &Bookmark::scope(&other)).unwrap_err().contains("changed"));
            }
        }
        assert!(Bookmark::parse("{}", &scope).is_err());
    }
}

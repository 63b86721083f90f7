//! Where a reading ended. A bookmark belongs to one scope: with another server, base, filter, mapping or reader it is
//! worth nothing, and everything is read again.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::settings::{Settings, Strategy};
use crate::base::secret::sha256;

/// Where a reading ended, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bookmark {
    /// What was read, as a hash of everything that decides it.
    pub(super) scope: String,
    pub(super) mark: Mark,
}

/// Where a reading ended, in the words of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(super) enum Mark {
    /// The cookies of RFC 4533, of users and groups.
    Syncrepl {
        #[serde(with = "base64")]
        users: Vec<u8>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "base64_option")]
        groups: Option<Vec<u8>>,
    },
    /// The cookie of DirSync.
    DirSync {
        #[serde(with = "base64")]
        cookie: Vec<u8>,
    },
    /// The number of the last change of one domain controller, and which life of its database it is of.
    Usn { service: String, invocation: String, usn: u64 },
    /// The time of the last change, as a server tells it.
    Timestamps { server: String, since: String },
}

impl Mark {
    pub(super) fn strategy(&self) -> Strategy {
        match self {
            Self::Syncrepl { .. } => Strategy::Syncrepl,
            Self::DirSync { .. } => Strategy::DirSync,
            Self::Usn { .. } => Strategy::Usn,
            Self::Timestamps { .. } => Strategy::Timestamps,
        }
    }
}

impl Bookmark {
    /// Everything that decides what a reading gives, as a hash.
    pub(super) fn scope(settings: &Settings, profile: &Profile) -> String {
        let all = format!(
            "{:?}\n{}\n{}\n{:?}\n{:?}\n{:?}",
            settings.urls, settings.base_dn, settings.bind_dn, settings.client_cert_file, settings.strategy, profile
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
            return Err("the server, the base, a filter, the mapping or the reader was changed".to_owned());
        }
        Ok(bookmark.mark)
    }

    /// As it is kept.
    pub(super) fn write(&self) -> crate::sources::Bookmark {
        // Texts and numbers always become text.
        crate::sources::Bookmark(serde_json::to_string(self).unwrap_or_default())
    }
}

mod base64 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::BASE64;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map_err(de::Error::custom)
    }
}

mod base64_option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::BASE64;

    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| BASE64.decode(text.as_bytes())).transpose().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kind::ServerKind;
    use super::*;

    #[test]
    fn a_bookmark_comes_back_and_is_worth_nothing_in_another_scope() {
        let settings = Settings { groups: true, base_dn: "dc=x".to_owned(), ..Settings::default() };
        let profile = |settings: &Settings| Profile::new(settings, ServerKind::OpenLdap).unwrap();
        let scope = Bookmark::scope(&settings, &profile(&settings));
        for mark in [
            Mark::Syncrepl { users: vec![0, 255], groups: Some(vec![1]) },
            Mark::DirSync { cookie: vec![7] },
            Mark::Usn { service: "cn=x".to_owned(), invocation: "i".to_owned(), usn: 9 },
            Mark::Timestamps { server: "s".to_owned(), since: "20270101000000Z".to_owned() },
        ] {
            let text = Bookmark { scope: scope.clone(), mark: mark.clone() }.write().0;
            assert_eq!(Bookmark::parse(&text, &scope).unwrap(), mark);
        }
        let text = Bookmark { scope: scope.clone(), mark: Mark::DirSync { cookie: vec![7] } }.write().0;
        let others = [
            Settings { urls: vec!["ldaps://other".to_owned()], ..settings.clone() },
            Settings { base_dn: "dc=y".to_owned(), ..settings.clone() },
            Settings { bind_dn: "cn=other".to_owned(), ..settings.clone() },
            Settings { user_filter: Some("(uid=x)".to_owned()), ..settings.clone() },
            Settings { groups: false, ..settings.clone() },
        ];
        for other in others {
            let scope = Bookmark::scope(&other, &profile(&other));
            assert!(Bookmark::parse(&text, &scope).unwrap_err().contains("changed"), "{:?}", other.base_dn);
        }
        assert!(Bookmark::parse("{}", &scope).is_err());
    }
}

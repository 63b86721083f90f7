//! The languages that messages are written in, and which of them a person reads. PURE.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A language that musterd writes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Chinese in simplified characters.
    #[serde(rename = "zh-Hans")]
    SimplifiedChinese,
}

/// Of a list of languages, so many are looked at.
const LOOKED_AT: usize = 16;

impl Language {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::English, Self::SimplifiedChinese];

    /// Its tag (BCP 47), as in settings, records and the header Content-Language.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::SimplifiedChinese => "zh-Hans",
        }
    }

    /// The first language of a list such as `da, zh-CN;q=0.8, en` that musterd writes in. Every Chinese gets the
    /// simplified one: it is closer to any reader of Chinese than English is.
    #[must_use]
    pub fn of(list: &str) -> Option<Self> {
        list.split(',').take(LOOKED_AT).find_map(|item| {
            let primary = item.trim().split(['-', '_', ';', '.', ' ']).next().unwrap_or_default();
            match primary {
                _ if primary.eq_ignore_ascii_case("en") => Some(Self::English),
                _ if primary.eq_ignore_ascii_case("zh") => Some(Self::SimplifiedChinese),
                _ => None,
            }
        })
    }

    /// What a person's SCIM attributes say: `preferredLanguage`, or else `locale` (RFC 7643 §4.1.1).
    #[must_use]
    pub fn of_person(scim: &Map<String, Value>) -> Option<Self> {
        let said = |name: &str| scim.get(name).and_then(Value::as_str).and_then(Self::of);
        said("preferredLanguage").or_else(|| said("locale"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_gets_the_first_language_that_is_written_here() {
        use Language::{English as E, SimplifiedChinese as Z};
        for (list, wanted) in [
            ("en", Some(E)),
            ("en-GB", Some(E)),
            ("zh", Some(Z)),
            ("zh-Hans-CN", Some(Z)),
            ("ZH_tw.UTF-8", Some(Z)),
            ("da, zh-CN;q=0.8, en;q=0.7", Some(Z)),
            ("nl, en;q=0.5", Some(E)),
            ("", None),
            ("fr", None),
            ("english", None),
            ("zhx", None),
        ] {
            assert_eq!(Language::of(list), wanted, "{list:?}");
        }
        let of = |value: Value| Language::of_person(value.as_object().unwrap());
        assert_eq!(of(json!({"preferredLanguage": "zh-CN", "locale": "en-US"})), Some(Z));
        assert_eq!(of(json!({"preferredLanguage": "fr", "locale": "zh_CN"})), Some(Z));
        assert_eq!(of(json!({"preferredLanguage": 7})), None);
        assert_eq!(of(json!({})), None);
        for language in Language::ALL {
            assert_eq!(serde_json::to_value(language).unwrap(), language.tag());
            assert_eq!(Language::of(language.tag()), Some(*language));
        }
    }
}

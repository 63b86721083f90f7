//! Schemas against the parsers that they speak for.

use std::str::FromStr;

use proptest::prelude::*;
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use regex::Regex;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::*;
use crate::auth::forgotten::Typed;
use crate::base::id::SourceId;
use crate::base::network::{Network, NetworkFault};
use crate::base::text;
use crate::directory::field::{Description, DisplayName, Username};
use crate::directory::stored_hash::StoredHash;
use crate::http::openapi::bodies::{self, Line, NameOrAddress, NetworkText, PasswordHash, Slug, UpTo};
use crate::tasks::schedule::parse_duration;

/// A schema of texts, and what parses them.
struct Kind {
    name: &'static str,
    schema: Value,
    is_taken: fn(&str) -> bool,
    good: &'static [&'static str],
    bad: &'static [&'static str],
}

fn kind<T: JsonSchema>(
    name: &'static str,
    is_taken: fn(&str) -> bool,
    good: &'static [&'static str],
    bad: &'static [&'static str],
) -> Kind {
    Kind { name, schema: bodies::schema::<T>(), is_taken, good, bad }
}

fn kinds() -> Vec<Kind> {
    let week = |text: &str| parse_duration(text).is_ok_and(|duration| duration <= Duration::from_secs(604_800));
    vec![
        kind::<Username>(
            "username",
            |text| Username::parse(text).is_ok(),
            &["ada", "Ada Lovelace", " ada\u{a0}", "ada@example.org", "æda", "ａｄａ", "!\"#"],
            &["", " ", "a  b", "a\tb", "a\u{a0}b", "a\u{202e}b", "a\u{3000}b", "a\nb", "ada\n"],
        ),
        kind::<DisplayName>(
            "name",
            |text| DisplayName::parse(text).is_ok(),
            &["Ada", " Ada  Lovelace ", "\u{3000}愛達", "a\u{2028}b", "🦀"],
            &["", " ", "\u{3000}", "a\0", "a\nb", "a\u{2066}b", "a\u{85}", "Ada\n"],
        ),
        kind::<Line<512>>("reason", |text| text::line(text, 512).is_ok(), &["over"], &["", "a\rb", "\u{2029}"]),
        kind::<Email>(
            "email",
            |text| Email::parse(text).is_ok(),
            &[
                "ada@example.org",
                "a@b",
                "Ada.Lovelace+x@Example.ORG",
                "o'brien@example.org",
                " é@example.org ",
                "a@é.org",
                "{a}|~!#$%&'*+-/=?^_`@a.b",
                "a@1-2.3",
            ],
            &[
                "",
                "ada",
                "@a",
                "a@",
                "a b@c.d",
                ".a@b",
                "a.@b",
                "a..b@c",
                "a@b..c",
                "a@.b",
                "a@b.",
                "a@-b",
                "a@b-",
                "a@b@c",
                "\"a\"@b",
                "<a@b>",
                "Ada <a@b>",
                "a@b,c@d",
                "a(b)@c",
                "a@[127.0.0.1]",
                "a\u{a0}b@c",
                "a@b\n",
            ],
        ),
        kind::<Phone>(
            "phone",
            |text| Phone::parse(text).is_ok(),
            &[
                "+31 (20) 123-4567",
                "+1234567",
                " +123456789012345 ",
                "(+31) 201234567",
                "+31\u{a0}201234567",
                "+3-1.2/3 45678",
            ],
            &[
                "",
                "0201234567",
                "+0123456789",
                "+123456",
                "+1234567890123456",
                "+31x201234567",
                "31201234567",
                "+３１201234567",
            ],
        ),
        kind::<Description>(
            "description",
            |text| Description::parse(text).is_ok(),
            &["", " ", "a\r\n\tb", "🦀"],
            &["\0", "a\u{b}", "\u{202a}", "a\u{7f}"],
        ),
        kind::<Slug>(
            "slug",
            |text| SourceId::parse(text).is_ok(),
            &["a", "corp-ldap_2", "a--"],
            &["", "A", "1a", "-a", "a b", "ä", "a\n"],
        ),
        kind::<NetworkText>(
            "network",
            |text| !matches!(Network::from_str(text), Err(NetworkFault::Form)),
            &[
                "192.0.2.7",
                "10.0.0.0/8",
                "0.0.0.0/0",
                "10.0.0.0/08",
                "::",
                "::/0",
                "::1",
                "2001:db8::/32",
                "1::8",
                "1:2:3:4:5:6:7:8",
                "1:2:3:4:5:6:7::",
                "::2:3:4:5:6:7:8",
                "::ffff:192.0.2.7",
                "1:2:3:4:5:6:1.2.3.4",
                "1::5:6:1.2.3.4",
                "FE80::/10",
                "10.0.0.1/8",
            ],
            &[
                "",
                "10.0.0",
                "256.0.0.1",
                "010.0.0.1",
                "010.0.0.0/8",
                "10.0.0.0/33",
                "10.0.0.0/",
                "10.0.0.0/+8",
                ":::",
                "1::2::3",
                "1:2:3:4:5:6:7",
                "1:2:3:4:5:6:7:8:9",
                "1:2:3:4:5:6:7::8",
                "12345::",
                "1.2.3.4::",
                "::/129",
                "fe80::1%eth0",
                " ::1",
                "1:2:3:4:5:6:7:1.2.3.4",
            ],
        ),
        kind::<UpTo<604_800>>(
            "overlap",
            week,
            &["0s", "7d", "168h", "24h", "10080m", "604800s", "604800000ms", "007d", "90m"],
            &["", "s", "8d", "169h", "10081m", "604801s", "604800001ms", "1w", "-1s", "+1s", "1 s", "1.5h", "24H"],
        ),
        kind::<PasswordHash>(
            "password_hash",
            |text| StoredHash::parse(text).is_ok(),
            &[
                "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
                "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            ],
            &["", "secret", "$1$abc", "{MD5}x", "pbkdf2_md5$1$a$b", "x$2a$06$"],
        ),
        kind::<NameOrAddress>(
            "username or address",
            |text| Typed::parse(text).is_ok(),
            &["ada", "ada@example.org", "a,b", "a@", " ada "],
            &["", "a@b@c", "a@b,c", "a@b;c@d", "<a@b>", "a\nb", "  "],
        ),
    ]
}

/// Does a text fit a schema, as far as schemas of texts here say anything?
fn fits(schema: &Value, text: &str) -> bool {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64).map(|bound| usize::try_from(bound).unwrap());
    let (length, all) = (text.chars().count(), |name: &str| schema.get(name).and_then(Value::as_array));
    let is_like = |pattern: &Value| Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text);
    bound("minLength").is_none_or(|least| length >= least)
        && bound("maxLength").is_none_or(|most| length <= most)
        && schema.get("pattern").is_none_or(is_like)
        && all("enum").is_none_or(|words| words.contains(&json!(text)))
        && all("allOf").is_none_or(|schemas| schemas.iter().all(|schema| fits(schema, text)))
        && all("anyOf").is_none_or(|schemas| schemas.iter().any(|schema| fits(schema, text)))
}

#[test]
fn what_a_parser_takes_fits_and_what_it_refuses_for_its_form_does_not() {
    for Kind { name, schema, is_taken, good, bad } in kinds() {
        for text in good {
            assert!(is_taken(text), "{name}: {text:?} is refused");
            assert!(fits(&schema, text), "{name}: {text:?} does not fit {schema}");
        }
        for text in bad {
            assert!(!is_taken(text), "{name}: {text:?} is taken");
            assert!(!fits(&schema, text), "{name}: {text:?} fits {schema}");
        }
    }
}

#[test]
fn lengths_are_those_of_the_parsers() {
    let longest = [
        ("username", "a".repeat(128)),
        ("name", "é".repeat(256)),
        ("reason", "a".repeat(512)),
        ("email", format!("{}@{}.{}.org", "a".repeat(64), "b".repeat(63), "c".repeat(63))),
        ("email", format!("ab@{}", ["b"; 126].join("."))),
        ("phone", format!("+1234567{}", "-".repeat(24))),
        ("description", "a".repeat(2_048)),
        ("slug", "a".repeat(64)),
    ];
    let kinds = kinds();
    for (name, text) in longest {
        let kind = kinds.iter().find(|kind| kind.name == name).unwrap();
        let longer = match name {
            "email" if text.len() < 254 => text.replacen('b', "bb", 1),
            "email" => format!("a{text}"),
            _ => format!("{text}{}", text.chars().last().unwrap()),
        };
        assert!((kind.is_taken)(&text) && fits(&kind.schema, &text), "{name}: {text}");
        assert!(!(kind.is_taken)(&longer) && !fits(&kind.schema, &longer), "{name}: {longer}");
    }
}

#[test]
fn no_character_that_a_parser_takes_is_left_out() {
    // Every script that has letters, signs and spaces of its own; what lies between are Chinese characters and syllables.
    let characters = ('\0'..='\u{30ff}').chain('\u{f900}'..='\u{ffff}').chain('\u{1f600}'..='\u{1f60f}');
    let kinds: Vec<_> = kinds()
        .into_iter()
        .map(|kind| {
            (kind.is_taken, Regex::new(kind.schema["pattern"].as_str().unwrap_or_default()).unwrap(), kind.name)
        })
        .filter(|(.., name)| ["username", "name", "email", "phone", "description"].contains(name))
        .collect();
    for c in characters {
        let texts = [format!("a{c}b"), format!("a@a{c}a"), format!("{c}+31201234567"), format!("+3{c}1201234567{c}")];
        for (is_taken, pattern, name) in &kinds {
            for text in texts.iter().filter(|text| is_taken(text)) {
                assert!(pattern.is_match(text), "{name}: {text:?}");
            }
        }
    }
}

#[test]
fn what_fits_an_exact_pattern_is_taken() {
    let exact = ["phone", "slug", "network", "overlap", "name", "description"];
    for Kind { name, schema, is_taken, .. } in kinds().into_iter().filter(|kind| exact.contains(&kind.name)) {
        let pattern = schema["pattern"].as_str().unwrap();
        let texts = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
        TestRunner::default()
            .run(&texts, |text| {
                prop_assert!(is_taken(&text) || !fits(&schema, &text), "{name}: {text:?}");
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn a_number_is_at_most_what_is_said() {
    for most in [0, 1, 7, 9, 10, 32, 100, 128, 255, 999] {
        let pattern = Regex::new(&format!("^{}$", up_to(most))).unwrap();
        for number in 0..=1_200_u64 {
            assert_eq!(pattern.is_match(&number.to_string()), number <= most, "{number} {most}");
            assert_eq!(pattern.is_match(&format!("00{number}")), number <= most, "{number} {most}");
        }
    }
    let uid = Regex::new(&format!("^{}$", up_to(u32::MAX.into()))).unwrap();
    assert!(uid.is_match("4294967295") && !uid.is_match("4294967296") && !uid.is_match(""));
}

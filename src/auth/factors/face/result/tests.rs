//! Every way in which a result can be right or wrong, signed by real keys.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

/// The keys of RFC 8410 §10: examples, and nobody's.
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
const SECRET: &str = "a secret of at least thirty-two bytes";
const NOW: i64 = 1_800_000_000;

fn pinned() -> Key {
    Key::ed25519(PUBLIC.as_bytes()).ok().unwrap()
}

fn private() -> EncodingKey {
    EncodingKey::from_ed_der(&data_encoding::BASE64.decode(PRIVATE.as_bytes()).unwrap())
}

fn good() -> Value {
    json!({
        "nonce": "the nonce", "subject": "the subject", "purpose": "login", "decision": "match", "match_score": 0.91,
        "liveness": {"passed": true, "method": "active"}, "iat": NOW - 10, "exp": NOW + 110,
    })
}

fn header(algorithm: Algorithm, typ: &str) -> Header {
    Header { typ: Some(typ.to_owned()), ..Header::new(algorithm) }
}

fn signed(claims: &Value) -> String {
    encode(&header(Algorithm::EdDSA, TYPE), claims, &private()).unwrap()
}

fn judged_by(key: &Key, text: &str, min_score: Option<f64>) -> Result<(), Refused> {
    let life = Duration::from_secs(120);
    let expected = Expected { nonce: "the nonce", subject: "the subject", purpose: "login", min_score, life };
    judge(key, text, &expected, Timestamp::from_second(NOW).unwrap())
}

fn judged(text: &str) -> Result<(), Refused> {
    judged_by(&pinned(), text, None)
}

/// The good claims with one of them changed; null takes it away.
fn with(pointer: &str, value: Value) -> String {
    let mut claims = good();
    match pointer.rsplit_once('/') {
        Some((parent, member)) if value.is_null() => {
            claims.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(member).unwrap();
        }
        _ => *claims.pointer_mut(pointer).unwrap() = value,
    }
    signed(&claims)
}

#[test]
fn each_member_of_a_result_is_looked_at() {
    assert_eq!(judged(&signed(&good())), Ok(()));
    for (pointer, value, why) in [
        ("/nonce", json!("another"), Refused::Nonce),
        ("/subject", json!("another"), Refused::Subject),
        ("/purpose", json!("prove"), Refused::Purpose),
        ("/purpose", json!("Login"), Refused::Purpose),
        ("/decision", json!("no_match"), Refused::NoMatch),
        ("/decision", json!("maybe"), Refused::Form),
        ("/liveness/passed", json!(false), Refused::Liveness),
        ("/liveness/passed", json!("true"), Refused::Form),
        ("/liveness/passed", Value::Null, Refused::Form),
        ("/liveness", json!(true), Refused::Form),
        ("/liveness", Value::Null, Refused::Form),
        ("/nonce", Value::Null, Refused::Form),
        ("/subject", Value::Null, Refused::Form),
        ("/purpose", Value::Null, Refused::Form),
        ("/decision", Value::Null, Refused::Form),
        ("/iat", Value::Null, Refused::Form),
        ("/exp", Value::Null, Refused::Form),
        ("/iat", json!(NOW - 121), Refused::Expired),
        ("/iat", json!(i64::MIN), Refused::Expired),
        ("/iat", json!(NOW + SKEW + 1), Refused::Future),
        ("/iat", json!(i64::MAX), Refused::Future),
        ("/iat", json!("now"), Refused::Form),
        ("/exp", json!(NOW), Refused::Expired),
        ("/exp", json!(NOW - 1), Refused::Expired),
        ("/match_score", json!("high"), Refused::Form),
    ] {
        assert_eq!(judged(&with(pointer, value.clone())), Err(why), "{pointer} {value}");
    }
    for (pointer, value) in [("/iat", json!(NOW - 120)), ("/iat", json!(NOW + SKEW)), ("/match_score", Value::Null)] {
        assert_eq!(judged(&with(pointer, value.clone())), Ok(()), "{pointer} {value}");
    }
    let mut more = good();
    more["model"] = json!("of the provider");
    assert_eq!(judged(&signed(&more)), Ok(()), "what is added later does no harm");
}

#[test]
fn a_least_score_is_asked_for_where_the_settings_have_one() {
    let at = |least, text: &str| judged_by(&pinned(), text, Some(least));
    assert_eq!(at(0.91, &signed(&good())), Ok(()));
    assert_eq!(at(0.92, &signed(&good())), Err(Refused::Score));
    assert_eq!(at(0.1, &with("/match_score", Value::Null)), Err(Refused::Score), "none is none");
}

#[test]
fn only_the_pinned_key_and_algorithm_count_and_only_results() {
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let by_secret = encode(&header(Algorithm::HS256, TYPE), &good(), &secret).unwrap();
    let shared = Key::hs256(&Secret::new(SECRET)).ok().unwrap();
    assert_eq!(judged_by(&shared, &by_secret, None), Ok(()));
    assert_eq!(judged_by(&shared, &signed(&good()), None), Err(Refused::Signature));
    assert_eq!(judged(&by_secret), Err(Refused::Signature), "the header chooses nothing");
    let of_public = EncodingKey::from_secret(PUBLIC.as_bytes());
    let confused = encode(&header(Algorithm::HS256, TYPE), &good(), &of_public).unwrap();
    assert_eq!(judged(&confused), Err(Refused::Signature), "a public key is no secret");
    let longer = encode(&header(Algorithm::HS512, TYPE), &good(), &secret).unwrap();
    assert_eq!(judged_by(&shared, &longer, None), Err(Refused::Signature));
    for typ in ["JWT", "at+jwt", ""] {
        let other = encode(&header(Algorithm::EdDSA, typ), &good(), &private()).unwrap();
        assert_eq!(judged(&other), Err(Refused::Type), "{typ:?}");
    }
    let critical = Header { crit: Some(vec!["x".to_owned()]), ..header(Algorithm::EdDSA, TYPE) };
    assert_eq!(judged(&encode(&critical, &good(), &private()).unwrap()), Err(Refused::Form));
}

#[test]
fn what_is_no_signed_result_is_refused() {
    let text = signed(&good());
    let (rest, signature) = text.rsplit_once('.').unwrap();
    let (head, body) = rest.split_once('.').unwrap();
    let none = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"face-result+jwt"}"#);
    for bad in [
        String::new(),
        "..".to_owned(),
        rest.to_owned(),
        format!("{rest}."),
        format!("{none}.{body}."),
        format!("{none}.{body}.{signature}"),
        format!("{head}.{body}.{}", "A".repeat(86)),
        format!("{head}.{}.{signature}", body.chars().rev().collect::<String>()),
        format!("{text}.x"),
        format!("{head}.{}.{signature}", "A".repeat(RESULT_MAX)),
        "é".repeat(100),
    ] {
        assert!(matches!(judged(&bad), Err(Refused::Form | Refused::Signature)), "{bad}");
    }
    let twice = good().to_string().replacen('{', r#"{"decision":"match","#, 1);
    let twice =
        encode(&header(Algorithm::EdDSA, TYPE), &serde_json::value::RawValue::from_string(twice).unwrap(), &private());
    assert_eq!(judged(&twice.unwrap()), Err(Refused::Form), "a member stands once");
}

#[test]
fn keys_are_of_the_kind_that_the_settings_say() {
    assert!(Key::hs256(&Secret::new("x".repeat(31))).is_err());
    let rsa = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL\n-----END PUBLIC KEY-----\n";
    let own = PUBLIC.replace("PUBLIC", "PRIVATE");
    for bad in ["", "x", rsa, &own, &PUBLIC.replace("ZuE=", "")] {
        assert!(Key::ed25519(bad.as_bytes()).is_err(), "{bad}");
    }
}

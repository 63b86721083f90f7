//! Attacks on signed tokens, named after what they must not break.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;

use super::*;
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::directory::factor::Method;

const ISSUER: &str = "https://id.example.org";

struct Desk {
    signer: Signer,
    clock: Clock,
    user: User,
    session: Session,
}

fn settings() -> Settings {
    let audiences = ["wiki", "shop"].map(str::to_owned).to_vec();
    Settings { enabled: true, audiences, ..Settings::default() }
}

async fn desk(settings: Settings) -> Desk {
    let start: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let (clock, rng) = (Clock::manual(start), Rng::seeded(3));
    let store = Arc::new(Store::in_memory(clock.clone(), rng.clone()).unwrap());
    let user = crate::directory::user::tests::user("ada", start);
    let session = Session {
        id: SessionId::new(start, &rng),
        user: user.id,
        epoch: 0,
        created_at: start,
        authenticated_at: start,
        last_used_at: start,
        expires_at: plus(start, Duration::from_secs(3_600)),
        authenticated_by: crate::base::id::SourceId::local(),
        methods: [Method::Password, Method::Totp].into(),
        address: None,
        client: None,
        agent: None,
    };
    let signer = Signer::new(store, settings, ISSUER.to_owned());
    signer.keep_keys().await.unwrap();
    Desk { signer, clock, user, session }
}

impl Desk {
    fn issue(&self, audience: &str) -> Result<Signed, JwtError> {
        let (user, session) = (&self.user, &self.session);
        self.signer.issue(&Wish { user, session, audience, client: None, groups: None })
    }

    fn token(&self) -> String {
        self.issue("wiki").unwrap().token.expose().to_owned()
    }

    fn key(&self) -> (EncodingKey, String) {
        let view = self.signer.store.view();
        let keys = signing_keys::list(&view).unwrap();
        let (number, key) = signing_keys::signs(&keys, self.clock.now()).unwrap();
        (EncodingKey::from_ed_der(&signing_keys::private_half(&view, *number, key).unwrap()), key.kid.clone())
    }

    /// Signs whatever it is told with the daemon's own key.
    fn sign(&self, head: &Value, claims: &Value) -> String {
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(head), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key().0, Algorithm::EdDSA).unwrap();
        format!("{message}.{signature}")
    }

    fn takes(&self, token: &str) -> bool {
        self.signer.check(token).unwrap().is_some()
    }

    fn head(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.key().1})
    }

    fn claims(&self) -> Value {
        serde_json::to_value(self.signer.check(&self.token()).unwrap().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_token_says_what_it_must_and_is_checked_by_the_published_keys() {
    let desk = desk(settings()).await;
    let token = desk.token();
    let set = desk.signer.published().unwrap();
    let keys: Vec<Jwk> = serde_json::from_value(set["keys"].clone()).unwrap();
    assert_eq!(keys.len(), 2);
    let head = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!((head.alg, head.typ.as_deref()), (Algorithm::EdDSA, Some("at+jwt")));
    let key = keys.iter().find(|key| key.common.key_id == head.kid).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.validate_exp = false;
    rules.set_audience(&["wiki"]);
    rules.set_issuer(&[ISSUER]);
    let claims = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims;
    let start = desk.clock.now().as_second();
    assert_eq!(claims["sub"], json!(desk.user.id));
    assert_eq!(claims["sid"], json!(desk.session.id));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(start), &json!(start + 300)));
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["mfa", "otp", "pwd"]), &json!("aal2")));
    assert!(claims.get("client_id").is_none() && claims.get("groups").is_none());
    assert!(!set.to_string().contains("\"d\""), "no private half");
}

#[tokio::test]
async fn j_04_the_algorithm_is_not_the_tokens_to_choose() {
    let desk = desk(settings()).await;
    let claims = desk.claims();
    assert!(desk.takes(&desk.sign(&desk.head(), &claims)));
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let head = json!({"alg": alg, "typ": "at+jwt", "kid": desk.key().1});
        assert!(!desk.takes(&format!("{}.{}.", part(&head), part(&claims))), "{alg}");
    }
    // Signed by HMAC with what everybody knows: the public key, in each form that it has.
    let public = desk.signer.published().unwrap()["keys"][0]["x"].as_str().unwrap().to_owned();
    let bytes = BASE64URL_NOPAD.decode(public.as_bytes()).unwrap();
    for secret in [public.as_bytes(), &bytes] {
        for alg in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let head = Header { typ: Some(TYPE.to_owned()), kid: Some(desk.key().1), ..Header::new(alg) };
            let token = jsonwebtoken::encode(&head, &claims, &EncodingKey::from_secret(secret)).unwrap();
            assert!(!desk.takes(&token), "{alg:?}");
            // The same signature under our own name for it.
            let (_, rest) = token.split_once('.').unwrap();
            assert!(!desk.takes(&format!("{}.{rest}", part(&desk.head()))));
        }
    }
    let own = desk.token();
    let (message, signature) = own.rsplit_once('.').unwrap();
    assert!(!desk.takes(&format!("{message}.")), "unsigned");
    assert!(!desk.takes(&format!("{message}.{}", "A".repeat(signature.len()))));
    for text in ["", ".", "..", "...", "a.b.c", message, &format!("{own}.x"), &format!(".{own}"), &"a".repeat(70_000)] {
        assert!(!desk.takes(text), "{text:.40}");
    }
}

#[tokio::test]
async fn j_05_keys_come_from_the_store_alone() {
    let desk = desk(settings()).await;
    let claims = desk.claims();
    let (own, kid) = desk.key();
    let foreign = desk_key(9);
    let jwk = Jwk::from_encoding_key(&foreign, Algorithm::EdDSA).unwrap();
    let head = Header { typ: Some(TYPE.to_owned()), kid: Some(kid.clone()), ..Header::new(Algorithm::EdDSA) };
    let signed = |head: &Header, key: &EncodingKey| jsonwebtoken::encode(head, &claims, key).unwrap();
    assert!(desk.takes(&signed(&head, &own)));
    assert!(!desk.takes(&signed(&head, &foreign)), "another key under our name");
    assert!(!desk.takes(&signed(&Header { jwk: Some(jwk.clone()), ..head.clone() }, &foreign)));
    assert!(!desk.takes(&signed(&Header { jwk: Some(jwk), ..head.clone() }, &own)), "nothing is taken from a header");
    for kid in [None, Some(String::new()), Some(kid.to_uppercase()), Some(format!("{kid} ")), Some("x".to_owned())] {
        assert!(!desk.takes(&signed(&Header { kid, ..head.clone() }, &own)));
    }
    for (name, value) in [
        ("jku", json!("https://evil.example.org/keys")),
        ("x5u", json!("https://evil.example.org/cert")),
        ("x5c", json!(["AAAA"])),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
    ] {
        let mut head = desk.head();
        head[name] = value;
        assert!(!desk.takes(&desk.sign(&head, &claims)), "{name}");
    }
}

fn desk_key(seed: u64) -> EncodingKey {
    const HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    EncodingKey::from_ed_der(&[&HEAD[..], &Rng::seeded(seed).bytes::<32>()].concat())
}

#[tokio::test]
async fn j_06_every_claim_must_be_there_and_of_its_type() {
    let desk = desk(settings()).await;
    let good = desk.claims();
    for name in ["iss", "aud", "sub", "sid", "iat", "exp", "auth_time", "amr", "acr", "jti"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        assert!(!desk.takes(&desk.sign(&desk.head(), &claims)), "without {name}");
    }
    let now = desk.clock.now().as_second();
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(-1)),
        ("exp", json!(0)),
        ("exp", json!(now)),
        ("exp", json!(4e9 + 0.5)),
        ("exp", json!(null)),
        ("exp", json!([now + 60])),
        ("exp", json!(now + 301)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(now + 1)),
        ("iat", json!(now - 1)),
        ("iat", json!(i64::MIN)),
        ("iat", json!("1")),
        ("iss", json!("https://id.example.org/")),
        ("iss", json!([ISSUER])),
        ("sub", json!("ada")),
        ("sid", json!(1)),
        ("amr", json!("pwd")),
        ("admin", json!(true)),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        assert!(!desk.takes(&desk.sign(&desk.head(), &claims)), "{name} {value}");
    }
    for claims in [json!([good.clone()]), json!("x"), json!(null)] {
        assert!(!desk.takes(&desk.sign(&desk.head(), &claims)), "{claims}");
    }
    let text = good.to_string();
    for bad in [text.replace(&format!("\"exp\":{}", now + 300), "\"exp\":1e400"), text.replacen('{', "{\"exp\":1,", 1)]
    {
        let message =
            [desk.head().to_string(), bad.clone()].map(|part| BASE64URL_NOPAD.encode(part.as_bytes())).join(".");
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &desk.key().0, Algorithm::EdDSA).unwrap();
        assert!(bad != text && !desk.takes(&format!("{message}.{signature}")), "{bad}");
    }
}

#[tokio::test]
async fn j_07_a_token_of_another_kind_is_none_of_these() {
    let desk = desk(settings()).await;
    let claims = desk.claims();
    for typ in [json!("JWT"), json!("jwt"), json!("AT+JWT"), json!("reset+jwt"), json!("application/at+jwt"), json!(1)]
    {
        let mut head = desk.head();
        head["typ"] = typ.clone();
        assert!(!desk.takes(&desk.sign(&head, &claims)), "{typ}");
    }
    let mut head = desk.head();
    head.as_object_mut().unwrap().remove("typ");
    assert!(!desk.takes(&desk.sign(&head, &claims)));
}

#[tokio::test]
async fn j_08_a_token_is_for_one_application_of_the_settings() {
    let desk = desk(settings()).await;
    for audience in ["wik", "wiki ", "WIKI", "", "*", "wiki shop"] {
        assert!(matches!(desk.issue(audience), Err(JwtError::UnknownAudience)), "{audience}");
    }
    for aud in [json!("mail"), json!(["wiki"]), json!(["wiki", "shop"]), json!("")] {
        let mut claims = desk.claims();
        claims["aud"] = aud.clone();
        assert!(!desk.takes(&desk.sign(&desk.head(), &claims)), "{aud}");
    }
}

#[tokio::test]
async fn j_09_a_token_lives_five_minutes_at_most_and_no_longer_than_its_session() {
    let mut desk = desk(Settings { lifetime: Duration::from_secs(999), ..settings() }).await;
    let token = desk.token();
    assert_eq!(desk.issue("shop").unwrap().lifetime, Duration::from_secs(300));
    desk.clock.advance(SignedDuration::from_secs(299));
    assert!(desk.takes(&token));
    desk.clock.advance(SignedDuration::from_secs(1));
    assert!(!desk.takes(&token));
    desk.session.expires_at = plus(desk.clock.now(), Duration::from_secs(7));
    assert_eq!(desk.issue("wiki").unwrap().lifetime, Duration::from_secs(7));
}

#[tokio::test]
async fn j_10_tokens_of_before_a_rotation_are_good_and_of_before_a_replacement_are_not() {
    let mut desk = desk(settings()).await;
    desk.session.expires_at = Timestamp::MAX;
    desk.signer.rotate(Author::system("test"), false).await.unwrap();
    desk.clock.advance(SignedDuration::from_secs(24 * 3_600 - 10));
    desk.signer.keep_keys().await.unwrap();
    let (before, kid) = (desk.token(), desk.key().1);
    desk.clock.advance(SignedDuration::from_secs(20));
    assert!(desk.takes(&before) && desk.key().1 != kid);
    desk.signer.keep_keys().await.unwrap();
    let told: BTreeSet<String> = told(&desk);
    assert!(told.contains(&kid) && told.len() == 3);
    let after = desk.token();
    desk.signer.rotate(Author::system("test"), true).await.unwrap();
    assert!(!desk.takes(&before) && !desk.takes(&after) && desk.takes(&desk.token()));
    assert!(told.is_disjoint(&self::told(&desk)), "none comes twice");
}

fn told(desk: &Desk) -> BTreeSet<String> {
    let set = desk.signer.published().unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn nothing_is_signed_or_taken_unless_the_settings_want_it() {
    let on = desk(settings()).await;
    let token = on.token();
    let mut off = on;
    off.signer.settings.enabled = false;
    assert!(!off.takes(&token) && matches!(off.issue("wiki"), Err(JwtError::Disabled)));
    assert!(off.signer.published().is_err());
    let never = desk(Settings::default()).await;
    assert!(signing_keys::list(&never.signer.store.view()).unwrap().is_empty());
}

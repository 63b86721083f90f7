//! Every rule of WebAuthn Level 3 §7.1 and §7.2 by an answer that breaks it and nothing else, rightly signed.

#[path = "tests/authenticator.rs"]
pub(in crate::auth) mod authenticator;

use jiff::SignedDuration;

use super::*;
use crate::directory::passkey::{CredentialId, Transport};
use authenticator::{
    ATTESTED, Authenticator, BACKED_UP, Draft, ELIGIBLE, EXTENDED, PRESENT, VERIFIED, cbor_text, decode, encode,
};

const RP_ID: &str = "login.example.org";
const ORIGIN: &str = "https://login.example.org";

/// A place for passkeys, a user with one, and the authenticator that holds it.
struct Desk {
    passkeys: Passkeys,
    authenticator: Authenticator,
    user: UserId,
    now: Timestamp,
}

impl Desk {
    fn new(sign_count: SignCount) -> Self {
        let place = Place::find(&Settings::default(), ORIGIN).unwrap();
        Self {
            passkeys: Passkeys::open(place, "The directory", sign_count).unwrap(),
            authenticator: Authenticator::new(RP_ID, ORIGIN),
            user: UserId::from_bytes([7; 16]),
            now: Timestamp::from_second(1_000_000).unwrap(),
        }
    }

    fn ask_for_new(&self, there: &[Passkey]) -> Begun {
        self.passkeys.begin_registration(self.user, "ada", "Ada Lovelace", there, self.now).unwrap()
    }

    fn register(&self, edit: impl FnOnce(&mut Draft)) -> Result<Passkey, Rejected> {
        let begun = self.ask_for_new(&[]);
        let answer = self.authenticator.create(&begun.options, edit);
        self.passkeys.finish_registration(begun.pending, self.user, &[], &answer.to_string(), self.now)
    }

    fn passkey(&self) -> Passkey {
        self.register(|_| ()).unwrap()
    }

    fn ask(&self, there: &[Passkey]) -> Begun {
        self.passkeys.begin_authentication(Some(self.user), there, self.now).unwrap()
    }

    fn check(&self, pending: Pending, there: &[Passkey], answer: &Value) -> Result<Accepted, Rejected> {
        let answer = Assertion::parse(&answer.to_string())?;
        self.passkeys.finish_authentication(pending, self.user, there, &answer, self.now)
    }

    /// A login with a passkey, by an answer that was edited before it was signed.
    fn login(&self, passkey: &Passkey, edit: impl FnOnce(&mut Draft)) -> Result<Accepted, Rejected> {
        let there = std::slice::from_ref(passkey);
        let begun = self.ask(there);
        let answer = self.authenticator.get(&begun.options, edit);
        self.check(begun.pending, there, &answer)
    }
}

fn desk() -> Desk {
    Desk::new(SignCount::Reject)
}

#[test]
fn w_19_what_is_asked_says_what_is_wanted() {
    let desk = desk();
    let begun = desk.ask_for_new(&[]);
    let options = &begun.options;
    assert_eq!(options["rp"], json!({"id": RP_ID, "name": "The directory"}));
    let user = json!({"id": encode(&[7; 16]), "name": "ada", "displayName": "Ada Lovelace"});
    assert_eq!(options["user"], user);
    let wanted = &options["authenticatorSelection"];
    assert_eq!((&wanted["userVerification"], &wanted["residentKey"]), (&json!("required"), &json!("preferred")));
    assert_eq!((&options["attestation"], &options["timeout"]), (&json!("none"), &json!(300_000)));
    assert!(decode(&options["challenge"]).len() >= 16);
    assert_ne!(options["challenge"], desk.ask_for_new(&[]).options["challenge"]);

    let passkey = desk.passkey();
    let named = json!([{"type": "public-key", "id": passkey.id, "transports": ["internal"]}]);
    let there = std::slice::from_ref(&passkey);
    assert_eq!(desk.ask_for_new(there).options["excludeCredentials"], named);
    let options = desk.ask(there).options;
    assert_eq!((&options["allowCredentials"], &options["rpId"]), (&named, &json!(RP_ID)));
    assert_eq!(options["userVerification"], "required");
    let anybody = desk.passkeys.begin_authentication(None, &[], desk.now).unwrap();
    assert_eq!(anybody.options["allowCredentials"], json!([]));
}

#[test]
fn a_passkey_is_registered_and_logs_in() {
    let desk = desk();
    let passkey = desk.passkey();
    assert_eq!(passkey.id.as_bytes(), desk.authenticator.id);
    assert_eq!((passkey.sign_count, passkey.backup_eligible, passkey.backed_up), (0, false, false));
    assert_eq!(passkey.transports, [Transport::Internal]);
    // What is kept comes back from the store as it was.
    let stored = serde_json::to_string(&passkey).unwrap();
    let passkey: Passkey = serde_json::from_str(&stored).unwrap();
    let there = std::slice::from_ref(&passkey);
    let begun = desk.ask(there);
    let pending: Pending = serde_json::from_str(&serde_json::to_string(&begun.pending).unwrap()).unwrap();
    let accepted = desk.check(pending, there, &desk.authenticator.get(&begun.options, |_| ())).unwrap();
    assert_eq!((accepted.passkey, accepted.counted_back), (passkey.clone(), false));
    // What is there is not registered once more.
    let begun = desk.ask_for_new(there);
    let answer = desk.authenticator.create(&begun.options, |_| ());
    let again = desk.passkeys.finish_registration(begun.pending, desk.user, there, &answer.to_string(), desk.now);
    assert_eq!(again.unwrap_err(), Rejected::Known);
}

/// W-01 to W-11, and W-18 for what is signed: each an edit, and what comes of it in a registration and in a login.
type Case = (&'static str, fn(&mut Draft), Option<Rejected>);

const BOTH: &[Case] = &[
    ("untouched", |_| (), None),
    ("another type", |draft| draft.client["type"] = json!("payment.get"), Some(Rejected::Challenge)),
    (
        "another challenge",
        |draft| draft.client["challenge"] = json!("AAAAAAAAAAAAAAAAAAAAAA"),
        Some(Rejected::Challenge),
    ),
    ("no challenge", |draft| draft.client["challenge"] = json!(""), Some(Rejected::Challenge)),
    ("a suffix", |draft| draft.client["origin"] = json!("https://evil-login.example.org"), Some(Rejected::Origin)),
    ("a prefix", |draft| draft.client["origin"] = json!("https://login.example.org.evil.io"), Some(Rejected::Origin)),
    ("one below", |draft| draft.client["origin"] = json!("https://a.login.example.org"), Some(Rejected::Origin)),
    ("another port", |draft| draft.client["origin"] = json!("https://login.example.org:8443"), Some(Rejected::Origin)),
    ("no TLS", |draft| draft.client["origin"] = json!("http://login.example.org"), Some(Rejected::Origin)),
    ("a path", |draft| draft.client["origin"] = json!("https://login.example.org/x"), Some(Rejected::Origin)),
    ("capitals", |draft| draft.client["origin"] = json!("https://LOGIN.example.org"), Some(Rejected::Origin)),
    ("no origin", |draft| draft.client["origin"] = json!("null"), Some(Rejected::Origin)),
    ("a frame", |draft| draft.client["crossOrigin"] = json!(true), Some(Rejected::Origin)),
    ("a top page", |draft| draft.client["topOrigin"] = json!("https://evil.example"), Some(Rejected::Origin)),
    ("its own top page", |draft| draft.client["topOrigin"] = json!(ORIGIN), Some(Rejected::Origin)),
    ("another domain", |draft| draft.rp_id = "example.org".to_owned(), Some(Rejected::Domain)),
    ("nobody there", |draft| draft.flags &= !PRESENT, Some(Rejected::NotVerified)),
    ("not verified", |draft| draft.flags &= !VERIFIED, Some(Rejected::NotVerified)),
    ("a copy of what has none", |draft| draft.flags |= BACKED_UP, Some(Rejected::Copies)),
    ("members of a later browser", |draft| draft.client["other_keys"] = json!({"a": [1]}), None),
    ("nothing said of frames", |draft| _ = draft.client.as_object_mut().unwrap().remove("crossOrigin"), None),
];

#[test]
fn w_01_to_w_11_an_answer_that_breaks_one_rule_is_rejected() {
    let desk = desk();
    let passkey = desk.passkey();
    for (name, edit, outcome) in BOTH {
        assert_eq!(desk.register(edit).err(), *outcome, "a registration: {name}");
        assert_eq!(desk.login(&passkey, edit).err(), *outcome, "a login: {name}");
    }
    let swapped = |draft: &mut Draft| draft.client["type"] = json!("webauthn.create");
    assert_eq!(desk.login(&passkey, swapped).unwrap_err(), Rejected::Challenge);
    assert_eq!(desk.register(|draft| draft.client["type"] = json!("webauthn.get")).unwrap_err(), Rejected::Challenge);
}

#[test]
fn w_09_to_w_11_a_registration_is_of_the_kind_that_was_asked_for() {
    let desk = desk();
    let cases: [Case; 8] = [
        // W-09: EdDSA, ES256K-like and ES512 were not offered.
        ("EdDSA", |draft| draft.algorithm = -8, Some(Rejected::Kind)),
        ("none such", |draft| draft.algorithm = -10, Some(Rejected::Kind)),
        // W-10: names of formats are compared to the letter.
        ("None", |draft| draft.format = "None", Some(Rejected::Kind)),
        ("packed and empty", |draft| draft.format = "packed", Some(Rejected::Kind)),
        ("unknown", |draft| draft.format = "other", Some(Rejected::Kind)),
        ("no key", |draft| draft.flags &= !ATTESTED, Some(Rejected::Kind)),
        // W-11.
        ("a long name", |draft| draft.id = vec![1; CredentialId::MAX + 1], Some(Rejected::Malformed("id"))),
        ("the longest name", |draft| draft.id = vec![1; CredentialId::MAX], None),
    ];
    for (name, edit, outcome) in cases {
        assert_eq!(desk.register(edit).err(), outcome, "{name}");
    }
}

#[test]
fn w_08_what_is_said_of_copies_stays_as_it_was() {
    let desk = desk();
    let bound = desk.passkey();
    let synced = desk.register(|draft| draft.flags |= ELIGIBLE | BACKED_UP).unwrap();
    assert!(synced.backup_eligible && synced.backed_up);
    assert_eq!(desk.login(&bound, |draft| draft.flags |= ELIGIBLE).unwrap_err(), Rejected::Copies);
    assert_eq!(desk.login(&synced, |_| ()).unwrap_err(), Rejected::Copies);
    let kept = desk.login(&synced, |draft| draft.flags |= ELIGIBLE).unwrap().passkey;
    assert!(kept.backup_eligible && !kept.backed_up, "copies may come and go");
    assert!(desk.login(&kept, |draft| draft.flags |= ELIGIBLE | BACKED_UP).unwrap().passkey.backed_up);
}

#[test]
fn w_16_a_passkey_that_counts_backwards_is_refused_or_noted() {
    let (strict, noting) = (desk(), Desk::new(SignCount::Log));
    let at = |count: u32| move |draft: &mut Draft| draft.counter = count;
    let passkey = strict.register(at(5)).unwrap();
    assert_eq!(passkey.sign_count, 5);
    let passkey = strict.login(&passkey, at(6)).unwrap().passkey;
    assert_eq!(passkey.sign_count, 6);
    for count in [0, 5, 6] {
        assert_eq!(strict.login(&passkey, at(count)).unwrap_err(), Rejected::CountedBack, "{count}");
        let noted = noting.login(&passkey, at(count)).unwrap();
        assert_eq!((noted.counted_back, noted.passkey.sign_count), (true, 6), "{count}");
    }
    // That it is noted opens nothing else.
    let forged = |draft: &mut Draft| (draft.counter, draft.flags) = (3, PRESENT);
    assert_eq!(noting.login(&passkey, forged).unwrap_err(), Rejected::NotVerified);
    // One that never counted may begin, and one that counts not at all is welcome.
    let silent = strict.passkey();
    assert!(!strict.login(&silent, at(0)).unwrap().counted_back);
    assert_eq!(strict.login(&silent, at(1)).unwrap().passkey.sign_count, 1);
    assert_eq!(strict.login(&passkey, at(u32::MAX)).unwrap().passkey.sign_count, u32::MAX);
}

#[test]
fn w_13_a_passkey_proves_its_owner_alone() {
    let desk = desk();
    let passkey = desk.passkey();
    let there = std::slice::from_ref(&passkey);
    let (own, other) = (*desk.user.as_bytes(), [8; 16]);
    let handle = |bytes: &[u8]| {
        let bytes = bytes.to_vec();
        move |draft: &mut Draft| draft.handle = Some(bytes.clone())
    };
    // A user who was named may be named again, but not otherwise.
    assert!(desk.login(&passkey, handle(&own)).is_ok());
    for bytes in [&other[..], b"ada", &[7; 17]] {
        assert_eq!(desk.login(&passkey, handle(bytes)).unwrap_err(), Rejected::Unknown);
    }
    // Where nobody was named, the handle names somebody.
    let anybody = |edit: &dyn Fn(&mut Draft)| {
        let begun = desk.passkeys.begin_authentication(None, &[], desk.now).unwrap();
        let answer = desk.authenticator.get(&begun.options, edit).to_string();
        let answer = Assertion::parse(&answer).unwrap();
        let outcome = desk.passkeys.finish_authentication(begun.pending, desk.user, there, &answer, desk.now);
        (answer.user, outcome.map(|_| ()))
    };
    assert_eq!(anybody(&handle(&own)), (Some(desk.user), Ok(())));
    assert_eq!(anybody(&|_| ()), (None, Err(Rejected::Unknown)));
    assert_eq!(anybody(&handle(&other)), (Some(UserId::from_bytes(other)), Err(Rejected::Unknown)));
    assert_eq!(anybody(&handle(&[7; 17])), (None, Err(Rejected::Unknown)));
    // A passkey that is none of theirs, and one that goes by the name of one that is.
    assert_eq!(desk.login(&passkey, |draft| draft.id = b"other".to_vec()).unwrap_err(), Rejected::Unknown);
    let begun = desk.ask(&[]);
    let answer = desk.authenticator.get(&begun.options, |_| ());
    assert_eq!(desk.check(begun.pending, &[], &answer).unwrap_err(), Rejected::Unknown);
}

#[test]
fn w_02_an_answer_is_to_its_own_question_and_comes_in_time() {
    let desk = desk();
    let passkey = desk.passkey();
    let there = std::slice::from_ref(&passkey);
    let (first, second) = (desk.ask(there), desk.ask(there));
    let answer = desk.authenticator.get(&first.options, |_| ());
    assert_eq!(desk.check(second.pending, there, &answer).unwrap_err(), Rejected::Challenge);
    // Another user's question, and another kind of question.
    let parsed = Assertion::parse(&answer.to_string()).unwrap();
    let stranger = UserId::from_bytes([9; 16]);
    let by = |user, pending: &Pending, now| {
        desk.passkeys.finish_authentication(pending.clone(), user, there, &parsed, now).map(|_| ())
    };
    assert_eq!(by(stranger, &first.pending, desk.now), Err(Rejected::NotAsked));
    assert_eq!(by(desk.user, &desk.ask_for_new(&[]).pending, desk.now), Err(Rejected::NotAsked));
    let last = desk.now + SignedDuration::from_secs(299);
    assert_eq!(by(desk.user, &first.pending, last), Ok(()));
    assert_eq!(by(desk.user, &first.pending, desk.now + SignedDuration::from_secs(300)), Err(Rejected::Expired));
    assert_eq!(first.pending.expires_at(), desk.now + SignedDuration::from_secs(300));

    let begun = desk.ask_for_new(&[]);
    let answer = desk.authenticator.create(&begun.options, |_| ()).to_string();
    let finish = |pending: &Pending, user, now| {
        desk.passkeys.finish_registration(pending.clone(), user, &[], &answer, now).map(|_| ())
    };
    assert_eq!(finish(&begun.pending, stranger, desk.now), Err(Rejected::NotAsked));
    assert_eq!(finish(&first.pending, desk.user, desk.now), Err(Rejected::NotAsked));
    assert_eq!(finish(&begun.pending, desk.user, last + SignedDuration::from_secs(1)), Err(Rejected::Expired));
    assert_eq!(finish(&begun.pending, desk.user, last), Ok(()));
}

#[test]
fn w_14_what_was_signed_cannot_be_changed_by_a_single_bit() {
    let desk = desk();
    let passkey = desk.passkey();
    let there = std::slice::from_ref(&passkey);
    let begun = desk.ask(there);
    let answer = desk.authenticator.get(&begun.options, |draft| draft.handle = Some(vec![7; 16]));
    assert!(desk.check(begun.pending.clone(), there, &answer).is_ok());
    let (mut tried, mut accepted) = (0, Vec::new());
    for member in ["signature", "authenticatorData", "clientDataJSON", "userHandle"] {
        let bytes = decode(&answer["response"][member]);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut answer = answer.clone();
            answer["response"][member] = encode(&changed).into();
            tried += 1;
            if desk.check(begun.pending.clone(), there, &answer).is_ok() {
                accepted.push((member, bit));
            }
        }
    }
    assert!(tried > 2000 && accepted.is_empty(), "of {tried}: {accepted:?}");
}

#[test]
fn w_18_extensions_that_nobody_asked_for_change_nothing() {
    let desk = desk();
    let passkey = desk.passkey();
    let more = |draft: &mut Draft| {
        draft.flags |= EXTENDED;
        draft.extensions = [vec![0xa1], cbor_text("example.unknown"), vec![0xf5]].concat();
    };
    assert_eq!(desk.register(more).map(|_| ()), Ok(()));
    assert_eq!(desk.login(&passkey, more).map(|_| ()), Ok(()));
    // What a browser adds outside of what is signed is not even read.
    let begun = desk.ask(std::slice::from_ref(&passkey));
    let mut answer = desk.authenticator.get(&begun.options, |_| ());
    answer["clientExtensionResults"] = json!({"appid": true, "prf": {"results": [1]}, "x": null});
    assert!(desk.check(begun.pending, std::slice::from_ref(&passkey), &answer).is_ok());
}

#[test]
fn w_15_what_is_no_answer_of_a_browser_is_not_read() {
    let desk = desk();
    let passkey = desk.passkey();
    let there = std::slice::from_ref(&passkey);
    let begun = desk.ask(there);
    let good = desk.authenticator.get(&begun.options, |_| ());
    let edits: [(&str, Value); 12] = [
        // W-15.
        ("/id", encode(b"another").into()),
        ("/rawId", encode(b"another").into()),
        ("/rawId", json!(null)),
        ("/type", "password".into()),
        ("/response/signature", "####".into()),
        ("/response/signature", "".into()),
        ("/response/authenticatorData", "".into()),
        ("/response/authenticatorData", encode(&vec![0; 5000]).into()),
        ("/response/clientDataJSON", encode(b"{}").into()),
        ("/response/clientDataJSON", encode(&vec![b'['; 8000]).into()),
        ("/response/userHandle", encode(&[7; 65]).into()),
        ("/response", json!([])),
    ];
    for (pointer, value) in edits {
        let mut answer = good.clone();
        *answer.pointer_mut(pointer).unwrap() = value;
        assert!(desk.check(begun.pending.clone(), there, &answer).is_err(), "{pointer}");
    }
    for text in ["", "null", "{}", "[]", "\"x\"", &"[".repeat(10_000), &format!("{good}{}", " ".repeat(TEXT_MAX))] {
        assert!(Assertion::parse(text).is_err());
        let begun = desk.ask_for_new(&[]);
        assert!(desk.passkeys.finish_registration(begun.pending, desk.user, &[], text, desk.now).is_err());
    }
    // A key twice: no reader may see the one while another sees the other.
    let client = decode(&good["response"]["clientDataJSON"]);
    let client = String::from_utf8(client).unwrap().replacen('{', "{\"origin\":\"https://evil.example\",", 1);
    let mut answer = good.clone();
    answer["response"]["clientDataJSON"] = encode(client.as_bytes()).into();
    let data = decode(&good["response"]["authenticatorData"]);
    answer["response"]["signature"] = encode(&desk.authenticator.sign(&data, client.as_bytes())).into();
    assert_eq!(desk.check(begun.pending, there, &answer).unwrap_err(), Rejected::Malformed("clientDataJSON"));
}

#[test]
fn a_registration_names_the_passkey_that_it_makes() {
    let desk = desk();
    let begun = desk.ask_for_new(&[]);
    let mut answer = desk.authenticator.create(&begun.options, |_| ());
    let finish = |answer: &Value| {
        desk.passkeys.finish_registration(begun.pending.clone(), desk.user, &[], &answer.to_string(), desk.now)
    };
    for other in [encode(b"somebody else's"), encode(&desk.authenticator.id[1..])] {
        (answer["id"], answer["rawId"]) = (other.clone().into(), other.into());
        assert_eq!(finish(&answer).unwrap_err(), Rejected::Malformed("id"));
    }
}

#[test]
fn a_broken_attestation_is_refused_in_order() {
    let desk = desk();
    let begun = desk.ask_for_new(&[]);
    let answer = desk.authenticator.create(&begun.options, |_| ());
    let finish = |object: &[u8]| {
        let mut answer = answer.clone();
        answer["response"]["attestationObject"] = encode(object).into();
        desk.passkeys.finish_registration(begun.pending.clone(), desk.user, &[], &answer.to_string(), desk.now)
    };
    let object = decode(&answer["response"]["attestationObject"]);
    assert!(finish(&object).is_ok());
    for length in 0..object.len() {
        assert!(finish(&object[..length]).is_err(), "cut to {length} bytes");
    }
    // Without attestation a key is not signed: what may not happen is an end of the thread, or another name.
    for bit in 0..object.len() * 8 {
        let mut changed = object.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(passkey) = finish(&changed) {
            assert_eq!(passkey.id.as_bytes(), desk.authenticator.id, "bit {bit}");
        }
    }
    let deep = [vec![0x81; 20_000], vec![0x00]].concat();
    let huge = [&[0xa3, 0x9b][..], &[0xff; 8]].concat();
    assert!(finish(&deep).is_err() && finish(&huge).is_err());
}

/// A passkey as it was stored when passkeys came to be.
const STORED: &str = r#"{
    "id": "YSBjcmVkZW50aWFsIG9mIHRoZSB0ZXN0cw", "sign_count": 0, "backup_eligible": false, "backed_up": false,
    "transports": ["internal"],
    "key": {"cred": {
        "cred_id": "YSBjcmVkZW50aWFsIG9mIHRoZSB0ZXN0cw", "counter": 0, "transports": null, "user_verified": true,
        "backup_eligible": false, "backup_state": false, "registration_policy": "required",
        "cred": {"type_": "ES256", "key": {"EC_EC2": {
            "curve": "SECP256R1",
            "x": "vU1sbSSO8P7d_oQWtH3GfTaokKwFfZWajtkJldfcWa0",
            "y": "k1eMYP1NWeiU-mcz5UDHYZVtZYm4X0iYd8-0YRbHPoQ"
        }}},
        "attestation": {"data": "None", "metadata": "None"}, "attestation_format": "none",
        "extensions": {
            "appid": "NotRequested", "cred_props": "Ignored", "cred_protect": "Ignored",
            "hmac_create_secret": "NotRequested"
        }
    }}
}"#;

#[test]
fn a_passkey_that_was_stored_is_read_for_ever() {
    let desk = desk();
    let stored: Passkey = serde_json::from_str(STORED).unwrap();
    assert_eq!(desk.passkey(), stored);
    assert!(desk.login(&stored, |_| ()).is_ok());
}

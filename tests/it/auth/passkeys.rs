//! Passkeys with a real browser: Chromium makes and uses them on a page of the daemon.

#[expect(dead_code, reason = "the unit tests use the rest")]
#[path = "../../../src/auth/passkeys/tests/authenticator.rs"]
mod authenticator;

use data_encoding::BASE64;
use jiff::Timestamp;
use musterd::auth::passkeys::{Assertion, Begun, Passkeys, Place, Rejected, Settings, SignCount};
use musterd::base::id::UserId;
use musterd::directory::passkey::Passkey;
use serde_json::{Value, json};

use crate::harness::browser::{BUILT_IN, Browser, PLUGGED_IN, WITHOUT_PIN};
use crate::harness::daemon::{START, TestDaemon};
use authenticator::{Authenticator, BACKED_UP, Draft, ELIGIBLE, PRESENT, VERIFIED, decode, encode};

/// A change before the signature, and what comes of it.
type Case<'a> = (&'a str, &'a dyn Fn(&mut Draft), Option<Rejected>);

/// Where a browser sees the daemon: passkeys are bound to a name, which an address is not.
fn page(daemon: &TestDaemon) -> String {
    daemon.base.replace("127.0.0.1", "localhost")
}

/// The checks, without a daemon behind them, and a browser on a page that they believe.
struct Bench {
    passkeys: Passkeys,
    browser: Browser,
    origin: String,
    user: UserId,
    _daemon: TestDaemon,
}

impl Bench {
    fn new() -> Self {
        let daemon = TestDaemon::start("");
        let origin = page(&daemon);
        let place = Place::find(&Settings::default(), &origin).unwrap();
        let passkeys = Passkeys::open(place, "musterd", SignCount::Reject).unwrap();
        let browser = Browser::open(&format!("{origin}/healthz"));
        Self { passkeys, browser, origin, user: UserId::from_bytes([7; 16]), _daemon: daemon }
    }

    fn now() -> Timestamp {
        START.parse().unwrap()
    }

    fn ask_for_new(&self, there: &[Passkey]) -> Begun {
        self.passkeys.begin_registration(self.user, "ada", "Ada Lovelace", there, Self::now()).unwrap()
    }

    fn register(&mut self, there: &[Passkey]) -> Passkey {
        let begun = self.ask_for_new(there);
        let answer = self.browser.create(&begun.options).unwrap().to_string();
        self.passkeys.finish_registration(begun.pending, self.user, there, &answer, Self::now()).unwrap()
    }

    fn ask(&self, there: &[Passkey]) -> Begun {
        self.passkeys.begin_authentication(Some(self.user), there, Self::now()).unwrap()
    }

    fn check(&self, begun: &Begun, there: &[Passkey], answer: &Value) -> Result<Passkey, Rejected> {
        let answer = Assertion::parse(&answer.to_string())?;
        let (pending, user) = (begun.pending.clone(), answer.user.unwrap_or(self.user));
        let accepted = self.passkeys.finish_authentication(pending, user, there, &answer, Self::now())?;
        Ok(accepted.passkey)
    }
}

#[test]
fn a_browsers_passkey_is_registered_and_proves_its_owner_again_and_again() {
    let mut bench = Bench::new();
    bench.browser.add(BUILT_IN);
    let mut passkey = bench.register(&[]);
    let first = passkey.sign_count;
    for _ in 0..3 {
        let there = std::slice::from_ref(&passkey);
        let begun = bench.ask(there);
        let answer = bench.browser.get(&begun.options).unwrap();
        passkey = bench.check(&begun, there, &answer).unwrap();
    }
    assert_eq!(passkey.sign_count, first + 3, "Chromium counts");
    // Without a name: the browser finds the passkey, and the passkey its owner.
    let begun = bench.passkeys.begin_authentication(None, &[], Bench::now()).unwrap();
    let answer = bench.browser.get(&begun.options).unwrap();
    assert_eq!(Assertion::parse(&answer.to_string()).unwrap().user, Some(bench.user));
    bench.check(&begun, std::slice::from_ref(&passkey), &answer).unwrap();
}

#[test]
fn an_authenticator_makes_no_second_passkey_for_a_user_that_it_knows() {
    let mut bench = Bench::new();
    bench.browser.add(BUILT_IN);
    let first = bench.register(&[]);
    let begun = bench.ask_for_new(std::slice::from_ref(&first));
    let refused = bench.browser.create(&begun.options).unwrap_err();
    assert!(refused.starts_with("InvalidStateError"), "{refused}");
    bench.browser.add(PLUGGED_IN);
    let second = bench.register(std::slice::from_ref(&first));
    assert_ne!(first.id, second.id);
}

#[test]
fn w_07_an_authenticator_that_does_not_verify_its_user_is_not_enough() {
    let mut bench = Bench::new();
    bench.browser.add(WITHOUT_PIN);
    let mut begun = bench.ask_for_new(&[]);
    let wanted = begun.options.pointer_mut("/authenticatorSelection/userVerification").unwrap();
    *wanted = json!("discouraged");
    begun.options["authenticatorSelection"]["residentKey"] = json!("discouraged");
    begun.options["extensions"].take();
    // The page that asks for less is not the one who decides.
    let answer = bench.browser.create(&begun.options).unwrap().to_string();
    let refused = bench.passkeys.finish_registration(begun.pending, bench.user, &[], &answer, Bench::now());
    assert_eq!(refused.unwrap_err(), Rejected::NotVerified);
}

#[test]
fn w_14_what_a_browser_signed_cannot_be_changed_by_a_single_bit() {
    let mut bench = Bench::new();
    bench.browser.add(BUILT_IN);
    let passkey = bench.register(&[]);
    let there = std::slice::from_ref(&passkey);
    let begun = bench.ask(there);
    let answer = bench.browser.get(&begun.options).unwrap();
    let mut accepted = Vec::new();
    for member in ["signature", "authenticatorData", "clientDataJSON"] {
        let bytes = decode(&answer["response"][member]);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let mut answer = answer.clone();
            answer["response"][member] = encode(&changed).into();
            if bench.check(&begun, there, &answer).is_ok() {
                accepted.push((member, bit));
            }
        }
    }
    assert!(accepted.is_empty(), "{accepted:?}");
    bench.check(&begun, there, &answer).unwrap();
}

#[test]
fn what_the_browsers_own_key_signed_is_refused_where_it_breaks_one_rule() {
    let mut bench = Bench::new();
    let device = bench.browser.add(BUILT_IN);
    let passkey = bench.register(&[]);
    let there = std::slice::from_ref(&passkey);
    let stored = bench.browser.passkeys(&device).remove(0);
    let key = BASE64.decode(stored["privateKey"].as_str().unwrap().as_bytes()).unwrap();
    let copy = Authenticator::with_key(&key, "localhost", &bench.origin, passkey.id.as_bytes());
    let elsewhere = format!("{}1", bench.origin);
    let cases: [Case<'_>; 9] = [
        ("untouched", &|_| (), None),
        ("another port", &|draft| draft.client["origin"] = elsewhere.as_str().into(), Some(Rejected::Origin)),
        ("a frame", &|draft| draft.client["crossOrigin"] = true.into(), Some(Rejected::Origin)),
        ("another type", &|draft| draft.client["type"] = "webauthn.create".into(), Some(Rejected::Challenge)),
        ("another domain", &|draft| draft.rp_id = "localhost.example".to_owned(), Some(Rejected::Domain)),
        ("nobody there", &|draft| draft.flags &= !PRESENT, Some(Rejected::NotVerified)),
        ("not verified", &|draft| draft.flags &= !VERIFIED, Some(Rejected::NotVerified)),
        ("copies", &|draft| draft.flags ^= ELIGIBLE | BACKED_UP, Some(Rejected::Copies)),
        ("the count of before", &|draft| draft.counter -= 1, Some(Rejected::CountedBack)),
    ];
    for (name, edit, outcome) in cases {
        let begun = bench.ask(there);
        let answer = copy.get(&begun.options, |draft| {
            draft.counter = passkey.sign_count + 1;
            draft.handle = Some(bench.user.as_bytes().to_vec());
            if passkey.backup_eligible {
                draft.flags |= ELIGIBLE;
            }
            edit(draft);
        });
        assert_eq!(bench.check(&begun, there, &answer).err(), outcome, "{name}");
    }
}

#[test]
fn w_16_a_copy_of_a_passkey_is_found_out_by_its_count() {
    let mut bench = Bench::new();
    let device = bench.browser.add(BUILT_IN);
    let passkey = bench.register(&[]);
    let stolen = bench.browser.passkeys(&device).remove(0);
    let begun = bench.ask(std::slice::from_ref(&passkey));
    let answer = bench.browser.get(&begun.options).unwrap();
    let passkey = bench.check(&begun, std::slice::from_ref(&passkey), &answer).unwrap();
    bench.browser.remove(&device);
    let device = bench.browser.add(BUILT_IN);
    bench.browser.put(&device, &stolen);
    let begun = bench.ask(std::slice::from_ref(&passkey));
    let answer = bench.browser.get(&begun.options).unwrap();
    let refused = bench.check(&begun, std::slice::from_ref(&passkey), &answer);
    assert_eq!(refused.unwrap_err(), Rejected::CountedBack);
}

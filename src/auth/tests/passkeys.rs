//! Passkeys in logins: as second factor, and alone. What an answer must be is tested beside the checks.

use serde_json::Value;

use super::*;
use crate::auth::factors::passkey::PasskeyKind;
use crate::auth::factors::{MethodError, Shown};
use crate::auth::passkeys::tests::authenticator::{Authenticator as Device, Draft, PRESENT};
use crate::auth::passkeys::{LIFETIME, Passkeys, Place, Settings as PasskeySettings, SignCount};
use crate::auth::passwordless::Waiting;
use crate::base::id::TokenId;
use crate::directory::audit::Target;
use crate::directory::factor::Method;
use crate::store::users::WriteError;
use crate::store::{credentials, verify};

const ORIGIN: &str = "https://login.example.org";
const PASSKEY: Chosen = Chosen { method: Some(Method::Passkey), factor: None };

fn with_passkeys(sign_count: SignCount, change: impl FnOnce(&mut Settings)) -> World {
    let mut world = world(|settings| {
        settings.mfa.rules.mode = MfaMode::All;
        change(settings);
    });
    let place = Place::find(&PasskeySettings::default(), ORIGIN).unwrap();
    let passkeys = Arc::new(Passkeys::open(place, "musterd", sign_count).unwrap());
    let kind: Arc<dyn Kind> = Arc::new(PasskeyKind { passkeys: passkeys.clone() });
    world.auth.factors = Factors::new([kind]);
    world.auth.passkeys = Some(passkeys);
    world
}

fn device() -> Device {
    Device::new("login.example.org", ORIGIN)
}

fn from(address: &str) -> Origin {
    Origin { address: Some(address.parse().unwrap()), ..Origin::default() }
}

fn given(credential: Value) -> Given {
    Given { response: Response { code: None, credential: Some(credential) }, trust_device: false }
}

fn options(shown: &Shown) -> &Value {
    &shown.0["options"]
}

/// The answer of a device to whom nobody told who is asked.
fn found(device: &Device, user: &User, waiting: &Waiting, edit: impl FnOnce(&mut Draft)) -> Value {
    device.get(&waiting.options, |draft| {
        draft.handle = Some(user.id.as_bytes().to_vec());
        edit(draft);
    })
}

impl World {
    async fn answer(&self, transaction: &Secret, credential: Value) -> Result<Outcome, LoginError> {
        self.auth.verify_factor(transaction, PASSKEY, given(credential), &Origin::default()).await
    }

    /// Enrols a passkey in a login that asks for one.
    async fn enrol_passkey(&self, name: &str, password: &str, device: &Device) -> Result<Outcome, LoginError> {
        let (transaction, stage) = asked(self.login(name, password).await);
        assert_eq!(stage, Stage::Enrolment);
        let shown = self.enrol(&transaction).await.unwrap().shown;
        self.answer(&transaction, device.create(options(&shown), |_| ())).await
    }

    /// Has a login ask for a passkey.
    async fn passkey_challenge(&self, name: &str) -> (Secret, Value) {
        let (transaction, stage) = asked(self.login(name, PASSWORD).await);
        assert_eq!(stage, Stage::Factor);
        let asked = self.auth.challenge(&transaction, PASSKEY, &Origin::default()).await.unwrap();
        (transaction, options(&asked.1).clone())
    }

    fn begin(&self) -> Waiting {
        self.auth.begin_passkey(&Origin::default()).unwrap()
    }

    async fn finish(&self, waiting: &Waiting, credential: &Value, origin: &Origin) -> Result<Outcome, LoginError> {
        self.auth.finish_passkey(&waiting.transaction, credential, origin).await
    }

    async fn without_password(&self, device: &Device, user: &User) -> Result<Outcome, LoginError> {
        let waiting = self.begin();
        self.finish(&waiting, &found(device, user, &waiting, |_| ()), &Origin::default()).await
    }

    fn sign_count(&self, user: &User) -> Value {
        let factors = credentials::factors(&self.auth.store.view(), user.id).unwrap();
        match &factors[0].kind {
            credentials::FactorKind::Passkey { credential, .. } => credential["sign_count"].clone(),
            _ => panic!("no passkey"),
        }
    }
}

fn is_wrong(outcome: &Result<Outcome, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::InvalidCredentials))
}

fn is_over(outcome: &Result<Outcome, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::NoSuchTransaction))
}

fn is_unasked(outcome: &Result<Outcome, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::Method(MethodError::NoChallenge)))
}

#[tokio::test]
async fn a_passkey_is_enrolled_at_login_and_proves_its_owner_from_then_on() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    let ada = world.with_password("ada", "local").await;
    let mut device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    device.counter = 1;
    let (transaction, options) = world.passkey_challenge("ada").await;
    let answer = device.get(&options, |_| ());
    granted(world.answer(&transaction, answer.clone()).await);
    assert_eq!(world.sign_count(&ada), 1);
    let factors = credentials::factors(&world.auth.store.view(), ada.id).unwrap();
    assert_eq!(factors[0].used_at, Some(world.auth.store.clock().now()));
    // The answer is to one question in one login.
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    assert!(is_unasked(&world.answer(&transaction, answer.clone()).await));
    let (transaction, _) = world.passkey_challenge("ada").await;
    assert!(is_wrong(&world.answer(&transaction, answer).await));
}

#[tokio::test]
async fn a_challenge_is_answered_once_and_in_time() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    world.with_password("ada", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    let (transaction, options) = world.passkey_challenge("ada").await;
    let wrong = device.get(&options, |draft| draft.flags = PRESENT);
    assert!(is_wrong(&world.answer(&transaction, wrong).await));
    assert!(is_unasked(&world.answer(&transaction, device.get(&options, |_| ())).await), "a wrong answer ends it");

    let (transaction, options) = world.passkey_challenge("ada").await;
    world.auth.store.clock().advance(LIFETIME.try_into().unwrap());
    assert!(is_unasked(&world.answer(&transaction, device.get(&options, |_| ())).await));
    let again = world.auth.challenge(&transaction, PASSKEY, &Origin::default()).await.unwrap();
    granted(world.answer(&transaction, device.get(&again.1.0["options"], |_| ())).await);
}

#[tokio::test]
async fn a_passkey_is_registered_to_one_user() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    let ada = world.with_password("ada", "local").await;
    let bob = world.with_password("bob", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    let taken = world.enrol_passkey("bob", PASSWORD, &device).await;
    assert!(matches!(taken, Err(LoginError::Write(WriteError::Taken { .. }))));
    let report = verify::verify(&world.auth.store.view()).unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    // Nothing of the owner's was written over, and the passkey is nobody else's.
    granted(world.without_password(&device, &ada).await);
    assert!(is_wrong(&world.without_password(&device, &bob).await));
}

#[tokio::test]
async fn a_passkey_alone_lets_its_owner_in_wherever_they_come_from() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    let device = device();
    let eve = world.add("eve", "corp").await;
    granted(world.enrol_passkey("eve", "secret", &device).await);
    // A directory that is down has no part in it.
    world.corp.now_says(Says::Down);
    let waiting = world.begin();
    assert_eq!(waiting.options["allowCredentials"], serde_json::json!([]));
    let answer = found(&device, &eve, &waiting, |_| ());
    let Ok(Outcome::Granted { session, .. }) = world.finish(&waiting, &answer, &Origin::default()).await else {
        panic!("not in");
    };
    assert_eq!((session.authenticated_by, session.methods), (eve.source.clone(), [Method::Passkey].into()));
    assert_eq!(trail(&world, &eve)[0].action, "login.succeeded");
    assert!(is_over(&world.finish(&waiting, &answer, &Origin::default()).await), "an answer counts once");
}

#[tokio::test]
async fn thirty_parallel_submissions_of_one_answer_let_one_in() {
    let world = Arc::new(with_passkeys(SignCount::Log, |_| {}));
    let ada = world.with_password("ada", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    let waiting = Arc::new(world.begin());
    let answer = found(&device, &ada, &waiting, |_| ());
    let tries = (0..30).map(|_| {
        let (world, waiting, answer) = (world.clone(), waiting.clone(), answer.clone());
        tokio::spawn(async move { world.finish(&waiting, &answer, &Origin::default()).await.is_ok() })
    });
    let mut accepted = 0;
    for one in tries.collect::<Vec<_>>() {
        accepted += u32::from(one.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn a_locked_password_does_not_keep_out_who_has_a_passkey() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    let ada = world.with_password("ada", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    for _ in 0..5 {
        assert!(is_wrong(&world.login("ada", "wrong").await));
    }
    let locked = |outcome| matches!(outcome, Err(LoginError::TooManyAttempts(_)));
    assert!(locked(world.login("ada", PASSWORD).await));
    granted(world.without_password(&device, &ada).await);
    assert!(locked(world.login("ada", PASSWORD).await), "nor does it open the password to more guesses");
    // What is wrong with the password is no matter where none was given.
    world.change(&ada, |user, _| User { must_change_password: true, ..user }).await;
    granted(world.without_password(&device, &ada).await);
}

#[tokio::test]
async fn a_right_passkey_of_who_may_not_come_in_opens_nothing() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    let ada = world.with_password("ada", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    let disable = |user: User, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now).unwrap();
    let waiting = world.begin();
    world.change(&ada, disable).await;
    let answer = found(&device, &ada, &waiting, |_| ());
    let refused = world.finish(&waiting, &answer, &Origin::default()).await;
    assert!(matches!(refused, Err(LoginError::Refused(Refusal::Disabled))));
    world.change(&ada, |user, now| User { expires_at: Some(now), ..user.enable(now).unwrap() }).await;
    let refused = world.without_password(&device, &ada).await;
    assert!(matches!(refused, Err(LoginError::Refused(Refusal::Expired))));
    assert_eq!(trail(&world, &ada)[0].action, "login.refused");
    world.change(&ada, |user, _| User { expires_at: None, source: SourceId::parse("closed").unwrap(), ..user }).await;
    let refused = world.without_password(&device, &ada).await;
    assert!(matches!(refused, Err(LoginError::Refused(Refusal::SourceNotAllowed))));
    assert!(world.auth.sessions_of(&ada).unwrap().is_empty());
}

#[tokio::test]
async fn a_question_goes_to_one_client_for_five_minutes() {
    let world = with_passkeys(SignCount::Reject, |_| {});
    let ada = world.with_password("ada", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    let waiting = world.begin();
    let answer = found(&device, &ada, &waiting, |_| ());
    let client = TokenId::new(world.auth.store.clock().now(), world.auth.store.rng());
    let application = Origin { client: Some(client), ..Origin::default() };
    assert!(is_over(&world.finish(&waiting, &answer, &application).await));
    let tokens = ["", "mst_p_", "mst_p_AAAA", "mst_p_####", &format!("mst_p_{}", "A".repeat(5000))];
    for token in tokens.map(Secret::new).iter().chain([&Secret::new(&waiting.transaction.expose()[1..])]) {
        assert!(is_over(&world.auth.finish_passkey(token, &answer, &Origin::default()).await));
    }
    world.auth.store.clock().advance(LIFETIME.try_into().unwrap());
    assert!(is_over(&world.finish(&waiting, &answer, &Origin::default()).await));
    // The question of one login is none of another.
    let (first, second) = (world.begin(), world.begin());
    let answer = found(&device, &ada, &first, |_| ());
    assert!(is_wrong(&world.finish(&second, &answer, &Origin::default()).await));
    assert_eq!(trail(&world, &ada)[0].reason.as_deref(), Some("passkey_challenge"));
    granted(world.finish(&first, &answer, &Origin::default()).await);
}

#[tokio::test]
async fn wrong_passkeys_count_against_their_network_alone() {
    let world = with_passkeys(SignCount::Reject, |settings| settings.lockout.network_attempts = 3);
    let ada = world.with_password("ada", "local").await;
    let device = device();
    granted(world.enrol_passkey("ada", PASSWORD, &device).await);
    let (near, far) = (from("192.0.2.1"), from("198.51.100.1"));
    for _ in 0..5 {
        let waiting = world.begin();
        granted(world.finish(&waiting, &found(&device, &ada, &waiting, |_| ()), &near).await);
    }
    for _ in 0..3 {
        let waiting = world.begin();
        let wrong = found(&device, &ada, &waiting, |draft| draft.handle = Some(vec![1; 16]));
        assert!(is_wrong(&world.finish(&waiting, &wrong, &near).await));
    }
    let waiting = world.begin();
    let right = found(&device, &ada, &waiting, |_| ());
    assert!(matches!(world.finish(&waiting, &right, &near).await, Err(LoginError::TooManyAttempts(_))));
    granted(world.finish(&waiting, &right, &far).await);
    let lines = audit::list(&world.auth.store.view(), &audit::Query::default(), None, 50).unwrap().lines;
    let refused: Vec<_> = lines.iter().filter(|line| line.action == "login.refused").collect();
    assert_eq!(refused.len(), 3);
    assert!(refused.iter().all(|line| line.target == Target::Unknown), "a guessed name is nobody's");
}

#[tokio::test]
async fn a_copy_that_counts_backwards_is_noted_with_the_answer() {
    for (sign_count, let_in) in [(SignCount::Reject, false), (SignCount::Log, true)] {
        let world = with_passkeys(sign_count, |_| {});
        let ada = world.with_password("ada", "local").await;
        let mut device = device();
        device.counter = 7;
        granted(world.enrol_passkey("ada", PASSWORD, &device).await);
        device.counter = 3;
        let outcome = world.without_password(&device, &ada).await;
        assert_eq!((outcome.is_ok(), is_wrong(&outcome)), (let_in, !let_in));
        let line = trail(&world, &ada).into_iter().find(|line| line.action == "passkey.counted_back").unwrap();
        assert_eq!(line.details["accepted"], let_in);
        assert_eq!(world.sign_count(&ada), 7);
        device.counter = 8;
        granted(world.without_password(&device, &ada).await);
        assert_eq!(world.sign_count(&ada), 8);
    }
}

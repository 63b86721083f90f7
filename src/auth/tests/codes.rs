//! Codes by mail: bound to their login, purpose and address, counted, and capped.

use serde_json::Value;

use super::*;
use crate::auth::own::{Me, Proof};
use crate::auth::prove::Chosen;
use crate::base::id::FactorId;
use crate::directory::message::Body;
use crate::store::{credentials, outbox};

/// A world in which everybody is asked for a second factor.
fn asking() -> World {
    world(|settings| settings.mfa.rules.mode = MfaMode::All)
}

impl World {
    /// The codes that wait in the outbox, oldest first, with where they go.
    fn sent(&self) -> Vec<(String, String)> {
        let messages = outbox::list(&self.auth.store.view(), 99).unwrap();
        let codes = messages.into_iter().filter_map(|(_, message)| match message.body {
            Body::Code { code, .. } => Some((message.to, code.expose().to_owned())),
            _ => None,
        });
        codes.collect()
    }

    fn last_code(&self) -> String {
        self.sent().pop().unwrap().1
    }

    /// Other notices that wait in the outbox.
    fn notices(&self) -> Vec<&'static str> {
        outbox::list(&self.auth.store.view(), 99).unwrap().iter().map(|(_, message)| message.body.kind()).collect()
    }

    async fn enrol_mail(&self, name: &str) -> FactorId {
        let (transaction, stage) = asked(self.login(name, PASSWORD).await);
        assert_eq!(stage, Stage::Enrolment);
        let enrolled = self.auth.enrol(&transaction, wish(Method::Email), &Origin::default()).await.unwrap().1;
        granted(self.verify(&transaction, &self.last_code()).await);
        enrolled.factor
    }

    async fn challenge(&self, transaction: &Secret) -> Result<Value, LoginError> {
        let chosen = Chosen { method: Some(Method::Email), factor: None };
        self.auth.challenge(transaction, chosen, &Origin::default()).await.map(|(_, shown, _)| Value::Object(shown.0))
    }

    fn minutes_pass(&self, minutes: i64) {
        self.auth.store.clock().advance(SignedDuration::from_mins(minutes));
    }

    async fn me(&self, name: &str, token: &Secret) -> Me {
        let (user, session) = (*self.auth.session(token.expose()).unwrap().unwrap()).clone();
        assert_eq!(user.username.as_str(), name);
        Me { user, session, origin: Origin::default() }
    }
}

#[tokio::test]
async fn o_09_a_code_by_mail_lets_its_owner_in_once() {
    let world = asking();
    world.with_password("ada", "local").await;
    world.enrol_mail("ada").await;
    world.minutes_pass(2);
    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Factor);
    let early = world.verify(&transaction, "000000").await;
    assert!(matches!(early, Err(LoginError::Method(MethodError::NoChallenge))), "nothing was sent yet");
    let shown = world.challenge(&transaction).await.unwrap();
    assert_eq!((&shown["sent_to"], &shown["resend_after"]), (&"a***@example.org".into(), &60.into()));
    let code = world.last_code();
    assert!(!shown.to_string().contains(&code), "O-11");
    granted(world.verify(&transaction, &format!(" {} {}", &code[..3], &code[3..])).await);
    world.minutes_pass(2);
    let (again, _) = asked(world.login("ada", PASSWORD).await);
    let replay = world.verify(&again, &code).await;
    assert!(matches!(replay, Err(LoginError::Method(MethodError::NoChallenge))));
}

#[tokio::test]
async fn o_09_t_08_five_wrong_answers_end_a_code_and_its_time_does() {
    let world = world(|settings| {
        settings.mfa.rules.mode = MfaMode::All;
        settings.lockout.code_attempts = 100;
    });
    world.with_password("ada", "local").await;
    world.enrol_mail("ada").await;
    world.minutes_pass(2);
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    world.challenge(&transaction).await.unwrap();
    let code = world.last_code();
    let wrong = if code == "123456" { "654321" } else { "123456" };
    for _ in 0..5 {
        assert!(matches!(world.verify(&transaction, wrong).await, Err(LoginError::InvalidCredentials)));
    }
    let dead = world.verify(&transaction, &code).await;
    assert!(matches!(dead, Err(LoginError::Method(MethodError::NoChallenge))), "the sixth is not looked at");
    world.minutes_pass(2);
    world.challenge(&transaction).await.unwrap();
    let code = world.last_code();
    world.minutes_pass(5);
    let late = world.verify(&transaction, &code).await;
    assert!(matches!(late, Err(LoginError::Method(MethodError::NoChallenge))), "five minutes are over");
    let notices = world.notices();
    assert_eq!(notices.iter().filter(|kind| **kind == "second_factor_refused").count(), 1, "T-08: once in an hour");
}

#[tokio::test]
async fn o_10_a_code_is_worth_nothing_in_another_login_or_for_another_purpose() {
    let world = asking();
    world.with_password("ada", "local").await;
    world.enrol_mail("ada").await;
    world.minutes_pass(2);
    let (first, _) = asked(world.login("ada", PASSWORD).await);
    world.challenge(&first).await.unwrap();
    let of_first = world.last_code();
    let (second, _) = asked(world.login("ada", PASSWORD).await);
    let foreign = world.verify(&second, &of_first).await;
    assert!(matches!(foreign, Err(LoginError::Method(MethodError::NoChallenge))));
    let token = granted(world.verify(&first, &of_first).await);

    world.minutes_pass(2);
    let me = world.me("ada", &token).await;
    // Sent to prove who asks for a change: neither a login nor an enrolment takes it.
    world.auth.challenge_own(&me, Chosen::default()).await.unwrap();
    let of_proof = world.last_code();
    let (login, _) = asked(world.login("ada", PASSWORD).await);
    let foreign = world.verify(&login, &of_proof).await;
    assert!(matches!(foreign, Err(LoginError::Method(MethodError::NoChallenge))));
    let response = code_given(&of_proof).response;
    let proof = Proof { response: response.clone(), ..Proof::default() };
    let (_, enrolment) = world.auth.enrol_factor(&me, wish(Method::Totp), &proof).await.unwrap();
    let foreign = world.auth.confirm_factor(&me, enrolment.factor, response).await;
    assert!(matches!(foreign, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn a_code_is_sent_again_after_a_minute_and_not_more_than_five_times_an_hour() {
    let world = asking();
    world.with_password("ada", "local").await;
    world.enrol_mail("ada").await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let soon = world.challenge(&transaction).await;
    assert!(matches!(soon, Err(LoginError::Method(MethodError::TooSoon(_)))));
    let clock = world.auth.store.clock();
    for _ in 0..4 {
        clock.advance(SignedDuration::from_secs(61));
        world.challenge(&transaction).await.unwrap();
    }
    let fourth = world.last_code();
    clock.advance(SignedDuration::from_secs(61));
    let capped = world.challenge(&transaction).await;
    assert!(matches!(capped, Err(LoginError::Method(MethodError::TooSoon(wait))) if wait.as_secs() > 60));
    assert_eq!(world.sent().len(), 5);
    granted(world.verify(&transaction, &fourth).await);
}

#[tokio::test]
async fn o_13_an_address_that_changed_is_no_factor_until_it_is_proved_again() {
    let world = asking();
    let ada = world.with_password("ada", "local").await;
    world.enrol_mail("ada").await;
    world.minutes_pass(2);
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    world.challenge(&transaction).await.unwrap();
    let code = world.last_code();
    world.change(&ada, |user, _| User { email: Some(Email::parse("eve@example.org").unwrap()), ..user }).await;
    let moved = world.verify(&transaction, &code).await;
    assert!(matches!(moved, Err(LoginError::NotOffered)));
    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Enrolment, "O-15: not let in without one");
    world.minutes_pass(2);
    world.auth.enrol(&transaction, wish(Method::Email), &Origin::default()).await.unwrap();
    assert_eq!(world.sent().pop().unwrap().0, "eve@example.org");
}

#[tokio::test]
async fn nobody_without_an_address_enrols_codes_by_mail() {
    let world = asking();
    let ada = world.with_password("ada", "local").await;
    world.change(&ada, |user, _| User { email: Some(Email::parse("ada@x.invalid").unwrap()), ..user }).await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let refused = world.auth.enrol(&transaction, wish(Method::Email), &Origin::default()).await;
    assert!(matches!(refused, Err(LoginError::Method(MethodError::Unusable(_)))));
    let unknown = world.auth.enrol(&transaction, wish(Method::Sms), &Origin::default()).await;
    assert!(matches!(unknown, Err(LoginError::NotOffered)), "the settings have no SMS");
    assert!(credentials::factors(&world.auth.store.view(), ada.id).unwrap().is_empty());
}

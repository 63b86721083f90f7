//! What users change of their own factors, what stands in for one, and what such a change ends.

use super::*;
use crate::auth::own::{Me, Proof};
use crate::base::id::TokenId;
use crate::store::credentials;

impl World {
    /// Enrols a one-time password in a login and gives it, with the session's token.
    async fn with_totp(&self, name: &str) -> (Enrolment, Secret) {
        let (transaction, _) = asked(self.login(name, PASSWORD).await);
        let enrolment = self.enrol(&transaction).await.unwrap();
        let token = granted(self.verify(&transaction, &self.code(&enrolment)).await);
        self.auth.store.clock().advance(SignedDuration::from_secs(30));
        (enrolment, token)
    }

    fn mine(&self, token: &Secret) -> Me {
        let (user, session) = (*self.auth.session(token.expose()).unwrap().unwrap()).clone();
        Me { user, session, origin: Origin::default() }
    }
}

fn proof(code: &str) -> Proof {
    Proof { response: code_given(code).response, ..Proof::default() }
}

fn all(settings: &mut Settings) {
    settings.mfa.rules.mode = MfaMode::All;
}

#[tokio::test]
async fn o_12_a_recovery_code_stands_in_for_a_factor_once() {
    let world = world(all);
    let ada = world.with_password("ada", "local").await;
    let (totp, token) = world.with_totp("ada").await;
    let me = world.mine(&token);
    let early = world.auth.new_recovery_codes(&me, &Proof::default()).await.err().unwrap();
    assert!(matches!(early, LoginError::ProofRequired(methods) if methods == [Method::Totp]));
    let made = world.auth.new_recovery_codes(&me, &proof(&world.code(&totp))).await.unwrap();
    let codes: Vec<String> = serde_json::from_value(made.shown.0["codes"].clone()).unwrap();
    assert_eq!(codes.len(), 10);
    let stored = serde_json::to_string(&credentials::factors(&world.auth.store.view(), ada.id).unwrap()).unwrap();
    assert!(codes.iter().all(|code| code.len() == 19 && !stored.contains(code)));

    let recovery = Chosen { method: Some(Method::Recovery), factor: None };
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let typed = code_given(&codes[3].to_uppercase().replace('-', " "));
    let origin = Origin::default();
    granted(world.auth.verify_factor(&transaction, recovery, typed.clone(), &origin).await);
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let again = world.auth.verify_factor(&transaction, recovery, typed, &origin).await;
    assert!(matches!(again, Err(LoginError::InvalidCredentials)), "each is good once");
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    world.auth.new_recovery_codes(&me, &proof(&world.code(&totp))).await.unwrap();
    let old = world.auth.verify_factor(&transaction, recovery, code_given(&codes[4]), &origin).await;
    assert!(matches!(old, Err(LoginError::InvalidCredentials)), "new ones end the old");
}

#[tokio::test]
async fn o_15_the_last_factor_stays_where_policy_wants_one() {
    let world = world(all);
    world.with_password("ada", "local").await;
    let (totp, token) = world.with_totp("ada").await;
    let me = world.mine(&token);
    let refused = world.auth.remove_factor(&me, totp.factor, &proof(&world.code(&totp))).await.err().unwrap();
    assert!(matches!(refused, LoginError::Write(_)), "{refused:?}");
    let again = world.auth.remove_factor(&me, totp.factor, &proof(&world.code(&totp))).await.err().unwrap();
    assert!(matches!(again, LoginError::InvalidCredentials), "O-03: the code is used up all the same");
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let proof = proof(&world.code(&totp));
    let (_, second) = world.auth.enrol_factor(&me, Wish::default(), &proof).await.unwrap();
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let response = code_given(&world.code(&second)).response;
    let renewed = world.auth.confirm_factor(&me, second.factor, response).await.unwrap();
    assert!(world.auth.session(token.expose()).unwrap().is_none(), "S-02: the token before is dead");
    let me = world.mine(&renewed.token);
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let of_second = super::own::proof(&world.code(&second));
    let renewed = world.auth.remove_factor(&me, totp.factor, &of_second).await.unwrap();
    assert!(world.auth.session(renewed.token.expose()).unwrap().is_some());
}

#[tokio::test]
async fn o_06_a_factor_counts_once_it_is_confirmed_and_then_asks_for_itself() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    let token = granted(world.login("ada", PASSWORD).await);
    let me = world.mine(&token);
    let nothing = world.auth.enrol_factor(&me, Wish::default(), &Proof::default()).await.err().unwrap();
    assert!(matches!(nothing, LoginError::ProofRequired(methods) if methods == [Method::Password]));
    let wrong = Proof { password: Some(Secret::new("wrong")), ..Proof::default() };
    assert!(matches!(
        world.auth.enrol_factor(&me, Wish::default(), &wrong).await.err().unwrap(),
        LoginError::InvalidCredentials
    ));
    let right = Proof { password: Some(Secret::new(PASSWORD)), ..Proof::default() };
    let (_, enrolment) = world.auth.enrol_factor(&me, Wish::default(), &right).await.unwrap();
    granted(world.login("ada", PASSWORD).await);
    let response = code_given(&world.code(&enrolment)).response;
    world.auth.confirm_factor(&me, enrolment.factor, response).await.unwrap();
    assert_eq!(asked(world.login("ada", PASSWORD).await).1, Stage::Factor);
}

#[tokio::test]
async fn a_login_goes_on_for_the_client_that_began_it_alone() {
    let world = world(all);
    world.with_password("ada", "local").await;
    let (totp, _) = world.with_totp("ada").await;
    let client = |seed| {
        let id = TokenId::new(Timestamp::UNIX_EPOCH, &Rng::seeded(seed));
        Origin { client: Some(id), ..Origin::default() }
    };
    let (one, other) = (client(1), client(2));
    let begun = world.auth.authenticate("ada", &Secret::new(PASSWORD), None, &one).await;
    let (transaction, _) = asked(begun);
    let code = code_given(&world.code(&totp));
    for foreign in [&other, &Origin::default()] {
        let refused = world.auth.verify_factor(&transaction, Chosen::default(), code.clone(), foreign).await;
        assert!(matches!(refused, Err(LoginError::NoSuchTransaction)));
    }
    granted(world.auth.verify_factor(&transaction, Chosen::default(), code, &one).await);
}

#[tokio::test]
async fn o_15_recovery_codes_are_asked_for_where_the_factor_cannot_be_any_more() {
    let mut world = world(all);
    world.with_password("ada", "local").await;
    let (totp, token) = world.with_totp("ada").await;
    let me = world.mine(&token);
    let made = world.auth.new_recovery_codes(&me, &proof(&world.code(&totp))).await.unwrap();
    let codes: Vec<String> = serde_json::from_value(made.shown.0["codes"].clone()).unwrap();
    // The settings have no one-time passwords any more.
    let mail =
        CodeKind { channel: Channel::Mail, life: Duration::from_secs(300), resend_after: Duration::from_secs(60) };
    let kinds: [Arc<dyn Kind>; 1] = [Arc::new(mail)];
    world.auth.factors = Factors::new(kinds);
    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Factor, "whoever has just the password enrols nothing");
    granted(world.verify(&transaction, &codes[0]).await);
}

#[tokio::test]
async fn a_trusted_device_is_spared_the_factor_until_something_changes() {
    let world = world(|settings| {
        all(settings);
        settings.mfa.trusted_device = Some(Duration::from_secs(7 * 86_400));
    });
    let ada = world.with_password("ada", "local").await;
    let (totp, _) = world.with_totp("ada").await;
    let origin = Origin::default();
    let with = |device: Secret| {
        let (auth, origin) = (&world.auth, &origin);
        async move { auth.authenticate("ada", &Secret::new(PASSWORD), Some(&device), origin).await }
    };
    let trust = async || {
        world.auth.store.clock().advance(SignedDuration::from_secs(30));
        let (transaction, _) = asked(world.login("ada", PASSWORD).await);
        let given = Given { trust_device: true, ..code_given(&world.code(&totp)) };
        let outcome = world.auth.verify_factor(&transaction, Chosen::default(), given, &origin).await;
        let Ok(Outcome::Granted { device: Some((device, _)), .. }) = outcome else { panic!("no device") };
        device
    };
    let device = trust().await;
    let Ok(Outcome::Granted { session, device: again, .. }) = with(device.clone()).await else { panic!("asked") };
    assert!(again.is_none() && session.methods == [Method::Password, Method::Device].into());
    asked(with(Secret::new("mst_d_nonsense")).await);
    world.with_password("eve", "local").await;
    let foreign = world.auth.authenticate("eve", &Secret::new(PASSWORD), Some(&device), &origin).await;
    assert_eq!(asked(foreign).1, Stage::Enrolment, "another user's device");
    world.auth.store.clock().advance(SignedDuration::from_hours(24 * 8));
    assert_eq!(asked(with(device).await).1, Stage::Factor, "a week is over");
    let device = trust().await;
    let (user, _) = &*world.auth.session(granted(with(device.clone()).await).expose()).unwrap().unwrap();
    assert_eq!(world.auth.forget_devices(Author::system("test"), user, None).await.unwrap(), 2);
    asked(with(device).await);
    let device = trust().await;
    world.change(&ada, |user, _| user.end_sessions()).await;
    asked(with(device).await);
}

#[tokio::test]
async fn a_shorter_trust_in_devices_holds_for_those_that_are_there() {
    let mut world = world(|settings| {
        all(settings);
        settings.mfa.trusted_device = Some(Duration::from_secs(7 * 86_400));
    });
    let ada = world.with_password("ada", "local").await;
    let (totp, _) = world.with_totp("ada").await;
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let given = Given { trust_device: true, ..code_given(&world.code(&totp)) };
    let outcome = world.auth.verify_factor(&transaction, Chosen::default(), given, &Origin::default()).await;
    let Ok(Outcome::Granted { device: Some((device, _)), .. }) = outcome else { panic!("no device") };
    world.auth.store.clock().advance(SignedDuration::from_hours(48));
    for (days, is_trusted) in [(Some(3), true), (Some(2), false), (None, false), (Some(7), true)] {
        world.auth.settings.mfa.trusted_device = days.map(|days| Duration::from_secs(days * 86_400));
        let outcome = world.auth.authenticate("ada", &Secret::new(PASSWORD), Some(&device), &Origin::default()).await;
        assert_eq!(matches!(outcome, Ok(Outcome::Granted { .. })), is_trusted, "{days:?}");
        let ada = users::get(&world.auth.store.view(), ada.id).unwrap().unwrap();
        assert_eq!(!world.auth.devices_of(&ada).unwrap().is_empty(), is_trusted, "{days:?}");
    }
}

//! The question and its one answer, in transactions on the memory engine; results are signed as a provider would.

use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::{SessionId, SourceId, UserId};
use crate::base::rng::Rng;
use crate::base::secret::Secret;
use crate::directory::audit::Author;
use crate::directory::field::{DisplayName, Username};
use crate::directory::message::{Body, Via};
use crate::directory::user::{NewUser, User, UserChange};
use crate::store::challenges::{Flow, Purpose};
use crate::store::{outbox, users};

const SECRET: &str = "a secret of at least thirty-two bytes";

struct World {
    store: Store,
    face: Arc<Face>,
    user: User,
    session: SessionId,
}

async fn world() -> World {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let store = Store::in_memory(clock, Rng::seeded(1)).unwrap();
    let settings = Settings {
        url: "https://faces.example.org".to_owned(),
        token: Secret::new("token"),
        ca_file: None,
        key: Key::hs256(&Secret::new(SECRET)).ok().unwrap(),
        min_score: None,
        timeout: settings::TIMEOUT,
    };
    let new = NewUser {
        id: UserId::new(store.clock().now(), store.rng()),
        username: Username::parse("ada").unwrap(),
        name: DisplayName::parse("Ada").unwrap(),
        source: SourceId::local(),
        rest: UserChange { email: Some(Some("ada@example.org".parse().unwrap())), ..UserChange::default() },
        disabled: None,
    };
    let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), new.clone(), None);
    let user = store.write(create).await.unwrap();
    let session = SessionId::new(store.clock().now(), store.rng());
    World { face: Face::new(&settings, "musterd".to_owned()).unwrap(), store, user, session }
}

impl World {
    /// What the provider was asked, as [`Face::begin`] gives it.
    fn begun(&self, factor: Option<FactorId>, subject: &str, nonce: &str) -> Ahead {
        let (subject, nonce) = (subject.to_owned(), nonce.to_owned());
        let capture_url = "https://faces.example.org/c".to_owned();
        json!(Begun { factor, subject, nonce, capture_url, expires_at: plus(self.store.clock().now(), LIFE) })
    }

    /// A result with these claims in place of the good ones.
    fn looked(&self, nonce: &str, purpose: &str, more: Value) -> Ahead {
        let now = self.store.clock().now().as_second();
        let mut claims = json!({
            "nonce": nonce, "subject": "subject-1", "purpose": purpose, "decision": "match",
            "liveness": {"passed": true, "method": "active"}, "iat": now, "exp": now + 60,
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = Header { typ: Some("face-result+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
        let signed = encode(&header, &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
        json!(Looked { nonce: nonce.to_owned(), signed })
    }

    async fn run<T: Send + 'static>(
        &self,
        purpose: Purpose,
        act: impl Fn(&Face, &mut Tx<'_>, &Ask<'_>, &[Factor]) -> Result<T, MethodError> + Send + 'static,
    ) -> Result<T, MethodError> {
        let (face, user, session) = (self.face.clone(), self.user.clone(), self.session);
        let write = move |tx: &mut Tx<'_>| {
            let ask = Ask { user: &user, flow: Flow::Session(session), purpose, network: None };
            let factors = credentials::factors(tx, user.id)?;
            act(&face, tx, &ask, &factors)
        };
        self.store.write(write).await
    }

    async fn enrol(&self, subject: &str, nonce: &str) -> FactorId {
        let begun = self.begun(None, subject, nonce);
        let enrol = move |face: &Face, tx: &mut Tx<'_>, ask: &Ask<'_>, _: &[Factor]| face.enrol(tx, ask, &begun);
        let made = self.run(Purpose::Enrol, enrol).await.unwrap();
        assert_eq!(made.shown.0["capture_url"], "https://faces.example.org/c");
        made.factor
    }

    async fn challenge(&self, purpose: Purpose, factor: FactorId, nonce: &str) -> Result<Shown, MethodError> {
        let begun = self.begun(Some(factor), "subject-1", nonce);
        self.run(purpose, move |face, tx, ask, factors| face.challenge(tx, ask, factors, &begun)).await
    }

    async fn accept(&self, purpose: Purpose, looked: Ahead) -> Result<Verdict, MethodError> {
        let accept = move |face: &Face, tx: &mut Tx<'_>, ask: &Ask<'_>, factors: &[Factor]| {
            face.accept(tx, ask, factors, &Response::default(), &looked)
        };
        self.run(purpose, accept).await
    }

    fn factor(&self) -> Factor {
        credentials::factors(&self.store.view(), self.user.id).unwrap().remove(0)
    }
}

#[tokio::test]
async fn the_first_good_result_confirms_a_face_and_the_time_of_consent_is_kept() {
    let world = world().await;
    let id = world.enrol("subject-1", "n1").await;
    let factor = world.factor();
    assert!(!factor.confirmed && factor.consented_at() == Some(world.store.clock().now()));
    let verdict = world.accept(Purpose::Enrol, world.looked("n1", "enrol", json!({}))).await.unwrap();
    assert_eq!(verdict, Verdict::Right(id));
    assert!(world.factor().confirmed);
    let again = world.accept(Purpose::Enrol, world.looked("n1", "enrol", json!({}))).await;
    assert!(matches!(again, Err(MethodError::NoChallenge)), "a result is used once");
}

#[tokio::test]
async fn a_wrong_result_ends_the_question_and_confirms_nothing() {
    for (more, why) in [
        (json!({"nonce": "n0"}), "face_nonce"),
        (json!({"subject": "subject-2"}), "face_subject"),
        (json!({"purpose": "login"}), "face_purpose"),
        (json!({"decision": "no_match"}), "face_no_match"),
        (json!({"liveness": {"passed": false, "method": "active"}}), "face_liveness"),
        (json!({"iat": 1_800_000_000 - 121}), "face_expired"),
        (json!({"iat": 1_800_000_000 + 60}), "face_future"),
    ] {
        let world = world().await;
        world.enrol("subject-1", "n1").await;
        let verdict = world.accept(Purpose::Enrol, world.looked("n1", "enrol", more)).await.unwrap();
        assert_eq!(verdict, Verdict::Wrong(why));
        assert!(!world.factor().confirmed && world.factor().used_at.is_none());
        let after = world.accept(Purpose::Enrol, world.looked("n1", "enrol", json!({}))).await;
        assert!(matches!(after, Err(MethodError::NoChallenge)), "{why}");
    }
}

#[tokio::test]
async fn a_question_is_for_one_purpose_one_time_and_two_minutes() {
    let world = world().await;
    let id = world.enrol("subject-1", "n1").await;
    world.accept(Purpose::Enrol, world.looked("n1", "enrol", json!({}))).await.unwrap();

    world.challenge(Purpose::Login, id, "n2").await.unwrap();
    let elsewhere = world.accept(Purpose::Prove, world.looked("n2", "prove", json!({}))).await;
    assert!(matches!(elsewhere, Err(MethodError::NoChallenge)), "it was asked for a login");
    world.challenge(Purpose::Login, id, "n3").await.unwrap();
    let older = world.accept(Purpose::Login, world.looked("n2", "login", json!({}))).await;
    assert!(matches!(older, Err(MethodError::NoChallenge)), "a newer question took its place");
    world.store.clock().advance(SignedDuration::from_secs(119));
    let verdict = world.accept(Purpose::Login, world.looked("n3", "login", json!({}))).await.unwrap();
    assert_eq!(verdict, Verdict::Right(id));
    world.challenge(Purpose::Login, id, "n4").await.unwrap();
    world.store.clock().advance(SignedDuration::from_secs(120));
    let late = world.accept(Purpose::Login, world.looked("n4", "login", json!({}))).await;
    assert!(matches!(late, Err(MethodError::NoChallenge)), "two minutes are over");
}

#[tokio::test]
async fn a_face_that_was_removed_since_it_was_asked_for_is_asked_for_no_more() {
    let world = world().await;
    let id = world.enrol("subject-1", "n1").await;
    let user = world.user.id;
    world.store.write(move |tx: &mut Tx<'_>| credentials::remove_factor(tx, user, id)).await.unwrap();
    assert!(matches!(world.challenge(Purpose::Login, id, "n2").await, Err(MethodError::NoChallenge)));
    let late = world.accept(Purpose::Enrol, world.looked("n1", "enrol", json!({}))).await;
    assert!(matches!(late, Err(MethodError::NoChallenge)));
}

#[tokio::test]
async fn the_provider_is_told_of_every_face_that_goes() {
    let world = world().await;
    world.enrol("subject-0", "n0").await;
    let id = world.enrol("subject-1", "n1").await;
    let user = world.user.id;
    world.store.write(move |tx: &mut Tx<'_>| credentials::remove_factor(tx, user, id)).await.unwrap();
    // The end of a user's tombstone takes everything of theirs.
    world.enrol("subject-2", "n2").await;
    world.store.write(move |tx: &mut Tx<'_>| credentials::forget(tx, user)).await.unwrap();
    let told = outbox::list(&world.store.view(), 9).unwrap();
    let subjects = told.iter().map(|(_, message)| match &message.body {
        Body::ForgetFace { subject } if message.via() == Via::Face => subject.as_str(),
        other => panic!("{other:?}"),
    });
    assert_eq!(subjects.collect::<Vec<_>>(), ["subject-0", "subject-1", "subject-2"]);
}

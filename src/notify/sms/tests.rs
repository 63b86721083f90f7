//! The promises of the way through several providers, which say what a test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::base::clock::plus;
use crate::base::id::UserId;
use crate::directory::message::Via;

const NUMBER: &str = "+31612345600";

struct Scripted {
    name: &'static str,
    says: Mutex<VecDeque<Result<ProviderId, SendError>>>,
    keys: Arc<Mutex<Vec<(&'static str, String)>>>,
    slow: Option<Clock>,
}

impl SmsProvider for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn send<'a>(&'a self, text: &'a Text) -> Answer<'a, Result<ProviderId, SendError>> {
        Box::pin(async {
            self.keys.lock().unwrap().push((self.name, text.key.clone()));
            if let Some(clock) = &self.slow {
                clock.advance(SignedDuration::from_mins(10));
            }
            self.says.lock().unwrap().pop_front().unwrap()
        })
    }
}

type Says = Vec<Result<ProviderId, SendError>>;
type Keys = Arc<Mutex<Vec<(&'static str, String)>>>;

fn sms(first: Says, second: Says, slow: bool) -> (Sms, Keys) {
    let clock = Clock::manual(Timestamp::from_second(1_000_000).unwrap());
    let keys = Keys::default();
    let one = |name, says: Says, slow| -> Box<dyn SmsProvider> {
        Box::new(Scripted { name, says: Mutex::new(says.into()), keys: keys.clone(), slow })
    };
    let providers = vec![one("first", first, slow.then(|| clock.clone())), one("second", second, None)];
    let policy = SmsPolicy { calling_codes: vec!["+31".parse().unwrap()], ..SmsPolicy::default() };
    (Sms::with(providers, policy, Product::default(), clock), keys)
}

fn message(to: &str) -> Message {
    let at = Timestamp::from_second(1_000_000).unwrap();
    let body = Body::Code { via: Via::Sms, code: OneTimeCode::new("918273"), minutes: 5 };
    let message = Message::to_address(to, body, at, plus(at, Duration::from_secs(300)));
    Message { user: Some(UserId::new(at, &Rng::seeded(1))), name: "Ada".to_owned(), ..message }
}

fn busy(seconds: u64) -> Result<ProviderId, SendError> {
    Err(SendError::busy("busy", Some(Duration::from_secs(seconds))))
}

#[tokio::test]
async fn every_attempt_has_the_same_key_and_the_shortest_wait_counts() {
    let (sms, keys) = sms(vec![busy(30), busy(30)], vec![busy(9), Ok("m".to_owned())], false);
    let error = sms.deliver(&message(NUMBER)).await.unwrap_err();
    assert_eq!((error.retry, error.wait), (true, Some(Duration::from_secs(9))));
    assert_eq!(error.text, "first: busy; second: busy");
    sms.deliver(&message(NUMBER)).await.unwrap();
    let keys = keys.lock().unwrap().clone();
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|(_, key)| *key == keys[0].1 && key.len() == 64));
}

#[tokio::test]
async fn one_that_may_take_it_later_is_enough_to_try_again() {
    let refused = || Err(SendError::refused("no"));
    let (sms, _) = sms(vec![busy(1), refused()], vec![refused(), refused()], false);
    assert!(sms.deliver(&message(NUMBER)).await.unwrap_err().retry);
    assert!(!sms.deliver(&message(NUMBER)).await.unwrap_err().retry);
}

#[tokio::test]
async fn what_may_have_been_sent_is_neither_sent_by_another_nor_again() {
    let (sms, keys) = sms(vec![Err(SendError::unsure("500"))], vec![Ok("m".to_owned())], false);
    let error = sms.deliver(&message(NUMBER)).await.unwrap_err();
    assert!(!error.retry && error.text.contains("may have been sent"), "{error}");
    assert_eq!(keys.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_code_that_ended_while_a_provider_was_slow_goes_to_no_other() {
    let (sms, keys) = sms(vec![busy(1)], vec![Ok("m".to_owned())], true);
    let error = sms.deliver(&message(NUMBER)).await.unwrap_err();
    assert!(!error.retry, "{error}");
    assert_eq!(keys.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn only_codes_go_to_phones_and_only_where_the_policy_says() {
    let (sms, keys) = sms(Vec::new(), Vec::new(), false);
    let error = sms.deliver(&message("+4915112345678")).await.unwrap_err();
    assert!(!error.retry && error.text.contains("sms.calling_codes"), "{error}");
    let other = Message { body: Body::PasswordChanged, ..message(NUMBER) };
    assert!(!sms.deliver(&other).await.unwrap_err().retry);
    assert!(keys.lock().unwrap().is_empty());
}

//! Codes to phones, against servers that misbehave, the vendors' own programs, and a message centre.

mod command;
mod faults;
mod signatures;
mod smpp;

use std::time::Duration;

use jiff::Timestamp;
use musterd::base::clock::{Clock, plus};
use musterd::base::id::UserId;
use musterd::base::rng::Rng;
use musterd::base::secret::Secret;
use musterd::directory::message::{Body, Message, OneTimeCode, Via};
use musterd::directory::quota::SmsPolicy;
use musterd::notify::channel::{Channel, DeliveryError};
use musterd::notify::sms::settings::{Access, Format, Http, HttpMethod, Kind, Provider, Settings};
use musterd::notify::sms::{SendError, Sms};
use musterd::notify::templates::Product;

const CODE: &str = "918273";
const NUMBER: &str = "+31612345600";

fn now() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

fn provider(name: &str, kind: Kind) -> Provider {
    let (connect_timeout, timeout) = (Duration::from_secs(5), Duration::from_secs(10));
    Provider { name: name.to_owned(), ca_file: None, connect_timeout, timeout, kind }
}

fn http(url: &str) -> Http {
    Http {
        url: url.to_owned(),
        method: HttpMethod::Post,
        query: Vec::new(),
        headers: Vec::new(),
        format: Format::Json,
        body: r#"{"to": "{to}", "text": "{text}"}"#.to_owned(),
        access: Access::Token(Secret::new("hunter2")),
        signature: None,
        success_status: vec![200, 201],
        success_pointer: Some("/status".to_owned()),
        success_value: "ok".to_owned(),
        retry_status: vec![429],
    }
}

fn sms(providers: Vec<Provider>) -> Sms {
    let policy = SmsPolicy { calling_codes: vec!["+31".parse().unwrap()], ..SmsPolicy::default() };
    let settings = Settings { policy, providers };
    let product = Product::new("Example", Some("id.example.org"));
    Sms::new(&settings, product, &Clock::manual(now()), &Rng::seeded(7)).unwrap()
}

fn code_to(number: &str) -> Message {
    let body = Body::Code { via: Via::Sms, code: OneTimeCode::new(CODE), minutes: 5 };
    let message = Message::to_address(number, body, now(), plus(now(), Duration::from_secs(300)));
    Message { user: Some(UserId::new(now(), &Rng::seeded(7))), name: "Ada".to_owned(), ..message }
}

async fn deliver(providers: Vec<Provider>) -> Result<(), DeliveryError> {
    sms(providers).deliver(&code_to(NUMBER)).await
}

/// What one provider says to a text, and that it repeats neither the number nor a secret.
async fn said(provider: Provider) -> Result<String, SendError> {
    let outcome = sms(vec![provider]).test(NUMBER, None).await.remove(0).outcome.unwrap();
    let shown = format!("{outcome:?}");
    assert!(!shown.contains(&NUMBER[1..]) && !shown.contains("hunter2") && !shown.contains("000000"), "{shown}");
    outcome
}

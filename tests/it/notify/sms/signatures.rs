//! Requests to the vendors, compared with what their own programs would send.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use musterd::base::secret::Secret;
use musterd::notify::sms::Sent;
use musterd::notify::sms::settings::{Alibaba, Kind, Parameter, Tencent, Twilio};
use serde_json::{Value, json};

use super::{CODE, NUMBER, deliver, provider, said};
use crate::harness::web_server::{Asked, Does, WebServer};

/// What the vendor's program would send.
fn vendor(wish: &Value) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join("tests/.cache/venv/bin/python"))
        .arg(root.join("tests/it/harness/sms_peers.py"))
        .arg("sign")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests' own python runs; tests/run makes it");
    child.stdin.take().unwrap().write_all(wish.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the vendor's program fails");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn same_headers(asked: &Asked, theirs: &Value, names: &[&str]) {
    for name in names {
        assert_eq!(asked.header(name), theirs["headers"][name].as_str().unwrap(), "{name}");
    }
}

fn twilio(url: &str) -> Kind {
    Kind::Twilio(Twilio {
        url: url.to_owned(),
        account_sid: "AC0123".to_owned(),
        api_key: None,
        auth_token: Secret::new("hunter2"),
        from: Some("+15005550006".to_owned()),
        messaging_service: None,
    })
}

fn tencent(url: &str) -> Kind {
    Kind::Tencent(Tencent {
        url: url.to_owned(),
        secret_id: "AKID".to_owned(),
        secret_key: Secret::new("hunter2"),
        region: "ap-guangzhou".to_owned(),
        app_id: "1400000000".to_owned(),
        sign_name: Some("Example".to_owned()),
        template_id: "1234567".to_owned(),
        template_parameters: vec![Parameter::Code, Parameter::Minutes],
    })
}

fn alibaba(url: &str) -> Kind {
    Kind::Alibaba(Alibaba {
        url: url.to_owned(),
        access_key_id: "LTAI".to_owned(),
        access_key_secret: Secret::new("hunter2"),
        sign_name: "Example".to_owned(),
        template_code: "SMS_1".to_owned(),
        code_parameter: "code".to_owned(),
        minutes_parameter: String::new(),
    })
}

/// Delivers a code to a server that says this; gives what it was asked, and where.
async fn asked(kind: fn(&str) -> Kind, status: &str, answer: &Value) -> (Asked, String) {
    let server = WebServer::start(None, Does::answer(status, "", &answer.to_string())).await;
    deliver(vec![provider("one", kind(&format!("http://{}", server.authority)))]).await.unwrap();
    (server.asked().remove(0), server.authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_gets_what_its_own_program_sends() {
    let (asked, _) = asked(twilio, "201 Created", &json!({"sid": "SM1"})).await;
    let pairs: Vec<(String, String)> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let theirs = vendor(&json!({"vendor": "twilio", "to": NUMBER, "text": pairs[2].1}));
    assert_eq!(asked.body, theirs["body"].as_str().unwrap());
    assert_eq!(asked.line, "POST /2010-04-01/Accounts/AC0123/Messages.json");
    assert!(theirs["url"].as_str().unwrap().ends_with("/2010-04-01/Accounts/AC0123/Messages.json"));
    same_headers(&asked, &theirs, &["authorization", "content-type", "accept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tencent_gets_what_its_own_program_sends_and_signs() {
    let ok = json!({"Response": {"SendStatusSet": [{"Code": "Ok", "SerialNo": "1:2"}], "RequestId": "r"}});
    let (asked, host) = asked(tencent, "200 OK", &ok).await;
    let at: i64 = asked.header("x-tc-timestamp").parse().unwrap();
    assert_eq!(at, super::now().as_second());
    let wish = json!({"vendor": "tencent", "to": NUMBER, "code": CODE, "minutes": "5", "at": at, "host": host,
        "body": asked.body});
    let theirs = vendor(&wish);
    assert_eq!(theirs["body"].as_str().unwrap(), asked.body, "the same object");
    let names =
        ["authorization", "content-type", "host", "x-tc-action", "x-tc-version", "x-tc-region", "x-tc-timestamp"];
    same_headers(&asked, &theirs, &names);
}

#[tokio::test(flavor = "multi_thread")]
async fn alibaba_gets_what_its_own_program_sends_and_signs() {
    let (asked, host) = asked(alibaba, "200 OK", &json!({"Code": "OK", "BizId": "1^0"})).await;
    let signed =
        ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];
    let headers: serde_json::Map<String, Value> =
        signed.iter().map(|name| ((*name).to_owned(), asked.header(name).into())).collect();
    let wish = json!({"vendor": "alibaba", "to": NUMBER, "parameters": json!({"code": CODE}).to_string(),
        "date": asked.header("x-acs-date"), "nonce": asked.header("x-acs-signature-nonce"), "host": host,
        "headers": headers});
    let theirs = vendor(&wish);
    let target = theirs["url"].as_str().unwrap().split_once(&host).unwrap().1;
    assert_eq!(asked.line, format!("POST {target}"));
    assert_eq!(asked.body, theirs["body"].as_str().unwrap());
    same_headers(&asked, &theirs, &signed);
    assert_eq!(asked.header("authorization"), theirs["signed"].as_str().unwrap());
}

/// A vendor, its status and answer, and what comes of it: was it sent, may it be tried again, and a word of the error.
type Case = (fn(&str) -> Kind, &'static str, Value, Sent, bool, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vendor_refuses_is_told_by_its_code_alone() {
    let failed = |code: &str| json!({"Response": {"Error": {"Code": code, "Message": "to +31612345600"}}});
    let status = |code: &str| json!({"Response": {"SendStatusSet": [{"Code": code}]}});
    let code = |code: &str| json!({"Code": code, "Message": "918273"});
    let cases: [Case; 11] = [
        (twilio, "400 Bad Request", json!({"code": 21211}), Sent::No, false, "21211"),
        (twilio, "429 Too Many Requests", json!({"code": 20429}), Sent::No, true, "20429"),
        (twilio, "500 Internal Server Error", json!({}), Sent::Maybe, false, "500"),
        (tencent, "200 OK", failed("AuthFailure.SignatureFailure"), Sent::No, false, "AuthFailure"),
        (tencent, "200 OK", failed("RequestLimitExceeded"), Sent::No, true, "RequestLimitExceeded"),
        (tencent, "200 OK", failed("InternalError.Timeout"), Sent::Maybe, false, "InternalError"),
        (tencent, "200 OK", status("LimitExceeded.PhoneNumberDailyLimit"), Sent::No, false, "LimitExceeded"),
        (tencent, "200 OK", json!({"Response": {}}), Sent::Maybe, false, "no status"),
        (alibaba, "200 OK", code("isv.BUSINESS_LIMIT_CONTROL"), Sent::No, false, "isv.BUSINESS"),
        (alibaba, "400 Bad Request", code("Throttling.User"), Sent::No, true, "Throttling"),
        (alibaba, "200 OK", json!([]), Sent::Maybe, false, "no code"),
    ];
    for (kind, status, answer, sent, retryable, word) in cases {
        let server = WebServer::start(None, Does::answer(status, "", &answer.to_string())).await;
        let error = said(provider("one", kind(&format!("http://{}", server.authority)))).await.unwrap_err();
        assert_eq!((error.sent, error.retryable), (sent, retryable), "{error}");
        assert!(error.text.contains(word), "{error} has no {word}");
    }
}

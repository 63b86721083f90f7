//! The real daemon with a real mail server: what is seen of messages, a test of mail, languages and templates.

use std::time::Duration;

use jiff::SignedDuration;
use musterd::base::clock::{Stopwatch, plus};
use musterd::directory::message::{Body as Said, Message};
use musterd::store::outbox::undelivered::{self, Outcome};
use musterd::store::tx::Tx;
use musterd::store::{StoreError, outbox};
use serde_json::{Value, json};

use super::part;
use crate::harness::certificates::file;
use crate::harness::daemon::TestDaemon;
use crate::harness::smtpd::{Mail, Smtpd};

const PASSWORD: &str = "correct horse battery";

fn mail(port: u16, more: &str) -> String {
    format!("[mail]\nhost = \"localhost\"\nport = {port}\ntls = \"none\"\nfrom = \"musterd@example.org\"\n{more}\n")
}

/// The first mail to an address.
fn mail_to(smtpd: &Smtpd, to: &str) -> Mail {
    let watch = Stopwatch::start();
    loop {
        let found = smtpd.mails().into_iter().find(|mail| mail.envelope["to"][0] == to);
        if let Some(mail) = found {
            return mail;
        }
        assert!(watch.elapsed() < Duration::from_secs(30), "no mail to {to} comes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the list of messages is as long as that.
fn listed(daemon: &TestDaemon, state: &str, length: usize) -> Vec<Value> {
    let watch = Stopwatch::start();
    loop {
        let answer = daemon.admin().get(&format!("/api/v1/messages?state={state}"));
        let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
        if items.len() == length && items.iter().all(|item| state == "failed" || item["attempts"] != 0) {
            return items;
        }
        assert!(watch.elapsed() < Duration::from_secs(30), "{state}: {items:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(daemon: &TestDaemon, arguments: &[&str]) -> (bool, String) {
    let output = daemon.musterd(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn new_user(daemon: &TestDaemon, name: &str) {
    let email = format!("{name}@example.org");
    let wish = json!({"username": name.replace('-', ""), "name": "Ada", "email": email, "password_link": true});
    let made = daemon.admin().post("/api/v1/users", &wish);
    assert_eq!(made.status, 201, "{made:?}");
    daemon.inside.driver.poke("outbox");
}

#[test]
fn what_waits_and_what_was_given_up_is_seen_tried_again_and_dropped() {
    let smtpd = Smtpd::start(&["--by-address"]);
    let daemon = TestDaemon::start(&mail(smtpd.port, ""));
    for name in ["grey-a", "grey-b", "rcpt550-a", "data554-b"] {
        new_user(&daemon, name);
    }
    let waiting = listed(&daemon, "waiting", 2);
    let failed = listed(&daemon, "failed", 2);
    for item in waiting.iter().chain(&failed) {
        assert_eq!(
            (&item["kind"], &item["via"], &item["attempts"]),
            (&json!("set_password"), &json!("mail"), &json!(1))
        );
        let (shown, to) = (item.to_string(), item["to"].as_str().unwrap());
        assert!(to.contains("***@example.org") && !item["user"].is_null(), "{shown}");
        assert!(!shown.contains("http") && !shown.contains("mst_"), "no link is shown: {shown}");
    }
    assert!(waiting[0]["next_try"].is_string() && waiting[0]["last_error"] == "the mail server answered 451 4.7.1");
    assert_eq!(failed[0]["outcome"], "refused");
    let (_, table) = said(&daemon, &["message", "list", "--state", "failed"]);
    assert!(
        table.contains("550 5.1.1") && table.contains("554 5.7.0") && table.contains("r***@example.org"),
        "{table}"
    );

    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    assert!(said(&daemon, &["message", "retry", &id(&waiting[0])]).0);
    mail_to(&smtpd, "grey-a@example.org");
    assert_eq!(daemon.admin().delete(&format!("/api/v1/messages/{}", id(&waiting[1]))).status, 204);
    assert!(said(&daemon, &["message", "drop", &id(&failed[0])]).0);
    listed(&daemon, "waiting", 0);
    // It is refused again, and stands there again, with one more attempt.
    let retry = |item: &Value| daemon.admin().post(&format!("/api/v1/messages/{}/retry", id(item)), &json!({}));
    assert_eq!(retry(&failed[1]).status, 202);
    let watch = Stopwatch::start();
    while daemon.admin().get("/api/v1/messages?state=failed").json["items"][0]["attempts"] != 2 {
        assert!(watch.elapsed() < Duration::from_secs(30), "it is not tried again");
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.advance(SignedDuration::from_hours(24));
    assert_eq!((retry(&failed[1]).status, retry(&failed[1]).code()), (409, "message_over"));
    for unknown in ["/api/v1/messages/99999", "/api/v1/messages/x"] {
        assert_eq!(daemon.admin().delete(unknown).status, 404, "{unknown}");
    }
    for wrong in ["state=sent", "cursor=x", "limit=0"] {
        assert_eq!(daemon.admin().get(&format!("/api/v1/messages?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(smtpd.mails().len(), 1);
    let trail = daemon.admin().get("/api/v1/audit?limit=100").json;
    for action in ["message.retried", "message.dropped"] {
        let lines = trail["items"].as_array().unwrap().iter().filter(|line| line["action"] == action);
        let told: Vec<_> = lines.map(|line| line["details"].to_string()).collect();
        assert_eq!(told.len(), 2, "{action}: {trail}");
        for details in told {
            let names = ["grey-a", "grey-b", "rcpt550-a", "data554-b"];
            assert!(details.contains("***@example.org"), "{details}");
            assert!(!names.iter().any(|name| details.contains(name)), "addresses are masked: {details}");
        }
    }
}

#[test]
fn the_list_comes_in_pages() {
    let smtpd = Smtpd::start(&["--refuse", "451"]);
    let daemon = TestDaemon::start(&mail(smtpd.port, ""));
    for n in 0..5 {
        new_user(&daemon, &format!("ada{n}"));
    }
    listed(&daemon, "waiting", 5);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.admin().get(&format!("/api/v1/messages?limit=2{cursor}")).json;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_test_of_mail_tells_what_the_server_said_and_how_tls_went() {
    let smtpd = Smtpd::start(&[]);
    let daemon = TestDaemon::start(&mail(smtpd.port, "language = \"zh-Hans\""));
    let (good, told) = said(&daemon, &["mail", "test", "grace@example.org"]);
    assert!(
        good && told.contains("the mail server took it: 250 2.0.0 OK, kept") && told.contains("not protected"),
        "{told}"
    );
    let arrived = mail_to(&smtpd, "grace@example.org");
    assert!(part(&arrived.text, "text/plain").contains("这是一封测试邮件"), "{}", arrived.text);
    assert!(arrived.text.contains("\r\nContent-Language: zh-Hans\r\n"), "{}", arrived.text);
    assert!(daemon.admin().get("/api/v1/messages").json["items"].as_array().unwrap().is_empty());
    let trail = daemon.admin().get("/api/v1/audit?limit=9").json.to_string();
    assert!(trail.contains("mail.tested") && trail.contains("g***@example.org"), "{trail}");

    let refusing = Smtpd::start(&["--refuse", "550"]);
    let daemon = TestDaemon::start(&mail(refusing.port, ""));
    let (good, told) = said(&daemon, &["mail", "test", "grace@example.org"]);
    assert!(!good && told.contains("it was not sent: the mail server answered 550 5.1.1"), "{told}");
    assert!(!said(&TestDaemon::start(""), &["mail", "test", "grace@example.org"]).0, "no mail is configured");
}

/// F-03: one address, as one text, and nothing else.
#[test]
fn what_is_not_exactly_one_address_is_refused_where_it_enters() {
    let daemon = TestDaemon::start(&mail(9, ""));
    let admin = daemon.admin();
    let bad = [
        json!("ada@example.org\r\nBcc: eve@example.org"),
        json!("ada@example.org\n"),
        json!("ada@example.org,eve@example.org"),
        json!("ada@example.org eve@example.org"),
        json!("ada@example.org;eve@example.org"),
        json!("Ada <ada@example.org>"),
        json!("\"ada\"@example.org"),
        json!(["ada@example.org", "eve@example.org"]),
        json!({"address": "ada@example.org"}),
        json!(null),
        json!(""),
    ];
    for to in &bad {
        let answer = admin.post("/api/v1/mail/test", &json!({"to": to}));
        assert_eq!(answer.status, 400, "{to}: {answer:?}");
        let user = json!({"username": "ada", "name": "Ada", "email": to, "password": PASSWORD});
        assert_eq!(admin.post("/api/v1/users", &user).status, 400, "{to}");
    }
    let twice = Some("{\"to\":\"ada@example.org\",\"to\":\"eve@example.org\"}".to_owned());
    assert_eq!(admin.call("POST", "/api/v1/mail/test", twice, &[]).status, 400);
}

#[test]
fn a_wrong_certificate_a_missing_starttls_and_refused_credentials_say_what_to_do() {
    let path = |name: &str| file(name).display().to_string();
    let test = |smtpd: &Smtpd, more: &str| {
        let settings = mail(smtpd.port, more).replace("tls = \"none\"", "tls = \"starttls\"");
        said(&TestDaemon::start(&settings), &["mail", "test", "ada@example.org"])
    };
    let with = |certificate: &str| Smtpd::start(&["--starttls", &path(certificate), &path("server.key")]);
    let ca = |name: &str| format!("ca_file = {:?}", path(name));
    let (good, told) = test(&with("server.pem"), &ca("ca.pem"));
    assert!(good && told.contains("STARTTLS, and the certificate is one for localhost"), "{told}");
    for (certificate, authority, what) in
        [("server.pem", "other.pem", "mail.ca_file"), ("expired.pem", "ca.pem", "it has ended")]
    {
        let smtpd = with(certificate);
        let (good, told) = test(&smtpd, &ca(authority));
        assert!(!good && told.contains(what) && told.contains("the certificate of localhost:"), "{told}");
        assert!(smtpd.mails().is_empty());
    }
    let (good, told) = test(&Smtpd::start(&[]), "");
    assert!(!good && told.contains("offers no STARTTLS: set mail.tls"), "{told}");
    let login = Smtpd::start(&["--login", "musterd:right"]);
    let settings = mail(login.port, "username = \"musterd\"\npassword = \"surely wrong\"");
    let (good, told) = said(&TestDaemon::start(&settings), &["mail", "test", "ada@example.org"]);
    assert!(!good && told.contains("answered 535") && told.contains("mail.username and mail.password"), "{told}");
    assert!(!told.contains("surely wrong"), "{told}");
}

#[test]
fn a_user_reads_the_language_that_the_identity_provider_says_and_the_words_of_the_operator() {
    let smtpd = Smtpd::start(&[]);
    let templates = tempfile::tempdir().unwrap();
    std::fs::create_dir(templates.path().join("zh-Hans")).unwrap();
    let own = "Subject: 登录方式变更\n{% extends \"layout.txt\" %}{% block said %}我们的话。{% endblock %}";
    std::fs::write(templates.path().join("zh-Hans/factors_reset.txt"), own).unwrap();
    let settings = format!(
        "{}[[sources]]\nid = \"okta\"\nkind = \"scim\"\n",
        mail(smtpd.port, &format!("templates = {:?}", templates.path()))
    );
    let daemon = TestDaemon::start(&settings);
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    for (name, language) in [("wang", "zh-CN"), ("ada", "en-GB")] {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "displayName": "王 {{7*7}}",
            "preferredLanguage": language, "emails": [{"value": format!("{name}@example.org"), "primary": true}],
        });
        assert_eq!(okta.post("/scim/v2/Users", &user).status, 201);
        let user = daemon.admin().get(&format!("/api/v1/users/{name}")).text("/id");
        let user: musterd::base::id::UserId = user.parse().unwrap();
        let store = daemon.inside.store.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tell = move |tx: &mut musterd::store::tx::Tx<'_>| {
            let user = musterd::store::users::get(tx, user)?.unwrap();
            musterd::store::outbox::tell(tx, &user, musterd::directory::message::Body::FactorsReset)
        };
        runtime.block_on(store.write::<_, musterd::store::StoreError>(tell)).unwrap();
    }
    daemon.inside.driver.poke("outbox");
    let chinese = mail_to(&smtpd, "wang@example.org");
    let text = part(&chinese.text, "text/plain");
    assert!(text.starts_with("王 {{7*7}}，您好：\n\n我们的话。\n"), "{text}");
    assert!(part(&chinese.text, "text/html").contains("第二重验证"), "the page is the shipped one");
    let english = mail_to(&smtpd, "ada@example.org");
    assert!(part(&english.text, "text/plain").contains("second factors of your account have been removed"));
}

#[test]
fn the_check_names_every_fault_of_mail_at_once() {
    let daemon = TestDaemon::start("");
    let folder = daemon.folder().join("templates");
    std::fs::create_dir_all(folder.join("en")).unwrap();
    std::fs::write(folder.join("en/code.txt"), "Subject: Code\n\n{{ kode }}\n").unwrap();
    std::fs::write(folder.join("en/alarm.html"), "<p>\n{% if %}\n").unwrap();
    let more = format!(
        "templates = {folder:?}\nca_file = \"/nowhere/ca.pem\"\nconnections = 0\nlanguage = \"de\"\n\
         time_zone = \"Mars/Base\"\nreply_to = \"nobody\"\nsend_timeout = \"0s\""
    );
    let path = daemon.folder().join("musterd.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings + &mail(25, &more)).unwrap();
    let (good, told) = said(&daemon, &["check"]);
    assert!(!good);
    for part in [
        "en/code.txt:3: there is no \"kode\" here; there are code, language, minutes, name, product, subject",
        "en/alarm.html:2: syntax error",
        "mail.ca_file",
        "mail.connections",
        "mail.language",
        "mail.time_zone",
        "mail.reply_to",
        "mail.send_timeout",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
}

#[test]
fn a_list_has_no_end_of_its_own_and_all_of_a_kind_are_tried_again() {
    let daemon = TestDaemon::start("");
    let store = daemon.inside.store.clone();
    let write = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let end = |days: u64| plus(tx.now(), Duration::from_secs(days * 86_400));
        let link = || Said::SetPassword { url: "https://id.example.org/x".to_owned() };
        let tests = (0..1_001).map(|_| (Said::MailTest, end(3)));
        for (body, end) in tests.chain([(link(), end(3)), (link(), end(0))]).collect::<Vec<_>>() {
            let message = Message::to_address("ada@example.org", body, tx.now(), end);
            let id = outbox::push(tx, &message)?;
            undelivered::give_up(tx, id, message, Outcome::Refused)?;
        }
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store.write::<_, StoreError>(write)).unwrap();
    let listed = |state: &str| {
        let (_, text) = said(&daemon, &["message", "list", "--state", state, "--json"]);
        serde_json::from_str::<Value>(&text).unwrap()["items"].as_array().unwrap().len()
    };
    assert_eq!((listed("failed"), listed("waiting")), (1_003, 0));
    let (is_done, text) = said(&daemon, &["message", "retry", "--all", "--kind", "set_password"]);
    assert!(is_done && text.contains("1 are tried again now; 1 are of no use any more"), "{text}");
    assert_eq!((listed("failed"), listed("waiting")), (1_002, 1));
    for wrong in [&["message", "retry"][..], &["message", "retry", "1", "--all"], &["message", "retry", "--kind", "x"]]
    {
        assert!(!said(&daemon, wrong).0, "{wrong:?}");
    }
}

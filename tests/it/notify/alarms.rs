//! Alarms and figures of a real daemon, with a real mail server and the parser of Prometheus.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{part, wait_for};
use crate::harness::daemon::TestDaemon;
use crate::harness::operation_peers::figures;
use crate::harness::smtpd::Smtpd;

/// A source that nobody answers for, and somebody to be told.
fn settings(smtpd: &Smtpd) -> String {
    format!(
        "[alerts]\nrecipients = [\"ops@example.org\", \"it@example.org\"]\n\
         [mail]\nhost = \"127.0.0.1\"\ntls = \"none\"\nport = {}\nfrom = \"directory@example.org\"\n\
         [[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"ldap://127.0.0.1:1\"]\nbase_dn = \"dc=x\"\n\
         schedule = \"30d\"\n",
        smtpd.port
    )
}

/// Looks for what needs a person, and sends what there is to send.
fn look(daemon: &TestDaemon) {
    let driver = &daemon.inside.driver;
    for task in ["alarms", "outbox"] {
        let before = driver.status().get(task).unwrap().last_run;
        daemon.advance(SignedDuration::from_millis(1));
        assert!(driver.poke(task));
        wait_for(|| {
            let status = driver.status().remove(task)?;
            (status.last_run > before && status.running_since.is_none()).then_some(())
        });
    }
}

fn causes(answer: &Value) -> Vec<String> {
    answer["items"].as_array().unwrap().iter().map(|item| item["cause"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_source_that_fails_is_mailed_once_a_day_over_restarts_and_shown_everywhere() {
    let smtpd = Smtpd::start(&[]);
    let daemon = TestDaemon::start(&settings(&smtpd));
    let admin = daemon.admin();
    assert_eq!(admin.post("/api/v1/sources/corp/sync", &json!({})).json["outcome"]["is"], "failed");
    for _ in 0..3 {
        look(&daemon);
    }
    let mails = smtpd.mails();
    assert_eq!(mails.len(), 2, "one for each, and one only");
    let said = part(&mails[0].text, "text/plain");
    assert!(said.contains("run of corp failed"), "{said}");
    let shown = admin.get("/api/v1/alarms").json;
    assert_eq!(causes(&shown), ["run_failed:corp"]);
    let listed = String::from_utf8(daemon.musterd(&["alarm", "list"]).stdout).unwrap();
    assert!(listed.contains("run_failed:corp") && listed.contains("musterd source test corp"), "{listed}");
    let daemon = daemon.restart();
    look(&daemon);
    assert_eq!(smtpd.mails().len(), 2, "a restart tells nobody twice");
    daemon.advance(SignedDuration::from_hours(24));
    look(&daemon);
    assert_eq!(smtpd.mails().len(), 4);
    let metrics = daemon.with_token(&daemon.token(&["--scope", "metrics.view"]));
    let scraped = metrics.get("/metrics");
    let found = figures(scraped.json.as_str().unwrap());
    assert_eq!(found["musterd_alarm{kind=run_failed,of=corp}"], 1.0);
    let none = daemon.with_token(&daemon.token(&["--scope", "users.view"]));
    assert_eq!((none.get("/metrics").status, none.get("/api/v1/alarms").status), (403, 403));
}

#[test]
fn prometheus_reads_the_figures() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    daemon.local_user("ada", "correct horse battery staple");
    daemon.session("ada", "correct horse battery staple");
    daemon.login("ada", "wrong");
    let metrics = daemon.with_token(&daemon.token(&["--scope", "metrics.view"]));
    look(&daemon);
    let answer = metrics.get("/metrics");
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"));
    let found = figures(answer.json.as_str().unwrap());
    for (name, number) in [
        ("musterd_alarms{}", 0.0),
        ("musterd_build_info{version=0.1.0}", 1.0),
        ("musterd_logins_total{outcome=authenticated}", 1.0),
        ("musterd_logins_total{outcome=invalid_credentials}", 1.0),
        ("musterd_login_duration_seconds_count{}", 2.0),
        ("musterd_outbox_messages{via=mail}", 0.0),
        ("musterd_outbox_given_up_messages{outcome=refused,via=mail}", 0.0),
        ("musterd_users{source=local,state=present}", 2.0),
        ("musterd_users{source=local,state=active}", 2.0),
        ("musterd_users{source=okta,state=present}", 0.0),
        ("musterd_store_writable{}", 1.0),
        ("musterd_plans_held{}", 0.0),
        ("musterd_hashing_pending{}", 0.0),
        ("musterd_task_failed{task=alarms}", 0.0),
    ] {
        assert_eq!(found.get(name), Some(&number), "{name} in {found:#?}");
    }
    assert!(
        found["musterd_http_requests_total{status=2xx}"] >= 2.0
            && found["musterd_task_last_run_timestamp_seconds{task=alarms}"] > 1.7e9
    );
    assert!(found.contains_key("musterd_task_last_duration_seconds{task=alarms}"));
    let text = answer.json.as_str().unwrap();
    assert!(!text.contains("ada") && text.ends_with("# EOF\n"), "{text}");
}

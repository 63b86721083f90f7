//! What is wrong with webhooks and with who is told of alarms is said by its key, and no secret is repeated.

use super::*;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn portal(more: &str) -> String {
    let url = "url = \"https://portal.example.org/hooks\"";
    format!(
        "[[webhooks]]\nname = \"portal\"\n{url}\nsecret = \"{SECRET}\"\nevents = [\"user.*\", \"login.refused\"]\n{more}"
    )
}

#[test]
fn a_webhook_is_read_and_its_secret_masked() {
    let loaded = good(&portal(&format!("second_secret = \"{SECRET}\"\n")), &[]);
    let webhook = &loaded.settings.webhooks[0];
    assert_eq!((webhook.name.as_str(), webhook.keys.len(), webhook.timeout.as_secs()), ("portal", 2, 10));
    assert!(webhook.events[0].chooses("user.created") && !webhook.events[1].chooses("login.succeeded"));
    assert_eq!(effective(&loaded, "webhooks.portal.secret").0, MASK);
}

#[test]
fn what_is_wrong_with_a_webhook_is_said_by_its_key() {
    let with = |old: &str, new: &str| portal("").replace(old, new);
    let long = "x".repeat(65);
    for (text, start) in [
        (
            with("https://", "http://"),
            "musterd.toml:3: webhooks.portal.url: `http://portal.example.org/hooks` would send",
        ),
        (with("/hooks", "/hooks?token=hunter2"), "musterd.toml:3: webhooks.portal.url: "),
        (
            with("https://portal", "https://ada:hunter2@portal"),
            "musterd.toml:3: webhooks.portal.url: must hold no name",
        ),
        (with("https://portal.example.org/hooks", "portal"), "musterd.toml:3: webhooks.portal.url: "),
        (with(SECRET, "whsec_aHVudGVyMg=="), "musterd.toml:4: webhooks.portal.secret: must be whsec_ and 24 to 64"),
        (with(SECRET, "hunter2"), "musterd.toml:4: webhooks.portal.secret: must be whsec_"),
        (with(&format!("secret = \"{SECRET}\"\n"), ""), "musterd.toml:1: webhooks.portal.secret: is missing"),
        (with("user.*", "user.married"), "musterd.toml:5: webhooks.portal.events: each must be \"*\", a family"),
        (with("\"user.*\", \"login.refused\"", ""), "musterd.toml:5: webhooks.portal.events: names none"),
        (with("\"portal\"", "\"the portal\""), "musterd.toml:2: webhooks[0].name: must be at most 64 letters"),
        (with("\"portal\"", &format!("{long:?}")), "musterd.toml:2: webhooks[0].name: must be at most 64 letters"),
        (portal("ca_file = \"/nonexistent\""), "musterd.toml:6: webhooks.portal.ca_file: /nonexistent cannot be read"),
        (portal("timeout = \"5m\""), "musterd.toml:6: webhooks.portal.timeout: must be 1s to 1m"),
        (portal("verify = false"), "musterd.toml:6: webhooks.portal.verify: unknown key"),
        (portal(&portal("")), "musterd.toml:7: webhooks.portal.name: is the name of another webhook"),
        (portal("second_secret = \"hunter2\""), "musterd.toml:6: webhooks.portal.second_secret: must be whsec_"),
    ] {
        let faults = Desk::new(&text).faults(&[]);
        assert!(faults.iter().any(|fault| fault.starts_with(start)), "{faults:?} is not {start:?}");
        assert!(!faults.concat().contains("hunter2") && !faults.concat().contains(SECRET), "{faults:?}");
    }
    let many: String = (0..11).map(|number| portal("").replace("portal", &format!("p{number}"))).collect();
    let faults = Desk::new(&many).faults(&[]);
    assert!(faults.len() == 1 && faults[0].contains("is one too many"), "{faults:?}");
}

#[test]
fn who_is_told_of_alarms_is_one_address_each() {
    let loaded = good("[alerts]\nrecipients = [\"ops@example.org\", \"it@example.org\"]\n", &[]);
    assert_eq!(loaded.settings.alerts.recipients.len(), 2);
    let [doubt] = &loaded.doubts[..] else { panic!("{:?}", loaded.doubts) };
    assert!(doubt.to_string().ends_with(":2: alerts.recipients: nobody can be told by mail without a section [mail]"));
    let mail = "[mail]\nhost = \"mail.example.org\"\nfrom = \"id@example.org\"\n";
    assert!(good(&format!("{mail}[alerts]\nrecipients = [\"ops@example.org\"]\n"), &[]).doubts.is_empty());
    for bad in
        ["ops", "ops@example.org\\r\\nBcc: eve@example.org", "a@example.org, b@example.org", "", "Ops <o@example.org>"]
    {
        let faults = Desk::new(&format!("[alerts]\nrecipients = [\"{bad}\"]\n")).faults(&[]);
        let start = "musterd.toml:2: alerts.recipients: each must be one address such as ops@example.org";
        assert!(faults.len() == 1 && faults[0].starts_with(start), "{bad:?}: {faults:?}");
    }
    let many: Vec<String> = (0..21).map(|number| format!("\"a{number}@example.org\"")).collect();
    let faults = Desk::new(&format!("[alerts]\nrecipients = [{}]\n", many.join(", "))).faults(&[]);
    assert!(faults.len() == 1 && faults[0].contains("names more than 20"), "{faults:?}");
}

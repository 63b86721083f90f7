//! The sample file: it loads, it says the defaults, and it holds every key.

use super::*;

const SAMPLE: &str = include_str!("../../../config/musterd.toml");

/// The keys of secrets.
const SECRETS: [&str; 10] = [
    "password",
    "bind_password",
    "token",
    "client_secret",
    "auth_token",
    "access_key_secret",
    "secret_key",
    "hmac_key",
    "secret",
    "second_secret",
];

fn is_secret_file(key: &str) -> bool {
    key.strip_suffix("_file").is_some_and(|key| SECRETS.contains(&key))
}

/// The sample with every setting taken out of its comment, and with one of the two ways to give a secret. Files that
/// it names are made in the folder.
fn uncommented(desk: &Desk, secrets_in_files: bool) -> String {
    let secret = desk.write("secret", "x", 0o600);
    let whsec = desk.write("whsec", &format!("whsec_{}", "x".repeat(40)), 0o600);
    let long = desk.write("long", &"x".repeat(32), 0o600);
    let key = desk.write("key.pem", super::face::PUBLIC, 0o644);
    let pem = desk.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0o644);
    let templates = desk.folder.path().join("templates");
    std::fs::create_dir_all(&templates).unwrap();
    let mut text = String::new();
    for line in SAMPLE.lines() {
        let line = match line.strip_prefix('#') {
            Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
            _ => line,
        };
        let line = match line.split_once(" = ").map_or("", |(key, _)| key) {
            key if SECRETS.contains(&key) && secrets_in_files => String::new(),
            // Those of webhooks have a form.
            key @ ("secret_file" | "second_secret_file") if secrets_in_files => format!("{key} = {whsec:?}"),
            // The only secret of the Active Directory example is in a file.
            key @ "bind_password_file" if line.contains("/ad-") => format!("{key} = {secret:?}"),
            key if is_secret_file(key) && secrets_in_files => format!("{key} = {secret:?}"),
            key if is_secret_file(key) => String::new(),
            // Results of faces are known by a secret or by a public key.
            "algorithm" if secrets_in_files && line.contains("EdDSA") => "algorithm = \"HS256\"".to_owned(),
            "key_file" if secrets_in_files => format!("key_file = {long:?}"),
            "public_key_file" if !secrets_in_files => format!("public_key_file = {key:?}"),
            "key_file" | "public_key_file" => String::new(),
            "ca_file" => format!("ca_file = {pem:?}"),
            "templates" => format!("templates = {templates:?}"),
            _ => line.to_owned(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn shown(loaded: &Loaded) -> Vec<(String, String)> {
    loaded.effective.iter().map(|effective| (effective.key.clone(), effective.value.clone())).collect()
}

#[test]
fn the_sample_as_shipped_loads_to_the_defaults() {
    let loaded = good(SAMPLE, &[]);
    let nothing = load_file(None, &[]).ok().unwrap();
    assert_eq!(loaded.effective, nothing.effective);
    assert_eq!(loaded.settings.sources.len(), 1);
    assert!(loaded.settings.mail.is_none());
    assert!(loaded.settings.sms.providers.is_empty() && !loaded.settings.sms.policy.admits("+31612345600"));
}

#[test]
fn the_sample_loads_with_every_setting_taken_out_of_its_comment() {
    let nothing = shown(&load_file(None, &[]).ok().unwrap());
    for secrets_in_files in [true, false] {
        let desk = Desk::new("");
        desk.write("musterd.toml", &uncommented(&desk, secrets_in_files), 0o600);
        let loaded = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
        let ids: Vec<_> = loaded.settings.sources.iter().map(|source| source.id.as_str()).collect();
        assert_eq!(ids, ["local", "corp", "ad", "okta", "hr", "crm"]);
        assert!(loaded.settings.mail.is_some());
        assert_eq!((loaded.settings.webhooks.len(), loaded.settings.webhooks[0].keys.len()), (1, 2));
        let providers: Vec<_> = loaded.settings.sms.providers.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(providers, ["twilio", "alibaba", "tencent", "carrier", "other"]);
        // What stands in the sample as a default is the default.
        let all = shown(&loaded);
        for pair in &nothing {
            assert!(all.contains(pair), "{pair:?} is not what the sample says");
        }
    }
}

#[test]
fn the_ldap_example_says_the_defaults() {
    let desk = Desk::new("");
    let minimal = good(CORP, &[]);
    desk.write("musterd.toml", &uncommented(&desk, false), 0o600);
    let full = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
    let examples = [
        "urls",
        "base_dn",
        "bind_dn",
        "bind_password",
        "ca_file",
        "group_grants",
        // What these are by default depends on the kind of server: the sample shows OpenLDAP's.
        "user_filter",
        "id_attribute",
        "group_base_dn",
        "group_filter",
    ];
    let is_example = |key: &str| {
        let key = key.trim_start_matches("sources.corp.");
        examples.contains(&key) || key.starts_with("attributes.") || key.starts_with("group_attributes.")
    };
    for (key, value) in shown(&minimal).into_iter().filter(|(key, _)| key.starts_with("sources.corp.")) {
        assert!(is_example(&key) || effective(&full, &key).0 == value, "{key} is not {value} by default");
    }
}

#[test]
fn the_scim_example_says_the_defaults() {
    let desk = Desk::new("");
    let minimal = good("[[sources]]\nid = \"hr\"\nkind = \"scim-pull\"\nurl = \"https://x\"\ntoken = \"t\"\n", &[]);
    desk.write("musterd.toml", &uncommented(&desk, false), 0o600);
    let full = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
    let examples = ["url", "token", "ca_file", "user_filter", "group_grants", "verify_with"];
    let is_example = |key: &str| {
        let key = key.trim_start_matches("sources.hr.");
        examples.contains(&key) || key.starts_with("attributes.")
    };
    for (key, value) in shown(&minimal).into_iter().filter(|(key, _)| key.starts_with("sources.hr.")) {
        assert!(is_example(&key) || effective(&full, &key).0 == value, "{key} is not {value} by default");
    }
}

/// What every provider of texts has is told with the first; a bearer token, only in words.
fn is_told_once(key: &str) -> bool {
    let key = key.strip_prefix("sms.").and_then(|key| key.split_once('.')).map(|(_, key)| key);
    key.is_some_and(|key| ["ca_file", "connect_timeout", "timeout", "token", "token_file"].contains(&key))
}

#[test]
fn every_key_that_is_known_stands_in_the_sample() {
    let mut missing: Option<Vec<String>> = None;
    for secrets_in_files in [true, false] {
        let desk = Desk::new("");
        desk.write("musterd.toml", &uncommented(&desk, secrets_in_files), 0o600);
        let loaded = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.effective.len() > 90, "{}", loaded.effective.len());
        let unset = loaded.effective.iter().filter(|effective| !effective.is_pinned());
        // An example that follows another of its kind says only what differs; and of two ways in, each shows one.
        let is_told = |key: &str| {
            let told_by_crm = ["token_url", "client_id", "client_secret", "client_secret_file", "scope"];
            let of_hr = key.strip_prefix("sources.hr.");
            let of_crm = key.strip_prefix("sources.crm.");
            of_hr.is_some_and(|key| told_by_crm.contains(&key))
                || of_crm.is_some_and(|key| !told_by_crm.contains(&key))
                || key.starts_with("sources.ad.")
                || is_told_once(key)
        };
        let unset: Vec<String> = unset.map(|effective| effective.key.clone()).filter(|key| !is_told(key)).collect();
        missing = Some(match missing {
            None => unset,
            Some(before) => before.into_iter().filter(|key| unset.contains(key)).collect(),
        });
    }
    assert_eq!(missing, Some(Vec::new()));
}

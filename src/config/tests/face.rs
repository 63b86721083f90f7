//! A face is a second factor only where a provider is known by its key, and the administrator says so.

use super::*;

/// A public key of RFC 8410 §10.1.
pub(super) const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const SECRET: &str = "a secret of at least thirty-two bytes";

fn desk(section: &str) -> Desk {
    let desk = Desk::new("");
    let key = desk.write("key.pem", PUBLIC, 0o644);
    let text = section.replace("KEY", &key.display().to_string());
    desk.write("musterd.toml", &text, 0o644);
    desk
}

const PROVIDER: &str = "[face]\nurl = \"https://faces.example.org/v1\"\ntoken = \"t\"\n";

#[test]
fn a_provider_is_known_by_a_public_key_or_a_secret() {
    let by_key = desk(&format!("{PROVIDER}public_key_file = \"KEY\"\nmin_score = 0.9\n"));
    let loaded = by_key.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
    let face = loaded.settings.face.as_ref().unwrap();
    assert_eq!((face.url.as_str(), face.timeout), ("https://faces.example.org/v1", Duration::from_secs(5)));
    assert_eq!(face.min_score, Some(0.9));
    assert!(!loaded.settings.auth.mfa.methods.contains(&crate::directory::factor::Method::Face), "off by default");
    let by_secret = good(&format!("{PROVIDER}algorithm = \"HS256\"\nkey = \"{SECRET}\"\n"), &[]);
    assert!(by_secret.settings.face.is_some());
    assert_eq!(effective(&by_secret, "face.key").0, MASK);
    assert_eq!(effective(&by_secret, "face.token").0, MASK);
}

#[test]
fn what_is_wrong_with_a_provider_is_said_by_its_key() {
    let with = |more: &str| format!("{PROVIDER}{more}\n");
    for (text, start) in [
        (with(""), "musterd.toml:1: face.public_key_file: is missing"),
        (with("public_key_file = \"/nonexistent\""), "musterd.toml:4: face.public_key_file: /nonexistent: "),
        (with("algorithm = \"HS256\""), "musterd.toml:1: face.key: is missing"),
        (with("algorithm = \"HS256\"\nkey = \"short\""), "musterd.toml:5: face.key: must have at least 32 bytes"),
        (with(&format!("public_key_file = \"KEY\"\nkey = \"{SECRET}\"")), "musterd.toml:5: face.key: is not for"),
        (with("algorithm = \"none\""), "musterd.toml:4: face.algorithm: must be one of"),
        (with("public_key_file = \"KEY\"\nmin_score = -1"), "musterd.toml:5: face.min_score: must be 0 to"),
        (with("public_key_file = \"KEY\"\ntimeout = \"5m\""), "musterd.toml:5: face.timeout: must be 1s to 1m"),
        (with("public_key_file = \"KEY\"\nverify = false"), "musterd.toml:5: face.verify: "),
        (with("public_key_file = \"KEY\"").replace("https", "http"), "musterd.toml:2: face.url: "),
        (
            with("public_key_file = \"KEY\"").replace("\"t\"", "\"a b\""),
            "musterd.toml:3: face.token: must be printable",
        ),
        (with("public_key_file = \"KEY\"").replace("token = \"t\"\n", ""), "musterd.toml:1: face.token: is missing"),
    ] {
        let faults = desk(&text).faults(&[]);
        assert!(faults.iter().any(|fault| fault.starts_with(start)), "{faults:?} is not {start:?}");
        assert!(!faults.concat().contains(SECRET));
    }
}

#[test]
fn a_face_is_asked_for_only_where_the_administrator_accepts_it_beside_a_password() {
    let methods = "[mfa]\nmethods = [\"totp\", \"face\"]\n";
    let start = "musterd.toml:2: mfa.methods: names face, but ";
    let faults = Desk::new(methods).faults(&[]);
    assert!(faults.len() == 1 && faults[0].starts_with(&format!("{start}there is no section [face]")), "{faults:?}");
    let provider = format!("{methods}{PROVIDER}public_key_file = \"KEY\"\n");
    for more in ["", "beside_password = false\n"] {
        let faults = desk(&format!("{provider}{more}")).faults(&[]);
        let said = format!("{start}face.beside_password is not true");
        assert!(faults.len() == 1 && faults[0].starts_with(&said), "{faults:?}");
    }
    let accepted = desk(&format!("{provider}beside_password = true\n"));
    let loaded = accepted.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(loaded.settings.auth.mfa.methods.contains(&crate::directory::factor::Method::Face));
    let alone = desk(&format!(
        "{}{PROVIDER}public_key_file = \"KEY\"\nbeside_password = true\n",
        methods.replace("\"totp\", ", "")
    ));
    assert!(alone.load(&[]).is_ok());
}

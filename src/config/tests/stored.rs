//! What was set at run time: it lies under file and environment, is read like them, and keeps no daemon from starting.

use serde_json::json;

use super::*;

fn stored(values: serde_json::Value) -> Stored {
    serde_json::from_value(values).unwrap()
}

fn with(written: &Written, values: serde_json::Value) -> Result<Loaded, Vec<String>> {
    let loaded = written.with(&stored(values), Timestamp::UNIX_EPOCH);
    loaded.map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}

#[test]
fn it_lies_over_the_defaults_and_under_the_file_and_the_environment() {
    let env = [("MUSTERD__MFA__POLICY", "off")];
    let written = good("[login]\ndeadline = \"8s\"\n", &env).written;
    let values = json!({"login.deadline": "3s", "mfa.policy": "all", "lockout.wait": "1h", "mfa.groups": ["a", "b"]});
    let loaded = with(&written, values).unwrap_or_else(|faults| panic!("{faults:?}"));
    let auth = &loaded.settings.auth;
    assert_eq!((auth.deadline, auth.lockout.wait), (Duration::from_secs(8), Duration::from_secs(3600)));
    assert_eq!((auth.mfa.rules.mode, auth.mfa.rules.groups.len()), (crate::directory::policy::MfaMode::Off, 2));
    assert_eq!(effective(&loaded, "lockout.wait"), ("\"1h\"".to_owned(), "stored".to_owned()));
    assert!(!loaded.is_pinned("lockout.wait") && loaded.is_pinned("login.deadline") && loaded.is_pinned("mfa.policy"));
    let one = loaded.effective.iter().find(|one| one.key == "lockout.wait").unwrap();
    assert_eq!(one.default, "\"15m\"");
}

#[test]
fn everything_that_is_wrong_with_it_is_told_at_once_by_the_readers_of_the_file() {
    let written = good("", &[]).written;
    let values = json!({
        "login.deadline": 7, "login.deadlin": "7s", "mfa.policy": "some", "passwords.history": 2.5,
        "server.listen": "0.0.0.0:1", "sources[0].id": "x", "lockout": true, "mail.host": "x",
        "inactivity.roles.nobody": "30d", "users.default_lifetime": {"a": 1},
    });
    let faults = with(&written, values).err().unwrap();
    for expected in [
        "login.deadlin (set at run time): unknown key; did you mean login.deadline?",
        "login.deadline (set at run time): must be a duration in quotes, such as \"30s\", \"15m\" or \"7d\"",
        "mfa.policy (set at run time): must be one of \"off\", \"all\", \"administrators\"",
        "passwords.history (set at run time): must be a whole number, without quotes",
        "server.listen (set at run time): is no policy: set it in the file, and start again",
        "sources[0].id (set at run time): unknown key",
        "inactivity.roles.nobody (set at run time): unknown key",
    ] {
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected} in {faults:#?}");
    }
    for key in ["lockout", "mail.host", "users.default_lifetime"] {
        assert!(faults.iter().any(|fault| fault.starts_with(&format!("{key} "))), "{key} in {faults:#?}");
    }
}

#[test]
fn what_does_not_fit_is_left_out_alone_and_what_is_wrong_with_the_file_is_told() {
    let values = json!({"sessions.idle": "12h", "mfa.policy": "all", "login.gone": 1, "mfa.issuer": "x"});
    let written = good("[sessions]\nabsolute = \"6h\"\n", &[]).written;
    let loaded = written.with_what_fits(stored(values), Timestamp::UNIX_EPOCH).ok().unwrap();
    let left: Vec<_> = loaded.left_out.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(left, ["login.gone", "mfa.issuer", "sessions.idle"]);
    assert_eq!(loaded.settings.auth.mfa.rules.mode, crate::directory::policy::MfaMode::All);
    assert_eq!(loaded.settings.auth.sessions.idle, Duration::from_secs(3600));
    // The fault is the file's, by a value that was set at run time.
    let written = good("[notices]\naccount_daily_from = \"5d\"\n", &[]).written;
    let values = json!({"notices.account_first": "4d", "notices.copy_to": [], "mfa.policy": "all"});
    let loaded = written.with_what_fits(stored(values), Timestamp::UNIX_EPOCH).ok().unwrap();
    let left: Vec<_> = loaded.left_out.iter().map(|fault| fault.key.as_str()).collect();
    assert_eq!(left, ["notices.account_first"], "what stands beside it stays");
}

#[test]
fn a_file_is_read_again_as_it_is_now() {
    let desk = Desk::new("[login]\ndeadline = \"8s\"\n");
    let before = desk.load(&[("MUSTERD__MFA__POLICY", "all")]).ok().unwrap();
    desk.write(
        "musterd.toml",
        "[login]\ndeadline = \"9s\"\n[mail]\nhost = \"x\"\nfrom = \"a@b.c\"\npassword = \"p\"\nusername = \"u\"\n",
        0o600,
    );
    let again = before.written.again().ok().unwrap();
    let after = again.with(&Stored::new(), Timestamp::UNIX_EPOCH).unwrap_or_else(|faults| panic!("{faults}"));
    let keys: Vec<_> =
        differences(&before, &after).into_iter().map(|one| one.key).filter(|key| !key.starts_with("mail.")).collect();
    assert_eq!(keys, ["login.deadline"], "the environment is as it was");
    let taken = before.taking(&after);
    assert_eq!(taken.settings.auth.deadline, Duration::from_secs(9));
    assert!(taken.settings.mail.is_none() && !taken.settings.lifecycle.notices.can_leave, "mail waits for a restart");
    let left: Vec<_> = differences(&taken, &after).into_iter().map(|one| one.key).collect();
    assert!(left.iter().all(|key| key.starts_with("mail.")) && left.len() > 3, "and differs until then: {left:?}");
}

#[test]
fn what_goes_by_a_section_that_waits_for_a_restart_waits_with_it() {
    let mail = "[mail]\nhost = \"x\"\nfrom = \"a@b.c\"\n";
    let (without, quiet) = (good("", &[]), "[inactivity]\nthreshold = \"90d\"\n");
    let untimely = |running: &Loaded, text: &str| {
        let new = good(text, &[]);
        policy::untimely(&running.taking(&new).settings, &running.settings, &new.settings)
    };
    let found = untimely(&without, &format!("{mail}{quiet}"));
    assert!(matches!(&found[..], [one] if one.starts_with("inactivity would disable")), "{found:?}");
    let found = untimely(&without, &format!("{mail}[mfa]\nmethods = [\"totp\", \"email\"]\n"));
    assert!(matches!(&found[..], [one] if one.starts_with("mfa.methods names email")), "{found:?}");
    for text in [mail, quiet, "[mfa]\nmethods = [\"totp\"]\n"] {
        assert_eq!(untimely(&without, text), [""; 0], "{text}");
    }
    // What disables already goes on, and is doubted by the daemon as it runs, whatever the file has for the next.
    let (silent, next) = (good(quiet, &[]), good(&format!("{mail}{quiet}"), &[]));
    assert_eq!(untimely(&silent, &format!("{mail}{quiet}")), [""; 0]);
    assert!(next.doubts.is_empty());
    let doubts = silent.taking(&next).doubts;
    assert!(doubts[0].to_string().contains("inactivity.threshold: quiet accounts are disabled"), "{doubts:?}");
    let with_mail = good(mail, &[]);
    assert_eq!(untimely(&with_mail, &format!("{mail}{quiet}[mfa]\nmethods = [\"email\"]\n")), [""; 0]);
}

#[test]
fn a_secret_that_differs_is_told_and_not_shown() {
    let mail = |password: &str| {
        good(&format!("[mail]\nhost = \"x\"\nfrom = \"a@b.c\"\nusername = \"u\"\npassword = {password:?}\n"), &[])
    };
    let (one, two) = (mail("first"), mail("second"));
    assert!(differences(&one, &mail("first")).is_empty());
    let [difference] = &differences(&one, &two)[..] else { panic!("one differs") };
    assert_eq!((difference.key.as_str(), difference.new.as_deref()), ("mail.password", Some(MASK)));
}

#[test]
fn sources_take_what_is_policy_of_them_and_those_that_are_new_wait() {
    let one = good(CORP, &[]);
    let changed = "login = false\nschedule = \"1h\"\nbudget_floor = 3\nbase_dn = \"dc=y\"\n";
    let okta = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\n[login]\norder = [\"corp\"]\n";
    let two = good(&format!("{}{changed}{okta}", CORP.replace("base_dn = \"dc=x\"\n", "")), &[]);
    let taken = one.taking(&two).settings;
    let ids: Vec<_> = taken.sources.iter().map(|source| source.id.as_str()).collect();
    assert_eq!(ids, ["corp", "local"], "in the new order, without the one that waits");
    let corp = &taken.sources[0];
    assert!(!corp.login && corp.schedule.as_ref().unwrap().as_str() == "1h" && corp.rules.budget.floor == 3);
    let SourceKind::Ldap(ldap) = &corp.kind else { panic!("is of LDAP") };
    assert_eq!(ldap.base_dn, "dc=x", "what is read stays as it is until a restart");
    assert!(
        !policy::takes_effect("sources.okta.login", &one, &two)
            && policy::takes_effect("sources.corp.login", &one, &two)
    );
}

#[test]
fn logins_ask_in_another_order_only_where_that_is_told() {
    let okta = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\n";
    let (one, swapped) = (good(&format!("{CORP}{okta}"), &[]), good(&format!("{okta}{CORP}"), &[]));
    let order = |loaded: &Loaded| -> Vec<String> {
        loaded.settings.sources.iter().map(|source| source.id.as_str().to_owned()).collect()
    };
    assert_eq!(
        (differences(&one, &swapped), order(&swapped)),
        (vec![], ["local", "okta", "corp"].map(String::from).into())
    );
    assert_eq!(order(&one.taking(&swapped)), ["local", "corp", "okta"], "the file's order is no difference");
    let told = good(&format!("{okta}{CORP}[login]\norder = [\"okta\"]\n"), &[]);
    assert_eq!(order(&one.taking(&told)), ["okta", "local", "corp"]);
}

#[test]
fn what_takes_effect_is_what_is_said_to() {
    let (one, two) = (good("", &[]), good("[server]\nbody_limit = \"2MiB\"\nimport_limit = \"2MiB\"\n", &[]));
    let taken = one.taking(&two);
    assert_eq!((taken.settings.http.body_limit, taken.settings.http.import_limit), (2 << 20, 2 << 20));
    assert_eq!(differences(&taken, &two), []);
}

#[test]
fn every_policy_has_a_description_and_no_secret_is_one() {
    let loaded = good("[mail]\nhost = \"x\"\nfrom = \"a@b.c\"\nusername = \"u\"\npassword = \"p\"\n", &[]);
    let changeable: Vec<_> = loaded.effective.iter().filter(|one| policy::is_policy(&one.key)).collect();
    assert!(changeable.len() > 50, "{}", changeable.len());
    for one in changeable {
        assert!(describe(&one.key).is_some() && !one.secret, "{}", one.key);
    }
}

//! What the settings promise, layer by layer. The sample file has its tests in `sample`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::directory::policy::days;

mod face;
mod passwords;
mod sample;
mod stored;
mod webhooks;

/// A folder with a settings file in it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new(text: &str) -> Self {
        let desk = Self { folder: TempDir::new().unwrap() };
        desk.write("musterd.toml", text, 0o644);
        desk
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn load(&self, environment: &[(&str, &str)]) -> Result<Loaded, Faults> {
        load_file(Some(&self.folder.path().join("musterd.toml")), environment)
    }

    /// The faults as they are printed, without the folder's name.
    fn faults(&self, environment: &[(&str, &str)]) -> Vec<String> {
        let Err(faults) = self.load(environment) else { panic!("no faults") };
        let folder = format!("{}/", self.folder.path().display());
        faults.to_string().lines().map(|line| line.replace(&folder, "")).collect()
    }
}

fn load_file(file: Option<&Path>, environment: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    load(file, environment, Timestamp::UNIX_EPOCH)
}

fn good(text: &str, environment: &[(&str, &str)]) -> Loaded {
    Desk::new(text).load(environment).unwrap_or_else(|faults| panic!("{faults}"))
}

fn effective(loaded: &Loaded, key: &str) -> (String, String) {
    let found = loaded.effective.iter().find(|effective| effective.key == key);
    found.map(|effective| (effective.value.clone(), effective.origin.to_string())).unwrap()
}

const CORP: &str =
    "[[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"ldaps://a.example.org\"]\nbase_dn = \"dc=x\"\n";

#[test]
fn nothing_written_gives_the_defaults_of_the_modules() {
    let Settings { http, log, store, auth, jwt, lifecycle, scim, face, mail, alerts, webhooks, sms, sources } =
        load_file(None, &[("PATH", "/bin"), ("MUSTERD_CONFIG", "x")]).ok().unwrap().settings;
    assert_eq!(http, http::settings::Settings::default());
    assert_eq!(log, LogSettings::default());
    assert_eq!(store, store::Settings::default());
    assert_eq!(auth, auth::settings::Settings::default());
    assert_eq!(jwt, auth::jwt::Settings::default());
    assert_eq!((lifecycle.schedule.as_str(), lifecycle.budget), ("1h", crate::directory::policy::Budget::default()));
    assert_eq!((lifecycle.inactivity, lifecycle.users, lifecycle.audit), Default::default());
    assert_eq!(scim, http::scim::settings::Settings::default());
    assert!(mail.is_none() && face.is_none() && alerts.recipients.is_empty() && webhooks.is_empty());
    assert!(sms.providers.is_empty() && sms.policy == crate::directory::quota::SmsPolicy::default());
    assert!(sources.len() == 1 && sources[0].id.is_local() && sources[0].login && sources[0].enabled);
}

#[test]
fn the_environment_goes_over_the_file_and_the_file_over_the_default() {
    let text = "[login]\ndeadline = \"8s\"\ntransaction_lifetime = \"5m\"\n[server]\nadmin_uids = [1, 2]\n";
    let env = [("MUSTERD__LOGIN__DEADLINE", "3s"), ("MUSTERD__LOGIN__ONLY_FROM_SOURCE", "true")];
    let loaded = good(text, &env);
    let auth = &loaded.settings.auth;
    assert_eq!((auth.deadline, auth.transaction), (Duration::from_secs(3), Duration::from_secs(300)));
    assert!(auth.only_from_source && auth.existing_users_only);
    assert_eq!(loaded.settings.http.admin_uids, [1, 2]);
    let shown = |key| effective(&loaded, key);
    assert_eq!(shown("login.deadline"), ("\"3s\"".to_owned(), "environment MUSTERD__LOGIN__DEADLINE".to_owned()));
    assert!(shown("login.transaction_lifetime").1.ends_with("musterd.toml:3"));
    assert_eq!(shown("login.existing_users_only"), ("true".to_owned(), "default".to_owned()));
    assert!(loaded.is_pinned("login.deadline") && loaded.is_pinned("login.transaction_lifetime"));
    assert!(!loaded.is_pinned("login.existing_users_only"));
}

#[test]
fn each_type_is_read_from_the_environment() {
    let env = [
        ("MUSTERD__SERVER__LISTEN", "[::1]:0"),
        ("MUSTERD__SERVER__ADMIN_UIDS", "1000, 1001"),
        ("MUSTERD__SERVER__TRUSTED_PROXIES", "10.0.0.1,::1"),
        ("MUSTERD__SERVER__BODY_LIMIT", "2MiB"),
        ("MUSTERD__HASHING__THREADS", "3"),
        ("MUSTERD__MFA__POLICY", "administrators"),
        ("MUSTERD__INACTIVITY__THRESHOLD", "90d"),
        ("MUSTERD__AUDIT__RETENTION", "400d"),
        ("MUSTERD__STORE__FOLDER", "/var/lib/musterd"),
    ];
    let settings = good("[server]\nadmin_uids = [7]\n", &env).settings;
    assert_eq!((settings.http.public_url.as_str(), settings.http.body_limit), ("http://[::1]:0", 2 << 20));
    assert_eq!((settings.http.admin_uids, settings.http.trusted_proxies.len()), (vec![1000, 1001], 2));
    assert_eq!(settings.http.admin_socket, PathBuf::from("/var/lib/musterd/admin.sock"));
    assert_eq!(settings.auth.hashing.threads, 3);
    assert_eq!(settings.auth.mfa.rules.mode, crate::directory::policy::MfaMode::Administrators);
    assert_eq!(settings.lifecycle.inactivity.threshold, Some(crate::directory::policy::days(90)));
    assert_eq!(settings.lifecycle.audit, Some(crate::directory::policy::days(400)));
}

#[test]
fn the_life_of_accounts_is_read_from_its_sections_and_from_the_sources() {
    let text = format!(
        "[inactivity]\nthreshold = \"90d\"\nexempt_users = [\"Root\"]\n[inactivity.roles]\nsystem-admin = \"off\"\n\
         system-auditor = \"30d\"\n[notices]\nschedule = \"30 7 * * 1-5\"\ntime_zone = \"Europe/Amsterdam\"\n\
         account_first = \"30d\"\naccount_daily_from = \"off\"\ninactivity_first = \"off\"\n\
         copy_to = [\"root\", \"desk@example.org\"]\n[mail]\nhost = \"127.0.0.1\"\ntls = \"none\"\n\
         from = \"a@example.org\"\n{CORP}inactivity = \"45d\"\ngroup_grants = [\"cn=x,dc=y -> role system-auditor\"]\n"
    );
    let lifecycle = good(&text, &[]).settings.lifecycle;
    let (policy, notices) = (&lifecycle.inactivity, &lifecycle.notices);
    assert_eq!(
        policy.sources.iter().map(|(id, own)| (id.as_str(), *own)).collect::<Vec<_>>(),
        [("corp", Some(days(45)))]
    );
    let roles: Vec<_> = policy.roles.iter().map(|(id, own)| (id.as_str(), *own)).collect();
    assert_eq!(roles, [("system-admin", None), ("system-auditor", Some(days(30)))]);
    assert!(policy.exempt_users.contains("root") && lifecycle.grants.len() == 1);
    assert_eq!((notices.account.first, notices.account.daily_from), (Some(days(30)), None));
    assert!(notices.are_on() && notices.lead(days(90)).is_none() && notices.copy_to.len() == 2);
    let shorter = good("[mail]\nhost = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"a@example.org\"\n", &[]).settings;
    let lead = |threshold| shorter.lifecycle.notices.lead(days(threshold));
    assert_eq!((lead(90), lead(10)), (Some(days(14)), Some(days(5))), "never more than half of the threshold");
    assert!(!good("", &[]).settings.lifecycle.notices.are_on(), "without mail nobody is told");
}

#[test]
fn quiet_accounts_that_are_disabled_without_a_word_are_a_doubt() {
    let mail = "[mail]\nhost = \"127.0.0.1\"\ntls = \"none\"\nfrom = \"a@example.org\"\n";
    let quiet = "[inactivity]\nthreshold = \"90d\"\n";
    let of_role = "[inactivity.roles]\nsystem-auditor = \"30d\"\n";
    for (text, doubt) in [
        (quiet.to_owned(), "there is no [mail]"),
        (of_role.to_owned(), "there is no [mail]"),
        (format!("{CORP}inactivity = \"45d\"\n"), "there is no [mail]"),
        (format!("{quiet}{mail}[notices]\nschedule = \"off\"\n"), "notices.schedule is off"),
        (format!("{quiet}{mail}[notices]\ninactivity_first = \"off\"\n"), "notices.inactivity_first is off"),
    ] {
        let doubts: Vec<_> = good(&text, &[]).doubts.iter().map(ToString::to_string).collect();
        assert!(
            doubts.len() == 1 && doubts[0].contains("inactivity.threshold: ") && doubts[0].contains(doubt),
            "{doubts:?}"
        );
    }
    for text in [mail.to_owned(), format!("{quiet}{mail}"), format!("{of_role}{mail}"), String::new()] {
        assert!(good(&text, &[]).doubts.is_empty(), "{text}");
    }
}

#[test]
fn a_life_of_accounts_that_cannot_be_is_refused_by_its_key() {
    for (text, key) in [
        ("[inactivity]\nthreshold = \"0d\"", "inactivity.threshold"),
        ("[inactivity]\nthreshold = 0", "inactivity.threshold"),
        ("[inactivity]\nthreshold = \"23h\"", "inactivity.threshold"),
        ("[inactivity]\nexempt_users = [\"\"]", "inactivity.exempt_users"),
        ("[inactivity.roles]\nuser = \"30d\"", "inactivity.roles.user"),
        ("[inactivity.roles]\nsystem-admin = \"0d\"", "inactivity.roles.system-admin"),
        ("[notices]\nschedule = \"0 0 31 2 *\"", "notices.schedule"),
        ("[notices]\ntime_zone = \"Mars/Olympus\"", "notices.time_zone"),
        ("[notices]\naccount_first = \"3d\"", "notices.account_daily_from"),
        ("[notices]\npassword_daily_from = \"14d\"", "notices.password_daily_from"),
        ("[notices]\ninactivity_first = \"0d\"", "notices.inactivity_first"),
        ("[notices]\ncopy_to = [\"a\\r\\nBcc: b@example.org\"]", "notices.copy_to"),
        ("[notices]\ncopy_to = [\"desk@\"]", "notices.copy_to"),
        ("[upkeep]\nschedule = \"* * * *\"", "upkeep.schedule"),
        ("[sweep]\nschedule = \"0 0 30 2 *\"", "sweep.schedule"),
    ] {
        let faults = Desk::new(text).load(&[]).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert!(faults.to_string().contains(key), "{text}: {faults}");
    }
    let source = Desk::new(&format!("{CORP}inactivity = \"0d\"\n")).load(&[]).err().unwrap();
    assert!(source.to_string().contains("sources.corp.inactivity"), "{source}");
}

#[test]
fn passkeys_are_used_on_pages_of_the_domain_that_they_are_bound_to() {
    let several =
        "[passkeys]\nrp_id = \"example.org\"\norigins = [\"https://a.example.org\", \"https://b.example.org\"]\n";
    let passkeys = good(several, &[]).settings.auth.passkeys;
    assert_eq!((passkeys.rp_id.as_deref(), passkeys.origins.len()), (Some("example.org"), 2));
    let of = |section: &str| format!("[server]\npublic_url = \"https://login.example.org\"\n[passkeys]\n{section}\n");
    good(&of("rp_id = \"example.org\""), &[]);
    for (text, start) in [
        (of("rp_id = \"example.com\""), "musterd.toml:4: passkeys.rp_id: do not fit"),
        (of("rp_id = \"Example.org\""), "musterd.toml:4: passkeys.rp_id: \"Example.org\" is no domain"),
        (of("origins = [\"https://evil.example\"]"), "musterd.toml:4: passkeys.origins: do not fit"),
        (of("origins = [\"http://login.example.org\"]"), "musterd.toml:4: passkeys.origins: each must be an https"),
        (of("sign_count = \"ignore\""), "musterd.toml:4: passkeys.sign_count: must be one of"),
        ("[passkeys]\nrp_id = \"example.org\"\n".to_owned(), "musterd.toml:1: passkeys.origins: passkeys need a page"),
    ] {
        let faults = Desk::new(&text).faults(&[]);
        assert!(faults.len() == 1 && faults[0].starts_with(start), "{faults:?} is not {start:?}");
    }
}

#[test]
fn a_secret_of_digits_comes_out_of_the_environment_unchanged() {
    for password in ["012345", "1e5", "true", " spaced ", "0x10", "a,b", "[x]"] {
        let env = [
            ("MUSTERD__MAIL__HOST", "mail.example.org"),
            ("MUSTERD__MAIL__FROM", "Directory <d@example.org>"),
            ("MUSTERD__MAIL__USERNAME", "007"),
            ("MUSTERD__MAIL__PASSWORD", password),
        ];
        let mail = good("", &env).settings.mail.unwrap();
        assert_eq!(mail.password.unwrap().expose(), password);
        assert_eq!((mail.username.as_deref(), mail.port), (Some("007"), 587));
    }
}

#[test]
fn a_secret_comes_from_a_file_without_its_last_newline() {
    let desk = Desk::new("");
    for (text, secret) in [("a b \n", "a b "), ("x\r\n", "x"), ("x\n\n", "x\n"), ("x", "x")] {
        let path = desk.write("secret", text, 0o640);
        desk.write("musterd.toml", &format!("{CORP}bind_dn = \"cn=r\"\nbind_password_file = {path:?}\n"), 0o644);
        let loaded = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
        let SourceKind::Ldap(ldap) = &loaded.settings.sources[1].kind else { panic!("no LDAP") };
        assert_eq!(ldap.bind_password.as_ref().unwrap().expose(), secret);
        assert_eq!(effective(&loaded, "sources.corp.bind_password").0, MASK);
    }
}

#[test]
fn a_secret_file_that_is_open_missing_empty_or_one_of_two_is_a_fault() {
    let desk = Desk::new("");
    let mail = "[mail]\nhost = \"m\"\nfrom = \"a@example.org\"\nusername = \"u\"\n";
    let faults = |file: &str, more: &str| {
        let path = desk.folder.path().join(file);
        desk.write("musterd.toml", &format!("{mail}password_file = {path:?}\n{more}"), 0o644);
        desk.faults(&[])
    };
    desk.write("open", "hunter2", 0o604);
    desk.write("empty", "\n", 0o600);
    desk.write("fine", "hunter2", 0o600);
    let open = faults("open", "");
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].starts_with("musterd.toml:5: mail.password_file: open is open to everybody"), "{open:?}");
    assert!(faults("missing", "")[0].contains("missing cannot be read"));
    assert_eq!(faults("empty", ""), ["musterd.toml:5: mail.password_file: must not be empty"]);
    assert!(faults(".", "")[0].contains("is not a plain file"));
    let both = faults("fine", "password = \"hunter3\"\n");
    assert_eq!(both, ["musterd.toml:5: mail.password_file: password is given as well; keep one of them"]);
}

#[test]
fn unknown_keys_are_faults_at_every_depth() {
    let text = "lisen = 1\n[server]\nlisen = \"x\"\ndeadline = \"5s\"\n[srever]\nlisten = 1\n[login.deep]\nx = 1\n\
        [[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"ldaps://a\"]\nbase_dn = \"dc=x\"\nbind_pasword = \"hunter2\"\n\
        attributes = { mail = \"x\", usrname = \"uid\" }\n[[sources]]\nid = \"okta\"\nkind = \"scim\"\nSchedule = \"1h\"\n";
    let env = [("MUSTERD__SERVER__LISTN", "x"), ("MUSTERD__SREVER__DRAIN", "x"), ("MUSTERD__X", "y")];
    let expected = [
        "musterd.toml:1: lisen: unknown key",
        "musterd.toml:3: server.lisen: unknown key; did you mean server.listen?",
        "musterd.toml:4: server.deadline: unknown key; did you mean login.deadline?",
        "musterd.toml:5: srever: unknown section; did you mean server?",
        "musterd.toml:7: login.deep: unknown section",
        "musterd.toml:14: sources.corp.bind_pasword: unknown key; did you mean sources.corp.bind_password?",
        "musterd.toml:15: sources.corp.attributes.mail: unknown key; did you mean sources.corp.attributes.email?",
        "musterd.toml:15: sources.corp.attributes.usrname: unknown key; did you mean sources.corp.attributes.username?",
        "musterd.toml:19: sources.okta.Schedule: unknown key",
        "MUSTERD__SERVER__LISTN: unknown key; did you mean MUSTERD__SERVER__LISTEN?",
        "MUSTERD__SREVER__DRAIN: unknown key; did you mean MUSTERD__SERVER__DRAIN?",
        "MUSTERD__X: unknown key",
    ];
    let faults = Desk::new(text).faults(&env);
    assert_eq!(faults, expected);
}

#[test]
fn all_faults_come_at_once_each_with_its_line() {
    let text = "[server]\nlisten = \"0.0.0.0:80\"\nbody_limit = 5\ndrain = 10\n[passwords]\nmin_length = \"15\"\n\
        history = 1000\n[mfa]\npolicy = \"some\"\n[sweep]\nschedule = \"0 0 31 2 *\"\ntime_zone = \"Mars/X\"\n\
        budget_percent = 101\n[mail]\ntls = \"none\"\nhost = \"mail.example.org\"\n[inactivity]\nthreshold = \"1h\"\n\
        [audit]\nretention = \"23h\"\n";
    let faults = Desk::new(text).faults(&[("MUSTERD__HASHING__LANES", "x"), ("MUSTERD__LOG__LEVEL", "a=b=c")]);
    let starts = [
        "musterd.toml:2: server.listen: would take passwords in the clear",
        "musterd.toml:3: server.body_limit: must be 1KiB to 1GiB",
        "musterd.toml:4: server.drain: must be a duration in quotes",
        "musterd.toml:6: passwords.min_length: must be a whole number, without quotes",
        "musterd.toml:7: passwords.history: must be 0 to 24",
        "musterd.toml:9: mfa.policy: must be one of \"off\", \"all\", \"administrators\"",
        "musterd.toml:11: sweep.schedule: \"0 0 31 2 *\" never comes true",
        "musterd.toml:12: sweep.time_zone: \"Mars/X\" is no time zone",
        "musterd.toml:13: sweep.budget_percent: must be 0 to 100",
        "musterd.toml:14: mail.from: is missing",
        "musterd.toml:15: mail.tls: may be \"none\" for a server on this machine only",
        "musterd.toml:18: inactivity.threshold: must be 1d to 36500d, or \"off\"",
        "musterd.toml:20: audit.retention: must be 1d to 36500d, or \"off\"",
        "MUSTERD__HASHING__LANES: must be a whole number",
        "MUSTERD__LOG__LEVEL: must be error",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault:?} is not {start:?}");
    }
}

#[test]
fn a_file_that_is_no_toml_or_not_there_has_a_fault_with_its_place() {
    let desk = Desk::new("[server]\nlisten = \"x\"\npassword = hunter2\n");
    let faults = desk.faults(&[("MUSTERD__", "x")]);
    assert!(faults[0].starts_with("musterd.toml:3: is not TOML: "), "{faults:?}");
    assert!(!faults.concat().contains("hunter2"));
    assert!(faults[1].starts_with("MUSTERD__: is no setting"), "{faults:?}");
    for number in ["99999999999999999999", "1e999"] {
        let faults = Desk::new(&format!("[server]\ndrain = {number}\n")).faults(&[]);
        assert!(faults.len() == 1 && faults[0].starts_with("musterd.toml"), "{faults:?}");
    }
    let missing = load_file(Some(Path::new("/nonexistent/musterd.toml")), &[]).err().unwrap();
    assert!(missing.to_string().starts_with("/nonexistent/musterd.toml: the settings file cannot be read"));
}

#[test]
fn a_value_where_a_section_belongs_is_a_fault() {
    let faults = Desk::new("server = 3\n[log]\nlevel = \"info\"\n[sources]\nid = \"x\"\n[\"mail.host\"]\n").faults(&[
        ("MUSTERD__LOG", "x"),
        ("MUSTERD__SERVER__LISTEN", "x"),
        ("MUSTERD__SOURCES__CORP__BIND_PASSWORD", "x"),
        ("MUSTERD__store__FOLDER", "x"),
        ("MUSTERD__STORE__FOLDER", "y"),
    ]);
    let starts = [
        "musterd.toml:1: server: must be a section",
        "musterd.toml:4: sources: must be written as [[sources]]",
        "musterd.toml:6: \"mail.host\": is no setting",
        "MUSTERD__SOURCES__CORP__BIND_PASSWORD: sources are set in the file only",
        "MUSTERD__STORE__FOLDER: names the same setting as MUSTERD__store__FOLDER",
        "MUSTERD__LOG: names a section",
        "MUSTERD__SERVER__LISTEN: names a section",
    ];
    for start in starts {
        assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start:?} is not in {faults:#?}");
    }
}

#[test]
fn secrets_are_masked_wherever_settings_are_shown() {
    let text = format!(
        "[mail]\nhost = \"m\"\nfrom = \"a@example.org\"\nusername = \"u\"\npassword = \"hunter2\"\n{CORP}\
         bind_dn = \"cn=r\"\nbind_password = \"hunter2\"\n"
    );
    let loaded = good(&text, &[]);
    let json = serde_json::to_string(&loaded.effective).unwrap();
    assert!(!json.contains("hunter2") && !format!("{:?}", loaded.effective).contains("hunter2"));
    for key in ["mail.password", "sources.corp.bind_password"] {
        assert_eq!(effective(&loaded, key).0, MASK);
        assert!(loaded.effective.iter().any(|effective| effective.key == key && effective.secret));
    }
    let faults = Desk::new(&text.replace("password = \"hunter2\"", "passwrd = \"hunter2\"")).faults(&[]);
    assert!(!faults.concat().contains("hunter2"), "{faults:?}");
}

#[test]
fn sources_keep_their_order_and_the_local_one_is_always_there() {
    let okta = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\nverify_with = \"corp\"\nlogin = false\n";
    let local = "[[sources]]\nid = \"local\"\nkind = \"local\"\n";
    let ids = |text: &str| good(text, &[]).settings.sources.iter().map(|s| s.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&format!("{okta}{CORP}")), ["local", "okta", "corp"]);
    assert_eq!(ids(&format!("{okta}{CORP}{local}")), ["okta", "corp", "local"]);
    let settings = good(&format!("{okta}{CORP}schedule = \"off\"\n"), &[]).settings;
    let (okta, corp) = (&settings.sources[1], &settings.sources[2]);
    assert!(!okta.login && okta.enabled && okta.schedule.is_none());
    assert!(matches!(&okta.kind, SourceKind::Scim { verify_with: Some(id), .. } if id.as_str() == "corp"));
    assert_eq!(corp.schedule.as_ref().unwrap().as_str(), "off");
    assert!(matches!(&corp.kind, SourceKind::Ldap(ldap) if ldap.id.as_str() == "corp"));
}

#[test]
fn what_stands_in_for_a_directory_is_off_or_lasts_from_an_hour_to_a_month() {
    let cache = |text: &str| good(&format!("{CORP}{text}"), &[]).settings.sources[1].outage_cache;
    assert_eq!(cache(""), None);
    assert_eq!(cache("outage_cache = \"off\"\n"), None);
    assert_eq!(cache("outage_cache = \"3d\"\n"), Some(Duration::from_secs(3 * 86_400)));
    for bad in ["59m", "31d", "on"] {
        let faults = Desk::new(&format!("{CORP}outage_cache = \"{bad}\"\n")).faults(&[]);
        assert!(faults[0].contains("sources.corp.outage_cache: "), "{faults:?}");
    }
    let faults = Desk::new("[[sources]]\nid = \"okta\"\nkind = \"scim\"\noutage_cache = \"3d\"\n").faults(&[]);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

#[test]
fn what_is_wrong_with_a_source_is_told_with_its_key_and_line() {
    let text = "[[sources]]\nid = \"local\"\nkind = \"scim\"\n[[sources]]\nid = \"a\"\nkind = \"ldap\"\n\
        urls = [\"ldap://dc1.example.org\", \"http://x\"]\nbind_dn = \"cn=r\"\nbind_password_file = \"/nonexistent\"\n\
        user_filter = \"(x\"\n[[sources]]\nid = \"a\"\nkind = \"scim\"\nverify_with = \"b\"\n[[sources]]\nid = \"B C\"\nkind = \"scim\"\n\
        verify_with = \"local\"\n[[sources]]\nid = \"c\"\nkind = \"ldpa\"\nanything = 1\n[[sources]]\nid = \"d\"\nkind = \"scim\"\nverify_with = \"d\"\n";
    let faults = Desk::new(text).faults(&[]);
    let starts = [
        "musterd.toml:2: sources.local.id: must be \"local\" for the kind \"local\"",
        "musterd.toml:4: sources.a.base_dn: must say where the users are",
        "musterd.toml:7: sources.a.urls: `ldap://dc1.example.org` would send passwords",
        "musterd.toml:7: sources.a.urls: `http://`",
        "musterd.toml:9: sources.a.bind_password_file: /nonexistent cannot be read",
        "musterd.toml:10: sources.a.user_filter:",
        "musterd.toml:12: sources.a.id: is the id of another source already",
        "musterd.toml:16: sources[3].id: source id",
        "musterd.toml:21: sources.c.kind: must be one of \"local\", \"ldap\", \"scim\", \"scim-pull\"",
        "musterd.toml:26: sources.d.verify_with: the source \"d\" is not of the kind ldap",
    ];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for (fault, start) in faults.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault:?} is not {start:?}");
    }
    let lone = Desk::new("[[sources]]\nid = \"d\"\nkind = \"scim\"\nverify_with = \"x\"\n").faults(&[]);
    assert_eq!(lone, ["musterd.toml:4: sources.d.verify_with: no source has the id \"x\""]);
}

#[test]
fn a_scim_service_to_read_has_one_way_in_and_tells_its_faults() {
    let hr = "[[sources]]\nid = \"hr\"\nkind = \"scim-pull\"\nurl = \"https://hr.example.org/scim/v2\"\n";
    let loaded = good(&format!("{hr}token = \"hunter2\"\n"), &[]);
    let source = &loaded.settings.sources[1];
    assert!(matches!(&source.kind, SourceKind::ScimPull { settings, verify_with: None } if settings.groups));
    assert_eq!(source.schedule.as_ref().unwrap().as_str(), "15m");
    assert!(!serde_json::to_string(&loaded.effective).unwrap().contains("hunter2"));
    let faults = |text: &str| Desk::new(&format!("{hr}{text}")).faults(&[]).concat();
    assert!(faults("").contains("sources.hr.token: is missing; give token, or token_url"), "{}", faults(""));
    let both = "token = \"hunter2\"\ntoken_url = \"https://login.example.org/token\"\n";
    assert!(faults(both).contains("musterd.toml:6: sources.hr.token_url: token is given as well"), "{}", faults(both));
    assert!(!faults(both).contains("hunter2"));
    let half = faults("token_url = \"http://login.example.org/token\"\nclient_id = \"m\"\n");
    assert!(half.contains("plain text") && half.contains("sources.hr.client_secret: is missing"), "{half}");
    assert!(faults("token = \"x\"\nscope = \"y\"\n").contains("sources.hr.scope: is for token_url"));
    let plain = "[[sources]]\nid = \"hr\"\nkind = \"scim-pull\"\nurl = \"http://hr.example.org\"\ntoken = \"x\"\n\
                 verify_with = \"hr\"\npage_size = 1\n";
    let plain = Desk::new(plain).faults(&[]);
    assert!(plain[0].contains("musterd.toml:4: sources.hr.url: ") && plain[0].contains("plain text"), "{plain:?}");
    assert!(plain[1].contains("is not of the kind ldap") && plain[2].contains("page_size"), "{plain:?}");
}

#[test]
fn a_network_address_needs_tls_in_front() {
    let listen = "[server]\nlisten = \"192.0.2.1:8480\"\npublic_url = \"https://login.example.org/\"\n";
    assert!(Desk::new(listen).faults(&[])[0].contains("set server.behind_tls_proxy = true"));
    let http = good(&format!("{listen}behind_tls_proxy = true\n"), &[]).settings.http;
    assert_eq!(http.public_url, "https://login.example.org");
}

#[test]
fn networks_and_lockouts_are_read_or_told_what_is_wrong_with_them() {
    let text = format!(
        "[lockout]\nallow_networks = [\"10.0.0.0/8\", \"::1\"]\n[server]\ntrusted_proxies = [\"10.1.0.0/16\"]\n\
         [hashing]\nqueue = 4\n{CORP}lockout_attempts = 3\nlockout_wait = \"10m\"\n"
    );
    let settings = good(&text, &[]).settings;
    assert!(settings.auth.lockout.admits("10.2.3.4".parse().unwrap()));
    assert!(!settings.auth.lockout.admits("192.0.2.1".parse().unwrap()));
    assert!(settings.http.trusted_proxies[0].contains("10.1.255.1".parse().unwrap()));
    assert_eq!((settings.auth.hashing.queue, settings.auth.hashing.reserved), (4, 1));
    let lockout = settings.sources.iter().find_map(|source| source.lockout).unwrap();
    assert_eq!((lockout.attempts, lockout.wait), (3, Duration::from_secs(600)));
    let off = good(&format!("{CORP}lockout_attempts = 0\n"), &[]).settings;
    assert!(off.sources.iter().all(|source| source.lockout.is_none()));
    for (text, told) in [
        ("[lockout]\ndeny_networks = [\"10.0.0.1/8\"]\n", "10.0.0.0/8"),
        ("[lockout]\nconsecutive_attempts = 101\n", "lockout.consecutive_attempts"),
        ("[server]\ntrusted_proxies = [\"proxy\"]\n", "server.trusted_proxies"),
        ("[hashing]\nqueue = 4\nreserved = 4\n", "hashing.reserved"),
        ("[hashing]\nmemory_kib = 1048576\niterations = 17\n", "hashing.iterations"),
    ] {
        assert!(Desk::new(text).faults(&[])[0].contains(told), "{text}: {:?}", Desk::new(text).faults(&[]));
    }
}

#[test]
fn settings_that_do_not_fit_together_are_faults() {
    let text = "[passwords]\nmin_length = 8\nmin_length_with_factor = 9\n[hashing]\nmemory_kib = 8\nlanes = 2\n\
        [sessions]\nidle = \"2h\"\nabsolute = \"1h\"\n[mail]\nhost = \"m\"\nfrom = \"nobody\"\npassword = \"x\"\n\
        [server]\npublic_url = \"login.example.org\"\n";
    let faults = Desk::new(text).faults(&[("MUSTERD__SERVER__ADMIN_SOCKET", &"x".repeat(108))]);
    let keys: Vec<_> = faults.iter().map(|fault| fault.split(": ").nth(1).unwrap()).collect();
    let expected = [
        "passwords.min_length_with_factor",
        "hashing.memory_kib",
        "sessions.idle",
        "mail.username",
        "mail.from",
        "server.public_url",
    ];
    assert_eq!(keys[..6], expected, "{faults:#?}");
    assert!(faults[6].starts_with("MUSTERD__SERVER__ADMIN_SOCKET: "));
    assert!(Desk::new("[log]\nlevel = \"inof\"\n").faults(&[])[0].starts_with("musterd.toml:2: log.level: must be"));
    assert_eq!(good("[log]\nlevel = \"off,musterd=debug\"\n", &[]).settings.log.level, "off,musterd=debug");
}

#[test]
fn schemas_of_the_settings_are_read_or_every_fault_is_told_with_its_file() {
    let desk = Desk::new("");
    let schema = r#"{"id": "urn:x:acme", "attributes": [{"name": "badge", "type": "string"}]}"#;
    let good = desk.write("acme.json", schema, 0o644);
    let user = desk.write(
        "user.json",
        r#"{"name": "User", "endpoint": "/Users", "schema": "x", "schemaExtensions": [{"schema": "urn:x:acme"}]}"#,
        0o644,
    );
    desk.write("musterd.toml", &format!("[scim]\nschemas = [{good:?}]\nresource_types = [{user:?}]\n"), 0o600);
    let registry = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}")).settings.scim.registry;
    assert!(registry.user().extension("urn:x:acme").is_some());
    let broken = desk.write("broken.json", "{", 0o644);
    let nothing = desk.write("nothing.json", "{}", 0o644);
    let text = format!("[scim]\nschemas = [{broken:?}, \"/nowhere.json\"]\nresource_types = [{nothing:?}]\n");
    desk.write("musterd.toml", &text, 0o600);
    let faults = desk.load(&[]).err().unwrap().to_string();
    for expected in ["broken.json: is not JSON", "/nowhere.json: "] {
        assert!(faults.contains(expected), "{faults}");
    }
    desk.write("musterd.toml", &format!("[scim]\nresource_types = [{nothing:?}]\n"), 0o600);
    assert!(desk.load(&[]).err().unwrap().to_string().contains("nothing.json: name is missing"));
}

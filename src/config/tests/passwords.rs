//! Rules of passwords: what can be asked, and what cannot.

use super::*;

#[test]
fn every_rule_can_be_set() {
    let loaded = good(
        "[passwords]\nadmin_min_length = 20\nrequire_digit = true\nforbid_names = false\nhistory = 24\nmax_age = \"90d\"\n\
         blocklist = false\nmin_strength = 3\n",
        &[("MUSTERD__PASSWORDS__REQUIRE_UPPER", "true")],
    );
    let rules = &loaded.settings.auth.passwords;
    assert!(rules.require_upper && rules.require_digit && !rules.require_lower && !rules.require_special);
    assert!(!rules.forbid_names && !rules.blocklist && loaded.settings.auth.breached_set.is_none());
    assert_eq!((rules.admin_min_length, rules.history, rules.min_strength), (20, 24, 3));
    assert_eq!(rules.max_age, Some(Duration::from_secs(90 * 86_400)));
}

#[test]
fn rules_that_make_no_sense_are_faults() {
    for (text, fault) in [
        ("min_length = 7", "min_length: must be"),
        ("min_length_with_factor = 16", "min_length_with_factor: must not be more than passwords.min_length"),
        ("admin_min_length = 0", "admin_min_length: must be"),
        ("max_age = \"0\"", "max_age: "),
        ("max_age = \"1h\"", "max_age: "),
        ("max_age = 90", "max_age: "),
        ("history = 25", "history: must be"),
        ("min_strength = 5", "min_strength: must be"),
        ("require_upper = 1", "require_upper: must be"),
        ("breached = \"x\"", "breached: unknown key"),
    ] {
        let faults = Desk::new(&format!("[passwords]\n{text}\n")).faults(&[]);
        assert!(faults.len() == 1 && faults[0].contains(fault), "{faults:?} instead of {fault}");
    }
}

#[test]
fn a_set_of_breached_passwords_that_is_none_is_a_doubt_and_keeps_nobody_out() {
    let desk = Desk::new("");
    let set = desk.write("set", "no hashes\n", 0o644);
    for (path, word) in [(set.as_path(), "is not in the form"), (Path::new("/nonexistent"), "cannot be read")] {
        desk.write("musterd.toml", &format!("[passwords]\nbreached_set = {path:?}\n"), 0o644);
        let loaded = desk.load(&[]).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(loaded.settings.auth.breached_set.is_some());
        let doubts: Vec<_> = loaded.doubts.iter().map(ToString::to_string).collect();
        assert!(doubts.len() == 1 && doubts[0].contains(":2: passwords.breached_set: ") && doubts[0].contains(word));
    }
    assert!(good("", &[]).doubts.is_empty());
}

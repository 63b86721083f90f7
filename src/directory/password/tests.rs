//! The rules, each with what it refuses and what it takes.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::directory::field::{DisplayName, Email};
use crate::directory::policy::days;
use crate::directory::user::tests::user;

fn ada() -> User {
    let name = DisplayName::parse("Ada Lovelace").unwrap();
    let email = Some(Email::parse("first.programmer@example.org").unwrap());
    User { name, email, ..user("countess", Timestamp::UNIX_EPOCH) }
}

fn holder(user: &User) -> Holder<'_> {
    Holder { user, with_factor: false, is_administrator: false, context: vec!["musterd".to_owned()] }
}

fn broken(rules: &PasswordRules, password: &str) -> Vec<&'static str> {
    rules.faults(password, &holder(&ada())).into_iter().map(|fault| fault.code).collect()
}

fn codes(password: &str) -> Vec<&'static str> {
    broken(&PasswordRules::default(), password)
}

#[test]
fn p_01_a_lone_password_needs_fifteen_characters_and_eight_with_a_factor() {
    let ada = ada();
    let with_factor = |password: &str| {
        let holder = Holder { with_factor: true, ..holder(&ada) };
        PasswordRules::default().faults(password, &holder).into_iter().map(|fault| fault.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("fourteen chars"), ["too_short"]);
    assert!(codes("fifteen chars !").is_empty());
    assert_eq!(with_factor("7 chars"), ["too_short"]);
    assert!(with_factor("8 chars!").is_empty());
}

#[test]
fn p_03_characters_are_code_points_and_neither_accents_nor_ligatures_add_to_them() {
    assert!(codes("😀😃😄😁😆😅🤣😂🙂🙃😉😊😇🥰😍").is_empty());
    assert_eq!(codes("e\u{301}e\u{301}e\u{301} fourteen?"), ["too_short"]);
    assert_eq!(codes("\u{fdfa}"), ["too_short"], "one sign that is eighteen letters in NFKC");
}

#[test]
fn administrators_can_need_more_and_never_less() {
    let ada = ada();
    let rules = PasswordRules { admin_min_length: 20, ..PasswordRules::default() };
    let least = |with_factor, is_administrator| rules.least(with_factor, is_administrator);
    assert_eq!([least(false, false), least(true, false), least(false, true), least(true, true)], [15, 8, 20, 20]);
    let lower = PasswordRules { admin_min_length: 8, ..PasswordRules::default() };
    assert_eq!(lower.least(false, true), 15);
    let holder = Holder { with_factor: true, is_administrator: true, ..holder(&ada) };
    assert_eq!(rules.faults("nineteen characters", &holder)[0].code, "too_short");
    assert_eq!(rules.shown(Some(&holder), false)["min_length"], 20);
}

#[test]
fn a_password_is_neither_empty_nor_endless_nor_a_line_of_c() {
    assert_eq!(codes(""), ["empty"]);
    assert_eq!(codes(&"long ".repeat(206)), ["too_long"]);
    let longest: String = (0..256).map(|n| format!("{n:04}")).collect();
    assert!(longest.len() == 1_024 && codes(&longest).is_empty());
    assert_eq!(codes("nul \0 in the middle"), ["control_character"]);
}

#[test]
fn each_composition_rule_is_off_until_it_is_on_and_then_named() {
    let off = PasswordRules::default();
    for (rules, lacking, code, good) in [
        (PasswordRules { require_upper: true, ..off.clone() }, "all of it is lower", "no_upper", "One of it is Upper"),
        (
            PasswordRules { require_lower: true, ..off.clone() },
            "ALL OF IT IS UPPER",
            "no_lower",
            "NOT ALL OF IT IS uPPER",
        ),
        (
            PasswordRules { require_digit: true, ..off.clone() },
            "no digits are in it",
            "no_digit",
            "1 digit is in it today",
        ),
        (
            PasswordRules { require_special: true, ..off.clone() },
            "ÉverythingIsALetter",
            "no_special",
            "not everything is a letter",
        ),
    ] {
        assert_eq!(broken(&rules, lacking), [code]);
        assert!(broken(&off, lacking).is_empty() && broken(&rules, good).is_empty());
    }
    assert!(broken(&PasswordRules { require_digit: true, ..off }, "arabic digits ٣ count").is_empty());
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let rules = PasswordRules {
        require_upper: true,
        require_lower: true,
        require_digit: true,
        require_special: true,
        ..PasswordRules::default()
    };
    assert_eq!(broken(&rules, "\0"), ["too_short", "control_character", "no_upper", "no_lower", "no_digit"]);
    assert_eq!(
        broken(&rules, "countess"),
        ["too_short", "no_upper", "no_digit", "no_special", "contains_name", "blocklisted"]
    );
}

#[test]
fn no_name_of_its_owner_is_in_it_unless_that_is_allowed() {
    for password in [
        "my countess password",
        "THE COUNTESS IS HERE",
        "xx Ada Lovelace xx",
        "xx-ada.lovelace-xx",
        "to first.programmer from",
        "first.programmer@example.org",
        "first_programmer rules",
    ] {
        assert_eq!(codes(password).first(), Some(&"contains_name"), "{password}");
    }
    let allowed = PasswordRules { forbid_names: false, ..PasswordRules::default() };
    assert!(broken(&allowed, "my countess password").is_empty());
    let li = User { name: DisplayName::parse("李明").unwrap(), ..user("li", Timestamp::UNIX_EPOCH) };
    let of_li = |password: &str| PasswordRules::default().faults(password, &holder(&li)).len();
    assert_eq!(of_li("今天李明去北京看长城吃烤鸭喝茶"), 1);
    assert_eq!(of_li("living within li is nothing"), 0, "a short name is in everything");
}

#[test]
fn p_05_the_whole_password_is_no_common_one_and_no_word_of_its_context() {
    for password in ["Password1234567", "Musterd-2026-2026", "Lovelace 18151815"] {
        assert_eq!(codes(password), ["blocklisted"], "{password}");
    }
    assert!(codes("welcome to musterd, friend").is_empty());
    let off = PasswordRules { blocklist: false, ..PasswordRules::default() };
    assert!(broken(&off, "Password1234567").is_empty());
}

#[test]
fn a_password_runs_out_only_where_an_age_is_set() {
    let (at, mut rules) = (Timestamp::UNIX_EPOCH, PasswordRules::default());
    assert_eq!(rules.expires_at(at), None);
    rules.max_age = Some(days(90));
    assert_eq!(rules.expires_at(at), Some(at + SignedDuration::from_hours(24 * 90)));
    assert_eq!(rules.expires_at(Timestamp::MAX), Some(Timestamp::MAX));
}

#[test]
fn p_04_the_rules_as_shown_by_default() {
    let shown = serde_json::to_string_pretty(&PasswordRules::default().shown(None, false)).unwrap();
    assert_eq!(shown.trim(), include_str!("default.json").trim());
    let for_ada = PasswordRules::default().shown(Some(&holder(&ada())), true);
    assert_eq!((&for_ada["min_length"], &for_ada["breached"]), (&15.into(), &true.into()));
    assert!(for_ada.get("min_length_with_factor").is_none() && for_ada.get("admin_min_length").is_none());
}

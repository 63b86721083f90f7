//! What messages say, in plain English text.
//!
//! The words are part of the program. What comes from a person's record stands in them as it is: it is put in
//! once, is never read as a pattern, and can begin no line of its own.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::base::id::PlanId;
use crate::base::secret::Secret;
use crate::directory::factor::Method;
use crate::directory::message::{Body, Changed, Ending, Message, OneTimeCode};

/// What codes are for: people look at a code before they look at who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// What people call it.
    pub name: String,
    /// The host name of the page where codes are typed, where there is one: browsers fill a code in only there.
    pub host: Option<String>,
}

impl Product {
    /// Under this name, with pages at this host. An address is no host that browsers bind a code to.
    #[must_use]
    pub fn new(name: &str, host: Option<&str>) -> Self {
        let plain = |host: &&str| {
            let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
            named && !host.is_empty() && host.parse::<IpAddr>().is_err()
        };
        Self { name: one_line(name), host: host.filter(plain).map(str::to_owned) }
    }
}

impl Default for Product {
    fn default() -> Self {
        Self::new("musterd", None)
    }
}

/// The words of one message.
#[derive(Clone, PartialEq, Eq)]
pub struct Words {
    /// The subject: one line, with nothing of the person in it.
    pub subject: &'static str,
    /// The text, with line feeds.
    pub text: String,
}

/// The words of a message that goes by mail.
#[must_use]
pub fn words(message: &Message, product: &Product) -> Words {
    let (subject, said) = match &message.body {
        Body::SetPassword { url } => ("Set your password", link(url, SET)),
        Body::ResetPassword { url } => ("Set a new password", link(url, RESET)),
        Body::PasswordChanged => ("Your password was changed", PASSWORD_CHANGED.to_owned()),
        Body::FactorAdded => ("A second factor was added to your account", FACTOR_ADDED.to_owned()),
        Body::FactorsReset => ("Your second factors were removed", FACTORS_RESET.to_owned()),
        // The code comes first, and stands in no subject: those are kept and shown by everything on the way.
        Body::Code { code, minutes, .. } => {
            return Words { subject: "Your code", text: mailed(code, *minutes, product) };
        }
        Body::FactorEnrolled { method } => ("A second factor was set up", factor_enrolled(*method)),
        Body::FactorRemoved { method } => ("A second factor was removed", factor_removed(*method)),
        Body::RecoveryCodeUsed { left } => ("A recovery code was used", recovery_code_used(*left)),
        Body::SecondFactorRefused => ("Somebody has your password", SECOND_FACTOR_REFUSED.to_owned()),
        Body::AddressChanged { what: Changed::Email } => ("Your email address was changed", EMAIL_CHANGED.to_owned()),
        Body::AddressChanged { what: Changed::Phone } => ("Your phone number was changed", PHONE_CHANGED.to_owned()),
        Body::PasswordElsewhere { source } => ("Where to set a new password", password_elsewhere(source)),
        Body::AccountExpires { at } => ("Your account ends soon", account_expires(*at)),
        Body::AccountsExpire { accounts, more } => ("Accounts end soon", accounts_expire(accounts, *more)),
        Body::PasswordExpires { at } => ("Change your password soon", password_expires(*at)),
        Body::InactivityNear { at } => ("Your account will be disabled", inactivity_near(*at)),
        Body::DisabledForInactivity => ("Your account was disabled", DISABLED_FOR_INACTIVITY.to_owned()),
        Body::RunHeld { of, plan, why } => ("A run is held", run_held(of, *plan, why)),
        Body::RunFailed { of, why } => ("A run failed", run_failed(of, why)),
        Body::ImportDone { of, created, changed, skipped } => {
            ("An import is done", import_done(of, *created, *changed, *skipped))
        }
        Body::Alarm { detail, .. } => ("Something needs you", format!("{}\n", one_line(detail))),
        Body::MailTest => ("Mail works", MAIL_TEST.to_owned()),
        Body::Event { .. } => ("Something happened", "something happened in the directory.\n".to_owned()),
        Body::ForgetFace { .. } => ("Your face is no second factor any more", factor_removed(Method::Face)),
    };
    let greeting = match one_line(&message.name) {
        name if name.is_empty() => "Hello".to_owned(),
        name => format!("Hello {name}"),
    };
    Words { subject, text: format!("{greeting},\n\n{said}") }
}

/// A code as it goes by SMS. It ends with the line by which browsers fill it in at its own page only (W3C, Origin-bound
/// one-time codes delivered via SMS §3), and holds no link.
#[must_use]
pub fn text_message(code: &OneTimeCode, minutes: u32, product: &Product) -> Secret {
    let code = code.expose();
    let said =
        format!("{code} is your code for {}. It is good for {}. Never share it.", product.name, in_minutes(minutes));
    Secret::new(match &product.host {
        Some(host) => format!("{said}\n\n@{host} #{code}"),
        None => said,
    })
}

fn mailed(code: &OneTimeCode, minutes: u32, product: &Product) -> String {
    format!(
        "{} is your code for {}.\n\nIt is good for {}, and once. Type it only where you are logging in yourself, and never\n\
         share it: nobody who works for {} will ask you for it.\n\n\
         If you are not logging in, somebody knows your password: change it.\n",
        code.expose(),
        product.name,
        in_minutes(minutes),
        product.name
    )
}

fn in_minutes(minutes: u32) -> String {
    if minutes == 1 { "1 minute".to_owned() } else { format!("{minutes} minutes") }
}

/// What people call a second factor.
fn named(method: Method) -> &'static str {
    match method {
        Method::Device => "a trusted device",
        Method::Email => "codes by mail",
        Method::Face => "your face",
        Method::Totp => "an authenticator app",
        Method::Passkey => "a passkey",
        Method::Password => "a password",
        Method::Recovery => "recovery codes",
        Method::Sms => "codes by SMS",
    }
}

fn factor_enrolled(method: Method) -> String {
    format!(
        "a second factor was set up for your account: {}.\n\nIf you did not do this, tell your administrator at once.\n",
        named(method)
    )
}

fn factor_removed(method: Method) -> String {
    format!(
        "a second factor of your account was removed: {}.\n\nIf you did not do this, tell your administrator at once.\n",
        named(method)
    )
}

fn recovery_code_used(left: u32) -> String {
    let left = match left {
        0 => "None is left: make new ones.".to_owned(),
        1 => "One is left: make new ones soon.".to_owned(),
        left => format!("{left} are left."),
    };
    format!(
        "one of your recovery codes was used to log in. {left}\n\nIf it was not you, tell your administrator at once.\n"
    )
}

fn password_elsewhere(source: &str) -> String {
    format!(
        "somebody asked for a new password for your account. Its password is kept by {}: set a new one there.\n\n\
         If you did not ask for it, you need not do anything.\n",
        one_line(source)
    )
}

/// A time as people read it, to the minute, in UTC.
fn shown(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn account_expires(at: Timestamp) -> String {
    format!(
        "your account ends at {}. From then on you cannot log in.\n\nIf you need it for longer, tell your administrator.\n",
        shown(at)
    )
}

fn accounts_expire(accounts: &[Ending], more: usize) -> String {
    let line = |one: &Ending| format!("    {}  {} ({})\n", shown(one.at), one_line(&one.username), one_line(&one.name));
    let more = if more == 0 { String::new() } else { format!("    and {more} more\n") };
    format!("these accounts end soon:\n\n{}{more}", accounts.iter().map(line).collect::<String>())
}

fn password_expires(at: Timestamp) -> String {
    format!("your password is good until {}. Change it before, or you are asked to at the next login.\n", shown(at))
}

fn inactivity_near(at: Timestamp) -> String {
    format!("your account has not been used for a long time. Log in before {}, or it is disabled.\n", shown(at))
}

fn run_held(of: &str, plan: PlanId, why: &str) -> String {
    format!(
        "a run of {} was held, and nothing of it was done: {}.\n\nLook at the plan, and approve or reject it:\n\n    \
         musterd plan show {plan}\n",
        one_line(of),
        one_line(why)
    )
}

fn run_failed(of: &str, why: &str) -> String {
    format!("a run of {} failed: {}.\n", one_line(of), one_line(why))
}

fn import_done(of: &str, created: usize, changed: usize, skipped: usize) -> String {
    format!(
        "the import from {} is done: {created} users were made, {changed} changed, {skipped} could not be taken.\n",
        one_line(of)
    )
}

/// A text from a record on one line: control characters and those that turn the reading direction become spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    let moves = |c: char| matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain: String = text.chars().map(|c| if c.is_control() || moves(c) { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What stands before and after a link.
type Around = (&'static str, &'static str);

fn link(url: &str, (before, after): Around) -> String {
    // An address holds no blank; one that does would be cut by the reader's program anyway.
    let url: String = one_line(url).split(' ').collect();
    format!("{before}\n\n    {url}\n\n{after}")
}

const SET: Around = (
    "an account was made for you. Please set its password here:",
    "The link works once and only for a short time. If it has ended, ask your administrator for a new one.\n",
);

const RESET: Around = (
    "somebody asked for a new password for your account. If that was you, set it here:",
    "The link works once and only for a short time. If you did not ask for it, you need not do anything:\n\
     your password stays as it is.\n",
);

const PASSWORD_CHANGED: &str = "the password of your account was changed, and your other sessions were ended.\n\n\
     If you did not change it, tell your administrator at once.\n";

const FACTOR_ADDED: &str = "a second factor was added to your account: from now on it is asked for when you log in.\n\n\
     If you did not add it, tell your administrator at once.\n";

const FACTORS_RESET: &str = "the second factors of your account were removed. You may be asked to set up a new one.\n\n\
     If you do not know why, tell your administrator at once.\n";

const SECOND_FACTOR_REFUSED: &str = "somebody gave the right password of your account, and then failed at the second factor. Nobody came in.\n\n\
     If it was not you, somebody knows your password: change it now, and tell your administrator.\n";

const DISABLED_FOR_INACTIVITY: &str = "your account was disabled, since it had not been used for a long time.\n\n\
     If you need it, ask your administrator to enable it.\n";

const MAIL_TEST: &str = "this is a test: mail from the directory reaches you.\n";

const EMAIL_CHANGED: &str = "the email address of your account was changed: from now on, messages go to the new one.\n\n\
     If you did not change it, tell your administrator at once.\n";

const PHONE_CHANGED: &str = "the phone number of your account was changed: from now on, codes go to the new one.\n\n\
     If you did not change it, tell your administrator at once.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::UserId;
    use crate::base::rng::Rng;
    use crate::directory::message::Via;

    fn words(message: &Message) -> Words {
        super::words(message, &Product::default())
    }

    fn message(name: &str, body: Body) -> Message {
        let at = Timestamp::UNIX_EPOCH;
        Message {
            created_at: at,
            expires_at: at,
            user: Some(UserId::new(at, &Rng::seeded(1))),
            to: "ada@example.org".to_owned(),
            name: name.to_owned(),
            body,
            attempts: 0,
            due_at: at,
        }
    }

    fn bodies(url: &str) -> [Body; 11] {
        let url = url.to_owned();
        [
            Body::SetPassword { url: url.clone() },
            Body::ResetPassword { url },
            Body::PasswordChanged,
            Body::FactorAdded,
            Body::FactorsReset,
            Body::FactorEnrolled { method: Method::Totp },
            Body::FactorRemoved { method: Method::Passkey },
            Body::RecoveryCodeUsed { left: 1 },
            Body::SecondFactorRefused,
            Body::AddressChanged { what: Changed::Email },
            Body::AddressChanged { what: Changed::Phone },
        ]
    }

    #[test]
    fn a_code_stands_first_and_in_no_subject() {
        let body = Body::Code { via: Via::Mail, code: OneTimeCode::new("918273"), minutes: 5 };
        let product = Product::new("Example\nInc", None);
        let words = super::words(&message("Ada", body), &product);
        assert!(words.text.starts_with("918273 is your code for Example Inc.\n"), "{}", words.text);
        assert!(words.text.contains("never\nshare it") && !words.text.contains("http"), "{}", words.text);
        assert!(!words.subject.contains("918273"));
    }

    #[test]
    fn a_text_to_a_phone_ends_with_the_line_that_binds_the_code_to_its_page() {
        let code = OneTimeCode::new("918273");
        let text = |host| text_message(&code, 5, &Product::new("Example", host)).expose().to_owned();
        let said = "918273 is your code for Example. It is good for 5 minutes. Never share it.";
        assert_eq!(text(Some("id.example.org")), format!("{said}\n\n@id.example.org #918273"));
        for none in [None, Some(""), Some("127.0.0.1"), Some("::1"), Some("a b")] {
            assert_eq!(text(none), said, "{none:?}");
        }
        assert!(text(Some("id.example.org")).len() <= 160);
    }

    #[test]
    fn a_link_stands_alone_on_its_line() {
        let words = words(&message("Ada", Body::SetPassword { url: "https://id.example.org/set/mst_x".to_owned() }));
        assert_eq!(words.subject, "Set your password");
        let expected = "Hello Ada,\n\nan account was made for you. Please set its password here:\n\n    \
             https://id.example.org/set/mst_x\n\nThe link works once and only for a short time. If it has ended, ask \
             your administrator for a new one.\n";
        assert_eq!(words.text, expected);
    }

    #[test]
    fn every_kind_has_words_of_its_own_and_keeps_to_short_lines() {
        let all = bodies("https://id.example.org/a").map(|body| words(&message("Ada Lovelace", body)));
        for (at, words) in all.iter().enumerate() {
            assert!(words.text.starts_with("Hello Ada Lovelace,\n\n") && words.text.ends_with(".\n"), "{}", words.text);
            assert!(words.text.lines().all(|line| line.chars().count() <= 120), "{}", words.text);
            assert!(all.iter().skip(at + 1).all(|other| other.subject != words.subject), "{}", words.subject);
        }
    }

    #[test]
    fn what_a_user_typed_stays_as_it_is() {
        for name in ["{{7*7}}", "{% if x %}", "${HOME}", "{name}", "{}", "%s%n", "$(id)", "<b>Ada</b>", "\\n", "Zoë 王"]
        {
            for body in bodies("https://id.example.org/{{7*7}}?a=${b}&c=%7B") {
                let has_link = matches!(body, Body::SetPassword { .. } | Body::ResetPassword { .. });
                let text = words(&message(name, body)).text;
                assert!(text.starts_with(&format!("Hello {name},\n")), "{text}");
                assert_eq!(text.contains("    https://id.example.org/{{7*7}}?a=${b}&c=%7B\n"), has_link, "{text}");
            }
        }
    }

    #[test]
    fn a_name_cannot_begin_a_line_or_turn_the_text() {
        let evil = "Ada\r\n.\r\nBcc: eve@example.org\u{2028}x\u{202e}y\u{0}z\u{1b}[2J";
        let text = words(&message(evil, Body::PasswordChanged)).text;
        assert!(text.starts_with("Hello Ada . Bcc: eve@example.org x y z [2J,\n\nthe password"), "{text:?}");
        let url = "https://id.example.org/a\r\nBcc: eve@example.org";
        let text = words(&message("Ada", Body::ResetPassword { url: url.to_owned() })).text;
        assert!(text.contains("\n    https://id.example.org/aBcc:eve@example.org\n"), "{text:?}");
    }
}

//! What messages say, in plain English text.
//!
//! The words are part of the program. What comes from a person's record stands in them as it is: it is put in
//! once, is never read as a pattern, and can begin no line of its own.

use crate::directory::message::{Body, Message};

/// The words of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The subject: one line, with nothing of the person in it.
    pub subject: &'static str,
    /// The text, with line feeds.
    pub text: String,
}

/// The words of a message.
#[must_use]
pub fn words(message: &Message) -> Words {
    let (subject, said) = match &message.body {
        Body::SetPassword { url } => ("Set your password", link(url, SET)),
        Body::ResetPassword { url } => ("Set a new password", link(url, RESET)),
        Body::PasswordChanged => ("Your password was changed", PASSWORD_CHANGED.to_owned()),
        Body::FactorAdded => ("A second factor was added to your account", FACTOR_ADDED.to_owned()),
        Body::FactorsReset => ("Your second factors were removed", FACTORS_RESET.to_owned()),
    };
    Words { subject, text: format!("Hello {},\n\n{said}", one_line(&message.name)) }
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::id::UserId;
    use crate::base::rng::Rng;

    fn message(name: &str, body: Body) -> Message {
        let at = Timestamp::UNIX_EPOCH;
        Message {
            created_at: at,
            expires_at: at,
            user: UserId::new(at, &Rng::seeded(1)),
            to: "ada@example.org".to_owned(),
            name: name.to_owned(),
            body,
            attempts: 0,
            due_at: at,
        }
    }

    fn bodies(url: &str) -> [Body; 5] {
        let url = url.to_owned();
        [
            Body::SetPassword { url: url.clone() },
            Body::ResetPassword { url },
            Body::PasswordChanged,
            Body::FactorAdded,
            Body::FactorsReset,
        ]
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
            assert!(words.text.starts_with("Hello Ada Lovelace,\n\n") && words.text.ends_with(".\n"), "{words:?}");
            assert!(words.text.lines().all(|line| line.chars().count() <= 120), "{words:?}");
            assert!(all.iter().skip(at + 1).all(|other| other.subject != words.subject), "{words:?}");
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

//! What leaves the daemon after a commit: messages written to the outbox in the commit that causes them.
//!
//! Links and codes stand in messages, so neither a message nor its body shows more of itself than its kind.

use std::fmt;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::id::{PlanId, UserId};
use crate::base::secret::{Secret, same_secret, sha256};
use crate::directory::factor::Method;
use crate::directory::language::Language;
use crate::directory::user::User;

/// One message to one person.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// When the cause was committed.
    pub created_at: Timestamp,
    /// When it is of no use any more: it is dropped then, never sent late.
    pub expires_at: Timestamp,
    /// Whom it concerns; none: it is about the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The stored address or number that it goes to.
    pub to: String,
    /// The name to greet; may be empty where no person is known.
    pub name: String,
    /// What it says.
    pub body: Body,
    /// How often sending it has failed.
    #[serde(default)]
    pub attempts: u32,
    /// When to try it next.
    pub due_at: Timestamp,
    /// The language of the reader; none: that of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Why sending it failed the last time, without an address, a code or a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl Message {
    /// A message to this address or number of a user.
    #[must_use]
    pub fn to_user(user: &User, to: &str, body: Body, now: Timestamp, expires_at: Timestamp) -> Self {
        Self {
            created_at: now,
            expires_at,
            user: Some(user.id),
            to: to.to_owned(),
            name: user.name.as_str().to_owned(),
            body,
            attempts: 0,
            due_at: now,
            language: Language::of_person(&user.scim),
            last_error: None,
        }
    }

    /// A message about the directory to an address that the settings name.
    #[must_use]
    pub fn to_address(to: &str, body: Body, now: Timestamp, expires_at: Timestamp) -> Self {
        let (to, name) = (to.to_owned(), String::new());
        Self {
            created_at: now,
            expires_at,
            user: None,
            to,
            name,
            body,
            attempts: 0,
            due_at: now,
            language: None,
            last_error: None,
        }
    }

    /// Whom it concerns, or else where it goes, as a text that tells messages of one moment apart.
    #[must_use]
    pub fn concerns(&self) -> String {
        self.user.map_or_else(|| HEXLOWER.encode(&sha256(self.to.as_bytes())), |user| user.to_string())
    }

    /// How it goes. Only codes go to phones.
    #[must_use]
    pub fn via(&self) -> Via {
        match self.body {
            Body::Code { via, .. } => via,
            Body::ForgetFace { .. } => Via::Face,
            Body::Event { .. } => Via::Webhook,
            _ => Via::Mail,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Message");
        shown.field("user", &self.user).field("via", &self.via()).field("body", &self.body);
        shown.field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// How a message goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By mail, to an address.
    #[default]
    Mail,
    /// By SMS, to a number in E.164.
    Sms,
    /// To the provider that compares faces: to no person.
    Face,
    /// To a webhook, whose name stands where others have an address: to no person.
    Webhook,
}

impl Via {
    /// Those by which the outbox sends; webhooks have tasks of their own.
    pub const ALL: &'static [Self] = &[Self::Mail, Self::Sms, Self::Face];

    /// A stable name for lists, figures and the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Sms => "sms",
            Self::Face => "face",
            Self::Webhook => "webhook",
        }
    }
}

/// A code that is good for once. It cannot be printed; where it is stored, that is sealed.
#[derive(Clone)]
pub struct OneTimeCode(Secret);

impl OneTimeCode {
    /// Takes a text as code.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Secret::new(text))
    }

    /// The code in the clear, for the message that carries it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl PartialEq for OneTimeCode {
    fn eq(&self, other: &Self) -> bool {
        same_secret(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

impl Serialize for OneTimeCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for OneTimeCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Secret::deserialize(deserializer).map(Self)
    }
}

/// What a message says.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A link by which the reader sets a first password.
    SetPassword {
        /// The link's address.
        url: String,
    },
    /// A link by which the reader sets a new password.
    ResetPassword {
        /// The link's address.
        url: String,
    },
    /// The reader's password was changed.
    PasswordChanged,
    /// A second factor was added to the reader's account.
    FactorAdded,
    /// The second factors of the reader's account were removed.
    FactorsReset,
    /// A code that the reader types where it is asked for.
    Code {
        /// How it goes.
        #[serde(default)]
        via: Via,
        /// The code.
        code: OneTimeCode,
        /// How long it is good for.
        minutes: u32,
    },
    /// This second factor was added to the reader's account.
    FactorEnrolled {
        /// Which.
        method: Method,
    },
    /// This second factor was removed from the reader's account.
    FactorRemoved {
        /// Which.
        method: Method,
    },
    /// One of the reader's recovery codes was used.
    RecoveryCodeUsed {
        /// How many are left.
        left: u32,
    },
    /// Somebody gave the reader's password, and then failed at the second factor.
    SecondFactorRefused,
    /// What codes and links went to is another one now. This goes to the old address.
    AddressChanged {
        /// What was changed.
        what: Changed,
    },
    /// Somebody asked for a new password of an account whose password is kept elsewhere.
    PasswordElsewhere {
        /// The source that keeps it.
        source: String,
    },
    /// The reader's account ends soon.
    AccountExpires {
        /// When.
        at: Timestamp,
    },
    /// Accounts end soon: for an administrator who is told of it too.
    AccountsExpire {
        /// Some of them, the first to end first.
        accounts: Vec<Ending>,
        /// How many there are besides.
        more: usize,
    },
    /// The reader's password must be changed soon.
    PasswordExpires {
        /// By when.
        at: Timestamp,
    },
    /// The reader's account is not used, and is disabled soon.
    InactivityNear {
        /// When.
        at: Timestamp,
    },
    /// The reader's account was disabled since it was not used.
    DisabledForInactivity,
    /// A plan waits for a person.
    RunHeld {
        /// Of what: a source's name, or `sweep`.
        of: String,
        /// Which plan.
        plan: PlanId,
        /// Why.
        why: String,
    },
    /// A run did not come to its end.
    RunFailed {
        /// Of what.
        of: String,
        /// Why.
        why: String,
    },
    /// Many users were taken in at once.
    ImportDone {
        /// From where.
        of: String,
        /// How many were made.
        created: usize,
        /// How many were changed.
        changed: usize,
        /// How many could not be taken.
        skipped: usize,
    },
    /// Something needs a person.
    Alarm {
        /// What kind of thing: a stable name.
        cause: String,
        /// What is wrong and what to do, in words.
        detail: String,
    },
    /// Mail works.
    MailTest,
    /// The provider that compares faces forgets this one. No person reads it.
    ForgetFace {
        /// What the provider knows the person by.
        subject: String,
    },
    /// Something happened, for a webhook. No person reads it.
    Event {
        /// The same for each attempt, and for no other event.
        id: String,
        /// What is sent, byte for byte.
        payload: String,
    },
}

/// An account that ends.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Its username.
    pub username: String,
    /// The name to show.
    pub name: String,
    /// When it ends.
    pub at: Timestamp,
}

/// What messages go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// The email address.
    Email,
    /// The phone number.
    Phone,
}

impl Body {
    /// Does somebody wait for it? Codes and links go before everything else.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        matches!(self, Self::Code { .. } | Self::SetPassword { .. } | Self::ResetPassword { .. })
    }

    /// A stable name for lists and logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetPassword { .. } => "set_password",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::FactorAdded => "factor_added",
            Self::FactorsReset => "factors_reset",
            Self::Code { .. } => "code",
            Self::FactorEnrolled { .. } => "factor_enrolled",
            Self::FactorRemoved { .. } => "factor_removed",
            Self::RecoveryCodeUsed { .. } => "recovery_code_used",
            Self::SecondFactorRefused => "second_factor_refused",
            Self::AddressChanged { .. } => "address_changed",
            Self::PasswordElsewhere { .. } => "password_elsewhere",
            Self::AccountExpires { .. } => "account_expires",
            Self::AccountsExpire { .. } => "accounts_expire",
            Self::PasswordExpires { .. } => "password_expires",
            Self::InactivityNear { .. } => "inactivity_near",
            Self::DisabledForInactivity => "disabled_for_inactivity",
            Self::RunHeld { .. } => "run_held",
            Self::RunFailed { .. } => "run_failed",
            Self::ImportDone { .. } => "import_done",
            Self::Alarm { .. } => "alarm",
            Self::MailTest => "mail_test",
            Self::ForgetFace { .. } => "forget_face",
            Self::Event { .. } => "event",
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn message(body: Body) -> Message {
        let at = Timestamp::UNIX_EPOCH;
        let user = UserId::new(at, &Rng::seeded(1));
        let (to, name) = ("+31612345600".to_owned(), "Ada".to_owned());
        let message = Message::to_address(&to, body, at, at);
        Message { user: Some(user), name, ..message }
    }

    #[test]
    fn neither_a_code_nor_a_link_nor_an_address_is_shown() {
        let code = Body::Code { via: Via::Sms, code: OneTimeCode::new("918273"), minutes: 5 };
        let link = Body::SetPassword { url: "https://id.example.org/mst_l_x".to_owned() };
        for body in [code, link] {
            let shown = format!("{:?} {body:?}", message(body.clone()));
            for hidden in ["918273", "mst_l_", "+31612345600", "Ada"] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
    }

    #[test]
    fn a_message_is_read_back_as_it_was_written_and_older_ones_go_by_mail() {
        let all = [
            Body::Code { via: Via::Sms, code: OneTimeCode::new("918273"), minutes: 5 },
            Body::FactorEnrolled { method: Method::Totp },
            Body::RecoveryCodeUsed { left: 3 },
            Body::AddressChanged { what: Changed::Phone },
            Body::ForgetFace { subject: "s".to_owned() },
            Body::Event { id: "msg_1".to_owned(), payload: "{}".to_owned() },
        ];
        for body in all {
            let message = message(body);
            let written = serde_json::to_string(&message).unwrap();
            assert!(serde_json::from_str::<Message>(&written).unwrap() == message, "{written}");
        }
        let old = r#"{"created_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-02T00:00:00Z",
            "user":"018f4e5c-7a9b-7c3d-8e1f-0a1b2c3d4e5f","to":"ada@example.org","name":"Ada",
            "body":{"kind":"factor_added"},"due_at":"2026-01-01T00:00:00Z"}"#;
        let old: Message = serde_json::from_str(old).unwrap();
        assert_eq!((old.body.kind(), old.via()), ("factor_added", Via::Mail));
    }
}

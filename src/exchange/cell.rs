//! What stands in one place of a file, parsed by the kind of its column.

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::Limits;
use super::column::{Column, Kind};
use super::list::{self, Membership};
use crate::base::secret::Secret;
use crate::directory::field::FieldError;
use crate::directory::user::MfaPolicy;

/// A cell. It has no `Debug`, since it may be a secret.
pub enum Cell {
    /// Nothing: what the column holds is cleared, or, for what cannot be cleared, as it would be without the column.
    Empty,
    /// Text as it stands; what the model says of it is not looked at here.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A time.
    Time(Timestamp),
    /// Active, or disabled.
    Active(bool),
    /// A policy of second factors.
    Mfa(MfaPolicy),
    /// Names.
    List(Vec<String>),
    /// Organisations, each with roles.
    Memberships(Vec<Membership>),
    /// A password, or its hash.
    Secret(Secret),
}

/// A cell as it stands in the file, or why it cannot be read (code and words, which complete "the cell …").
pub(super) type Raw = Result<String, (&'static str, &'static str)>;

/// What is said of a cell that is longer than the limit.
pub(super) const TOO_LONG: (&str, &str) = ("too_long", "is longer than a cell may be");

/// A text that is no longer than a cell may be.
pub(super) fn bounded(text: String, limits: &Limits) -> Raw {
    if text.len() > limits.cell { Err(TOO_LONG) } else { Ok(text) }
}

impl Cell {
    /// Bytes that it takes beside its place.
    pub(super) fn bytes(&self) -> usize {
        let names = |names: &[String]| names.iter().map(|name| size_of::<String>() + name.len()).sum::<usize>();
        match self {
            Self::Text(text) => text.len(),
            Self::Secret(secret) => secret.expose().len(),
            Self::List(list) => names(list),
            Self::Memberships(held) => {
                held.iter().map(|one| size_of::<Membership>() + one.organization.len() + names(&one.roles)).sum()
            }
            Self::Empty | Self::Flag(_) | Self::Time(_) | Self::Active(_) | Self::Mfa(_) => 0,
        }
    }

    /// Parses what stands in a column.
    pub(super) fn parse(column: Column, text: String) -> Result<Self, FieldError> {
        let fault = |code, message: String| FieldError::new(column.name(), code, message);
        let kind = column.kind();
        if kind == Kind::Secret {
            return Ok(if text.is_empty() { Self::Empty } else { Self::Secret(Secret::new(text)) });
        }
        let word = text.trim();
        if word.is_empty() {
            return Ok(Self::Empty);
        }
        let lower = word.to_ascii_lowercase();
        match kind {
            Kind::Text | Kind::Secret => Ok(Self::Text(text)),
            Kind::Flag => match lower.as_str() {
                "true" | "yes" | "1" => Ok(Self::Flag(true)),
                "false" | "no" | "0" => Ok(Self::Flag(false)),
                _ => Err(fault("malformed", "must be true or false".to_owned())),
            },
            Kind::State => match lower.as_str() {
                "active" => Ok(Self::Active(true)),
                "disabled" => Ok(Self::Active(false)),
                _ => Err(fault("malformed", "must be active or disabled".to_owned())),
            },
            Kind::Mfa => match lower.as_str() {
                "disabled" => Ok(Self::Mfa(MfaPolicy::Disabled)),
                "enabled" => Ok(Self::Mfa(MfaPolicy::Enabled)),
                "forced" => Ok(Self::Mfa(MfaPolicy::Forced)),
                _ => Err(fault("malformed", "must be disabled, enabled or forced".to_owned())),
            },
            Kind::Time => time(word).map(Self::Time).ok_or_else(|| {
                fault(
                    "malformed",
                    "must be a time such as 2027-12-31T23:59:59Z, or a day such as 2027-12-31".to_owned(),
                )
            }),
            Kind::List => list::read(word).map(Self::List).map_err(|error| fault("malformed", error.to_string())),
            Kind::Memberships => list::read_memberships(word)
                .map(Self::Memberships)
                .map_err(|error| fault("malformed", error.to_string())),
        }
    }
}

/// A time as files have it: RFC 3339, a day (its beginning, in UTC), a day and a time (in UTC), or JumpServer's form.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let stamped = |format| strtime::parse(format, text).ok()?.to_timestamp().ok();
    if let Some(at) = stamped("%Y/%m/%d %H:%M:%S %z") {
        return Some(at);
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok();
    civil?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_form_that_files_have() {
        let at: Timestamp = "2027-12-31T00:00:00Z".parse().unwrap();
        for text in [
            "2027-12-31T00:00:00Z",
            "2027-12-31T01:00:00+01:00",
            "2027-12-31",
            "2027-12-31 00:00:00",
            "2027/12/31 08:00:00 +0800",
        ] {
            assert_eq!(time(text), Some(at), "{text}");
        }
        for bad in ["", "31.12.2027", "12/31/2027", "2027", "tomorrow"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_empty_cell_is_empty_in_every_column_and_a_wrong_word_names_the_right_ones() {
        for name in Column::names() {
            let column = Column::parse(name).unwrap();
            assert!(matches!(Cell::parse(column, String::new()), Ok(Cell::Empty)), "{name}");
        }
        let Err(fault) = Cell::parse(Column::Mfa, "sometimes".to_owned()) else { panic!("it was taken") };
        assert_eq!((fault.field.as_str(), fault.message.as_str()), ("mfa", "must be disabled, enabled or forced"));
    }

    #[test]
    fn a_secret_is_taken_to_the_letter() {
        let Ok(Cell::Secret(secret)) = Cell::parse(Column::Password, " '=x ".to_owned()) else { panic!("no secret") };
        assert_eq!(secret.expose(), " '=x ");
    }
}

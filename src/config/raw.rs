//! Written values, and how each wanted type is read from them and shown.
//!
//! The file must use the right TOML type; a text of the environment is read as whatever type is wanted. Values
//! have no `Debug`: any of them may be a secret.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Value, ValueKind};

use crate::tasks::schedule::parse_duration;

/// A value as somebody wrote it.
#[derive(Clone)]
pub(super) enum Raw {
    /// A section.
    Table,
    /// So many sections under one name.
    Tables(usize),
    /// A text of the file.
    Text(String),
    /// A text of the environment: any type.
    Words(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list of plain values.
    List(Vec<Raw>),
    /// Something that no setting takes.
    Other,
}

impl Raw {
    /// Reads a plain value or a list of them.
    pub(super) fn read(value: &Value) -> Self {
        match &value.kind {
            ValueKind::String(text) if value.origin().is_some() => Self::Words(text.clone()),
            ValueKind::String(text) => Self::Text(text.clone()),
            ValueKind::I64(number) => Self::Integer(*number),
            ValueKind::Float(number) => Self::Fraction(*number),
            ValueKind::Boolean(boolean) => Self::Boolean(*boolean),
            ValueKind::Array(items) => Self::List(items.iter().map(Self::read).collect()),
            _ => Self::Other,
        }
    }

    /// Reads what was set at run time: the types are those of the file.
    pub(super) fn of_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Bool(boolean) => Self::Boolean(*boolean),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or(Self::Fraction(number.as_f64().unwrap_or(f64::NAN)), Self::Integer)
            }
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            serde_json::Value::Null | serde_json::Value::Object(_) => Self::Other,
        }
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::Words(text) => Ok(text),
            _ => Err("must be a text in quotes".to_owned()),
        }
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Result<bool, String> {
        match self {
            Self::Boolean(boolean) => Ok(*boolean),
            Self::Words(text) if text.trim() == "true" => Ok(true),
            Self::Words(text) if text.trim() == "false" => Ok(false),
            _ => Err("must be true or false, without quotes".to_owned()),
        }
    }

    /// A whole number in a range.
    pub(super) fn integer<T>(&self, range: &RangeInclusive<T>) -> Result<T, String>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let number = match self {
            Self::Integer(number) => Some(*number),
            Self::Words(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or("must be a whole number, without quotes")?;
        let number = T::try_from(number).ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("must be {} to {}", range.start(), range.end()))
    }

    /// A number in a range, with a fraction or without.
    pub(super) fn number(&self, range: &RangeInclusive<f64>) -> Result<f64, String> {
        let number = match self {
            Self::Integer(number) => number.to_string().parse().ok(),
            Self::Fraction(number) => Some(*number),
            Self::Words(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number: f64 = number.ok_or("must be a number such as 0.9, without quotes")?;
        match range.contains(&number) {
            true => Ok(number),
            false => Err(format!("must be {} to {}", range.start(), range.end())),
        }
    }

    /// A duration in a range.
    pub(super) fn duration(&self, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
        let text = self.text().map_err(|_| "must be a duration in quotes, such as \"30s\", \"15m\" or \"7d\"")?;
        let duration = parse_duration(text.trim())?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        Err(format!("must be {} to {}", show_duration(*range.start()), show_duration(*range.end())))
    }

    /// A size in bytes: a number, or a text such as `512KiB`.
    pub(super) fn bytes(&self, range: &RangeInclusive<u64>) -> Result<u64, String> {
        let bytes = match self {
            Self::Integer(number) => u64::try_from(*number).ok(),
            Self::Text(text) | Self::Words(text) => parse_bytes(text.trim()),
            _ => None,
        };
        let bytes = bytes.ok_or("must be a size such as 65536, \"512KiB\", \"1MiB\" or \"2GiB\"")?;
        if range.contains(&bytes) {
            return Ok(bytes);
        }
        Err(format!("must be {} to {}", show_bytes(*range.start()), show_bytes(*range.end())))
    }

    /// The items of a list; a text of the environment is cut at its commas.
    pub(super) fn items(&self) -> Result<Vec<Self>, String> {
        match self {
            Self::List(items) => Ok(items.clone()),
            Self::Words(text) if text.trim().is_empty() => Ok(Vec::new()),
            Self::Words(text) => Ok(text.split(',').map(|item| Self::Words(item.trim().to_owned())).collect()),
            _ => Err("must be a list in brackets".to_owned()),
        }
    }
}

/// The units of sizes, largest first.
const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

fn parse_bytes(text: &str) -> Option<u64> {
    let unit = UNITS.iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, *size)));
    let (number, size) = unit.unwrap_or((text.strip_suffix('B').unwrap_or(text), 1));
    number.trim_end().parse::<u64>().ok()?.checked_mul(size)
}

/// A size as it can be written in the file.
pub(super) fn show_bytes(bytes: u64) -> String {
    match UNITS.iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

/// A duration as it can be written in the file.
pub(super) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_millis() > 0 {
        return format!("{}ms", duration.as_millis());
    }
    let units = [("d", 86_400), ("h", 3_600), ("m", 60)];
    match units.into_iter().find(|(_, size)| seconds > 0 && seconds.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", seconds / size),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        let any = 0..=u64::MAX;
        for (text, bytes) in [("0", 0), ("1B", 1), ("1500", 1500), ("512KiB", 1 << 19), ("256 MiB", 1 << 28)] {
            assert_eq!(Raw::Text(text.to_owned()).bytes(&any).unwrap(), bytes);
            assert_eq!(Raw::Text(show_bytes(bytes)).bytes(&any).unwrap(), bytes);
        }
        for bad in ["", "x", "1MB", "1.5MiB", "-1", "MiB", "99999999999TiB"] {
            assert!(Raw::Text(bad.to_owned()).bytes(&any).is_err(), "{bad}");
        }
        assert_eq!(Raw::Integer(5).bytes(&(1024..=1 << 20)).unwrap_err(), "must be 1KiB to 1MiB");
    }

    #[test]
    fn durations_are_read_as_they_are_shown() {
        for text in ["0s", "250ms", "90s", "15m", "6h", "7d"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(Duration::from_secs(3600 * 48)), "2d");
    }

    #[test]
    fn the_file_must_use_the_right_type_and_the_environment_cannot() {
        let text = |text: &str| Raw::Text(text.to_owned());
        let words = |text: &str| Raw::Words(text.to_owned());
        assert!(text("5").integer(&(0..=9)).is_err());
        assert_eq!(words("5").integer(&(0_u8..=9)).unwrap(), 5);
        assert!(words("300").integer(&(0_u8..=255)).is_err());
        assert!(text("0.5").number(&(0.0..=1.0)).is_err());
        for half in [words("0.5"), Raw::Fraction(0.5)] {
            assert!((half.number(&(0.0..=1.0)).unwrap() - 0.5).abs() < f64::EPSILON);
        }
        assert!(Raw::Integer(1).number(&(0.0..=1.0)).is_ok() && Raw::Integer(2).number(&(0.0..=1.0)).is_err());
        assert!(words("NaN").number(&(0.0..=1.0)).is_err());
        assert!(text("true").boolean().is_err());
        assert!(words("true").boolean().unwrap());
        assert!(Raw::Integer(5).text().is_err());
        assert!(Raw::Integer(5).duration(&(Duration::ZERO..=Duration::MAX)).is_err());
        assert_eq!(words("a, b").items().unwrap().len(), 2);
        assert_eq!(words("").items().unwrap().len(), 0);
        assert!(text("a").items().is_err());
    }
}

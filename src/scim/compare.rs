//! One comparison of a filter, prepared for its attribute (RFC 7644 §3.4.2.2).
//!
//! Owns which operators a type allows and how two values of a type compare. Refuses paths and
//! resources: those are found by `evaluate`.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Number, Value};

use super::error::ScimError;
use super::filter::parse_number;
use super::schema::{Attribute, AttributeType};
use super::value::{as_boolean, parse_date_time};
use crate::directory::query::{Literal, Operator};

/// What a value must satisfy.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// There is a value.
    Present,
    /// There is none.
    Absent,
    Text {
        operator: Operator,
        needle: String,
        exact: bool,
    },
    Boolean {
        operator: Operator,
        needle: bool,
    },
    Number {
        operator: Operator,
        needle: Number,
    },
    Time {
        operator: Operator,
        needle: Timestamp,
    },
}

impl Test {
    /// Prepares `operator literal` for `attribute`; `label` names it in errors.
    pub(super) fn new(
        attribute: &Attribute,
        operator: Operator,
        literal: &Literal,
        label: &str,
    ) -> Result<Self, ScimError> {
        if *literal == Literal::Null {
            return Self::for_null(operator, label);
        }
        let kind = attribute.kind;
        let is_boolean = kind == AttributeType::Boolean;
        if operator.is_order() && (is_boolean || kind == AttributeType::Binary)
            || operator.is_substring()
                && matches!(kind, AttributeType::Boolean | AttributeType::Integer | AttributeType::Decimal)
        {
            return Err(unfit(label, operator, kind));
        }
        match kind {
            AttributeType::Complex => {
                let detail = format!("{label} has parts and no value of its own; compare one of its sub-attributes");
                Err(ScimError::invalid_filter(detail))
            }
            AttributeType::Boolean => match as_boolean(&plain(literal)) {
                Some(needle) => Ok(Self::Boolean { operator, needle }),
                None => Err(mismatch(label, "true or false")),
            },
            AttributeType::Integer | AttributeType::Decimal => match number(literal) {
                Some(needle) => Ok(Self::Number { operator, needle }),
                None => Err(mismatch(label, "a number")),
            },
            AttributeType::DateTime if !operator.is_substring() => match parse_date_time(&text(literal)) {
                Some(needle) => Ok(Self::Time { operator, needle }),
                None => Err(mismatch(label, "a date and time such as \"2026-01-31T08:00:00Z\"")),
            },
            _ => Ok(Self::for_text(operator, &text(literal), attribute.case_exact)),
        }
    }

    /// Whether a resource without any value passes: what is unassigned is not identical to anything.
    pub(super) fn accepts_nothing(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Present => false,
            Self::Text { operator, .. }
            | Self::Boolean { operator, .. }
            | Self::Number { operator, .. }
            | Self::Time { operator, .. } => *operator == Operator::NotEqual,
        }
    }

    /// Whether this value passes.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        match self {
            Self::Present => true,
            Self::Absent => false,
            Self::Text { operator, needle, exact } => {
                value.as_str().is_some_and(|text| text_passes(*operator, text, needle, *exact))
            }
            Self::Boolean { operator, needle } => {
                as_boolean(value).is_some_and(|flag| (flag == *needle) == (*operator == Operator::Equal))
            }
            Self::Number { operator, needle } => match value {
                Value::Number(found) => order_passes(*operator, compare_numbers(found, needle)),
                _ => false,
            },
            Self::Time { operator, needle } => {
                let found = value.as_str().and_then(parse_date_time);
                found.is_some_and(|found| order_passes(*operator, found.cmp(needle)))
            }
        }
    }

    fn for_null(operator: Operator, label: &str) -> Result<Self, ScimError> {
        match operator {
            Operator::Equal => Ok(Self::Absent),
            Operator::NotEqual => Ok(Self::Present),
            _ => Err(ScimError::invalid_filter(format!(
                "{label} {} null: null has no order and no text; use eq, ne or pr",
                operator.as_str()
            ))),
        }
    }

    fn for_text(operator: Operator, needle: &str, exact: bool) -> Self {
        let needle = if exact { needle.to_owned() } else { needle.to_lowercase() };
        Self::Text { operator, needle, exact }
    }
}

/// Numeric order; integers exactly, anything else as doubles.
pub(super) fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    let integer = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => {
            let double = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
            double(left).partial_cmp(&double(right)).unwrap_or(Ordering::Equal)
        }
    }
}

fn text_passes(operator: Operator, found: &str, needle: &str, exact: bool) -> bool {
    if exact {
        return folded_passes(operator, found, needle);
    }
    if operator == Operator::Equal && found.is_ascii() {
        return found.eq_ignore_ascii_case(needle);
    }
    folded_passes(operator, &found.to_lowercase(), needle)
}

fn folded_passes(operator: Operator, found: &str, needle: &str) -> bool {
    match operator {
        Operator::Contains => found.contains(needle),
        Operator::StartsWith => found.starts_with(needle),
        Operator::EndsWith => found.ends_with(needle),
        other => order_passes(other, found.cmp(needle)),
    }
}

fn order_passes(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Contains | Operator::StartsWith | Operator::EndsWith => false,
    }
}

/// A literal as the JSON value it was written as.
pub(super) fn plain(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(flag) => Value::Bool(*flag),
        Literal::Number(number) => Value::Number(number.clone()),
        Literal::String(text) => Value::String(text.clone()),
    }
}

/// A literal as text: `employeeNumber eq 7` means `"7"`.
fn text(literal: &Literal) -> String {
    match literal {
        Literal::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(literal: &Literal) -> Option<Number> {
    match literal {
        Literal::Number(number) => Some(number.clone()),
        Literal::String(text) => parse_number(text),
        _ => None,
    }
}

fn unfit(label: &str, operator: Operator, kind: AttributeType) -> ScimError {
    ScimError::invalid_filter(format!("{label} is {}; {} does not apply to it", kind.as_str(), operator.as_str()))
}

fn mismatch(label: &str, expected: &str) -> ScimError {
    ScimError::invalid_filter(format!("{label} compares with {expected}"))
}

//! JSON bodies of SCIM, read strictly: bounded in size and depth, and no member twice, because two readers of
//! such a body could see two different requests.

use std::fmt;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::journal::Seen;
use super::reply::Failure;
use crate::http::extract::read_body;
use crate::http::state::App;
use crate::scim::ScimError;

/// Deepest nesting of a body; a resource needs five levels.
const DEEPEST: usize = 64;

/// A JSON body, in no schema yet.
pub struct Body(pub Value);

impl FromRequest<App> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            let detail = "send the body as application/scim+json or application/json";
            return Err(ScimError::plain(415, detail).into());
        }
        let seen = request.extensions().get::<Seen>().cloned();
        let bytes = read_body(request, app).await.map_err(|problem| {
            let limit = app.settings.body_limit;
            let detail =
                format!("the body is larger than {limit} bytes (bulk.maxPayloadSize of ServiceProviderConfig)");
            if problem.code == "body_too_large" { ScimError::plain(413, detail).into() } else { Failure::from(problem) }
        })?;
        if let Some(seen) = seen {
            seen.note(&bytes);
        }
        Ok(Self(parse(&bytes)?))
    }
}

/// `application/json` is taken too, and so is no content type at all (RFC 7644 §3.1).
fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_none_or(|kind| {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/scim+json") || kind.eq_ignore_ascii_case("application/json")
    })
}

/// Parses a body.
///
/// # Errors
/// 400 `invalidSyntax` with the place of the fault and never a value.
pub fn parse(bytes: &[u8]) -> Result<Value, ScimError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let what = match error.classify() {
            // Ours: these texts name no member and no value.
            serde_json::error::Category::Data => return ScimError::invalid_syntax(error.to_string()),
            serde_json::error::Category::Eof => "ends too early",
            _ => "is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        ScimError::invalid_syntax(format!("the body {what} (line {line}, column {column})"))
    })
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEEPEST {
            return Err(E::custom(format!("the body is nested deeper than {DEEPEST} levels")));
        }
        Ok(Self { depth: self.depth.saturating_add(1) })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::from(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("an object of the body has a member twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_is_read_as_any_json() {
        let text = r#"{"a":[1,-2,3.5,true,null,"x",{"b":{}}],"c":18446744073709551615}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(parse(b" [] ").unwrap(), json!([]));
    }

    #[test]
    fn hostile_bodies_are_refused_without_their_values() {
        let deep = "[".repeat(100_000);
        let closed = format!("{}{}", "[".repeat(65), "]".repeat(65));
        let bad = [
            "",
            "{",
            "{\"a\":1,\"a\":2}",
            "[{\"a\":{\"b\":1,\"b\":1}}]",
            "1 2",
            "\"secret",
            &deep,
            &closed,
            "\u{feff}{}",
        ];
        for bad in bad {
            let error = parse(bad.as_bytes()).unwrap_err();
            assert_eq!(error.scim_type, Some(crate::scim::ScimType::InvalidSyntax), "{error}");
            assert!(!error.detail.contains("secret"), "{error}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse(format!("{}{}", "[".repeat(64), "]".repeat(64)).as_bytes()).is_ok());
    }
}

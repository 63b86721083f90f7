//! Requests without what nobody may read in them again: for whoever looks at what a client has sent.
//!
//! Owns which attributes those are: whatever a schema never returns, wherever it stands and however it is spelled.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::{Attribute, Mutability, Returned};
use super::schemas::Registry;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The names of the secret attributes, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Those of all the schemas that are served.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let is_secret = |attribute: &&Attribute| {
            attribute.returned == Returned::Never || attribute.mutability == Mutability::WriteOnly
        };
        let all = registry.served().iter().flat_map(|schema| &schema.attributes);
        let all = all.flat_map(|attribute| std::iter::once(attribute).chain(&attribute.sub_attributes));
        Self(all.filter(is_secret).map(|attribute| attribute.name.to_ascii_lowercase()).collect())
    }

    /// Does a name, a path or a filter speak of a secret?
    fn named_in(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.0.iter().any(|name| text.contains(name.as_str()))
    }

    /// Is there no secret in this JSON text? Looks at the letters alone; escaped ones may be any.
    #[must_use]
    pub fn cannot_be_in(&self, json: &str) -> bool {
        !json.contains("\\u") && !self.named_in(json)
    }

    /// The body of a request without its secrets. Bodies are bounded in depth when they are parsed.
    #[must_use]
    pub fn redact(&self, body: Value) -> Value {
        match body {
            Value::Array(items) => items.into_iter().map(|item| self.redact(item)).collect(),
            Value::Object(members) => {
                // The value of an operation whose path names a secret.
                let speaks = |name: &str, value: &Value| {
                    name.eq_ignore_ascii_case("path") && value.as_str().is_some_and(|path| self.named_in(path))
                };
                let is_secret = members.iter().any(|(name, value)| speaks(name, value));
                let hide = |name: &str| self.named_in(name) || is_secret && name.eq_ignore_ascii_case("value");
                let one = |(name, value): (String, Value)| {
                    let value = if hide(&name) { Value::from(REDACTED) } else { self.redact(value) };
                    (name, value)
                };
                Value::Object(members.into_iter().map(one).collect())
            }
            // A filter, or anything else that names one, may hold its value too.
            Value::String(text) if self.named_in(&text) && text.contains(char::is_whitespace) => Value::from(REDACTED),
            other => other,
        }
    }

    /// A query string without its secrets: one that speaks of any is not shown at all.
    #[must_use]
    pub fn redact_query(&self, query: &str) -> String {
        let decoded = percent_encoding::percent_decode_str(query).decode_utf8_lossy();
        if self.named_in(&decoded) { REDACTED.to_owned() } else { query.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_password_is_nowhere_however_it_is_sent() {
        let secrets = Secrets::of(Registry::standard());
        let urn = "urn:ietf:params:scim:schemas:core:2.0:User";
        let bodies = [
            json!({"userName": "ada", "passWord": "s3cret"}),
            json!({urn: {"password": "s3cret"}}),
            json!({"Operations": [{"op": "add", "path": "password", "value": "s3cret"}]}),
            json!({"Operations": [{"op": "add", "value": "s3cret", "PATH": format!("{urn}:Password")}]}),
            json!({"Operations": [{"op": "replace", "value": {"password": {"value": "s3cret"}}}]}),
            json!({"Operations": [{"op": "replace", "value": {format!("{urn}:password"): "s3cret"}}]}),
            json!({"Operations": [{"method": "POST", "data": {"password": ["s3cret"]}}]}),
            json!({"filter": "password eq \"s3cret\""}),
        ];
        for body in bodies {
            let shown = secrets.redact(body.clone()).to_string();
            assert!(!shown.contains("s3cret") && shown.contains(REDACTED), "{body}: {shown}");
        }
        let plain = json!({"Operations": [{"op": "replace", "path": "title", "value": "x"}], "a": [1, null, true]});
        assert_eq!(secrets.redact(plain.clone()), plain);
        for (text, open) in
            [(r#"{"title":"x"}"#, true), (r#"{"PassWord":1}"#, false), (r#"{"\u0070assword":1}"#, false)]
        {
            assert_eq!(secrets.cannot_be_in(text), open, "{text}");
        }
        assert_eq!(secrets.redact_query("filter=password%20eq%20%22x%22"), REDACTED);
        assert_eq!(secrets.redact_query("filter=p%61ssword%20eq%20%22x%22"), REDACTED);
        assert_eq!(secrets.redact_query("count=2"), "count=2");
    }
}

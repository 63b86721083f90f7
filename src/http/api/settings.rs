//! The settings: what takes effect and why, and policy that is changed while the daemon runs.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::base::id::is_slug_char;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Parameters, Segment};
use crate::http::policies::Wish;
use crate::http::reply::Tagged;
use crate::http::state::App;
use crate::store::StoreError;

/// Most keys of one change.
pub(in crate::http) const KEYS_MAX: usize = 200;
/// Most parts of a key, such as the three of `inactivity.roles.system-admin`.
pub(in crate::http) const PARTS_MAX: usize = 4;
/// Longest key, and longest value as JSON, in bytes.
pub(in crate::http) const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 64 << 10;

/// The effective settings, each with where it came from; secrets masked.
pub async fn list(State(app): State<App>) -> Response {
    Tagged(app.shown.revision, json!(*app.shown)).into()
}

/// One of them.
pub async fn show(State(app): State<App>, Segment(key): Segment<String>) -> Result<Response, Problem> {
    let found = app.shown.items.iter().find(|item| item.get("key").and_then(Value::as_str) == Some(key.as_str()));
    let item = found.cloned().ok_or_else(|| Problem::not_found("setting"))?;
    Ok(Tagged(app.shown.revision, item).into())
}

/// What a password must be: a form shows it to who has not signed in yet.
pub async fn password_rules(State(app): State<App>) -> Json<Value> {
    Json(app.auth.rules())
}

/// Changes policy, by a merge patch of dotted keys or of sections; `null` takes a change back. All of it, or nothing.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    parameters: Parameters,
    IfMatch(seen): IfMatch,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Response, Problem> {
    let mut values = BTreeMap::new();
    flatten("", patch, &mut values)?;
    parameters.only(&["dry_run"])?;
    let wish = Wish { values, seen, dry_run: parameters.flag("dry_run")? };
    let author = caller.author();
    // A task of its own: what is written takes effect, though a caller hangs up.
    let settling = tokio::spawn(async move { app.policies.change(wish, author).await });
    let outcome = settling.await.map_err(|_| StoreError::Stopped)??;
    Ok(Tagged(outcome.revision, json!(outcome)).into())
}

/// Has the file read again.
pub async fn reload(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let author = caller.author();
    let settling = tokio::spawn(async move { app.policies.reload(author).await });
    let outcome = settling.await.map_err(|_| StoreError::Stopped)??;
    Ok(Tagged(outcome.revision, json!(outcome)).into())
}

/// Lays a patch out by dotted key.
fn flatten(
    above: &str,
    patch: Map<String, Value>,
    values: &mut BTreeMap<String, Option<Value>>,
) -> Result<(), Problem> {
    let too_many = |key: &str| Problem::field(key, "too_many", &format!("is one too many: at most {KEYS_MAX} at once"));
    for (number, (key, value)) in patch.into_iter().enumerate() {
        let key = if above.is_empty() { key } else { format!("{above}.{key}") };
        let shown = key.chars().take(KEY_MAX).collect::<String>();
        let is_part = |part: &str| !part.is_empty() && part.chars().all(is_slug_char);
        if key.len() > KEY_MAX || key.split('.').count() > PARTS_MAX || !key.split('.').all(is_part) {
            return Err(Problem::field(&shown, "malformed", "is no key of a setting"));
        }
        if number >= KEYS_MAX {
            return Err(too_many(&shown));
        }
        let value = match value {
            Value::Object(section) => {
                flatten(&key, section, values)?;
                continue;
            }
            Value::Null => None,
            value if value.to_string().len() > VALUE_MAX => {
                return Err(Problem::field(&key, "too_long", &format!("must not have more than {VALUE_MAX} bytes")));
            }
            value => Some(value),
        };
        if values.insert(key, value).is_some() {
            return Err(Problem::field(&shown, "twice", "is given twice"));
        }
        if values.len() > KEYS_MAX {
            return Err(too_many(&shown));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(patch: Value) -> Result<BTreeMap<String, Option<Value>>, &'static str> {
        let mut values = BTreeMap::new();
        let Value::Object(patch) = patch else { panic!("is an object") };
        flatten("", patch, &mut values).map_err(|problem| problem.errors[0].code)?;
        Ok(values)
    }

    #[test]
    fn sections_and_dotted_keys_mean_the_same() {
        let nested = json!({"login": {"deadline": "3s"}, "inactivity": {"roles": {"system-admin": null}}});
        let dotted = json!({"login.deadline": "3s", "inactivity.roles.system-admin": null});
        assert_eq!(flat(nested), flat(dotted));
        assert_eq!(flat(json!({"login": null})).unwrap()["login"], None);
    }

    #[test]
    fn what_is_no_key_or_too_much_is_refused() {
        assert_eq!(flat(json!({"login": {"deadline": 1}, "login.deadline": 2})), Err("twice"));
        for key in ["", ".", "a.", ".a", "a..b", "a.b.c.d.e", "A.b", "a b", &"x".repeat(200)] {
            assert_eq!(flat(json!({key: 1})), Err("malformed"), "{key}");
        }
        assert_eq!(flat(json!({"a.b": "x".repeat(VALUE_MAX)})), Err("too_long"));
        let many: Map<String, Value> = (0..=KEYS_MAX).map(|number| (format!("a.k{number}"), json!(1))).collect();
        assert_eq!(flat(Value::Object(many)), Err("too_many"));
        let empty: Map<String, Value> = (0..=KEYS_MAX).map(|number| (format!("k{number}"), json!({}))).collect();
        assert_eq!(flat(Value::Object(empty)), Err("too_many"));
    }
}

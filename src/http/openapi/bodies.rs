//! Schemas of request bodies, derived from the structs that parse them.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::base::id::{FactorId, UserId};
use crate::base::secret::Secret;
use crate::directory::factor::Method;
use crate::directory::field::{Description, DisplayName, Email, Phone, Username};
use crate::directory::role::Scope;
use crate::directory::user::{KeptAttribute, MfaPolicy};

/// The largest whole number that every reader of JSON takes as it is (RFC 7493 §2.2).
pub(in crate::http) const INTEGER_MAX: u64 = (1 << 53) - 1;

/// The schema of a body, whole.
pub(super) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema =
        settings.with_transform(RecursiveTransform(in_our_words)).into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

/// What is said better than by default: a member that is left out is left alone, and null may clear it, so that null is no
/// preset; and addresses have formats of their own (JSON Schema validation §7.3.4).
fn in_our_words(schema: &mut Schema) {
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if schema.get("format").and_then(Value::as_str) == Some("ip") {
        let nothing = schema.remove("type").filter(Value::is_array).map(|_| json!({"type": "null"}));
        let addresses = [json!({"type": "string", "format": "ipv4"}), json!({"type": "string", "format": "ipv6"})];
        schema.remove("format");
        schema.insert("anyOf".to_owned(), addresses.into_iter().chain(nothing).collect());
    }
}

/// For whatever is made: the members that must be given and cannot be null, and that there are no others than are named.
pub(in crate::http) fn to_make(required: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("required".to_owned(), json!(required));
        schema.insert("additionalProperties".to_owned(), json!(false));
        for name in required {
            if let Some(kind) = schema.pointer_mut(&format!("/properties/{name}/type")) {
                *kind = json!("string");
            }
        }
    }
}

/// The name of a second factor as requests give it.
pub(in crate::http) enum FactorName {}

/// A type of the inner rooms, which know no schemas: described here.
macro_rules! described {
    ($($type:ty = $schema:expr),* $(,)?) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

described! {
    Username = json_schema!({"type": "string", "minLength": 1, "maxLength": 128}),
    DisplayName = json_schema!({"type": "string", "minLength": 1, "maxLength": 256}),
    Email = json_schema!({"type": "string", "format": "email", "minLength": 3, "maxLength": 254}),
    Phone = json_schema!({"type": "string", "pattern": "^\\+[1-9][0-9 .()/-]{6,30}$"}),
    Description = json_schema!({"type": "string", "maxLength": 2048}),
    Scope = json_schema!({"type": "string", "enum": ["system", "organization"]}),
    Secret = json_schema!({"type": "string", "format": "password"}),
    FactorId = json_schema!({"type": "string", "format": "uuid"}),
    UserId = json_schema!({"type": "string", "format": "uuid"}),
    MfaPolicy = json_schema!({"type": "string", "enum": ["disabled", "enabled", "forced"]}),
    KeptAttribute = json_schema!({"type": "string", "enum": KeptAttribute::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>()}),
    FactorName = json_schema!({"type": "string", "enum": Method::FACTORS.map(|(name, _)| name)}),
}

//! Schemas of request bodies, derived from the structs that parse them.

use std::borrow::Cow;
use std::time::Duration;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::pattern;
use super::shape::set;
use crate::base::id::{ExternalId, FactorId, SourceId, UserId};
use crate::base::secret::Secret;
use crate::directory::factor::Method;
use crate::directory::field::{Description, DisplayName, Email, Phone, Username};
use crate::directory::password::BYTES_MAX;
use crate::directory::permission::Permission;
use crate::directory::role::Scope;
use crate::directory::stored_hash;
use crate::directory::token::Profile;
use crate::directory::user::{KeptAttribute, MfaPolicy};
use crate::http::api::settings;
use crate::http::api::tokens::ALL_HELD;
use crate::scim::filter::LONGEST_TEXT;

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

/// Does an empty object fit a schema of these?
pub(super) fn takes_nothing(schema: &Value) -> bool {
    let all = |name: &str| schema.get(name).and_then(Value::as_array).map(Vec::as_slice);
    schema.get("required").is_none()
        && all("allOf").is_none_or(|schemas| schemas.iter().all(takes_nothing))
        && all("anyOf").is_none_or(|schemas| schemas.iter().any(takes_nothing))
}

/// For whatever is made: the members that must be given and cannot be null, and that there are no others than are named.
pub(in crate::http) fn to_make(required: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("required".to_owned(), json!(required));
        schema.remove("unevaluatedProperties");
        schema.insert("additionalProperties".to_owned(), json!(false));
        for name in required {
            let Some(member) = schema.pointer_mut(&format!("/properties/{name}")) else { continue };
            // What may be null is of two types, or one of two schemas.
            if let Some(kind) = member.get_mut("type") {
                *kind = json!("string");
            }
            if let Some(text) = member.pointer_mut("/anyOf/0").map(Value::take) {
                set(member, "anyOf", json!([text]));
            }
        }
    }
}

/// The name of a second factor as requests give it.
pub(in crate::http) enum FactorName {}

/// The policy of a second factor that users choose themselves.
pub(in crate::http) enum OwnPolicy {}

/// The name of a permission.
pub(in crate::http) enum PermissionName {}

/// The same, or the word for all that the caller holds.
pub(in crate::http) enum TokenScope {}

/// What leads to a user, a group or an organisation: an id or a name.
pub(in crate::http) enum Reference {}

/// The name of a source or a role, which need not be there.
pub(in crate::http) enum Slug {}

/// The one source whose users are made here.
pub(in crate::http) enum LocalSource {}

/// What a source calls somebody.
pub(in crate::http) enum EntryId {}

/// How an identity provider speaks.
pub(in crate::http) enum ProfileName {}

/// An address or a network.
pub(in crate::http) enum NetworkText {}

/// A password to be: what it must hold besides, the settings say.
pub(in crate::http) enum NewPassword {}

/// The hash of a password.
pub(in crate::http) enum PasswordHash {}

/// A username or an address.
pub(in crate::http) enum NameOrAddress {}

/// A filter in SCIM syntax.
pub(in crate::http) enum FilterText {}

/// A time, or a date.
pub(in crate::http) enum Moment {}

/// Changes of settings.
pub(in crate::http) enum Patch {}

/// A line of text of so many characters at most.
pub(in crate::http) enum Line<const MAX: usize> {}

impl<const MAX: usize> JsonSchema for Line<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Line{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX, "pattern": *pattern::LINE})
    }
}

/// A duration of so many seconds at most.
pub(in crate::http) enum UpTo<const SECONDS: u64> {}

impl<const SECONDS: u64> JsonSchema for UpTo<SECONDS> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("UpTo{SECONDS}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": pattern::duration(Duration::from_secs(SECONDS))})
    }
}

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
    Username = json_schema!({"type": "string", "minLength": 1, "maxLength": Username::MAX, "pattern": *pattern::USERNAME}),
    DisplayName = Line::<{ DisplayName::MAX }>::json_schema(&mut SchemaGenerator::default()),
    Email = email(),
    Phone = json_schema!({"type": "string", "maxLength": Phone::MAX, "pattern": *pattern::PHONE}),
    Description = json_schema!({"type": "string", "maxLength": Description::MAX, "pattern": *pattern::LINES}),
    Scope = json_schema!({"type": "string", "enum": ["system", "organization"]}),
    Secret = json_schema!({"type": "string", "format": "password"}),
    FactorId = json_schema!({"type": "string", "format": "uuid"}),
    UserId = json_schema!({"type": "string", "format": "uuid"}),
    MfaPolicy = json_schema!({"type": "string", "enum": ["disabled", "enabled", "forced"]}),
    KeptAttribute = json_schema!({"type": "string", "enum": KeptAttribute::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>()}),
    FactorName = json_schema!({"type": "string", "enum": Method::FACTORS.map(|(name, _)| name)}),
    OwnPolicy = json_schema!({"type": "string", "enum": ["disabled", "enabled"]}),
    PermissionName = json_schema!({"type": "string", "enum": permissions().collect::<Vec<_>>()}),
    TokenScope = json_schema!({"type": "string", "enum": permissions().chain([ALL_HELD]).collect::<Vec<_>>()}),
    Reference = json_schema!({"type": "string", "minLength": 1}),
    Slug = json_schema!({"type": "string", "pattern": *pattern::SLUG}),
    EntryId = json_schema!({"type": "string", "minLength": 1, "maxLength": ExternalId::MAX, "pattern": pattern::WITHOUT_NUL}),
    LocalSource = json_schema!({"type": "string", "enum": [SourceId::local().as_str()]}),
    ProfileName = json_schema!({"type": "string", "enum": Profile::ALL.map(|(name, _)| name)}),
    NetworkText = json_schema!({"type": "string", "pattern": *pattern::NETWORK}),
    // A character has one byte at least.
    NewPassword = json_schema!({
        "type": "string",
        "format": "password",
        "minLength": 1,
        "maxLength": BYTES_MAX,
        "pattern": pattern::WITHOUT_NUL,
    }),
    PasswordHash = json_schema!({
        "type": "string",
        "format": "password",
        "maxLength": stored_hash::TEXT_MAX,
        "pattern": *pattern::HASH,
    }),
    NameOrAddress = json_schema!({"type": "string", "anyOf": [one_name(), email()]}),
    FilterText = json_schema!({"type": "string", "maxLength": LONGEST_TEXT, "pattern": *pattern::NOT_BLANK}),
    Moment = json_schema!({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
    Patch = {
        let mut patch = section(settings::PARTS_MAX, settings::KEYS_MAX);
        patch.insert("type".to_owned(), json!("object"));
        patch
    },
}

fn permissions() -> impl Iterator<Item = &'static str> {
    Permission::ALL.iter().map(|permission| permission.name())
}

/// As a text that is an address is written; a format for that (`email`) would leave those beyond ASCII out.
fn email() -> Schema {
    let [whole, local_part] = &*pattern::EMAIL;
    json_schema!({
        "type": "string",
        "minLength": 3,
        "maxLength": Email::MAX,
        "pattern": whole,
        "allOf": [{"pattern": local_part}],
    })
}

/// A username that looks like one address at most.
fn one_name() -> Schema {
    json_schema!({
        "minLength": 1,
        "maxLength": Username::MAX,
        "pattern": *pattern::USERNAME,
        "allOf": [{"pattern": "^[^@]*(?:@[^@]*)?$"}, {"pattern": "^(?:[^@]*|[^,;<>]*)$"}],
    })
}

/// A section of settings whose keys have so many parts at most, each with a value or a section of the rest of them.
fn section(parts: usize, most: usize) -> Schema {
    let keys = (1..=parts).map(|number| {
        let value = match parts - number {
            // Nothing can stand below, and nothing does in an empty section.
            0 => json!({"maxProperties": 0}),
            left => json!(section(left, most)),
        };
        (pattern::dotted(number), value)
    });
    let keys: serde_json::Map<String, Value> = keys.collect();
    json_schema!({
        "patternProperties": keys,
        "additionalProperties": false,
        "propertyNames": {"maxLength": settings::KEY_MAX},
        "maxProperties": most,
    })
}

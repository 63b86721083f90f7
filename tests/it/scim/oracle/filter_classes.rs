//! Why musterd and the oracle accept different users. The order matters: each class finds the filter and the users as
//! those before it have put them.

use jiff::Timestamp;
use musterd::directory::query::AttrPath;
use musterd::scim::schema::{Attribute, AttributeType, Location, Target};
use musterd::scim::{ScimError, ScimType, schemas};
use serde_json::{Map, Value, json};

use super::people::{ENTERPRISE, LISTS};
use super::terms::Term;

/// A reason to differ, with what shows that it is the reason.
pub(super) struct Class {
    pub(super) name: &'static str,
    /// Who is right, and where it is written.
    pub(super) why: &'static str,
    /// The term in another form; the second is the list whose values it is about, if it stands in brackets.
    term: fn(&Term, Option<&str>) -> Option<Term>,
    /// The value of an attribute in another form.
    value: Option<Put>,
}

/// Why musterd refuses a filter that the oracle takes.
pub(super) struct Refusal {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) fits: fn(&str, &ScimError) -> bool,
}

fn no_term(_: &Term, _: Option<&str>) -> Option<Term> {
    None
}

macro_rules! classes {
    ($($name:ident($term:expr, $value:expr): $why:literal,)+) => {
        pub(super) const CLASSES: &[Class] =
            &[$(Class { name: stringify!($name), why: $why, term: $term, value: $value }),+];
    };
}

classes! {
    core_urn(core_urn, None): "the core URN in front of a name changes nothing (7644 3.10)",
    urn_left_out(urn_left_out, None): "an extension's attribute is found without its URN (dialect of Entra; 7644 3.10)",
    same_value(same_value, None): "what follows the brackets is about the value they select (dialect of Entra)",
    extension_is_there(extension_is_there, None): "an extension is present when one of its attributes is (7643 3.3, 7644 3.4.2.2, pr)",
    its_value(its_value, None): "a complex attribute is compared by its `value` (7644 3.4.2.2; 7643 2.4)",
    null_is_absence(null_is_absence, None): "null is no value: eq null asks for absence (7643 2.5)",
    no_primary_is_false(no_term, Some(no_primary_is_false)): "a value without primary is not the primary one (7643 2.4)",
    boolean_words(boolean_words, None): "the words true and false are booleans where one is asked for (dialect of Entra)",
    text_without_quotes(text_without_quotes, None): "an unquoted value is compared with a text as the text it is (leniency; 7644 3.4.2.2 leaves it open)",
    escapes(escapes, Some(without_backslash)): "a value is a JSON string with JSON's escapes (7644 3.4.2.2, figure 1)",
    dollar(dollar, Some(dollar_value)): "$ref is an attribute name (7643 2.1, 2.4)",
    absent_is_not_equal(absent_is_not_equal, None): "what has no value is not equal to anything (7644 3.4.2.2, ne)",
    instants(instants, Some(instant_value)): "times are compared by the instant they are (7644 3.4.2.2)",
    plain_lists(plain_lists, Some(plain_value)): "of a list of plain values each is compared (7644 3.4.2.2)",
    without_case(without_case, Some(folded_value)): "texts whose caseExact is false compare without case (7643 7, 7644 3.4.2.2)",
    one_value_in_brackets(one_value_in_brackets, Some(itself)): "what stands in brackets is about one and the same value (7644 3.4.2.2)",
}

macro_rules! refusals {
    ($($function:ident: $why:literal,)+) => {
        pub(super) const REFUSALS: &[Refusal] =
            &[$(Refusal { name: stringify!($function), why: $why, fits: $function }),+];
    };
}

refusals! {
    never_shown: "the password cannot be probed (7643 7, 7644 7.5.2)",
    no_order: "booleans have no order and no substrings, and null neither (7644 3.4.2.2)",
    no_value_of_its_own: "a complex attribute without `value` compares with nothing (7644 3.4.2.2)",
    wrong_literal: "a boolean compares with a boolean, a time with a time (7644 3.4.2.2)",
    broken: "the text is none of the grammar (7644 3.4.2.2, figure 1)",
}

/// The filter as the class puts it.
pub(super) fn term_put(class: &Class, term: &Term, list: Option<&str>) -> Term {
    if let Some(put) = (class.term)(term, list) {
        return put;
    }
    let all = |terms: &[Term]| terms.iter().map(|term| term_put(class, term, list)).collect();
    match term {
        Term::All(terms) => Term::All(all(terms)),
        Term::Any(terms) => Term::Any(all(terms)),
        Term::Not(inner) => Term::Not(Box::new(term_put(class, inner, list))),
        Term::Within(path, inner, after) => {
            Term::Within(path.clone(), Box::new(term_put(class, inner, Some(path))), after.clone())
        }
        leaf => leaf.clone(),
    }
}

/// The users as the class puts them, if it does.
pub(super) fn people_put(class: &Class, crowd: &[Value]) -> Option<Vec<Value>> {
    let put = class.value?;
    Some(crowd.iter().map(|user| user_put(put, user)).collect())
}

type Put = fn(&Attribute, &Value) -> Option<Value>;

fn user_put(put: Put, user: &Value) -> Value {
    let base = |name: &str| schemas::user().own_attribute(name);
    let extension = |name: &str| schemas::user().extension(ENTERPRISE).unwrap().attribute(name);
    let part = |(name, value): (&String, &Value)| match base(name) {
        Some(attribute) => (name.clone(), value_put(put, attribute, value)),
        None => (name.clone(), object_put(value, |name, value| Some(value_put(put, extension(name)?, value)))),
    };
    Value::Object(user.as_object().unwrap().iter().map(part).collect())
}

fn object_put(value: &Value, put: impl Fn(&str, &Value) -> Option<Value>) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let part = |(name, value): (&String, &Value)| (name.clone(), put(name, value).unwrap_or_else(|| value.clone()));
    Value::Object(members.iter().map(part).collect())
}

fn value_put(put: Put, attribute: &Attribute, value: &Value) -> Value {
    let inside = match value {
        Value::Array(items) => {
            return items.iter().map(|item| value_put(put, attribute, item)).collect();
        }
        Value::Object(_) => {
            object_put(value, |name, value| Some(value_put(put, attribute.sub_attribute(name)?, value)))
        }
        other => other.clone(),
    };
    put(attribute, &inside).unwrap_or(inside)
}

/// What a path means; in brackets it names a part of the list.
fn location(path: &str, list: Option<&str>) -> Option<Location<'static>> {
    let path = list.map_or_else(|| path.to_owned(), |list| format!("{list}.{path}"));
    match schemas::user().resolve(&AttrPath::parse(&path)?)? {
        Target::Attribute(location) => Some(location),
        _ => None,
    }
}

fn kind(path: &str, list: Option<&str>) -> Option<&'static Attribute> {
    location(path, list).map(|location| location.sub.unwrap_or(location.attribute))
}

/// The same term about another path.
fn at(term: &Term, path: String) -> Term {
    match term {
        Term::Compare(_, operator, value) => Term::Compare(path, operator.clone(), value.clone()),
        Term::Within(_, inner, after) => Term::Within(path, inner.clone(), after.clone()),
        _ => Term::Present(path),
    }
}

fn path(term: &Term) -> Option<&str> {
    match term {
        Term::Compare(path, ..) | Term::Present(path) | Term::Within(path, ..) => Some(path),
        _ => None,
    }
}

/// The same comparison with another value.
fn valued(term: &Term, list: Option<&str>, put: impl Fn(&Attribute, &str, &Value) -> Option<String>) -> Option<Term> {
    let Term::Compare(path, operator, text) = term else { return None };
    let value: Value = serde_json::from_str(&text.to_lowercase()).ok()?;
    let value = if value.is_string() { serde_json::from_str(text).ok()? } else { value };
    let put = put(kind(path, list).unwrap_or(&UNKNOWN), &operator.to_lowercase(), &value)?;
    (put != *text).then(|| Term::Compare(path.clone(), operator.clone(), put))
}

static UNKNOWN: std::sync::LazyLock<Attribute> = std::sync::LazyLock::new(|| Attribute::text("unknown", ""));

fn core_urn(term: &Term, _: Option<&str>) -> Option<Term> {
    let (urn, local) = path(term)?.rsplit_once(':')?;
    urn.eq_ignore_ascii_case(schemas::USER_URN).then(|| at(term, local.to_owned()))
}

fn urn_left_out(term: &Term, list: Option<&str>) -> Option<Term> {
    let path = path(term).filter(|path| list.is_none() && !path.contains(':'))?;
    location(path, None)?.extension.map(|schema| at(term, format!("{}:{path}", schema.id)))
}

fn same_value(term: &Term, _: Option<&str>) -> Option<Term> {
    let Term::Within(path, inner, Some((sub, operator, value))) = term else { return None };
    let after = Term::Compare(sub.clone(), operator.clone(), value.clone());
    Some(Term::Within(path.clone(), Box::new(Term::All(vec![(**inner).clone(), after])), None))
}

fn extension_is_there(term: &Term, _: Option<&str>) -> Option<Term> {
    let Term::Present(path) = term else { return None };
    let schema = schemas::user().extension(path)?;
    Some(Term::Any(schema.attributes.iter().map(|part| Term::Present(format!("{path}:{}", part.name))).collect()))
}

fn its_value(term: &Term, list: Option<&str>) -> Option<Term> {
    let Term::Compare(path, _, value) = term else { return None };
    let has_value = kind(path, list)?.sub_attribute("value").is_some();
    (has_value && value != "null").then(|| at(term, format!("{path}.value")))
}

fn null_is_absence(term: &Term, _: Option<&str>) -> Option<Term> {
    match term {
        Term::Compare(path, operator, value) if value == "null" => {
            let present = Term::Present(path.clone());
            Some(if operator.eq_ignore_ascii_case("eq") { Term::Not(Box::new(present)) } else { present })
        }
        _ => None,
    }
}

fn no_primary_is_false(attribute: &Attribute, value: &Value) -> Option<Value> {
    let mut members = value.as_object().filter(|_| LISTS.contains(&attribute.name))?.clone();
    members.entry("primary").or_insert(json!(false));
    Some(Value::Object(members))
}

fn boolean_words(term: &Term, list: Option<&str>) -> Option<Term> {
    valued(term, list, |attribute, _, value| {
        let word = value.as_str().map_or_else(|| value.to_string(), str::to_lowercase);
        (attribute.kind == AttributeType::Boolean).then_some(word)
    })
}

fn text_without_quotes(term: &Term, list: Option<&str>) -> Option<Term> {
    valued(term, list, |attribute, _, value| {
        let is_text = attribute.kind != AttributeType::Boolean && !value.is_string();
        is_text.then(|| json!(value.to_string()).to_string())
    })
}

fn escapes(term: &Term, list: Option<&str>) -> Option<Term> {
    let unescaped = |text: &str| text.replace('\\', NEXT_TO_BACKSLASH).replace('"', "\\\"");
    valued(term, list, |_, _, value| Some(format!("\"{}\"", unescaped(value.as_str()?))))
}

/// The oracle cannot be told of a backslash at a text's end: all of them become the character after it, here and there.
const NEXT_TO_BACKSLASH: &str = "]";

fn without_backslash(_: &Attribute, value: &Value) -> Option<Value> {
    value.as_str().map(|text| json!(text.replace('\\', NEXT_TO_BACKSLASH)))
}

fn dollar(term: &Term, _: Option<&str>) -> Option<Term> {
    let path = path(term)?;
    path.contains('$').then(|| at(term, path.replace('$', "")))
}

fn dollar_value(_: &Attribute, value: &Value) -> Option<Value> {
    let members = value.as_object()?;
    Some(members.iter().map(|(name, value)| (name.replace('$', ""), value.clone())).collect::<Map<_, _>>().into())
}

fn absent_is_not_equal(term: &Term, _: Option<&str>) -> Option<Term> {
    match term {
        Term::Compare(path, operator, _) if operator == "ne" => {
            let absent = Term::Not(Box::new(Term::Present(path.clone())));
            Some(Term::Any(vec![term.clone(), absent]))
        }
        _ => None,
    }
}

fn instant(text: &str) -> Option<String> {
    let instant: Timestamp = text.parse().ok()?;
    Some(instant.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string())
}

fn instants(term: &Term, list: Option<&str>) -> Option<Term> {
    valued(term, list, |attribute, _, value| {
        let is_time = attribute.kind == AttributeType::DateTime;
        Some(json!(instant(value.as_str().filter(|_| is_time)?)?).to_string())
    })
}

fn instant_value(attribute: &Attribute, value: &Value) -> Option<Value> {
    let is_time = attribute.kind == AttributeType::DateTime;
    Some(json!(instant(value.as_str().filter(|_| is_time)?)?))
}

fn folds(attribute: &Attribute) -> bool {
    attribute.kind == AttributeType::String && !attribute.case_exact
}

fn without_case(term: &Term, list: Option<&str>) -> Option<Term> {
    let Term::Compare(path, operator, value) = term else { return None };
    let folded = value.to_lowercase();
    let changes = kind(path, list).is_some_and(folds) && folded != *value;
    changes.then(|| Term::Compare(path.clone(), operator.clone(), folded))
}

fn folded_value(attribute: &Attribute, value: &Value) -> Option<Value> {
    value.as_str().filter(|_| folds(attribute)).map(|text| json!(text.to_lowercase()))
}

fn plain_lists(term: &Term, _: Option<&str>) -> Option<Term> {
    let path = path(term).filter(|path| path.eq_ignore_ascii_case("schemas"))?;
    let put = at(term, format!("{path}.value"));
    Some(match put {
        Term::Compare(path, operator, value) => Term::Compare(path, operator, value.to_lowercase()),
        other => other,
    })
}

fn plain_value(attribute: &Attribute, value: &Value) -> Option<Value> {
    let is_plain = attribute.name == "schemas" && value.is_string();
    is_plain.then(|| json!({"value": value.as_str().unwrap().to_lowercase()}))
}

/// The oracle looks at the values one by one where the path goes on below them.
fn one_value_in_brackets(term: &Term, _: Option<&str>) -> Option<Term> {
    let Term::Within(path, inner, None) = term else { return None };
    location(path, None)?.attribute.multi_valued.then(|| Term::Within(format!("{path}.itself"), inner.clone(), None))
}

fn itself(attribute: &Attribute, value: &Value) -> Option<Value> {
    let mut members = value.as_object().filter(|_| LISTS.contains(&attribute.name))?.clone();
    members.insert("itself".to_owned(), value.clone());
    Some(Value::Object(members))
}

fn never_shown(text: &str, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::Sensitive) && text.to_lowercase().contains("password")
}

fn no_order(_: &str, error: &ScimError) -> bool {
    let said = |words: &str| error.detail.contains(words);
    error.scim_type == Some(ScimType::InvalidFilter) && (said("does not apply") || said("null has no order"))
}

fn no_value_of_its_own(_: &str, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::InvalidFilter) && error.detail.contains("no value of its own")
}

fn wrong_literal(_: &str, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::InvalidFilter) && error.detail.contains(" compares with ")
}

fn broken(text: &str, _: &ScimError) -> bool {
    text.to_lowercase().contains("not ") && musterd::scim::filter::parse(text).is_err()
}

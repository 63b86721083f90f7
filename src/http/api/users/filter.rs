//! `?filter=`: a condition in SCIM syntax on everything that is shown of a user. What stands in other records is looked up
//! only for who passes the rest.

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::view;
use crate::directory::query::{AttrPath, Filter};
use crate::directory::user::User;
use crate::http::error::Problem;
use crate::http::state::App;
use crate::scim::evaluate::Matcher;
use crate::scim::filter;
use crate::scim::schema::{Attribute, AttributeType, Extension, ResourceType, Schema};

/// What is shown of a user and stands in other records.
const BEYOND: [&str; 5] = ["groups", "roles_by_groups", "organizations_by_groups", "has_password", "has_factor"];

/// A condition on users.
pub struct Condition {
    /// As it was written; an index may serve a part of it.
    pub filter: Filter,
    /// What of it the record alone decides.
    own: Matcher,
    /// All of it, where the record does not decide it.
    whole: Option<Matcher>,
    /// What could not be read while it was asked.
    fault: OnceLock<Problem>,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// 400 for one that is malformed, or asks for an attribute that nobody has.
    pub fn parse(app: &App, text: &str) -> Result<Self, Problem> {
        let malformed = |detail: &str| Problem::field("filter", "malformed", detail);
        let filter = filter::parse(text).map_err(|error| malformed(&error.detail))?;
        let known = attributes(app);
        if let Some(path) = unknown(&filter, &known) {
            let message = format!("asks for {path}, which is no attribute of users");
            return Err(Problem::field("filter", "unknown_attribute", &message));
        }
        let bind = |filter: &Filter| Matcher::new(filter, &known).map_err(|error| malformed(&error.detail));
        let (beyond, own): (Vec<Filter>, Vec<Filter>) = terms(&filter).into_iter().partition(looks_beyond);
        let whole = if beyond.is_empty() { None } else { Some(bind(&filter)?) };
        Ok(Self { own: bind(&Filter::all(own))?, whole, filter, fault: OnceLock::new() })
    }

    /// Does a user satisfy it? What cannot be read satisfies nothing, and is told by [`Condition::end`].
    pub fn holds(&self, app: &App, user: &User, now: Timestamp) -> bool {
        if self.fault.get().is_some() || !self.own.matches(&with_scim(user, view::attributes(user, now))) {
            return false;
        }
        let Some(whole) = &self.whole else { return true };
        match view::user(app, user) {
            Ok(Value::Object(shown)) => whole.matches(&with_scim(user, shown)),
            Ok(_) => false,
            Err(problem) => {
                self.fault.get_or_init(|| problem);
                false
            }
        }
    }

    /// What could not be read while it was asked, if anything.
    ///
    /// # Errors
    /// That.
    pub fn end(self) -> Result<(), Problem> {
        self.fault.into_inner().map_or(Ok(()), Err)
    }
}

/// The terms that must all hold.
fn terms(filter: &Filter) -> Vec<Filter> {
    match filter {
        Filter::And(terms) => terms.clone(),
        other => vec![other.clone()],
    }
}

/// Does it ask for something that the record does not say?
fn looks_beyond(filter: &Filter) -> bool {
    let is_beyond =
        |path: &AttrPath| BEYOND.iter().any(|name| path.urn.is_none() && path.name.eq_ignore_ascii_case(name));
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().any(looks_beyond),
        Filter::Not(inner) => looks_beyond(inner),
        Filter::Present(path) | Filter::Compare { path, .. } | Filter::Element { path, .. } => is_beyond(path),
    }
}

/// The first path of a condition that names nothing.
fn unknown(filter: &Filter, known: &ResourceType) -> Option<AttrPath> {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().find_map(|term| unknown(term, known)),
        Filter::Not(inner) => unknown(inner, known),
        Filter::Present(path) | Filter::Compare { path, .. } => known.resolve(path).is_none().then(|| path.clone()),
        Filter::Element { path, filter } => match known.resolve(path) {
            None => Some(path.clone()),
            Some(_) => paths(filter).into_iter().find_map(|inner| {
                let whole = AttrPath { sub: Some(inner.name.clone()), ..path.clone() };
                known.resolve(&whole).is_none().then_some(whole)
            }),
        },
    }
}

/// All paths of a condition inside an element.
fn paths(filter: &Filter) -> Vec<&AttrPath> {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().flat_map(paths).collect(),
        Filter::Not(inner) => paths(inner),
        Filter::Present(path) | Filter::Compare { path, .. } | Filter::Element { path, .. } => vec![path],
    }
}

/// The SCIM attributes of a user where a condition looks for them: under the URN of their schema.
fn with_scim(user: &User, mut shown: Map<String, Value>) -> Map<String, Value> {
    let (extensions, core): (Map<_, _>, Map<_, _>) =
        user.scim.clone().into_iter().partition(|(name, _)| name.starts_with("urn:"));
    shown.insert(crate::scim::schemas::user().base.id.to_owned(), Value::Object(core));
    shown.extend(extensions);
    shown
}

/// What a condition may ask for: what is shown, and the SCIM attributes that the settings know.
fn attributes(app: &App) -> ResourceType {
    let scim = app.scim.registry.user();
    let core = Extension { schema: scim.base.clone(), required: false };
    let base = Schema { id: "urn:musterd:schemas:User", name: "User", description: "", attributes: shown() };
    let extensions = std::iter::once(core).chain(scim.extensions.iter().cloned()).collect();
    ResourceType { name: "User", endpoint: "/users", description: "", common: Vec::new(), base, extensions }
}

/// The attributes that are shown, in the terms of the SCIM room.
fn shown() -> Vec<Attribute> {
    let text = |name| Attribute::text(name, "");
    let exact = |name| Attribute::text(name, "").case_exact();
    let time = |name| Attribute::new(AttributeType::DateTime, name, "");
    let flag = |name| Attribute::boolean(name, "");
    let organizations = |name| Attribute::complex(name, "", vec![exact("id"), text("roles").many()]).many();
    let by = || Attribute::complex("by", "", vec![text("kind"), exact("id")]);
    vec![
        exact("id"),
        text("entry"),
        exact("kept").many(),
        text("username"),
        text("name"),
        text("email"),
        text("phone"),
        text("description"),
        text("source"),
        exact("external_id"),
        text("state"),
        flag("active"),
        flag("expired"),
        time("expires_at"),
        text("roles").many(),
        organizations("organizations"),
        exact("managed_by"),
        text("mfa"),
        flag("must_change_password"),
        time("created_at"),
        time("modified_at"),
        time("last_login"),
        time("last_seen"),
        Attribute::new(AttributeType::Integer, "revision", ""),
        Attribute::complex("disabled", "", vec![text("reason"), time("at"), by()]),
        Attribute::complex("removed", "", vec![time("at"), time("purge_after"), by()]),
        Attribute::complex("groups", "", vec![exact("id"), text("name"), text("source"), flag("direct")]).many(),
        text("roles_by_groups").many(),
        organizations("organizations_by_groups"),
        flag("has_password"),
        flag("has_factor"),
        Attribute::complex("scim", "", Vec::new()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::user::tests::user;

    fn known() -> ResourceType {
        let base = Schema { id: "urn:musterd:schemas:User", name: "User", description: "", attributes: shown() };
        let core = Extension { schema: crate::scim::schemas::user().base.clone(), required: false };
        let extensions = vec![core];
        ResourceType { name: "User", endpoint: "/users", description: "", common: Vec::new(), base, extensions }
    }

    #[test]
    fn everything_that_is_shown_can_be_filtered_by() {
        let record = view::attributes(&user("ada", Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH);
        for name in record.keys().map(String::as_str).chain(BEYOND) {
            assert!(known().base.attribute(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_nobody_has_is_named() {
        let fault = |text: &str| unknown(&filter::parse(text).unwrap(), &known()).map(|path| path.to_string());
        assert_eq!(
            fault("username eq \"ada\" and (shoe_size gt 40 or has_factor eq true)").as_deref(),
            Some("shoe_size")
        );
        assert_eq!(fault("groups[name eq \"a\" and colour eq \"b\"]").as_deref(), Some("groups.colour"));
        assert_eq!(fault("groups.name eq \"a\" and title eq \"x\" and emails[type eq \"work\"]"), None);
    }

    #[test]
    fn only_what_stands_in_other_records_is_looked_for_there() {
        let beyond = |text: &str| looks_beyond(&filter::parse(text).unwrap());
        assert!(beyond("not (username pr or Groups.name eq \"a\")") && beyond("groups[direct eq true]"));
        assert!(!beyond("username pr and organizations.id pr and title pr"));
    }
}

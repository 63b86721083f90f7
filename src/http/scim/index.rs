//! What a filter names: the few resources that an index can find, and the attributes it looks at.

use super::kind::{Key, Kind};
use super::members::{self, Wanted};
use super::shelf::{Shelf, parse_id};
use crate::base::id::ExternalId;
use crate::directory::group::Group;
use crate::directory::query::{AttrPath, Filter, Literal, Operator};
use crate::directory::user::User;
use crate::scim::evaluate::earliest;
use crate::scim::list::ListRequest;
use crate::scim::schema::Target;
use crate::store::{StoreError, groups, list, users};

/// The few whom an index knows for an equality that every match must satisfy; `None`: no index helps.
pub(super) fn candidates(shelf: &Shelf<'_>, kind: Kind, filter: &Filter) -> Result<Option<Vec<Key>>, StoreError> {
    for (path, literal) in filter.required_equals() {
        let Literal::String(text) = literal else { continue };
        if let Some(attribute) = attribute_of(kind, &path)
            && let Some(found) = through_index(shelf, kind, attribute, text)?
        {
            return Ok(Some(found));
        }
    }
    let since = if kind.is_users() { earliest(filter, |path| is_last_modified(kind, path)) } else { None };
    let Some(from) = since.map(users::modified_place) else { return Ok(None) };
    let ids = list::few_modified_from(shelf.reads, from)?;
    Ok(ids.map(|ids| ids.into_iter().map(Key::User).collect()))
}

/// Is it `meta.lastModified`?
fn is_last_modified(kind: Kind, path: &AttrPath) -> bool {
    match kind.resource_type().resolve(path) {
        Some(Target::Attribute(location)) => {
            location.extension.is_none()
                && location.attribute.name == "meta"
                && location.sub.is_some_and(|sub| sub.name == "lastModified")
        }
        _ => false,
    }
}

/// Does an index know who can match? Reads nothing.
pub(super) fn has_index(kind: Kind, filter: &Filter) -> bool {
    filter.required_equals().any(|(path, literal)| {
        let indexed: &[&str] = match kind {
            Kind::Users(_) => &["id", "userName", "externalId", "emails"],
            Kind::Groups(_) => &["id", "displayName", "externalId"],
            Kind::Other(_) => &["id"],
        };
        matches!(literal, Literal::String(_)) && attribute_of(kind, &path).is_some_and(|name| indexed.contains(&name))
    })
}

/// The core attribute that a path without sub-attribute, or with the one it stands for, means.
fn attribute_of(kind: Kind, path: &AttrPath) -> Option<&'static str> {
    match kind.resource_type().resolve(path)? {
        Target::Attribute(location) if location.extension.is_none() => {
            location.sub.is_none_or(|sub| sub.name == "value").then_some(location.attribute.name)
        }
        _ => None,
    }
}

fn through_index(shelf: &Shelf<'_>, kind: Kind, attribute: &str, text: &str) -> Result<Option<Vec<Key>>, StoreError> {
    let (reads, source) = (shelf.reads, shelf.source);
    let external_id = || ExternalId::parse(text).ok();
    let user = |user: Option<User>| user.map(|user| Key::User(user.id)).into_iter().collect();
    let group = |group: Option<Group>| group.map(|group| Key::Group(group.id)).into_iter().collect();
    Ok(match (kind, attribute) {
        (Kind::Users(_), "id") => Some(parse_id(text).map(Key::User).into_iter().collect()),
        (Kind::Groups(_), "id") => Some(parse_id(text).map(Key::Group).into_iter().collect()),
        (Kind::Other(_), "id") => Some(parse_id(text).map(Key::Other).into_iter().collect()),
        (Kind::Users(_), "userName") => Some(user(users::by_username(reads, text)?)),
        (Kind::Users(_), "externalId") => match external_id() {
            Some(id) => Some(user(users::by_external_id(reads, source, &id)?)),
            None => Some(Vec::new()),
        },
        (Kind::Users(_), "emails") => {
            users::by_any_email(reads, text)?.map(|ids| ids.into_iter().map(Key::User).collect())
        }
        (Kind::Groups(_), "displayName") => {
            Some(groups::named_alike(reads, source, text)?.into_iter().map(Key::Group).collect())
        }
        (Kind::Groups(_), "externalId") => match external_id() {
            Some(id) => Some(group(groups::by_external_id(reads, source, &id)?)),
            None => Some(Vec::new()),
        },
        (Kind::Groups(_), "members") => {
            let mut found = Vec::new();
            for member in members::named(text) {
                found.extend(groups::direct_groups(reads, member)?.into_iter().map(Key::Group));
            }
            Some(found)
        }
        _ => None,
    })
}

/// `userName eq "…"` and nothing else: the directory's own comparison (RFC 8265) decides who is meant, so that
/// a client finds here whoever would be in the way of a create.
pub(super) fn is_name_lookup(kind: Kind, filter: &Filter) -> bool {
    let Filter::Compare { path, operator: Operator::Equal, value: Literal::String(_) } = filter else { return false };
    let name = match kind {
        Kind::Users(_) => "userName",
        Kind::Groups(_) => "displayName",
        Kind::Other(_) => return false,
    };
    attribute_of(kind, path) == Some(name)
}

/// Whom [`is_name_lookup`] means by the directory's own comparison.
pub(super) fn exact(shelf: &Shelf<'_>, kind: Kind, filter: &Filter) -> Result<Option<Key>, StoreError> {
    let Filter::Compare { value: Literal::String(name), .. } = filter else { return Ok(None) };
    if !is_name_lookup(kind, filter) {
        return Ok(None);
    }
    if kind.is_users() {
        return Ok(users::by_username(shelf.reads, name)?.map(|user| Key::User(user.id)));
    }
    // One that goes by another name here is found by what it shows.
    let group = groups::by_name(shelf.reads, shelf.source, name)?;
    Ok(group.filter(|group| !group.scim.contains_key("displayName")).map(|group| Key::Group(group.id)))
}

/// What matching and sorting need of the dear attribute. Equalities alone need only those whom they name.
pub(super) fn detail(kind: Kind, request: &ListRequest) -> Wanted {
    let Some(dear) = kind.dear_attribute() else { return Wanted::Nobody };
    let is_dear = |path: &AttrPath| match kind.resource_type().resolve(path) {
        Some(Target::Attribute(location)) => location.attribute.name == dear,
        _ => false,
    };
    if request.sort.as_ref().is_some_and(|sort| is_dear(&sort.by)) {
        return Wanted::Everybody;
    }
    let Some(filter) = &request.filter else { return Wanted::Nobody };
    let mentions = mentions(filter, &is_dear);
    let named: Vec<&str> = filter
        .required_equals()
        .filter(|(path, _)| attribute_of(kind, path) == Some(dear))
        .filter_map(|(_, literal)| if let Literal::String(text) = literal { Some(text.as_str()) } else { None })
        .collect();
    match mentions {
        0 => Wanted::Nobody,
        _ if matches!(kind, Kind::Groups(_)) && named.len() == mentions => {
            Wanted::These(named.into_iter().flat_map(members::named).collect())
        }
        _ => Wanted::Everybody,
    }
}

/// How many comparisons look at an attribute. The parser bounds the depth.
fn mentions(filter: &Filter, is_it: &dyn Fn(&AttrPath) -> bool) -> usize {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().map(|term| mentions(term, is_it)).sum(),
        Filter::Not(inner) => mentions(inner, is_it),
        Filter::Present(path) | Filter::Compare { path, .. } => usize::from(is_it(path)),
        Filter::Element { path, filter } if is_it(path) => mentions(filter, &|_| true),
        Filter::Element { .. } => 0,
    }
}

//! Who asks, and with which conditions: what every handler of the endpoint needs to know of a request.

use axum::extract::{FromRequestParts, Path, Query, RawPathParams};
use axum::http::header::{self, HeaderName};
use axum::http::request::Parts;
use serde_json::Value;

use super::kind::Kind;
use super::reply::{self, Failure};
use super::shelf::Shelf;
use crate::base::id::SourceId;
use crate::directory::audit::{Actor, Author};
use crate::directory::token::Profile;
use crate::http::caller::Caller;
use crate::http::extract::etag;
use crate::http::state::App;
use crate::scim::list::ListRequest;
use crate::scim::patch::{self, Operation};
use crate::scim::project::Projection;
use crate::scim::schema::ResourceType;
use crate::scim::schemas::Registry;
use crate::scim::{Resource, ScimError, strict};
use crate::store::tx::Reads;

/// A request of an identity provider.
#[derive(Clone)]
pub struct Call {
    /// The source whose identity provider it is: nothing of another exists for it.
    pub source: SourceId,
    /// How it speaks.
    pub profile: Profile,
    /// The resource types that there are.
    pub registry: &'static Registry,
    /// The source as the author of changes, with the caller's address.
    pub author: Author,
    /// The absolute URL of the endpoint, without a final slash.
    pub base: String,
    /// The state in which a change wants to find its resource.
    pub if_match: Option<Tags>,
    /// The states that the reader has already.
    pub if_none_match: Option<Tags>,
    parameters: Vec<(String, String)>,
}

/// The entity tags of a condition (RFC 9110 §13.1); SCIM's are weak, so they compare weakly (RFC 7644 §3.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`
    Any,
    /// These, without their `W/`.
    These(Vec<String>),
}

impl Tags {
    fn read(parts: &Parts, name: &HeaderName) -> Option<Self> {
        let values: Vec<_> =
            parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect();
        if values.is_empty() {
            return None;
        }
        Some(Self::parse(&values))
    }

    fn parse(values: &[&str]) -> Self {
        let tags = values.iter().flat_map(|value| value.split(',')).map(str::trim);
        if tags.clone().any(|tag| tag == "*") {
            return Self::Any;
        }
        Self::These(tags.map(|tag| tag.trim_start_matches("W/").to_owned()).collect())
    }

    /// Is a resource at this revision one of them?
    #[must_use]
    pub fn hold(&self, revision: u64) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.iter().any(|tag| tag == etag(revision).trim_start_matches("W/")),
        }
    }
}

/// Refuses a change of a resource that is not in the state its author saw (RFC 7644 §3.14).
///
/// # Errors
/// 412.
pub fn expect(if_match: Option<&Tags>, revision: u64) -> Result<(), Failure> {
    if if_match.is_none_or(|tags| tags.hold(revision)) {
        return Ok(());
    }
    Err(ScimError::plain(412, "the resource is not at the version of If-Match: read it again").into())
}

impl FromRequestParts<App> for Call {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let refused = || Failure::from(ScimError::plain(401, "send the token of a SCIM source"));
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(refused)?;
        let provider = caller.scim.ok_or_else(refused)?;
        let source = provider.source;
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, app).await;
        let unreadable = |_| ScimError::invalid_value("the query string is not percent-encoded UTF-8");
        Ok(Self {
            author: caller.origin.author(Actor::Source { id: source.clone(), run: None }),
            source,
            profile: provider.profile,
            registry: app.scim.registry,
            base: base(app),
            if_match: Tags::read(parts, &header::IF_MATCH),
            if_none_match: Tags::read(parts, &header::IF_NONE_MATCH),
            parameters: query.map_err(unreadable)?.0,
        })
    }
}

/// The absolute URL of the endpoint, without a final slash.
#[must_use]
pub fn base(app: &App) -> String {
    format!("{}/scim/v2", app.settings.public_url)
}

impl Call {
    /// The same client asks for something else, as an operation of a bulk request does.
    #[must_use]
    pub fn operation(&self, version: Option<&str>) -> Self {
        let if_match = version.map(|version| Tags::parse(&[version]));
        Self { if_match, if_none_match: None, parameters: Vec::new(), ..self.clone() }
    }

    /// Does the client name the attributes that it wants to see?
    #[must_use]
    pub fn chooses_attributes(&self) -> bool {
        self.has_parameter("attributes") || self.has_parameter("excludedAttributes")
    }

    /// The query string as the parameters of a list; unknown ones are ignored (RFC 7644 §3.4.2).
    ///
    /// # Errors
    /// 400 for one that cannot be read.
    pub fn list_request(&self) -> Result<ListRequest, Failure> {
        if self.profile.is_strict() {
            let filters = self.parameters.iter().filter(|(name, _)| name.eq_ignore_ascii_case("filter"));
            filters.map(|(_, text)| text).try_for_each(|text| strict::filter(text))?;
        }
        let parameters = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Ok(ListRequest::from_query(parameters)?)
    }

    /// The body of a search as the parameters of a list (RFC 7644 §3.4.3).
    ///
    /// # Errors
    /// 400 for one that cannot be read.
    pub fn search_request(&self, body: Value) -> Result<ListRequest, Failure> {
        if self.profile.is_strict() {
            body.get("filter").and_then(Value::as_str).map_or(Ok(()), strict::filter)?;
        }
        Ok(ListRequest::from_search(body)?)
    }

    /// How a PATCH of this client is applied.
    pub(super) fn applies(&self) -> fn(&ResourceType, &mut Resource, &[Operation]) -> Result<bool, ScimError> {
        if self.profile.is_strict() { patch::apply_strictly } else { patch::apply }
    }

    /// What there is for this client.
    pub(super) fn shelf<'a>(&'a self, reads: &'a dyn Reads) -> Shelf<'a> {
        Shelf { reads, source: &self.source, base: &self.base, registry: self.registry }
    }

    /// Which attributes the answer carries (RFC 7644 §3.9).
    ///
    /// # Errors
    /// None by text parameters; those of [`ListRequest::from_query`].
    pub fn projection(&self, resource_type: &'static ResourceType) -> Result<Projection<'static>, Failure> {
        let chooses = |name: &str| ["attributes", "excludedattributes"].contains(&name.to_ascii_lowercase().as_str());
        let parameters = self.parameters.iter().filter(|(name, _)| chooses(name));
        let chosen = ListRequest::from_query(parameters.map(|(name, value)| (name.as_str(), value.as_str())))?;
        Ok(Projection::new(resource_type, &chosen.attributes, &chosen.excluded_attributes))
    }

    /// Does the query string have this parameter?
    #[must_use]
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }
}

/// What a path names: a kind of resource, and perhaps one of them.
pub struct Place {
    /// The kind.
    pub kind: Kind,
    /// The id; empty where the path has none.
    pub id: String,
}

impl FromRequestParts<App> for Place {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| reply::no_such_endpoint())?;
        let part = |wanted: &str| path.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
        let kind = part("type").and_then(|name| Kind::at(app.scim.registry, name));
        let id = part("id").unwrap_or_default().to_owned();
        Ok(Self { kind: kind.ok_or_else(reply::no_such_endpoint)?, id })
    }
}

/// The last part of the path: a name, a URN.
pub struct Named(pub String);

impl FromRequestParts<App> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        path.map(|path| Self(path.0)).map_err(|_| reply::no_such_endpoint())
    }
}

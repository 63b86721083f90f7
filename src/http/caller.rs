//! Who is calling, decided once for each request before its handler runs.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::error::Problem;
use crate::auth::login::Origin;
use crate::base::id::{OrganizationId, SourceId, TokenId, UserId};
use crate::directory::audit::{Actor, Author};
use crate::directory::authority::Authority;
use crate::directory::permission::Permission;
use crate::directory::session::Session;
use crate::directory::token::Profile;
use crate::directory::user::User;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// Over the network.
    Network(IpAddr),
    /// Over the admin socket, by the kernel's word.
    Socket {
        /// The caller's user id.
        uid: u32,
    },
}

/// An identity provider, by the token that it carries.
#[derive(Clone)]
pub struct Provider {
    /// Its source.
    pub source: SourceId,
    /// Its token.
    pub token: TokenId,
    /// How it speaks.
    pub profile: Profile,
}

/// Who is calling.
#[derive(Clone)]
pub struct Caller {
    /// For the audit trail.
    pub actor: Actor,
    /// What they may do, and where.
    pub authority: Authority,
    /// The user and session, where it is one.
    pub session: Option<Arc<(User, Session)>>,
    /// The source whose identity provider it is, where it is one.
    pub scim: Option<Provider>,
    /// The user with whose right it is done, and their session epoch: what is made by this caller dies with it.
    pub owner: Option<(UserId, u64)>,
    /// Where the request comes from.
    pub origin: Origin,
}

impl Caller {
    /// Somebody who has shown nothing.
    #[must_use]
    pub fn anonymous(origin: Origin) -> Self {
        Self {
            actor: Actor::Anonymous,
            authority: Authority::default(),
            session: None,
            scim: None,
            owner: None,
            origin,
        }
    }

    /// Has nothing been shown?
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.actor == Actor::Anonymous
    }

    /// The caller as the author of a change.
    #[must_use]
    pub fn author(&self) -> Author {
        self.origin.author(self.actor.clone())
    }

    /// Refuses a caller without a permission over the whole directory.
    ///
    /// # Errors
    /// 403 naming it.
    pub fn must(&self, permission: Permission) -> Result<(), Problem> {
        require(self.authority.everywhere.contains(permission), permission)
    }

    /// Refuses a caller without a permission inside an organisation; without one: over the whole directory.
    ///
    /// # Errors
    /// 403 naming it.
    pub fn must_in(&self, permission: Permission, organization: Option<OrganizationId>) -> Result<(), Problem> {
        match organization {
            Some(organization) => require(self.authority.held_in(organization).contains(permission), permission),
            None => self.must(permission),
        }
    }

    /// Refuses a caller who holds a permission nowhere. What it reaches is asked later.
    ///
    /// # Errors
    /// 403 naming it.
    pub fn must_somewhere(&self, permission: Permission) -> Result<(), Problem> {
        require(self.authority.holds_somewhere(permission), permission)
    }

    /// Where a login comes from: an application that is trusted with logins names its client's address.
    ///
    /// # Errors
    /// 403 where an address is named by anybody else.
    pub fn on_behalf_of(&self, client: Option<IpAddr>) -> Result<Origin, Problem> {
        let Some(address) = client else { return Ok(self.origin.clone()) };
        self.must(Permission::LoginAuthenticate)?;
        Ok(Origin { address: Some(address), ..self.origin.clone() })
    }

    /// The user whose session it is.
    ///
    /// # Errors
    /// 401 where it is none.
    pub fn user(&self) -> Result<&(User, Session), Problem> {
        self.session.as_deref().ok_or_else(Problem::unauthenticated)
    }
}

fn require(held: bool, permission: Permission) -> Result<(), Problem> {
    let refused = || Problem::forbidden(format!("this needs the permission {}", permission.name()));
    held.then_some(()).ok_or_else(refused)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // A route that forgot to be guarded finds nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthenticated)
    }
}

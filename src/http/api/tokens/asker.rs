//! Who asks for a token to be made, changed or rotated. They are looked at when the body is there, and in the commit.

use axum::http::HeaderMap;

use super::{find, must_hold};
use crate::directory::audit::Actor;
use crate::directory::permission::Permission;
use crate::directory::token::{ApiToken, Grant};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::middleware::access;
use crate::http::state::App;
use crate::store::tokens::{self, Right};
use crate::store::tx::Tx;

/// Who asks, as they are by now.
pub(super) struct Asker {
    /// The caller.
    pub(super) caller: Caller,
    /// The token that they carry, where it is one.
    pub(super) token: Option<ApiToken>,
}

impl Asker {
    /// Who asks, if they are still in.
    ///
    /// # Errors
    /// 401 where they are out by now.
    pub(super) fn now(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<Self, Problem> {
        // The token is read first: what its bearer may do then follows from this revision or a later one.
        let token = match caller.actor {
            Actor::Token { id } => Some(tokens::by_id(&app.store.view(), id)?.ok_or_else(Problem::unauthenticated)?),
            _ => None,
        };
        Ok(Self { caller: access::still(app, caller, headers)?, token })
    }

    /// The same, where they may manage tokens.
    ///
    /// # Errors
    /// 401 where they are out by now, 403 where they may not.
    pub(super) fn managing(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<Self, Problem> {
        let asker = Self::now(app, caller, headers)?;
        asker.caller.must(Permission::TokensManage)?;
        Ok(asker)
    }

    /// A token that opens no more than they hold.
    ///
    /// # Errors
    /// 404 where there is none, 403 where it opens more.
    pub(super) fn find(&self, app: &App, name: &str) -> Result<ApiToken, Problem> {
        let token = find(app, name)?;
        must_hold(&self.caller, &token.grant)?;
        Ok(token)
    }

    /// Refuses to give a token more, or another text, where it would go on without who asks: whatever anybody comes to
    /// know of it ends with them.
    ///
    /// # Errors
    /// 403.
    pub(super) fn must_outlast(&self, app: &App, token: &ApiToken) -> Result<(), Problem> {
        if let Some(own) = self.token.as_ref().filter(|own| own.id != token.id)
            && !(token.lies_within(own) && tokens::is_made_by(&app.store.view(), token, own.id)?)
        {
            let detail = "a token does this to itself and to what it made, where that lasts no longer and works from \
                          nowhere else";
            return Err(Problem::forbidden(detail));
        }
        let is_own = |(user, _)| token.owner == Some(user);
        if matches!(token.grant, Grant::Scopes(_)) && !self.caller.owner.is_none_or(is_own) {
            let detail = "the token is not yours, and would outlast you: who carries it rotates it, and what it may do \
                          is widened on the server itself";
            return Err(Problem::forbidden(detail));
        }
        Ok(())
    }

    /// What must hold in the commit.
    pub(super) fn right(&self) -> Right {
        Right {
            owner: self.caller.owner,
            session: self.caller.session.as_ref().map(|session| session.1.id),
            token: self.token.as_ref().map(|token| (token.id, token.revision)),
        }
    }
}

/// Refuses whose right is gone in this commit.
///
/// # Errors
/// 401 where they are out by now, 412 where their token was changed.
pub(super) fn must_be_in(tx: &Tx<'_>, right: &Right) -> Result<(), Problem> {
    if right.holds(tx)? { Ok(()) } else { Err(Problem::unauthenticated()) }
}
